// Text of bounded length that grows without allocating.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

namespace soundgate {

template <size_t kBytesMax>
class FixedString {
 public:
  FixedString() = default;
  FixedString(const FixedString& other) { *this = other; }
  FixedString& operator=(const FixedString& other) {
    bytes_ = other.bytes_;
    std::copy_n(other.data_.data(), bytes_, data_.data());
    return *this;
  }

  // False when it did not fit whole.
  bool append(std::string_view more) {
    const size_t taken = std::min(more.size(), kBytesMax - bytes_);
    std::copy_n(more.data(), taken, data_.data() + bytes_);
    bytes_ += taken;
    return taken == more.size();
  }
  void clear() { bytes_ = 0; }
  bool empty() const { return bytes_ == 0; }
  std::string_view view() const { return {data_.data(), bytes_}; }

 private:
  size_t bytes_ = 0;
  std::array<char, kBytesMax> data_;
};

}  // namespace soundgate
