#include "control/inspection/sha256.h"

#include <openssl/evp.h>

#include <array>
#include <stdexcept>

namespace soundgate {

// Made with the first byte: starting libcrypto takes longer than hashing a small file.
struct Sha256::Context {
  EVP_MD_CTX* digest = EVP_MD_CTX_new();
  Context() {
    if (digest == nullptr || EVP_DigestInit_ex(digest, EVP_sha256(), nullptr) != 1) {
      throw std::runtime_error("libcrypto has no SHA-256");
    }
  }
  ~Context() { EVP_MD_CTX_free(digest); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
};

Sha256::Sha256() = default;
Sha256::~Sha256() = default;

void Sha256::update(std::span<const std::byte> bytes) {
  if (!context_) context_ = std::make_unique<Context>();
  EVP_DigestUpdate(context_->digest, bytes.data(), bytes.size());
}

std::string Sha256::hex() {
  if (!context_) context_ = std::make_unique<Context>();
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int bytes = 0;
  EVP_DigestFinal_ex(context_->digest, digest.data(), &bytes);
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (unsigned int i = 0; i < bytes; ++i) {
    text += kDigits[digest.at(i) >> 4];
    text += kDigits[digest.at(i) & 15];
  }
  return text;
}

}  // namespace soundgate
