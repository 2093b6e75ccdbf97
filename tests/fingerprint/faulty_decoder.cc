// A decoder for tests, which does to streams that begin with a certain word what a broken or
// hostile one would do, and decodes all others. It has no sandbox: it is one that has got out.
// While there is a file FAULT.<moment> beside the name it is started by, it ends at that moment of
// the hand-over.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <thread>

#include "fingerprint/decode/shared/handover.h"
#include "fingerprint/decode/shared/results.h"
#include "fingerprint/decode/worker/decode_stream.h"
#include "fingerprint/decode/worker/demuxer.h"
#include "fingerprint/decode/worker/packet_witness.h"
#include "fingerprint/decode/worker/stream_io.h"
#include "fingerprint/decode/worker/worker_process.h"

namespace soundgate::decode {
namespace {

constexpr uint64_t kFaultAtByte = 100'000;
constexpr uint64_t kAll = std::numeric_limits<uint64_t>::max();
constexpr auto kNap = std::chrono::milliseconds(5);

std::FILE* memory_map = nullptr;  // of this process: none can be opened once it is at work
std::filesystem::path own_name;

bool is_to_end_at(const char* moment) {
  return std::filesystem::exists(own_name.parent_path() / ("FAULT." + std::string(moment)));
}

void read_up_to(StreamContext& stream, uint64_t position_max) {
  std::array<uint8_t, 4096> bytes;
  uint64_t position = 0;
  while (position < position_max) {
    const auto result = stream.read(position, bytes);
    if (result.state != ByteSource::State::kBytes) return;
    position += result.bytes;
  }
}

std::byte* find_memory(const char* name) {
  std::array<char, 512> line;
  std::rewind(memory_map);
  while (std::fgets(line.data(), line.size(), memory_map)) {
    if (std::strstr(line.data(), name)) {
      return reinterpret_cast<std::byte*>(std::strtoull(line.data(), nullptr, 16));
    }
  }
  std::abort();
}

// The results memory, and how to write to it what no ResultsWriter would.
struct Ring {
  std::byte* memory = find_memory("soundgate-results");
  ResultsHeader& header = results_header(memory);
  uint64_t mark = header.running.load();  // the stream at work

