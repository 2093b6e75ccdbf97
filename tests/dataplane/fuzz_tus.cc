// Fuzzes resumable uploads through the engine: what clients say of them and what an origin answers,
// on several connections, in any order, cut off anywhere.
// Input: two bytes of settings, then acts: a byte that says what and where, and its argument.
// The origin of this test keeps the rules of tus. Invariants, whatever the client does:
// - a resource that is whole at the origin, and that nothing in the log casts doubt on, has the
//   bytes that the sink was given;
// - a resource whose upload was blocked is never whole at the origin;
// - no decoder, nor place on record, is taken for one's that the sink has back;
// - every upload that begins is closed once; in the end everything has been given back.
// Under clang it is a libFuzzer target; elsewhere fuzz_replay.cc runs it over its corpus.

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "dataplane/engine.h"

namespace {

using namespace soundgate;

constexpr size_t kConnections = 3;
constexpr std::string_view kPaths[] = {"/files/0123456789abcdef-a", "/files/0123456789abcdef-b"};

void require(bool condition) {
  if (!condition) std::abort();
}

struct FuzzInput {
  std::span<const uint8_t> bytes;
  uint8_t next() {
    if (bytes.empty()) return 0;
    const uint8_t byte = bytes.front();
    bytes = bytes.subspan(1);
    return byte;
  }
};

// A tus origin: it takes what continues what it has, and nothing else.
class Origin {
 public:
  struct Resource {
    std::string body;
    uint64_t length = kNoOffset;
    bool exists = false;
  };

  // Of a connection: the bytes that reached it, in order. Returns its answers.
  std::string receive(size_t connection, std::string_view bytes) {
    std::string& in = in_[connection];
    if (!closed_[connection]) in += bytes;
    // What has no method it does not read on behind: nor does Soundgate, where it is not HTTP.
    if (!in.empty() && (in[0] < 'A' || in[0] > 'Z')) {
      closed_[connection] = true;
      in.clear();
    }
    std::string out;
    while (std::optional<std::string> answer = take_one(in)) out += *answer;
    return out;
  }
  // The connection has died: what came of a part's body is stored, or not.
  void cut(size_t connection, bool stores) {
    closed_[connection] = false;
    std::string in = std::exchange(in_[connection], "");
    const size_t head_end = in.find("\r\n\r\n");
    if (!stores || head_end == std::string::npos) return;
    store(in.substr(0, head_end + 2), in.substr(head_end + 4));
  }

  bool buffers = false;  // takes a body when it is whole
  bool forgets_tus = false;
  std::array<Resource, std::size(kPaths)> resources;

 private:
  static std::optional<uint64_t> header(const std::string& head, const std::string& name) {
    const size_t at = head.find("\r\n" + name + ": ");
    if (at == std::string::npos) return {};
    return std::strtoull(head.c_str() + at + name.size() + 4, nullptr, 10);
  }
  Resource* find(const std::string& head) {
    for (size_t i = 0; i < std::size(kPaths); ++i) {
      if (head.find(std::string(kPaths[i])) < head.find("\r\n")) return &resources[i];
    }
    return nullptr;
  }
  std::string say(const std::string& status, const std::string& headers = "") {
    return "HTTP/1.1 " + status + "\r\n" + (forgets_tus ? "" : "Tus-Resumable: 1.0.0\r\n") +
           headers + "Content-Length: 0\r\n\r\n";
  }

