// Forms at the gate: each part that may be audio is an upload, held at the delimiter behind it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <random>

#include "dataplane/gate/intake.h"
#include "tests/dataplane/engine_harness.h"

namespace soundgate::test {
namespace {

using std::chrono::milliseconds;

const std::string kType = "Content-Type: multipart/form-data; boundary=Boundary\r\n";

std::string file_part(const std::string& name, const std::string& data) {
  return "--Boundary\r\nContent-Disposition: form-data; name=\"f\"; filename=\"" + name +
         "\"\r\nContent-Type: audio/mpeg\r\n\r\n" + data + "\r\n";
}
std::string field_part(const std::string& data) {
  return "--Boundary\r\nContent-Disposition: form-data; name=\"t\"\r\n\r\n" + data + "\r\n";
}
const std::string kClose = "--Boundary--\r\n";

std::string chunked_request(const std::string& body, size_t chunk_bytes) {
  std::string request =
      "POST /x HTTP/1.1\r\nHost: a\r\n" + kType + "Transfer-Encoding: chunked\r\n\r\n";
  for (size_t at = 0; at < body.size(); at += chunk_bytes) {
    const std::string chunk = body.substr(at, chunk_bytes);
    char size[32];
    std::snprintf(size, sizeof size, "%zx\r\n", chunk.size());
    request += size + chunk + "\r\n";
  }
  return request + "0\r\n\r\n";
}

size_t delimiter_after(const std::string& request, const std::string& data) {
  return request.rfind(data) + data.size();
}

TEST(Form, EachFileIsAnUploadHeldAtItsDelimiter) {
  Harness harness;
  harness.open();
  const std::string request = post_request(
      field_part("title") + file_part("a.mp3", "audio-1") + file_part("b.mp3", "audio-2") + kClose,
      kType);
  harness.client(0, request);
  ASSERT_EQ(harness.sink.records.size(), 1u);
  const auto first = harness.sink.records[0];
  EXPECT_EQ(first.body, "audio-1");
  EXPECT_EQ(first.path, "/x");
  EXPECT_EQ(first.part, 2u);
  EXPECT_EQ(first.file_name, "a.mp3");
  EXPECT_EQ(first.content_type, "audio/mpeg");
  EXPECT_TRUE(first.finished);
  const size_t held = delimiter_after(request, "audio-1");
  EXPECT_EQ(harness.take_payload(Side::kOrigin), request.substr(0, held));
  harness.decide(false);
  ASSERT_EQ(harness.sink.records.size(), 2u);
  EXPECT_EQ(harness.sink.records[0].reports.at(0).outcome, GateOutcome::kReleased);
  EXPECT_EQ(harness.sink.records[1].body, "audio-2");
  EXPECT_EQ(harness.sink.records[1].part, 3u);
  const size_t held_again = delimiter_after(request, "audio-2");
  EXPECT_EQ(harness.take_payload(Side::kOrigin), request.substr(held, held_again - held));
  harness.decide(false);
  EXPECT_EQ(harness.take_payload(Side::kOrigin), request.substr(held_again));
  EXPECT_EQ(harness.engine().forms_in_use(), 0u);
  harness.client(request.size(), kRequest);  // the next one is read as such
  EXPECT_EQ(harness.sink.records.back().body, "0123456789");
}

// At every byte: in two segments, with a length and in chunks of every size. No byte of the
// delimiter goes on before the verdict, and all does after it.
TEST(Form, PassesUncheckedWhereOperatorsWantItSo) {
  DataplaneConfig config = Harness::enforcing();
  config.intake = std::make_shared<Intake>();
  config.intake->set_draining(true);
  Harness harness(config);
  harness.open();
  const std::string request = post_request(file_part("a.mp3", "audio-1") + kClose, kType);
  harness.client(0, request);
  EXPECT_EQ(harness.take_payload(Side::kOrigin), request);
  ASSERT_EQ(harness.sink.records.size(), 1u);
  EXPECT_EQ(harness.sink.records[0].reports.at(0).reason, DataplaneReason::draining);
}

TEST(Form, HoldsTheDelimiterHoweverItIsCut) {
  const std::string body = field_part("title") + file_part("a.mp3", "au\r\n--Boundxdio") + kClose;
  for (size_t chunk_bytes = 0; chunk_bytes < 20; ++chunk_bytes) {
    const std::string request =
        chunk_bytes == 0 ? post_request(body, kType) : chunked_request(body, chunk_bytes);
    for (size_t cut = 1; cut < request.size(); ++cut) {
      for (const bool block : {false, true}) {
        Harness harness;
        harness.open();
        harness.client(0, request.substr(0, cut));
        harness.client(cut, request.substr(cut));
        ASSERT_EQ(harness.sink.records.size(), 1u);
        EXPECT_EQ(harness.sink.records[0].body, "au\r\n--Boundxdio");
        ASSERT_TRUE(harness.sink.records[0].finished);
        const std::string before = harness.take_payload(Side::kOrigin);
        EXPECT_TRUE(request.starts_with(before));
        if (chunk_bytes == 0) {
          EXPECT_EQ(before.size(), delimiter_after(request, "Boundxdio"));
        } else if (chunk_bytes == 1) {  // what of the delimiter's first chunk is no data may go
          EXPECT_TRUE(before.ends_with("1\r\no\r\n1\r\n")) << before;
        }
        harness.decide(block);
        EXPECT_EQ(harness.take_payload(Side::kOrigin), block ? "" : request.substr(before.size()));
        EXPECT_EQ(harness.engine().forms_in_use(), 0u);
        if (testing::Test::HasFailure()) FAIL() << chunk_bytes << " " << cut;
      }
    }
  }
}

TEST(Form, ABlockedPartRefusesTheRequest) {
  Harness harness;
  harness.open();
  const std::string request =
      post_request(file_part("a.mp3", "clean") + file_part("b.mp3", "spam") + kClose, kType);
  harness.client(0, request);
  harness.decide(false);
  harness.take(Side::kOrigin);
  harness.decide(true);
  EXPECT_TRUE(harness.take_payload(Side::kClient).starts_with("HTTP/1.1 403"));
  EXPECT_TRUE(harness.take(Side::kOrigin).at(0).frame.has(kRst));
  EXPECT_EQ(harness.sink.records.at(0).reports.at(0).outcome, GateOutcome::kReleased);
  EXPECT_EQ(harness.sink.records.at(1).reports.at(0).outcome, GateOutcome::kBlocked);
  EXPECT_EQ(harness.engine().forms_in_use(), 0u);
}

TEST(Form, ABlockMayComeEarly) {
  Harness harness;
  harness.open();
  const std::string request =
      post_request(file_part("a.mp3", std::string(3'000, 'x')) + kClose, kType);
  harness.client(0, request.substr(0, 1'000));
  harness.take(Side::kOrigin);
  harness.decide(true);
  EXPECT_TRUE(harness.take_payload(Side::kClient).starts_with("HTTP/1.1 403"));
  harness.client(1'000, request.substr(1'000, 1'000));
  harness.take(Side::kClient);
  for (const Seen& one : harness.take(Side::kOrigin)) EXPECT_TRUE(one.payload().empty());
}

TEST(Form, ADecisionMayComeEarlyAndTheNextPartIsInspected) {
  Harness harness;
  harness.open();
  const std::string request =
      post_request(file_part("a.mp3", "clean") + file_part("b.mp3", "spam") + kClose, kType);
  const size_t middle = request.find("clean") + 2;
  harness.client(0, request.substr(0, middle));
  harness.decide(false);
  harness.client(middle, request.substr(middle));
  ASSERT_EQ(harness.sink.records.size(), 2u);
  EXPECT_EQ(harness.sink.records[1].body, "spam");
  EXPECT_EQ(harness.take_payload(Side::kOrigin),
            request.substr(0, delimiter_after(request, "spam")));
}

TEST(Form, FieldsThatAreNoTextAreInspected) {
  const std::string binary = std::string("RIFFabcdWAVEfmt \x10\0\0\0", 20);
  for (const std::string& data :
       {binary, std::string("\xff\xfb\x90"), std::string(100, 'a') + "\1"}) {
    for (size_t piece = 1; piece < 40; piece += 13) {
      Harness harness;
      harness.open();
      const std::string request = post_request(field_part(data) + kClose, kType);
      for (size_t at = 0; at < request.size(); at += piece) {
        harness.client(at, request.substr(at, piece));
      }
      ASSERT_EQ(harness.sink.records.size(), 1u);
      EXPECT_EQ(harness.sink.records[0].body, data.size() < 64 ? data : data.substr(0, 64) + "\1");
      harness.decide(true);
      EXPECT_TRUE(harness.take_payload(Side::kClient).starts_with("HTTP/1.1 403"));
    }
  }
  Harness harness;
  harness.open();
  const std::string request =
      post_request(field_part("na\xc3\xafve \xe2\x82\xac\r\n") + kClose, kType);
  harness.client(0, request);
  EXPECT_TRUE(harness.sink.records.empty());
  EXPECT_EQ(harness.take_payload(Side::kOrigin), request);
}

TEST(Form, AFieldThatNeverEndsIsInspectedAndFlagged) {
  Harness harness;
  harness.open();
  const std::string request =
      post_request(field_part(std::string(kFieldBytesMax + 9, 'a')) + kClose, kType);
  for (size_t at = 0; at < request.size(); at += 1'400) {
    harness.client(at, request.substr(at, 1'400));
    harness.origin(0, "", std::min(at + 1'400, request.size()) - 40);
  }
  ASSERT_EQ(harness.sink.records.size(), 1u);
  EXPECT_EQ(harness.sink.records[0].body.size(), kFieldStartBytes + 9);
  harness.decide(false);
  EXPECT_EQ(harness.sink.records[0].reports.at(0).reason, DataplaneReason::http_unsupported);
}

TEST(Form, ACodedPartDoesNotPassForChecked) {
  Harness harness;
  harness.open();
  const std::string part =
      "--Boundary\r\nContent-Disposition: form-data; name=a; filename=b\r\n"
      "Content-Transfer-Encoding: base64\r\n\r\nSUQz\r\n";
  const std::string request = post_request(part + kClose, kType);
  harness.client(0, request);
  EXPECT_EQ(harness.sink.records.at(0).body, "SUQz");
  harness.decide(false);
  EXPECT_EQ(harness.sink.records[0].reports.at(0).reason, DataplaneReason::http_unsupported);
  EXPECT_EQ(harness.take_payload(Side::kOrigin), request);
}

// Also where its last byte may be what completes it: of that nothing has gone on.
TEST(Form, WhatIsReadDifferentlyIsRefused) {
  for (const std::string& body : {file_part("a.mp3", "audio"),                  // no last delimiter
                                  file_part("a.mp3", "audio\n--Boundary--"),    //
                                  file_part("a.mp3", "audio") + "--Boundary",   //
                                  file_part("a.mp3", "audio") + "--Boundary-",  //
                                  file_part("a.mp3", "audio") + "--Boundary \r\n",        //
                                  file_part("a.mp3", "audio") + kClose + "trailing",      //
                                  field_part("title") + "--Boundary\r\nbroken\r\n\r\nx",  //
                                  field_part("title") + "--Boundary\r\nContent-Type: a",  //
                                  std::string("--Boundary"), std::string("--Bound")}) {
    for (const bool chunked : {false, true}) {
      Harness harness;
      harness.open();
      const std::string request = chunked ? chunked_request(body, 7) : post_request(body, kType);
      for (size_t at = 0; at < request.size(); at += 5) {
        harness.client(at, request.substr(at, 5));
        if (!harness.sink.records.empty() && harness.sink.records.back().finished &&
            harness.sink.records.back().reports.empty()) {
          harness.decide(false);
        }
      }
      EXPECT_TRUE(harness.take_payload(Side::kClient).starts_with("HTTP/1.1 403")) << body;
      std::string sent;
      for (const Seen& one : harness.take(Side::kOrigin)) sent += one.payload();
      EXPECT_LE(sent.size(), request.size() - (chunked ? 5 : 1)) << body;
      EXPECT_GE(harness.reason(DataplaneReason::http_ambiguous), 1u) << body;
      EXPECT_EQ(harness.sink.records.back().reports.at(0).reason, DataplaneReason::http_ambiguous);
      EXPECT_EQ(harness.engine().forms_in_use(), 0u);
    }
  }
}

TEST(Form, AnAmbiguousTypeIsRefused) {
  for (const char* type : {"boundary=a; boundary=b", "boundary=\"a\\b\"", "boundary*=a"}) {
    Harness harness;
    harness.open();
    harness.client(0, post_request("--a\r\n", "Content-Type: multipart/form-data; " +
                                                  std::string(type) + "\r\n"));
    EXPECT_TRUE(harness.take_payload(Side::kClient).starts_with("HTTP/1.1 403")) << type;
    EXPECT_EQ(harness.take_payload(Side::kOrigin), "");
  }
}

TEST(Form, WherePolicyLetsAmbiguityPassTheRestDoes) {
  DataplaneConfig config = Harness::enforcing();
  config.fail_policy = default_fail_policy();
  config.fail_policy[static_cast<size_t>(DataplaneReason::http_ambiguous)] = FailAction::kFlag;
  Harness harness(config);
  harness.open();
  const std::string request =
      post_request(file_part("a.mp3", "audio\n--Boundary--") + kClose, kType);
  harness.client(0, request + kRequest);
  EXPECT_EQ(harness.sink.records.at(0).reports.at(0).reason, DataplaneReason::http_ambiguous);
  EXPECT_EQ(harness.sink.records.at(1).body, "0123456789");
  EXPECT_EQ(harness.take_payload(Side::kOrigin), request + kRequest.substr(0, kEnd - 1));
}

TEST(Form, TooManyPartsAreRefused) {
  Harness harness;
  harness.open();
  std::string body;
  for (size_t i = 0; i <= kPartsMax; ++i)
    body += "--Boundary\r\nContent-Disposition: form-data\r\n\r\n\r\n";
  const std::string request = post_request(body + kClose, kType);
  for (size_t at = 0; at < request.size(); at += 1'400) {
    harness.client(at, request.substr(at, 1'400));
    harness.origin(0, "", std::min(at + 1'400, request.size()) - 40);
  }
  EXPECT_EQ(harness.reason(DataplaneReason::http_ambiguous), 1u);
  EXPECT_EQ(harness.engine().forms_in_use(), 0u);
  EXPECT_TRUE(harness.take_payload(Side::kClient).starts_with("HTTP/1.1 403"));
}

TEST(Form, WithoutRoomItsFailPolicyDecides) {
  CoreSizes sizes = Harness::small();
  sizes.forms = 0;
  Harness harness(Harness::enforcing(), sizes);
  harness.open();
  const std::string request = post_request(file_part("a.mp3", "audio") + kClose, kType);
  harness.client(0, request);
  EXPECT_EQ(harness.sink.records.at(0).reports.at(0).reason, DataplaneReason::overload);
  EXPECT_EQ(harness.take_payload(Side::kOrigin), request);
}

TEST(Form, AFileWithoutRoomIsNamedLikeEveryOther) {
  CoreSizes sizes = Harness::small();
  sizes.uploads = 1;
  Harness harness(Harness::enforcing(), sizes);
  harness.open();
  harness.client(0, kRequest.substr(0, kEnd - 1));  // it takes the only place
  ++harness.key.client_port;
  harness.open();
  const std::string request =
      post_request(field_part("title") + file_part("a.mp3", "audio") + kClose, kType);
  harness.client(0, request);
  ASSERT_EQ(harness.sink.records.size(), 2u);
  const auto& file = harness.sink.records[1];
  EXPECT_EQ(file.part, 2u);
  EXPECT_EQ(file.file_name, "a.mp3");
  EXPECT_EQ(file.content_type, "audio/mpeg");
  EXPECT_EQ(file.reports.at(0).reason, DataplaneReason::overload);

  ++harness.key.client_port;
  harness.open();
  harness.client(0, post_request("packed", "Content-Encoding: gzip\r\n"));
  ASSERT_EQ(harness.sink.records.size(), 3u);
  EXPECT_EQ(harness.sink.records[2].coding, ContentCoding::kGzip);
  EXPECT_EQ(harness.sink.records[2].reports.at(0).reason, DataplaneReason::overload);
}

// A client that waits for an acknowledgment before it sends the rest must get one.
TEST(Form, APartOfADelimiterIsHeldForAMoment) {
  Harness harness;
  harness.open();
  const std::string request = post_request(file_part("a.mp3", "audio") + kClose, kType);
  const size_t data_end = delimiter_after(request, "audio");
  harness.client(0, request.substr(0, data_end + 5));
  EXPECT_EQ(harness.take_payload(Side::kOrigin), request.substr(0, data_end));
  harness.wait(kDelimiterStallMax + milliseconds(5));
  EXPECT_EQ(harness.take_payload(Side::kOrigin), request.substr(data_end, 5));
  harness.client(data_end + 5, request.substr(data_end + 5, 7));  // up to the boundary's last byte
  harness.wait(kDelimiterStallMax + milliseconds(5));
  EXPECT_EQ(harness.take_payload(Side::kOrigin), "");
  harness.client(data_end + 12, request.substr(data_end + 12));
  EXPECT_EQ(harness.take_payload(Side::kOrigin), "");
  harness.decide(false);
  EXPECT_EQ(harness.take_payload(Side::kOrigin), request.substr(data_end + 5));
}

TEST(Form, StandingStillBehindABoundaryReleasesNothing) {
  for (const bool leaves : {false, true}) {
    Harness harness;
    harness.open();
    const std::string request = post_request(file_part("a.mp3", "audio") + kClose, kType);
    const size_t end = delimiter_after(request, "audio");
    harness.client(0, request.substr(0, end + 12));
    harness.take(Side::kOrigin);
    if (leaves) {
      harness.client(end + 12, "", kAck | kFin);
    } else {
      harness.wait(kTailStallMax + milliseconds(10));
    }
    EXPECT_EQ(harness.sink.records.at(0).reports.at(0).outcome, GateOutcome::kAborted);
    const auto sent = harness.take(Side::kOrigin);
    ASSERT_FALSE(sent.empty());
    for (const Seen& one : sent) EXPECT_TRUE(one.frame.has(kRst) && one.payload().empty());
  }
}

TEST(Form, ObserveModeHoldsNothing) {
  Harness harness(Harness::observing());
  harness.open();
  const std::string request =
      post_request(file_part("a.mp3", "one") + file_part("b.mp3", "two") + kClose, kType);
  harness.client(0, request);
  EXPECT_EQ(harness.take_payload(Side::kOrigin), request);
  ASSERT_EQ(harness.sink.records.size(), 2u);
  EXPECT_EQ(harness.sink.records[0].body, "one");
  EXPECT_EQ(harness.sink.records[1].body, "two");
  EXPECT_EQ(harness.sink.records[1].reports.at(0).outcome, GateOutcome::kReleasedUnasked);
}

TEST(Form, ThatStandsStillIsGivenBack) {
  Harness harness;
  harness.open();
  const std::string request = post_request(field_part("title") + kClose, kType);
  const size_t sent = request.size() - 20;
  harness.client(0, request.substr(0, sent));
  harness.origin(0, "", sent);
  EXPECT_EQ(harness.engine().forms_in_use(), 1u);
  harness.wait(kUploadIdleMax - milliseconds(10));
  EXPECT_EQ(harness.engine().forms_in_use(), 1u);
  harness.client(sent - 1, "");  // a keep-alive
  harness.wait(milliseconds(20));
  EXPECT_EQ(harness.engine().forms_in_use(), 0u);
}

// As many as there is room for, each of which stops at this byte.
void take_all_forms(Harness& harness, const std::string& request, size_t at) {
  for (uint16_t i = 0; i < 2; ++i) {
    harness.key.client_port = static_cast<uint16_t>(50'000 + i);
    harness.open();
    harness.client(0, request.substr(0, at));
  }
  EXPECT_EQ(harness.engine().forms_in_use(), 2u);
}

void send_another(Harness& harness, uint16_t port, const std::string& request) {
  harness.key.client_port = port;
  harness.open();
  harness.client(0, request);
}

TEST(Form, ThatHardlyComesMakesRoomForOthers) {
  const std::string request = post_request(file_part("a.mp3", "audio") + kClose, kType);
  for (const bool in_head : {true, false}) {
    for (const Mode mode : {Mode::kEnforce, Mode::kObserve}) {
      DataplaneConfig config = Harness::enforcing();
      config.mode = mode;
      Harness harness(config);
      const size_t at = request.find(in_head ? "filename" : "udio");
      take_all_forms(harness, request, at);
      send_another(harness, 51'000, request);
      EXPECT_EQ(harness.reason(DataplaneReason::overload), 1u) << "they may only have been late";
      harness.wait(kUploadPaceWindow);
      for (uint16_t i = 0; i < 2; ++i) {
        harness.key.client_port = static_cast<uint16_t>(50'000 + i);
        harness.client(at, request.substr(at, 1));
      }
      harness.wait(milliseconds(10));
      harness.seen.clear();
      send_another(harness, 51'001, request);
      EXPECT_EQ(harness.sink.records.back().body, "audio");
      EXPECT_EQ(harness.reason(DataplaneReason::overload), 2u);
      EXPECT_EQ(harness.sink.records.back().file_name, "a.mp3");
      if (mode == Mode::kEnforce) continue;
      for (const Seen& one : harness.take(Side::kOrigin)) EXPECT_FALSE(one.frame.has(kRst));
    }
  }
}

TEST(Form, ThatAwaitsADecisionIsNotSlow) {
  const std::string request = post_request(file_part("a.mp3", "audio") + kClose, kType);
  DataplaneConfig config = Harness::enforcing();
  config.hold_max = std::chrono::minutes(2);
  Harness harness(config);
  take_all_forms(harness, request, request.size());
  harness.wait(kUploadPaceWindow);
  harness.wait(milliseconds(10));
  send_another(harness, 51'000, request);
  EXPECT_EQ(harness.sink.records.back().reports.at(0).reason, DataplaneReason::overload);
  EXPECT_EQ(harness.engine().forms_in_use(), 2u);
}

// What the origin has got: bytes by their offset, in whatever order they came.
class Arrived {
 public:
  explicit Arrived(size_t bytes) : bytes_(bytes) {}

  void take(Harness& harness) {
    for (const Seen& one : harness.take(Side::kOrigin)) {
      const uint32_t at = one.frame.sequence - Harness::kClientFirst;
      const size_t taken = whole().size();  // of that it takes nothing again
      for (size_t i = 0; i < one.frame.payload_bytes; ++i) {
        if (at + i >= taken) bytes_.at(at + i) = one.payload()[i];
      }
    }
  }
  // As far as it can read.
  std::string whole() const {
    std::string read;
    for (const std::optional<char>& byte : bytes_) {
      if (!byte) break;
      read += *byte;
    }
    return read;
  }
  bool has(size_t at) const { return bytes_.at(at).has_value(); }

 private:
  std::vector<std::optional<char>> bytes_;
};

TEST(Form, BytesBehindAGapGoAheadUnlessTheyCompleteADelimiter) {
  const std::string request =
      post_request(file_part("a.mp3", std::string(300, 'x')) + kClose, kType);
  const size_t audio = request.find("xxx");
  const size_t end = audio + 300;
  Harness harness;
  harness.open();
  Arrived arrived(request.size());
  const auto send = [&](size_t from, size_t to) {
    harness.client(from, request.substr(from, to - from));
    arrived.take(harness);
  };
  send(0, audio + 10);
  send(audio + 20, audio + 50);
  EXPECT_TRUE(arrived.has(audio + 20)) << "or the origin would not tell of the gap";
  send(end + 5, end + 14);
  EXPECT_TRUE(arrived.has(end + 5)) << "it is none by itself";
  send(end - 10, end + 5);
  EXPECT_FALSE(arrived.has(end - 10)) << "it completes one";
  send(request.size() - 1, request.size());
  EXPECT_FALSE(arrived.has(request.size() - 1)) << "the last byte of the body";
  send(audio + 50, end - 10);
  EXPECT_TRUE(arrived.has(end - 11));
  send(audio + 10, audio + 20);
  EXPECT_EQ(arrived.whole(), request.substr(0, end));
  send(end + 14, request.size() - 1);
  EXPECT_EQ(arrived.whole(), request.substr(0, end)) << "nothing does behind a whole part";
  ASSERT_TRUE(harness.sink.records.at(0).finished);
  harness.decide(false);
  arrived.take(harness);
  EXPECT_EQ(arrived.whole(), request);
}

TEST(Form, NothingGoesAheadWhileAFileAwaitsItsVerdict) {
  const std::string first = file_part("a.mp3", "audio") + "--Boundary\r\n";
  const std::string request = post_request(first + std::string(300, 'x') + "\r\n" + kClose, kType);
  Harness harness;
  harness.open();
  Arrived arrived(request.size());
  const size_t known = request.find("xxx");
  harness.client(0, request.substr(0, known));
  ASSERT_TRUE(harness.sink.records.at(0).finished);
  harness.client(known + 20, request.substr(known + 20, 20));
  arrived.take(harness);
  EXPECT_FALSE(arrived.has(known + 20));
}

TEST(Form, BehindAGapInAChunkedOneEverythingWaits) {
  const std::string request =
      chunked_request(file_part("a.mp3", std::string(300, 'x')) + kClose, 1'000);
  Harness harness;
  harness.open();
  Arrived arrived(request.size());
  harness.client(0, request.substr(0, 200));
  harness.client(220, request.substr(220, 50));
  arrived.take(harness);
  EXPECT_FALSE(arrived.has(220));
}

// However a form is cut, in whatever order its pieces come and come again: the origin never can
// read a delimiter behind a file before its verdict, nor after a block; and has all after a pass.
TEST(Form, InWhateverOrderItComesNoFileEndsBeforeItsVerdict) {
  std::minstd_rand random(20261129);
  const auto below = [&](size_t bound) { return static_cast<size_t>(random()) % bound; };
  for (int round = 0; round < 20'000; ++round) {
    const std::string body = field_part("t") + file_part("a", "au\r\n--Boundxdio") +
                             field_part("u") + file_part("b", "more--Bound") + kClose;
    const std::string request = post_request(body, kType);
    const size_t ends[] = {delimiter_after(request, "Boundxdio"),
                           delimiter_after(request, "more--Bound")};
    const bool waits_for_turn = below(2) == 0;
    const std::string first = waits_for_turn ? "GET / HTTP/1.1\r\nHost: a\r\n\r\n" : "";
    const std::string all = first + request;
    Harness harness;
    harness.open();
    Arrived arrived(all.size());
    if (waits_for_turn) harness.client(0, first);
    std::vector<size_t> cuts = {first.size(), all.size()};
    for (size_t count = 2 + below(8); count > 0; --count) {
      const size_t near = first.size() + ends[below(2)] + 16 - below(40);
      cuts.push_back(below(2) == 0 ? near : first.size() + below(request.size()));
    }
    std::ranges::sort(cuts);
    std::vector<std::pair<size_t, size_t>> pieces;
    for (size_t i = 1; i < cuts.size(); ++i) {
      if (cuts[i] > cuts[i - 1]) pieces.emplace_back(cuts[i - 1], cuts[i]);
    }
    std::ranges::shuffle(pieces, random);
    size_t decided = 0;
    bool blocked = false;
    const auto check = [&] {
      arrived.take(harness);
      if (decided == 2 && !blocked) return;
      const size_t end = first.size() + ends[blocked ? decided - 1 : decided];
      ASSERT_LT(arrived.whole().size(), end + sizeof("\r\n--Boundary") - 1)
          << "round " << round << ", " << decided << " decided";
    };
    for (int times = 0; times < 3; ++times) {  // the client sends it again as long as it must
      for (const auto& [from, to] : pieces) {
        harness.client(from, all.substr(from, to - from));
        ASSERT_NO_FATAL_FAILURE(check());
        if (below(8) == 0) harness.wait(milliseconds(250));  // it loosens what is no delimiter yet
        ASSERT_NO_FATAL_FAILURE(check());
        const bool is_due = decided < harness.sink.records.size() &&
                            harness.sink.records[decided].finished && !blocked;
        if (!is_due || below(2) == 0) continue;
        blocked = below(3) == 0;
        ++decided;
        harness.decide(blocked);
        ASSERT_NO_FATAL_FAILURE(check());
      }
    }
    if (decided == 2 && !blocked) {
      for (const auto& [from, to] : pieces) harness.client(from, all.substr(from, to - from));
      arrived.take(harness);
      ASSERT_EQ(arrived.whole(), all) << "round " << round;
    }
  }
}

// Hostile: pieces that differ where they come again, that the origin never gets, that overlap; its
// acknowledgments, which have what is stored here forgotten; waits, which loosen what is no
// delimiter yet. What the origin can read has no more ends of files than were let go.
TEST(Form, WhateverAClientSendsAgainNoFileEndsBeforeItsVerdict) {
  std::minstd_rand random(20261130);
  const auto below = [&](size_t bound) { return static_cast<size_t>(random()) % bound; };
  const std::string kDelimiter = "\r\n--Boundary";
  size_t ended = 0;
  for (int round = 0; round < 20'000; ++round) {
    const std::string body =
        file_part("a", "au\r\n--Bound\r\ndio") + file_part("b", "more--Bound") + kClose;
    const std::string request = post_request(body, kType);
    const std::string all = request + (below(2) == 0 ? kRequest : "");
    Harness harness;
    harness.open();
    Arrived arrived(all.size());
    const size_t files_from = request.find("au\r\n");
    harness.client(0, all.substr(0, files_from));
    arrived.take(harness);
    const size_t head = request.find("Content-Disposition", files_from);
    const size_t head_end = request.find("more");
    size_t let_go = 0;
    bool blocked = false;
    for (int act = 0; act < 40; ++act) {
      const std::string whole = arrived.whole();
      // Mostly near where the origin is, and near delimiters.
      const size_t near = below(3) == 0 ? files_from + below(all.size() - files_from)
                          : below(2) == 0
                              ? std::min(all.size() - 1, whole.size() + below(40))
                              : request.find(kDelimiter, files_from + below(200)) + below(14);
      const size_t from = std::min(near, all.size() - 1);
      std::string piece = all.substr(from, 1 + below(below(4) == 0 ? 80 : 8));
      const size_t spoiled = below(piece.size());
      const bool is_in_head = from + spoiled >= head && from + spoiled < head_end;
      if (below(6) == 0 && !is_in_head) piece[spoiled] = "\r\n-Bx"[below(6)];
      harness.client(from, piece);
      if (below(5) == 0) {
        (void)harness.take(Side::kOrigin);  // it is lost
      }
      arrived.take(harness);
      if (below(3) == 0) harness.origin(0, "", arrived.whole().size());
      if (below(6) == 0) harness.wait(milliseconds(below(2) == 0 ? 210 : 20));
      if (below(4) == 0 && !harness.sink.records.empty() && harness.sink.records.back().finished &&
          harness.sink.records.back().reports.empty() && !blocked) {
        blocked = below(3) == 0;
        if (!blocked) ++let_go;
        harness.decide(blocked);
      }
      arrived.take(harness);
      size_t ends = 0;
      const std::string now = arrived.whole();
      for (size_t at = files_from; (at = now.find(kDelimiter, at)) != std::string::npos; ++at)
        ++ends;
      size_t unasked = 0;
      for (const auto& record : harness.sink.records) {
        for (const auto& report : record.reports) {
          unasked += report.outcome == GateOutcome::kReleasedUnasked;
        }
      }
      ended += ends;
      ASSERT_LE(ends, let_go + unasked) << "round " << round << " act " << act << "\n" << now;
    }
  }
  EXPECT_GT(ended, 1'000u);
}

}  // namespace
}  // namespace soundgate::test
