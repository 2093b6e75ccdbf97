#include "control/captures.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "control/limits.h"
#include "control/log.h"
#include "control/text.h"
#include "control/version.h"

namespace soundgate {
namespace {

using std::chrono::steady_clock;
using std::chrono::system_clock;

constexpr auto kLookPeriod = std::chrono::milliseconds(5);
// A reader that has gone is noticed when it is written to.
constexpr auto kQuietMax = std::chrono::seconds(2);
constexpr auto kGoingMax = std::chrono::seconds(1);  // for one that has ended to be gone
constexpr auto kShutDownMax = std::chrono::seconds(5);

bool can_be_id(const std::string& id) {
  return !id.empty() && id.size() <= kCaptureIdBytesMax && std::ranges::all_of(id, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-';
  });
}

std::string what(const CaptureRecord& record) {
  return record.upload_id.empty() ? "client " + record.client
                                  : "upload " + record.upload_id + " (" + record.client + ")";
}

std::string comment_on(const CaptureRecord& record) {
  return "soundgated " + std::string(kVersion) + ", capture " + record.capture_id + " of " +
         what(record) + ", by " + record.by + ": " + record.reason + ". " +
         (record.written ? "What came in, and what went out, as flagged."
                         : "What came in, on either port.") +
         " It holds what people sent.";
}

}  // namespace

// What the socket's thread reads. It is the only one that takes frames; counts are looked at from
// outside through Captures::running_.
class Captures::Stream final : public ByteSource {
 public:
  Stream(Captures& captures, std::unique_ptr<PacketCapture> capture, const CaptureRequest& request)
      : captures_(captures),
        capture_(std::move(capture)),
        until_(steady_clock::now() + (request.until - system_clock::now())),
        bytes_max_(request.bytes_max) {}

  ~Stream() override {
    finish();
    const std::lock_guard lock(captures_.mutex_);
    captures_.running_.reset();
    captures_.changed_.notify_all();
  }

  Result<size_t> read(std::span<std::byte> buffer) override {
    while (given_ == blocks_.size()) {
      if (finished_) {
        finish();  // whoever has read all of it finds it recorded
        return 0;
      }
      waits_ = bytes_ > 0 && blocks_.size() < kCapturePieceBytes / 4;
      blocks_.clear();
      given_ = 0;
      if (auto filled = fill(); !filled) {
        ended_by_ = "error";
        return tl::unexpected(Error{ErrorCode::kInternal, filled.error(), {}});
      }
    }
    const size_t bytes = std::min(buffer.size(), blocks_.size() - given_);
    std::memcpy(buffer.data(), blocks_.data() + given_, bytes);
    given_ += bytes;
    return bytes;
  }

 private:
  void finish() {
    if (!capture_) return;
    capture_->stop();
    const std::lock_guard lock(captures_.mutex_);
    CaptureRecord& record = *captures_.running_;
    record = captures_.counted();
    captures_.capture_ = nullptr;
    capture_.reset();  // before another one may begin
    record.ended = system_clock::now();
    record.ended_by = ended_by_.empty() ? "reader" : ended_by_;
    if (record.ended_by == "stop") record.stopped_by = captures_.stopped_by_;
    captures_.record_end(record);
  }

  // Some blocks more, or the end.
  tl::expected<void, std::string> fill() {
    const std::string end = ended_by_.empty() ? why_end() : ended_by_;
    if (!end.empty() && std::exchange(ended_by_, end).empty()) capture_->stop();
    const size_t room = room_for_frames();
    while (blocks_.size() + kCaptureBlocksBytesMax <= std::min(room, kCapturePieceBytes)) {
      const auto any = capture_->take(blocks_);
      if (!any) return tl::unexpected(any.error());
      if (!*any) break;
    }
    const bool is_full = room < kCaptureBlocksBytesMax;
    if (is_full && ended_by_.empty()) {
      ended_by_ = "bytes";
      capture_->stop();
    }
    const auto now = steady_clock::now();
    if (blocks_.empty() && (!ended_by_.empty() || now - last_written_ >= kQuietMax)) {
      if (auto added = capture_->add_statistics(blocks_); !added) return added;
      finished_ = !ended_by_.empty();
    }
    if (blocks_.empty()) return {};
    last_written_ = now;
    bytes_ += static_cast<int64_t>(blocks_.size());
    const std::lock_guard lock(captures_.mutex_);
    captures_.running_->bytes = bytes_;
    return {};
  }

  // Of the file, but for the statistics at its end.
  size_t room_for_frames() const {
    const int64_t room = bytes_max_ - bytes_ - static_cast<int64_t>(kCaptureStatisticsBytesMax);
    return static_cast<size_t>(std::max(int64_t{0}, room));
  }

  // "" while it goes on. Waits a moment where little came last: many small pieces would cost more
  // than they bring.
  std::string why_end() {
    std::unique_lock lock(captures_.mutex_);
    if (steady_clock::now() >= until_) return "time";
    const auto is_to_end = [&] { return !captures_.end_wanted_.empty(); };
    if (waits_) captures_.changed_.wait_for(lock, kLookPeriod, is_to_end);
    return captures_.end_wanted_;
  }

