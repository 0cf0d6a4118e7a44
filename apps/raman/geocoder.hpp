#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "hub/http.hpp"
#include "hub/retries.hpp"

namespace gyre::raman {

enum class GeocoderKind { nominatim, photon };

struct GeocoderSettings {
  GeocoderKind kind = GeocoderKind::nominatim;
  Url endpoint;                             ///< "https://host" or with a path; /search or /api is added
  std::filesystem::path cache;              ///< JSON file of answers; empty: none is kept
  std::chrono::milliseconds interval{1000}; /**< between requests: public servers allow one a second */
  RetryPolicy retries;
};

/// "nominatim=URL" or "photon=URL". Throws Error, naming `what`, for anything else.
GeocoderSettings parse_geocoder(const std::string& text, const std::string& what);

/// Asks a server of the Nominatim or the Photon protocol for the country of localities. Each question is asked once:
/// answers, also that nothing was found, are kept in the cache file.
class Geocoder {
 public:
  /// Throws Error when the cache file is no cache.
  Geocoder(GeocoderSettings settings, Notice notice);
  /// Saves the cache; a failure to do so is not reported here. `save` reports it.
  ~Geocoder();
  Geocoder(const Geocoder&) = delete;
  Geocoder& operator=(const Geocoder&) = delete;

  /// ISO 3166-1 alpha-2 in capitals, or empty when the server knows no such place. When the whole locality is not
  /// found, its first parts are left out one after the other. Throws Error when the server cannot be asked.
  std::string country_of(const std::string& locality);

  /// Throws Error when the cache cannot be written.
  void save();

  [[nodiscard]] int requests() const { return requests_; }

 private:
  std::string ask(const std::string& query);
  std::string ask_once(const std::string& query);
  void wait_for_turn();

  GeocoderSettings settings_;
  Notice notice_;
  HttpClient client_;
  std::map<std::string, std::string> answers_;
  std::chrono::steady_clock::time_point next_;
  int requests_ = 0;
  bool changed_ = false;
};

}  // namespace gyre::raman
