#include "raman/reading.hpp"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <unordered_set>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/random.hpp"
#include "raman/archive.hpp"
#include "raman/formats.hpp"

namespace gyre::raman {
namespace {

namespace fs = std::filesystem;

bool has_spectrum_name(const std::string& name) {
  std::string extension = fs::path(name).extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  constexpr std::string_view kKnown[] = {".txt", ".csv", ".dx", ".jdx", ".jcamp"};
  return std::find(std::begin(kKnown), std::end(kKnown), extension) != std::end(kKnown);
}

/// A hash of specimen, mineral and points: the same measurement under two names.
std::uint64_t fingerprint(const Spectrum& spectrum) {
  std::uint64_t hash =
      combine_seeds(std::hash<std::string>{}(spectrum.specimen), std::hash<std::string>{}(spectrum.mineral));
  const auto add = [&](const std::vector<double>& values) {
    for (const double value : values) {
      std::uint64_t bits = 0;
      std::memcpy(&bits, &value, sizeof bits);
      hash = combine_seeds(hash, bits);
    }
  };
  add(spectrum.shifts);
  add(spectrum.intensities);
  return hash;
}

/// Names of RRUFF files tell the laser: Quartz__R040031__Raman__532__0__…
double laser_from_name(const std::string& name) {
  constexpr std::string_view kMark = "__Raman__";
  const std::size_t at = name.find(kMark);
  if (at == std::string::npos) return 0;
  std::string_view rest = std::string_view(name).substr(at + kMark.size());
  double laser = 0;
  return take_number(rest, laser) && laser > 100 && laser < 3000 ? laser : 0;
}

class Reader {
 public:
  Reader(const ReadProgress& progress, Stop stop, bool infrared)
      : progress_(progress), stop_(stop), infrared_(infrared) {}

  void add(const fs::path& path) {
    if (fs::is_directory(path)) {
      add_folder(path);
    } else if (!fs::exists(path)) {
      throw Error("{}: there is no such file or folder", path.string());
    } else if (is_zip(path)) {
      add_zip(path);
    } else {
      add_file(path);
    }
  }

  Collection take() { return std::move(collection_); }

 private:
  void add_folder(const fs::path& folder) {
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(folder, fs::directory_options::skip_permission_denied)) {
      const std::string name = entry.path().filename().string();
      if (!entry.is_regular_file() || name.starts_with('.')) continue;
      if (has_spectrum_name(name) || (entry.path().extension() == ".zip" && is_zip(entry.path()))) {
        files.push_back(entry.path());
      }
    }
    std::sort(files.begin(), files.end());
    for (std::size_t i = 0; i < files.size(); ++i) {
      is_zip(files[i]) ? add_zip(files[i]) : add_file(files[i]);
      report(i + 1, files.size());
    }
  }

  void add_zip(const fs::path& path) {
    const ZipArchive archive(path);
    for (std::int64_t member = 0; member < archive.size(); ++member) {
      const std::string name = archive.name(member);
      // macOS adds a shadow of each file.
      const bool wanted = has_spectrum_name(name) && !name.starts_with("__MACOSX/");
      if (wanted) {
        add_text(fmt::format("{}: {}", path.string(), as_utf8(name)), [&] { return archive.read(member); });
      }
      report(static_cast<std::size_t>(member) + 1, static_cast<std::size_t>(archive.size()));
    }
  }

  void add_file(const fs::path& path) {
    add_text(path.string(), [&] {
      std::error_code failure;
      if (const auto size = fs::file_size(path, failure); !failure && size > kMostBytes) {
        throw RejectedSpectrum{Rejection::too_large, fmt::format("{} bytes; {} are the most", size, kMostBytes)};
      }
      return read_text(path);
    });
  }

  template <typename Content>
  void add_text(const std::string& source, const Content& content) {
    stop_.check();
    try {
      Spectrum spectrum = read_spectrum(content(), {infrared_, source});
      spectrum.source = source;
      if (spectrum.laser == 0) spectrum.laser = laser_from_name(source);
      if (!seen_.insert(fingerprint(spectrum)).second) {
        throw RejectedSpectrum{Rejection::duplicate, "the same specimen and points as an earlier file"};
      }
      auto& kind = spectrum.technique == Technique::infrared ? collection_.infrared : collection_.spectra;
      kind.push_back(std::move(spectrum));
    } catch (const RejectedSpectrum& rejection) {
      collection_.rejected.push_back({source, rejection.reason, rejection.detail});
    } catch (const Error& failure) {
      collection_.rejected.push_back({source, Rejection::unreadable, failure.what()});
    }
  }

  void report(std::size_t done, std::size_t total) const {
    if (progress_) progress_(static_cast<std::int64_t>(done), static_cast<std::int64_t>(total));
  }

  const ReadProgress& progress_;
  Stop stop_;
  bool infrared_;
  Collection collection_;
  std::unordered_set<std::uint64_t> seen_;
};

}  // namespace

std::map<Rejection, int> Collection::rejected_by_reason() const {
  std::map<Rejection, int> counts;
  for (const RejectedFile& file : rejected) ++counts[file.reason];
  return counts;
}

Collection read_collection(const std::vector<fs::path>& paths, const ReadProgress& progress, Stop stop, bool infrared) {
  Reader reader(progress, stop, infrared);
  for (const fs::path& path : paths) reader.add(path);
  return reader.take();
}

}  // namespace gyre::raman
