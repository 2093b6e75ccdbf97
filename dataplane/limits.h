// Every maximum of the dataplane in one place, and how they relate. One set per lcore.
// Memory: see kMemoryBytesMax at the end; all of it is allocated before the lcore starts.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace soundgate {

using namespace std::chrono_literals;

// Frames.
inline constexpr size_t kFrameBytesMax = 2048;  // one receive buffer; longer ones are dropped
inline constexpr size_t kVlanTagsMax = 2;       // TCP behind more is dropped in enforce mode
inline constexpr size_t kExtensionHeadersMax =
    8;                                      // of IPv6; longer chains are dropped in enforce mode
inline constexpr size_t kBurstFrames = 32;  // received or sent at a time
inline constexpr size_t kSendAttemptsMax = 64;  // of one burst, before its rest is dropped

// Lcores that share the traffic.
inline constexpr unsigned kLcoresMax = 16;              // each of them may ask what is published
inline constexpr unsigned kHandoverPacketsMax = 2'048;  // that wait for an lcore, of one other's

// Mirrored traffic.
inline constexpr size_t kMirroredBytesMax = 65'600;  // of a frame that was cut late, or never
inline constexpr auto kCaptureJumpMax = 1h;          // of one timestamp, if the next does not agree
inline constexpr auto kCaptureGapMax = 1s;           // for bytes that the origin has to be seen

// Captures of what passes, for operators: of all lcores together, in the EAL's memory.
inline constexpr unsigned kCapturedFramesMax = 8'191;  // that wait to be taken; more are lost
inline constexpr unsigned kCapturedFrameCache = 64;    // of them, kept by each lcore
inline constexpr size_t kCapturedFrameBytes = kFrameBytesMax + 512;  // with all that is said of it
inline constexpr size_t kCaptureFrameBytesMin = 64;                  // less has no TCP header
inline constexpr size_t kCaptureCommentBytesMax = 1'900;
inline constexpr size_t kCaptureBlocksBytesMax = kBurstFrames * kCapturedFrameBytes;
inline constexpr size_t kCaptureStatisticsBytesMax = 4'096;  // of all ports

// Connections.
inline constexpr size_t kFlowsMax = 65'536;
inline constexpr size_t kFlowsConfigurableMax = 4'194'304;
inline constexpr size_t kFlowBytesMax = 640;       // of one entry of the table
inline constexpr auto kFlowIdleMax = 1h;           // then an idle connection is forgotten
inline constexpr auto kFlowClosedIdleMax = 60s;    // the same for one that has ended, or not opened
inline constexpr auto kFlowOpeningMax = 10s;       // for either end to answer while it opens
inline constexpr auto kUploadIdleMax = 5min;       // an upload that stands still is ended
inline constexpr auto kRetransmissionMin = 100ms;  // sooner it is none: no timer is so short
inline constexpr auto kRetransmissionMax = 2s;  // by then the first unacknowledged byte came again
inline constexpr size_t kFlowsScannedPerTick = 64;  // for expiry
inline constexpr size_t kFlowsScannedForRoom = 64;  // for an entry to reuse, when the table is full
inline constexpr auto kUnseenIdleForRoom = 10s;     // then a connection that is not read makes room
inline constexpr auto kInspectedIdleForRoom = 60s;  // the same for one that is, without an upload
inline constexpr auto kRefusedAgeForRoom = 10s;     // the same for one that was refused

// Stored bytes: out of order, forwarded but not acknowledged, held.
inline constexpr size_t kBufferBytes = 2'000;
inline constexpr size_t kBuffersMax = 32'768;
inline constexpr size_t kFlowBuffersMax = 4'096;  // of one direction of one connection
inline constexpr size_t kFlowPoolShare = 4;       // a flow takes at most 1/4 of what is free
inline constexpr size_t kPoolReserveShare = 8;    // 1/8 is kept for bytes that are next in order,
inline constexpr size_t kFlowReserveBytesMax = 2 * kBufferBytes;  // where so few are on their way
inline constexpr uint64_t kFlowReachBytesMax = 8u << 20;  // ahead of what the origin acknowledged
inline constexpr auto kFlowStuckMax = 10s;  // with bytes stored, while others find no room

