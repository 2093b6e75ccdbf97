#include "fingerprint/chroma/chroma.h"

#include <chromaprint.h>

#include <new>

namespace soundgate {
namespace {

static_assert(kAlgorithm == CHROMAPRINT_ALGORITHM_TEST2);

void check(int succeeded) {
  if (!succeeded) throw std::bad_alloc();  // all that can fail with arguments that are right
}

}  // namespace

void Chroma::Free::operator()(ChromaprintContextPrivate* context) const {
  chromaprint_free(context);
}

Chroma::Chroma() : context_(chromaprint_new(kAlgorithm)) {
  check(context_ != nullptr);
  restart();
}

void Chroma::restart() { check(chromaprint_start(context_.get(), kSampleRateHz, 1)); }

void Chroma::feed(std::span<const int16_t> samples) {
  check(chromaprint_feed(context_.get(), samples.data(), static_cast<int>(samples.size())));
}

void Chroma::finish() { check(chromaprint_finish(context_.get())); }

void Chroma::take(std::vector<Item>& items) {
  int count = 0;
  check(chromaprint_get_raw_fingerprint_size(context_.get(), &count));
  if (count == 0) return;
  uint32_t* ready = nullptr;
  check(chromaprint_get_raw_fingerprint(context_.get(), &ready, &count));
  items.insert(items.end(), ready, ready + count);
  chromaprint_dealloc(ready);
  check(chromaprint_clear_fingerprint(context_.get()));
}

}  // namespace soundgate
