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

  /// The last part of the locality that is a known name, or ends with one, decides; when none does, the longest known
  /// run of words, the last part first. Names of two countries go by the other words ("Athens, Georgia"). States that
  /// are no more decide only when nothing else does. Words of kind in the locality or the mineral's name, such as
  /// "synthetic" and "meteorite", set specimens apart first, but not as parts of a place's name ("Synthesis Lane").
  [[nodiscard]] Label locate(std::string_view locality, std::string_view mineral = {}) const;

  [[nodiscard]] const std::vector<Country>& countries() const { return countries_; }
  /// Throws Error for a code that is not in the table.
  [[nodiscard]] const Country& country(std::string_view code) const;

 private:
  struct Place {
    std::string code;      ///< empty: no single country
    bool weak = false;     ///< a state that is no more
    bool country = false;  ///< of the table of countries: what is called "Peru mine" is not in Peru
  };
  /// A name that is of another country beside any of these words.
  struct Context {
    std::string name;
    std::string code;
    std::vector<std::string> words;
  };
  struct Found {
    const Place* place = nullptr;
    std::string name;
  };

  void add_countries(std::string_view table);
  void add_places(std::string_view table);
  void add(std::string_view name, const Place& place);
  /// The longest known run of the words of a plain part; those at its end alone with `at_end`.
  [[nodiscard]] Found known_run(const std::string& part, bool at_end) const;
  [[nodiscard]] Label place_of(std::string_view locality) const;
  /// The country of a found name, by what else the locality says.
  [[nodiscard]] Label settle(const Found& found, const std::string& locality) const;

  std::vector<Country> countries_;
  std::map<std::string, Place, std::less<>> names_;  ///< by plain name
  std::vector<Context> contexts_;                    ///< the first that fits holds
};

}  // namespace gyre::raman
