#include "dataplane/gate/refusal.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <charconv>
#include <cstring>

#include "dataplane/limits.h"

namespace soundgate {
namespace {

// Appends to a fixed piece of memory; what does not fit is a programmer's error.
class Text {
 public:
  explicit Text(std::span<std::byte> out) : out_(out) {}

  Text& operator<<(std::string_view text) {
    assert(bytes_ + text.size() <= out_.size());
    std::memcpy(out_.data() + bytes_, text.data(), text.size());
    bytes_ += text.size();
    return *this;
  }

  Text& operator<<(size_t number) {
    std::array<char, 20> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
    return *this << std::string_view(digits.data(), static_cast<size_t>(end - digits.data()));
  }

  // As the inside of a JSON string; control characters become spaces.
  Text& quote(std::string_view text) {
    for (const char& c : text) {
      if (c == '"' || c == '\\') *this << "\\";
      *this << (static_cast<unsigned char>(c) < 0x20 ? std::string_view(" ")
                                                     : std::string_view(&c, 1));
    }
    return *this;
  }

  size_t bytes() const { return bytes_; }
  std::string_view view() const { return {reinterpret_cast<const char*>(out_.data()), bytes_}; }

 private:
  std::span<std::byte> out_;
  size_t bytes_ = 0;
};

std::string_view phrase(int status) {
  return status == 451 ? "Unavailable For Legal Reasons" : "Forbidden";
}

}  // namespace

size_t write_refusal(int status, std::string_view upload_id, std::string_view message,
                     std::span<std::byte> out) {
  std::array<std::byte, kBlockResponseBytesMax> space;
  Text body(space);
  body << "{\"upload_id\":\"";
  body.quote(upload_id) << "\",\"verdict\":\"block\",\"message\":\"";
  body.quote(message.substr(0, kBlockMessageBytesMax)) << "\"}\n";

  Text response(out);
  response << "HTTP/1.1 " << static_cast<size_t>(status) << " " << phrase(status)
           << "\r\nContent-Type: application/json\r\nContent-Length: " << body.bytes()
           << "\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
           << body.view();
  return response.bytes();
}

}  // namespace soundgate
