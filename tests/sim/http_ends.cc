#include "tests/sim/http_ends.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

namespace soundgate::sim {
namespace {

const std::string kFormType = "multipart/form-data; boundary=simBoundary";

std::string in_chunks(const std::string& body, Random& random) {
  std::string out;
  for (size_t at = 0; at < body.size();) {
    const size_t bytes = std::min<size_t>(random.between(1, 3'000), body.size() - at);
    std::array<char, 32> size;
    std::snprintf(size.data(), size.size(), random.chance(0.1) ? "0%zx\r\n" : "%zx\r\n", bytes);
    out += size.data() + body.substr(at, bytes) + "\r\n";
    at += bytes;
  }
  return out + "0\r\n" + (random.chance(0.2) ? "X-Trailer: yes\r\n" : "") + "\r\n";
}

size_t header_number(const std::string& head, const std::string& header) {
  const size_t at = head.find(header);
  return at == std::string::npos ? 0 : std::strtoul(head.c_str() + at + header.size(), nullptr, 10);
}

// Decodes chunks from `at` on. Returns where they end, or npos when they are not whole yet.
size_t read_chunks(const std::string& bytes, size_t at, std::string& body) {
  for (;;) {
    const size_t line_end = bytes.find("\r\n", at);
    if (line_end == std::string::npos) return std::string::npos;
    const size_t size = std::strtoul(bytes.c_str() + at, nullptr, 16);
    at = line_end + 2;
    if (size == 0) break;
    body += bytes.substr(at, size);
    at += size + 2;
    if (at > bytes.size()) return std::string::npos;
  }
  for (;;) {  // trailers
    const size_t line_end = bytes.find("\r\n", at);
    if (line_end == std::string::npos) return std::string::npos;
    const bool empty = line_end == at;
    at = line_end + 2;
    if (empty) return at;
  }
}

}  // namespace

std::string form_body(std::vector<PlannedUpload::Part>& parts) {
  std::string body(kDelimiter.substr(2));
  for (PlannedUpload::Part& part : parts) {
    body += "\r\nContent-Disposition: form-data; name=n" +
            std::string(part.is_file ? "; filename=f" : "") + "\r\n\r\n";
    part.begin = body.size();
    body += part.data;
    body += kDelimiter;
  }
  return body + "--\r\n";
}

std::string request_bytes(const PlannedUpload& upload, Random& random) {
  std::string head = (random.chance(0.5) ? "PUT " : "POST ") + upload.path +
                     " HTTP/1.1\r\nHost: sim.example\r\nContent-Type: " +
                     (upload.parts.empty() ? "audio/mpeg" : kFormType) + "\r\n" +
                     (upload.gzip ? "Content-Encoding: gzip\r\n" : "");
  if (upload.chunked) {
    return head + "Transfer-Encoding: chunked\r\n\r\n" + in_chunks(upload.body, random);
  }
  return head + "Content-Length: " + std::to_string(upload.body.size()) + "\r\n\r\n" + upload.body;
}

HttpClient::HttpClient(TcpPeer& tcp, std::vector<PlannedUpload> uploads, bool pipelines,
                       bool half_closes, Random& random)
    : tcp_(tcp),
      uploads_(std::move(uploads)),
      pipelines_(pipelines),
      half_closes_(half_closes),
      random_(random) {}

void HttpClient::send_next() {
  const PlannedUpload& upload = uploads_[sent_count_++];
  const std::string request = request_bytes(upload, random_);
  const uint64_t body = request.find("\r\n\r\n") + 4;
  // Changed delimiters would make another form.
  if (!upload.chunked && upload.parts.empty()) {
    body_ranges_.emplace_back(written_ + body, written_ + request.size());
  }
  tcp_.write(request);
  written_ += request.size();
}

void HttpClient::act() {
  if (done_) return;
  read_responses();
  const bool refused = !responses_.empty() && responses_.back().status == 403;
  if (tcp_.was_reset() || refused || tcp_.peer_closed() || responses_.size() == uploads_.size()) {
    done_ = true;
    if (!tcp_.was_reset()) tcp_.close();
    return;
  }
  while (sent_count_ < uploads_.size() && (pipelines_ || responses_.size() == sent_count_)) {
    send_next();
  }
  if (half_closes_ && sent_count_ == uploads_.size()) tcp_.close();
}

void HttpClient::read_responses() {
  const std::string& in = tcp_.received();
  for (;;) {
    const size_t head_end = in.find("\r\n\r\n", read_bytes_);
    if (head_end == std::string::npos) return;
    const std::string head = in.substr(read_bytes_, head_end - read_bytes_ + 2);
    const size_t length = header_number(head, "Content-Length: ");
    if (in.size() < head_end + 4 + length) return;
    const int status = std::atoi(head.c_str() + 9);
    if (status >= 200) responses_.push_back({status, in.substr(head_end + 4, length)});
    read_bytes_ = head_end + 4 + length;
  }
}

void HttpOrigin::act() {
  while (read_one()) {
    tcp_.write("HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok");
  }
  if (tcp_.peer_closed() && !closed_) {
    closed_ = true;
    tcp_.close();
  }
}

// True when another request has become whole. The last one in the list may be in part.
bool HttpOrigin::read_one() {
  const std::string& in = tcp_.received();
  const size_t head_end = in.find("\r\n\r\n", read_bytes_);
  if (head_end == std::string::npos) return false;
  const std::string head = in.substr(read_bytes_, head_end - read_bytes_ + 2);
  const size_t path = head.find(' ') + 1;
  if (uploads_.empty() || uploads_.back().whole) uploads_.emplace_back();
  Upload& upload = uploads_.back();
  upload.path = head.substr(path, head.find(' ', path) - path);
  upload.body.clear();
  size_t end = std::string::npos;
  if (head.find("chunked") != std::string::npos) {
    end = read_chunks(in, head_end + 4, upload.body);
  } else {
    const size_t length = header_number(head, "Content-Length: ");
    upload.body = in.substr(head_end + 4, length);
    if (upload.body.size() == length) end = head_end + 4 + length;
  }
  if (end == std::string::npos) return false;
  upload.whole = true;
  read_bytes_ = end;
  return true;
}

}  // namespace soundgate::sim
