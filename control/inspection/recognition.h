// What is known of one stream while its items arrive: the items, and the matches they lead to.
// Thread: one at a time.  Memory: kUploadItemsMax items at most; what comes after is not looked at.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "fingerprint/decode/decoder_pool.h"
#include "fingerprint/fingerprint.h"
#include "index/index.h"

namespace soundgate {

class Recognition {
 public:
  // session: null where only the fingerprint is wanted.
  explicit Recognition(std::unique_ptr<MatchSession> session) : session_(std::move(session)) {}

  void append(uint32_t first_item, std::span<const Item> items);
  // Of other views (fingerprint.h); of a probe, nothing is kept.
  void append_view(int view, uint32_t first_item, std::span<const Item> items);

  // What has become certain, of banks that ask for `least` or more: MatchSession::decisive.
  std::vector<Match> decisive(Action least);
  // Whether something new speaks for a reference: MatchSession::has_candidate.
  bool has_candidate();
  double heard_seconds() const;

  struct Result {
    Fingerprint fingerprint;  // silence where items are missing
    std::vector<Match> matches;
    int64_t index_version = 0;  // of the index that was asked
  };
  Result finish(const DecodeEnd& end);       // once, at the end
  Result stop(std::vector<Match> decisive);  // or before it, with what is enough

 private:
  bool keep(Band band, uint32_t first_item, std::span<const Item> more);
  Fingerprint take_fingerprint(double seconds);

  std::unique_ptr<MatchSession> session_;
  std::array<std::vector<Item>, kBandCount> items_;
  uint32_t missing_items_ = 0;
};

}  // namespace soundgate
