// A tus client and origin for tests of the engine: what they say, written by hand, on as many
// connections as a test wants.
#pragma once

#include <string>

#include "dataplane/gate/shared_resources.h"
#include "tests/dataplane/engine_harness.h"

namespace soundgate::test {

inline const std::string kTus = "Tus-Resumable: 1.0.0\r\n";
inline const std::string kResource = "/files/0123456789abcdef0123";

inline std::string creation(const std::string& headers) {
  return "POST /files HTTP/1.1\r\nHost: a\r\n" + kTus + headers + "Content-Length: 0\r\n\r\n";
}
inline std::string patch_head(const std::string& resource, uint64_t offset, size_t bytes,
                              const std::string& headers = "") {
  return "PATCH " + resource + " HTTP/1.1\r\nHost: a\r\n" + kTus +
         "Upload-Offset: " + std::to_string(offset) +
         "\r\nContent-Type: application/offset+octet-stream\r\n" + headers +
         "Content-Length: " + std::to_string(bytes) + "\r\n\r\n";
}
inline std::string patch(const std::string& resource, uint64_t offset, const std::string& body,
                         const std::string& headers = "") {
  return patch_head(resource, offset, body.size(), headers) + body;
}
inline std::string created(const std::string& location, const std::string& headers = "") {
  return "HTTP/1.1 201 Created\r\n" + kTus + "Location: " + location + "\r\n" + headers +
         "Content-Length: 0\r\n\r\n";
}
inline std::string stored(uint64_t offset) {
  return "HTTP/1.1 204 No Content\r\n" + kTus + "Upload-Offset: " + std::to_string(offset) +
         "\r\n\r\n";
}
inline std::string status_request(const std::string& resource) {
  return "HEAD " + resource + " HTTP/1.1\r\nHost: a\r\n" + kTus + "\r\n";
}
inline std::string status(uint64_t offset, uint64_t length) {
  return "HTTP/1.1 200 OK\r\n" + kTus + "Upload-Offset: " + std::to_string(offset) +
         "\r\nUpload-Length: " + std::to_string(length) + "\r\nContent-Length: 0\r\n\r\n";
}
inline std::string length_header(uint64_t length) {
  return "Upload-Length: " + std::to_string(length) + "\r\n";
}

// One connection of a harness, from its handshake on.
class Connection {
 public:
  Connection(Harness& harness, uint16_t port) : harness_(harness), port_(port) {
    select();
    harness_.open();
  }

  // Returns what reached the origin.
  std::string say(const std::string& bytes) {
    select();
    harness_.client(said_, bytes, kAck, answered_);
    said_ += bytes.size();
    return harness_.take_payload(Side::kOrigin);
  }
  // Returns what reached the client. The origin acknowledges all that was said.
  std::string answer(const std::string& bytes) {
    select();
    harness_.origin(answered_, bytes, said_);
    answered_ += bytes.size();
    harness_.client(said_, "", kAck, answered_);
    return harness_.take_payload(Side::kClient);
  }
  std::string ask(const std::string& request, const std::string& response) {
    say(request);
    return answer(response);
  }
  void reset() {
    select();
    harness_.client(said_, "", kRst | kAck, answered_);
    harness_.seen.clear();
  }

 private:
  void select() { harness_.key.client_port = port_; }

  Harness& harness_;
  uint16_t port_;
  uint64_t said_ = 0;
  uint64_t answered_ = 0;
};

inline DataplaneConfig tus_config(Mode mode = Mode::kEnforce) {
  DataplaneConfig config = Harness::enforcing();
  config.mode = mode;
  config.inspect[0].methods = {"PUT", "POST", "PATCH"};
  return config;
}

inline CoreSizes tus_sizes() {
  CoreSizes sizes = Harness::small();
  sizes.flows = 32;
  sizes.buffers = 512;
  sizes.uploads = sizes.exchanges = 8;
  return sizes;
}

inline const std::string kText = "0123456789abcdefghij";

struct Tus : Harness {
  explicit Tus(DataplaneConfig config = tus_config(), SharedResources* shared = nullptr,
               unsigned lcore = 0)
      : Harness(std::move(config), tus_sizes(), shared, lcore) {}

  void make(uint64_t length, const std::string& resource = kResource) {
    Connection connection(*this, next_port++);
    connection.ask(creation(length_header(length)), created(resource));
  }
  Connection connect() { return Connection(*this, next_port++); }
  void expect_all_given_back() {
    for (int i = 0; i < 200; ++i) wait(std::chrono::minutes(2));
    EXPECT_EQ(engine().uploads_in_use(), 0u);
    EXPECT_EQ(engine().resources_in_use(), 0u);
    EXPECT_EQ(engine().seen_blocks_in_use(), 0u);
    EXPECT_EQ(engine().exchanges_in_use(), 0u);
    EXPECT_EQ(engine().buffers_in_use(), 0u);
    for (const RecordingSink::Record& record : sink.records) EXPECT_EQ(record.reports.size(), 1u);
  }
  const RecordingSink::Record& only() {
    EXPECT_EQ(sink.records.size(), 1u);
    return sink.records.at(0);
  }
  const GateReport& report() { return only().reports.at(0); }

  uint16_t next_port = 41'000;
};

inline bool is_refusal(const std::string& answer) { return answer.starts_with("HTTP/1.1 403"); }

}  // namespace soundgate::test
