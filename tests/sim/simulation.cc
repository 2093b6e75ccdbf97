#include "tests/sim/simulation.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace soundgate::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

CoreSizes sizes(const SimulationOptions& options) {
  CoreSizes sizes{.flows = 64,
                  .buffers = 4'096,
                  .heads = options.heads,
                  .forms = 16,
                  .uploads = 32,
                  .exchanges = 16,
                  .resources = 16,
                  .seen_blocks = 64,
                  .shared = {.created = 256, .refused = 256, .endpoints = 64}};
  if (options.scarce) {
    sizes.flows = 4;
    sizes.buffers = 32;
    sizes.heads = 1;
    sizes.forms = 2;
    sizes.uploads = 2;
  }
  return sizes;
}

constexpr Tick kEnd = seconds(400);  // beyond kUploadIdleMax

DataplaneConfig configuration(const SimulationOptions& options) {
  DataplaneConfig config;
  config.inspect = {InspectRule{{80}, {}, {}, {}, 0}};
  config.mode = options.mode;
  config.tail_bytes = options.tail_bytes;
  config.hold_max = milliseconds(1500);
  return config;
}

bool was_refused(const PlannedSink::Record& record) {
  return record.report.outcome == GateOutcome::kBlocked ||
         record.report.outcome == GateOutcome::kBlockedUnasked;
}

MutableBytes bytes_of(std::string& text) { return std::as_writable_bytes(std::span(text)); }

}  // namespace

Simulation::Simulation(const SimulationOptions& options)
    : options_(options), random_(options.seed), sink_(random_, now_) {
  engine_ = std::make_unique<Engine>(configuration(options), HashSeed{options.seed, 7}, 3u, *this,
                                     sink_, sizes(options));
  sink_.scarcity = options.scarcity;
  connections_.resize(options.connections);
  for (size_t i = 0; i < connections_.size(); ++i) add_connection(i);
  tick();
}

void Simulation::at(Tick when, std::function<void()> action) {
  events_.push({when, order_++, std::move(action)});
}

PlannedUpload Simulation::make_upload(size_t connection, size_t number) {
  PlannedUpload upload;
  upload.path = "/" + std::to_string(connection) + "-" + std::to_string(number);
  upload.chunked = random_.chance(0.3);
  // (Decoys that are read may make another form of it.)
  const bool may_be_altered = options_.client_side.tampering && options_.client_habits.decoys > 0;
  if (!may_be_altered && random_.chance(0.3)) {
    make_form(upload);
    return upload;
  }
  upload.fate = make_fate();
  upload.body = some_bytes(upload.fate);
  upload.gzip = random_.chance(0.2);
  upload.decided_after = random_.between(1, upload.body.size());
  return upload;
}

PlannedUpload::Fate Simulation::make_fate() {
  using Fate = PlannedUpload::Fate;
  const Fate fates[] = {Fate::kPass, Fate::kEarlyPass, Fate::kSilence, Fate::kBlock,
                        Fate::kEarlyBlock};
  return fates[random_.below(options_.allow_blocks ? 5 : 3)];
}

