// Fuzzes the packet path, and compares it with a naive model: bytes → segments of one connection
// and raw frames → engine → what comes out of it.
// Model: a map from offset to the byte that the engine was first shown for it, in segments that it
// took. Held to: whatever goes to the origin has the model's bytes; the sink reads the same, in
// order; nothing of an upload's tail goes before its decision, and nothing at all after a reset;
// what is lent is given back.
// Under clang it is a libFuzzer target; elsewhere fuzz_replay.cc runs it over its corpus.
#include <cstdint>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "dataplane/engine.h"
#include "tests/dataplane/frame_maker.h"
#include "tests/dataplane/small_core.h"

namespace {

using namespace soundgate;
using test::FrameBytes;

void require(bool condition) {
  if (!condition) std::abort();
}

class Input {
 public:
  Input(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  bool empty() const { return at_ == size_; }
  uint8_t byte() { return empty() ? uint8_t{0} : data_[at_++]; }
  uint16_t word() { return static_cast<uint16_t>(byte() << 8 | byte()); }
  std::string_view take(size_t bytes) {
    bytes = std::min(bytes, size_ - at_);
    const std::string_view taken(reinterpret_cast<const char*>(data_) + at_, bytes);
    at_ += bytes;
    return taken;
  }

 private:
  const uint8_t* data_;
  size_t size_;
  size_t at_ = 0;
};

class Sink final : public UploadSink {
 public:
  SinkResult begin(const UploadStart& start) override {
    require(!open_.contains(start.key));
    open_[start.key] = {};
    last_ = start.key;
    ++begun_;
    return SinkResult::kTaken;
  }
  SinkResult append(UploadKey key, std::span<const std::byte> body) override {
    require(open_.contains(key) && !open_[key].finished && !body.empty());
    open_[key].body.append(reinterpret_cast<const char*>(body.data()), body.size());
    return SinkResult::kTaken;
  }
  void finish(UploadKey key, WallTime) override {
    require(open_.contains(key) && !open_[key].finished);
    open_[key].finished = true;
  }
  void gate_closed(const GateReport& report) override { require(open_.erase(report.key) == 1); }
  size_t poll_decisions(std::span<GateDecision> out) override {
    if (!decision_) return 0;
    out[0] = *decision_;
    decision_.reset();
    return 1;
  }
  void decide(bool block) {
    decision_.emplace();
    decision_->key = last_;
    decision_->block = block;
  }
  // The upload that was begun last, its number and what was read of it, while it is open.
  struct Upload {
    std::string body;
    bool finished = false;
  };
  const Upload* last() const {
    const auto found = open_.find(last_);
    return found == open_.end() ? nullptr : &found->second;
  }
  size_t last_number() const { return begun_ - 1; }
  bool all_closed() const { return open_.empty(); }

