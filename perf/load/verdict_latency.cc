// How long after its last byte an upload has its verdict, while others are in flight.
// usage: load_verdict_latency [--uploads N] [--speed X] [--seconds S] [--check] FILE...
//   N uploads at a time (64), each X times as fast as it plays (8), in packets of 1460 bytes, for S
//   seconds (120); where one ends another one begins. They are FILEs in turns, all of them enrolled
//   in a bank that blocks, and pass through all of the appliance but its packets: lcore's sink, one
//   decoder on a processor of its own, matchers, recorder.
//   --check: exits 1 unless half of the verdicts take at most 1.5 ms, and 99 % at most 10 ms.
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <deque>
#include <fstream>
#include <iterator>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "control/inspection/file_decoder.h"
#include "control/inspection/lcore_sink.h"
#include "control/inspection/listener_switch.h"
#include "control/inspection/matcher_threads.h"
#include "control/inspection/recorder.h"
#include "control/inspection/stream_tag.h"
#include "control/inspection/upload_matcher.h"
#include "control/log.h"

namespace {

using namespace soundgate;
using Clock = std::chrono::steady_clock;

constexpr size_t kPacketBytes = 1460;
constexpr double kHalfMillisecondsMax = 1.5;
constexpr double kTailMillisecondsMax = 10;

struct Options {
  size_t uploads = 64;
  double speed = 8;
  double seconds = 120;
  bool check = false;
  std::vector<std::string> files;
};

struct File {
  std::vector<std::byte> bytes;
  double bytes_per_second = 0;  // as it plays
};

class BytesSource : public ByteSource {
 public:
  explicit BytesSource(std::span<const std::byte> bytes) : rest_(bytes) {}
  Result<size_t> read(std::span<std::byte> buffer) override {
    const size_t count = std::min(buffer.size(), rest_.size());
    std::copy_n(rest_.begin(), count, buffer.begin());
    rest_ = rest_.subspan(count);
    return count;
  }

 private:
  std::span<const std::byte> rest_;
};

void bind_to_processor(int process, int processor) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(processor, &set);
  if (sched_setaffinity(process, sizeof(set), &set) != 0) throw std::runtime_error("affinity");
}

int64_t nanoseconds(Clock::time_point at) { return at.time_since_epoch().count(); }

// When something happened to the uploads of late.
class Moments {
 public:
  std::atomic<int64_t>& of(UploadKey key) {
    return nanoseconds_[static_cast<uint64_t>(key) % nanoseconds_.size()];
  }

 private:
  std::array<std::atomic<int64_t>, 4096> nanoseconds_{};  // 0: not yet
};

// Hears the decoders before the matchers do.
class EndWatch : public DecodeListener {
 public:
  EndWatch(DecodeListener& next, const UploadChannel& channel, Moments& ends)
      : next_(next), channel_(channel), ends_(ends) {}
  void on_items(uint64_t tag, uint32_t first_item, std::span<const Item> items) override {
    next_.on_items(tag, first_item, items);
  }
  void on_view_items(uint64_t tag, int view, uint32_t first_item,
                     std::span<const Item> items) override {
    next_.on_view_items(tag, view, first_item, items);
  }
  void on_end(uint64_t tag, const DecodeEnd& end) override {
    ends_.of(channel_.slots[slot_of(tag)].key).store(nanoseconds(Clock::now()));
    next_.on_end(tag, end);
  }

 private:
  DecodeListener& next_;
  const UploadChannel& channel_;
  Moments& ends_;
};

// The appliance without its packets.
class Appliance {
 public:
  explicit Appliance(const std::filesystem::path& folder) {
    set_log_level("error");
    index_ = std::move(Index::open(folder, {.create = true, .owner = "verdict_latency"}).value());
    store_ = std::move(DecisionStore::open(folder).value());
    files_ = std::make_unique<FileDecoder>(*index_);
    channels_.push_back(std::make_unique<UploadChannel>(0));
    recorder_ = std::make_unique<Recorder>(*store_, channels_, Recorder::Settings{{}, "1", {}});
    matcher_ = std::make_unique<UploadMatcher>(*index_, policy_, channels_, false,
                                               [this](uint64_t tag) { note_verdict(tag); });
    threads_ = std::make_unique<MatcherThreads>(*matcher_, 1, 2);
    watch_ = std::make_unique<EndWatch>(*threads_, *channels_[0], decoded_at);
    listener_ = std::make_unique<ListenerSwitch>(watch_.get(), *files_, nullptr);
    DecoderPool::Options options;
    options.worker_path = SOUNDGATE_DECODER;
    options.worker_count = 1;
    options.producer_parts = {{192, size_t{256} << 20}, FileDecoder::producer_part(options)};
    pool_ = std::move(DecoderPool::start(options, *listener_).value());
    bind_to_processor(pool_->status().workers[0].pid, 0);
    files_->attach(*pool_, 1, 1);
    sink_ = std::make_unique<LcoreSink>(*channels_[0], pool_->producer(0), false, 1);
    recorder_->start();
  }
  ~Appliance() {
    pool_.reset();
    threads_.reset();
    recorder_->stop();
  }

