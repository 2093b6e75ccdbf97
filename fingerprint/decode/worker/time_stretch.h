// Stretches audio in time, and its pitch with it: as much sound in more samples, or in fewer.
// Input: mono samples, any number at a time.  Output: samples, between the last and these.
// Between two samples it goes in a straight line. (What that bends lies mostly above the 3520 Hz
// that items describe: README, decisions.) Thread: one.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace soundgate::decode {

class TimeStretch {
 public:
  // The first sample that comes out lies `first` after the first one that goes in; 0 or more.
  TimeStretch(double speed, double first);

  // What comes out is valid until the next call.
  std::span<const int16_t> stretch(std::span<const int16_t> samples);

 private:
  static constexpr int kFractionBits = 32;

  int64_t step_;      // from one output sample to the next, in input samples, fixed point
  int64_t next_;      // likewise where the next one lies, from the next input sample on; -1 or more
  int16_t last_ = 0;  // of the input
  std::vector<int16_t> output_;
};

}  // namespace soundgate::decode
