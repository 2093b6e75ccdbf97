// The distance kernel against FAISS's flat search and against a plain read, on the same codes in
// the same run. 256 MB of codes, so that memory is what is measured: no cache holds them.
// usage: micro_distance [--check]      --check: exits 1 unless FAISS takes 4 times as long or more,
//                                      and the plain read no less than 1/1.3
// The best of several rounds of each counts, taken in turn: others may be on the machine.
#include <faiss/IndexBinaryFlat.h>
#include <omp.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <random>
#include <string_view>
#include <vector>

#include "index/search/flat_index.h"

namespace {

using namespace soundgate;

constexpr size_t kWindows = 4 * 1024 * 1024;
constexpr int kRounds = 9;
constexpr double kFaissRatioMin = 4;
constexpr double kReadRatioMax = 1.3;

double thread_seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

template <class Work>
void keep_best(double& best, Work work) {
  const double before = thread_seconds();
  work();
  best = std::min(best, thread_seconds() - before);
}

// What the processor reads at best: as many loads in flight as it has, and one addition each.
__attribute__((noinline)) uint64_t plain_read(const std::vector<WindowBlock>& blocks) {
  typedef uint64_t Row __attribute__((vector_size(64)));
  Row sums[kWindowWords] = {};
  for (const WindowBlock& block : blocks) {
    for (size_t w = 0; w < kWindowWords; ++w) {
      Row row;
      std::memcpy(&row, block.words[w], sizeof(row));
      sums[w] ^= row;
    }
  }
  uint64_t sum = 0;
  for (const Row& row : sums) {
    for (int lane = 0; lane < 8; ++lane) sum ^= row[lane];
  }
  return sum;
}

}  // namespace

int main(int argc, char** argv) {
  omp_set_num_threads(1);
  std::mt19937_64 random(1);
  std::vector<WindowBlock> blocks(kWindows / kBlockWindows);
  for (WindowBlock& block : blocks) {
    for (auto& row : block.words) {
      for (uint64_t& word : row) word = random();
    }
  }
  faiss::IndexBinaryFlat theirs(kWindowBits);
  for (size_t i = 0; i < kWindows; ++i) {
    const Window window = window_at(blocks, i);
    theirs.add(1, reinterpret_cast<const uint8_t*>(window.data()));
  }
  Window query;
  for (uint64_t& word : query) word = random();

  double read = 1e9, faiss_flat = 1e9;
  std::vector<double> ours(distance_kernels().size(), 1e9);
  volatile uint64_t sink = 0;
  std::vector<Near> near(kWindows);
  for (int round = 0; round < kRounds; ++round) {
    keep_best(read, [&] { sink = sink + plain_read(blocks); });
    for (size_t i = 0; i < ours.size(); ++i) {
      keep_best(ours[i],
                [&] { sink = sink + distance_kernels()[i].scan(query, blocks, 165, near.data()); });
    }
    if (round % 3 != 0) continue;
    keep_best(faiss_flat, [&] {
      int32_t distance;
      faiss::Index::idx_t label;
      theirs.search(1, reinterpret_cast<const uint8_t*>(query.data()), 1, &distance, &label);
      sink = sink + static_cast<uint64_t>(distance);
    });
  }
  const auto ns = [](double seconds) { return 1e9 * seconds / kWindows; };
  std::printf("plain read    %6.2f ns a code\n", ns(read));
  std::printf("FAISS flat    %6.2f ns a code\n", ns(faiss_flat));
  for (size_t i = 0; i < ours.size(); ++i) {
    std::printf("%-12s  %6.2f ns a code, FAISS / ours %.2f, ours / read %.2f\n",
                std::string(distance_kernels()[i].name).c_str(), ns(ours[i]), faiss_flat / ours[i],
                ours[i] / read);
  }
  const bool check = argc > 1 && std::string_view(argv[1]) == "--check";
  // The bounds are for the best kernel of a processor that counts bits in vectors.
  if (!check || distance_kernels().front().name != "avx512") return 0;
  return faiss_flat / ours[0] >= kFaissRatioMin && ours[0] / read <= kReadRatioMax ? 0 : 1;
}