// HTTP.
inline constexpr size_t kHeadsMax = 1'024;  // request heads that came in part
inline constexpr auto kHeadAgeMin = 1s;     // younger ones are not ended to make room for others
inline constexpr size_t kTargetBytesMax = 8'192;     // longer ones are http_ambiguous
inline constexpr size_t kHeaderValueBytesMax = 256;  // longer ones are cut
inline constexpr size_t kHeaderNameBytesMax = 64;
inline constexpr size_t kFirstLineBytesMax = 256;  // looked at to tell odd HTTP from not HTTP
inline constexpr uint32_t kRequestsOutstandingMax = 64;
inline constexpr size_t kFormsMax = 2'048;       // bodies in parts that are on their way
inline constexpr size_t kBoundaryBytesMax = 70;  // RFC 2046; longer ones are http_ambiguous
inline constexpr size_t kStrayBoundaryBytesMin =
    10;                                             // with its dashes; shorter ones come by chance
inline constexpr size_t kPartsMax = 1'000;          // of one form; then it is http_ambiguous
inline constexpr size_t kPartHeadBytesMax = 8'192;  // longer ones are http_ambiguous
inline constexpr size_t kPartLineBytesMax = 1'024;  // one header of those, likewise
inline constexpr size_t kFieldStartBytes = 64;      // of a field, kept in case it is a file
inline constexpr uint64_t kFieldBytesMax = 256u << 10;        // longer ones are inspected
inline constexpr uint64_t kBodyBytesMax = uint64_t{1} << 62;  // longer ones are http_ambiguous

// What is said from outside about new uploads.
inline constexpr uint32_t kBackPressureShare = 8;  // one of so many segments is dropped
inline constexpr size_t kSkipsMax = 256;
inline constexpr size_t kSkipTextBytesMax = 253;  // as long as a host may be

// Resumable uploads.
inline constexpr size_t kUploadHeaderBytesMax = 64;      // of a header that says what a body is
inline constexpr size_t kConcatenationBytesMax = 4'096;  // the resources that are put together
inline constexpr ptrdiff_t kConcatenatedMax = 128;       // so many; more are http_ambiguous
inline constexpr size_t kLocationBytesMax = 1'024;  // a resource behind a longer one is unknown
inline constexpr size_t kIdentifierBytesMin = 16;   // shorter ones may name other resources, too
inline constexpr size_t kResourceTextBytesMax = 1'024;  // of its name, as it is recorded
inline constexpr size_t kExchangesMax = 1'024;          // answers that are read for it
inline constexpr size_t kExchangesReserveShare = 4;     // 1/4 is kept for what is not a part
inline constexpr auto kAnswerAgeForRoom = 10s;  // then an answer that has not come makes room
inline constexpr size_t kExchangesScannedForRoom = 16;
inline constexpr size_t kResourcesMax = 2'048;        // of which parts were seen
inline constexpr size_t kResourcesOpenIdleMax = 256;  // not whole, and no part on its way
inline constexpr size_t kResourcesExpiredPerTick = 16;
inline constexpr size_t kSeenBlockBytes = 4'096;  // kept of what the origin may not have stored
inline constexpr size_t kSeenBlocksMax = 8'192;
inline constexpr size_t kSeenBlocksPerResourceMax = 64;
inline constexpr size_t kSeenPoolShare = 16;  // a resource takes at most 1/16 of what is free
// Of all lcores together, with no locks.
inline constexpr size_t kSharedWays = 8;       // places that one resource may be in
inline constexpr size_t kCreatedMax = 16'384;  // resources that no part was seen of
inline constexpr size_t kRefusedMax = 32'768;  // resources whose parts are refused; two places each
inline constexpr int kUnaskedRefusalShare =
    24;                                         // of that time parts are refused for a reason alone
inline constexpr size_t kEndpointsMax = 4'096;  // where the origin has answered as tus does
inline constexpr int kSharedReadsMax = 4;       // of an entry that somebody writes

// Uploads.
inline constexpr size_t kUploadsMax = 4'096;
inline constexpr auto kTailStallMax = 10s;  // with part of the tail held and nothing more coming
inline constexpr auto kDelimiterStallMax = 200ms;  // with a part of what may be one held
inline constexpr size_t kDecisionsPerPoll = 32;
inline constexpr auto kUploadPaceWindow = 30s;  // an upload with less than this in it is slow:
inline constexpr uint64_t kUploadPaceBytesMin = 30'720;  // it makes room when all slots are taken
inline constexpr size_t kUploadsScannedForRoom = 64;
inline constexpr auto kUploadSilenceForRoom = 5s;  // or so long with less than that pace:
                                                   // then it gives its decoder to another
