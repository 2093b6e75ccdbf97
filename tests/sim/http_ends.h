// A client that uploads over one connection, and an origin that takes the uploads, each on top of
// a TcpPeer.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tests/sim/tcp_peer.h"

namespace soundgate::sim {

struct PlannedUpload {
  enum class Fate : uint8_t { kPass, kBlock, kEarlyPass, kEarlyBlock, kSilence };

  // Of a form.
  struct Part {
    bool is_file = true;
    std::string data;
    Fate fate = Fate::kPass;
    size_t decided_after = 0;
    size_t begin = 0;  // of its data in the body
  };

  std::string path;  // unique in the simulation; "/path#2" is what a form's second part is called
  std::string body;
  Fate fate = Fate::kPass;
  bool chunked = false;
  bool gzip = false;         // it is said to be: nothing here looks inside
  std::vector<Part> parts;   // where it is a form: what its body is made of
  size_t decided_after = 0;  // body bytes, for the early ones
};

inline constexpr std::string_view kDelimiter = "\r\n--simBoundary";

// The body of a form; says where each part's data begin.
std::string form_body(std::vector<PlannedUpload::Part>& parts);

// The verdict on a file, whoever reads it.
inline bool is_spam(std::string_view body) { return body.find('!') != std::string_view::npos; }

// The bytes of the request, as the client sends them.
std::string request_bytes(const PlannedUpload& upload, Random& random);

class HttpClient {
 public:
  // half_closes: says after its last request that nothing more comes, and reads on.
  HttpClient(TcpPeer& tcp, std::vector<PlannedUpload> uploads, bool pipelines, bool half_closes,
             Random& random);

  void act();  // after anything has happened

  struct Response {
    int status = 0;
    std::string body;
  };
  const std::vector<Response>& responses() const { return responses_; }
  const std::vector<PlannedUpload>& uploads() const { return uploads_; }
  size_t sent_count() const { return sent_count_; }
  bool done() const { return done_; }
  // Which ranges of the stream are bodies (for tampering): [begin, end).
  const std::vector<std::pair<uint64_t, uint64_t>>& body_ranges() const { return body_ranges_; }

 private:
  void send_next();
  void read_responses();

  TcpPeer& tcp_;
  std::vector<PlannedUpload> uploads_;
  bool pipelines_;
  bool half_closes_;
  Random& random_;
  size_t sent_count_ = 0;
  size_t read_bytes_ = 0;
  uint64_t written_ = 0;
  bool done_ = false;
  std::vector<Response> responses_;
  std::vector<std::pair<uint64_t, uint64_t>> body_ranges_;
};

class HttpOrigin {
 public:
  struct Upload {
    std::string path;
    std::string body;
    bool whole = false;
  };

  explicit HttpOrigin(TcpPeer& tcp) : tcp_(tcp) {}

  void act();
  const std::vector<Upload>& uploads() const { return uploads_; }

 private:
  bool read_one();

  TcpPeer& tcp_;
  size_t read_bytes_ = 0;  // of whole requests
  bool closed_ = false;
  std::vector<Upload> uploads_;
};

}  // namespace soundgate::sim
