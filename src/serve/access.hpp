#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace gyre::serve {

/// The keys that open the server. Without any everybody may come in, whatever key they bring.
class ApiKeys {
 public:
  ApiKeys() = default;
  /// One a line; empty lines and those that begin with # are none. Throws Error naming the file when there is none in
  /// it, or one is not of visible ASCII characters.
  static ApiKeys load(const std::filesystem::path& file);

  void add(std::string_view key);
  [[nodiscard]] bool empty() const { return digests_.empty(); }
  /// Takes the same time whichever key is how far right.
  [[nodiscard]] bool opens(std::string_view key) const;

 private:
  std::vector<std::string> digests_;  ///< SHA-256: of one length, and nothing of a key is told by how they differ
};

/// Which pages of other servers may ask this one, by the Origin that browsers send. Those of this machine may.
struct Origins {
  std::vector<std::string> also = {};  ///< "https://chat.example.org", or "*" for all

  [[nodiscard]] bool allowed(std::string_view origin) const;
};

/// Throws Error, led by `where`, when a browser would never send the text as an Origin: "*", "null", or scheme, host
/// and port alone.
void require_origin(const std::string& text, const std::string& where);

/// Whether a page of `origin` came from the very address, of numbers, that `host` asks: it is this server's own. Names
/// are not believed: whoever owns one may point it at this machine.
bool is_own_page(std::string_view origin, std::string_view host);

}  // namespace gyre::serve
