#include "fingerprint/decode/host/producer.h"

namespace soundgate::decode {
namespace {

// generation (32 bits) | worker (16) | slot (16)
StreamHandle make_handle(size_t worker, Share::Stream stream) {
  return StreamHandle{(uint64_t{stream.generation} << 32) | (worker << 16) | stream.slot};
}
Placed placed(StreamHandle handle) {
  const auto value = static_cast<uint64_t>(handle);
  return {(value >> 16) & 0xffff,
          {static_cast<uint32_t>(value & 0xffff), static_cast<uint32_t>(value >> 32)}};
}

}  // namespace

Producer::Producer(const std::vector<std::unique_ptr<WorkerMemory>>& workers, uint32_t index,
                   PoolCounters& counters, const PoolSettings& settings,
                   const exact::KnownUploads* known)
    : counters_(counters),
      settings_(settings),
      divisions_(shares_, counters, settings.burst_bytes) {
  std::optional<Share::Known> what_is_known;
  if (known) what_is_known.emplace(Share::Known{*known, counters});
  for (const auto& worker : workers) shares_.emplace_back(*worker, index, what_is_known);
}

tl::expected<StreamHandle, DecodeOutcome> Producer::begin(uint64_t tag, int64_t size_bytes) {
  return begin_stream(tag, size_bytes, settings_.current());
}

tl::expected<StreamHandle, DecodeOutcome> Producer::begin_unprobed(uint64_t tag,
                                                                   int64_t size_bytes) {
  return begin_stream(tag, size_bytes, {});
}

tl::expected<StreamHandle, DecodeOutcome> Producer::begin_coded(uint64_t tag, int64_t size_bytes,
                                                                StreamCoding coding) {
  StreamSettings settings = settings_.current();
  settings.coding = coding;
  return begin_stream(tag, size_bytes, settings);
}

tl::expected<StreamHandle, DecodeOutcome> Producer::begin_stream(uint64_t tag, int64_t size_bytes,
                                                                 const StreamSettings& settings) {
  const size_t first = least_loaded();
  for (size_t i = 0; i < shares_.size(); ++i) {
    const size_t worker = (first + i) % shares_.size();
    if (const auto stream = shares_[worker].begin(tag, size_bytes, settings)) {
      next_worker_ = (worker + 1) % shares_.size();
      counters_.begun.fetch_add(1, std::memory_order_relaxed);
      return make_handle(worker, *stream);
    }
  }
  return tl::unexpected(DecodeOutcome::decoder_overload);
}

size_t Producer::least_loaded() const {
  size_t best = next_worker_;
  for (size_t i = 1; i < shares_.size(); ++i) {
    const size_t worker = (next_worker_ + i) % shares_.size();
    if (shares_[worker].load() < shares_[best].load()) best = worker;
  }
  return best;
}

Producer::Append Producer::append(StreamHandle handle, std::span<const std::byte> bytes) {
  const Placed stream = placed(handle);
  if (divisions_.is_divided(stream)) return divisions_.append(stream, bytes);
  const Append taken = share_of(stream).append(stream.stream, bytes);
  if (taken == Append::kTaken) divisions_.consider(stream);
  return taken;
}

void Producer::finish(StreamHandle handle) {
  const Placed stream = placed(handle);
  if (divisions_.is_divided(stream)) return divisions_.finish(stream);
  share_of(stream).finish(stream.stream);
}

void Producer::cancel(StreamHandle handle) {
  const Placed stream = placed(handle);
  if (divisions_.is_divided(stream)) return divisions_.cancel(stream);
  share_of(stream).cancel(stream.stream);
}

StreamProducer::Room Producer::room() {
  Room room{};
  for (Share& share : shares_) {
    room.free += share.free_stream_count();
    room.all += share.stream_count();
  }
  return room;
}

}  // namespace soundgate::decode
