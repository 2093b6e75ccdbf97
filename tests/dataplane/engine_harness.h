// One scripted connection through the engine: segments are put in by hand at either end, and what
// comes out is recorded. The sink records too, and decides when the test says so.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/engine.h"

namespace soundgate::test {

struct Seen {
  Side to;
  Frame frame;  // its spans point into `bytes`
  std::vector<std::byte> bytes;
  std::string payload() const {
    return {reinterpret_cast<const char*>(frame.payload().data()), frame.payload_bytes};
  }
};

class RecordingSink final : public UploadSink {
 public:
  struct Record {
    UploadKey key{};
    Mode mode{};
    std::string method, path, client, uploader, content_type, file_name, resource, body;
    int64_t body_bytes = 0;
    uint32_t part = 0;
    ContentCoding coding{};
    bool may_decode = true;
    bool finished = false;
    std::vector<GateReport> reports;
  };

  Scarce scarce() override { return scarcity; }
  SinkResult begin(const UploadStart& start) override {
    Record record;
    record.may_decode = start.may_decode;
    record.key = start.key;
    record.mode = start.mode;
    record.method = start.method;
    record.path = start.path;
    record.client = start.client;
    record.uploader = start.uploader;
    record.content_type = start.content_type;
    record.file_name = start.file_name;
    record.part = start.part;
    record.coding = start.coding;
    record.resource = start.resource;
    record.body_bytes = start.body_bytes;
    records.push_back(record);
    return start.may_decode ? begin_result : SinkResult::kEnough;
  }
  SinkResult append(UploadKey key, std::span<const std::byte> body) override {
    of(key).body.append(reinterpret_cast<const char*>(body.data()), body.size());
    return append_result;
  }
  void finish(UploadKey key, WallTime) override { of(key).finished = true; }
  void gate_closed(const GateReport& report) override { of(report.key).reports.push_back(report); }
  size_t poll_decisions(std::span<GateDecision> out) override {
    const size_t count = std::min(out.size(), decisions.size());
    std::copy_n(decisions.begin(), count, out.begin());
    decisions.erase(decisions.begin(), decisions.begin() + static_cast<std::ptrdiff_t>(count));
    return count;
  }

  Record& of(UploadKey key) {
    const auto found = std::ranges::find(records, key, &Record::key);
    EXPECT_NE(found, records.end());
    return *found;
  }

  std::vector<Record> records;
  std::vector<GateDecision> decisions;
  Scarce scarcity = Scarce::kNothing;
  SinkResult begin_result = SinkResult::kTaken;
  SinkResult append_result = SinkResult::kTaken;
};

// The client's first payload byte is offset 0 of the client, likewise for the origin.
class Harness : public PacketIo {
 public:
  static constexpr uint32_t kClientFirst = 0xFFFF'FF01;  // wraps soon
  static constexpr uint32_t kOriginFirst = 5'000;

  explicit Harness(DataplaneConfig config = enforcing(), CoreSizes sizes = small(),
                   SharedResources* shared = nullptr, unsigned lcore = 0)
      : engine_(
            std::make_unique<Engine>(config, HashSeed{1, 2}, lcore, *this, sink, sizes, shared)) {
    link_.bytes = 14;
    link_.data[12] = std::byte{0x08};
    key.client[0] = key.origin[0] = std::byte{10};
    key.client[3] = std::byte{1};
    key.origin[3] = std::byte{2};
    key.client_port = 40'000;
    key.origin_port = 80;
    wait(std::chrono::seconds(1));
  }

  static DataplaneConfig enforcing() {
    DataplaneConfig config;
    config.mode = Mode::kEnforce;
    config.inspect = {InspectRule{{80}, {}, {}, {}, 0}};
    return config;
  }
  static DataplaneConfig observing() {
    DataplaneConfig config = enforcing();
    config.mode = Mode::kObserve;
    return config;
  }
  static CoreSizes small() {
    return {.flows = 8,
            .buffers = 256,
            .heads = 4,
            .forms = 2,
            .uploads = 4,
            .exchanges = 4,
            .resources = 4,
            .seen_blocks = 64,
            .shared = {.created = 64, .refused = 64, .endpoints = 64}};
  }

  // What comes from here on is under these VLAN tags.
  void tag(std::initializer_list<uint16_t> identifiers) {
    size_t at = 12;
    for (const uint16_t identifier : identifiers) {
      store16(link_.data, at, 0x8100);
      store16(link_.data, at + 2, identifier);
      at += 4;
    }
    store16(link_.data, at, 0x0800);
    link_.bytes = static_cast<uint8_t>(at + 2);
  }

  // What comes from here on is under IPv6. The key has to say so too.
  void speak_ipv6() { store16(link_.data, link_.bytes - 2u, 0x86DD); }

