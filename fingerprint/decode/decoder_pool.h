// Decodes and fingerprints streams of bytes in soundgate-decoder processes, any number at a time.
// Input: bytes of an audio file, in order, from producers.  Output: items, to one listener.
// Errors: every stream that is begun ends with exactly one on_end, which says how.
// Thread: each Producer belongs to one thread, whose calls never block, lock or allocate.
//   The listener is called from the pool's own collector thread.
// Memory: one sealed payload memfd per worker, mapped read-only by it, cut into blocks that each
//   producer has its own share of; nothing of it is allocated after start.
// Source: README of this room.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "fingerprint/fingerprint.h"

namespace soundgate {

enum class DecodeOutcome : uint8_t {
#define OUTCOME(name, text, checked, action) name,
#include "fingerprint/decode/outcomes.def"
#undef OUTCOME
};
std::string_view name(DecodeOutcome outcome);
std::string_view text(DecodeOutcome outcome);

struct DecodeEnd {
  DecodeOutcome outcome = DecodeOutcome::decoded;
  double decoded_seconds = 0;   // audio that became items
  double gap_seconds = 0;       // audio between first and last item that is not in them
  double skipped_seconds = 0;   // audio that was left out, as CoverageSettings ask for
  double duration_seconds = 0;  // of the stream as its headers say, or as decoded
  char format[16] = {};         // "mp3", "mov", …; empty where nothing was recognised
  char codec[16] = {};
  bool exact = false;  // not decoded: these are the items of an earlier upload of the same bytes,
  bool exact_packets = false;  // or, where this is set, of the same packets within other bytes
};

class DecodeListener {
 public:
  virtual ~DecodeListener() = default;
  // Items first_item, first_item + 1, …; each once, in order. Where first_item jumps, audio is
  // missing.
  virtual void on_items(uint64_t tag, uint32_t first_item, std::span<const Item> items) = 0;
  virtual void on_end(uint64_t tag, const DecodeEnd& end) = 0;
  // What was heard of this stream is void: a closer look was asked for, and all of it is decoded
  // from its begin; or its bytes turned out to be known. Its items come anew, from the first one.
  // Twice at most.
  virtual void on_again(uint64_t /*tag*/) {}
  // Items of another view (fingerprint.h): each once, in order, for each view. Those of bands
  // come right after the plain ones; those of probes only where probes are set. A jump is a gap, or
  // the end of a stretch that was probed.
  virtual void on_view_items(uint64_t /*tag*/, int /*view*/, uint32_t /*first_item*/,
                             std::span<const Item> /*items*/) {}
  // Something to be logged: a worker that died, or cannot be replaced now.
  virtual void on_trouble(const std::string& /*what*/) {}
};

// Names a stream to the producer that began it. 0 is no stream.
enum class StreamHandle : uint64_t {};

// How the bytes of a stream are coded (RFC 9110 section 8.4.1): inflated by the worker.
enum class StreamCoding : uint8_t { kNone, kGzip, kDeflate };

class StreamProducer {
 public:
  virtual ~StreamProducer() = default;

  // tag comes back with everything the listener hears of this stream. size_bytes: -1 if unknown.
  // Error: decoder_overload, when every worker is full; on_end is then not called.
  virtual tl::expected<StreamHandle, DecodeOutcome> begin(uint64_t tag, int64_t size_bytes) = 0;
  // The same whole and without probes, whatever is set: for those who want the fingerprint.
  virtual tl::expected<StreamHandle, DecodeOutcome> begin_unprobed(uint64_t tag,
                                                                   int64_t size_bytes) = 0;

  // Of bytes with a coding; size_bytes: as they come.
  virtual tl::expected<StreamHandle, DecodeOutcome> begin_coded(uint64_t tag, int64_t size_bytes,
                                                                StreamCoding coding) = 0;

  enum class Append : uint8_t {
    kTaken,
    kFull,  // nothing was taken: no free block now; try again later, or cancel
    kDone,  // nothing was taken, and nothing more is wanted: the stream has ended already
  };
  virtual Append append(StreamHandle stream, std::span<const std::byte> bytes) = 0;

  virtual void finish(StreamHandle stream) = 0;  // all bytes have been appended; on_end follows
  virtual void cancel(StreamHandle stream) = 0;  // no on_end follows if none was under way