  std::optional<std::string> take_one(std::string& in) {
    const size_t head_end = in.find("\r\n\r\n");
    if (head_end == std::string::npos) return {};
    const std::string head = in.substr(0, head_end + 2);
    const uint64_t length = header(head, "Content-Length").value_or(0);
    if (in.size() < head_end + 4 + length) return {};
    const std::string body = in.substr(head_end + 4, length);
    in.erase(0, head_end + 4 + length);
    Resource* resource = find(head);
    if (head.starts_with("POST ")) return create(head);
    if (resource == nullptr || !resource->exists) return say("404 Not Found");
    if (head.starts_with("HEAD ")) return state_of(*resource);
    if (!head.starts_with("PATCH ")) return say("405 Method Not Allowed");
    if (!store(head, body)) return say("409 Conflict");
    return "HTTP/1.1 204 No Content\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: " +
           std::to_string(resource->body.size()) + "\r\n\r\n";
  }
  std::string create(const std::string& head) {
    const size_t which = head.find("which=b") != std::string::npos ? 1 : 0;
    Resource& resource = resources[which];
    if (resource.exists) return say("400 Bad Request");
    resource.exists = true;
    resource.length = header(head, "Upload-Length").value_or(kNoOffset);
    return say("201 Created", "Location: " + std::string(kPaths[which]) + "\r\n");
  }
  std::string state_of(const Resource& resource) {
    std::string headers = "Upload-Offset: " + std::to_string(resource.body.size()) + "\r\n";
    if (resource.length != kNoOffset)
      headers += "Upload-Length: " + std::to_string(resource.length) + "\r\n";
    return say("200 OK", headers);
  }
  bool store(const std::string& head, const std::string& body) {
    Resource* resource = find(head);
    if (resource == nullptr || !resource->exists || !head.starts_with("PATCH ")) return false;
    if (header(head, "Upload-Offset") != resource->body.size()) return false;
    const auto length = header(head, "Upload-Length");
    if (length && resource->length == kNoOffset) resource->length = *length;
    if (resource->body.size() + body.size() > resource->length) return false;
    resource->body += body;
    return true;
  }

  std::array<std::string, kConnections> in_;
  std::array<bool, kConnections> closed_{};
};

class World final : public PacketIo, public UploadSink {
 public:
  struct Record {
    std::string resource;
    std::string body;
    bool may_decode = false;
    bool finished = false;
    std::optional<GateReport> report;
  };

  World(bool observe, bool blocks_conflicts, Scarce scarce)
      : observes_(observe), lets_conflicts_pass_(!blocks_conflicts), scarce_(scarce) {
    DataplaneConfig config;
    config.inspect = {InspectRule{}};
    config.mode = observe ? Mode::kObserve : Mode::kEnforce;
    config.refused_keep = std::chrono::hours(24 * 365);  // longer than any input takes
    config.fail_policy = default_fail_policy();
    if (!blocks_conflicts) {
      config.fail_policy[static_cast<size_t>(DataplaneReason::upload_conflict)] = FailAction::kFlag;
    }
    CoreSizes sizes{.flows = 16,
                    .buffers = 128,
                    .heads = 4,
                    .forms = 1,
                    .uploads = 4,
                    .exchanges = 2,
                    .resources = 2,
                    .seen_blocks = 2,
                    .shared = {.created = 64, .refused = 64, .endpoints = 64}};
    engine_ = std::make_unique<Engine>(config, HashSeed{1, 2}, 0u, *this, *this, sizes);
    link_.bytes = 14;
    link_.data[12] = std::byte{0x08};
    wait(1s);
    for (size_t i = 0; i < kConnections; ++i) open(i);
  }

  void open(size_t index) {
    ends_[index] = {.port = next_port_++};
    put(index, Side::kClient, UINT64_MAX, "", kSyn);
    put(index, Side::kOrigin, UINT64_MAX, "", kSyn | kAck);
    put(index, Side::kClient, 0, "", kAck);
  }
  void say(size_t index, const std::string& bytes) {
    Ends& ends = ends_[index];
    put(index, Side::kClient, ends.said, bytes, kAck);
    ends.said += bytes.size();
    settle();
  }
  void cut(size_t index, bool stores) {
    put(index, Side::kClient, ends_[index].said, "", kRst | kAck);
    origin.cut(index, stores);
    open(index);
  }
  void wait(Tick time) {
    now_ += time;
    engine_->set_now({now_, WallTime(std::chrono::duration_cast<WallTime::duration>(now_))});
    engine_->poll();
    settle();
  }
  void decide(size_t which, bool block) {
    if (records.empty()) return;
    const auto chosen =
        std::next(records.begin(), static_cast<std::ptrdiff_t>(which % records.size()));
    // As a sink does: it passes what it has whole, and what it has given no answer on.
    if (!block && !chosen->second.finished) return;
    GateDecision decision;
    decision.key = chosen->first;
    decision.block = block;
    decisions_.push_back(decision);
    engine_->poll();
    settle();
  }
  void lift() {
    for (const auto& [key, record] : records) engine_->shared().lift({key});
    lifted = true;
  }

  // Everything that the engine let through reaches the other end, in order.
  void settle() {
    for (size_t turns = 0; turns < 8; ++turns) {
      bool moved = false;
      for (size_t i = 0; i < kConnections; ++i) {
        Ends& ends = ends_[i];
        const std::string in = std::exchange(ends.to_origin, "");
        if (in.empty()) continue;
        moved = true;
        const std::string out = origin.receive(i, in);
        put(i, Side::kOrigin, ends.answered, out, kAck);
        ends.answered += out.size();
        put(i, Side::kClient, ends.said, "", kAck);
      }
      if (!moved) return;
    }
  }

