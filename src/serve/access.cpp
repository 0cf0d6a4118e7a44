#include "serve/access.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <span>
#include <sstream>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/hash.hpp"

namespace gyre::serve {

ApiKeys ApiKeys::load(const std::filesystem::path& file) {
  ApiKeys keys;
  std::istringstream lines(read_text(file));
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty() || line.starts_with('#')) continue;
    const auto visible = [](char c) { return c > ' ' && c < '\x7f'; };
    if (!std::all_of(line.begin(), line.end(), visible)) {
      throw Error("--api-key-file: {}: line {}: a key is made of visible ASCII characters", file.string(), number);
    }
    keys.add(line);
  }
  if (keys.empty()) throw Error("--api-key-file: {} holds no key; write one a line", file.string());
  return keys;
}

void ApiKeys::add(std::string_view key) { digests_.push_back(sha256(std::as_bytes(std::span(key)))); }

bool ApiKeys::opens(std::string_view key) const {
  const std::string given = sha256(std::as_bytes(std::span(key)));
  bool found = digests_.empty();
  for (const std::string& digest : digests_) {
    unsigned difference = 0;
    for (std::size_t i = 0; i < digest.size(); ++i) difference |= static_cast<unsigned>(digest[i] ^ given[i]);
    found |= difference == 0;
  }
  return found;
}

bool Origins::allowed(std::string_view origin) const {
  if (std::any_of(also.begin(), also.end(), [&](const std::string& one) { return one == "*" || one == origin; })) {
    return true;
  }
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!origin.starts_with(scheme)) continue;
    const std::string_view rest = origin.substr(scheme.size());
    for (const std::string_view host : {"localhost", "127.0.0.1", "[::1]"}) {
      if (!rest.starts_with(host)) continue;
      const std::string_view port = rest.substr(host.size());
      const auto digit = [](char c) { return c >= '0' && c <= '9'; };
      if (port.empty() || (port.front() == ':' && std::all_of(port.begin() + 1, port.end(), digit))) return true;
    }
  }
  return false;
}

void require_origin(const std::string& text, const std::string& where) {
  if (text == "*" || text == "null") return;
  const std::size_t scheme = text.find("://");
  const auto fits = [](char c) { return c > ' ' && c < '\x7f' && c != '/' && !(c >= 'A' && c <= 'Z'); };
  const std::string host = scheme == std::string::npos ? "" : text.substr(scheme + 3);
  if (scheme != 0 && !host.empty() && std::all_of(host.begin(), host.end(), fits)) return;
  throw Error("{}: \"{}\" is no origin; give scheme, host and port alone, as https://chat.example.org, or *", where,
              text);
}

bool is_own_page(std::string_view origin, std::string_view host) {
  constexpr std::string_view kScheme = "http://";
  if (!origin.starts_with(kScheme) || origin.substr(kScheme.size()) != host) return false;
  if (host.starts_with('[')) return host.find(']') != std::string_view::npos;
  const std::string address(host.substr(0, host.find(':')));
  in_addr parsed{};
  return ::inet_pton(AF_INET, address.c_str(), &parsed) == 1;
}

}  // namespace gyre::serve
