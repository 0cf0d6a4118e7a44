#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hub/digest.hpp"
#include "hub/http.hpp"
#include "hub/repository.hpp"
#include "hub/retries.hpp"

namespace gyre {

/// A file as the hub lists it.
struct RemoteFile {
  std::string path;  ///< checked by require_safe_path
  std::int64_t size = 0;
  Digest digest;
};

/// What a revision holds. The commit pins it: files are asked for by commit, so that a branch that moves on meanwhile
/// cannot mix two states of a model.
struct Listing {
  std::string commit;  ///< 40 hexadecimal digits
  std::vector<RemoteFile> files;
};

/// Asks the hub for the commit of the revision and for its files, page by page.
Listing list_files(HttpClient& client, const Repository& repository, const RetryPolicy& policy, const Notice& notice);

/// The address of the next page in a Link header (RFC 8288), or nothing.
std::string next_page(const std::string& link);

}  // namespace gyre
