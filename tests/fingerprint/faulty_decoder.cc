// A decoder for tests, which does to streams that begin with a certain word what a broken or
// hostile one would do, and decodes all others.

#include <fcntl.h>
#include <sys/socket.h>

#include <array>
#include <csignal>
#include <limits>
#include <string_view>

#include "fingerprint/decode/shared/handover.h"
#include "fingerprint/decode/worker/decode_stream.h"
#include "fingerprint/decode/worker/worker_process.h"

namespace soundgate::decode {
namespace {

constexpr uint64_t kFaultAtByte = 100'000;

void read_up_to(StreamContext& stream, uint64_t position_max) {
  std::array<uint8_t, 4096> bytes;
  uint64_t position = 0;
  while (position < position_max) {
    const auto result = stream.read(position, bytes);
    if (result.state != ByteSource::State::kBytes) return;
    position += result.bytes;
  }
}

ResultEnd misbehave_or_decode(StreamContext& stream) {
  std::array<uint8_t, 8> word{};
  read_up_to(stream, word.size());
  stream.read(0, word);
  const std::string_view fault(reinterpret_cast<const char*>(word.data()), word.size());
  if (fault == "SEGFAULT") {
    read_up_to(stream, kFaultAtByte);
    std::signal(SIGSEGV, SIG_DFL);  // whatever a sanitizer put there
    std::raise(SIGSEGV);
  }
  if (fault == "STANDING") {
    read_up_to(stream, kFaultAtByte);
    for (volatile bool still = true; still;) {
    }
  }
  if (fault == "BLOCKING") {  // whatever it has: the host must not wait for it
    for (int descriptor = 0; descriptor < 16; ++descriptor) ::fcntl(descriptor, F_SETFL, 0);
  }
  if (fault == "MUTENESS") {
    ::shutdown(kHandoverSocket, SHUT_RDWR);
    read_up_to(stream, std::numeric_limits<uint64_t>::max());
  }
  if (fault == "CIRCLING") {
    read_up_to(stream, std::numeric_limits<uint64_t>::max());
    for (volatile bool on = true; on;) stream.checkpoint();
  }
  if (fault == "NONSENSE") {
    const std::array<Item, 1> items{};
    stream.emit(0, std::numeric_limits<uint32_t>::max(), items);
  }
  if (fault == "UNWANTED") {  // a probe that nobody asked for
    const std::array<Item, 1> items{};
    stream.emit(-(stream.probes().step_max + 1), 0, items);
  }
  return decode_stream(stream);
}

}  // namespace
}  // namespace soundgate::decode

int main(int argc, char** argv) {
  return soundgate::decode::run_worker_process(argc, argv, soundgate::decode::misbehave_or_decode,
                                               soundgate::decode::Confinement::kNone);
}
