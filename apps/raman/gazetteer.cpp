#include "raman/gazetteer.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstddef>

#include "base/error.hpp"
#include "format/json_object.hpp"
#include "raman/formats.hpp"
#include "text/unicode.hpp"
#include "text/utf8.hpp"

extern "C" {
// Put into the program by the build (cmake/embed.cmake).
extern const char gyre_raman_countries[];  // NOLINT(modernize-avoid-c-arrays)
extern const std::size_t gyre_raman_countries_size;
extern const char gyre_raman_places[];  // NOLINT(modernize-avoid-c-arrays)
extern const std::size_t gyre_raman_places_size;
}

namespace gyre::raman {
namespace {

constexpr EnumName<Origin> kOrigins[] = {{Origin::country, "country"},
                                         {Origin::synthetic, "synthetic"},
                                         {Origin::meteorite, "meteorite"},
                                         {Origin::unknown, "unknown"}};

/// Beginnings of words that say what kind of specimen it is.
struct KindWord {
  std::string_view text;
  Origin origin;
  bool weak;  ///< says it only where the locality names no country
};
constexpr std::array<KindWord, 19> kKindWords = {{{"meteorit", Origin::meteorite, false},
                                                  {"chondrit", Origin::meteorite, false},
                                                  {"achondrit", Origin::meteorite, false},
                                                  {"pallasite", Origin::meteorite, false},
                                                  {"lunar sample", Origin::meteorite, false},
                                                  {"lunar rock", Origin::meteorite, false},
                                                  {"lunar regolith", Origin::meteorite, false},
                                                  {"lunar soil", Origin::meteorite, false},
                                                  {"lunar basalt", Origin::meteorite, false},
                                                  {"lunar", Origin::meteorite, true},
                                                  {"the moon", Origin::meteorite, true},
                                                  {"apollo 1", Origin::meteorite, false},
                                                  {"synthe", Origin::synthetic, false},
                                                  {"lab grown", Origin::synthetic, false},
                                                  {"laboratory grown", Origin::synthetic, false},
                                                  {"artificial", Origin::synthetic, false},
                                                  {"man made", Origin::synthetic, false},
                                                  {"grown in a lab", Origin::synthetic, false},
                                                  {"grown in the lab", Origin::synthetic, false}}};

/// What places are called by, behind the name.
constexpr auto kPlaceNouns = std::to_array<std::string_view>(
    {"alley",   "arm",     "avenue",   "bank",      "bar",      "basin",    "bay",      "beach",     "bend",
     "bight",   "bluff",   "bog",      "boulevard", "bridge",   "brook",    "building", "butte",     "canal",
     "canyon",  "cape",    "cave",     "cavern",    "channel",  "church",   "city",     "claim",     "claims",
     "cliff",   "cliffs",  "cone",     "county",    "court",    "cove",     "crater",   "craters",   "creek",
     "cut",     "dam",     "delta",    "deposit",   "desert",   "diggings", "district", "dome",      "drive",
     "estate",  "falls",   "farm",     "field",     "fjord",    "flat",     "flats",    "forest",    "fork",
     "gap",     "garden",  "glacier",  "glen",      "gorge",    "gulch",    "gulf",     "gully",     "harbor",
     "harbour", "head",    "heights",  "highway",   "hill",     "hills",    "hollow",   "house",     "island",
     "islands", "isle",    "knob",     "lagoon",    "lake",     "lakes",    "lane",     "ledge",     "lode",
     "mesa",    "mill",    "mills",    "mine",      "mines",    "mount",    "mountain", "mountains", "mts",
     "neck",    "nob",     "oasis",    "park",      "pass",     "peak",     "peaks",    "peninsula", "pit",
     "place",   "plain",   "plains",   "plant",     "plateau",  "plaza",    "point",    "pond",      "pool",
     "port",    "prairie", "prospect", "prospects", "province", "quarries", "quarry",   "ranch",     "range",
     "rapids",  "ravine",  "reef",     "reservoir", "ridge",    "river",    "road",     "school",    "shaft",
     "shoal",   "shore",   "slough",   "sound",     "spring",   "springs",  "square",   "station",   "strait",
     "stream",  "street",  "summit",   "swamp",     "terrace",  "town",     "township", "trail",     "tunnel",
     "valley",  "vein",    "village",  "volcano",   "wash",     "way",      "well",     "wells",     "wood",
     "woods",   "works"});
/// Names of places begin with these.
constexpr auto kPlaceFirst = std::to_array<std::string_view>(
    {"camp", "cape", "cerro", "fort", "ft", "isla", "lake", "loch", "monte", "mount", "mt", "point", "port", "rio"});
/// Words that end the name of a kind: what follows them is said of it.
constexpr auto kLinks = std::to_array<std::string_view>(
    {"a", "and", "at", "by", "collected", "fell", "found", "from", "grown", "in", "made", "near", "of", "on", "the"});

template <std::size_t N>
bool among(std::string_view word, const std::array<std::string_view, N>& words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::vector<std::string_view> split(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const std::size_t end = text.find_first_of(separators);
    if (const std::string_view part = trimmed(text.substr(0, end)); !part.empty()) parts.push_back(part);
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return parts;
}

/// The lines of a table that hold something, without comments.
std::vector<std::string_view> table_lines(std::string_view table) {
  std::vector<std::string_view> lines;
  while (!table.empty()) {
    const std::string_view line = trimmed(take_line(table));
    if (!line.empty() && line.front() != '#') lines.push_back(line);
  }
  return lines;
}

/// Letters that no normal form takes apart.
std::string_view plain_letter(char32_t letter) {
  switch (letter) {
    case U'ø':
      return "o";
    case U'ł':
    case U'Ł':
      return "l";
    case U'đ':
      return "d";
    case U'ß':
      return "ss";
    case U'æ':
      return "ae";
    case U'œ':
      return "oe";
    case U'ı':
      return "i";
    default:
      return {};
  }
}

/// Whether the words at `begin` … `end` of a part are the beginning of a place's name: "Lunar | Crater volcanic field".
bool names_a_place(const std::vector<std::string_view>& words, std::size_t begin, std::size_t end) {
  constexpr std::size_t kFarthest = 2;
  if (begin > 0 && among(words[begin - 1], kPlaceFirst)) return true;
  for (std::size_t i = end; i < std::min(words.size(), end + kFarthest); ++i) {
    if (among(words[i], kPlaceNouns)) return true;
    if (among(words[i], kLinks)) return false;
  }
  return false;
}

/// The words of kind that a part holds, but for those that are denied or belong to a name; null when there are none.
const KindWord* kind_in(const std::string& part, bool weak) {
  const std::vector<std::string_view> words = split(part, " ");
  for (const KindWord& kind : kKindWords) {
    if (kind.weak != weak) continue;
    const std::size_t count = static_cast<std::size_t>(std::count(kind.text.begin(), kind.text.end(), ' ')) + 1;
    for (std::size_t begin = 0; begin + count <= words.size(); ++begin) {
      const std::string_view rest(words[begin].begin(), words.back().end());  // both are views of `part`
      if (!rest.starts_with(kind.text) || names_a_place(words, begin, begin + count)) continue;
      if (begin > 0 && (words[begin - 1] == "not" || words[begin - 1] == "non")) continue;
      return &kind;
    }
  }
  return nullptr;
}

/// Whether one of the words stands in the plain text, as whole words.
bool holds_any(const std::string& plain, const std::vector<std::string>& words) {
  const std::string text = " " + plain + " ";
  return std::any_of(words.begin(), words.end(),
                     [&](const std::string& word) { return text.find(" " + word + " ") != std::string::npos; });
}

/// Whether a name inside a part belongs to another: "Little Switzerland", "Gulf of Mexico".
bool follows_another_name(const std::vector<std::string_view>& words, std::size_t begin) {
  constexpr auto kWaters = std::to_array<std::string_view>({"bay", "bight", "gulf", "sea", "strait", "straits"});
  if (begin == 0) return false;
  if (words[begin - 1] == "new" || words[begin - 1] == "little") return true;
  return begin > 1 && words[begin - 1] == "of" && among(words[begin - 2], kWaters);
}

double degrees(std::string_view text) {
  double value = 0;
  const auto [stop, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || stop != text.data() + text.size()) {
    throw Error("the table of countries holds \"{}\" where degrees belong; build the program again", text);
  }
  return value;
}

}  // namespace

std::string_view name_of(Origin origin) { return gyre::name_of<Origin>(kOrigins, origin); }

std::string plain_name(std::string_view text) {
  std::string letters;
  for (const char32_t c : code_points(normalize(as_utf8(text), NormalForm::nfkd))) {
    if (is_nonspacing_mark(c)) continue;
    std::string lower;
    append_lower_case(lower, c);
    const std::string_view plain = plain_letter(code_points(lower).front());
    letters += plain.empty() ? std::string_view(lower) : plain;
  }
  std::string out;
  bool gap = false;
  for (const char c : letters) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '.' || c == '\'' || c == '`') continue;
    if (byte < 0x80 && std::isalnum(byte) == 0) {
      gap = true;
      continue;
    }
    if (gap && !out.empty()) out += ' ';
    gap = false;
    out += c;
  }
  return out;
}

