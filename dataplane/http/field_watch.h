// Watches a form's field for what is no text: a file that was not named as one.
// Text is UTF-8 without control characters, which the beginning of every audio file has.
// Thread: the owning lcore.  Memory: the field's first bytes.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "dataplane/flow/bytes.h"
#include "dataplane/limits.h"

namespace soundgate {

class FieldWatch {
 public:
  // How many of the next bytes are text; what follows, if anything does, is none, or more of it
  // than a field has.
  size_t take(Bytes bytes) {
    bytes = bytes.first(std::min<size_t>(bytes.size(), kFieldBytesMax - bytes_));
    const auto odd = std::ranges::find_if_not(bytes, [this](std::byte c) { return is_text(c); });
    const auto count = static_cast<size_t>(odd - bytes.begin());
    const size_t before = start().size();
    const size_t kept = std::min(count, kFieldStartBytes - before);
    std::copy_n(bytes.begin(), kept, start_.data() + before);
    bytes_ += count;
    return count;
  }

  bool is_full() const { return bytes_ == kFieldBytesMax; }
  // The first of them: if it is a file after all, they are its beginning.
  Bytes start() const { return Bytes(start_).first(std::min<size_t>(bytes_, kFieldStartBytes)); }

 private:
  bool is_text(std::byte byte) {
    const auto c = std::to_integer<uint8_t>(byte);
    if (following_ > 0) {
      --following_;
      return (c & 0xC0) == 0x80;
    }
    following_ = c >= 0xC2 && c < 0xE0   ? 1
                 : c >= 0xE0 && c < 0xF0 ? 2
                 : c >= 0xF0 && c < 0xF5 ? 3
                                         : 0;
    return following_ > 0 || (c >= ' ' && c < 0x7F) || c == '\t' || c == '\r' || c == '\n';
  }

  size_t bytes_ = 0;
  uint8_t following_ = 0;  // of the same character
  std::array<std::byte, kFieldStartBytes> start_;
};

}  // namespace soundgate
