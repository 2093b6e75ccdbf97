// Fuzzes a worker's reader of the payload: slots, tables, flags, generations and byte counts, as an
// honest host makes them in any order and at any moment, also in the middle of a worker's slice.
// The host is Share, with a double for the collector; the streams' bodies read wherever they like.
// What must hold: a worker reads the bytes that were appended, waits only for what may come, and
// never says what the host takes for nonsense; at the end every slot and block is free again.
// Under clang it is a libFuzzer target; elsewhere fuzz_replay.cc runs it over its corpus.

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "fingerprint/decode/host/results_reader.h"
#include "fingerprint/decode/host/share.h"
#include "fingerprint/decode/shared/unique_fd.h"
#include "fingerprint/decode/worker/scheduler.h"

namespace {

using namespace soundgate;
using namespace soundgate::decode;
using State = ByteSource::State;

constexpr uint32_t kSlots = 3, kBlocks = 6, kCircularEntries = 4;  // little: it is soon full
constexpr size_t kWorkersMax = 6;                                  // one after the other
constexpr size_t kPieceBytesMax = 3 * kBlockBytes;
constexpr uint64_t kProbes = uint64_t{2} << 32;

void require(bool condition) {
  if (!condition) std::abort();
}

class Choices {
 public:
  Choices(const uint8_t* data, size_t size) : data_(data), end_(data + size) {}
  bool are_left() const { return data_ < end_; }
  uint32_t next() { return are_left() ? *data_++ : 0; }
  uint32_t below(uint32_t count) { return next() % count; }
  // Up to count, mostly near the ends of blocks, where things change.
  uint64_t bytes(uint64_t count) {
    const uint64_t blocks = next(), rest = next();
    const uint64_t chosen = blocks % 8 * kBlockBytes + rest % 5 * 13'107 + rest % 3;
    return std::min(chosen, count);
  }

 private:
  const uint8_t* data_;
  const uint8_t* end_;
};

// What a stream (each has a name of its own) holds at a position: the same every kPeriod bytes,
// which is no part of a block.
constexpr uint64_t kPeriod = 251;
std::span<const std::byte> bytes_at(int64_t stream, uint64_t position, size_t count) {
  static const std::vector<std::byte> all = [] {
    std::vector<std::byte> bytes(kPeriod + kPieceBytesMax);
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i % kPeriod);
    return bytes;
  }();
  return std::span(all).subspan((position + static_cast<uint64_t>(stream) * 31) % kPeriod, count);
}

class Host {
 public:
  explicit Host(Choices& choices) : choices_(choices) {
    int ends[2];
    require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
    socket_ = UniqueFd(ends[0]);
    worker_socket_ = UniqueFd(ends[1]);
  }

  void start_worker(const StreamBody& body) {
    Worker& started = workers_.emplace_back();
    started.results.reset(static_cast<std::byte*>(std::calloc(1, kResultsBytes)));
    reader_.emplace(started.results.get());
    worker_.payload().header().results_read.store(0);
    started.scheduler = std::make_unique<Scheduler>(worker_.memory().data(), started.results.get(),
                                                    worker_socket_.get(), body);
  }
  bool may_start_another() const { return workers_.size() < kWorkersMax; }
  bool round() { return workers_.back().scheduler->round(); }

  // A dead worker's fibers cannot be unwound under sanitizers: at the end, when nobody wants their
  // streams any more, they are let go on to their own ends.
  void lay_out_the_dead() {
    for (const Worker& dead : workers_) {
      const uint64_t written = results_header(dead.results.get()).written;
      worker_.payload().header().results_read.store(written);
      while (dead.scheduler->round()) {
      }
    }
  }

  void act() {
    switch (choices_.below(6)) {
      case 0:
        return begin();
      case 1:
      case 2:
        return append();
      case 3:
        return with_a_stream([this](const Begun& begun) { share_.finish(begun.stream); });
      case 4:
        return with_a_stream([this](const Begun& begun) { share_.cancel(begun.stream); });
      case 5:
        return collect();
    }
  }

