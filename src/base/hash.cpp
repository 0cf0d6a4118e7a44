#include "base/hash.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "base/error.hpp"
#include "base/file.hpp"

namespace gyre {
namespace {

EVP_MD_CTX* openssl(void* context) { return static_cast<EVP_MD_CTX*>(context); }

void require(bool done) {
  if (!done) throw Error("OpenSSL cannot make the hash");
}

}  // namespace

void HashStream::Free::operator()(void* context) const { EVP_MD_CTX_free(openssl(context)); }

HashStream::HashStream(HashKind kind) : context_(EVP_MD_CTX_new()) {
  const bool wide = kind == HashKind::sha256;
  if (context_ != nullptr &&
      EVP_DigestInit_ex(openssl(context_.get()), wide ? EVP_sha256() : EVP_sha1(), nullptr) == 1) {
    return;
  }
  throw Error("{} is not available in this OpenSSL", wide ? "SHA-256" : "SHA-1");
}

void HashStream::update(std::span<const std::byte> bytes) {
  require(EVP_DigestUpdate(openssl(context_.get()), bytes.data(), bytes.size()) == 1);
}

std::string HashStream::finish() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
  unsigned int size = 0;
  require(EVP_DigestFinal_ex(openssl(context_.get()), hash.data(), &size) == 1);
  return fmt::format("{:02x}", fmt::join(hash.begin(), hash.begin() + size, ""));
}

std::string sha256(std::span<const std::byte> bytes) {
  HashStream stream(HashKind::sha256);
  stream.update(bytes);
  return stream.finish();
}

std::string sha256_of_mapped(std::span<const std::byte> bytes) {
  constexpr std::size_t kPiece = std::size_t{8} << 20;
  HashStream stream(HashKind::sha256);
  while (!bytes.empty()) {
    const std::span<const std::byte> piece = bytes.first(std::min(bytes.size(), kPiece));
    stream.update(piece);
    drop_pages(piece);
    bytes = bytes.subspan(piece.size());
  }
  return stream.finish();
}

}  // namespace gyre
