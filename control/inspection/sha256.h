// SHA-256 of bytes that come in pieces: the content id of a file that was not given one.
// Source: FIPS 180-4, by OpenSSL's libcrypto.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace soundgate {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  void update(std::span<const std::byte> bytes);
  std::string hex();  // once, at the end: 64 digits

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

}  // namespace soundgate
