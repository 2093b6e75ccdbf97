// Every maximum of the decoder: of one stream, of one worker, of the rings between them.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "fingerprint/fingerprint.h"

namespace soundgate::decode {

// Payload: what the host writes and a worker reads.
inline constexpr size_t kBlockBytes = size_t{64} << 10;
inline constexpr uint32_t kSlotsPerWorker = 256;  // streams at a time; 0.6–1.4 MB of contexts each
inline constexpr uint32_t kHeaderBlocks = 2;      // of every stream, kept for a fresh start
inline constexpr size_t kPayloadBytesMin = size_t{16} * kBlockBytes;
inline constexpr uint64_t kPayloadBytesMax = uint64_t{64} << 30;
inline constexpr uint32_t kEvictBlocksMax = 16;  // taken from one stream at a time
// Of one stream, what it has consumed is kept up to here rather than touch memory for the first
// time.
inline constexpr uint64_t kKeptBlocksMax = (size_t{8} << 20) / kBlockBytes;
// Of one stream of a producer that can wait, so much may wait to be consumed before it has to.
inline constexpr uint64_t kPatientBytesMax = size_t{2} << 20;

// Of one stream whose decoding is put off, so much may wait; then it is decoded after all.
inline constexpr uint64_t kPutOffBytesMax = size_t{64} << 20;

// Uploads that arrive faster than they are decoded, and are decoded by several workers (README,
// Bursts).
inline constexpr uint32_t kPartsMax = 4;         // of one upload
inline constexpr uint32_t kDivisionItems = 480;  // 59 s, then the next worker's turn
inline constexpr size_t kDivisionsMax = 16;      // of one producer at a time
// Bytes that came before it was divided are copied in pieces, between those that come.
inline constexpr uint64_t kCopyBytesMax = kBlockBytes;
// A worker helps while no more than this waits for it, beside a block of each of its streams: they
// say in blocks what they have consumed.
inline constexpr uint64_t kFreeBacklogBytes = size_t{256} << 10;
inline constexpr size_t kHelpersAskedMax = 8;  // workers, whether they are free

// Before anything is decoded a worker looks whether packets are known, which are the first 4 KiB of
// them, and their beginnings. Where so much stands before those it does not wait to see them.
inline constexpr uint64_t kScoutedBytesMax = size_t{4} << 20;

// A sleeping worker is woken when this much of a stream is new, or when its end is known: a wake-up
// costs as much as decoding a packet.
inline constexpr uint64_t kWakeBytes = size_t{16} << 10;
// Near the end of a stream whose size is known, so much: what is left after its last byte is
// little.
inline constexpr uint64_t kEndingWakeBytes = size_t{2} << 10;
inline constexpr uint64_t kEndingBytesMax = size_t{128} << 10;

inline constexpr int64_t kSpoolBytesMax = kPayloadBytesMax;  // that one stream may be allowed
inline constexpr double kAudioSecondsMax = 1e6;              // that one stream may be allowed

// Results: what a worker writes and the host checks.
inline constexpr uint32_t kResultEntries = 4096;
inline constexpr uint32_t kItemsPerEntry = 24;
// Of any time in a result: an honest worker cuts what headers claim, and a longer one is nonsense.
inline constexpr double kResultSecondsMax = 1e9;
static_assert(kResultSecondsMax > 2 * kAudioSecondsMax, "what is decoded, and what is missing");
static_assert((kResultEntries & (kResultEntries - 1)) == 0, "ring positions are masked");

// Probe items wait while more than this waits already: a plain item finds no more of them ahead.
inline constexpr uint32_t kProbeEntriesMax = kResultEntries / 4;

// Probes.
inline constexpr double kProbeStretchSeconds = 40;  // of upload, that are probed at a time
// What probing a second at one rate costs, as a share of what decoding it does (README, decisions).
inline constexpr double kProbeCost = 0.12;
inline constexpr double kProbePeriodSecondsMax = 1e7;
static_assert(kProbePeriodSecondsMax > kAudioSecondsMax, "beyond, there is no second stretch");
// So much at a time: what the resampler hands over may be half a minute, and each probe has room
// for what it makes of it.
inline constexpr size_t kProbePieceSamples = 4096;
// More than a fingerprinter takes; each stream that is in a stretch has one for each step.
inline constexpr size_t kProbeBytes = size_t{288} << 10;
inline constexpr size_t kProbesBytesMax = kSlotsPerWorker * 2 * kProbeStepMax * kProbeBytes;

// Worker.
inline constexpr size_t kFiberStackBytes = size_t{512} << 10;  // behind a guard page
inline constexpr std::chrono::microseconds kTimeSlice{2000};
// Where more streams than these have something to do, slices are so much shorter that all of them
// have their turn as often.
inline constexpr int kStreamsWithWholeSlices = 50;
// Slices that streams at their end may have before the next one has its turn.
inline constexpr int kEndingSlicesMax = 16;
inline constexpr std::chrono::milliseconds kIdleWait{500};    // picks up what needed no wake-up
inline constexpr std::chrono::milliseconds kRingWait{10};     // for room in the results ring
inline constexpr std::chrono::milliseconds kNotifyEvery{10};  // while busy
inline constexpr size_t kReadBufferBytes = size_t{32} << 10;
inline constexpr size_t kReadStepBytes = size_t{4} << 10;  // handed to libav at a time
static_assert(kBlockBytes % kReadStepBytes == 0, "a step lies in one block");
inline constexpr size_t kProbeBytesMax = size_t{1} << 20;
inline constexpr size_t kTrackBytesMax = size_t{4} << 20;  // read to find an audio track, at most
inline constexpr size_t kAllocationBytesMax = size_t{128} << 20;  // one of libav's
inline constexpr int kStreamsPerFileMax = 64;
// Beyond these a frame could need gigabytes at kSampleRateHz, or a filter that takes seconds to
// make.
inline constexpr int kSampleRateHzMin = 1000;
inline constexpr int kSampleRateHzMax = 768'000;
inline constexpr int kResampledSamplesMax = 1 << 20;  // at a time: a frame may last for hours
inline constexpr size_t kMixedSamplesMax = size_t{1} << 16;  // likewise, of the frame's own rate
inline constexpr int kFormatChangesMax = 256;  // of one stream: each sets up the resampler anew
inline constexpr int kChannelsMax = 24;        // 22.2, the most that has a layout of its own
// No codec makes a larger one; one frame of it may last for hours.
inline constexpr int kPacketBytesMax = 16 << 20;
static_assert(kPacketBytesMax < kAllocationBytesMax, "or libav would not make one");

// Bodies with a coding, as they are inflated. Music packs to a fifth at best; silence to a
// thousandth.
inline constexpr uint64_t kInflateRatioMax = 200;
inline constexpr uint64_t kInflateAlwaysBytes = uint64_t{8} << 20;  // which may come of anything
inline constexpr uint64_t kCodedAlwaysBytes = uint64_t{64} << 10;   // which may be for nothing
inline constexpr size_t kGzipHeaderBytesMax = size_t{4} << 10;
inline constexpr size_t kInflatedKeptBytesMax = size_t{64} << 20;  // of one stream, to go back to
inline constexpr size_t kInflatedWorkerBytesMax = size_t{256} << 20;  // of all of a worker's
static_assert(kInflatedWorkerBytesMax <= size_t{512} << 20, "beside the streams' contexts");

// CPU that a stream earns by what it delivers. The dearest codec (Opus) takes a tenth of it for an
// item, and all formats less than a quarter of it for a byte.
inline constexpr std::chrono::nanoseconds kCpuPerItem{2'500'000};  // 20 ms for a second of audio
inline constexpr std::chrono::nanoseconds kCpuPerByte{50};
// What a worker may use in each kTick for what is no stream's: looking at its slots, waking up.
inline constexpr std::chrono::nanoseconds kCpuPerTick{2'500'000};

// Supervision.
// So many times as long may go by with no word of a stream whose bytes are all there. 256 streams
// that share a worker are each heard of within seconds.
inline constexpr int kSilenceStalls = 24;
inline constexpr int kWorkersMax = 256;
inline constexpr uint32_t kResumesMax = 4;  // of one stream, then decoder_lost
inline constexpr std::chrono::milliseconds kTick{250};
inline constexpr std::chrono::milliseconds kRespawnDelayMin{10};
inline constexpr std::chrono::milliseconds kRespawnDelayMax{2000};
inline constexpr std::chrono::milliseconds kHealthyLife{1000};  // resets the delay
inline constexpr std::chrono::seconds kFirstSpareAfter{10};     // a short life needs none
inline constexpr std::chrono::seconds kStartUpMax{20};

}  // namespace soundgate::decode