  void cancel_all() {
    for (const Begun& begun : begun_) share_.cancel(begun.stream);
  }

  // As WorkerHost does.
  void collect() {
    const auto waiting = reader_->waiting();
    require(waiting.has_value());
    for (uint32_t i = 0; i < *waiting; ++i) take(reader_->take());
    worker_.payload().header().results_read.store(reader_->taken());
    std::array<char, 256> calls;
    while (::recv(socket_.get(), calls.data(), calls.size(), 0) > 0) {
    }
  }
  bool is_behind() const { return reader_->waiting().value_or(0) > kResultEntries / 2; }

  // A worker has died: its streams start again, but for the one that is blamed.
  void bury_worker() {
    collect();
    const uint32_t blamed = choices_.below(kSlots + 1);
    for (uint32_t slot = 0; slot < kSlots; ++slot) {
      StreamProgress& stream = look_up(slot);
      if (stream.generation == 0) continue;
      stream.next_item = {};
      stream.consumed_bytes = 0;
      worker_.control(slot).consumed_bytes.store(0);
      if (slot == blamed || is_cancelled(slot)) close(slot);
    }
  }

  // All that streams had, and no more.
  void require_all_free() {
    std::vector<Share::Stream> streams;
    for (uint32_t slot = 0; slot < kSlots; ++slot) {
      const auto stream = share_.begin(0, -1);
      require(stream.has_value());
      streams.push_back(*stream);
    }
    const std::vector<std::byte> block(kBlockBytes);
    for (uint32_t i = 0; i < kBlocks; ++i) {
      require(share_.append(streams[i % kSlots], block) == StreamProducer::Append::kTaken);
    }
    require(share_.append(streams[0], block) == StreamProducer::Append::kFull);
  }

  void check(const StreamContext& stream, uint64_t position, std::span<const uint8_t> read,
             const ByteSource::Result& result) const {
    switch (result.state) {
      case State::kBytes:
        require(result.bytes > 0 && result.bytes <= read.size());
        require(position + result.bytes <= stream.appended_bytes());
        require(std::ranges::equal(std::as_bytes(read.first(result.bytes)),
                                   bytes_at(stream.size_bytes(), position, result.bytes)));
        return;
      case State::kEvicted:
        return require(position >= kHeaderBlocks * kBlockBytes && stream.next_kept() > position);
      case State::kEnd:
        return require(stream.is_finished() && position >= stream.appended_bytes());
      case State::kNoRoom:
        return require(!stream.is_finished() && position >= stream.appended_bytes());
      case State::kStopped:
        return;
      case State::kNotYet:
      case State::kBroken:
        return require(false);
    }
  }

 private:
  struct Begun {
    Share::Stream stream;
    int64_t name;
    uint64_t appended_bytes = 0;
  };

  void begin() {
    const uint64_t probes = choices_.below(2) ? kProbes : pack_probes({});
    if (const auto stream = share_.begin(0, next_name_, {.probes = probes})) {
      begun_.push_back({*stream, next_name_++});
    }
  }
  // Any that was ever begun: what has ended takes no harm.
  template <typename Do>
  void with_a_stream(Do&& what) {
    const uint32_t choice = choices_.next();
    if (!begun_.empty())
      what(begun_[begun_.size() - 1 - choice % std::min<size_t>(begun_.size(), 8)]);
  }
  void append() {
    with_a_stream([this](Begun& begun) {
      const size_t count = choices_.bytes(kPieceBytesMax);
      const auto bytes = bytes_at(begun.name, begun.appended_bytes, count);
      if (share_.append(begun.stream, bytes) == StreamProducer::Append::kTaken) {
        begun.appended_bytes += bytes.size();
      }
    });
  }