std::string Simulation::some_bytes(PlannedUpload::Fate fate) {
  using Fate = PlannedUpload::Fate;
  const size_t count = random_.chance(0.3) ? random_.between(1, 30) : random_.between(1, 25'000);
  return random_body(count, fate == Fate::kBlock || fate == Fate::kEarlyBlock);
}

void Simulation::make_form(PlannedUpload& upload) {
  for (size_t count = random_.between(1, 4); count > 0; --count) {
    PlannedUpload::Part part;
    part.is_file = random_.chance(0.7);
    part.fate = make_fate();
    part.data = part.is_file ? some_bytes(part.fate) : std::string(random_.below(2'000), 't');
    if (part.is_file && random_.chance(0.3)) {  // nearly a delimiter
      part.data += kDelimiter.substr(0, random_.between(1, kDelimiter.size() - 1));
    }
    part.decided_after = random_.between(1, std::max<size_t>(part.data.size(), 1));
    upload.parts.push_back(part);
  }
  upload.body = form_body(upload.parts);
}

std::string Simulation::random_body(size_t bytes, bool spam) {
  std::string body;
  for (size_t i = 0; i < bytes; ++i) body += static_cast<char>(random_.below(256));
  std::ranges::replace(body, '!', '?');
  if (spam) body[random_.below(bytes)] = '!';
  return body;
}

void Simulation::add_connection(size_t number) {
  Connection& connection = connections_[number];
  FlowKey& key = connection.key;
  key.ipv6 = random_.chance(0.5);
  key.client[3] = std::byte{1};
  key.origin[3] = std::byte{2};
  key.client_port = static_cast<uint16_t>(40'000 + number);
  key.origin_port = 80;

  TcpHabits client_habits = options_.client_habits;
  if (options_.random_timestamps) client_habits.timestamps = random_.chance(0.5);
  TcpHabits origin_habits = options_.origin_habits;
  origin_habits.timestamps = client_habits.timestamps;
  origin_habits.vlan_tags = client_habits.vlan_tags;
  for (const uint16_t tag : client_habits.vlan_tags) key.vlan = key.vlan << 12 | tag;
  connection.client_tcp = std::make_unique<TcpPeer>(
      Side::kClient, key, std::move(client_habits), random_, [this](Bytes frame) {
        carry(options_.client_side, frame,
              [this](std::string& bytes) { reach_engine(Side::kClient, bytes); });
      });
  connection.origin_tcp = std::make_unique<TcpPeer>(
      Side::kOrigin, key, std::move(origin_habits), random_, [this](Bytes frame) {
        carry(options_.origin_side, frame,
              [this](std::string& bytes) { reach_engine(Side::kOrigin, bytes); });
      });
  std::vector<PlannedUpload> uploads;
  const size_t planned = options_.uploads.size();
  const size_t count = planned > 0 ? planned : random_.between(1, 4);
  for (size_t i = 0; i < count; ++i) {
    uploads.push_back(planned > 0 ? options_.uploads[i] : make_upload(number, i));
    sink_.plan(uploads.back());
  }
  // Of requests that come at once on a connection from before, the second may be the first one
  // seen.
  const bool pipelines = random_.chance(0.3) && !options_.from_before;
  connection.client = std::make_unique<HttpClient>(*connection.client_tcp, std::move(uploads),
                                                   pipelines, options_.half_closes, random_);
  connection.origin = std::make_unique<HttpOrigin>(*connection.origin_tcp);
  if (options_.client_side.tampering) {
    connection.client_tcp->set_tamper([this, &connection](uint64_t offset, std::string& payload) {
      tamper(*connection.client, offset, payload);
    });
  }
  at(now_ + milliseconds(random_.below(50)), [&connection, this] {
    connection.client_tcp->connect(now_);
    connection.client->act();
  });
  if (options_.clients_abort && random_.chance(0.7)) {
    at(now_ + milliseconds(random_.below(1'500)),
       [&connection, this] { connection.client_tcp->abort(now_); });
  }
}

// Changes body bytes of what is sent again.
void Simulation::tamper(const HttpClient& client, uint64_t offset, std::string& payload) {
  if (!random_.chance(0.5)) return;
  for (const auto& [begin, end] : client.body_ranges()) {
    for (uint64_t at = std::max(begin, offset); at < std::min(end, offset + payload.size()); ++at) {
      if (random_.chance(0.2)) payload[at - offset] = 'T';
    }
  }
}

// Loses, doubles and delays.
void Simulation::carry(const Weather& weather, Bytes frame,
                       std::function<void(std::string&)> deliver) {
  const int copies = random_.chance(weather.loss) ? 0 : random_.chance(weather.duplication) ? 2 : 1;
  std::string bytes(reinterpret_cast<const char*>(frame.data()), frame.size());
  for (int i = 0; i < copies; ++i) {
    const bool late = random_.chance(0.3);
    const Tick delay =
        milliseconds(1) +
        (late ? milliseconds(random_.below(static_cast<uint64_t>(weather.jitter_ms) + 1))
              : milliseconds(0));
    at(now_ + delay, [copy = bytes, deliver]() mutable { deliver(copy); });
  }
}

// SIM_TRACE=1 prints every segment: debugging starts with one seed and this.
void Simulation::trace(const char* where, Bytes bytes) {
  const auto add = [this](uint64_t value) { digest_ = (digest_ ^ value) * 0x100'0000'01B3; };
  add(static_cast<uint64_t>(now_.count()));
  for (const char* letter = where; *letter != '\0'; ++letter) add(static_cast<uint64_t>(*letter));
  for (const std::byte byte : bytes) add(std::to_integer<uint64_t>(byte));
  static const bool wanted = std::getenv("SIM_TRACE") != nullptr;
  if (!wanted) return;
  std::string copy(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const Frame frame = parse_frame(bytes_of(copy));
  std::printf("%8.3f %s %u->%u flags %02x seq %u ack %u payload %u\n",
              static_cast<double>(now_.count()) / 1e9, where, frame.source_port,
              frame.destination_port, frame.flags, frame.sequence, frame.acknowledgment,
              frame.payload_bytes);
}

void Simulation::reach_engine(Side from, std::string& frame) {
  trace(from == Side::kClient ? "C>" : "O>", bytes_of(frame));
  if (options_.from_before && parse_frame(bytes_of(frame)).has(kSyn)) {
    send(other(from), bytes_of(frame));
    return;
  }
  engine_->set_now({now_, WallTime(std::chrono::duration_cast<WallTime::duration>(now_))});
  current_ = &frame;
  engine_->on_frame(from, bytes_of(frame));
  current_ = nullptr;
  engine_->poll();
}

void Simulation::forward(Side to, size_t frame_bytes) {
  ASSERT_NE(current_, nullptr) << "a frame was forwarded twice";
  std::string* frame = current_;
  current_ = nullptr;
  frame->resize(frame_bytes);
  send(to, bytes_of(*frame));
}

void Simulation::send(Side to, std::span<const std::byte> frame) {
  trace(to == Side::kClient ? "  >C" : "  >O", frame);
  const Weather& weather = to == Side::kClient ? options_.client_side : options_.origin_side;
  carry(weather, frame, [this, to](std::string& bytes) { reach_peer(to, bytes); });
}

void Simulation::reach_peer(Side to, std::string& bytes) {
  const Frame frame = parse_frame(bytes_of(bytes));
  ASSERT_EQ(frame.kind, FrameKind::kTcp);
  if (load8(frame.bytes, frame.ip_offset + (frame.ipv6 ? 7u : 8u)) <= 1) return;
  ASSERT_TRUE(tcp_checksum_is_right(frame));
  const FlowKey key = flow_key(frame, other(to));
  for (Connection& connection : connections_) {
    if (connection.key != key) continue;
    TcpPeer& tcp = to == Side::kClient ? *connection.client_tcp : *connection.origin_tcp;
    tcp.on_frame(frame, now_);
    to == Side::kClient ? connection.client->act() : connection.origin->act();
    tcp.send_what_is_allowed(now_);
    return;
  }
  FAIL() << "a frame for nobody";
}

void Simulation::tick() {
  engine_->set_now({now_, WallTime(std::chrono::duration_cast<WallTime::duration>(now_))});
  engine_->poll();
  for (Connection& connection : connections_) {
    connection.client->act();
    connection.client_tcp->on_timer(now_);
    connection.client_tcp->send_what_is_allowed(now_);
    connection.origin_tcp->on_timer(now_);
  }
  if (now_ < kEnd && !all_done()) at(now_ + milliseconds(5), [this] { tick(); });
}

bool Simulation::all_done() const {
  const bool clients_done = std::ranges::all_of(connections_, [](const Connection& connection) {
    return connection.client->done() || connection.client_tcp->was_reset();
  });
  return clients_done && std::ranges::all_of(sink_.records(), [](const auto& entry) {
           return entry.second.closed == 1;
         });
}

void Simulation::run() {
  while (!events_.empty() && now_ < kEnd) {
    const Event event = events_.top();
    events_.pop();
    now_ = event.at;
    event.action();
  }
}

void Simulation::check() const {
  SCOPED_TRACE("seed " + std::to_string(options_.seed));
  EXPECT_TRUE(all_done()) << "somebody still waits";
  for (const Connection& connection : connections_) check_connection(connection);
  for (const auto& [key, record] : sink_.records()) {
    EXPECT_TRUE(!record.path.empty() || (options_.scarce && options_.mode == Mode::kObserve));
  }
  check_nothing_leaks();
}

// When everybody has been silent for long, the engine has given everything back.
void Simulation::check_nothing_leaks() const {
  Tick later = now_;
  for (int i = 0; i < 300; ++i) {
    later += std::chrono::minutes(1);
    engine_->set_now({later, WallTime()});
    engine_->poll();
  }
  EXPECT_EQ(engine_->buffers_in_use(), 0u);
  EXPECT_EQ(engine_->uploads_in_use(), 0u);
  EXPECT_EQ(engine_->heads_in_use(), 0u);
  EXPECT_EQ(engine_->forms_in_use(), 0u);
  EXPECT_EQ(engine_->counters().flows_open.get(), 0u);
}

void Simulation::check_connection(const Connection& connection) const {
  SCOPED_TRACE("connection " + std::to_string(connection.key.client_port - 40'000));
  for (const auto& [key, record] : sink_.records()) check_record(connection, record);
  if (options_.clients_abort) return;
  // Each upload that arrived was seen, also the first one of a connection from before.
  if (options_.mode == Mode::kEnforce && !options_.scarce) {
    for (const HttpOrigin::Upload& upload : connection.origin->uploads()) {
      EXPECT_TRUE(!upload.whole || was_seen(connection, upload.path)) << upload.path;
    }
  }
  // Without blocks, everything arrives and is answered.
  const auto& responses = connection.client->responses();
  const bool refused = !responses.empty() && responses.back().status == 403;
  if (!refused && !connection.client_tcp->was_reset()) {
    EXPECT_EQ(responses.size(), connection.client->uploads().size());
  }
  if (!options_.allow_blocks && !options_.scarce) {
    EXPECT_FALSE(refused);
    EXPECT_FALSE(connection.client_tcp->was_reset());
  }
}

// All of it: of a form, each of its files.
bool Simulation::was_seen(const Connection& connection, const std::string& path) const {
  const auto is_recorded = [&](const std::string& name) {
    return std::ranges::any_of(sink_.records(),
                               [&](const auto& entry) { return entry.second.path == name; });
  };
  const auto plan = std::ranges::find(connection.client->uploads(), path, &PlannedUpload::path);
  if (plan == connection.client->uploads().end() || plan->parts.empty()) return is_recorded(path);
  for (size_t i = 0; i < plan->parts.size(); ++i) {
    if (plan->parts[i].is_file && !is_recorded(path + "#" + std::to_string(i + 1))) return false;
  }
  return true;
}

void Simulation::check_record(const Connection& connection,
                              const PlannedSink::Record& record) const {
  if (record.path.find('#') != std::string::npos) {
    check_part(connection, record);
    return;
  }
  const auto& plans = connection.client->uploads();
  const auto plan = std::ranges::find(plans, record.path, &PlannedUpload::path);
  if (plan == plans.end()) return;  // of another connection
  SCOPED_TRACE("upload " + record.path + ", outcome " +
               std::to_string(static_cast<int>(record.report.outcome)) + " " +
               std::string(name(record.report.reason)));
  EXPECT_EQ(record.closed, 1);
  EXPECT_EQ(record.mode, options_.mode);
  EXPECT_EQ(record.said_bytes, plan->chunked ? -1 : static_cast<int64_t>(plan->body.size()));

  const auto& arrived = connection.origin->uploads();
  const auto found = std::ranges::find(arrived, record.path, &HttpOrigin::Upload::path);
  const std::string at_origin = found == arrived.end() ? "" : found->body;
  const bool whole = found != arrived.end() && found->whole;

  // What was inspected is what arrives, and without tampering it is what was sent.
  const size_t common = std::min(at_origin.size(), record.body.size());
  const bool given_up = options_.scarce && record.report.reason != DataplaneReason::kNone;
  EXPECT_TRUE(given_up || at_origin.compare(0, common, record.body, 0, common) == 0);
  if (!options_.client_side.tampering) {
    EXPECT_TRUE(plan->body.starts_with(record.body));
  }
  EXPECT_TRUE(!record.finished || record.body.size() == plan->body.size());
  // The verdict is that on the file: on the client's, and where it sent two, on the one that
  // arrives.
  const bool decided = record.finished && plan->fate != PlannedUpload::Fate::kSilence;
  if (decided) {
    const std::string& file = options_.client_side.tampering ? record.body : plan->body;
    EXPECT_EQ(record.blocks, is_spam(file));
  }

  EXPECT_TRUE(!was_refused(record) || plan->chunked || at_origin.size() < plan->body.size());
  check_outcome(connection, record, plan->fate, whole);
  const std::string& file = options_.client_side.tampering ? record.body : plan->body;
  const bool known = record.finished || !options_.client_side.tampering;
  EXPECT_TRUE(was_refused(record) || record.report.outcome == GateOutcome::kAborted || !whole ||
              !known || at_origin == file);
}

// A part of a form.
void Simulation::check_part(const Connection& connection, const PlannedSink::Record& record) const {
  const size_t mark = record.path.find('#');
  const std::string path = record.path.substr(0, mark);
  const auto& plans = connection.client->uploads();
  const auto form = std::ranges::find(plans, path, &PlannedUpload::path);
  if (form == plans.end()) return;  // of another connection
  SCOPED_TRACE("part " + record.path);
  const auto& part = form->parts.at(std::strtoul(record.path.c_str() + mark + 1, nullptr, 10) - 1);
  EXPECT_EQ(record.closed, 1);
  EXPECT_EQ(record.mode, options_.mode);
  EXPECT_EQ(record.said_bytes, -1);
  EXPECT_TRUE(part.is_file && part.data.starts_with(record.body));
  EXPECT_TRUE(!record.finished || record.body == part.data);

  const auto& arrived = connection.origin->uploads();
  const auto found = std::ranges::find(arrived, path, &HttpOrigin::Upload::path);
  const std::string at_origin = found == arrived.end() ? "" : found->body;
  EXPECT_TRUE(form->body.starts_with(at_origin));
  if (was_refused(record)) {
    EXPECT_LT(at_origin.size(), part.begin + part.data.size() + kDelimiter.size());
  }
  check_outcome(connection, record, part.fate, found != arrived.end() && found->whole);
}

void Simulation::check_outcome(const Connection& connection, const PlannedSink::Record& record,
                               PlannedUpload::Fate fate, bool whole) const {
  const GateOutcome outcome = record.report.outcome;
  const bool refused = was_refused(record);
  const bool decided = record.finished && fate != PlannedUpload::Fate::kSilence;
  if (refused) {
    EXPECT_FALSE(whole);
    EXPECT_TRUE(record.blocks);
  } else if (outcome != GateOutcome::kAborted && !options_.clients_abort) {
    // A later block on the connection may have kept the rest back.
    const auto& responses = connection.client->responses();
    const bool connection_refused = connection.client_tcp->was_reset() ||
                                    (!responses.empty() && responses.back().status == 403);
    EXPECT_TRUE(whole || connection_refused);
    // A tail of several segments with one of them lost is only sent again once it is let go.
    const bool long_tail = options_.tail_bytes > 500;
    const bool late = record.report.reason == DataplaneReason::hold_deadline;
    if (options_.mode == Mode::kEnforce && !(long_tail && late)) {
      EXPECT_FALSE(decided && record.blocks);
    }
  }
  if (refused && !connection.client_tcp->was_reset()) {
    ASSERT_FALSE(connection.client->responses().empty());
    EXPECT_EQ(connection.client->responses().back().status, 403);
    EXPECT_NE(connection.client->responses().back().body.find(record.path), std::string::npos);
  }
}

}  // namespace soundgate::sim