  // Enrols it; how long it is.
  double enroll(std::span<const std::byte> bytes, const std::string& name) {
    if (!has_bank_) {
      Bank bank;
      bank.name = "spam";
      bank.action = Action::kBlock;
      if (!index_->create_bank(bank)) throw std::runtime_error("no bank");
      has_bank_ = true;
    }
    BytesSource source(bytes);
    const auto decoded = files_->decode(source, {});
    if (!decoded) throw std::runtime_error(name + ": " + decoded.error().message);
    EnrollRequest request;
    request.bank = "spam";
    request.content_id = request.title = name;
    request.fingerprint = decoded->found.fingerprint;
    if (!index_->enroll(request)) throw std::runtime_error(name + " cannot be enrolled");
    return static_cast<double>(request.fingerprint.items.size()) * kItemSeconds;
  }

  LcoreSink& sink() { return *sink_; }

  Moments decoded_at, verdict_at;

 private:
  void note_verdict(uint64_t tag) {
    verdict_at.of(channels_[0]->slots[slot_of(tag)].key).store(nanoseconds(Clock::now()));
    recorder_->verdict_ready(tag);
  }

  FailPolicy policy_;
  bool has_bank_ = false;
  std::unique_ptr<Index> index_;
  std::unique_ptr<DecisionStore> store_;
  std::unique_ptr<FileDecoder> files_;
  std::vector<std::unique_ptr<UploadChannel>> channels_;
  std::unique_ptr<Recorder> recorder_;
  std::unique_ptr<UploadMatcher> matcher_;
  std::unique_ptr<MatcherThreads> threads_;
  std::unique_ptr<EndWatch> watch_;
  std::unique_ptr<ListenerSwitch> listener_;
  std::unique_ptr<DecoderPool> pool_;
  std::unique_ptr<LcoreSink> sink_;
};

// Milliseconds from the last byte of each upload.
struct Waits {
  std::vector<double> decoded, verdict;
};

struct Upload {
  UploadKey key{};
  const File* file = nullptr;
  Clock::time_point begun{};
  size_t sent = 0;
};

class Load {
 public:
  Load(Appliance& appliance, const std::deque<File>& files, const Options& options)
      : appliance_(appliance), files_(files), options_(options), uploads_(options.uploads) {}

  Waits run() {
    std::uniform_real_distribution<double> anywhere(0, 1);
    for (Upload& upload : uploads_) begin(upload, anywhere(random_));
    const auto end = Clock::now() + std::chrono::duration<double>(options_.seconds);
    while (Clock::now() < end) {
      for (Upload& upload : uploads_) send_what_is_due(upload);
      settle();
      usleep(500);
    }
    return std::move(waits_);
  }

