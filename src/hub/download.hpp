#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>

#include "hub/http.hpp"
#include "hub/listing.hpp"
#include "hub/repository.hpp"
#include "hub/retries.hpp"

namespace gyre {

/// What every file of one download shares.
struct DownloadSource {
  HttpClient& client;
  const Repository& repository;
  const std::string& commit;
  const RetryPolicy& policy;
  const Notice& notice;
};

/// Downloads one file to `target`, going on from what an earlier run left. The file appears under its name only when
/// its length and digest are those of the listing; content that is wrong is dropped and asked for once more from the
/// start. `progress` is told how many bytes of the file are here. Returns the bytes that came over the network.
/// Throws Error; unless the content was wrong, TARGET.part then keeps what came.
std::int64_t download(const DownloadSource& source, const RemoteFile& file, const std::filesystem::path& target,
                      const std::function<void(std::int64_t)>& progress);

/// The numbers of a Content-Range header, "bytes FIRST-LAST/TOTAL". A total of -1 is an unknown one ("*").
struct ContentRange {
  std::int64_t first = -1;
  std::int64_t last = -1;
  std::int64_t total = -1;
};
/// False when `header` is none of that form.
bool parse_content_range(const std::string& header, ContentRange& range);

}  // namespace gyre