  Captures& captures_;
  std::unique_ptr<PacketCapture> capture_;
  const steady_clock::time_point until_;  // whatever becomes of the clock on the wall
  const int64_t bytes_max_;
  std::vector<std::byte> blocks_;  // whole ones, that are to be given out
  size_t given_ = 0;
  int64_t bytes_ = 0;  // of all blocks up to now
  steady_clock::time_point last_written_{};
  std::string ended_by_;  // "" while frames come
  bool waits_ = false;    // before the next blocks
  bool finished_ = false;
};

Result<void> Captures::check(const CaptureRequest& request) {
  const auto now = system_clock::now();
  const auto invalid = [](const std::string& why) { return fail(ErrorCode::kInvalid, why); };
  if (!can_be_id(request.capture_id)) {
    return invalid("a capture's id is 1..64 letters, digits and dashes");
  }
  if (request.reason.empty()) return invalid("a reason is needed: it is recorded");
  if (request.until <= now || request.until > now + kCaptureLongest) {
    return invalid("a capture ends within the next 24 hours");
  }
  if (request.bytes_max < kCaptureFileBytesMin || request.bytes_max > kCaptureFileBytesMax) {
    return invalid("the file must be 1 MiB to 64 GiB");
  }
  if (request.frame_bytes_max < kCaptureFrameBytesMin || request.frame_bytes_max > kFrameBytesMax) {
    return invalid("of a frame, " + std::to_string(kCaptureFrameBytesMin) + ".." +
                   std::to_string(kFrameBytesMax) + " bytes can be captured");
  }
  return {};
}

Result<std::shared_ptr<ByteSource>> Captures::begin(const CaptureRequest& request) {
  const auto filter = parse_capture_filter(request.client);
  if (!filter) {
    return fail(ErrorCode::kInvalid,
                "client " + escape_controls(request.client) + ": " + filter.error());
  }
  if (auto checked = check(request); !checked) return tl::unexpected(checked.error());
  CaptureRecord record{.capture_id = request.capture_id,
                       .client = request.client,
                       .upload_id = request.upload_id,
                       .written = request.written,
                       .began = system_clock::now(),
                       .until = request.until,
                       .by = request.by,
                       .reason = request.reason};
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, kGoingMax, [&] { return !running_ || !running_->ended; });
  if (shut_down_) return fail(ErrorCode::kUnavailable, "soundgated is being stopped");
  if (running_) {
    return fail(ErrorCode::kConflict, "a capture runs already, of " + what(*running_) + ", by " +
                                          running_->by + " (soundgate capture stop)");
  }
  if (auto added = store_.add_capture(record); !added) return tl::unexpected(added.error());
  auto capture = dataplane_.begin_capture({.filter = *filter,
                                           .sent = request.written,
                                           .frame_bytes_max = request.frame_bytes_max,
                                           .comment = comment_on(record)});
  if (!capture) {
    record.ended = system_clock::now();
    record.ended_by = "error";
    record_end(record);
    return fail(ErrorCode::kUnavailable, capture.error());
  }
  log(LogLevel::kWarn, "capture_began",
      {{"capture_id", record.capture_id},
       {"what", what(record)},
       {"until", iso8601(record.until)},
       {"by", record.by},
       {"reason", record.reason}});
  running_ = record;
  capture_ = capture->get();
  end_wanted_.clear();
  return std::make_shared<Stream>(*this, std::move(*capture), request);
}

// With the mutex held.
void Captures::record_end(const CaptureRecord& record) {
  if (auto changed = store_.change_capture(record); !changed) {
    log(LogLevel::kError, "capture_not_recorded",
        {{"capture_id", record.capture_id}, {"error", changed.error().message}});
  }
  log(LogLevel::kWarn, "capture_ended",
      {{"capture_id", record.capture_id},
       {"what", what(record)},
       {"by", record.by},
       {"ended_by", record.ended_by},
       {"stopped_by", record.stopped_by},
       {"frames", std::to_string(record.frames)},
       {"lost_frames", std::to_string(record.lost_frames)},
       {"bytes", std::to_string(record.bytes)}});
}

Result<CaptureRecord> Captures::stop(const std::string& capture_id, const std::string& by) {
  const std::lock_guard lock(mutex_);
  if (!running_ || running_->ended || running_->capture_id != capture_id) {
    return fail(ErrorCode::kNotFound, "no capture " + escape_controls(capture_id) + " runs");
  }
  if (end_wanted_.empty()) {
    end_wanted_ = "stop";
    stopped_by_ = by;
  }
  changed_.notify_all();
  return counted();
}

std::optional<CaptureRecord> Captures::running() const {
  const std::lock_guard lock(mutex_);
  return running_ ? std::optional(counted()) : std::nullopt;
}

// With the mutex held.
CaptureRecord Captures::counted() const {
  CaptureRecord record = *running_;
  if (capture_ == nullptr) return record;
  const CaptureCounts counts = capture_->counts();
  record.frames = static_cast<int64_t>(counts.frames);
  record.lost_frames = static_cast<int64_t>(counts.lost_frames);
  return record;
}

void Captures::shut_down() {
  std::unique_lock lock(mutex_);
  shut_down_ = true;
  if (running_ && end_wanted_.empty()) end_wanted_ = "shutdown";
  changed_.notify_all();
  changed_.wait_for(lock, kShutDownMax, [&] { return !running_; });
}

}  // namespace soundgate