 private:
  // The first ones begin apart, within the time that one takes; so they end apart, too.
  void begin(Upload& upload, double delay_share = 0) {
    upload.key = UploadKey{++last_key_};
    upload.file = &files_[last_key_ % files_.size()];
    const double seconds = static_cast<double>(upload.file->bytes.size()) /
                           (upload.file->bytes_per_second * options_.speed);
    upload.begun = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                      std::chrono::duration<double>(delay_share * seconds));
    upload.sent = 0;
    appliance_.verdict_at.of(upload.key).store(0);
    UploadStart start;
    start.key = upload.key;
    start.mode = Mode::kEnforce;
    start.first_byte = std::chrono::system_clock::now();
    start.body_bytes = static_cast<int64_t>(upload.file->bytes.size());
    if (appliance_.sink().begin(start) != SinkResult::kTaken) throw std::runtime_error("no room");
  }

  void send_what_is_due(Upload& upload) {
    const std::chrono::duration<double> elapsed = Clock::now() - upload.begun;
    const std::span<const std::byte> bytes = upload.file->bytes;
    const double due = elapsed.count() * upload.file->bytes_per_second * options_.speed;
    while (upload.sent < bytes.size() && static_cast<double>(upload.sent) < due) {
      const auto packet =
          bytes.subspan(upload.sent, std::min(kPacketBytes, bytes.size() - upload.sent));
      if (appliance_.sink().append(upload.key, packet) != SinkResult::kTaken) {
        throw std::runtime_error("a packet was not taken");
      }
      upload.sent += packet.size();
    }
    if (upload.sent < bytes.size()) return;
    waiting_.push_back({upload.key, Clock::now()});
    appliance_.sink().finish(upload.key, std::chrono::system_clock::now());
    begin(upload);
  }

  void settle() {
    std::array<GateDecision, 16> decisions;
    const size_t count = appliance_.sink().poll_decisions(decisions);
    for (size_t i = 0; i < count; ++i) {
      unblocked_ += !decisions[i].block;
      appliance_.sink().gate_closed({decisions[i].key, GateOutcome::kBlocked,
                                     DataplaneReason::kNone, std::chrono::system_clock::now()});
    }
    std::erase_if(waiting_, [this](const Waiting& waiting) {
      const int64_t verdict_at = appliance_.verdict_at.of(waiting.key).load();
      if (verdict_at == 0) return false;
      const auto since_last_byte = [&](int64_t at) {
        return static_cast<double>(at - nanoseconds(waiting.last_byte)) / 1e6;
      };
      waits_.decoded.push_back(since_last_byte(appliance_.decoded_at.of(waiting.key).load()));
      waits_.verdict.push_back(since_last_byte(verdict_at));
      return true;
    });
    if (unblocked_ > 0) throw std::runtime_error("an upload was not recognised");
  }

  struct Waiting {
    UploadKey key;
    Clock::time_point last_byte;
  };

  Appliance& appliance_;
  const std::deque<File>& files_;
  const Options& options_;
  std::mt19937 random_{1};
  std::vector<Upload> uploads_;
  std::vector<Waiting> waiting_;
  Waits waits_;
  uint64_t last_key_ = 0;
  int unblocked_ = 0;
};

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const bool has_value = i + 1 < argc;
    if (argument == "--check") {
      options.check = true;
    } else if (argument == "--uploads" && has_value) {
      options.uploads = std::stoul(argv[++i]);
    } else if (argument == "--speed" && has_value) {
      options.speed = std::stod(argv[++i]);
    } else if (argument == "--seconds" && has_value) {
      options.seconds = std::stod(argv[++i]);
    } else {
      options.files.push_back(argument);
    }
  }
  if (options.files.empty()) throw std::runtime_error("no files");
  return options;
}

File read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(in), {}};
  const auto view = std::as_bytes(std::span(bytes));
  return {{view.begin(), view.end()}, 0};
}

struct Quantiles {
  double half, nine_tenths, most, all;
};

Quantiles print(const char* what, std::vector<double> milliseconds) {
  if (milliseconds.empty()) throw std::runtime_error("no upload ended");
  std::ranges::sort(milliseconds);
  const auto at = [&](double share) {
    const auto last = static_cast<double>(milliseconds.size() - 1);
    return milliseconds[static_cast<size_t>(share * last)];
  };
  const Quantiles quantiles{at(0.5), at(0.9), at(0.99), at(1)};
  std::printf("%-8s %8.2f %8.2f %8.2f %8.2f\n", what, quantiles.half, quantiles.nine_tenths,
              quantiles.most, quantiles.all);
  return quantiles;
}

bool report(const Waits& waits) {
  std::printf("milliseconds after the last byte of %zu uploads\n", waits.verdict.size());
  std::printf("%-8s %8s %8s %8s %8s\n", "", "half", "90 %", "99 %", "all");
  print("decoded", waits.decoded);
  const Quantiles verdict = print("verdict", waits.verdict);
  std::printf("%-8s %8.2f %8s %8.2f\n", "wanted", kHalfMillisecondsMax, "", kTailMillisecondsMax);
  return verdict.half <= kHalfMillisecondsMax && verdict.most <= kTailMillisecondsMax;
}

}  // namespace

int main(int argc, char** argv) {
  const auto folder =
      std::filesystem::temp_directory_path() / ("verdict_latency_" + std::to_string(getpid()));
  int status = 1;
  try {
    const Options options = parse(argc, argv);
    bind_to_processor(0, 1);
    Appliance appliance(folder);
    std::deque<File> files;
    for (const std::string& path : options.files) {
      files.push_back(read(path));
      File& file = files.back();
      file.bytes_per_second =
          static_cast<double>(file.bytes.size()) / appliance.enroll(file.bytes, path);
    }
    const bool kept = report(Load(appliance, files, options).run());
    status = options.check && !kept ? 1 : 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
  }
  std::filesystem::remove_all(folder);
  return status;
}
