// Fuzzes what reads the client's bytes: the request stream alone, and the whole packet path with
// one connection on it. However the same bytes are cut, they make the same requests, and the
// inspector gets the same uploads; no byte goes to the origin that was not sent, or twice; while an
// upload waits for its verdict, not all of the request does; and at the end everything is given
// back. Some input bytes stand for the words of HTTP, which would not come by chance. Under clang
// it is a libFuzzer target; elsewhere fuzz_replay.cc runs it over its corpus.

#include <array>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/engine.h"
#include "tests/dataplane/small_core.h"

namespace {

using namespace soundgate;
using Event = RequestStream::Event;

void require(bool condition) {
  if (!condition) std::abort();
}

constexpr size_t kInputBytesMax = 16'000;

std::string expand(const uint8_t* data, size_t size) {
  static const std::array<std::string, 24> kWords = {
      "PUT /x HTTP/1.1\r\n",
      "POST /y HTTP/1.1\r\nHost: a\r\n",
      "GET / HTTP/1.1\r\n",
      "Content-Length: ",
      "Transfer-Encoding: chunked\r\n",
      "\r\n",
      "\r\n\r\n",
      "5\r\nhello\r\n",
      "0\r\n\r\n",
      "Content-Type: multipart/form-data; boundary=b\r\n",
      "--b\r\n",
      "\r\n--b--\r\n",
      "\r\n--b\r\n",
      "Content-Disposition: form-data; name=f; filename=g\r\n\r\n",
      "Expect: 100-continue\r\n",
      "Content-Encoding: gzip\r\n",
      "HTTP/1.1",
      "Host: b\r\n",
      " ",
      "a\r\n0123456789\r\n",
      "Content-Length: 10\r\n\r\n0123456789",
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
      "PATCH /z HTTP/1.1\r\n",
      "Content-Length: 87\r\nContent-Type: multipart/form-data; boundary=b\r\n\r\n"
      "--b\r\nContent-Disposition: form-data; name=f; "
      "filename=\"some.mp3\"\r\n\r\naudio\r\n--b--\r\n"};
  std::string text;
  for (size_t i = 0; i < size && text.size() < kInputBytesMax; ++i) {
    const bool is_word = data[i] >= 0xE0 && data[i] - 0xE0u < kWords.size();
    text += is_word ? kWords[data[i] - 0xE0u] : std::string(1, static_cast<char>(data[i]));
  }
  return text;
}

// The sizes of pieces. seed 0: one is all.
class Pieces {
 public:
  explicit Pieces(uint32_t seed) : whole_(seed == 0), state_(seed) {}
  size_t next() {
    state_ = state_ * 1'664'525 + 1'013'904'223;
    return whole_ ? 1'400 : 1 + (state_ >> 16) % 60;
  }

 private:
  bool whole_;
  uint32_t state_;
};

struct Reading {
  std::string events;  // as letters
  std::vector<size_t> offsets;
  std::string body;
  bool operator==(const Reading&) const = default;
};

Reading read(const std::string& input, uint32_t seed) {
  static const auto head = std::make_unique<RequestHead>();
  const HeaderNames names{"X-Request-Id", "X-Uploader"};
  RequestStream stream;
  Pieces pieces(seed);
  Reading reading;
  size_t at = 0;
  size_t fed = 0;
  while (at < input.size()) {
    if (fed == at) fed = std::min(input.size(), at + (seed == 0 ? input.size() : pieces.next()));
    if (stream.at_boundary()) head->clear();
    const uint64_t data_bytes = stream.data_bytes();
    const auto step =
        stream.step(std::as_bytes(std::span(input).subspan(at, fed - at)), head.get(), names);
    require(step.used <= fed - at && (step.used > 0 || step.event != Event::kMore));
    require(step.body.size() <= std::max<uint64_t>(data_bytes, 0) || step.body.empty());
    at += step.used;
    reading.body.append(reinterpret_cast<const char*>(step.body.data()), step.body.size());
    if (step.event == Event::kMore) continue;
    reading.events += "mHCcEN2A"[static_cast<size_t>(step.event)];
    if (step.event >= Event::kNotHttp) {
      reading.body.clear();  // how much of it is read before that may differ
      return reading;
    }
    reading.offsets.push_back(at);
  }
  return reading;
}

struct Inspected {
  std::string body;
  bool finished = false;
  std::vector<GateOutcome> outcomes;
  DataplaneReason reason{};
  bool operator==(const Inspected&) const = default;
};

// One connection through the engine; each upload passes when it is whole.
class Connection final : public PacketIo, private UploadSink {
 public:
  Connection() : engine_(config(), HashSeed{1, 2}, 0, *this, *this, test::small_core()) {
    link_.bytes = 14;
    link_.data[12] = std::byte{0x08};
    key_.client_port = 40'000;
    key_.origin_port = 80;
    wait(std::chrono::seconds(1));
    put(Side::kClient, uint64_t(-1), {}, kSyn, 0);
    put(Side::kOrigin, uint64_t(-1), {}, kSyn | kAck, 0);
    put(Side::kClient, 0, {}, kAck, 0);
    origin_got_.clear();
  }

