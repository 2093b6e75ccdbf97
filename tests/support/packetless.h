// The appliance without its packets: an lcore's sink → decoders → matchers → recorder, on a store
// of its own, and files that are enrolled beside them. What tests and load drivers put uploads
// into. Errors: std::runtime_error, where anything cannot be had.  Thread: one, which plays the
// lcore.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "control/inspection/file_decoder.h"
#include "control/inspection/lcore_sink.h"
#include "control/inspection/listener_switch.h"
#include "control/inspection/matcher_threads.h"
#include "control/inspection/recorder.h"
#include "control/inspection/upload_matcher.h"

namespace soundgate::test {

class Packetless {
 public:
  struct Options {
    std::filesystem::path folder;  // of the store; left behind
    DecoderPool::Options decoder;  // the first producer is the lcore's, the second for files
    UploadMatcher::OnVerdict on_verdict = [](uint64_t) {};       // before the recorder hears
    std::function<void(uint64_t tag)> on_end = [](uint64_t) {};  // of decoding, before the matchers
  };
  explicit Packetless(const Options& options);
  ~Packetless();
  Packetless(const Packetless&) = delete;
  Packetless& operator=(const Packetless&) = delete;

  // A bank that blocks; then what is in it.
  void create_bank(const std::string& name);
  Fingerprint enroll(const std::string& bank, std::span<const std::byte> file,
                     const std::string& content_id);
  // As large as it is said to be.
  void begin(UploadKey key, size_t body_bytes);

  LcoreSink& sink() { return *sink_; }
  Index& index() { return *index_; }
  DecisionStore& store() { return *store_; }
  DecoderPool& decoders() { return *decoders_; }
  const UploadSlot& slot(uint64_t tag) const;

 private:
  class EndWatch;

  FailPolicy policy_;
  std::unique_ptr<Index> index_;
  std::unique_ptr<DecisionStore> store_;
  std::unique_ptr<FileDecoder> files_;
  std::vector<std::unique_ptr<UploadChannel>> channels_;
  std::unique_ptr<Recorder> recorder_;
  std::unique_ptr<UploadMatcher> matcher_;
  std::unique_ptr<MatcherThreads> threads_;
  std::unique_ptr<EndWatch> watch_;
  std::unique_ptr<ListenerSwitch> listener_;
  std::unique_ptr<DecoderPool> decoders_;
  std::unique_ptr<LcoreSink> sink_;
};

}  // namespace soundgate::test
