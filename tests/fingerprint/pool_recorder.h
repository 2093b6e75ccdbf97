// What tests of the pool share: a listener that keeps everything it hears, and bytes to feed.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "fingerprint/decode/decoder_pool.h"

namespace soundgate::test {

using Bytes = std::vector<std::byte>;

Bytes read_file(const std::string& path);

struct HeardItems {
  std::vector<Item> items;
  std::vector<uint32_t> indexes;  // of those

  bool operator==(const HeardItems&) const = default;
};

struct Heard : HeardItems {
  std::map<int, HeardItems> bands, probes;  // by view
  bool has_gap = false;
  int agains = 0;  // what was heard before is gone
  int ends = 0;
  DecodeEnd end;
};

class PoolRecorder : public DecodeListener {
 public:
  void on_items(uint64_t tag, uint32_t first_item, std::span<const Item> items) override;
  void on_view_items(uint64_t tag, int view, uint32_t first_item,
                     std::span<const Item> items) override;
  void on_end(uint64_t tag, const DecodeEnd& end) override;
  void on_again(uint64_t tag) override;
  void on_trouble(const std::string& what) override;

  // What was heard of a stream once it has ended; nothing if that takes too long.
  std::optional<Heard> wait_for_end(uint64_t tag,
                                    std::chrono::seconds wait_max = std::chrono::seconds(30));
  bool wait_for_items(uint64_t tag, size_t count,
                      std::chrono::seconds wait_max = std::chrono::seconds(30));
  Heard heard(uint64_t tag);
  std::vector<std::string> troubles();

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<uint64_t, Heard> streams_;
  std::vector<std::string> troubles_;
};

// Appends all of it in pieces, waiting out kFull. false: it took too long.
bool append_whole(StreamProducer& producer, StreamHandle stream, std::span<const std::byte> bytes,
                  size_t piece_bytes = 65535);
// And finishes.
bool feed_whole(StreamProducer& producer, StreamHandle stream, std::span<const std::byte> bytes,
                size_t piece_bytes = 65535);

// begin, feed_whole and wait_for_end.
std::optional<Heard> decode(DecoderPool& pool, PoolRecorder& recorder,
                            std::span<const std::byte> bytes);

}  // namespace soundgate::test
