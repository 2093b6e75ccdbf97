// Fingerprints audio files as the appliance does, in its decoder workers: one process for thousands
// of short files, where fpcalc would start up for each.
// usage: quality_fingerprint [--probes] < lines
// Input: lines "SOURCE<TAB>TARGET". Output: TARGET holds the items, 32-bit little-endian, band
// after band; with
//   --probes, TARGET.probes holds those of all probes at the default share of CPU, in runs of:
//   view, first item, item count, items. A line "TARGET<TAB>seconds" is printed, in the order
//   given. A file that cannot be fingerprinted whole ends the run: the suite makes its own files,
//   and one that is damaged is the suite's fault.
#include <array>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iostream>
#include <map>
#include <mutex>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "fingerprint/decode/decoder_pool.h"

namespace soundgate::quality {
namespace {

constexpr size_t kPieceBytes = 64 * 1024;

class Listener final : public DecodeListener {
 public:
  void on_items(uint64_t tag, uint32_t, std::span<const Item> items) override {
    const std::lock_guard lock(mutex_);
    auto& all = streams_[tag].items;
    all.insert(all.end(), items.begin(), items.end());
  }
  void on_view_items(uint64_t tag, int view, uint32_t first_item,
                     std::span<const Item> items) override {
    const std::lock_guard lock(mutex_);
    if (!is_probe(view)) {
      auto& band = streams_[tag].bands[static_cast<size_t>(band_of(view)) - 1];
      band.insert(band.end(), items.begin(), items.end());
      return;
    }
    auto& all = streams_[tag].probes;
    all.push_back(static_cast<uint32_t>(view));
    all.push_back(first_item);
    all.push_back(static_cast<uint32_t>(items.size()));
    all.insert(all.end(), items.begin(), items.end());
  }
  void on_end(uint64_t tag, const DecodeEnd& end) override {
    const std::lock_guard lock(mutex_);
    streams_[tag].end = end;
    streams_[tag].has_ended = true;
    ended_.notify_all();
  }

  struct Stream {
    std::vector<Item> items;
    std::array<std::vector<Item>, kBandCount - 1> bands;
    std::vector<uint32_t> probes;  // as in the file
    DecodeEnd end;
    bool has_ended = false;
  };

  Stream wait_for(uint64_t tag, const std::string& source) {
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [&] { return streams_[tag].has_ended; });
    Stream stream = std::move(streams_[tag]);
    streams_.erase(tag);
    if (stream.end.outcome != DecodeOutcome::decoded) {
      throw std::runtime_error(source + ": " + std::string(name(stream.end.outcome)));
    }
    return stream;
  }

 private:
  std::mutex mutex_;
  std::condition_variable ended_;
  std::map<uint64_t, Stream> streams_;
};

std::vector<char> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  std::vector<char> bytes(file ? static_cast<size_t>(file.tellg()) : 0);
  file.seekg(0);
  if (!file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()))) {
    throw std::runtime_error("cannot read " + path);
  }
  return bytes;
}

void feed(StreamProducer& producer, uint64_t tag, const std::string& source) {
  const std::vector<char> bytes = read_file(source);
  const auto stream = producer.begin(tag, static_cast<int64_t>(bytes.size()));
  if (!stream) throw std::runtime_error(source + ": " + std::string(name(stream.error())));
  std::span<const std::byte> rest = std::as_bytes(std::span(bytes));
  while (!rest.empty()) {
    const auto piece = rest.first(std::min(kPieceBytes, rest.size()));
    const auto taken = producer.append(*stream, piece);
    if (taken == StreamProducer::Append::kDone) break;
    if (taken == StreamProducer::Append::kTaken) {
      rest = rest.subspan(piece.size());
    } else {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  producer.finish(*stream);
}

void write_file(const std::string& path, const std::vector<uint32_t>& words) {
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(words.data()),
             static_cast<std::streamsize>(words.size() * sizeof(uint32_t)));
  if (!file.flush()) throw std::runtime_error("cannot write " + path);
}

void run(bool with_probes) {
  Listener listener;
  DecoderPool::Options options;
  options.worker_count = 1;
  const auto pool = DecoderPool::start(options, listener);
  if (!pool) throw std::runtime_error(pool.error());
  if (with_probes) (*pool)->set_probes({.step_max = kProbeStepMax});
  uint64_t tag = 0;
  for (std::string line; std::getline(std::cin, line);) {
    const size_t tab = line.find('\t');
    if (tab == std::string::npos) throw std::runtime_error("no tab in: " + line);
    const std::string source = line.substr(0, tab), target = line.substr(tab + 1);
    feed((*pool)->producer(0), ++tag, source);
    const Listener::Stream stream = listener.wait_for(tag, source);
    std::vector<Item> items = stream.items;
    for (const auto& band : stream.bands) items.insert(items.end(), band.begin(), band.end());
    write_file(target, items);
    if (with_probes) write_file(target + ".probes", stream.probes);
    std::cout << target << '\t' << stream.end.decoded_seconds << std::endl;
  }
}

}  // namespace
}  // namespace soundgate::quality

int main(int argc, char** argv) {
  try {
    soundgate::quality::run(argc > 1 && std::string_view(argv[1]) == "--probes");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "quality_fingerprint: %s\n", error.what());
    return 1;
  }
}
