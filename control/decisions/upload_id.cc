#include "control/decisions/upload_id.h"

namespace soundgate {
namespace {

constexpr char kAlphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

// The lowest 5 * count bits of value, the highest first.
void write_digits(char* out, size_t count, uint64_t value) {
  for (size_t i = count; i-- > 0; value >>= 5) out[i] = kAlphabet[value & 31];
}

}  // namespace

// SplitMix64: 80 of its bits tell ids of one millisecond apart.
uint64_t UploadIdMaker::next() {
  uint64_t z = state_ += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

UploadId UploadIdMaker::make(WallTime now) {
  using std::chrono::milliseconds;
  const auto since = std::chrono::duration_cast<milliseconds>(now.time_since_epoch()).count();
  UploadId id{};
  write_digits(id.data(), 10, static_cast<uint64_t>(since));
  write_digits(id.data() + 10, 8, next());
  write_digits(id.data() + 18, 8, next());
  return id;
}

}  // namespace soundgate
