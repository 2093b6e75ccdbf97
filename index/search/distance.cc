#include "index/search/distance.h"

#include <bit>
#include <cassert>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace soundgate {
namespace {

size_t scan_portable(const Window& query, std::span<const WindowBlock> blocks, uint32_t radius,
                     Near* near) {
  size_t count = 0;
  for (size_t b = 0; b < blocks.size(); ++b) {
    uint32_t sums[kBlockWindows] = {};
    for (size_t w = 0; w < kWindowWords; ++w) {
      for (size_t lane = 0; lane < kBlockWindows; ++lane) {
        sums[lane] += static_cast<uint32_t>(std::popcount(blocks[b].words[w][lane] ^ query[w]));
      }
    }
    for (size_t lane = 0; lane < kBlockWindows; ++lane) {
      if (sums[lane] < radius) {
        near[count++] = {static_cast<uint32_t>(b * kBlockWindows + lane), sums[lane]};
      }
    }
  }
  return count;
}

#if defined(__x86_64__)

size_t append_lanes(unsigned lanes, size_t block, const uint64_t* sums, Near* near) {
  size_t count = 0;
  for (; lanes != 0; lanes &= lanes - 1) {
    const auto lane = static_cast<size_t>(std::countr_zero(lanes));
    near[count++] = {static_cast<uint32_t>(block * kBlockWindows + lane),
                     static_cast<uint32_t>(sums[lane])};
  }
  return count;
}

__attribute__((target("avx512f,avx512vpopcntdq"))) size_t scan_avx512(
    const Window& query, std::span<const WindowBlock> blocks, uint32_t radius, Near* near) {
  __m512i query_words[kWindowWords];
  for (size_t w = 0; w < kWindowWords; ++w) {
    query_words[w] = _mm512_set1_epi64(static_cast<int64_t>(query[w]));
  }
  const __m512i bound = _mm512_set1_epi64(radius);
  size_t count = 0;
  for (size_t b = 0; b < blocks.size(); ++b) {
    // Two sums, so that the additions do not wait for each other.
    __m512i even = _mm512_setzero_si512();
    __m512i odd = _mm512_setzero_si512();
    for (size_t w = 0; w < kWindowWords; w += 2) {
      const __m512i first = _mm512_load_si512(blocks[b].words[w]);
      const __m512i second = _mm512_load_si512(blocks[b].words[w + 1]);
      even = _mm512_add_epi64(even, _mm512_popcnt_epi64(_mm512_xor_si512(first, query_words[w])));
      odd =
          _mm512_add_epi64(odd, _mm512_popcnt_epi64(_mm512_xor_si512(second, query_words[w + 1])));
    }
    const __m512i sum = _mm512_add_epi64(even, odd);
    const __mmask8 lanes = _mm512_cmplt_epu64_mask(sum, bound);
    if (lanes == 0) continue;
    alignas(64) uint64_t sums[kBlockWindows];
    _mm512_store_si512(sums, sum);
    count += append_lanes(lanes, b, sums, near + count);
  }
  return count;
}

// The sums of four windows: half a block.
__attribute__((target("avx2"))) inline __m256i half_block_sums(const Window& query,
                                                               const WindowBlock& block,
                                                               size_t first_lane) {
  const __m256i bits_of_nibble = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0,
                                                  1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
  const __m256i low_nibbles = _mm256_set1_epi8(15);
  __m256i byte_sums = _mm256_setzero_si256();  // at most 8 words * 8 bits: no byte overflows
  for (size_t w = 0; w < kWindowWords; ++w) {
    const __m256i words =
        _mm256_load_si256(reinterpret_cast<const __m256i*>(&block.words[w][first_lane]));
    const __m256i differ =
        _mm256_xor_si256(words, _mm256_set1_epi64x(static_cast<int64_t>(query[w])));
    const __m256i low = _mm256_and_si256(differ, low_nibbles);
    const __m256i high = _mm256_and_si256(_mm256_srli_epi16(differ, 4), low_nibbles);
    byte_sums =
        _mm256_add_epi8(byte_sums, _mm256_add_epi8(_mm256_shuffle_epi8(bits_of_nibble, low),
                                                   _mm256_shuffle_epi8(bits_of_nibble, high)));
  }
  return _mm256_sad_epu8(byte_sums, _mm256_setzero_si256());
}

__attribute__((target("avx2"))) size_t scan_avx2(const Window& query,
                                                 std::span<const WindowBlock> blocks,
                                                 uint32_t radius, Near* near) {
  const __m256i bound = _mm256_set1_epi64x(radius);
  size_t count = 0;
  for (size_t b = 0; b < blocks.size(); ++b) {
    const __m256i low = half_block_sums(query, blocks[b], 0);
    const __m256i high = half_block_sums(query, blocks[b], 4);
    const int low_lanes = _mm256_movemask_pd(_mm256_castsi256_pd(_mm256_cmpgt_epi64(bound, low)));
    const int high_lanes = _mm256_movemask_pd(_mm256_castsi256_pd(_mm256_cmpgt_epi64(bound, high)));
    const auto lanes = static_cast<unsigned>(low_lanes | high_lanes << 4);
    if (lanes == 0) continue;
    alignas(32) uint64_t sums[kBlockWindows];
    _mm256_store_si256(reinterpret_cast<__m256i*>(&sums[0]), low);
    _mm256_store_si256(reinterpret_cast<__m256i*>(&sums[4]), high);
    count += append_lanes(lanes, b, sums, near + count);
  }
  return count;
}

#endif

using ItemKernel = void (*)(const Item* left, const Item* right, size_t count, uint8_t* distances);

void item_distances_portable(const Item* left, const Item* right, size_t count,
                             uint8_t* distances) {
  for (size_t i = 0; i < count; ++i) {
    distances[i] = static_cast<uint8_t>(std::popcount(left[i] ^ right[i]));
  }
}

#if defined(__x86_64__)
__attribute__((target("popcnt"))) void item_distances_popcnt(const Item* left, const Item* right,
                                                             size_t count, uint8_t* distances) {
  for (size_t i = 0; i < count; ++i) {
    distances[i] = static_cast<uint8_t>(__builtin_popcount(left[i] ^ right[i]));
  }
}
#endif

ItemKernel item_kernel_of_this_processor() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("popcnt")) return item_distances_popcnt;
#endif
  return item_distances_portable;
}

std::vector<NamedKernel> kernels_of_this_processor() {
  std::vector<NamedKernel> kernels;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vpopcntdq")) {
    kernels.push_back({"avx512", scan_avx512});
  }
  if (__builtin_cpu_supports("avx2")) kernels.push_back({"avx2", scan_avx2});
#endif
  kernels.push_back({"portable", scan_portable});
  return kernels;
}

}  // namespace

void item_distances(std::span<const Item> left, std::span<const Item> right,
                    std::span<uint8_t> distances) {
  static const ItemKernel kernel = item_kernel_of_this_processor();
  assert(left.size() == right.size() && left.size() == distances.size());
  kernel(left.data(), right.data(), left.size(), distances.data());
}

std::span<const NamedKernel> distance_kernels() {
  static const std::vector<NamedKernel> kernels = kernels_of_this_processor();
  return kernels;
}

}  // namespace soundgate
