// The probes of one stream: all steps over the stretches that the schedule chooses.
// Input: mono samples at kSampleRateHz, in order; now and then word that some are missing.
// Output: items of each step, to a sink, with the index of the first; a stretch's items come as its
//   samples do.
// Errors: none; where memory is short it makes no more probes: a stream can do without.
// Thread: the stream's fiber.  Memory: that of a Probe for each step, during a stretch.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "fingerprint/decode/worker/probe.h"
#include "fingerprint/decode/worker/probe_schedule.h"

namespace soundgate::decode {

class Prober {
 public:
  Prober(const ProbeSettings& settings, ProbeSink sink)
      : schedule_(settings), is_on_(schedule_.step_max() > 0), sink_(std::move(sink)) {}

  void feed(std::span<const int16_t> samples) {
    if (is_on_) probe(samples);
  }
  // The next sample fed is the one at this position of the audio, not the one after the last.
  void jump_to(uint64_t position);
  void finish();

 private:
  void probe(std::span<const int16_t> samples);
  std::span<const int16_t> feed_stretch(std::span<const int16_t> samples);
  void begin_stretch();
  void finish_stretch();
  void give_up();

  ProbeSchedule schedule_;
  bool is_on_;
  ProbeSink sink_;
  std::vector<Probe> probes_;  // of the current stretch; none between stretches
  uint64_t position_ = 0;      // of the next sample, in the audio
};

}  // namespace soundgate::decode
