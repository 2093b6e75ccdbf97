#include "tests/fingerprint/pool_recorder.h"

#include <algorithm>
#include <atomic>
#include <fstream>
#include <thread>

namespace soundgate::test {

Bytes read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return {};
  Bytes bytes(static_cast<size_t>(file.tellg()));
  file.seekg(0);
  file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  return bytes;
}

static void add(HeardItems& heard, uint32_t first_item, std::span<const Item> items) {
  for (size_t i = 0; i < items.size(); ++i) {
    heard.indexes.push_back(first_item + static_cast<uint32_t>(i));
  }
  heard.items.insert(heard.items.end(), items.begin(), items.end());
}

void PoolRecorder::on_items(uint64_t tag, uint32_t first_item, std::span<const Item> items) {
  const std::lock_guard lock(mutex_);
  Heard& stream = streams_[tag];
  stream.has_gap |= first_item != stream.items.size();
  add(stream, first_item, items);
  changed_.notify_all();
}

void PoolRecorder::on_view_items(uint64_t tag, int view, uint32_t first_item,
                                 std::span<const Item> items) {
  const std::lock_guard lock(mutex_);
  Heard& stream = streams_[tag];
  add(is_probe(view) ? stream.probes[view] : stream.bands[view], first_item, items);
  changed_.notify_all();
}

void PoolRecorder::on_end(uint64_t tag, const DecodeEnd& end) {
  const std::lock_guard lock(mutex_);
  Heard& stream = streams_[tag];
  ++stream.ends;
  stream.end = end;
  changed_.notify_all();
}

void PoolRecorder::on_again(uint64_t tag) {
  const std::lock_guard lock(mutex_);
  Heard& stream = streams_[tag];
  const int agains = stream.agains + 1;
  stream = {};
  stream.agains = agains;
}

void PoolRecorder::on_trouble(const std::string& what) {
  const std::lock_guard lock(mutex_);
  troubles_.push_back(what);
}

std::vector<std::string> PoolRecorder::troubles() {
  const std::lock_guard lock(mutex_);
  return troubles_;
}

std::optional<Heard> PoolRecorder::wait_for_end(uint64_t tag, std::chrono::seconds wait_max) {
  std::unique_lock lock(mutex_);
  const bool ended = changed_.wait_for(lock, wait_max, [&] { return streams_[tag].ends > 0; });
  return ended ? std::optional(streams_[tag]) : std::nullopt;
}

bool PoolRecorder::wait_for_items(uint64_t tag, size_t count, std::chrono::seconds wait_max) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, wait_max, [&] { return streams_[tag].items.size() >= count; });
}

Heard PoolRecorder::heard(uint64_t tag) {
  const std::lock_guard lock(mutex_);
  return streams_[tag];
}

bool append_whole(StreamProducer& producer, StreamHandle stream, std::span<const std::byte> bytes,
                  size_t piece_bytes) {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!bytes.empty()) {
    const size_t count = std::min(piece_bytes, bytes.size());
    switch (producer.append(stream, bytes.first(count))) {
      case StreamProducer::Append::kTaken:
        bytes = bytes.subspan(count);
        break;
      case StreamProducer::Append::kDone:
        return true;
      case StreamProducer::Append::kFull:
        if (std::chrono::steady_clock::now() > give_up) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  return true;
}

bool feed_whole(StreamProducer& producer, StreamHandle stream, std::span<const std::byte> bytes,
                size_t piece_bytes) {
  if (!append_whole(producer, stream, bytes, piece_bytes)) return false;
  producer.finish(stream);
  return true;
}

std::optional<Heard> decode(DecoderPool& pool, PoolRecorder& recorder,
                            std::span<const std::byte> bytes) {
  static std::atomic<uint64_t> next_tag{1'000'000};
  const uint64_t tag = next_tag++;
  StreamProducer& producer = pool.producer(0);
  const auto stream = producer.begin(tag, static_cast<int64_t>(bytes.size()));
  if (!stream || !feed_whole(producer, *stream, bytes)) return std::nullopt;
  return recorder.wait_for_end(tag);
}

}  // namespace soundgate::test
