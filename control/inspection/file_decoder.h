// Decodes whole files for scan and enroll, in the same workers as uploads from the wire.
// Input: a source of bytes.  Output: fingerprint, matches if wanted, digest if wanted.
// Errors: the source's own, kUnavailable where no decoder has room.
// Thread: decode() from any, up to producer_count at a time, more wait; it blocks until the end.
//   The listener's part is called from the pool's collector thread and does next to nothing: each
//   caller matches its own file.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "control/byte_source.h"
#include "control/error.h"
#include "control/inspection/recognition.h"
#include "dataplane/upload.h"
#include "fingerprint/decode/decoder_pool.h"
#include "index/index.h"

namespace soundgate {

struct DecodedFile {
  DecodeEnd end;
  Recognition::Result found;
  int64_t bytes = 0;
  std::string sha256;  // hex, where wanted
  WallTime first_byte{}, last_byte{}, decided{};
};

class FileDecoder : public DecodeListener {
 public:
  struct Wanted {
    bool matches = false;
    bool sha256 = false;
  };
  explicit FileDecoder(const Index& index) : index_(index) {}

  // What each of this object's producers needs of every worker.
  static DecoderPool::Options::Part producer_part(const DecoderPool::Options& options);

  // The pool's producers first … first + count - 1 are this object's alone.
  void attach(DecoderPool& pool, int first, int count);

  Result<DecodedFile> decode(ByteSource& source, const Wanted& wanted);

  void on_items(uint64_t tag, uint32_t first_item, std::span<const Item> items) override;
  void on_view_items(uint64_t tag, int view, uint32_t first_item,
                     std::span<const Item> items) override;
  void on_end(uint64_t tag, const DecodeEnd& end) override;
  void on_again(uint64_t tag) override;

 private:
  struct Run {
    int view;  // fingerprint.h; 0: plain items
    uint32_t first_item;
    std::vector<Item> items;
  };
  struct Stream {
    std::vector<Run> runs;
    std::optional<DecodeEnd> end;
    uint64_t heard = 0;  // calls of the listener: the worker gets on
    std::condition_variable changed;
  };
  struct Lease;  // a producer, for the time of one call

  Result<void> feed(StreamProducer& producer, StreamHandle handle, Stream& stream,
                    ByteSource& source,
                    const std::function<void(std::span<const std::byte>)>& on_bytes,
                    bool to_the_end);
  bool append(StreamProducer& producer, StreamHandle handle, Stream& stream,
              std::span<const std::byte> piece);
  void hear(uint64_t tag, int view, uint32_t first_item, std::span<const Item> items);
  Recognition::Result recognise(Stream& stream, bool matches) const;

  const Index& index_;
  DecoderPool* pool_ = nullptr;
  std::mutex mutex_;
  std::condition_variable producer_free_;
  std::vector<StreamProducer*> free_producers_;
  std::unordered_map<uint64_t, Stream*> streams_;
  uint64_t last_tag_ = 0;
};

}  // namespace soundgate
