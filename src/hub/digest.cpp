#include "hub/digest.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <system_error>

#include "base/error.hpp"
#include "base/file.hpp"
#include "hub/http.hpp"

namespace gyre {

const char* name_of(DigestKind kind) { return kind == DigestKind::sha256 ? "sha256" : "git_blob_sha1"; }

std::size_t digits_of(DigestKind kind) { return kind == DigestKind::sha256 ? 64 : 40; }

struct DigestStream::Context {
  Context() : evp(EVP_MD_CTX_new()) {}
  ~Context() { EVP_MD_CTX_free(evp); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  EVP_MD_CTX* evp;
};

DigestStream::DigestStream(DigestKind kind, std::int64_t size) : context_(std::make_unique<Context>()) {
  const EVP_MD* type = kind == DigestKind::sha256 ? EVP_sha256() : EVP_sha1();
  if (context_->evp == nullptr || EVP_DigestInit_ex(context_->evp, type, nullptr) != 1) {
    throw Error("{} is not available in this OpenSSL", kind == DigestKind::sha256 ? "SHA-256" : "SHA-1");
  }
  if (kind == DigestKind::sha256) return;
  std::string head = fmt::format("blob {}", size);
  head.push_back('\0');
  update(std::as_bytes(std::span(head)));
}

DigestStream::~DigestStream() = default;
DigestStream::DigestStream(DigestStream&&) noexcept = default;
DigestStream& DigestStream::operator=(DigestStream&&) noexcept = default;

void DigestStream::update(std::span<const std::byte> bytes) {
  if (EVP_DigestUpdate(context_->evp, bytes.data(), bytes.size()) != 1) throw Error("OpenSSL cannot make the digest");
}

std::string DigestStream::finish() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  if (EVP_DigestFinal_ex(context_->evp, digest.data(), &size) != 1) throw Error("OpenSSL cannot make the digest");
  return fmt::format("{:02x}", fmt::join(digest.begin(), digest.begin() + size, ""));
}

bool holds(const std::filesystem::path& file, std::int64_t size, const Digest& digest) {
  constexpr std::size_t kChunk = std::size_t{16} << 20;
  std::error_code failure;
  if (!std::filesystem::is_regular_file(file, failure)) return false;
  if (std::filesystem::file_size(file, failure) != static_cast<std::uintmax_t>(size) || failure) return false;
  const MappedFile mapped(file);
  DigestStream stream(digest.kind, size);
  for (std::span<const std::byte> rest = mapped.bytes(); !rest.empty();) {
    require_still_wanted();
    const std::size_t step = std::min(rest.size(), kChunk);
    stream.update(rest.first(step));
    rest = rest.subspan(step);
  }
  return stream.finish() == digest.hex;
}

}  // namespace gyre
