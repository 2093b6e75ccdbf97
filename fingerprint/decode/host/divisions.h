// The streams of one producer that several workers decode at once, because their bytes come faster
// than one decodes them: finds workers that have nothing to do, and gives each of them the bytes
// that the first one has.
// A helper gets what lies in the first one's blocks, a piece with each append until it has caught
// up; one that cannot have it (no room in its worker) is left out, and what its turns are missing
// ends the upload as decoder_lost.
// Thread: the producer's. Nothing blocks, locks or allocates after construction.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "fingerprint/decode/host/pool_counters.h"
#include "fingerprint/decode/host/share.h"

namespace soundgate::decode {

// A stream, and the worker that has it.
struct Placed {
  size_t worker;
  Share::Stream stream;

  bool operator==(const Placed&) const = default;
};

class Divisions {
 public:
  // burst_bytes: that wait for a worker before others help it; 0: none ever do.
  Divisions(std::deque<Share>& shares, PoolCounters& counters, uint64_t burst_bytes);

  // Of a stream to which some has been appended: whether others are to help from now on.
  void consider(const Placed& first);
  bool is_divided(const Placed& first) { return find(first) != nullptr; }

  // As Share's, of one that is divided.
  StreamProducer::Append append(const Placed& first, std::span<const std::byte> bytes);
  void finish(const Placed& first);
  void cancel(const Placed& first);

 private:
  struct Helper {
    Placed placed;
    uint64_t copied_bytes = 0;
    bool live = true;
  };
  struct Divided {
    Placed first;
    uint64_t appended_bytes;
    std::array<Helper, kPartsMax - 1> helpers{};
    size_t helper_count = 0;

    std::span<Helper> all_helpers() { return std::span(helpers).first(helper_count); }
  };

  Divided* find(const Placed& first);
  void forget_ended();
  size_t find_free_workers(size_t busy, std::span<size_t> found) const;
  void divide(const Placed& first, std::span<const size_t> workers);
  bool catch_up(const Divided& divided, Helper& helper, uint64_t bytes_max);
  void drop(Helper& helper);
  StreamProducer::Append append_to_helpers(Divided& divided, std::span<const std::byte> bytes);
  Share& share(const Placed& placed) const { return shares_[placed.worker]; }

  std::deque<Share>& shares_;
  PoolCounters& counters_;
  uint64_t burst_bytes_;
  std::vector<Divided> divided_;  // kDivisionsMax at most
};

}  // namespace soundgate::decode
