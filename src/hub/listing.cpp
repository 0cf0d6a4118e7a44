#include "hub/listing.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "format/json_object.hpp"
#include "hub/paths.hpp"

namespace gyre {
namespace {

using nlohmann::json;

/// A page of 1000 files takes some 0.3 MB.
constexpr std::size_t kLargestPage = std::size_t{16} << 20;
constexpr std::size_t kMostFiles = 100'000;
constexpr std::size_t kMostPages = 1000;
constexpr int kDeepest = 32;

bool is_hex(const std::string& text, std::size_t digits) {
  return text.size() == digits &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

json parse(const std::string& text, const std::string& where) {
  const json::parser_callback_t bounded = [&](int depth, json::parse_event_t /*event*/, json& /*parsed*/) {
    if (depth > kDeepest) throw Error("{}: the answer is nested too deep to be a hub's", where);
    return true;
  };
  try {
    return json::parse(text, bounded);
  } catch (const json::exception&) {
    throw Error("{}: the answer is not JSON; check that HF_ENDPOINT is a hub", where);
  }
}

struct Page {
  json content;
  std::string link;
  Url url;  ///< after redirects: what the link is relative to
};

Page read_page(HttpClient& client, const Repository& repository, const Url& url, const RetryPolicy& policy,
               const Notice& notice) {
  for (Retries retries(policy, notice);;) {
    std::string text;
    BodyHandler body;
    body.write = [&](std::span<const std::byte> bytes) {
      if (text.size() + bytes.size() > kLargestPage) {
        throw Error("{}: the answer is larger than {} MiB; check that HF_ENDPOINT is a hub", url.host,
                    kLargestPage >> 20);
      }
      text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    };
    try {
      const HttpAnswer answer = client.get(url, {"Accept: application/json"}, body);
      require_success(answer, client, repository);
      return {parse(text, url.host), answer.link, answer.url};
    } catch (const TransientFailure& failure) {
      retries.wait_after(failure);
    }
  }
}

std::int64_t read_size(const json& object, const std::string& where) {
  constexpr std::uint64_t kLargest = std::uint64_t{1} << 53;
  const auto found = object.find("size");
  if (found == object.end() || !found->is_number_unsigned() || found->get<std::uint64_t>() > kLargest) {
    throw Error("{}: size must be a number of bytes", where);
  }
  return found->get<std::int64_t>();
}

RemoteFile read_file(const json& entry, const std::string& path, const std::string& where) {
  RemoteFile file;
  file.path = path;
  const auto lfs = entry.find("lfs");
  const bool large = lfs != entry.end() && !lfs->is_null();
  const json& content = large ? *lfs : entry;
  const JsonObject object(content, where);
  file.digest = {large ? DigestKind::sha256 : DigestKind::git_blob, object.text("oid")};
  if (!is_hex(file.digest.hex, digits_of(file.digest.kind))) {
    throw Error("{}: oid is no {} digest", where, name_of(file.digest.kind));
  }
  file.size = read_size(content, where);
  return file;
}

void read_entries(const json& content, const std::string& host, std::vector<RemoteFile>& files) {
  if (!content.is_array()) throw Error("{}: expected a list of files, found {}", host, content.type_name());
  for (const json& entry : content) {
    const JsonObject object(entry, fmt::format("{}: the list of files", host));
    const std::string path = object.text("path");
    require_safe_path(path, host);
    if (object.text("type") != "file") continue;
    if (files.size() >= kMostFiles) throw Error("{}: lists more than {} files", host, kMostFiles);
    files.push_back(read_file(entry, path, fmt::format("{}: {}", host, path)));
  }
}

}  // namespace

std::string next_page(const std::string& link) {
  for (std::size_t open = link.find('<'); open != std::string::npos; open = link.find('<', open + 1)) {
    const std::size_t close = link.find('>', open);
    if (close == std::string::npos) return {};
    const std::string parameters = link.substr(close, link.find('<', close) - close);
    if (parameters.find("rel=\"next\"") != std::string::npos || parameters.find("rel=next") != std::string::npos) {
      return link.substr(open + 1, close - open - 1);
    }
    open = close;
  }
  return {};
}

Listing list_files(HttpClient& client, const Repository& repository, const RetryPolicy& policy, const Notice& notice) {
  const Page info = read_page(client, repository, info_url(client.endpoint(), repository), policy, notice);
  Listing listing;
  listing.commit = JsonObject(info.content, info.url.host).text("sha");
  if (!is_hex(listing.commit, digits_of(DigestKind::git_blob))) {
    throw Error("{}: sha is no commit; check that HF_ENDPOINT is a hub", info.url.host);
  }
  std::set<std::string> seen;
  for (Url url = tree_url(client.endpoint(), repository, listing.commit);;) {
    if (!seen.insert(url.text).second || seen.size() > kMostPages) {
      throw Error("{}: the pages of its list of files do not end", url.host);
    }
    const Page page = read_page(client, repository, url, policy, notice);
    read_entries(page.content, page.url.host, listing.files);
    const std::string next = next_page(page.link);
    if (next.empty()) break;
    url = resolve_url(page.url, next, fmt::format("the next page of {}", page.url.host));
  }
  std::set<std::string> paths;
  for (const RemoteFile& file : listing.files) {
    if (!paths.insert(file.path).second) throw Error("{}: lists {} twice", repository.full_name(), file.path);
  }
  return listing;
}

}  // namespace gyre