Gazetteer::Gazetteer() {
  add_countries({gyre_raman_countries, gyre_raman_countries_size});
  add_places({gyre_raman_places, gyre_raman_places_size});
}

void Gazetteer::add(std::string_view name, const Place& place) {
  // The first entry holds: a country before a place of the same name.
  names_.try_emplace(plain_name(name), place);
}

void Gazetteer::add_countries(std::string_view table) {
  for (const std::string_view line : table_lines(table)) {
    std::vector<std::string_view> fields = split(line, ";");
    if (fields.size() < 4) throw Error("the table of countries is broken at \"{}\"; build the program again", line);
    const std::string code(fields[0]);
    countries_.push_back({code, std::string(fields[1]), degrees(fields[2]), degrees(fields[3])});
    add(fields[1], {code, false, true});
    if (fields.size() < 5) continue;
    for (const std::string_view name : split(fields[4], "|")) add(name, {code, false, true});
  }
}

void Gazetteer::add_places(std::string_view table) {
  for (const std::string_view line : table_lines(table)) {
    const std::vector<std::string_view> fields = split(line, ";");
    if (fields.size() != 2) throw Error("the table of places is broken at \"{}\"; build the program again", line);
    if (const std::size_t at = fields[0].find('@'); at != std::string_view::npos) {
      Context context{plain_name(fields[0].substr(at + 1)), std::string(trimmed(fields[0].substr(0, at))), {}};
      static_cast<void>(country(context.code));
      for (const std::string_view word : split(fields[1], "|")) context.words.push_back(plain_name(word));
      contexts_.push_back(std::move(context));
      continue;
    }
    const bool weak = fields[0].starts_with('?');
    std::string code(weak ? fields[0].substr(1) : fields[0]);
    if (code == "-") code.clear();
    if (!code.empty()) static_cast<void>(country(code));
    for (const std::string_view name : split(fields[1], "|")) add(name, {code, weak, false});
  }
}