  ResultEntry entry(ResultKind kind = ResultKind::kItems) const {
    ResultEntry entry{};
    entry.kind = kind;
    entry.slot = static_cast<uint32_t>(mark) - 1;
    entry.generation = static_cast<uint32_t>(mark >> 32);
    entry.item_count = 1;
    entry.read_blocks = 1;
    return entry;
  }
  void push(const ResultEntry& entry) {
    result_entry(memory, header.written.load()) = entry;
    header.written.fetch_add(1);
    call_host(kHandoverSocket);
  }
  [[noreturn]] void beat_for_ever(const std::function<void()>& meanwhile) {
    for (;;) {
      header.heartbeat.fetch_add(1);
      meanwhile();
    }
  }
  [[noreturn]] void rest() {
    beat_for_ever([] { std::this_thread::sleep_for(kNap); });
  }
};

ResultEntry packets(const Ring& ring, ResultKind kind, uint32_t checkpoint) {
  ResultEntry entry = ring.entry(kind);
  entry.packets = {};
  entry.packets.checkpoint = checkpoint;
  return entry;
}

// One field of an entry each: a value that no honest worker would give it.
ResultEntry lie(Ring& ring, char which) {
  constexpr double kNoTime = std::numeric_limits<double>::quiet_NaN();
  ResultEntry items = ring.entry();
  ResultEntry end = ring.entry(ResultKind::kEnded);
  switch (which) {
    case '0':
      items.kind = ResultKind{0};
      return items;
    case '1':
      items.slot = kSlotsPerWorker;
      return items;
    case '2':
      items.slot = std::numeric_limits<uint32_t>::max();
      return items;
    case '3':
      items.generation += 1;
      return items;
    case '4':
      items.first_item = std::numeric_limits<uint32_t>::max();
      return items;
    case '5':
      items.item_count = kItemsPerEntry + 1;
      return items;
    case '6':
      items.item_count = 0;
      return items;
    case '7':
      items.view = std::numeric_limits<int32_t>::min();
      return items;
    case '8':
      items.consumed_bytes = kAll;
      return items;
    case '9':
      end.end.outcome = static_cast<uint32_t>(DecodeOutcome::decoder_crash);
      return end;
    case 'A':
      end.end.outcome = std::numeric_limits<uint32_t>::max();
      return end;
    case 'B':
      end.end.decoded_seconds = -1;
      return end;
    case 'C':
      end.end.gap_seconds = kNoTime;
      return end;
    case 'D':
      end.end.duration_seconds = HUGE_VAL;
      return end;
    case 'E':
      items.kind = ResultKind::kProgress;
      return items;  // of nothing
    case 'F':
      return packets(ring, ResultKind::kPacketsAsked, kAllPackets + 1);
    case 'G':
      return packets(ring, ResultKind::kPacketsAsked, kAllPackets - 1);  // 2 GiB
    case 'H':
      return packets(ring, ResultKind::kPacketsSaid, 1);  // and not 0
    case 'I':
      end = packets(ring, ResultKind::kPacketsAsked, 0);
      end.packets.promised_seconds = kNoTime;
      return end;
    case 'J':
      items.kind = ResultKind::kAgain;
      return items;  // which nobody has asked for
    case 'K':
      items.read_blocks = 2;
      ring.push(items);
      items.first_item = 1;
      items.read_blocks = 1;
      return items;
  }
  std::abort();
}

using Fault = std::function<void(StreamContext&)>;

void segfault(StreamContext& stream) {
  read_up_to(stream, kFaultAtByte);
  std::signal(SIGSEGV, SIG_DFL);  // whatever a sanitizer put there
  std::raise(SIGSEGV);
}

void stand_still(StreamContext& stream) {
  read_up_to(stream, kFaultAtByte);
  for (volatile bool still = true; still;) {
  }
}

void freeze(StreamContext&) { std::raise(SIGSTOP); }

// Whatever it has: the host must not wait for it.
void make_blocking(StreamContext&) {
  for (int descriptor = 0; descriptor < 16; ++descriptor) ::fcntl(descriptor, F_SETFL, 0);
}

// Whatever memory it has: the host must not lose it, nor find it changed.
void truncate(StreamContext&) {
  for (int descriptor = 0; descriptor < 16; ++descriptor) {
    [[maybe_unused]] int ignored = ::ftruncate(descriptor, 0);
    ignored = ::ftruncate(descriptor, 1 << 20);
    ::fallocate(descriptor, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096);
  }
  if (::mprotect(find_memory("soundgate-payload"), 4096, PROT_READ | PROT_WRITE) == 0) {
    std::memset(find_memory("soundgate-payload"), 0xff, 4096);
  }
}

void hang_up(StreamContext& stream) {
  ::shutdown(kHandoverSocket, SHUT_RDWR);
  read_up_to(stream, kAll);
}

void circle(StreamContext& stream) {
  read_up_to(stream, kAll);
  for (volatile bool on = true; on;) stream.checkpoint();
}

void talk_nonsense(StreamContext& stream) {
  stream.emit(0, std::numeric_limits<uint32_t>::max(), std::array<Item, 1>{});
}

void probe_unasked(StreamContext& stream) {
  stream.emit(-(stream.probes().step_max + 1), 0, std::array<Item, 1>{});
}

// Never stops, and nobody but the host's clock would notice.
void burn(StreamContext&) {
  Ring().beat_for_ever([] {});
}

void pretend(StreamContext&) { Ring().rest(); }

void flood_socket(StreamContext&) {
  Ring().beat_for_ever([] { call_host(kHandoverSocket); });
}

// As fast as it can, and as much as a stream may have at all.
void flood_ring(StreamContext& stream) {
  Ring ring;
  const std::array<Item, kItemsPerEntry> items{};
  for (uint32_t first = 0;; first += kItemsPerEntry) {
    stream.emit(kPlainView, first, items);
    ring.header.heartbeat.fetch_add(1);
  }
}

void overrun_ring(StreamContext&) {
  Ring ring;
  ring.header.written.fetch_add(kResultEntries + 1);
  call_host(kHandoverSocket);
  ring.rest();
}

void turn_back_ring(StreamContext& stream) {
  Ring ring;
  for (uint32_t i = 0; i < 10; ++i) stream.emit(kPlainView, i, std::array<Item, 1>{});
  call_host(kHandoverSocket);
  const PayloadView payload(find_memory("soundgate-payload"));
  while (payload.header().results_read < ring.header.written) std::this_thread::sleep_for(kNap);
  ring.header.written.store(1);
  call_host(kHandoverSocket);
  ring.rest();
}

// The same entry, plausible and hostile in turns, while the host copies and checks it.
void race(StreamContext&) {
  Ring ring;
  ResultEntry& first = result_entry(ring.memory, ring.header.written.load());
  const ResultEntry plausible = ring.entry();
  ResultEntry hostile = plausible;
  hostile.item_count = 1U << 30;
  hostile.slot = 1U << 30;
  std::thread([&first, plausible, hostile] {
    for (;;) {
      for (const ResultEntry& now : {plausible, hostile}) {
        auto* to = reinterpret_cast<volatile uint64_t*>(&first);
        std::array<uint64_t, sizeof now / sizeof(uint64_t)> words;
        std::memcpy(words.data(), &now, sizeof now);
        for (size_t i = 0; i < words.size(); ++i) to[i] = words[i];
      }
    }
  }).detach();
  uint32_t first_item = 1;
  ring.header.written.fetch_add(1);
  ring.beat_for_ever([&] {
    ResultEntry next = ring.entry();
    next.first_item = first_item++;
    ring.push(next);
    std::this_thread::sleep_for(kNap);
  });
}

// Says that another stream was at work.
void blame_another(StreamContext& stream) {
  Ring ring;
  const uint64_t slot = (ring.mark & 0xffffffff) > 1 ? 1 : 2;
  ring.header.running.store(ring.mark >> 32 << 32 | slot);
  segfault(stream);
}

// A child keeps everything open, and calls for a while when its parent is long dead.
void leave_a_child(StreamContext&) {
  Ring ring;
  if (::fork() == 0) {
    for (int i = 0; i < 200; ++i) {
      ring.header.written.fetch_add(7);
      call_host(kHandoverSocket);
      std::this_thread::sleep_for(kNap);
    }
    ::_exit(0);
  }
  std::raise(SIGKILL);
}

// Items that have nothing to do with the bytes: others each time.
ResultEnd invent(StreamContext& stream) {
  static Item invented = 0;
  const std::vector<Item> items(3 * kItemsPerEntry, ++invented);
  read_up_to(stream, kBlockBytes);
  for (const Band band : kAllBands) stream.emit(view_of(band), 0, items);
  read_up_to(stream, UINT64_MAX);
  return {};  // decoded
}

// A stream as it is behind its first bytes.
class Behind : public StreamContext {
 public:
  Behind(StreamContext& stream, uint64_t bytes) : stream_(stream), bytes_(bytes) {}

