// Turns PCM into fingerprint items, as it comes.
// Input: mono signed 16-bit samples at kSampleRateHz, any number at a time.
// Output: items in order, each once; together those that Chromaprint makes of the whole at once.
// Errors: std::bad_alloc.
// Thread: one.  Memory: about 0.3 MB; Chromaprint works on 32768 samples at a time (3 s).
// Source: Chromaprint 1.5.1; the only place of Soundgate that knows it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "fingerprint/fingerprint.h"

struct ChromaprintContextPrivate;

namespace soundgate {

class Chroma {
 public:
  Chroma();

  void feed(std::span<const int16_t> samples);
  void finish();   // the audio ends here: what is still held back becomes items
  void restart();  // the next samples do not follow those before

  // Appends the items that are ready, and forgets them.
  void take(std::vector<Item>& items);

 private:
  struct Free {
    void operator()(ChromaprintContextPrivate* context) const;
  };
  std::unique_ptr<ChromaprintContextPrivate, Free> context_;
};

}  // namespace soundgate
