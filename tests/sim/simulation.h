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
  int jitter_ms = 0;  // reorders
  bool tampering = false;
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
};

class Simulation final : public PacketIo {
 public:
  explicit Simulation(const SimulationOptions& options);

  void run();
  void check() const;

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
  std::string some_bytes();
  void make_form(PlannedUpload& upload);
  void carry(const Weather& weather, Bytes frame, std::function<void(std::string&)> deliver);
  void reach_engine(Side from, std::string& frame);
  void reach_peer(Side to, std::string& frame);
  void tick();
  void trace(const char* where, Bytes bytes) const;
  void tamper(const HttpClient& client, uint64_t offset, std::string& payload);
  bool all_done() const;
  void check_nothing_leaks() const;
  void check_connection(const Connection& connection) const;
  void check_part(const Connection& connection, const PlannedSink::Record& record) const;
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
  std::string* current_ = nullptr;
};

}  // namespace soundgate::sim