  void check() const {
    const auto open = static_cast<size_t>(
        std::ranges::count_if(records, [](const auto& entry) { return !entry.second.report; }));
    const auto arriving = static_cast<size_t>(std::ranges::count_if(
        records, [](const auto& entry) { return !entry.second.report && !entry.second.finished; }));
    require(engine_->places_in_use() <= open);
    require(engine_->decoders_in_use() <= arriving);
    // Connections that found no room in the table pass, as their fail policy says.
    constexpr auto kTableFull = static_cast<size_t>(DataplaneReason::flow_table_full);
    if (engine_->counters().reasons[kTableFull].get() > 0) return;
    for (size_t i = 0; i < std::size(kPaths); ++i) {
      const Origin::Resource& resource = origin.resources[i];
      const bool whole = resource.exists && resource.body.size() == resource.length;
      for (const auto& [key, record] : records) {
        if (record.resource.find(kPaths[i]) == std::string::npos || !record.report) continue;
        const GateReport& report = *record.report;
        const bool blocked = report.outcome == GateOutcome::kBlocked;
        // Of a part that was looked at apart, others may have been through before.
        if (blocked && whole && !lifted && resource.length > 0) {
          require(record.blocked_when_whole);
        }
        const bool checked = report.reason == DataplaneReason::kNone && record.finished &&
                             record.may_decode &&
                             (report.outcome == GateOutcome::kReleased ||
                              report.outcome == GateOutcome::kReleasedUnasked);
        if (checked && whole && !any_apart(kPaths[i]) && !has_conflict_passed()) {
          require(record.body == resource.body);
        }
      }
    }
  }
  void finish() {
    engine_->shut_down();
    for (int i = 0; i < 120; ++i) wait(2min);
    for (const auto& [key, record] : records) require(record.report.has_value());
    require(engine_->uploads_in_use() == 0);
    require(engine_->decoders_in_use() == 0 && engine_->places_in_use() == 0);
    require(engine_->resources_in_use() == 0);
    require(engine_->seen_blocks_in_use() == 0);
    require(engine_->exchanges_in_use() == 0);
    require(engine_->buffers_in_use() == 0);
    require(engine_->heads_in_use() == 0);
    require(engine_->forms_in_use() == 0);
  }

  // UploadSink.
  Scarce scarce() override { return scarce_; }
  SinkResult begin(const UploadStart& start) override;
  SinkResult append(UploadKey key, std::span<const std::byte> body) override {
    Record& record = records.at(key);
    require(!record.report && !record.finished);
    require(record.may_decode);
    record.body.append(reinterpret_cast<const char*>(body.data()), body.size());
    return SinkResult::kTaken;
  }
  void finish(UploadKey key, WallTime) override {
    Record& record = records.at(key);
    require(!record.report && !record.finished);
    record.finished = true;
  }
  void gate_closed(const GateReport& report) override;
  size_t poll_decisions(std::span<GateDecision> out) override {
    const size_t count = std::min(out.size(), decisions_.size());
    std::copy_n(decisions_.begin(), count, out.begin());
    decisions_.erase(decisions_.begin(), decisions_.begin() + static_cast<std::ptrdiff_t>(count));
    return count;
  }

  // PacketIo.
  void forward(Side to, size_t frame_bytes) override {
    require(current_ != nullptr);
    current_->resize(frame_bytes);
    send(to, *std::exchange(current_, nullptr));
  }
  void send(Side to, std::span<const std::byte> frame) override;

  struct Seen : Record {
    bool apart = false;
    bool blocked_when_whole = false;
  };
  std::map<UploadKey, Seen> records;
  Origin origin;
  bool lifted = false;

 private:
  struct Ends {
    uint16_t port = 0;
    uint64_t said = 0;
    uint64_t answered = 0;
    uint64_t arrived = 0;
    bool reset = false;
    std::string to_origin = {};
    std::map<uint64_t, std::string> later = {};
  };