inline constexpr size_t kReleaseSegmentsMax = 64;  // sent at once; retransmission brings the rest
inline constexpr size_t kSegmentBytesMax = 1'400;  // of our own making, where no MSS is known: 536
inline constexpr size_t kSegmentBytesDefault = 536;
inline constexpr size_t kBlockMessageBytesMax = 400;
inline constexpr size_t kBlockResponseBytesMax = 1'200;

// Blocking.
inline constexpr auto kRefusalAgeMin = 1s;            // younger ones do not make room for others
inline constexpr auto kBlockTurnWaitMax = 5s;         // for earlier responses to be through
inline constexpr auto kBlockRetransmitFirst = 200ms;  // doubled each time
inline constexpr uint32_t kBlockTransmissionsMax = 7;
inline constexpr auto kBlockLingerMax = 5s;         // after the client has it all
inline constexpr auto kBlockConversationMax = 30s;  // whatever happens
inline constexpr uint32_t kOriginResetsMax = 5;     // unprompted; each challenge gets one more

// Time.
inline constexpr auto kTimerPeriod = 2ms;
inline constexpr auto kSpinMax = 50us;  // polling on after the last packet; then the lcore sleeps
inline constexpr auto kSpinPinnedMax = 5ms;  // the same for one that has a CPU of its own
inline constexpr auto kSleepMax = 1ms;

static_assert(kFlowBuffersMax * kBufferBytes <= kFlowReachBytesMax);
static_assert(kFlowReachBytesMax < (1u << 30), "sequence numbers must stay comparable");
static_assert(kFlowBuffersMax <= kBuffersMax / kFlowPoolShare);
static_assert((kHandoverPacketsMax & (kHandoverPacketsMax - 1)) == 0, "a ring's size");
static_assert(((kCapturedFramesMax + 1) & kCapturedFramesMax) == 0, "a ring's size, less one");
static_assert(kLcoresMax * kCapturedFrameCache * 3 / 2 < kCapturedFramesMax / 4,
              "what idle lcores keep is not missing elsewhere");
static_assert(kCaptureCommentBytesMax + kCaptureStatisticsBytesMax <= kCaptureBlocksBytesMax,
              "the head of a file is no longer than a burst");
static_assert(kLcoresMax <= 256, "an lcore is 8 bits of an upload's key");
static_assert(kUploadsMax < 0x8000, "an upload's slot is 15 bits of its key");
static_assert(kResourcesMax < 0x8000, "and so is a resource, with a bit that says so");
static_assert(kExchangesMax < 0xFFFF, "a flow names its exchange in 16 bits");
static_assert(kHeadsMax < 0xFFFF, "a flow names its head in 16 bits");
static_assert(kFormsMax < 0xFFFF, "and its form");
static_assert(kBoundaryBytesMax + 4 < 0xFF, "counted in 8 bits");
static_assert(kSegmentBytesMax + 120 <= kFrameBytesMax, "our own segments fit a frame");
static_assert(kBlockMessageBytesMax * 2 + 320 <= kBlockResponseBytesMax);

inline constexpr size_t kMemoryBytesMax =
    kBuffersMax * (kBufferBytes + 48) + kHeadsMax * (kTargetBytesMax + 8 * kHeaderValueBytesMax) +
    kFormsMax * (kTargetBytesMax + 16 * kHeaderValueBytesMax) + kFlowsMax * kFlowBytesMax +
    (kHeadsMax + kFormsMax) * (kConcatenationBytesMax + 1'024) + kUploadsMax * 384 +
    kExchangesMax * (3 * kLocationBytesMax + 1'024) + kResourcesMax * 512 +
    kSeenBlocksMax * (kSeenBlockBytes + 8);
static_assert(kMemoryBytesMax <= 192u << 20);
// Not for each lcore: one capture at a time. Also what is being written.
inline constexpr size_t kCaptureMemoryBytesMax =
    (kCapturedFramesMax + 2 * kBurstFrames) * kCapturedFrameBytes + kCaptureBlocksBytesMax +
    kLcoresMax * (kCapturedFramesMax + 1) * sizeof(void*);
static_assert(kCaptureMemoryBytesMax <= 22u << 20);

}  // namespace soundgate
