// One simulated world: clients and origins, the dataplane's engine between them, and two bad
// networks. Everything follows from the seed.
#pragma once

#include <functional>
#include <memory>
#include <queue>
#include <vector>

#include "dataplane/engine.h"
#include "tests/sim/http_ends.h"
#include "tests/sim/planned_sink.h"

namespace soundgate::sim {

struct Weather {
  double loss = 0;
  double duplication = 0;
  int jitter_ms = 0;       // reorders
  bool tampering = false;  // what the client sends again, or as a decoy, differs
};

struct SimulationOptions {
  uint64_t seed = 0;
  Mode mode = Mode::kEnforce;
  Weather client_side;
  Weather origin_side;
  int64_t tail_bytes = 1;
  size_t connections = 2;
  size_t heads = 16;
  bool allow_blocks = true;
  bool clients_abort = false;
  bool half_closes = false;
  bool from_before = false;  // the connections open before the engine is there
  TcpHabits client_habits;   // timestamps and tags are those of both ends
  TcpHabits origin_habits;
  bool random_timestamps = true;  // on half of the connections, whatever the habits
  double scarcity = 0;  // how often the sink is short of decoders, or places, when an upload begins
  bool scarce = false;  // hardly any room: not everything is inspected
  std::vector<PlannedUpload> uploads;  // of each connection; none: random ones
};

// Everything that may happen, as the seed wants it.
SimulationOptions storm(uint64_t seed);

class Simulation final : public PacketIo {
 public:
  explicit Simulation(const SimulationOptions& options);

  void run();
  void check() const;

  // Of everything that went into the engine and came out, and when: the same run has the same.
  uint64_t digest() const { return digest_; }
  size_t records() const { return sink_.records().size(); }
  uint64_t count(DataplaneReason reason) const {
    return engine_->counters().reasons[static_cast<size_t>(reason)].get();
  }

  void forward(Side to, size_t frame_bytes) override;
  void send(Side to, std::span<const std::byte> frame) override;

 private:
  struct Event {
    Tick at;
    uint64_t order;
    std::function<void()> action;
    bool operator>(const Event& other) const {
      return std::tie(at, order) > std::tie(other.at, other.order);
    }
  };
  struct Connection {
    FlowKey key;
    std::unique_ptr<TcpPeer> client_tcp, origin_tcp;
    std::unique_ptr<HttpClient> client;
    std::unique_ptr<HttpOrigin> origin;
  };

  void at(Tick when, std::function<void()> action);
  void add_connection(size_t number);
  PlannedUpload make_upload(size_t connection, size_t number);
  PlannedUpload::Fate make_fate();
  std::string some_bytes(PlannedUpload::Fate fate);
  void make_form(PlannedUpload& upload);
  void carry(const Weather& weather, Bytes frame, std::function<void(std::string&)> deliver);
  void reach_engine(Side from, std::string& frame);
  void reach_peer(Side to, std::string& frame);
  void tick();
  void trace(const char* where, Bytes bytes);
  std::string random_body(size_t bytes, bool spam);
  void tamper(const HttpClient& client, uint64_t offset, std::string& payload);
  bool all_done() const;
  void check_nothing_leaks() const;
  void check_connection(const Connection& connection) const;
  void check_part(const Connection& connection, const PlannedSink::Record& record) const;
  bool was_seen(const Connection& connection, const std::string& path) const;
  void check_outcome(const Connection& connection, const PlannedSink::Record& record,
                     PlannedUpload::Fate fate, bool whole) const;
  void check_record(const Connection& connection, const PlannedSink::Record& record) const;

  SimulationOptions options_;
  Random random_;
  Tick now_{std::chrono::seconds(1)};
  PlannedSink sink_;
  std::unique_ptr<Engine> engine_;
  std::vector<Connection> connections_;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  uint64_t order_ = 0;
  uint64_t digest_ = 0xCBF2'9CE4'8422'2325;  // FNV-1a
  std::string* current_ = nullptr;
};

}  // namespace soundgate::sim
