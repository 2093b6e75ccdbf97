// Every bound of the index room, and how they hang together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <numeric>

#include "fingerprint/fingerprint.h"

namespace soundgate {

// What a reference may be.
inline constexpr size_t kContentIdBytesMax = 256;
inline constexpr size_t kTitleBytesMax = 1024;
inline constexpr size_t kMetadataBytesMax = 64 * 1024;
inline constexpr size_t kReasonBytesMax = 1024;
inline constexpr double kBankSecondsMinMax = 24 * 3600;
inline constexpr size_t kBanksMax = 1024;

// The longest audio, of a reference and of an upload: 24 hours, 2.8 MB of items.
// What an upload has beyond is not matched.
inline constexpr uint32_t kItemsMax = static_cast<uint32_t>(24 * 3600 / kItemSeconds);

// Windows: 16 items are 512 bits, one cache line.
inline constexpr uint32_t kWindowItems = 16;
// A reference's windows, of each band: 72 bytes every 2.8 s.
inline constexpr uint32_t kReferenceStride = 23;
// An upload's. Of the first half minute much is searched; from there on, a stretch of some length
// has to be found, not each. Coprime to the references', so that every phase is tried.
inline constexpr uint32_t kFirstQueryStride = 3;
inline constexpr uint32_t kQueryStride = 9;
static_assert(std::gcd(kReferenceStride, kFirstQueryStride* kQueryStride) == 1);

// Windows further apart than this tell nothing: it is where unrelated music swarms. 0.32 of the
// bits; README, "Search", says how it was chosen.
inline constexpr uint32_t kSearchRadius = 165;

// A match session: query windows that are searched at a time, hits kept of each, and hits kept
// before they are boiled down to candidates.
inline constexpr size_t kSearchBatchWindows = 64;
inline constexpr uint32_t kFirstItems = kSearchBatchWindows * kFirstQueryStride;  // 24 s
// By which a clip is made longer for the windows of a reference that it may lie between.
inline constexpr uint32_t kEdgeItems = 12;
static_assert(2 * kEdgeItems + 16 >= kReferenceStride + kWindowItems, "of the shortest match");
// An upload of no more than this that nothing was found in is searched once more, closely.
inline constexpr uint32_t kShortItems = 3 * kFirstItems;  // 71 s
inline constexpr size_t kHitsPerWindowMax = 16;
inline constexpr size_t kSessionHitsMax = 16 * 1024;
inline constexpr size_t kSessionCandidatesMax = 4096;
static_assert(kSessionHitsMax >= 4 * kSearchBatchWindows * kHitsPerWindowMax);

// Items of references that stay in memory once they have been read: 256 MiB, some 12,000 songs.
inline constexpr size_t kItemCacheBytes = 256 * 1024 * 1024;
// A slot is a reference's row in the catalogue, and never given twice.
inline constexpr int64_t kSlotsMax = int64_t{1} << 31;
inline constexpr size_t kComplaintsMax = 16;

// What is listed of a rollback, and of a verification; the rest is counted.
inline constexpr size_t kRollbackListMax = 10'000;
inline constexpr size_t kDamageListMax = 1000;
// References that are forgotten in one transaction: writers wait for no more than that.
inline constexpr int64_t kPurgeBatch = 64;

}  // namespace soundgate
