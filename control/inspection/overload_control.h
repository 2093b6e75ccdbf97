// Carries out what the overload ladder says: tells the decoders and the lcores, counts and logs.
// Thread: look() from one; status() from any.
#pragma once

#include <array>
#include <memory>
#include <mutex>

#include "control/inspection/bank_probes.h"
#include "control/inspection/overload_ladder.h"
#include "dataplane/gate/intake.h"
#include "fingerprint/decode/decoder_pool.h"

namespace soundgate {

class OverloadControl {
 public:
  // Of what is decoded, while kSparse or more is in force.
  static constexpr double kSparseShare = 0.25;

  struct Status {
    OverloadStep step = OverloadStep::kNone;
    double load = 0;
    std::array<uint64_t, kOverloadStepCount> entered{};  // how often, by step
  };

  // coverage: what is configured. payload_bytes: of uploads that may wait, all decoders together.
  OverloadControl(DecoderPool& pool, BankProbes& probes, std::shared_ptr<Intake> intake,
                  const CoverageSettings& coverage, double payload_bytes)
      : pool_(pool),
        probes_(probes),
        intake_(std::move(intake)),
        coverage_(coverage),
        payload_bytes_(payload_bytes) {}

  void look(OverloadLadder::Clock::time_point now);  // four times a second
  Status status() const;

 private:
  void carry_out(OverloadStep step);

  DecoderPool& pool_;
  BankProbes& probes_;
  const std::shared_ptr<Intake> intake_;
  const CoverageSettings coverage_;
  const double payload_bytes_;
  OverloadLadder ladder_;
  mutable std::mutex mutex_;
  Status status_;
};

}  // namespace soundgate
