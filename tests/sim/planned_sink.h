// A sink that records what it is given and decides as planned, on the simulation's clock. It holds
// the dataplane to the sink's protocol.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "dataplane/clock.h"
#include "dataplane/upload_sink.h"
#include "tests/sim/http_ends.h"

namespace soundgate::sim {

class PlannedSink final : public UploadSink {
 public:
  struct Record {
    std::string path;
    std::string body;
    Mode mode{};
    int64_t said_bytes = 0;
    bool finished = false;
    bool blocks = false;  // what was decided, where anything was
    int closed = 0;
    GateReport report;
  };

  PlannedSink(Random& random, const Tick& now) : random_(random), now_(now) {}

  void plan(const PlannedUpload& upload) {
    if (upload.parts.empty()) plans_[upload.path] = upload;
    for (size_t i = 0; i < upload.parts.size(); ++i) {
      const PlannedUpload::Part& part = upload.parts[i];
      if (!part.is_file) continue;
      PlannedUpload& plan = plans_[upload.path + "#" + std::to_string(i + 1)];
      plan.path = upload.path + "#" + std::to_string(i + 1);
      plan.fate = part.fate;
      plan.decided_after = part.decided_after;
    }
  }

  Scarce scarce() override {
    if (scarcity == 0 || !random_.chance(scarcity)) return Scarce::kNothing;
    return random_.chance(0.3) ? Scarce::kPlaces : Scarce::kDecoders;
  }

  SinkResult begin(const UploadStart& start) override {
    EXPECT_FALSE(records_.contains(start.key));
    Record& record = records_[start.key];
    record.path = start.path;
    if (start.part > 0) record.path += "#" + std::to_string(start.part);
    EXPECT_EQ(start.coding == ContentCoding::kGzip, plans_[record.path].gzip);
    record.mode = start.mode;
    record.said_bytes = start.body_bytes;
    // (Observing, an upload whose head found no room has no name.)
    EXPECT_TRUE(plans_.contains(record.path) || record.path.empty()) << record.path;
    return SinkResult::kTaken;
  }

  SinkResult append(UploadKey key, std::span<const std::byte> body) override {
    Record& record = records_.at(key);
    EXPECT_FALSE(record.finished);
    EXPECT_EQ(record.closed, 0);
    EXPECT_GT(body.size(), 0u);
    record.body.append(reinterpret_cast<const char*>(body.data()), body.size());
    const PlannedUpload& plan = plans_[record.path];
    using Fate = PlannedUpload::Fate;
    const bool passes = plan.fate == Fate::kEarlyPass && record.body.size() >= plan.decided_after;
    const bool blocks = plan.fate == Fate::kEarlyBlock && is_spam(record.body);
    if (passes || blocks) decide(key, record);
    return SinkResult::kTaken;
  }

  void finish(UploadKey key, WallTime) override {
    Record& record = records_.at(key);
    EXPECT_FALSE(record.finished);
    EXPECT_EQ(record.closed, 0);
    record.finished = true;
    decide(key, record);
  }

  void gate_closed(const GateReport& report) override {
    Record& record = records_.at(report.key);
    EXPECT_EQ(++record.closed, 1);
    record.report = report;
  }

  size_t poll_decisions(std::span<GateDecision> decisions) override {
    size_t count = 0;
    for (auto it = due_.begin(); it != due_.end() && it->first <= now_ && count < decisions.size();
         it = due_.erase(it)) {
      decisions[count++] = it->second;
    }
    return count;
  }

  const std::map<UploadKey, Record>& records() const { return records_; }

  double scarcity = 0;  // how often it is short of decoders, or of places

 private:
  // On what was read, and nothing else.
  void decide(UploadKey key, Record& record) {
    const PlannedUpload& plan = plans_[record.path];
    if (plan.fate == PlannedUpload::Fate::kSilence) return;
    record.blocks = is_spam(record.body);
    GateDecision decision;
    decision.key = key;
    decision.block = record.blocks;
    plan.path.copy(decision.upload_id, GateDecision::kUploadIdBytes);
    due_.emplace(now_ + std::chrono::milliseconds(random_.below(300)), decision);
  }

  Random& random_;
  const Tick& now_;
  std::map<std::string, PlannedUpload> plans_;
  std::map<UploadKey, Record> records_;
  std::multimap<Tick, GateDecision> due_;
};

}  // namespace soundgate::sim
