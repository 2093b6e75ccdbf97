// Captures as the control room keeps them: what ends one, what is written down, and who comes next.
#include "control/captures.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "control/limits.h"

namespace soundgate {
namespace {

using std::chrono::system_clock;

// A dataplane that captures frames of this many bytes, as many as the test puts there.
class FakeDataplane : public Dataplane {
 public:
  static constexpr size_t kBlockBytes = 10'000;

  void discard_received() override {}
  void start() override {}
  void stop() override {}
  void set_mode(Mode) override {}
  bool finished() const override { return false; }
  bool lift_refusals(std::vector<UploadKey>) override { return false; }
  DataplaneCounters counters() const override { return {}; }
  tl::expected<std::unique_ptr<PacketCapture>, std::string> begin_capture(
      const CaptureOrder& order) override {
    if (!why_none.empty()) return tl::unexpected(why_none);
    EXPECT_FALSE(is_capturing);
    is_capturing = true;
    last_order = order;
    return std::make_unique<Capture>(*this);
  }

  std::string why_none;
  CaptureOrder last_order;
  std::atomic<bool> is_capturing{false};
  std::atomic<int> frames_there{0};
  std::atomic<bool> is_broken{false};

 private:
  class Capture : public PacketCapture {
   public:
    explicit Capture(FakeDataplane& dataplane) : dataplane_(dataplane) {}
    ~Capture() override { dataplane_.is_capturing = false; }
    tl::expected<bool, std::string> take(std::vector<std::byte>& blocks) override {
      if (dataplane_.is_broken) return tl::unexpected(std::string("it is broken"));
      if (!began_) blocks.resize(blocks.size() + 100);
      if (std::exchange(began_, true) && dataplane_.frames_there == 0) return false;
      if (dataplane_.frames_there == 0) return true;
      --dataplane_.frames_there;
      ++frames_;
      blocks.resize(blocks.size() + kBlockBytes);
      return true;
    }
    tl::expected<void, std::string> add_statistics(std::vector<std::byte>& blocks) override {
      blocks.resize(blocks.size() + 12);
      return {};
    }
    void stop() override { dataplane_.is_capturing = false; }
    CaptureCounts counts() const override { return {frames_, 7}; }

   private:
    FakeDataplane& dataplane_;
    bool began_ = false;
    std::atomic<uint64_t> frames_{0};
  };
};

class CapturesTest : public testing::Test {
 protected:
  CapturesTest() {
    std::filesystem::create_directories(folder_);
    store_ = std::move(DecisionStore::open(folder_).value());
    captures_ = std::make_unique<Captures>(dataplane_, *store_);
  }
  ~CapturesTest() override {
    captures_.reset();
    store_.reset();
    std::filesystem::remove_all(folder_);
  }

  static CaptureRequest request(const std::string& id = "one") {
    return {.capture_id = id,
            .client = "192.0.2.0/24",
            .upload_id = "",
            .until = system_clock::now() + std::chrono::hours(1),
            .bytes_max = kCaptureFileBytesMin,
            .frame_bytes_max = 128,
            .written = false,
            .by = "root",
            .reason = "an incident"};
  }
  std::shared_ptr<ByteSource> begin(const CaptureRequest& what) {
    auto stream = captures_->begin(what);
    EXPECT_TRUE(stream) << stream.error().message;
    return *stream;
  }
  CaptureRecord row(const std::string& id = "one") {
    const auto captures = store_->captures(100).value();
    for (const CaptureRecord& record : captures) {
      if (record.capture_id == id) return record;
    }
    ADD_FAILURE() << "no row " << id;
    return {};
  }
  static size_t read(ByteSource& stream) {
    std::vector<std::byte> buffer(1 << 20);
    return stream.read(buffer).value();
  }
  static size_t read_to_end(ByteSource& stream) {
    size_t all = 0;
    while (const size_t bytes = read(stream)) all += bytes;
    return all;
  }

