#include "hub/url.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <memory>

#include "base/error.hpp"

namespace gyre {
namespace {

struct FreeUrl {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using UrlHandle = std::unique_ptr<CURLU, FreeUrl>;

std::string part_of(CURLU* url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, flags) != CURLUE_OK) return {};
  const std::unique_ptr<char, void (*)(void*)> owner(text, curl_free);
  return owner.get();
}

Url take_apart(CURLU* handle, std::string_view what) {
  Url url;
  url.text = part_of(handle, CURLUPART_URL);
  url.scheme = part_of(handle, CURLUPART_SCHEME);
  url.host = part_of(handle, CURLUPART_HOST);
  std::transform(url.host.begin(), url.host.end(), url.host.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const std::string port = part_of(handle, CURLUPART_PORT, CURLU_DEFAULT_PORT);
  std::from_chars(port.data(), port.data() + port.size(), url.port);
  if (url.scheme != "https" && url.scheme != "http") {
    throw Error("{}: \"{}\" addresses are not for downloads; give https://…", what, url.scheme);
  }
  if (url.scheme == "http" && !url.loopback()) {
    throw Error("{}: http://{} would be read unprotected; only https is allowed, but for this machine's own 127.0.0.1",
                what, url.host);
  }
  return url;
}

void set_or_throw(CURLU* handle, const std::string& text, unsigned flags, std::string_view what) {
  const CURLUcode code = curl_url_set(handle, CURLUPART_URL, text.c_str(), CURLU_DISALLOW_USER | flags);
  if (code == CURLUE_OK) return;
  if (code == CURLUE_USER_NOT_ALLOWED) throw Error("{}: an address with a user name in it is not allowed", what);
  throw Error("{}: not a web address ({}); give https://HOST", what, curl_url_strerror(code));
}

}  // namespace

bool Url::loopback() const { return host == "127.0.0.1" || host == "localhost" || host == "[::1]"; }

bool same_origin(const Url& a, const Url& b) { return a.scheme == b.scheme && a.host == b.host && a.port == b.port; }

Url parse_url(const std::string& text, std::string_view what) {
  const UrlHandle handle(curl_url());
  set_or_throw(handle.get(), text, CURLU_NON_SUPPORT_SCHEME, what);
  return take_apart(handle.get(), what);
}

Url resolve_url(const Url& base, const std::string& reference, std::string_view what) {
  const UrlHandle handle(curl_url());
  set_or_throw(handle.get(), base.text, 0, what);
  // Servers write spaces and letters beyond ASCII into Location as they are.
  set_or_throw(handle.get(), reference, CURLU_NON_SUPPORT_SCHEME | CURLU_URLENCODE, what);
  return take_apart(handle.get(), what);
}

std::string percent_encode(std::string_view text, bool keep_slashes) {
  std::string encoded;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain =
        byte < 0x80 && (std::isalnum(byte) != 0 || std::string_view("-._~").find(c) != std::string::npos);
    if (plain || (c == '/' && keep_slashes)) {
      encoded += c;
    } else {
      encoded += fmt::format("%{:02X}", byte);
    }
  }
  return encoded;
}

}  // namespace gyre