 private:
  std::map<UploadKey, Upload> open_;
  UploadKey last_{};
  size_t begun_ = 0;
  std::optional<GateDecision> decision_;
};

constexpr uint32_t kClientFirst = 0xFFFF'FF80;  // wraps soon
constexpr uint32_t kOriginFirst = 77;
constexpr uint64_t kStreamBytesMax = 4'096;

// The stream that the client means to send: uploads one after the other, each with other bytes.
struct Plan {
  struct Upload {
    uint64_t body = 0;  // offset; of chunked ones that of the first size
    uint64_t held = 0;  // no byte from here on may go before the decision
    bool chunked = false;
  };
  std::string stream;
  std::vector<Upload> uploads;
};

Plan make_plan(uint8_t kind) {
  Plan plan;
  std::string& stream = plan.stream;
  for (unsigned number = 0; stream.size() < kStreamBytesMax; ++number) {
    const std::string body(1 + (kind * 7u + number * 131u) % 700u,
                           static_cast<char>('a' + number % 26));
    Plan::Upload upload;
    upload.chunked = (kind >> number % 4 & 1) != 0;
    stream += "PUT /" + std::to_string(number) + " HTTP/1.1\r\nHost: a\r\n";
    if (upload.chunked) {
      char size[16];
      std::snprintf(size, sizeof size, "%zx", body.size());
      stream += "Transfer-Encoding: chunked\r\n\r\n";
      upload.body = stream.size();
      stream += std::string(size) + "\r\n" + body + "\r\n";
      upload.held = stream.size();
      stream += "0\r\n\r\n";
    } else {
      stream += "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n";
      upload.body = stream.size();
      stream += body;
      upload.held = stream.size() - 1;
    }
    plan.uploads.push_back(upload);
  }
  return plan;
}

// The first byte that came for each offset.
class AtOrigin {
 public:
  bool contains(uint64_t offset) const { return offset < kOffsets && bytes_[offset] != kNothing; }
  std::byte operator[](uint64_t offset) const { return static_cast<std::byte>(bytes_[offset]); }
  // Whether it is the first one, or the same again. What is far away is not looked at.
  bool take(uint64_t offset, std::byte byte) {
    if (offset >= kOffsets) return true;
    if (bytes_[offset] == kNothing) bytes_[offset] = std::to_integer<int16_t>(byte);
    return bytes_[offset] == std::to_integer<int16_t>(byte);
  }

 private:
  static constexpr uint64_t kOffsets = 4 * kStreamBytesMax;
  static constexpr int16_t kNothing = -1;
  std::vector<int16_t> bytes_ = std::vector<int16_t>(kOffsets, kNothing);
};

class World final : public PacketIo {
 public:
  World(Input& input, Mode mode, uint8_t kind)
      : input_(input),
        mode_(mode),
        plan_(make_plan(kind)),
        engine_(configuration(mode, kind), HashSeed{1, 2}, 0, *this, sink_, test::small_core()) {
    key_.ipv6 = (kind & 16) != 0;
    key_.client[0] = key_.origin[0] = std::byte{10};
    key_.client[3] = std::byte{1};
    key_.origin[3] = std::byte{2};
    key_.client_port = 40'000;
    key_.origin_port = 80;
    link_.bytes = 14;
    store16(link_.data, 12, key_.ipv6 ? 0x86DD : 0x0800);
    wait(std::chrono::seconds(1));
    if ((kind & 32) == 0) open();
  }

  void run() {
    for (int steps = 0; steps < 400 && !input_.empty(); ++steps) step();
    sink_.decide((input_.byte() & 1) != 0);
    for (int i = 0; i < 70; ++i) wait(std::chrono::minutes(2));
    require(engine_.buffers_in_use() == 0);
    require(engine_.uploads_in_use() == 0);
    require(engine_.heads_in_use() == 0);
    require(engine_.counters().flows_open.get() == 0);
    require(sink_.all_closed());
  }

  void forward(Side to, size_t frame_bytes) override {
    require(current_ != nullptr && frame_bytes <= current_->size());
    FrameBytes frame(current_->begin(),
                     current_->begin() + static_cast<std::ptrdiff_t>(frame_bytes));
    current_ = nullptr;
    if (!raw_) look(to, frame);
  }
  void send(Side to, std::span<const std::byte> frame) override {
    require(frame.size() <= kFrameBytesMax);
    FrameBytes copy(frame.begin(), frame.end());
    look(to, copy);
  }

 private:
  static DataplaneConfig configuration(Mode mode, uint8_t kind) {
    DataplaneConfig config;
    config.inspect = {InspectRule{{80}, {}, {}, {}, 0}};
    config.mode = mode;
    config.tail_bytes = (kind & 64) != 0 ? 50 : 1;
    return config;
  }

  void wait(Tick time) {
    now_ += time;
    engine_.set_now({now_, WallTime()});
    engine_.poll();
  }