  const std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("captures_test_" + std::to_string(getpid()));
  FakeDataplane dataplane_;
  std::unique_ptr<DecisionStore> store_;
  std::unique_ptr<Captures> captures_;
};

TEST_F(CapturesTest, IsWrittenDownBeforeTheFirstFrame) {
  const auto stream = begin(request());
  const CaptureRecord record = row();
  EXPECT_EQ(record.by, "root");
  EXPECT_EQ(record.reason, "an incident");
  EXPECT_EQ(record.client, "192.0.2.0/24");
  EXPECT_FALSE(record.ended);
  EXPECT_NE(dataplane_.last_order.comment.find("by root: an incident"), std::string::npos);
  EXPECT_EQ(dataplane_.last_order.frame_bytes_max, 128u);
}

TEST_F(CapturesTest, EndsInTime) {
  CaptureRequest what = request();
  what.until = system_clock::now() + std::chrono::milliseconds(100);
  dataplane_.frames_there = 3;
  const auto stream = begin(what);
  EXPECT_EQ(read_to_end(*stream), 100u + 3 * FakeDataplane::kBlockBytes + 12);
  EXPECT_EQ(row().ended_by, "time");
  EXPECT_EQ(row().frames, 3);
  EXPECT_EQ(row().lost_frames, 7);
  EXPECT_EQ(row().bytes, int64_t{100 + 3 * FakeDataplane::kBlockBytes + 12});
}

TEST_F(CapturesTest, TheFileIsNeverLongerThanItMayBe) {
  dataplane_.frames_there = 1000;
  const auto stream = begin(request());
  const size_t bytes = read_to_end(*stream);
  EXPECT_LE(bytes, size_t{kCaptureFileBytesMin});
  EXPECT_GT(bytes, size_t{kCaptureFileBytesMin} - 100'000);
  EXPECT_EQ(row().ended_by, "bytes");
}

TEST_F(CapturesTest, AReaderInSmallPiecesGetsTheSame) {
  CaptureRequest what = request();
  what.until = system_clock::now() + std::chrono::milliseconds(100);
  dataplane_.frames_there = 3;
  const auto stream = begin(what);
  size_t all = 0;
  for (std::array<std::byte, 77> piece;;) {
    const size_t bytes = stream->read(piece).value();
    if (bytes == 0) break;
    all += bytes;
  }
  EXPECT_EQ(all, 100u + 3 * FakeDataplane::kBlockBytes + 12);
}

TEST_F(CapturesTest, WhatWasCapturedBeforeAStopComes) {
  const auto stream = begin(request());
  EXPECT_EQ(read(*stream), 100u);
  dataplane_.frames_there = 60;  // more than comes at once
  ASSERT_TRUE(captures_->stop("one", "somebody"));
  EXPECT_EQ(read_to_end(*stream), 60 * FakeDataplane::kBlockBytes + 12);
  EXPECT_EQ(row().ended_by, "stop");
  EXPECT_EQ(row().stopped_by, "somebody");
  EXPECT_FALSE(captures_->stop("one", "somebody"));  // it has ended
}

TEST_F(CapturesTest, AStopIsHeardAtOnceAndOnlyByItsOwn) {
  const auto stream = begin(request());
  EXPECT_FALSE(captures_->stop("two", "root"));
  EXPECT_EQ(read(*stream), 100u);
  const auto began = std::chrono::steady_clock::now();
  std::thread stopper([&] { EXPECT_TRUE(captures_->stop("one", "root")); });
  read_to_end(*stream);
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(1));
  stopper.join();
}

TEST_F(CapturesTest, AReaderThatGoesEndsIt) {
  begin(request()).reset();
  EXPECT_EQ(row().ended_by, "reader");
  EXPECT_FALSE(captures_->running());
  EXPECT_FALSE(dataplane_.is_capturing);
}

TEST_F(CapturesTest, SilenceIsBrokenSoThatAReaderThatHasGoneIsNoticed) {
  const auto stream = begin(request());
  EXPECT_EQ(read(*stream), 100u);
  EXPECT_EQ(read(*stream), 12u);
}

TEST_F(CapturesTest, OneAtATimeAndTheNextAfterIt) {
  auto first = begin(request());
  const auto second = captures_->begin(request("two"));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kConflict);
  EXPECT_NE(second.error().message.find("192.0.2.0/24"), std::string::npos);
  ASSERT_TRUE(captures_->stop("one", "root"));
  read_to_end(*first);
  // Its reader has its end, and asks for the next one before we have put it away.
  std::thread putting_away([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    first.reset();
  });
  EXPECT_TRUE(captures_->begin(request("two")));
  putting_away.join();
}

TEST_F(CapturesTest, AnIdIsNotUsedTwice) {
  begin(request()).reset();
  const auto again = captures_->begin(request());
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::kConflict);
  EXPECT_EQ(row().ended_by, "reader");  // what stood there stands
}

