#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "hub/http.hpp"

namespace gyre {

/// A model on the hub at a branch, tag or commit.
struct Repository {
  std::string organisation;
  std::string name;
  std::string revision = "main";

  [[nodiscard]] std::string full_name() const { return organisation + "/" + name; }
};

/// Reads "ORG/NAME" or "ORG/NAME@REVISION". Throws Error on anything that could mean another place than a model.
Repository parse_repository(std::string_view text);

/// The folder of a model below `home`: gyre/ORG/NAME, with @REVISION behind it when that is not main.
std::filesystem::path default_folder(const std::filesystem::path& home, const Repository& repository);

/// {endpoint}/api/models/ORG/NAME/revision/REVISION: what is known of the model, its commit among it.
Url info_url(const Url& endpoint, const Repository& repository);
/// {endpoint}/api/models/ORG/NAME/tree/COMMIT: every file with its size and digest.
Url tree_url(const Url& endpoint, const Repository& repository, const std::string& commit);
/// {endpoint}/ORG/NAME/resolve/COMMIT/PATH: the content of a file.
Url file_url(const Url& endpoint, const Repository& repository, const std::string& commit, const std::string& path);

/// Returns when the answer is a success. Otherwise throws Error with the reason and the mend, or TransientFailure when
/// the server is only busy. `client` asked for `repository`.
void require_success(const HttpAnswer& answer, const HttpClient& client, const Repository& repository);

}  // namespace gyre