  void open() {
    put(Side::kClient, kClientFirst - 1, 0, kSyn, {});
    put(Side::kOrigin, kOriginFirst - 1, kClientFirst, kSyn | kAck, {});
    put(Side::kClient, kClientFirst, kOriginFirst, kAck, {});
    followed_ = mode_ == Mode::kEnforce;
  }

  void step() {
    const uint8_t what = input_.byte();
    switch (what % 16) {
      default:
        return on_client(what);
      case 9:
        return on_origin();
      case 10:
        return acknowledge();
      case 11:
        return sink_.decide((input_.byte() & 1) != 0);
      case 12:
        return wait(std::chrono::milliseconds(1u << input_.byte() % 20));
      case 13:
        return put_raw();
      case 14:
        followed_ = false;  // a new connection on the same ports: the model is of the first one
        put(Side::kClient, 0x1234'5678 + input_.byte(), 0, kSyn, {});
        return put(Side::kOrigin, 500, 0x1234'5679u + input_.byte(), kSyn | kAck, {});
      case 15:
        engine_.set_mode(Mode::kEnforce);
        return;
    }
  }

  // A piece of the stream at some offset; now and then with other bytes, flags or acknowledgments.
  void on_client(uint8_t what) {
    const uint16_t place = input_.word();
    const bool in_order = (what & 0x10) != 0;
    const uint64_t offset = in_order ? next_ : place % kStreamBytesMax;
    const size_t bytes = input_.byte() * ((what & 0x20) != 0 ? 8u : 1u);
    std::string payload = plan_.stream.substr(std::min<size_t>(offset, plan_.stream.size()), bytes);
    if ((what & 0x40) != 0) payload = input_.take(bytes % 64);
    uint8_t flags = kAck;
    if ((what & 0x80) != 0) flags = input_.byte();
    if (in_order) next_ += payload.size();
    put(Side::kClient, kClientFirst + static_cast<uint32_t>(offset), kOriginFirst + answered_,
        flags, payload);
  }

  void on_origin() {
    const uint8_t what = input_.byte();
    const std::string_view kAnswers[] = {"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n",
                                         "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 200 OK\r\n",
                                         "HTTP/1.1 101 Switching\r\n\r\n"};
    const std::string_view answer = (what & 8) != 0 ? input_.take(what) : kAnswers[what % 4];
    const uint8_t flags = (what & 0x40) != 0 ? input_.byte() : uint8_t{kAck};
    const uint32_t skip = (what & 0x80) != 0 ? input_.byte() : 0;
    if ((flags & (kSyn | kRst)) != 0) followed_ = false;
    put(Side::kOrigin, kOriginFirst + answered_ + skip,
        kClientFirst + static_cast<uint32_t>(received_), flags, answer);
    if (skip == 0 && (flags & kSyn) == 0) answered_ += static_cast<uint32_t>(answer.size());
  }

  // The origin takes what it has in order.
  void acknowledge() {
    while (at_origin_.contains(received_)) ++received_;
    put(Side::kOrigin, kOriginFirst + answered_, kClientFirst + static_cast<uint32_t>(received_),
        kAck, {});
  }

  void put(Side from, uint32_t sequence, uint32_t acknowledgment, uint8_t flags,
           std::string_view payload) {
    SegmentFields fields;
    fields.sequence = sequence;
    fields.acknowledgment = acknowledgment;
    fields.flags = flags;
    fields.window = input_.byte();
    FrameBytes frame =
        test::make_frame(key_, link_, other(from), fields, std::as_bytes(std::span(payload)));
    give(from, frame);
  }

  // Anything at all, from either side; or a good frame with some bytes changed.
  void put_raw() {
    const uint8_t what = input_.byte();
    FrameBytes frame;
    const std::string_view bytes = input_.take(what % 96);
    if ((what & 0x80) != 0) {
      frame = test::make_frame(key_, link_, Side::kOrigin,
                               {.sequence = kClientFirst,
                                .acknowledgment = kOriginFirst,
                                .flags = kAck,
                                .window = 1,
                                .timestamps = {}},
                               std::as_bytes(std::span(bytes)));
      frame[input_.byte() % frame.size()] ^= static_cast<std::byte>(input_.byte());
      if (parse_frame(frame).kind == FrameKind::kTcp) fix_tcp_checksum(parse_frame(frame));
      followed_ = false;
    } else {
      const Bytes raw = std::as_bytes(std::span(bytes));
      frame.assign(raw.begin(), raw.end());
    }
    raw_ = true;
    give((what & 1) != 0 ? Side::kClient : Side::kOrigin, frame);
    raw_ = false;
  }

  void give(Side from, FrameBytes& frame) {
    current_ = &frame;
    engine_.on_frame(from, frame);
    current_ = nullptr;
    engine_.poll();
  }

  // What goes to the origin of the connection that is followed.
  void look(Side to, FrameBytes& bytes) {
    const Frame frame = parse_frame(bytes);
    require(frame.kind != FrameKind::kTcp || tcp_checksum_is_right(frame));
    if (to != Side::kOrigin || frame.kind != FrameKind::kTcp || !followed_) return;
    if (frame.has(kSyn)) return;
    // One that is no HTTP, or HTTP/2, passes. One that was reset lets nothing through until its
    // entry is old enough to be forgotten.
    if (has_counted(DataplaneReason::not_http) || has_counted(DataplaneReason::http2)) return;
    if (frame.has(kRst)) {
      if (!reset_at_) reset_at_ = now_;
      return;
    }
    if (reset_at_) {
      require(frame.payload_bytes == 0 || now_ - *reset_at_ >= kFlowClosedIdleMax);
      return;
    }
    const uint64_t offset = offset_of(frame.sequence, kClientFirst, received_);
    for (size_t i = 0; i < frame.payload_bytes; ++i) {
      const uint64_t at = offset + i;
      if (before(at, received_)) continue;               // the origin has it
      require(at_origin_.take(at, frame.payload()[i]));  // first data wins
    }
    check_last_upload();
  }

  bool has_counted(DataplaneReason reason) const {
    return engine_.counters().reasons[static_cast<size_t>(reason)].get() > 0;
  }

  // As long as what has come is what was planned, it is known where things are.
  void check_last_upload() {
    for (; as_planned_ && at_origin_.contains(delivered_); ++delivered_) {
      as_planned_ = delivered_ < plan_.stream.size() &&
                    at_origin_[delivered_] == static_cast<std::byte>(plan_.stream[delivered_]);
    }
    const Sink::Upload* last = sink_.last();
    if (!as_planned_ || !last || sink_.last_number() >= plan_.uploads.size()) return;
    const Plan::Upload& planned = plan_.uploads[sink_.last_number()];
    require(!last->finished || !at_origin_.contains(planned.held));
    if (planned.chunked) return;
    for (uint64_t at = planned.body; at < delivered_ && at - planned.body < last->body.size();
         ++at) {
      require(at_origin_[at] == static_cast<std::byte>(last->body[at - planned.body]));
    }
  }

  Input& input_;
  Mode mode_;
  const Plan plan_;
  Sink sink_;
  FlowKey key_;
  LinkHeader link_;
  Tick now_{};
  Engine engine_;
  FrameBytes* current_ = nullptr;
  bool raw_ = false;
  bool followed_ = false;  // enforce mode, and the connection of open()
  uint64_t next_ = 0;      // of the client's bytes, in order
  uint64_t received_ = 0;  // by the origin, in order, and acknowledged
  uint32_t answered_ = 0;  // of the origin's bytes
  std::optional<Tick> reset_at_;
  uint64_t delivered_ = 0;  // of what was planned, in order
  bool as_planned_ = true;
  AtOrigin at_origin_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  const uint8_t kind = input.byte();
  World world(input, (kind & 128) != 0 ? Mode::kObserve : Mode::kEnforce, kind);
  world.run();
  return 0;
}
