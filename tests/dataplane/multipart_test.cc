// Forms' bodies, fed whole and in pieces of every size, and the header that announces them.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "dataplane/http/form_type.h"
#include "dataplane/http/multipart_reader.h"

namespace soundgate {
namespace {

using Event = MultipartReader::Event;

Bytes bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

struct Part {
  std::string type, file_name, data;
  bool is_field = false, is_wrapped = false, ended = false;
  bool operator==(const Part&) const = default;
};

struct Reading {
  std::vector<Part> parts;
  std::string no_form;   // the data of a body that is none
  char end = '.';        // N no form, A ambiguous, E over
  size_t failed_at = 0;  // A: used up to there
  bool operator==(const Reading&) const = default;
};

Reading read(std::string_view boundary, std::string_view input, size_t first_bytes,
             size_t piece_bytes) {
  MultipartReader reader;
  reader.begin(boundary);
  Reading reading;
  size_t at = 0;
  size_t fed = first_bytes;
  while (at < input.size()) {
    if (fed <= at) fed = std::min(input.size(), at + piece_bytes);
    const auto step = reader.step(bytes_of(input.substr(at, fed - at)));
    EXPECT_GT(step.used, 0u);
    EXPECT_LE(step.used, fed - at);
    EXPECT_LE(reader.held_bytes(), at + step.used);
    at += step.used;
    std::string data(reinterpret_cast<const char*>(step.earlier.data()), step.earlier.size());
    data.append(reinterpret_cast<const char*>(step.data.data()), step.data.size());
    if (step.event == Event::kNoForm) {
      reading.no_form += data + std::string(input.substr(at));
      reading.end = 'N';
      return reading;
    }
    if (!data.empty()) reading.parts.back().data += data;
    if (step.event == Event::kPartHead) {
      const PartHead& part = reader.part();
      reading.parts.push_back({std::string(part.content_type.view()),
                               std::string(part.file_name.view()), "", part.is_field(),
                               part.is_wrapped(), false});
    }
    if (step.event == Event::kPartEnd) reading.parts.back().ended = true;
    if (step.event == Event::kAmbiguous) {
      reading.end = 'A';
      reading.failed_at = at;
      return reading;
    }
  }
  if (reader.is_over()) reading.end = 'E';
  return reading;
}

// The same, however it is cut: in two at every byte, and in pieces of every size up to 30.
Reading read_in_any_pieces(std::string_view input, std::string_view boundary = "Boundary") {
  const Reading whole = read(boundary, input, input.size(), 1);
  for (size_t first = 1; first < input.size(); ++first) {
    EXPECT_EQ(read(boundary, input, first, input.size()), whole) << first;
  }
  for (size_t piece = 1; piece < 30; ++piece) {
    EXPECT_EQ(read(boundary, input, std::min(piece, input.size()), piece), whole) << piece;
  }
  return whole;
}

const std::string kFile =
    "Content-Disposition: form-data; name=\"f\"; filename=\"a b.mp3\"\r\n"
    "Content-Type: audio/mpeg\r\n\r\n";
const std::string kField = "Content-Disposition: form-data; name=\"t\"\r\n\r\n";

std::string file_with(const std::string& data) {
  return "--Boundary\r\n" + kFile + data + "\r\n--Boundary--\r\n";
}

TEST(MultipartReader, ReadsFieldsAndFiles) {
  const Reading reading =
      read_in_any_pieces("--Boundary\r\n" + kField + "title\r\n--Boundary\r\n" + kFile +
                         "audio\r\n--Boundary\r\n" + kFile + "\r\n--Boundary--\r\n");
  ASSERT_EQ(reading.parts.size(), 3u);
  EXPECT_EQ(reading.parts[0], (Part{"", "", "title", true, false, true}));
  EXPECT_EQ(reading.parts[1], (Part{"audio/mpeg", "a b.mp3", "audio", false, false, true}));
  EXPECT_EQ(reading.parts[2].data, "");
  EXPECT_TRUE(reading.parts[2].ended);
  EXPECT_EQ(reading.end, 'E');
}

TEST(MultipartReader, WhatIsNearlyADelimiterIsData) {
  for (const char* data : {"\r", "\r\n", "\r\n--", "\r\n--Bound", "\r\n--Boundarx", "\r\r\n-", "--",
                           "-\r\n--Bou\r\n--Bo", "\r\n\r\n", "\n--Bo", "\r\n--Boundar\r"}) {
    const Reading reading = read_in_any_pieces(file_with(data + std::string("x")));
    EXPECT_EQ(reading.parts.at(0).data, data + std::string("x"));
    EXPECT_EQ(reading.end, 'E') << data;
  }
  EXPECT_EQ(read_in_any_pieces(file_with("\r\r\n\r")).parts.at(0).data, "\r\r\n\r");
}

TEST(MultipartReader, BoundariesMayBeginWithDashes) {
  const std::string boundary = "----b--";
  const std::string close = "\r\n--" + boundary + "--\r\n";
  for (const char* data : {"-----", "\r\n-----b", "\r\n------b-", "------b-"}) {
    const Reading reading =
        read_in_any_pieces("--" + boundary + "\r\n" + kFile + data + close, boundary);
    EXPECT_EQ(reading.parts.at(0).data, data);
    EXPECT_EQ(reading.end, 'E') << data;
  }
  // One dash more, and for those who look for the boundary alone the part ends there.
  const std::string longer = "----------abc";
  EXPECT_EQ(
      read_in_any_pieces("--" + longer + "\r\n" + kFile + "x\r\n---" + longer + "\r\n", longer).end,
      'A');
}

// Each is read in one way by one of PHP, busboy, Go, Python and nginx's module, and in another by
// another.
TEST(MultipartReader, RefusesWhatOriginsReadDifferently) {
  const std::string open = "--Boundary\r\n" + kFile;
  for (const std::string& body : {
           open + "x\n--Boundary\r\n" + kFile,        // LF alone: Go, PHP, Python
           open + "x\r--Boundary\r\n" + kFile,        // CR alone: Python
           open + "x--Boundary\r\n" + kFile,          // no line of its own
           open + "--Boundary--\r\n",                 // no line break of its own
           open + "x\r\n--Boundary \r\n" + kFile,     // padding
           open + "x\r\n--Boundary\t--",              //
           open + "x\r\n--BoundaryX\r\n",             // PHP looks for a beginning
           open + "x\r\n--Boundary\n",                //
           open + "x\r\n--Boundary-\r\n",             //
           open + "x\r\n--Boundary\rX",               //
           open + "x\r\n--Boundary--\r\nmore",        // for those who store bodies as they are
           open + "x\r\n--Boundary--more",            //
           "--Boundary--\r\n--Boundary\r\n" + kFile,  //
           "--BoundaryX\r\n" + kFile,                 //
           std::string("--Boundary\nContent-Type: a\n\nx"),
           std::string("--Boundary\r\nContent-Type: a\n\nx"),
           std::string("--Boundary\r\nContent-Type: a\rX"),
           std::string("--Boundary\r\nContent-Type: a\r\n b\r\n\r\n"),
           std::string("--Boundary\r\n folded: a\r\n\r\n"),
           std::string("--Boundary\r\nContent-Type : a\r\n\r\n"),
           std::string("--Boundary\r\nno colon\r\n\r\n"),
           std::string("--Boundary\r\n: a\r\n\r\n"),
           std::string("--Boundary\r\n--Boundary\r\n"),
           std::string("--Boundary\r\n--a:b\r\n\r\n"),
           std::string("--Boundary\r\nX: a\0b\r\n", 20),
           std::string("--Boundary\r\nContent-Type: a\r\nContent-type: b\r\n\r\n"),
           std::string("--Boundary\r\nContent-Disposition: form-data\r\n"
                       "content-disposition: form-data; filename=x\r\n\r\n"),
           "--Boundary\r\nX: " + std::string(kPartLineBytesMax, 'a') + "\r\n\r\n",
       }) {
    EXPECT_EQ(read_in_any_pieces(body).end, 'A') << body;
  }
  std::string many = "--Boundary\r\n";
  for (size_t i = 0; i < 2'000; ++i) many += "X: y\r\n";
  const Reading reading = read("Boundary", many, many.size(), 1);
  EXPECT_EQ(reading.end, 'A');
  EXPECT_LE(reading.failed_at, kPartHeadBytesMax + 20);
}

TEST(MultipartReader, AShortBoundaryComesByChance) {
  const Reading reading =
      read_in_any_pieces("--b\r\n" + kFile + "some--b, --b--\r\n--b--\r\n", "b");
  EXPECT_EQ(reading.parts.at(0).data, "some--b, --b--");
  EXPECT_EQ(reading.end, 'E');
  EXPECT_EQ(read_in_any_pieces("--b\r\n" + kFile + "some\n--b\r\n", "b").end, 'A');
}

TEST(MultipartReader, WhatDoesNotBeginLikeAFormIsNone) {
  for (const char* body : {"ID3", "x\r\n--Boundary\r\n", "--Bounded", "\r\n--Boundless", "\r\r\n",
                           "\n--Boundary\r\n", "-x", "--\r\n"}) {
    const Reading reading = read_in_any_pieces(body);
    EXPECT_EQ(reading.end, 'N') << body;
    EXPECT_EQ(reading.no_form, body);
  }
  EXPECT_EQ(read_in_any_pieces("\r\n" + file_with("x")).end, 'E');
  EXPECT_EQ(read_in_any_pieces("--Boundary--").end, 'E');
  EXPECT_EQ(read_in_any_pieces("--Bound").end, '.');
}

TEST(MultipartReader, TellsFieldsFromFiles) {
  const auto part = [](const std::string& head) {
    return read_in_any_pieces("--Boundary\r\n" + head + "\r\nx\r\n--Boundary--\r\n").parts.at(0);
  };
  const std::string disposition = "Content-Disposition: form-data; name=a";
  EXPECT_TRUE(part(disposition + "\r\n").is_field);
  EXPECT_TRUE(part(disposition + "\r\nContent-Type: text/plain; charset=utf-8\r\n").is_field);
  EXPECT_TRUE(part(disposition + "\r\nContent-Transfer-Encoding: 8bit\r\n").is_field);
  for (const std::string& head :
       {disposition + "; FileName=x\r\n", disposition + "; filename*=utf-8''x.mp3\r\n",
        disposition + "\r\nContent-Type: application/octet-stream\r\n",
        std::string("Content-Type: text/plain\r\n"), std::string("X: y\r\n"),
        std::string("Content-Disposition: attachment; name=a\r\n")}) {
    EXPECT_FALSE(part(head).is_field) << head;
    EXPECT_FALSE(part(head).is_wrapped) << head;
  }
  for (const std::string& head :
       {disposition + "\r\nContent-Transfer-Encoding: base64\r\n",
        disposition + "\r\nContent-Encoding: gzip\r\n",
        disposition + "\r\nContent-Type: multipart/mixed; boundary=x\r\n"}) {
    EXPECT_FALSE(part(head).is_field) << head;
    EXPECT_TRUE(part(head).is_wrapped) << head;
  }
}

TEST(FormType, OnlyWhatAllReadAlike) {
  const auto boundary = [](std::string_view type) {
    const FormType form = form_type(type);
    return form.kind == FormType::Kind::kForm        ? std::string(form.boundary)
           : form.kind == FormType::Kind::kAmbiguous ? "?"
                                                     : "";
  };
  const std::string type = "multipart/form-data";
  EXPECT_EQ(boundary(type + "; boundary=abc"), "abc");
  EXPECT_EQ(boundary("Multipart/Form-Data;BOUNDARY=\"a,b(c)\""), "a,b(c)");
  EXPECT_EQ(boundary(type + "; charset=utf-8; boundary=----=_Part_1 ; x=y;"), "----=_Part_1");
  EXPECT_EQ(boundary(type + "; boundary=----WebKitFormBoundary7MA4YWxk"),
            "----WebKitFormBoundary7MA4YWxk");
  EXPECT_EQ(boundary(type + "; boundary=" + std::string(70, 'a')), std::string(70, 'a'));
  for (const char* none : {"", "audio/mpeg", "multipart/form-data", "multipart/form-data; x=y",
                           "multipart/form-datax; boundary=a", "multipart/mixed; boundary=a"}) {
    EXPECT_EQ(boundary(none), "") << none;
  }
  for (const std::string odd : {"; boundary=a; boundary=b",
                                "; boundary=a; Boundary=a",
                                "; boundary*=a",
                                "; boundary*0=a",
                                "; boundary=\"a\\b\"",
                                "; boundary=\"a",
                                "; boundary=a\"b",
                                "; boundary=\"a\"b",
                                "; boundary=\"a b\"",
                                "; boundary=a b",
                                "; boundary=a,b",
                                "; boundary =a",
                                "; boundary= a",
                                "; boundary=",
                                "; boundary=\"\"",
                                "; boundary",
                                "; xboundary=a; boundary=b",
                                "; x=boundary; boundary=b",
                                "; x; boundary=b",
                                ", text/plain; boundary=a; boundary=b",
                                "; boundary=a\xc3\xa9"}) {
    EXPECT_TRUE(boundary(type + odd) == "?" || boundary(type + odd).empty()) << odd;
    EXPECT_TRUE(odd.front() != ';' || boundary(type + odd) == "?") << odd;
  }
  EXPECT_EQ(boundary(type + "; boundary=" + std::string(71, 'a')), "?");
}

}  // namespace
}  // namespace soundgate
