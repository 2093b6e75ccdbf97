// Every bound of the control room, with the relations between them.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace soundgate {

// Uploads that one lcore may have in the air. Beyond, the reason is overload.
inline constexpr size_t kUploadSlotsPerLcore = 2048;
// One in so many is kept for clients who have fewer than others, and while those that give way are
// on their way out: of decoders (some milliseconds), and of slots (until the log is on disk).
inline constexpr size_t kReserveShare = 16;
// begun, finished, closed: at most three events of a slot wait at a time.
inline constexpr size_t kEventRingEntries = 8192;
static_assert(kEventRingEntries >= 3 * kUploadSlotsPerLcore);
inline constexpr size_t kDecisionRingEntries = 2 * kUploadSlotsPerLcore;
inline constexpr size_t kFreeRingEntries = 2 * kUploadSlotsPerLcore;

// What is kept of a request's head; longer text is cut.
inline constexpr size_t kMethodBytes = 16;
inline constexpr size_t kHostBytes = 256;
inline constexpr size_t kPathBytes = 1024;
inline constexpr size_t kClientBytes = 64;
inline constexpr size_t kHeaderValueBytes = 256;

// Uploads that come over the control socket, decoded at a time: a decoder producer each.
inline constexpr int kControlStreams = 4;
// Streams that `soundgate --store` keeps in the workers at a time, per worker. Two that take turns
// cost 2.5 % more CPU than two that follow each other (their decoders push each other out of the
// caches).
inline constexpr int kStreamsPerWorker = 1;

// Uploads in one worker: of all lcores together, which have equal parts of it.
inline constexpr int kLcoreStreamsPerWorker = 224;
// Streams of a file producer in one worker: the current one, and ended ones not yet given back.
inline constexpr int kSlotsPerFileProducer = 4;
static_assert(kLcoreStreamsPerWorker + kControlStreams * kSlotsPerFileProducer <= 256,
              "what a worker has");
// What a file producer has of each worker beyond the largest stream that may be spooled.
inline constexpr size_t kFilePayloadBytesMin = size_t{32} << 20;

inline constexpr size_t kReadPieceBytes = size_t{256} << 10;
inline constexpr size_t kUploadItemsMax = 24 * 3600 * 9;  // a day of items, gaps included

// Items that wait for a thread to match them: 32 MiB. While there are more the decoders wait.
inline constexpr size_t kMatchItemsWaitingMax = size_t{8} << 20;
inline constexpr int kMatchThreadsMax = 64;

inline constexpr int kConnectionsMax = 256;  // what control.connections_max may be at most
inline constexpr size_t kRequestHeaderBytesMax = 16 << 10;
inline constexpr size_t kRequestJsonBytesMax = 256 << 10;
inline constexpr int kJsonDepthMax = 64;  // writing and copying JSON takes stack for each level
inline constexpr size_t kFileBodyBytesMax = size_t{4}
                                            << 30;  // of an audio file sent over the socket
inline constexpr std::chrono::seconds kConnectionIdleMax{30};
// A client that keeps us waiting longer than that and a second for each so many bytes is cut off:
// slower than any audio is played.
inline constexpr int64_t kConnectionBytesPerSecondMin = 2048;
// Connections that only those get who may change something: lookers never lock out an operator.
constexpr int reserved_connections(int connections_max) { return connections_max / 4; }

// Fingerprints as text. One of a day of items, as numbers with a sign and a blank each, takes 9 MB;
// it may have three bands.
inline constexpr size_t kFingerprintTextBytesMax = size_t{30} << 20;
inline constexpr size_t kFingerprintsPerRequestMax = 4096;
// What goes into one write, one page of an export, and one request of the command line.
inline constexpr size_t kFingerprintBatch = 256;
inline constexpr size_t kFingerprintBatchBytes = size_t{4} << 20;
static_assert(kFingerprintBatch <= kFingerprintsPerRequestMax);

// Segments that are damaged are made again of the catalogue, mostly within seconds.
inline constexpr std::chrono::seconds kIndexIncompleteMax{60};

inline constexpr int kBypassesListMax = 1000;
inline constexpr int kBypassesKeptMax = 100000;  // 10 MB
static_assert(kBypassesListMax <= kBypassesKeptMax);
inline constexpr int kCapturesListMax = 1000;

// Captures of what passes.
inline constexpr std::chrono::hours kCaptureLongest{24};
inline constexpr int64_t kCaptureFileBytesMin = int64_t{1} << 20;
inline constexpr int64_t kCaptureFileBytesMax = int64_t{64} << 30;
inline constexpr size_t kCaptureIdBytesMax = 64;
inline constexpr size_t kCapturePieceBytes = size_t{512} << 10;  // of blocks that wait to be sent
inline constexpr int kDecisionsListMax = 100000;
inline constexpr int kDecisionsListDefault = 1000;
inline constexpr size_t kDecisionsPageBytes = 4 << 20;  // of rows in one answer, and one row more

// Uploads in parts that were blocked, whose later parts are refused: that many can be lifted.
inline constexpr size_t kRefusedUploadsMax = 16384;
inline constexpr size_t kLiftedMax =
    1024;  // suppressions that a decision on its way may have missed

// How long a replay waits for room in the decoders. Longer, and nothing is on its way there: the
// uploads that have all of it wait for bytes that come behind.
inline constexpr std::chrono::seconds kReplayPatience{30};

// How long a row may wait for the recorder when nothing else wakes it.
inline constexpr std::chrono::milliseconds kRecorderPeriod{20};
// How long who asks for decisions waits for those on uploads that have left.
inline constexpr std::chrono::milliseconds kSettleMax{500};

}  // namespace soundgate
