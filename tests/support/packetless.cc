#include "tests/support/packetless.h"

#include <algorithm>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "control/inspection/stream_tag.h"
#include "control/log.h"

namespace soundgate::test {
namespace {

class BytesSource : public ByteSource {
 public:
  explicit BytesSource(std::span<const std::byte> bytes)
      : rest_(bytes), size_bytes_(static_cast<int64_t>(bytes.size())) {}
  Result<size_t> read(std::span<std::byte> buffer) override {
    const size_t count = std::min(buffer.size(), rest_.size());
    std::copy_n(rest_.begin(), count, buffer.begin());
    rest_ = rest_.subspan(count);
    return count;
  }
  int64_t size_bytes() const override { return size_bytes_; }

 private:
  std::span<const std::byte> rest_;
  int64_t size_bytes_;
};

template <class Expected>
auto value_of(Expected result, const std::string& what) {
  if (!result) throw std::runtime_error("packetless: " + what);
  if constexpr (!std::is_void_v<typename Expected::value_type>) return std::move(*result);
}

}  // namespace

// Hears the decoders before the matchers do.
class Packetless::EndWatch : public DecodeListener {
 public:
  EndWatch(DecodeListener& next, std::function<void(uint64_t tag)> on_end)
      : next_(next), on_end_(std::move(on_end)) {}
  void on_items(uint64_t tag, uint32_t first_item, std::span<const Item> items) override {
    next_.on_items(tag, first_item, items);
  }
  void on_view_items(uint64_t tag, int view, uint32_t first_item,
                     std::span<const Item> items) override {
    next_.on_view_items(tag, view, first_item, items);
  }
  void on_again(uint64_t tag) override { next_.on_again(tag); }
  void on_end(uint64_t tag, const DecodeEnd& end) override {
    on_end_(tag);
    next_.on_end(tag, end);
  }

 private:
  DecodeListener& next_;
  const std::function<void(uint64_t tag)> on_end_;
};

Packetless::Packetless(const Options& options) {
  set_log_level("error");
  index_ = value_of(Index::open(options.folder, {.create = true, .owner = "packetless"}), "index");
  store_ = value_of(DecisionStore::open(options.folder), "decisions");
  files_ = std::make_unique<FileDecoder>(*index_);
  channels_.push_back(std::make_unique<UploadChannel>(0));
  recorder_ = std::make_unique<Recorder>(*store_, channels_, Recorder::Settings{{}, "1", {}});
  matcher_ = std::make_unique<UploadMatcher>(*index_, policy_, channels_, false,
                                             [this, told = options.on_verdict](uint64_t tag) {
                                               told(tag);
                                               recorder_->verdict_ready(tag);
                                             });
  threads_ = std::make_unique<MatcherThreads>(*matcher_, 1, 2);
  watch_ = std::make_unique<EndWatch>(*threads_, options.on_end);
  listener_ = std::make_unique<ListenerSwitch>(watch_.get(), *files_, nullptr);
  decoders_ = value_of(DecoderPool::start(options.decoder, *listener_), "decoders");
  files_->attach(*decoders_, 1, 1);
  sink_ = std::make_unique<LcoreSink>(*channels_[0], decoders_->producer(0), false, 1);
  recorder_->start();
}

Packetless::~Packetless() {
  decoders_.reset();
  threads_.reset();
  recorder_->stop();
}

void Packetless::create_bank(const std::string& name) {
  Bank bank;
  bank.name = name;
  bank.action = Action::kBlock;
  value_of(index_->create_bank(bank), "bank " + name);
}

Fingerprint Packetless::enroll(const std::string& bank, std::span<const std::byte> file,
                               const std::string& content_id) {
  BytesSource source(file);
  const auto decoded = value_of(files_->decode(source, {}), content_id + " cannot be decoded");
  EnrollRequest request;
  request.bank = bank;
  request.content_id = request.title = content_id;
  request.fingerprint = decoded.found.fingerprint;
  value_of(index_->enroll(request), content_id + " cannot be enrolled");
  return std::move(request.fingerprint);
}

void Packetless::begin(UploadKey key, size_t body_bytes) {
  UploadStart start;
  start.key = key;
  start.mode = Mode::kEnforce;
  start.first_byte = std::chrono::system_clock::now();
  start.body_bytes = static_cast<int64_t>(body_bytes);
  if (sink_->begin(start) != SinkResult::kTaken) throw std::runtime_error("no room");
}

const UploadSlot& Packetless::slot(uint64_t tag) const { return channels_[0]->slots[slot_of(tag)]; }

}  // namespace soundgate::test
