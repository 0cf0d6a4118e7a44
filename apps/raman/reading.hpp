#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/stop.hpp"
#include "raman/spectrum.hpp"

namespace gyre::raman {

/// A file that gave no spectrum.
struct RejectedFile {
  std::string source;
  Rejection reason;
  std::string detail;
};

/// Spectra in the order of their sources, and what was turned away.
struct Collection {
  std::vector<Spectrum> spectra;   ///< Raman spectra: nothing else is ever asked about or compared with
  std::vector<Spectrum> infrared;  ///< where they were asked for
  std::vector<RejectedFile> rejected;

  [[nodiscard]] std::map<Rejection, int> rejected_by_reason() const;
};

/// Told after each file: done and total, of the folder or archive that is being read.
using ReadProgress = std::function<void(std::int64_t done, std::int64_t total)>;

/// Reads spectra from files, folders (with the folders below them) and zip archives, which may hold folders. In
/// folders and archives only *.txt, *.csv, *.dx, *.jdx and *.jcamp are read; a file that is named itself is read
/// whatever its name. Throws Error for a path that is not there, for an archive that cannot be opened, and once `stop`
/// is requested; a single file that is no spectrum is counted instead.
/// Infrared spectra are among the single files that are no spectrum, unless `infrared`.
Collection read_collection(const std::vector<std::filesystem::path>& paths, const ReadProgress& progress = {},
                           Stop stop = {}, bool infrared = false);

}  // namespace gyre::raman