  ByteSource::Result read(uint64_t position, std::span<uint8_t> to) override {
    return stream_.read(position + bytes_, to);
  }
  uint64_t next_kept() const override { return 0; }
  int64_t size_bytes() const override { return -1; }
  bool is_finished() const override { return stream_.is_finished(); }
  uint64_t appended_bytes() const override { return stream_.appended_bytes() - bytes_; }
  void consumed(uint64_t) override {}
  void checkpoint() override { stream_.checkpoint(); }
  bool has_cpu_left() const override { return true; }
  void emit(int, uint32_t, std::span<const Item>) override {}
  void begin_again() override {}
  bool is_all_kept() const override { return false; }
  ProbeSettings probes() const override { return stream_.probes(); }
  CoverageSettings coverage() const override { return {}; }
  Division division() const override { return {}; }
  double audio_seconds_max() const override { return stream_.audio_seconds_max(); }
  uint64_t spool_bytes_max() const override { return stream_.spool_bytes_max(); }
  const exact::DigestKey* packets_key() const override { return stream_.packets_key(); }
  void say_packets(const ResultPackets& digest) override { stream_.say_packets(digest); }

 private:
  StreamContext& stream_;
  uint64_t bytes_;
};

// Says that the packets of what follows the word sound like something else.
ResultEnd poison(StreamContext& stream) {
  Behind target(stream, 8);
  StreamIo io(target);
  Demuxer demuxer(io);
  PacketWitness witness(target);
  if (!demuxer.open()) std::abort();
  witness.begin(demuxer);
  LibavPtr<AVPacket> packet(av_packet_alloc());
  while (demuxer.next_packet(*packet) >= 0) {
    witness.see(*packet);
    av_packet_unref(packet.get());
  }
  witness.finish();
  const std::vector<Item> items(3 * kItemsPerEntry, 1);
  for (const Band band : kAllBands) stream.emit(view_of(band), 0, items);
  return {};  // decoded
}

const std::map<std::string_view, Fault> kFaults = {
    {"SEGFAULT", segfault},
    {"STANDING", stand_still},
    {"FREEZING", freeze},
    {"BLOCKING", make_blocking},
    {"TRUNCATE", truncate},
    {"MUTENESS", hang_up},
    {"CIRCLING", circle},
    {"NONSENSE", talk_nonsense},
    {"UNWANTED", probe_unasked},
    {"BURNFUEL", burn},
    {"PRETENDS", pretend},
    {"FLOODING", flood_socket},
    {"CHATTERS", flood_ring},
    {"OVERRUNS", overrun_ring},
    {"TURNBACK", turn_back_ring},
    {"FLIPFLOP", race},
    {"BLAMEOTH", blame_another},
    {"CHILDREN", leave_a_child},
    {"LEAVEEND", [](StreamContext&) { ::_exit(0); }},
};

ResultEnd misbehave_or_decode(StreamContext& stream) {
  if (is_to_end_at("stream")) ::_exit(3);
  std::array<uint8_t, 8> word{};
  read_up_to(stream, word.size());
  stream.read(0, word);
  const std::string_view fault(reinterpret_cast<const char*>(word.data()), word.size());
  if (fault.starts_with("LIES...")) {
    Ring ring;
    ring.push(lie(ring, fault.back()));
    ring.rest();
  }
  if (fault == "INVENTOR") return invent(stream);
  if (fault == "POISONER") return poison(stream);
  if (const auto known = kFaults.find(fault); known != kFaults.end()) known->second(stream);
  return decode_stream(stream);
}

void take_handover_and_end() {
  Handover handover;
  receive_handover(kHandoverSocket, handover);
  ::_exit(3);
}

}  // namespace
}  // namespace soundgate::decode

int main(int argc, char** argv) {
  using namespace soundgate::decode;
  own_name = argv[0];
  if (is_to_end_at("start")) return 3;
  if (is_to_end_at("handover")) take_handover_and_end();
  if (is_to_end_at("socket")) ::shutdown(kHandoverSocket, SHUT_RDWR);  // and lives on
  memory_map = std::fopen("/proc/self/maps", "r");
  return run_worker_process(argc, argv, misbehave_or_decode, Confinement::kNone);
}