  bool is_cancelled(uint32_t slot) {
    return worker_.control(slot).cancelled_generation.load() == progress_[slot].generation;
  }
  StreamProgress& look_up(uint32_t slot) {
    const Slot& shared = worker_.payload().slot(slot);
    StreamProgress& stream = progress_[slot];
    if (shared.generation == shared.closed_generation) {
      stream.generation = 0;
    } else if (shared.generation != stream.generation) {
      stream = {.generation = shared.generation,
                .probe_step_max = shared.probes == kProbes ? 2 : 0,
                .items_max = 1 << 30};
    }
    stream.appended_bytes = shared.appended_bytes;
    return stream;
  }
  void take(const ResultEntry& entry) {
    require(entry.slot < kSlots);
    StreamProgress& stream = look_up(entry.slot);
    const auto result = check_result(entry, stream);
    require(result.has_value());
    stream.consumed_bytes = entry.consumed_bytes;
    worker_.control(entry.slot).consumed_bytes.store(entry.consumed_bytes);
    if (const auto* items = std::get_if<ItemsResult>(&*result)) {
      stream.next_item[items->view] =
          items->first_item + static_cast<uint32_t>(items->items.size());
    }
    if (std::holds_alternative<DecodeEnd>(*result)) close(entry.slot);
  }
  void close(uint32_t slot) {
    worker_.payload().slot(slot).closed_generation.store(progress_[slot].generation);
    progress_[slot].generation = 0;
    require(worker_.ended(0).push(slot));
  }

  struct Worker {
    std::unique_ptr<std::byte, decltype(&std::free)> results{nullptr, &std::free};
    std::unique_ptr<Scheduler> scheduler;
  };

  Choices& choices_;
  WorkerMemory worker_{
      {.slot_count = kSlots, .block_count = kBlocks, .circular_entries = kCircularEntries},
      {{.first_slot = 0,
        .slot_count = kSlots,
        .first_block = 0,
        .block_count = kBlocks,
        .can_wait = choices_.below(2) == 1}},
      0,
      1000};
  Share share_{worker_, 0};
  UniqueFd socket_, worker_socket_;
  std::vector<Worker> workers_;  // the last one is at work, the others are dead
  std::optional<ResultsReader> reader_;
  std::array<StreamProgress, kSlots> progress_;
  std::vector<Begun> begun_;
  int64_t next_name_ = 1;
};

// A stream at work, which reads here and there, and during which the host goes on.
ResultEnd play(StreamContext& stream, Choices& choices, Host& host) {
  std::array<uint8_t, 1000> bytes;
  uint64_t position = 0;
  uint32_t next_item = 0, next_probe_item = 0;
  bool has_read = false;  // items come of bytes
  const std::vector<Item> items(30);
  while (choices.are_left()) {
    if (host.is_behind()) host.collect();
    switch (choices.below(10)) {
      case 0:
        position = stream.appended_bytes() - choices.bytes(stream.appended_bytes());
        break;
      case 1: {
        const auto result = stream.read(position, bytes);
        host.check(stream, position, bytes, result);
        if (result.state == State::kStopped) return {};
        has_read |= result.state == State::kBytes;
        position = result.state == State::kEvicted ? stream.next_kept() : position + result.bytes;
        break;
      }
      case 2:
        stream.consumed(position);
        break;
      case 3:
        stream.checkpoint();
        break;
      case 4:
        if (!has_read) break;
        stream.emit(kPlainView, next_item, items);
        next_item += 30;
        break;
      case 5:
        if (!has_read || stream.probes().step_max == 0) break;
        stream.emit(-1, next_probe_item, items);
        next_probe_item += 30;
        break;
      case 6:
        if (choices.below(8) == 0) return {};
        break;
      default:
        host.act();
    }
  }
  return {};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Choices choices(data, size);
  Host host(choices);
  const StreamBody body = [&](StreamContext& stream) { return play(stream, choices, host); };
  host.start_worker(body);
  while (choices.are_left()) {
    switch (choices.below(8)) {
      case 0:
        if (!host.may_start_another()) break;
        host.bury_worker();
        host.start_worker(body);
        break;
      case 1:
      case 2:
        host.round();
        break;
      default:
        host.act();
    }
  }
  do {
    host.cancel_all();
    host.collect();
  } while (host.round());
  host.collect();
  host.require_all_free();
  host.lay_out_the_dead();
  return 0;
}
