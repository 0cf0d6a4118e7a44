#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace gyre::raman {

struct Country {
  std::string code;  ///< ISO 3166-1 alpha-2
  std::string name;
  double latitude;  ///< degrees, of about its middle
  double longitude;
};

/// What a locality tells about where a specimen comes from.
enum class Origin { country, synthetic, meteorite, unknown };

std::string_view name_of(Origin origin);

struct Label {
  Origin origin = Origin::unknown;
  std::string country;  ///< ISO 3166-1 alpha-2 where the origin is a country
  std::string because;  ///< the name or word that decided
};

/// Lower case without accents, dots and punctuation, words between single blanks: the form in which names are compared.
std::string plain_name(std::string_view text);

/// Finds the country of a locality by tables of names (countries.txt, places.txt), which are part of the program.
class Gazetteer {
 public:
  Gazetteer();

  /// The last part of the locality that is a known name as a whole decides; when none is, the longest known run of
  /// words, the last part first. States that are no more decide only when nothing else does. Words of the locality or
  /// of the mineral's name set synthetic and meteoritic specimens apart.
  [[nodiscard]] Label locate(std::string_view locality, std::string_view mineral = {}) const;

  [[nodiscard]] const std::vector<Country>& countries() const { return countries_; }
  /// Throws Error for a code that is not in the table.
  [[nodiscard]] const Country& country(std::string_view code) const;

 private:
  struct Place {
    std::string code;  ///< empty: no single country
    bool weak;         ///< a state that is no more
  };

  void add_countries(std::string_view table);
  void add_places(std::string_view table);
  void add(std::string_view name, const Place& place);
  [[nodiscard]] const Place* longest_run(const std::string& part, std::string& name) const;

  std::vector<Country> countries_;
  std::map<std::string, Place, std::less<>> names_;  ///< by plain name
};

}  // namespace gyre::raman