const Country& Gazetteer::country(std::string_view code) const {
  const auto found =
      std::find_if(countries_.begin(), countries_.end(), [&](const Country& country) { return country.code == code; });
  if (found == countries_.end()) throw Error("\"{}\" is no ISO 3166 code of a country", code);
  return *found;
}

Gazetteer::Found Gazetteer::known_run(const std::string& part, bool at_end) const {
  const std::vector<std::string_view> words = split(part, " ");
  for (std::size_t length = words.size(); length > 0; --length) {
    for (std::size_t begin = words.size() - length + 1; begin-- > 0;) {
      const std::size_t end = begin + length;
      if (at_end && end != words.size()) break;
      std::string run(words[begin].begin(), words[end - 1].end());  // both are views of `part`
      // Two letters inside a text are more often a word than "US" or "UK".
      if (run.size() < 3) continue;
      const auto found = names_.find(run);
      if (found == names_.end() || (begin > 0 && follows_another_name(words, begin))) continue;
      const bool of_a_place = found->second.country && end < words.size() && among(words[end], kPlaceNouns);
      if (of_a_place) continue;
      return {&found->second, std::move(run)};
    }
  }
  return {};
}

Label Gazetteer::settle(const Found& found, const std::string& locality) const {
  for (const Context& context : contexts_) {
    if (context.name == found.name && holds_any(locality, context.words)) {
      return {Origin::country, context.code, found.name};
    }
  }
  return {Origin::country, found.place->code, found.name};
}

Label Gazetteer::place_of(std::string_view locality) const {
  const std::string plain = plain_name(locality);
  std::vector<std::string> parts;
  for (const std::string_view part : split(locality, ",;()[]/:")) parts.push_back(plain_name(part));
  std::reverse(parts.begin(), parts.end());
  Label weak;
  const auto decides = [&](const Found& found) {
    if (found.place == nullptr || found.place->code.empty()) return false;
    if (found.place->weak && weak.origin == Origin::unknown) {
      weak = {Origin::country, found.place->code, found.name};
    }
    return !found.place->weak;
  };
  for (const std::string& part : parts) {
    const auto whole = names_.find(part);
    const Found found = whole != names_.end() ? Found{&whole->second, part} : known_run(part, true);
    if (decides(found)) return settle(found, plain);
  }
  for (const std::string& part : parts) {
    if (const Found found = known_run(part, false); decides(found)) return settle(found, plain);
  }
  return weak;
}

Label Gazetteer::locate(std::string_view locality, std::string_view mineral) const {
  std::vector<std::string> parts;
  for (const std::string_view text : {locality, mineral}) {
    for (const std::string_view part : split(text, ",;()[]/:.")) parts.push_back(plain_name(part));
  }
  const auto kind_of = [&](bool weak) {
    for (const std::string& part : parts) {
      if (const KindWord* kind = kind_in(part, weak)) return Label{kind->origin, "", std::string(kind->text)};
    }
    return Label{};
  };
  if (Label kind = kind_of(false); kind.origin != Origin::unknown) return kind;
  if (Label place = place_of(locality); place.origin != Origin::unknown) return place;
  return kind_of(true);
}

}  // namespace gyre::raman
