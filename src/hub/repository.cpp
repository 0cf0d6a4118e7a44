#include "hub/repository.hpp"

#include <algorithm>
#include <cctype>

#include "base/error.hpp"
#include "hub/paths.hpp"

namespace gyre {
namespace {

constexpr std::size_t kLongestName = 96;
constexpr std::size_t kLongestRevision = 200;
constexpr std::string_view kForbidden = "~^:?*[\\@";

bool is_name(std::string_view text) {
  const auto allowed = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x80 && (std::isalnum(byte) != 0 || c == '-' || c == '_' || c == '.');
  };
  return !text.empty() && text.size() <= kLongestName && std::all_of(text.begin(), text.end(), allowed) &&
         text.front() != '.' && text.front() != '-' && text.find("..") == std::string_view::npos;
}

/// What git allows in the name of a branch, and no more.
bool is_revision(std::string_view text) {
  const auto allowed = [](char c) { return c > ' ' && c <= '~' && kForbidden.find(c) == std::string_view::npos; };
  return !text.empty() && text.size() <= kLongestRevision && std::all_of(text.begin(), text.end(), allowed) &&
         text.front() != '.' && text.front() != '-' && text.front() != '/' && text.back() != '/' &&
         text.find("..") == std::string_view::npos && text.find("/.") == std::string_view::npos &&
         text.find("//") == std::string_view::npos;
}

std::string below(const Url& endpoint, std::string_view prefix, const Repository& repository) {
  std::string base = endpoint.text;
  while (base.ends_with('/')) base.pop_back();
  return fmt::format("{}/{}{}/{}", base, prefix, percent_encode(repository.organisation),
                     percent_encode(repository.name));
}

}  // namespace

Repository parse_repository(std::string_view text) {
  Repository repository;
  const std::size_t at = text.find('@');
  const std::string_view name = text.substr(0, at);
  const std::size_t slash = name.find('/');
  if (slash == std::string_view::npos || !is_name(name.substr(0, slash)) || !is_name(name.substr(slash + 1))) {
    throw Error("\"{}\" is no name of a model; write ORG/NAME or ORG/NAME@REVISION", printable(text));
  }
  repository.organisation = name.substr(0, slash);
  repository.name = name.substr(slash + 1);
  if (at == std::string_view::npos) return repository;
  repository.revision = text.substr(at + 1);
  if (!is_revision(repository.revision)) {
    throw Error("\"{}\" is no revision; write a branch, a tag or a commit behind the @",
                printable(repository.revision));
  }
  return repository;
}

std::filesystem::path default_folder(const std::filesystem::path& home, const Repository& repository) {
  std::string name = repository.name;
  if (repository.revision != "main") name.append(1, '@').append(percent_encode(repository.revision));
  return home / "gyre" / repository.organisation / name;
}

Url info_url(const Url& endpoint, const Repository& repository) {
  return parse_url(below(endpoint, "api/models/", repository) + "/revision/" + percent_encode(repository.revision),
                   "HF_ENDPOINT");
}

Url tree_url(const Url& endpoint, const Repository& repository, const std::string& commit) {
  return parse_url(below(endpoint, "api/models/", repository) + "/tree/" + commit + "?recursive=true", "HF_ENDPOINT");
}

Url file_url(const Url& endpoint, const Repository& repository, const std::string& commit, const std::string& path) {
  return parse_url(below(endpoint, "", repository) + "/resolve/" + commit + "/" + percent_encode(path, true),
                   "HF_ENDPOINT");
}

void require_success(const HttpAnswer& answer, const HttpClient& client, const Repository& repository) {
  if (answer.success()) return;
  const std::string name = repository.full_name();
  const bool own = same_origin(answer.url, client.endpoint());
  const int status = answer.status;
  // Storage that files are redirected to answers 403 once the signed address is too old: a new one will do.
  if (status == 408 || status == 429 || status >= 500 || (status == 403 && !own)) {
    throw TransientFailure(fmt::format("{}: HTTP {}", answer.url.host, status), answer.retry_after);
  }
  if (status == 401 && client.has_token()) {
    throw Error("{}: HTTP 401, the token is refused; this model is private or gated: check HF_TOKEN and its rights",
                name);
  }
  if (status == 401) {
    throw Error(
        "{}: HTTP 401, no such model, or it is private or gated; check the name, accept its terms and set "
        "HF_TOKEN",
        name);
  }
  if (status == 403) {
    throw Error(
        "{}: HTTP 403, this model is gated or private; accept its terms on its page and set HF_TOKEN to a token "
        "that may read it",
        name);
  }
  if (status == 404 && answer.error_code == "RevisionNotFound") {
    throw Error("{}: revision \"{}\" not found; check the name behind the @", name, repository.revision);
  }
  if (status == 404) {
    throw Error("{}@{}: not found at {}; check the name and the revision", name, repository.revision, answer.url.host);
  }
  throw Error("{}: {} answered HTTP {}; check HF_ENDPOINT", name, answer.url.host, status);
}

}  // namespace gyre
