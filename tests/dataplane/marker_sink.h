// A sink that decides by itself: it blocks an upload whose body has a marker in it. It answers a
// set time after the last byte, from the lcore's own thread.
// Thread: the lcore.
#pragma once

#include <cstdio>
#include <cstring>
#include <string>
#include <unordered_map>
#include <vector>

#include "dataplane/upload_sink.h"

namespace soundgate::test {

class MarkerSink final : public UploadSink {
 public:
  MarkerSink(std::string marker, std::chrono::milliseconds delay, bool verbose)
      : marker_(std::move(marker)), delay_(delay), verbose_(verbose) {}

  SinkResult begin(const UploadStart& start) override {
    uploads_[start.key].first_byte = start.first_byte;
    print("begin %s %s type=%s id=%s bytes=%ld", std::string(start.client).c_str(),
          std::string(start.path).c_str(), std::string(start.content_type).c_str(),
          std::string(start.request_id).c_str(), static_cast<long>(start.body_bytes));
    return SinkResult::kTaken;
  }

  SinkResult append(UploadKey key, std::span<const std::byte> body) override {
    Upload& upload = uploads_[key];
    upload.bytes += body.size();
    const size_t keep = std::min(upload.end.size(), marker_.size() - 1);
    upload.end.erase(0, upload.end.size() - keep);
    upload.end.append(reinterpret_cast<const char*>(body.data()), body.size());
    upload.block = upload.block || upload.end.find(marker_) != std::string::npos;
    return SinkResult::kTaken;
  }

  void finish(UploadKey key, WallTime) override {
    uploads_[key].due = std::chrono::steady_clock::now() + delay_;
    waiting_.push_back(key);
  }

  void gate_closed(const GateReport& report) override {
    const Upload& upload = uploads_[report.key];
    print("closed outcome=%d reason=%s bytes=%zu", static_cast<int>(report.outcome),
          std::string(name(report.reason)).c_str(), upload.bytes);
    uploads_.erase(report.key);
  }

  size_t poll_decisions(std::span<GateDecision> decisions) override {
    size_t count = 0;
    const auto now = std::chrono::steady_clock::now();
    while (count < decisions.size() && !waiting_.empty()) {
      const auto found = uploads_.find(waiting_.front());
      if (found != uploads_.end() && found->second.due > now) break;
      if (found != uploads_.end()) {
        GateDecision& decision = decisions[count++];
        decision = {};
        decision.key = waiting_.front();
        decision.block = found->second.block;
        std::strcpy(decision.upload_id, "u-test");
      }
      waiting_.erase(waiting_.begin());
    }
    return count;
  }

 private:
  struct Upload {
    WallTime first_byte{};
    size_t bytes = 0;
    bool block = false;
    std::string end;
    std::chrono::steady_clock::time_point due{};
  };

  template <typename... Arguments>
  void print(const char* format, Arguments... arguments) {
    if (!verbose_) return;
    std::printf(format, arguments...);
    std::putchar('\n');
    std::fflush(stdout);
  }

  std::string marker_;
  std::chrono::milliseconds delay_;
  bool verbose_;
  std::unordered_map<UploadKey, Upload> uploads_;
  std::vector<UploadKey> waiting_;
};

}  // namespace soundgate::test
