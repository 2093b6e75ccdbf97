#include "control/inspection/file_decoder.h"

#include <array>
#include <chrono>
#include <memory>

#include "control/inspection/sha256.h"
#include "control/inspection/stream_tag.h"
#include "control/limits.h"

namespace soundgate {
namespace {

// A full producer has no way to say that a block is free again: items that arrive are a sign, and
// this is how long to wait without one.
constexpr std::chrono::milliseconds kFullWait{5};

}  // namespace

struct FileDecoder::Lease {
  explicit Lease(FileDecoder& decoder) : decoder_(decoder) {
    std::unique_lock lock(decoder_.mutex_);
    decoder_.producer_free_.wait(lock, [&] { return !decoder_.free_producers_.empty(); });
    producer = decoder_.free_producers_.back();
    decoder_.free_producers_.pop_back();
    tag = kControlStreamBit | ++decoder_.last_tag_;
    decoder_.streams_[tag] = &stream;
  }
  ~Lease() {
    const std::lock_guard lock(decoder_.mutex_);
    decoder_.streams_.erase(tag);
    decoder_.free_producers_.push_back(producer);
    decoder_.producer_free_.notify_one();
  }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  FileDecoder& decoder_;
  StreamProducer* producer = nullptr;
  uint64_t tag = 0;
  Stream stream;
};

// Room for one spooled stream; a file can wait for room, so that little of it is ever touched.
DecoderPool::Options::Part FileDecoder::producer_part(const DecoderPool::Options& options) {
  const auto spool_bytes = static_cast<size_t>(options.spool_bytes_max);
  return {.streams = kSlotsPerFileProducer,
          .payload_bytes = spool_bytes + kFilePayloadBytesMin,
          .can_wait = true};
}

void FileDecoder::attach(DecoderPool& pool, int first, int count) {
  const std::lock_guard lock(mutex_);
  pool_ = &pool;
  for (int i = 0; i < count; ++i) free_producers_.push_back(&pool.producer(first + i));
}

Result<DecodedFile> FileDecoder::decode(ByteSource& source, const Wanted& wanted) {
  Lease lease(*this);
  const auto handle = wanted.matches
                          ? lease.producer->begin(lease.tag, source.size_bytes())
                          : lease.producer->begin_unprobed(lease.tag, source.size_bytes());
  if (!handle) return fail(ErrorCode::kUnavailable, "no decoder has room for one more file");
  pool_->look_closer(lease.tag);  // somebody has asked for this one: all of it

  DecodedFile file;
  Sha256 digest;
  file.first_byte = std::chrono::system_clock::now();
  const auto on_bytes = [&](std::span<const std::byte> piece) {
    file.bytes += static_cast<int64_t>(piece.size());
    if (wanted.sha256) digest.update(piece);
  };
  const auto fed = feed(*lease.producer, *handle, lease.stream, source, on_bytes, wanted.sha256);
  if (!fed) {
    lease.producer->cancel(*handle);
    return tl::unexpected(fed.error());
  }
  lease.producer->finish(*handle);
  file.last_byte = std::chrono::system_clock::now();
  {
    std::unique_lock lock(mutex_);
    lease.stream.changed.wait(lock, [&] { return lease.stream.end.has_value(); });
  }
  file.end = *lease.stream.end;
  file.found = recognise(lease.stream, wanted.matches);
  file.decided = std::chrono::system_clock::now();
  if (wanted.sha256) file.sha256 = digest.hex();
  return file;
}

Result<void> FileDecoder::feed(StreamProducer& producer, StreamHandle handle, Stream& stream,
                               ByteSource& source,
                               const std::function<void(std::span<const std::byte>)>& on_bytes,
                               bool to_the_end) {
  const auto buffer = std::make_unique_for_overwrite<std::byte[]>(kReadPieceBytes);
  bool wanted = true;
  for (;;) {
    const auto read = source.read({buffer.get(), kReadPieceBytes});
    if (!read) return tl::unexpected(read.error());
    if (*read == 0) return {};
    const std::span<const std::byte> piece(buffer.get(), *read);
    on_bytes(piece);
    wanted = wanted && append(producer, handle, stream, piece);
    if (!wanted && !to_the_end) return {};
  }
}

// false: the stream has ended, no more bytes are wanted.
bool FileDecoder::append(StreamProducer& producer, StreamHandle handle, Stream& stream,
                         std::span<const std::byte> piece) {
  for (;;) {
    uint64_t heard = 0;
    {
      const std::lock_guard lock(mutex_);
      heard = stream.heard;
    }
    const auto appended = producer.append(handle, piece);
    if (appended == StreamProducer::Append::kTaken) return true;
    if (appended == StreamProducer::Append::kDone) return false;
    std::unique_lock lock(mutex_);
    stream.changed.wait_for(lock, kFullWait, [&] { return stream.heard != heard; });
  }
}

Recognition::Result FileDecoder::recognise(Stream& stream, bool matches) const {
  Recognition recognition(matches ? index_.match() : nullptr);
  for (const auto& [view, first_item, items] : stream.runs) {
    if (view == 0) {
      recognition.append(first_item, items);
    } else {
      recognition.append_view(view, first_item, items);
    }
  }
  return recognition.finish(*stream.end);
}

void FileDecoder::on_items(uint64_t tag, uint32_t first_item, std::span<const Item> items) {
  hear(tag, 0, first_item, items);
}

void FileDecoder::on_view_items(uint64_t tag, int view, uint32_t first_item,
                                std::span<const Item> items) {
  hear(tag, view, first_item, items);
}

void FileDecoder::hear(uint64_t tag, int view, uint32_t first_item, std::span<const Item> items) {
  const std::lock_guard lock(mutex_);
  const auto found = streams_.find(tag);
  if (found == streams_.end()) return;
  Stream& stream = *found->second;
  stream.runs.push_back({view, first_item, {items.begin(), items.end()}});
  ++stream.heard;
  stream.changed.notify_one();
}

void FileDecoder::on_end(uint64_t tag, const DecodeEnd& end) {
  const std::lock_guard lock(mutex_);
  const auto found = streams_.find(tag);
  if (found == streams_.end()) return;
  found->second->end = end;
  ++found->second->heard;
  found->second->changed.notify_one();
}

void FileDecoder::on_again(uint64_t tag) {
  const std::lock_guard lock(mutex_);
  const auto found = streams_.find(tag);
  if (found != streams_.end()) found->second->runs.clear();
}

}  // namespace soundgate
