#include "fingerprint/exact/digest.h"

#define XXH_INLINE_ALL
#include <sys/random.h>
#include <xxhash.h>

#include <cerrno>
#include <system_error>

namespace soundgate::exact {
namespace {

XXH3_state_t* state_of(std::byte* memory) { return reinterpret_cast<XXH3_state_t*>(memory); }

}  // namespace

DigestKey DigestKey::make() {
  DigestKey key;
  static_assert(sizeof key.secret_ >= XXH3_SECRET_SIZE_MIN);
  static_assert(sizeof key.secret_ <= 256, "what getrandom gives in one call");
  if (::getrandom(key.secret_.data(), key.secret_.size(), 0) != std::ssize(key.secret_)) {
    throw std::system_error(errno, std::generic_category(), "cannot get random numbers");
  }
  return key;
}

void Digester::begin(const DigestKey& key) {
  static_assert(sizeof state_ == sizeof(XXH3_state_t));
  XXH3_INITSTATE(state_of(state_.data()));
  XXH3_128bits_reset_withSecret(state_of(state_.data()), key.secret().data(), key.secret().size());
}

void Digester::update(std::span<const std::byte> bytes) {
  XXH3_128bits_update(state_of(state_.data()), bytes.data(), bytes.size());
}

Digest Digester::digest() const {
  const XXH128_hash_t hash =
      XXH3_128bits_digest(reinterpret_cast<const XXH3_state_t*>(state_.data()));
  return {hash.low64, hash.high64};
}

}  // namespace soundgate::exact
