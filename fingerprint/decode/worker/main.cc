// soundgate-decoder: decodes hostile bytes for a host that trusts nothing it says.
// It is started by DecoderPool, and of no use by hand.

#include "fingerprint/decode/worker/decode_stream.h"
#include "fingerprint/decode/worker/worker_process.h"

int main(int argc, char** argv) {
  return soundgate::decode::run_worker_process(argc, argv, soundgate::decode::decode_stream);
}