TEST_F(CapturesTest, ShuttingDownGivesTheReaderItsEndAndBeginsNoOther) {
  auto stream = begin(request());
  dataplane_.frames_there = 2;
  std::thread reader([&] {
    EXPECT_EQ(read_to_end(*stream), 100u + 2 * FakeDataplane::kBlockBytes + 12);
    stream.reset();
  });
  captures_->shut_down();
  EXPECT_FALSE(captures_->running());
  reader.join();
  EXPECT_EQ(row().ended_by, "shutdown");
  EXPECT_EQ(captures_->begin(request("two")).error().code, ErrorCode::kUnavailable);
}

TEST_F(CapturesTest, WhatBreaksSaysSo) {
  const auto stream = begin(request());
  dataplane_.is_broken = true;
  std::vector<std::byte> buffer(1000);
  const auto bytes = stream->read(buffer);
  ASSERT_FALSE(bytes);
  EXPECT_EQ(bytes.error().message, "it is broken");
  EXPECT_EQ(captures_->running()->ended_by, "");
}

TEST_F(CapturesTest, ADataplaneThatCannotIsUnavailableAndTheTryIsKept) {
  dataplane_.why_none = "no memory";
  const auto stream = captures_->begin(request());
  ASSERT_FALSE(stream);
  EXPECT_EQ(stream.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(row().ended_by, "error");
  EXPECT_FALSE(captures_->running());
}

TEST_F(CapturesTest, WhatRunsIsCountedWhileItsReaderStandsStill) {
  const auto stream = begin(request());
  dataplane_.frames_there = 5;
  read(*stream);
  EXPECT_EQ(captures_->running()->frames, 5);
  EXPECT_EQ(captures_->running()->lost_frames, 7);
}

TEST_F(CapturesTest, RefusesWhatIsBeyondItsBounds) {
  const auto refuses = [&](auto change) {
    CaptureRequest what = request();
    change(what);
    const auto stream = captures_->begin(what);
    return !stream && stream.error().code == ErrorCode::kInvalid;
  };
  EXPECT_TRUE(refuses([](auto& r) { r.capture_id = ""; }));
  EXPECT_TRUE(refuses([](auto& r) { r.capture_id = "a/b"; }));
  EXPECT_TRUE(refuses([](auto& r) { r.capture_id = std::string(65, 'a'); }));
  EXPECT_TRUE(refuses([](auto& r) { r.client = "host"; }));
  EXPECT_TRUE(refuses([](auto& r) { r.reason = ""; }));
  EXPECT_TRUE(refuses([](auto& r) { r.until = system_clock::now(); }));
  EXPECT_TRUE(refuses([](auto& r) { r.until += std::chrono::hours(24); }));
  EXPECT_TRUE(refuses([](auto& r) { --r.bytes_max; }));
  EXPECT_TRUE(refuses([](auto& r) { r.bytes_max = kCaptureFileBytesMax + 1; }));
  EXPECT_TRUE(refuses([](auto& r) { r.frame_bytes_max = kCaptureFrameBytesMin - 1; }));
  EXPECT_TRUE(refuses([](auto& r) { r.frame_bytes_max = kFrameBytesMax + 1; }));
  EXPECT_TRUE(store_->captures(10)->empty());
}

}  // namespace
}  // namespace soundgate
