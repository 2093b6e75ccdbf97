// Uploads whose bytes are known, through the pool with real workers: they are not decoded again,
// and nobody hears a difference. Whatever only begins like them is decoded whole.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <functional>
#include <map>
#include <thread>
#include <tuple>

#include "tests/fingerprint/remembering_pool.h"

namespace soundgate::test {
namespace {

constexpr double kSeconds = 30;

Bytes mp3() {
  return read_file(encode(make_music(kSeconds, 40), "-c:a libmp3lame -b:a 128k", "a.mp3"));
}

std::vector<std::filesystem::path> formats(const std::filesystem::path& music) {
  return {music,
          encode(music, "-c:a libmp3lame -b:a 128k", "a.mp3"),
          encode(music, "-c:a aac", "a.aac"),
          encode(music, "-c:a aac", "last.m4a"),
          // (Or it would be known by its packets.)
          encode(make_music(kSeconds, 41), "-c:a aac -movflags +faststart", "first.m4a"),
          encode(music, "-c:a flac", "a.flac"),
          encode(music, "-c:a libvorbis", "a.ogg"),
          encode(music, "-c:a libopus", "a.opus"),
          encode(music, "-c:a libopus", "a.webm")};
}

class Exact : public RememberingPool {};

TEST_F(Exact, TheSameBytesAreDecodedOnce) {
  start(options_for(2));
  pool_->set_probes({.step_max = 2, .cpu_share = 4});
  for (const auto& file : formats(make_music(kSeconds, 40))) {
    const Bytes bytes = read_file(file);
    const Heard first = decode(bytes, std::ssize(bytes));
    ASSERT_EQ(first.probes.size(), 8u) << file;
    EXPECT_FALSE(first.end.exact);
    const auto before = pool_->status();
    for (const size_t piece_bytes : {size_t{60'000}, kPieceBytes}) {
      const Heard again = decode(bytes, std::ssize(bytes), piece_bytes);
      expect_same(again, first);
      EXPECT_TRUE(again.end.exact) << file;
    }
    const auto after = pool_->status();
    EXPECT_EQ(after.decoded_seconds, before.decoded_seconds) << file;
    EXPECT_EQ(after.recognised, before.recognised + 2) << file;
  }
  EXPECT_TRUE(eventually([&] { return pool_->status().streams_ended == 27; }));
  for (uint64_t tag = 100; tag < next_tag_; ++tag) EXPECT_EQ(recorder_.heard(tag).ends, 1);
}

class RunRecorder : public DecodeListener {
 public:
  using Run = std::tuple<int, uint32_t, std::vector<Item>>;
  void on_items(uint64_t tag, uint32_t first_item, std::span<const Item> items) override {
    on_view_items(tag, kPlainView, first_item, items);
  }
  void on_view_items(uint64_t tag, int view, uint32_t first_item,
                     std::span<const Item> items) override {
    runs_[tag].push_back({view, first_item, {items.begin(), items.end()}});
  }
  void on_end(uint64_t, const DecodeEnd&) override { ++ends_; }

  std::map<uint64_t, std::vector<Run>> runs_;
  std::atomic<uint64_t> ends_ = 0;
};

// However the bytes came, and whoever decodes them. Or known ones would contradict themselves.
TEST(ExactRuns, TwoDecodingsOfTheSameBytesAgree) {
  RunRecorder recorder;
  auto options = options_for(2);
  options.known_bytes_max = 0;
  auto pool = DecoderPool::start(options, recorder).value();
  pool->set_probes({.step_max = 2, .cpu_share = 4});
  StreamProducer& producer = pool->producer(0);
  const auto files = formats(make_music(kSeconds, 40));
  for (const auto& file : files) {
    const Bytes bytes = read_file(file);
    const uint64_t tag = recorder.ends_;
    const StreamHandle slow = producer.begin(tag, -1).value();
    for (size_t at = 0; at < bytes.size(); at += 5000) {
      producer.append(slow,
                      std::span(bytes).subspan(at, std::min<size_t>(5000, bytes.size() - at)));
      if (at % 65'000 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(3));
    }
    producer.finish(slow);
    ASSERT_TRUE(feed_whole(producer, producer.begin(tag + 1, std::ssize(bytes)).value(), bytes));
    ASSERT_TRUE(eventually([&] { return recorder.ends_ == tag + 2; })) << file;
  }
  pool.reset();
  for (uint64_t tag = 0; tag < 2 * files.size(); tag += 2) {
    EXPECT_GT(recorder.runs_[tag].size(), 50u);
    EXPECT_EQ(recorder.runs_[tag], recorder.runs_[tag + 1]) << files[tag / 2];
  }
}

TEST_F(Exact, WhatBeginsTheSameAndEndsOtherwiseIsDecodedWhole) {
  start(options_for(1));
  const Bytes known = mp3();
  decode(known);
  Bytes changed = known;
  changed[changed.size() - 1000] ^= std::byte{1};
  Bytes longer = known;
  longer.insert(longer.end(), known.begin(), known.end());
  const std::span shorter = std::span(known).first(known.size() - 3000);
  for (const std::span<const std::byte> other :
       {std::span<const std::byte>(changed), std::span<const std::byte>(longer), shorter}) {
    const auto before = pool_->status();
    const Heard heard = decode(other);
    expect_same(heard, decode_undisturbed(other));
    EXPECT_FALSE(heard.end.exact);
    EXPECT_EQ(pool_->status().put_off, before.put_off + 1);
    EXPECT_EQ(pool_->status().caught_up, before.caught_up + 1);
    EXPECT_GT(pool_->status().decoded_seconds, before.decoded_seconds + kSeconds - 2);
  }
}

// So that a block can be certain before the end.
TEST_F(Exact, WhatIsPutOffIsHeardAsItComes) {
  start(options_for(1));
  for (const auto& [arguments, file] : {std::pair("-c:a libmp3lame -b:a 128k", "a.mp3"),
                                        {"-c:a flac", "a.flac"},
                                        {"-c:a libvorbis", "a.ogg"},
                                        {"-c:a aac -b:a 128k -movflags +faststart", "first.m4a"}}) {
    const Bytes bytes = read_file(encode(make_music(kSeconds, 40), arguments, file));
    const Heard first = decode(bytes);
    const auto before = pool_->status();
    const uint64_t tag = next_tag_++;
    const StreamHandle stream = begin(tag);
    for (size_t at = 0; at < bytes.size() * 3 / 4; at += kPieceBytes) {
      producer().append(stream, std::span(bytes).subspan(at, kPieceBytes));
    }
    // Of what came before the last power of two, but for what a decoder reads ahead.
    EXPECT_TRUE(recorder_.wait_for_items(tag, first.items.size() / 4)) << file;
    EXPECT_EQ(pool_->status().put_off, before.put_off + 1) << file;
    EXPECT_EQ(pool_->status().caught_up, before.caught_up) << file;
    EXPECT_EQ(pool_->status().decoded_seconds, before.decoded_seconds) << file;
    producer().cancel(stream);
    const Heard heard = recorder_.heard(tag);
    EXPECT_LT(heard.items.size(), first.items.size() * 3 / 4) << file;
    EXPECT_TRUE(std::ranges::equal(heard.items, std::span(first.items).first(heard.items.size())));
    EXPECT_EQ(heard.bands.size(), 2u);
  }
  // Where the end of the file comes first, so does nothing else.
  const Bytes last = read_file(encode(make_music(kSeconds, 40), "-c:a aac -b:a 128k", "last.m4a"));
  decode(last);
  const StreamHandle stream = begin(1);
  for (size_t at = 0; at + kPieceBytes < last.size(); at += kPieceBytes) {
    producer().append(stream, std::span(last).subspan(at, kPieceBytes));
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_TRUE(recorder_.heard(1).items.empty());
}

TEST_F(Exact, WhatIsShorterThanAnnouncedIsNotWhole) {
  start(options_for(1));
  const Bytes bytes = mp3();
  for (int tries = 0; tries < 2; ++tries) {
    EXPECT_EQ(decode(bytes, std::ssize(bytes) + 1).end.outcome, DecodeOutcome::truncated);
  }
  const Heard first = decode(bytes, std::ssize(bytes));
  EXPECT_FALSE(first.end.exact);
  const Heard again = decode(bytes, std::ssize(bytes));
  EXPECT_TRUE(again.end.exact);
  expect_same(again, first);
  EXPECT_FALSE(first.end.exact_packets);
  EXPECT_FALSE(again.end.exact_packets);
  EXPECT_TRUE(decode(bytes).end.exact_packets);  // its bytes are known with their size only
  EXPECT_EQ(decode(bytes, std::ssize(bytes) + 1).end.outcome, DecodeOutcome::truncated);
}

// What libav makes of the joint of two MP3s depends on the size that it is told: whether the first
// one's header speaks of all of it. So what is known under another size, or none, says nothing of
// a file that begins with all of it and goes on.
class ExactJoined : public Exact {
 protected:
  void SetUp() override { start(options_for(1)); }
  static Bytes joined(const Bytes& first, std::span<const std::byte> second) {
    Bytes both = first;
    both.insert(both.end(), second.begin(), second.end());
    return both;
  }
  void expect_unlike(const Bytes& known, int64_t known_size, const Bytes& longer) {
    const Heard remembered = decode(known, known_size);
    EXPECT_EQ(remembered.end.outcome, DecodeOutcome::decoded);
    EXPECT_EQ(pool_->status().known, 1u);
    const Heard heard = decode(longer, std::ssize(longer));
    EXPECT_EQ(heard.end.outcome, DecodeOutcome::decoded) << name(heard.end.outcome);
    EXPECT_EQ(heard.ends, 1);
    EXPECT_EQ(pool_->status().contradicted, 0u);
    EXPECT_EQ(pool_->status().known, 2u);
    EXPECT_FALSE(std::ranges::equal(
        remembered.items,
        std::span(heard.items).first(std::min(remembered.items.size(), heard.items.size()))))
        << "these need no digests of their own";
  }
};

TEST_F(ExactJoined, WithoutASizeItSaysNothingOfAnAnnouncedOne) {
  const Bytes one = read_file(encode(make_music(20, 40), "-c:a libmp3lame -b:a 128k", "short.mp3"));
  const Bytes known = joined(one, one);
  expect_unlike(known, -1, joined(known, one));
}

// The first header is believed where it leaves out a 16th at most.
TEST_F(ExactJoined, OfOneSizeItSaysNothingOfAnother) {
  const char* low = "-ac 1 -c:a libmp3lame -b:a 32k";
  const Bytes one = read_file(encode(make_music(124, 40), low, "low.mp3"));
  const Bytes known = joined(one, read_file(encode(make_music(7.5, 41), low, "tail.mp3")));
  ASSERT_GT(known.size(), size_t{1} << 19) << "there is a checkpoint behind the joint";
  ASSERT_LT(one.size() + 20'000, size_t{1} << 19);
  ASSERT_LT((known.size() - one.size()) * 16, one.size());
  expect_unlike(known, std::ssize(known), joined(known, one));
}

TEST_F(Exact, WiderProbesAreDecoded) {
  start(options_for(1));
  const Bytes bytes = mp3();
  decode(bytes);
  pool_->set_probes({.step_max = 2});
  const Heard probed = decode(bytes);
  EXPECT_FALSE(probed.end.exact);
  EXPECT_EQ(probed.probes.size(), 8u);
  const Heard again = decode(bytes);
  EXPECT_TRUE(again.end.exact);
  expect_same(again, probed);
  EXPECT_EQ(pool_->status().put_off, 1u);  // nothing in vain
}

TEST_F(Exact, WhatDoesNotFitIntoMemoryIsDecodedAsItComes) {
  auto options = options_for(1);
  options.payload_bytes_per_worker = size_t{1} << 20;
  start(options);
  const Bytes wav = read_file(make_music(kSeconds, 40));
  ASSERT_GT(wav.size(), 2 * options.payload_bytes_per_worker);
  const Heard first = decode(wav);
  const StreamHandle stream = begin(1);
  for (std::span rest = std::span(wav).first(wav.size() - 1); !rest.empty();) {
    const size_t count = std::min(kPieceBytes, rest.size());
    if (producer().append(stream, rest.first(count)) == StreamProducer::Append::kTaken) {
      rest = rest.subspan(count);
    } else {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  EXPECT_TRUE(recorder_.wait_for_items(1, first.items.size() - 20));
  EXPECT_GE(pool_->status().caught_up, 1u);
  ASSERT_TRUE(feed_whole(producer(), stream, std::span(wav).last(1)));
  ASSERT_TRUE(recorder_.wait_for_end(1));
  expect_same(recorder_.heard(1), first);
}

class ExactAndKilled : public Exact {
 protected:
  // Of the one that has the stream.
  void kill_worker() {
    for (const auto& worker : pool_->status().workers) {
      if (worker.streams == 0) continue;
      ASSERT_EQ(::kill(worker.pid, SIGKILL), 0);
      ASSERT_TRUE(eventually([&] {
        const auto workers = pool_->status().workers;
        return std::ranges::all_of(
            workers, [&](const auto& now) { return now.pid != 0 && now.pid != worker.pid; });
      }));
      return;
    }
    FAIL();
  }
};

class ExactAndKilledOf : public ExactAndKilled, public testing::WithParamInterface<int> {};

// Of one worker: what is known goes with it. Of two: the other one has made it.
TEST_P(ExactAndKilledOf, WhilePutOff) {
  start(options_for(GetParam()));
  const Bytes bytes = mp3();
  const Heard first = decode(bytes);
  ASSERT_TRUE(eventually([&] { return pool_->status().streams_ended == 1; }));
  const StreamHandle stream = begin(1);
  const auto [head, tail] = std::pair(std::span(bytes).first(bytes.size() / 3 * 2),
                                      std::span(bytes).subspan(bytes.size() / 3 * 2));
  for (size_t at = 0; at < head.size(); at += kPieceBytes) {
    const auto piece = head.subspan(at, std::min(kPieceBytes, head.size() - at));
    ASSERT_EQ(producer().append(stream, piece), StreamProducer::Append::kTaken);
  }
  EXPECT_EQ(pool_->status().put_off, 1u);
  EXPECT_EQ(pool_->status().caught_up, 0u);
  kill_worker();
  EXPECT_EQ(pool_->status().resumed, 1u);
  ASSERT_TRUE(feed_whole(producer(), stream, tail));
  const auto heard = recorder_.wait_for_end(1);
  ASSERT_TRUE(heard);
  expect_same(*heard, first);
  EXPECT_EQ(heard->end.exact, GetParam() == 2);
  EXPECT_TRUE(eventually([&] { return pool_->status().streams_ended == 2; }));
  EXPECT_EQ(recorder_.heard(1).ends, 1);
}

INSTANTIATE_TEST_SUITE_P(Workers, ExactAndKilledOf, testing::Values(1, 2));

TEST_F(ExactAndKilled, WhatTwoWorkersDecodedIsNotRemembered) {
  start(options_for(1));
  const Bytes bytes = mp3();
  const StreamHandle stream = begin(1);
  ASSERT_EQ(producer().append(stream, std::span(bytes).first(bytes.size() / 2)),
            StreamProducer::Append::kTaken);
  ASSERT_TRUE(recorder_.wait_for_items(1, 10));
  std::this_thread::sleep_for(std::chrono::milliseconds(300));  // it has read all there is
  kill_worker();
  ASSERT_TRUE(feed_whole(producer(), stream, std::span(bytes).subspan(bytes.size() / 2)));
  EXPECT_EQ(recorder_.wait_for_end(1)->end.outcome, DecodeOutcome::decoded);
  EXPECT_EQ(pool_->status().known, 0u);
}

TEST_F(Exact, SaysNothingMoreOfWhatWasCancelledWhilePutOff) {
  start(options_for(1));
  const Bytes bytes = mp3();
  decode(bytes);
  const StreamHandle stream = begin(1);
  for (size_t at = 0; at < bytes.size() / 2; at += kPieceBytes) {
    producer().append(stream, std::span(bytes).subspan(at, kPieceBytes));
  }
  ASSERT_EQ(pool_->status().put_off, 1u);
  producer().cancel(stream);
  EXPECT_TRUE(eventually([&] { return pool_->status().streams_ended == 2; }));
  EXPECT_EQ(recorder_.heard(1).ends, 0);
  EXPECT_TRUE(decode(bytes).end.exact);
}

// Whoever is content with a part gets all, where it is known.
TEST_F(Exact, WhatIsDecodedInPartIsNotRemembered) {
  start(options_for(1));
  const Bytes bytes = mp3();
  pool_->set_coverage({.share = 0.25, .period_seconds = 10});
  EXPECT_GT(decode(bytes).end.skipped_seconds, 0);
  EXPECT_FALSE(decode(bytes).end.exact);
  pool_->set_coverage({});
  const Heard whole = decode(bytes);
  pool_->set_coverage({.share = 0.25, .period_seconds = 10});
  const Heard known = decode(bytes);
  EXPECT_TRUE(known.end.exact);
  EXPECT_EQ(known.end.skipped_seconds, 0);
  expect_same(known, whole);
}

TEST_F(Exact, WhatIsNotDecodedWholeIsNotRemembered) {
  start(options_for(1));
  const Bytes whole = read_file(encode(make_music(kSeconds, 40), "-c:a flac", "a.flac"));
  Bytes damaged = whole;
  for (size_t i = 0; i < 2000; ++i) damaged[damaged.size() / 2 + i] ^= std::byte{0x5a};
  decode(damaged);
  decode(std::span(whole).first(whole.size() / 2));
  EXPECT_EQ(pool_->status().known, 0u);
  decode(whole);
  EXPECT_EQ(pool_->status().known, 1u);
}

}  // namespace
}  // namespace soundgate::test
