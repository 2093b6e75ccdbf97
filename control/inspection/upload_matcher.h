// Matches the uploads of all lcores while their items arrive, and decides at their end.
// Input: items and ends from the decoders.  Output: a decision to the lcore that holds the tail, if
//   it has seen the last byte; a finding in the slot, for the recorder.
// Thread: the pool's collector thread.
#pragma once

#include <functional>
#include <span>

#include "control/inspection/upload_channel.h"
#include "control/policy/fail_policy.h"
#include "fingerprint/decode/decoder_pool.h"
#include "index/index.h"

namespace soundgate {

class UploadMatcher : public DecodeListener {
 public:
  // on_verdict is called with the tag of an upload whose finding is ready.
  using OnVerdict = std::function<void(uint64_t tag)>;
  UploadMatcher(const Index& index, const FailPolicy& policy,
                std::span<const std::unique_ptr<UploadChannel>> channels, OnVerdict on_verdict);

  void on_items(uint64_t tag, uint32_t first_item, std::span<const Item> items) override;
  void on_probe_items(uint64_t tag, int step, uint32_t first_item,
                      std::span<const Item> items) override;
  void on_end(uint64_t tag, const DecodeEnd& end) override;

 private:
  UploadSlot* slot_of_tag(uint64_t tag) const;
  Recognition& recognition_of(UploadSlot& slot) const;
  void decide(UploadSlot& slot, const DecodeEnd& end) const;

  const Index& index_;
  const FailPolicy& policy_;
  const std::span<const std::unique_ptr<UploadChannel>> channels_;
  const OnVerdict on_verdict_;
};

}  // namespace soundgate
