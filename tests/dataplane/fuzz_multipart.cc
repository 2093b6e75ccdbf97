// Fuzzes the reader of forms' bodies: however the same bytes are cut, they make the same parts;
// each byte is used once; and where the reader is sure, the parts are those that a naive search in
// the whole body finds. The input chooses a boundary, and some of its bytes stand for delimiters
// and heads, which would not come by chance. Under clang it is a libFuzzer target; elsewhere
// fuzz_replay.cc runs it over its corpus.

#include <array>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "dataplane/http/multipart_reader.h"

namespace {

using namespace soundgate;
using Event = MultipartReader::Event;

void require(bool condition) {
  if (!condition) std::abort();
}

struct Reading {
  std::vector<std::string> parts;
  size_t ended = 0;  // parts whose delimiter came
  std::string no_form;
  Event end = Event::kMore;  // what came last
  size_t failed_at = 0;
  bool is_over = false;
  bool operator==(const Reading&) const = default;
};

struct Input {
  std::string boundary;
  std::string body;
};

Input expand(const uint8_t* data, size_t size) {
  static const std::array<std::string, 6> kBoundaries = {
      "Boundary", "b", "--a-", "----WebKitFormBoundary7MA4", "-", std::string(70, '-')};
  Input input;
  input.boundary = kBoundaries[size > 0 ? data[0] % kBoundaries.size() : 0];
  for (size_t i = 1; i < size; ++i) {
    switch (data[i]) {
      case 0xF0:
        input.body += "\r\n--" + input.boundary;
        break;
      case 0xF1:
        input.body += "\r\n";
        break;
      case 0xF2:
        input.body += "Content-Disposition: form-data; name=a; filename=b\r\n\r\n";
        break;
      case 0xF3:
        input.body += "--" + input.boundary;
        break;
      case 0xF4:
        input.body += input.boundary.substr(0, input.boundary.size() / 2);
        break;
      default:
        input.body += static_cast<char>(data[i]);
    }
  }
  return input;
}

// seed 0: in one piece.
Reading read(const Input& input, uint32_t seed) {
  MultipartReader reader;
  reader.begin(input.boundary);
  Reading reading;
  const std::string& body = input.body;
  size_t at = 0;
  size_t fed = 0;
  while (at < body.size()) {
    if (fed == at) {
      seed = seed * 1'664'525 + 1'013'904'223;
      const size_t piece = seed == 1'013'904'223 ? body.size() : 1 + (seed >> 16) % 40;
      fed = std::min(body.size(), at + piece);
    }
    const auto step = reader.step(std::as_bytes(std::span(body).subspan(at, fed - at)));
    require(step.used > 0 && step.used <= fed - at);
    require(reader.held_bytes() <= at + step.used);
    at += step.used;
    std::string data(reinterpret_cast<const char*>(step.earlier.data()), step.earlier.size());
    data.append(reinterpret_cast<const char*>(step.data.data()), step.data.size());
    reading.end = step.event;
    if (step.event == Event::kNoForm) {
      reading.no_form = data + body.substr(at);
      return reading;
    }
    if (!data.empty()) {
      require(!reading.parts.empty() && reading.ended + 1 == reading.parts.size());
      reading.parts.back() += data;
      // What is not held is all of the body up to here.
      const size_t end = at - reader.held_bytes();
      const bool is_sure = step.event != Event::kAmbiguous;
      require(!is_sure || body.compare(end - data.size(), data.size(), data) == 0);
    }
    if (step.event == Event::kAmbiguous) {
      reading.failed_at = at;
      return reading;
    }
    if (step.event == Event::kPartHead) reading.parts.emplace_back();
    if (step.event == Event::kPartEnd) ++reading.ended;
    require(reader.parts() == reading.parts.size());
  }
  reading.is_over = reader.is_over();
  return reading;
}

// The parts of a body that is whole, as a search finds them. Nothing where it is not.
struct Found {
  bool is_whole = false;
  std::vector<std::string> parts;
};
Found search(const Input& input) {
  const std::string delimiter = "\r\n--" + input.boundary;
  const std::string body = input.body.starts_with('-') ? "\r\n" + input.body : input.body;
  Found found;
  if (!body.starts_with(delimiter)) return found;
  for (size_t at = delimiter.size();;) {
    if (body.compare(at, 2, "--") == 0) {
      found.is_whole = true;
      return found;
    }
    const size_t head_end = body.find("\r\n\r\n", at);
    if (head_end == std::string::npos) return found;
    const size_t begin = head_end + 4;
    const size_t end = body.find(delimiter, begin);
    if (end == std::string::npos) return found;
    found.parts.push_back(body.substr(begin, end - begin));
    at = end + delimiter.size();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Input input = expand(data, size);
  const Reading whole = read(input, 0);
  for (uint32_t seed = 1; seed < 5; ++seed) require(read(input, seed * 7 + 1) == whole);
  if (whole.end == Event::kNoForm) require(whole.no_form == input.body);
  if (!whole.is_over) return 0;
  const Found found = search(input);
  require(found.is_whole && found.parts == whole.parts);
  require(whole.ended == whole.parts.size());
  return 0;
}
