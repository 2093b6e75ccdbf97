// Control on the real rooms but the dataplane: uploads in packet-sized pieces, eight at a time,
// through real decoders and a real index to their decisions and rows.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <numbers>
#include <optional>
#include <random>

#include "tests/support/packetless.h"

namespace soundgate {
namespace {

using Json = nlohmann::ordered_json;
using Bytes = std::vector<std::byte>;

constexpr int kRate = 11025;
constexpr size_t kPacketBytes = 1460;
constexpr size_t kUploads = 8;

void put(Bytes& out, const char* text) {
  for (; *text != '\0'; ++text) out.push_back(static_cast<std::byte>(*text));
}
void put(Bytes& out, uint32_t value, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) out.push_back(static_cast<std::byte>(value >> (8 * i)));
}

// A WAV file, mono s16: chords that change each quarter of a second, different for every seed.
Bytes make_tune(uint32_t seed, int seconds) {
  std::mt19937 random(seed);
  Bytes wav;
  const auto data_bytes = static_cast<uint32_t>(seconds * kRate * 2);
  put(wav, "RIFF");
  put(wav, 36 + data_bytes, 4);
  put(wav, "WAVEfmt ");
  put(wav, 16, 4);
  put(wav, 1, 2);
  put(wav, 1, 2);
  put(wav, kRate, 4);
  put(wav, kRate * 2, 4);
  put(wav, 2, 2);
  put(wav, 16, 2);
  put(wav, "data");
  put(wav, data_bytes, 4);
  std::array<double, 3> notes{};
  for (int i = 0; i < seconds * kRate; ++i) {
    if (i % (kRate / 4) == 0) {
      for (double& note : notes) note = 110 * std::pow(2, static_cast<double>(random() % 48) / 12);
    }
    double value = 0;
    for (const double note : notes) value += std::sin(2 * std::numbers::pi * note * i / kRate);
    put(wav, static_cast<uint32_t>(static_cast<int16_t>(value * 9000)), 2);
  }
  return wav;
}

class PipelineTest : public testing::Test {
 protected:
  explicit PipelineTest(size_t known_bytes_max = 0) {
    DecoderPool::Options decoder;
    decoder.worker_path = WORKER;
    decoder.producer_count = 2;
    decoder.payload_bytes_per_worker = size_t{64} << 20;
    decoder.known_bytes_max = known_bytes_max;
    appliance_.emplace(test::Packetless::Options{.folder = folder_, .decoder = decoder});
    appliance_->create_bank("spam");
  }
  ~PipelineTest() override {
    appliance_.reset();
    std::filesystem::remove_all(folder_);
  }

  void enroll(const Bytes& wav, const std::string& content_id) {
    appliance_->enroll("spam", wav, content_id);
  }
  LcoreSink& sink() { return appliance_->sink(); }
  Index& index() { return appliance_->index(); }
  DecisionStore& store() { return appliance_->store(); }

  void append_packet(uint64_t key, const Bytes& body, size_t at) {
    const auto packet = std::span(body).subspan(at, std::min(kPacketBytes, body.size() - at));
    ASSERT_EQ(sink().append(UploadKey{key}, packet), SinkResult::kTaken);
  }
  void close(uint64_t key, bool blocked) {
    sink().gate_closed({UploadKey{key}, blocked ? GateOutcome::kBlocked : GateOutcome::kReleased,
                        DataplaneReason::kNone, std::chrono::system_clock::now()});
  }
  // Returns whether it is blocked.
  bool upload(uint64_t key, const Bytes& body) {
    appliance_->begin(UploadKey{key}, body.size());
    for (size_t at = 0; at < body.size(); at += kPacketBytes) append_packet(key, body, at);
    sink().finish(UploadKey{key}, std::chrono::system_clock::now());
    const bool blocked = await_decisions(1).at(key);
    close(key, blocked);
    return blocked;
  }

  std::map<uint64_t, bool> await_decisions(size_t count) {  // key → blocked
    std::map<uint64_t, bool> decisions;
    for (int tries = 0; tries < 3000 && decisions.size() < count; ++tries) {
      std::array<GateDecision, 4> some;
      const size_t got = sink().poll_decisions(some);
      for (size_t i = 0; i < got; ++i) {
        decisions[static_cast<uint64_t>(some[i].key)] = some[i].block;
      }
      if (got == 0) usleep(10000);
    }
    return decisions;
  }

  std::vector<std::string> await_rows(size_t count) {
    std::vector<std::string> rows;
    for (int tries = 0; tries < 1000 && rows.size() < count; ++tries) {
      usleep(10000);
      rows = store().page({}).value().rows;
    }
    return rows;
  }