  void run(const std::string& input, uint32_t seed) {
    Pieces pieces(seed);
    for (size_t at = 0; at < input.size() && !was_reset_;) {
      const size_t count = std::min(pieces.next(), input.size() - at);
      put(Side::kClient, at, std::as_bytes(std::span(input).subspan(at, count)), kAck, 0);
      at += count;
      put(Side::kOrigin, 0, {}, kAck, std::min<uint64_t>(origin_got_.size(), at));
    }
    require(input.starts_with(origin_got_) || std::string_view(origin_got_) == input);
    require(was_reset_ || was_answered_ || origin_got_.size() <= input.size());
    while (!due_.empty()) wait(std::chrono::milliseconds(1));  // before it is idle for too long
    for (int i = 0; i < 400; ++i) wait(std::chrono::minutes(1));
    require(engine_.uploads_in_use() == 0 && engine_.forms_in_use() == 0);
    require(engine_.heads_in_use() == 0 && engine_.buffers_in_use() == 0);
    for (const Inspected& one : uploads_) require(one.outcomes.size() == 1);
  }
  const std::vector<Inspected>& uploads() const { return uploads_; }

 private:
  static DataplaneConfig config() {
    DataplaneConfig config;
    config.mode = Mode::kEnforce;
    config.inspect = {InspectRule{{80}, {}, {}, {"PUT", "POST", "PATCH"}, 0}};
    return config;
  }

  void put(Side from, uint64_t offset, Bytes payload, uint8_t flags, uint64_t acknowledged) {
    SegmentWriter writer;
    const SegmentFields fields{.sequence = static_cast<uint32_t>(1'000 + offset),
                               .acknowledgment = static_cast<uint32_t>(1'000 + acknowledged),
                               .flags = flags,
                               .window = 500,
                               .timestamps = {}};
    const Bytes frame = writer.write(key_, link_, other(from), fields, payload);
    current_.assign(frame.begin(), frame.end());
    engine_.on_frame(from, current_);
    engine_.poll();
  }
  void wait(Tick time) {
    now_ += time;
    engine_.set_now({now_, WallTime()});
    engine_.poll();
  }

  void forward(Side to, size_t bytes) override { record(to, MutableBytes(current_).first(bytes)); }
  void send(Side to, std::span<const std::byte> frame) override {
    std::vector<std::byte> copy(frame.begin(), frame.end());
    record(to, copy);
  }
  void record(Side to, MutableBytes bytes) {
    const Frame frame = parse_frame(bytes);
    was_reset_ = was_reset_ || frame.has(kRst);
    if (to == Side::kClient) {
      was_answered_ = was_answered_ || frame.payload_bytes > 0;
      return;
    }
    const uint32_t offset = frame.sequence - 1'000;
    if (frame.payload_bytes == 0 || offset > origin_got_.size()) return;
    const std::string_view payload(reinterpret_cast<const char*>(frame.payload().data()),
                                   frame.payload_bytes);
    const size_t known = origin_got_.size() - offset;
    if (known < payload.size()) origin_got_ += payload.substr(known);
  }

  SinkResult begin(const UploadStart& start) override {
    keys_.push_back(start.key);
    uploads_.emplace_back();
    return SinkResult::kTaken;
  }
  Inspected& of(UploadKey key) {
    for (size_t i = 0; i < keys_.size(); ++i) {
      if (keys_[i] == key) return uploads_[i];
    }
    std::abort();
  }
  SinkResult append(UploadKey key, std::span<const std::byte> body) override {
    require(!of(key).finished && of(key).outcomes.empty());
    of(key).body.append(reinterpret_cast<const char*>(body.data()), body.size());
    return SinkResult::kTaken;
  }
  void finish(UploadKey key, WallTime) override {
    require(!of(key).finished && of(key).outcomes.empty());
    of(key).finished = true;
    due_.push_back({.key = key});
  }
  void gate_closed(const GateReport& report) override {
    of(report.key).outcomes.push_back(report.outcome);
    of(report.key).reason = report.reason;
  }
  size_t poll_decisions(std::span<GateDecision> decisions) override {
    if (due_.empty() || decisions.empty()) return 0;
    decisions[0] = due_.front();
    due_.erase(due_.begin());
    return 1;
  }

  LinkHeader link_;
  FlowKey key_;
  Tick now_{};
  std::vector<std::byte> current_;
  std::string origin_got_;
  bool was_reset_ = false;
  bool was_answered_ = false;
  std::vector<UploadKey> keys_;
  std::vector<Inspected> uploads_;
  std::vector<GateDecision> due_;
  Engine engine_;  // last: it works on the others
};

// The uploads that became whole. Where the rest is ambiguous it depends on when it came whether
// they were let go before.
std::vector<Inspected> inspect(const std::string& input, uint32_t seed, bool is_sure) {
  const auto connection = std::make_unique<Connection>();
  connection->run(input, seed);
  std::vector<Inspected> uploads = connection->uploads();
  std::erase_if(uploads, [](const Inspected& one) { return !one.finished; });
  for (Inspected& one : uploads) {
    if (!is_sure) one.outcomes.clear();
    if (!is_sure) one.reason = {};
  }
  return uploads;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string input = expand(data, size);
  const Reading whole = read(input, 0);
  for (uint32_t seed = 1; seed < 4; ++seed) require(read(input, seed) == whole);
  if (input.empty()) return 0;
  // Forms have ambiguities of their own.
  const bool is_sure = input.find("boundary") == std::string::npos &&
                       whole.events.find_first_of("N2A") == std::string::npos;
  require(inspect(input, 0, is_sure) == inspect(input, 1, is_sure));
  return 0;
}
