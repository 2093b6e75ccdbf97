// When a copy is certain, and what looking for that costs uploads that are none.
// usage: quality_early REFERENCE… -- UPLOAD…
// Each is a file of items as quality_fingerprint writes it, band after band; uploads come in pieces
// of 24 items, as from the decoders, and match what they match. Every reference is in a bank that
// blocks, and wants 10 s.
// Output: a line for each upload, tabs between: file, seconds, seconds that had come when a block
// was
//   certain (-: never), whether it matched at the end, CPU in ms with looks, and without.
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "index/banded_items.h"
#include "index/index.h"

namespace soundgate::quality {
namespace {

constexpr size_t kPiece = 24;

double cpu_milliseconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto ms = [](const timeval& time) {
    return 1e3 * static_cast<double>(time.tv_sec) + 1e-3 * static_cast<double>(time.tv_usec);
  };
  return ms(usage.ru_utime) + ms(usage.ru_stime);
}

BandedItems read_items(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path);
  std::vector<Item> items(std::filesystem::file_size(path) / sizeof(Item));
  file.read(reinterpret_cast<char*>(items.data()),
            static_cast<std::streamsize>(items.size() * sizeof(Item)));
  return {std::move(items), kBandCount};
}

double seconds_of(size_t items) {
  return static_cast<double>(items) * kItemSeconds + kItemSpanSeconds - kItemSeconds;
}

template <class T>
T value_of(IndexResult<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

struct Found {
  std::optional<double> certain_at;
  bool at_the_end = false;
  double cpu_ms = 0;
};

bool blocks(const std::vector<Match>& matches) {
  for (const Match& match : matches) {
    if (match.query_match_seconds >= match.bank.seconds_min) return true;
  }
  return false;
}

Found play(const Index& index, const BandedItems& items, bool looks) {
  Found found;
  const double before = cpu_milliseconds();
  const auto session = index.match();
  for (size_t i = 0; i < items.count(); i += kPiece) {
    const size_t count = std::min(kPiece, items.count() - i);
    for (const Band band : kAllBands) {
      session->append_view(view_of(band), static_cast<uint32_t>(i),
                           items.of(band).subspan(i, count));
    }
    if (!looks || found.certain_at) continue;
    if (blocks(session->decisive(Action::kBlock))) found.certain_at = seconds_of(i + count);
  }
  found.at_the_end = blocks(session->finish());
  found.cpu_ms = cpu_milliseconds() - before;
  return found;
}

void run(const std::vector<std::string>& references, const std::vector<std::string>& uploads) {
  const std::filesystem::path store =
      std::filesystem::temp_directory_path() / ("quality_early." + std::to_string(getpid()));
  auto index = value_of(Index::open(store, {.create = true, .owner = "quality_early"}));
  Bank bank;
  bank.name = "banned";
  bank.action = Action::kBlock;
  value_of(index->create_bank(bank));
  std::vector<EnrollRequest> batch;
  for (const std::string& path : references) {
    const BandedItems items = read_items(path);
    Fingerprint fingerprint = items.fingerprint(seconds_of(items.count()));
    batch.push_back({bank.name, path, path, "{}", std::move(fingerprint), std::nullopt});
  }
  for (auto& result : index->enroll_all(batch)) value_of(std::move(result));
  for (const std::string& path : uploads) {
    const BandedItems items = read_items(path);
    play(*index, items, false);  // what it reads is in memory afterwards
    const Found plain = play(*index, items, false);
    const Found looked = play(*index, items, true);
    const std::string at = looked.certain_at ? std::to_string(*looked.certain_at) : "-";
    std::printf("%s\t%.1f\t%s\t%d\t%.2f\t%.2f\n", path.c_str(), seconds_of(items.count()),
                at.c_str(), looked.at_the_end ? 1 : 0, looked.cpu_ms, plain.cpu_ms);
  }
  index.reset();
  std::filesystem::remove_all(store);
}

}  // namespace
}  // namespace soundgate::quality

int main(int argc, char** argv) {
  std::vector<std::string> references, uploads;
  bool behind = false;
  for (int i = 1; i < argc; ++i) {
    if (std::string(argv[i]) == "--") {
      behind = true;
    } else {
      (behind ? uploads : references).emplace_back(argv[i]);
    }
  }
  if (references.empty() || uploads.empty()) {
    std::fprintf(stderr, "usage: quality_early REFERENCE... -- UPLOAD...\n");
    return 2;
  }
  try {
    soundgate::quality::run(references, uploads);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "quality_early: %s\n", error.what());
    return 1;
  }
}