  // Parts that were looked at apart are in the log, with their reason: nobody takes the resource
  // for checked.
  bool any_apart(std::string_view path) const {
    return std::ranges::any_of(records, [&](const auto& entry) {
      return entry.second.apart && entry.second.resource.find(path) != std::string::npos;
    });
  }
  // Then what had passed as checked may have been replaced. (Observing, nobody keeps two
  // connections from writing at once.)
  bool has_conflict_passed() const {
    constexpr auto kConflict = static_cast<size_t>(DataplaneReason::upload_conflict);
    if (observes_) return true;
    return lets_conflicts_pass_ && engine_->counters().reasons[kConflict].get() > 0;
  }
  // In as many segments as it takes.
  void put(size_t index, Side from, uint64_t offset, const std::string& payload, uint8_t flags) {
    size_t at = 0;
    do {
      const std::string piece = payload.substr(at, kSegmentBytesMax);
      put_segment(index, from, offset + at, piece, flags);
      at += piece.size();
    } while (at < payload.size());
  }
  void put_segment(size_t index, Side from, uint64_t offset, const std::string& payload,
                   uint8_t flags) {
    const Ends& ends = ends_[index];
    FlowKey key;
    key.client[3] = static_cast<std::byte>(1 + index % 2);
    key.origin[3] = std::byte{2};
    key.client_port = ends.port;
    key.origin_port = 80;
    const bool client = from == Side::kClient;
    SegmentFields fields{
        .sequence = 1'000 + static_cast<uint32_t>(offset),
        .acknowledgment = 1'000 + static_cast<uint32_t>(client ? ends.answered : ends.arrived),
        .flags = flags,
        .window = 60'000,
        .timestamps = {}};
    SegmentWriter writer;
    const Bytes frame =
        writer.write(key, link_, other(from), fields, std::as_bytes(std::span(payload)));
    std::vector<std::byte> bytes(frame.begin(), frame.end());
    current_ = &bytes;
    engine_->on_frame(from, bytes);
    current_ = nullptr;
    engine_->poll();
  }

