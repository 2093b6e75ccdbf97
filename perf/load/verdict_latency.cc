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

#include "tests/support/packetless.h"

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

test::Packetless::Options options_of(const std::filesystem::path& folder) {
  DecoderPool::Options decoder;
  decoder.worker_path = SOUNDGATE_DECODER;
  decoder.worker_count = 1;
  decoder.producer_parts = {{192, size_t{256} << 20}, FileDecoder::producer_part(decoder)};
  return {.folder = folder, .decoder = decoder};
}

// When uploads were decoded, and judged.
class Appliance {
 public:
  explicit Appliance(const std::filesystem::path& folder) : appliance_(watched(folder)) {
    bind_to_processor(appliance_.decoders().status().workers[0].pid, 0);
    appliance_.create_bank("spam");
  }

  // Enrols it; how long it is.
  double enroll(std::span<const std::byte> bytes, const std::string& name) {
    return static_cast<double>(appliance_.enroll("spam", bytes, name).items.size()) * kItemSeconds;
  }
  void begin(UploadKey key, size_t body_bytes) { appliance_.begin(key, body_bytes); }
  LcoreSink& sink() { return appliance_.sink(); }

  Moments decoded_at, verdict_at;

 private:
  test::Packetless::Options watched(const std::filesystem::path& folder) {
    test::Packetless::Options options = options_of(folder);
    options.on_end = [this](uint64_t tag) { note(decoded_at, tag); };
    options.on_verdict = [this](uint64_t tag) { note(verdict_at, tag); };
    return options;
  }
  void note(Moments& moments, uint64_t tag) {
    moments.of(appliance_.slot(tag).key).store(nanoseconds(Clock::now()));
  }

  test::Packetless appliance_;
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
    appliance_.begin(upload.key, upload.file->bytes.size());
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
