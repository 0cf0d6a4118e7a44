#include "raman/archive.hpp"

#include <zip.h>

#include <array>
#include <fstream>

#include "base/error.hpp"
#include "raman/spectrum.hpp"

namespace gyre::raman {

struct ZipArchive::Handle {
  explicit Handle(const std::filesystem::path& path) {
    int code = 0;
    zip = zip_open(path.c_str(), ZIP_RDONLY, &code);
    if (zip != nullptr) return;
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    const std::string reason = zip_error_strerror(&error);
    zip_error_fini(&error);
    throw Error("{}: cannot be opened as a zip archive: {}", path.string(), reason);
  }
  ~Handle() { zip_discard(zip); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  zip_t* zip = nullptr;
};

ZipArchive::ZipArchive(const std::filesystem::path& path) : handle_(std::make_unique<Handle>(path)) {}

ZipArchive::~ZipArchive() = default;

std::int64_t ZipArchive::size() const { return zip_get_num_entries(handle_->zip, 0); }

std::string ZipArchive::name(std::int64_t member) const {
  const char* name = zip_get_name(handle_->zip, static_cast<zip_uint64_t>(member), ZIP_FL_ENC_GUESS);
  return name == nullptr ? std::string() : std::string(name);
}

std::string ZipArchive::read(std::int64_t member) const {
  const auto broken = [&](const char* what) {
    return RejectedSpectrum{Rejection::unreadable, fmt::format("{}: {}", what, zip_strerror(handle_->zip))};
  };
  const std::unique_ptr<zip_file_t, int (*)(zip_file_t*)> file(
      zip_fopen_index(handle_->zip, static_cast<zip_uint64_t>(member), 0), zip_fclose);
  if (!file) throw broken("the member cannot be opened");
  std::string text;
  std::array<char, 1 << 16> buffer{};
  // The size that the directory states is a claim: what comes is counted.
  for (;;) {
    const zip_int64_t got = zip_fread(file.get(), buffer.data(), buffer.size());
    if (got < 0) throw broken("the member cannot be read");
    if (got == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(got));
    if (text.size() > kMostBytes) {
      throw RejectedSpectrum{Rejection::too_large, fmt::format("more than {} bytes", kMostBytes)};
    }
  }
}

bool is_zip(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::array<char, 4> head{};
  file.read(head.data(), head.size());
  const std::string_view start(head.data(), head.size());
  using namespace std::string_view_literals;
  return file && (start == "PK\3\4"sv || start == "PK\5\6"sv);
}

}  // namespace gyre::raman
