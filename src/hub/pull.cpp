#include "hub/pull.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <string_view>
#include <system_error>

#include "base/error.hpp"
#include "hub/download.hpp"
#include "hub/part_file.hpp"
#include "hub/paths.hpp"

namespace gyre {
namespace {

namespace fs = std::filesystem;

constexpr std::array kWanted = {
    "config.json",    "generation_config.json",  "*.safetensors",      "*.safetensors.index.json",
    "tokenizer.json", "tokenizer_config.json",   "vocab.json",         "vocab.txt",
    "merges.txt",     "special_tokens_map.json", "README.md",          "chat_template.jinja",
    "LICENSE*",       "added_tokens.json",       "chat_template.json", "additional_chat_templates/*.jinja"};

bool wanted_by_default(const std::string& path) {
  return std::any_of(kWanted.begin(), kWanted.end(),
                     [&](const char* pattern) { return matches(pattern, path, false); });
}

std::string some_names(const std::vector<RemoteFile>& files) {
  constexpr std::size_t kMost = 8;
  std::string names;
  for (std::size_t i = 0; i < std::min(files.size(), kMost); ++i) names += (i > 0 ? ", " : "") + files[i].path;
  return files.size() > kMost ? fmt::format("{} and {} more", names, files.size() - kMost) : names;
}

/// The lock of a folder that is being filled: two pulls would write into each other's parts.
class FolderLock {
 public:
  explicit FolderLock(const fs::path& folder)
      : descriptor_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    if (descriptor_ < 0) throw Error("cannot open the folder {}: {}", folder.string(), system_message(errno));
    // Some network file systems know no locks; the digests still guard what is written there.
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return;
    ::close(descriptor_);
    throw Error("{}: another pull is filling this folder; wait for it", folder.string());
  }
  ~FolderLock() { ::close(descriptor_); }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int descriptor_;
};

void make_folder(const fs::path& folder) {
  std::error_code failure;
  fs::create_directories(folder, failure);
  if (failure || !fs::is_directory(folder, failure)) {
    throw Error("cannot make the folder {}: {}; choose another", folder.string(),
                failure ? failure.message() : "something else has that name");
  }
}

std::int64_t sum_of_sizes(const std::vector<RemoteFile>& files, const Repository& repository) {
  std::int64_t sum = 0;
  for (const RemoteFile& file : files) {
    if (file.size > std::numeric_limits<std::int64_t>::max() - sum) {
      throw Error("{}: the listed sizes are beyond counting", repository.full_name());
    }
    sum += file.size;
  }
  return sum;
}

void require_space(const fs::path& folder, std::int64_t needed) {
  std::error_code failure;
  const fs::space_info space = fs::space(folder, failure);
  if (failure || space.available >= static_cast<std::uintmax_t>(needed)) return;
  throw Error("{}: no space for {:.1f} MB more, {:.1f} MB are free; free some or choose another folder",
              folder.string(), static_cast<double>(needed) / 1e6, static_cast<double>(space.available) / 1e6);
}

}  // namespace

std::vector<RemoteFile> wanted_files(const std::vector<RemoteFile>& files, const std::vector<std::string>& include,
                                     const Repository& repository) {
  std::vector<RemoteFile> wanted;
  for (const RemoteFile& file : files) {
    const bool take = include.empty() ? wanted_by_default(file.path)
                                      : std::any_of(include.begin(), include.end(), [&](const std::string& pattern) {
                                          return matches(pattern, file.path, true);
                                        });
    if (!take) continue;
    if (file.path.ends_with(".part") || file.path.ends_with(".part.json")) {
      throw Error("{}: {} has the name of an unfinished download; leave it out by naming what you want",
                  repository.full_name(), file.path);
    }
    wanted.push_back(file);
  }
  const std::string name = repository.full_name();
  if (!include.empty()) {
    if (wanted.empty()) throw Error("no file of {} matches what was named; it has {}", name, some_names(files));
    return wanted;
  }
  const auto any = [&](const char* pattern) {
    return std::any_of(wanted.begin(), wanted.end(),
                       [&](const RemoteFile& file) { return matches(pattern, file.path, false); });
  };
  if (!any("*.safetensors")) {
    throw Error("{} has no *.safetensors; it has {}; name the files you want", name, some_names(files));
  }
  // Some models carry their weights twice, the second time in the names of the makers' own code.
  if (any("model*.safetensors")) {
    std::erase_if(wanted,
                  [](const RemoteFile& file) { return matches("consolidated*.safetensors*", file.path, false); });
  }
  return wanted;
}

PullResult pull(const HubSettings& settings, const PullRequest& request, const PullObserver& observer) {
  HttpClient client(settings.endpoint, settings.token, request.retries.stop);
  const Listing listing = list_files(client, request.repository, request.retries, observer.notice);
  const std::vector<RemoteFile> wanted = wanted_files(listing.files, request.include, request.repository);
  PullResult result;
  result.commit = listing.commit;
  result.total_bytes = sum_of_sizes(wanted, request.repository);
  make_folder(request.folder);
  const FolderLock lock(request.folder);

  std::int64_t done = 0;
  std::int64_t needed = 0;
  for (const RemoteFile& file : wanted) {
    const fs::path target = request.folder / file.path;
    const bool there = holds(target, file.size, file.digest, request.retries.stop);
    result.files.push_back({file, !there});
    if (there) done += file.size;
    if (!there) needed += std::max<std::int64_t>(0, file.size - bytes_left_of(target, file.digest.hex));
  }
  require_space(request.folder, needed);

  const DownloadSource source{client, request.repository, listing.commit, request.retries, observer.notice};
  for (const PulledFile& pulled : result.files) {
    if (!pulled.downloaded) continue;
    client.require_still_wanted();
    const RemoteFile& file = pulled.file;
    const fs::path target = request.folder / file.path;
    make_folder(target.parent_path());
    result.received_bytes += download(source, file, target, [&](std::int64_t here) {
      if (observer.progress) observer.progress(done + here, result.total_bytes, file.path);
    });
    done += file.size;
  }
  return result;
}

}  // namespace gyre