  const bool observes_;
  const bool lets_conflicts_pass_;
  const Scarce scarce_;
  std::unique_ptr<Engine> engine_;
  LinkHeader link_;
  Tick now_{};
  std::array<Ends, kConnections> ends_;
  uint16_t next_port_ = 20'000;
  std::vector<GateDecision> decisions_;
  std::vector<std::byte>* current_ = nullptr;
};

SinkResult World::begin(const UploadStart& start) {
  require(!records.contains(start.key));
  Seen& record = records[start.key];
  record.resource = start.resource;
  record.may_decode = start.may_decode;
  // Resources have a bit of their own in their keys.
  record.apart = (static_cast<uint64_t>(start.key) & ResourceTable::kKeyBit) == 0;
  return start.may_decode ? SinkResult::kTaken : SinkResult::kEnough;
}

void World::gate_closed(const GateReport& report) {
  Seen& record = records.at(report.key);
  require(!record.report);
  record.report = report;
  for (size_t i = 0; i < std::size(kPaths); ++i) {
    const Origin::Resource& resource = origin.resources[i];
    const bool whole = resource.exists && resource.body.size() == resource.length;
    if (whole && record.resource.find(kPaths[i]) != std::string::npos) {
      record.blocked_when_whole = true;
    }
  }
}

void World::send(Side to, std::span<const std::byte> bytes) {
  std::vector<std::byte> copy(bytes.begin(), bytes.end());
  const Frame frame = parse_frame(copy);
  if (to != Side::kOrigin) return;
  for (Ends& ends : ends_) {
    if (frame.source_port != ends.port) continue;
    if (frame.has(kRst)) ends.reset = true;
    if (frame.payload_bytes == 0 || ends.reset) return;
    const uint64_t offset = offset_of(frame.sequence, 1'000, ends.arrived);
    ends.later[offset] = {reinterpret_cast<const char*>(frame.payload().data()),
                          frame.payload_bytes};
    while (!ends.later.empty() && ends.later.begin()->first <= ends.arrived) {
      const auto& [at, payload] = *ends.later.begin();
      const uint64_t skipped = ends.arrived - at;
      if (skipped < payload.size()) {
        ends.to_origin += payload.substr(skipped);
        ends.arrived = at + payload.size();
      }
      ends.later.erase(ends.later.begin());
    }
  }
}

// Bytes of a resource, in one of two versions.
std::string body(uint64_t offset, size_t bytes, bool other) {
  std::string text;
  for (uint64_t at = offset; at < offset + bytes; ++at) {
    text += static_cast<char>((other ? 'A' : 'a') + at % 26);
  }
  return text;
}

class Client {
 public:
  Client(World& world, FuzzInput& input) : world_(world), input_(input) {}

  void act() {
    const uint8_t what = input_.next();
    const size_t connection = (what >> 4 & 3) % kConnections;
    const size_t which = what >> 6 & 1;
    const bool flag = what >> 7;
    switch (what & 15) {
      case 0:
        create(connection, which, flag);
        break;
      case 1:
      case 2:
      case 3:
      case 4:
        patch(connection, which, flag);
        break;
      case 5:
        world_.say(connection, "HEAD " + std::string(kPaths[which]) +
                                   " HTTP/1.1\r\nHost: a\r\nTus-Resumable: 1.0.0\r\n\r\n");
        break;
      case 6:
        world_.cut(connection, flag);
        break;
      case 7:
        world_.decide(input_.next(), flag);
        break;
      case 8:
        world_.wait(std::chrono::milliseconds(4 * input_.next()));
        break;
      case 9:
        go_on(connection);
        break;
      case 10:
        raw(connection);
        break;
      case 11:
        world_.wait(std::chrono::minutes(input_.next()));
        break;
      case 12:
        world_.lift();
        break;
      case 13:
        world_.say(connection, "DELETE " + std::string(kPaths[which]) +
                                   " HTTP/1.1\r\nHost: a\r\nTus-Resumable: 1.0.0\r\n\r\n");
        break;
      default:
        world_.decide(0, flag);
    }
  }

 private:
  void create(size_t connection, size_t which, bool deferred) {
    const std::string length = deferred
                                   ? "Upload-Defer-Length: 1\r\n"
                                   : "Upload-Length: " + std::to_string(input_.next()) + "\r\n";
    world_.say(connection, "POST /files?which=" + std::string(which ? "b" : "a") +
                               " HTTP/1.1\r\nHost: a\r\nTus-Resumable: 1.0.0\r\n" + length +
                               "Content-Length: 0\r\n\r\n");
  }
  void patch(size_t connection, size_t which, bool other) {
    const uint64_t offset = input_.next();
    const size_t bytes = input_.next();
    const size_t sent = std::min<size_t>(input_.next(), bytes);
    const uint8_t extra = input_.next();
    std::string path(kPaths[which]);
    if ((extra & 1) != 0) path += "?x";
    if ((extra & 2) != 0) path = "/other" + path;
    std::string head = "PATCH " + path + " HTTP/1.1\r\nHost: a\r\nTus-Resumable: 1.0.0\r\n" +
                       "Upload-Offset: " + std::to_string(offset) + "\r\n";
    if ((extra & 4) != 0) head += "Upload-Length: " + std::to_string(offset + bytes) + "\r\n";
    head += "Content-Length: " + std::to_string(bytes) + "\r\n\r\n";
    const std::string text = body(offset, bytes, other);
    rest_[connection] = text.substr(sent);
    if ((extra & 8) != 0) {
      world_.say(connection, head);
      head.clear();
    }
    const std::string first = head + text.substr(0, sent);
    if (!first.empty()) world_.say(connection, first);
  }
  void go_on(size_t connection) {
    const size_t bytes = std::min<size_t>(input_.next(), rest_[connection].size());
    if (bytes == 0) return;
    world_.say(connection, rest_[connection].substr(0, bytes));
    rest_[connection].erase(0, bytes);
  }
  void raw(size_t connection) {
    std::string bytes;
    for (uint8_t count = input_.next() % 32; count > 0; --count) {
      bytes += static_cast<char>(input_.next());
    }
    if (!bytes.empty()) world_.say(connection, bytes);
  }

  World& world_;
  FuzzInput& input_;
  std::array<std::string, kConnections> rest_;
};

void run(const uint8_t* data, size_t size, Scarce scarce) {
  constexpr size_t kActsMax = 64;
  FuzzInput input{{data, size}};
  const uint8_t settings = input.next();
  World world((settings & 1) != 0, (settings & 2) == 0, scarce);
  world.origin.forgets_tus = (settings & 4) != 0;
  Client client(world, input);
  for (size_t acts = 0; acts < kActsMax && !input.bytes.empty(); ++acts) {
    client.act();
    world.check();
  }
  world.finish();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  for (const Scarce scarce : {Scarce::kNothing, Scarce::kDecoders, Scarce::kPlaces}) {
    run(data, size, scarce);
  }
  return 0;
}
