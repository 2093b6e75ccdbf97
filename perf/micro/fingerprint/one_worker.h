// A pool of one worker, and the CPU that it and this process take to decode something.
// Errors: std::runtime_error.  Thread: one.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "fingerprint/decode/decoder_pool.h"

namespace soundgate {

std::vector<std::byte> read_file(const std::string& path);

double cpu_seconds(clockid_t clock);

class OneWorker {
 public:
  explicit OneWorker(size_t known_bytes_max = 0);

  struct Cost {
    double worker_seconds, host_seconds;
    DecodeEnd end;
  };
  Cost decode(std::span<const std::byte> bytes, const CoverageSettings& coverage = {});

 private:
  class EndListener : public DecodeListener {
   public:
    void on_items(uint64_t, uint32_t, std::span<const Item>) override {}
    void on_end(uint64_t, const DecodeEnd& end) override;
    void on_trouble(const std::string& what) override;
    DecodeEnd wait();

   private:
    std::mutex mutex_;
    std::condition_variable ended_;
    std::optional<DecodeEnd> end_;
  };

  EndListener listener_;
  std::unique_ptr<DecoderPool> pool_;
  clockid_t worker_clock_{};
};

}  // namespace soundgate