  void client(uint64_t offset, std::string_view payload, uint8_t flags = kAck,
              uint64_t acknowledged = 0) {
    put(Side::kClient,
        {.sequence = kClientFirst + static_cast<uint32_t>(offset),
         .acknowledgment = kOriginFirst + static_cast<uint32_t>(acknowledged),
         .flags = flags,
         .window = 500,
         .timestamps = {}},
        payload);
  }
  // The same as the client sends it again, when its timer has run out.
  void client_again(uint64_t offset, std::string_view payload) {
    wait(std::chrono::milliseconds(200));
    client(offset, payload);
  }
  void origin(uint64_t offset, std::string_view payload, uint64_t acknowledged,
              uint8_t flags = kAck) {
    put(Side::kOrigin,
        {.sequence = kOriginFirst + static_cast<uint32_t>(offset),
         .acknowledgment = kClientFirst + static_cast<uint32_t>(acknowledged),
         .flags = flags,
         .window = 600,
         .timestamps = {}},
        payload);
  }
  void open() {
    client(static_cast<uint64_t>(-1), "", kSyn);
    origin(static_cast<uint64_t>(-1), "", 0, kSyn | kAck);
    client(0, "");
    seen.clear();
  }

  void put(Side from, const SegmentFields& fields, std::string_view payload) {
    SegmentWriter writer;
    const Bytes frame =
        writer.write(key, link_, other(from), fields, std::as_bytes(std::span(payload)));
    put_frame(from, {frame.begin(), frame.end()});
  }
  void put_frame(Side from, std::vector<std::byte> bytes) {
    if (spoils_checksums) store16(bytes, 14 + 20 + 16, 0xDEAD);
    current_ = &bytes;
    deliver(from, bytes);
    current_ = nullptr;
    engine_->poll();
  }

  // As the ports would.
  virtual void deliver(Side from, MutableBytes bytes) { engine_->on_frame(from, bytes); }

  void wait(Tick time) {
    now_ += time;
    engine_->set_now({now_, WallTime(std::chrono::duration_cast<WallTime::duration>(now_))});
    engine_->poll();
  }
  void decide(bool block) { decide_on(sink.records.size() - 1, block); }
  // unchecked: what an operator lets go without a verdict.
  void decide_on(size_t record, bool block, DataplaneReason unchecked = DataplaneReason::kNone) {
    GateDecision decision;
    decision.key = sink.records.at(record).key;
    decision.block = block;
    decision.unchecked = unchecked;
    decision.upload_id[0] = 'u';
    sink.decisions.push_back(decision);
    engine_->poll();
  }

  // What went to this side since the last call.
  std::vector<Seen> take(Side to) {
    std::vector<Seen> taken;
    std::erase_if(seen, [&](Seen& one) {
      if (one.to != to) return false;
      taken.push_back(std::move(one));
      return true;
    });
    for (Seen& one : taken) one.frame = parse_frame(one.bytes);
    return taken;
  }
  std::string take_payload(Side to) {
    std::string all;
    for (const Seen& one : take(to)) all += one.payload();
    return all;
  }

  void forward(Side to, size_t frame_bytes) override {
    ASSERT_NE(current_, nullptr) << "forwarded twice";
    current_->resize(frame_bytes);
    record(to, std::move(*current_));
    current_ = nullptr;
  }
  void send(Side to, std::span<const std::byte> frame) override {
    record(to, {frame.begin(), frame.end()});
  }

  uint64_t reason(DataplaneReason which) const {
    return engine_->counters().reasons[static_cast<size_t>(which)].get();
  }
  Engine& engine() { return *engine_; }

  FlowKey key;
  RecordingSink sink;
  std::vector<Seen> seen;
  bool spoils_checksums = false;  // of frames over IPv4, untagged

 private:
  void record(Side to, std::vector<std::byte> bytes) {
    Seen one{to, {}, std::move(bytes)};
    const Frame frame = parse_frame(one.bytes);
    EXPECT_TRUE(frame.kind != FrameKind::kTcp || tcp_checksum_is_right(frame) || spoils_checksums);
    seen.push_back(std::move(one));
  }

  LinkHeader link_;
  Tick now_{};
  std::unique_ptr<Engine> engine_;
  std::vector<std::byte>* current_ = nullptr;
};

inline std::string put_request(std::string_view body, std::string_view headers = "") {
  return "PUT /x HTTP/1.1\r\nHost: a\r\n" + std::string(headers) +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

// The request that most tests send, and where it ends.
inline const std::string kRequest = put_request("0123456789");
inline const uint64_t kEnd = kRequest.size();

inline std::string post_request(std::string_view body, std::string_view headers = "") {
  return "POST" + put_request(body, headers).substr(3);
}

}  // namespace soundgate::test
