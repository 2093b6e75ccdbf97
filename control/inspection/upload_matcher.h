// Matches the uploads of all lcores while their items arrive, and decides at their end, or as soon
// as a block is certain.
// Input: items and ends from the decoders.  Output: a decision to the lcore that holds the tail, if
//   it has seen the last byte, or where the upload is to be stopped; a finding in the slot, for the
//   recorder.
// Thread: any, but one at a time for each upload (MatcherThreads). Nobody waits for a slot's mutex
//   while its upload is being matched.
#pragma once

#include <functional>
#include <memory>
#include <optional>
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
  // Called once with the tag of an upload of which something may have been recognised.
  using OnCandidate = std::function<void(uint64_t tag)>;
  // early: whether uploads are stopped as soon as a block is certain.
  // on_candidate: null where nobody wants to know, which costs least.
  UploadMatcher(const Index& index, const FailPolicy& policy,
                std::span<const std::unique_ptr<UploadChannel>> channels, bool early,
                OnVerdict on_verdict, OnCandidate on_candidate = nullptr);

  void on_items(uint64_t tag, uint32_t first_item, std::span<const Item> items) override;
  void on_view_items(uint64_t tag, int view, uint32_t first_item,
                     std::span<const Item> items) override;
  void on_end(uint64_t tag, const DecodeEnd& end) override;
  void on_again(uint64_t tag) override;

 private:
  UploadSlot* slot_of_tag(uint64_t tag) const;

  // An upload that is being matched: out of its slot meanwhile.
  struct Work {
    std::unique_ptr<Recognition> recognition;  // null: its upload is over, or decided
    std::optional<EarlyVerdict> early;
    Mode mode{};
    bool told_candidate = false;
  };
  Work take(UploadSlot& slot, uint64_t tag) const;
  void give_back(UploadSlot& slot, uint64_t tag, Work work) const;
  std::optional<Finding> look(Work& work, const UploadSlot& slot, uint64_t tag) const;
  void publish(UploadSlot& slot, uint64_t tag, Finding finding) const;
  void send(uint64_t tag, const UploadSlot& slot) const;

  const Index& index_;
  const FailPolicy& policy_;
  const std::span<const std::unique_ptr<UploadChannel>> channels_;
  const bool early_;
  const OnVerdict on_verdict_;
  const OnCandidate on_candidate_;
};

}  // namespace soundgate
