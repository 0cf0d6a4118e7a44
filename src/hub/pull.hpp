#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "hub/listing.hpp"
#include "hub/repository.hpp"
#include "hub/retries.hpp"
#include "hub/settings.hpp"

namespace gyre {

struct PullRequest {
  Repository repository;
  std::filesystem::path folder;
  /// Shell patterns of the files wanted; none: what gyre needs (see wanted_files).
  std::vector<std::string> include;
  RetryPolicy retries;
};

/// Watches a pull. Either function may be empty.
struct PullObserver {
  /// `done` of `total` bytes are here; `path` is the file on its way.
  std::function<void(std::int64_t done, std::int64_t total, const std::string& path)> progress;
  Notice notice;
};

struct PulledFile {
  RemoteFile file;
  bool downloaded = false;  ///< false: it was there already, whole and right
};

struct PullResult {
  std::string commit;
  std::vector<PulledFile> files;
  std::int64_t total_bytes = 0;
  std::int64_t received_bytes = 0;  ///< over the network, with what had to be sent again
};

/// Downloads the wanted files of a model into a folder, which is made when it is missing. Files that are there and
/// right are not asked for again; others are replaced, each in one step. Throws Error.
PullResult pull(const HubSettings& settings, const PullRequest& request, const PullObserver& observer);

/// Of a listing, the files that match a pattern of `include`. Without patterns, what gyre reads and what a person wants
/// beside it: configuration, safetensors and their index, tokenizer, chat template, licence, card. Throws Error, with
/// the names there are, when nothing matches or no weights are among them.
std::vector<RemoteFile> wanted_files(const std::vector<RemoteFile>& files, const std::vector<std::string>& include,
                                     const Repository& repository);

}  // namespace gyre