  const std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("pipeline_test_" + std::to_string(getpid()));
  std::optional<test::Packetless> appliance_;
};

TEST_F(PipelineTest, EightUploadsAtATime) {
  std::vector<Bytes> bodies;
  for (uint32_t i = 0; i < kUploads; ++i) bodies.push_back(make_tune(i + 1, 20));
  for (size_t i = 0; i < kUploads; i += 2) enroll(bodies[i], "tune " + std::to_string(i));

  for (size_t i = 0; i < kUploads; ++i) {
    appliance_->begin(UploadKey{i + 1}, bodies[i].size());
  }
  for (size_t at = 0; at < bodies[0].size(); at += kPacketBytes) {
    for (size_t i = 0; i < kUploads; ++i) append_packet(i + 1, bodies[i], at);
  }
  for (size_t i = 0; i < kUploads; ++i) {
    sink().finish(UploadKey{i + 1}, std::chrono::system_clock::now());
  }

  const auto decisions = await_decisions(kUploads);
  ASSERT_EQ(decisions.size(), kUploads);
  for (const auto& [key, blocked] : decisions) {
    EXPECT_EQ(blocked, key % 2 == 1) << key;  // the even bodies are enrolled; keys count from 1
    close(key, blocked);
  }
  const auto rows = await_rows(kUploads);
  ASSERT_EQ(rows.size(), kUploads);
  for (const std::string& text : rows) {
    const Json row = Json::parse(text);
    EXPECT_EQ(row["checked"], "full");
    EXPECT_EQ(row["enforced"], true);
    EXPECT_NEAR(row["query_file_duration_seconds"].get<double>(), 20, 0.1);
    EXPECT_FALSE(store().fingerprint(row["upload_id"]).value().items.empty());
  }
}

class KnownPipelineTest : public PipelineTest {
 protected:
  KnownPipelineTest() : PipelineTest(size_t{16} << 20) {}
};

// What is known of bytes is how they sound. What follows from that is asked each time.
TEST_F(KnownPipelineTest, ADigestBlocksNothingThatItsItemsDoNot) {
  Bank bank = index().bank("spam").value();
  const Bytes tune = make_tune(1, 20);
  EXPECT_FALSE(upload(1, tune));
  enroll(tune, "tune");
  EXPECT_TRUE(upload(2, tune));
  ASSERT_TRUE(index().suppress("spam", "tune", {"a false match", {}}));
  EXPECT_FALSE(upload(3, tune));
  ASSERT_TRUE(index().restore("spam", "tune"));
  EXPECT_TRUE(upload(4, tune));
  bank.paused = true;
  ASSERT_TRUE(index().set_bank(bank));
  EXPECT_FALSE(upload(5, tune));
  bank.paused = false;
  ASSERT_TRUE(index().set_bank(bank));
  ASSERT_TRUE(index().remove("spam", "tune"));
  EXPECT_FALSE(upload(6, tune));

  const auto rows = await_rows(6);
  ASSERT_EQ(rows.size(), 6u);
  std::vector<bool> exact;
  std::vector<std::string> reasons;
  for (const std::string& text : rows) {
    const Json row = Json::parse(text);
    exact.push_back(row["decode"]["exact"]);
    reasons.push_back(row["reason"]);
    EXPECT_EQ(row["checked"], "full");
    EXPECT_EQ(row["decode"]["format"], "wav");
  }
  EXPECT_EQ(exact, (std::vector<bool>{false, true, true, true, true, true}));
  EXPECT_EQ(reasons, (std::vector<std::string>{"no_match", "match", "no_match", "match", "no_match",
                                               "no_match"}));
  EXPECT_EQ(appliance_->decoders().status().recognised, 6u);  // the enrolment, too
  EXPECT_NEAR(appliance_->decoders().status().decoded_seconds, 20, 0.1);
}

// The same in another file: of a WAV, with a chunk of titles in front of its samples.
TEST_F(KnownPipelineTest, PacketsBlockNothingThatTheirItemsDoNot) {
  const Bytes tune = make_tune(1, 20);
  enroll(tune, "tune");
  const auto tagged = [&](uint32_t title) {
    Bytes copy(tune.begin(), tune.begin() + 36);
    put(copy, "LIST");
    put(copy, 8, 4);
    put(copy, "INFO");
    put(copy, title, 4);
    copy.insert(copy.end(), tune.begin() + 36, tune.end());
    return copy;
  };
  EXPECT_TRUE(upload(1, tagged(1)));
  ASSERT_TRUE(index().suppress("spam", "tune", {"a false match", {}}));
  EXPECT_FALSE(upload(2, tagged(2)));
  ASSERT_TRUE(index().restore("spam", "tune"));
  EXPECT_TRUE(upload(3, tagged(3)));
  ASSERT_TRUE(index().remove("spam", "tune"));
  EXPECT_FALSE(upload(4, tagged(4)));
  // Whoever has decoded it first: after two workers have, nobody decodes it any more.
  const auto rows = await_rows(4);
  ASSERT_EQ(rows.size(), 4u);
  for (const size_t i : {2u, 3u}) {
    const Json row = Json::parse(rows[i]);
    EXPECT_EQ(row["decode"]["exact_by"], "packets");
    EXPECT_EQ(row["checked"], "full");
  }
  EXPECT_GE(appliance_->decoders().status().recognised_by_packets, 2u);
}

}  // namespace
}  // namespace soundgate
