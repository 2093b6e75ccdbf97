#include "tests/sim/simulation.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace soundgate::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

CoreSizes sizes(const SimulationOptions& options) {
  return {.flows = 64,
          .buffers = 4'096,
          .heads = options.heads,
          .uploads = 32,
          .exchanges = 16,
          .resources = 16,
          .seen_blocks = 64,
          .shared = {.created = 256, .refused = 256, .endpoints = 64}};
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

MutableBytes bytes_of(std::string& text) { return std::as_writable_bytes(std::span(text)); }

}  // namespace

Simulation::Simulation(const SimulationOptions& options)
    : options_(options), random_(options.seed), sink_(random_, now_) {
  engine_ = std::make_unique<Engine>(configuration(options), HashSeed{options.seed, 7}, 3u, *this,
                                     sink_, sizes(options));
  connections_.resize(options.connections);
  for (size_t i = 0; i < connections_.size(); ++i) add_connection(i);
  tick();
}

void Simulation::at(Tick when, std::function<void()> action) {
  events_.push({when, order_++, std::move(action)});
}

PlannedUpload Simulation::make_upload(size_t connection, size_t number) {
  using Fate = PlannedUpload::Fate;
  PlannedUpload upload;
  upload.path = "/" + std::to_string(connection) + "-" + std::to_string(number);
  const size_t bytes = random_.chance(0.3) ? random_.between(1, 30) : random_.between(1, 25'000);
  for (size_t i = 0; i < bytes; ++i) upload.body += static_cast<char>(random_.below(256));
  upload.chunked = random_.chance(0.3);
  upload.decided_after = random_.between(1, bytes);
  const Fate fates[] = {Fate::kPass, Fate::kEarlyPass, Fate::kSilence, Fate::kBlock,
                        Fate::kEarlyBlock};
  upload.fate = fates[random_.below(options_.allow_blocks ? 5 : 3)];
  return upload;
}

void Simulation::add_connection(size_t number) {
  Connection& connection = connections_[number];
  FlowKey& key = connection.key;
  key.ipv6 = random_.chance(0.5);
  key.client[3] = std::byte{1};
  key.origin[3] = std::byte{2};
  key.client_port = static_cast<uint16_t>(40'000 + number);
  key.origin_port = 80;

  const bool timestamps = random_.chance(0.5);
  connection.client_tcp =
      std::make_unique<TcpPeer>(Side::kClient, key, timestamps, random_, [this](Bytes frame) {
        carry(options_.client_side, frame,
              [this](std::string& bytes) { reach_engine(Side::kClient, bytes); });
      });
  connection.origin_tcp =
      std::make_unique<TcpPeer>(Side::kOrigin, key, timestamps, random_, [this](Bytes frame) {
        carry(options_.origin_side, frame,
              [this](std::string& bytes) { reach_engine(Side::kOrigin, bytes); });
      });
  std::vector<PlannedUpload> uploads;
  for (size_t i = 0; i < random_.between(1, 4); ++i) {
    uploads.push_back(make_upload(number, i));
    sink_.plan(uploads.back());
  }
  connection.client = std::make_unique<HttpClient>(*connection.client_tcp, std::move(uploads),
                                                   random_.chance(0.3), random_);
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
void Simulation::trace(const char* where, Bytes bytes) const {
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
  EXPECT_EQ(engine_->counters().flows_open.get(), 0u);
}

void Simulation::check_connection(const Connection& connection) const {
  SCOPED_TRACE("connection " + std::to_string(connection.key.client_port - 40'000));
  for (const auto& [key, record] : sink_.records()) check_record(connection, record);
  if (options_.clients_abort) return;
  // Without blocks, everything arrives and is answered.
  const auto& responses = connection.client->responses();
  const bool refused = !responses.empty() && responses.back().status == 403;
  if (!refused && !connection.client_tcp->was_reset()) {
    EXPECT_EQ(responses.size(), connection.client->uploads().size());
  }
  if (!options_.allow_blocks) {
    EXPECT_FALSE(refused);
    EXPECT_FALSE(connection.client_tcp->was_reset());
  }
}

void Simulation::check_record(const Connection& connection,
                              const PlannedSink::Record& record) const {
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
  EXPECT_TRUE(at_origin.compare(0, common, record.body, 0, common) == 0);
  if (!options_.client_side.tampering) {
    EXPECT_TRUE(plan->body.starts_with(record.body));
  }
  EXPECT_TRUE(!record.finished || record.body.size() == plan->body.size());

  const GateOutcome outcome = record.report.outcome;
  const bool refused = outcome == GateOutcome::kBlocked || outcome == GateOutcome::kBlockedUnasked;
  if (refused) {
    EXPECT_FALSE(whole);
    EXPECT_TRUE(plan->chunked || at_origin.size() < plan->body.size());
    EXPECT_TRUE(plan->fate == PlannedUpload::Fate::kBlock ||
                plan->fate == PlannedUpload::Fate::kEarlyBlock);
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
      EXPECT_NE(plan->fate, PlannedUpload::Fate::kBlock);
    }
  }
  if (refused && !connection.client_tcp->was_reset()) {
    ASSERT_FALSE(connection.client->responses().empty());
    EXPECT_EQ(connection.client->responses().back().status, 403);
    EXPECT_NE(connection.client->responses().back().body.find(record.path), std::string::npos);
  }
}

}  // namespace soundgate::sim
