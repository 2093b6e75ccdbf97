// Takes the coding gzip or zlib off bytes: this room's only use of zlib.
// Input: coded bytes in pieces of any size; members of gzip may follow each other.
// Output: the bytes that were coded, as much as there is room for.
// Errors: is_bad(), for ever: damaged bytes, bytes behind the end, or a header that is longer than
// any honest one (what is not decoded may be anything).
// Thread: the stream's fiber.  Memory: 44 KB of zlib's; throws std::bad_alloc.
// Source: RFC 1950, 1951, 1952; zlib 1.2.13.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace soundgate::decode {

class Inflater {
 public:
  enum class Format : uint8_t { kGzip, kZlib };
  explicit Inflater(Format format);
  ~Inflater();
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  struct Step {
    size_t used;
    size_t made;
  };
  // Uses or makes something where both spans have room, unless it is bad.
  Step inflate(std::span<const uint8_t> coded, std::span<uint8_t> to);

  bool is_bad() const { return is_bad_; }
  bool is_at_end() const { return is_at_end_; }  // of a whole member: nothing more need follow

 private:
  struct Zlib;
  bool begin_member(std::span<const uint8_t> coded);

  Format format_;
  std::unique_ptr<Zlib> zlib_;
  bool is_bad_ = false;
  bool is_at_end_ = false;
};

}  // namespace soundgate::decode