  // Streams that may begin now, and of how many. (What was cancelled or has ended is free soon.)
  struct Room {
    size_t free;
    size_t all;
  };
  virtual Room room() = 0;
};

// How much is probed. The same settings make the same probes of the same audio.
struct ProbeSettings {
  int step_max = 0;  // steps ±1 … ±step_max; 0: none
  static constexpr double kCpuShareMax = 4;
  double cpu_share = 0.15;  // of what decoding costs, in the long run; 0: none
};

// How much of a stream is decoded: the first `share` of each period, in seconds of audio.
struct CoverageSettings {
  static constexpr double kShareMin = 0.05, kPeriodMin = 10, kPeriodMax = 3600;
  double share = 1;  // 1: all of it
  double period_seconds = 30;
};

class DecoderPool {
 public:
  struct Options {
    std::string worker_path;  // of soundgate-decoder; empty: beside the running program
    int worker_count = 2;
    int producer_count = 1;
    size_t payload_bytes_per_worker = size_t{256} << 20;
    // What each producer has of each worker; empty: producer_count equal parts of 256 streams and
    // of payload_bytes_per_worker. Payload takes memory only where it has been used at least once.
    struct Part {
      int streams;
      size_t payload_bytes;
      bool can_wait = false;  // kFull costs it nothing: it gets that early, to save memory
    };
    std::vector<Part> producer_parts;
    int64_t spool_bytes_max = int64_t{128} << 20;  // of one stream that needs its end first
    static constexpr std::chrono::milliseconds kStallMin{600};
    std::chrono::milliseconds stall_max{5000};  // one step of one stream, then timeout
    double audio_seconds_max = 6 * 3600.0;      // of one stream, then too_long
    // CPU that one stream may take before it delivers more, then decoder_cpu (shared/cpu_budget.h).
    std::chrono::milliseconds cpu_allowance{2000};
    // An upload of which so much waits to be decoded is divided among workers that are free; 0:
    // none is. (Not those of producers that can wait.)
    size_t burst_bytes = size_t{1} << 20;
    // For the items of what was decoded whole, so that the same bytes need no decoding: 0: none
    // are remembered. Streams are told by keyed digests of their bytes, or of the packets in them,
    // and of their probes.
    size_t known_bytes_max = 0;
  };
  static tl::expected<std::unique_ptr<DecoderPool>, std::string> start(const Options& options,
                                                                       DecodeListener& listener);
  virtual ~DecoderPool() = default;  // ends the workers; producers must be idle

  virtual StreamProducer& producer(int index) = 0;

  // Of streams that begin from now on; none at first. Values out of range are brought into it.
  // Thread: any.
  virtual void set_probes(const ProbeSettings& settings) = 0;
  // Likewise; all at first.
  virtual void set_coverage(const CoverageSettings& settings) = 0;
  // All of this stream is decoded, whatever the coverage: something was found in what it has
  // decoded. Where its bytes are all there yet it begins again (on_again); else all that follows.
  // Thread: any.
  virtual void look_closer(uint64_t tag) = 0;

  struct Worker {
    int pid;
    int streams;
    uint64_t restarts;
  };
  struct Status {
    std::vector<Worker> workers;
    uint64_t streams_begun, streams_ended, crashes, timeouts, resumed;
    double decoded_seconds;
    uint64_t probe_items;
    uint64_t recognised;          // streams whose bytes were known: nothing more was decoded
    uint64_t put_off, caught_up;  // decoding put off, and had to be done after all
    uint64_t recognised_by_packets;               // of recognised, those that came in other bytes
    uint64_t packets_put_off, packets_caught_up;  // as above, of streams with known packets
    uint64_t confirmed;           // known ones that were decoded again, with the same items
    uint64_t contradicted;        // with others: forgotten
    uint64_t divided;             // decoded by several workers at once
    uint64_t known, known_bytes;  // uploads that are remembered now
    uint64_t waiting_bytes;       // of all streams, that no worker has decoded yet
    uint64_t rounds;              // of the collector thread: counts up while it goes on
  };
  virtual Status status() const = 0;  // any thread
};

}  // namespace soundgate
