#pragma once

#include <string>
#include <string_view>

namespace gyre {

/// An absolute http or https address.
struct Url {
  std::string text;    ///< the whole of it
  std::string scheme;  ///< "http" or "https"
  std::string host;    ///< lower case; IPv6 in brackets
  int port = 0;        ///< the scheme's own where none is written

  /// Whether the host is this machine.
  [[nodiscard]] bool loopback() const;
};

/// Whether the two share scheme, host and port: where one's credentials may go, the other's may.
bool same_origin(const Url& a, const Url& b);

/// Takes an address apart. Throws Error, naming `what`, when it is none, holds a user name or a password, or is plain
/// http to another machine.
Url parse_url(const std::string& text, std::string_view what);

/// The address that `reference`, absolute or relative, means on the page `base`; errors as in parse_url.
Url resolve_url(const Url& base, const std::string& reference, std::string_view what);

/// Everything but letters, digits and "-._~" becomes %XX; slashes too, unless they are kept.
std::string percent_encode(std::string_view text, bool keep_slashes = false);

}  // namespace gyre
