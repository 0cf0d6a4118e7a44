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

/// Beginnings of words that give a specimen away.
constexpr std::array<std::string_view, 7> kSynthetic = {"synthe",   "lab grown",      "laboratory grown", "artificial",
                                                        "man made", "grown in a lab", "grown in the lab"};
constexpr std::array<std::string_view, 6> kMeteoritic = {"meteorite", "chondrit", "pallasite",
                                                         "achondrit", "lunar",    "apollo 1"};

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

template <std::size_t N>
std::string_view word_found(const std::string& plain, const std::array<std::string_view, N>& words) {
  for (const std::string_view word : words) {
    for (std::size_t at = plain.find(word); at != std::string::npos; at = plain.find(word, at + 1)) {
      if (at == 0 || plain[at - 1] == ' ') return word;
    }
  }
  return {};
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
    add(fields[1], {code, false});
    if (fields.size() < 5) continue;
    for (const std::string_view name : split(fields[4], "|")) add(name, {code, false});
  }
}

void Gazetteer::add_places(std::string_view table) {
  for (const std::string_view line : table_lines(table)) {
    const std::vector<std::string_view> fields = split(line, ";");
    if (fields.size() != 2) throw Error("the table of places is broken at \"{}\"; build the program again", line);
    const bool weak = fields[0].starts_with('?');
    std::string code(weak ? fields[0].substr(1) : fields[0]);
    if (code == "-") code.clear();
    if (!code.empty()) static_cast<void>(country(code));
    for (const std::string_view name : split(fields[1], "|")) add(name, {code, weak});
  }
}

const Country& Gazetteer::country(std::string_view code) const {
  const auto found =
      std::find_if(countries_.begin(), countries_.end(), [&](const Country& country) { return country.code == code; });
  if (found == countries_.end()) throw Error("\"{}\" is no ISO 3166 code of a country", code);
  return *found;
}

const Gazetteer::Place* Gazetteer::longest_run(const std::string& part, std::string& name) const {
  const std::vector<std::string_view> words = split(part, " ");
  for (std::size_t length = words.size(); length > 0; --length) {
    for (std::size_t begin = words.size() - length + 1; begin-- > 0;) {
      const std::string_view last = words[begin + length - 1];
      const std::string run(words[begin].begin(), last.end());  // both are views of `part`
      // Two letters inside a text are more often a word than "US" or "UK".
      if (run.size() < 3) continue;
      const auto found = names_.find(run);
      if (found == names_.end()) continue;
      name = run;
      return &found->second;
    }
  }
  return nullptr;
}

Label Gazetteer::locate(std::string_view locality, std::string_view mineral) const {
  const std::string plain = plain_name(locality);
  const std::string plain_mineral = plain_name(mineral);
  for (const std::string* text : {&plain, &plain_mineral}) {
    if (const auto word = word_found(*text, kMeteoritic); !word.empty()) {
      return {Origin::meteorite, "", std::string(word)};
    }
    if (const auto word = word_found(*text, kSynthetic); !word.empty()) {
      return {Origin::synthetic, "", std::string(word)};
    }
  }
  std::vector<std::string> parts;
  for (const std::string_view part : split(locality, ",;()[]/:")) parts.push_back(plain_name(part));
  std::reverse(parts.begin(), parts.end());
  Label weak;
  const auto decide = [&](const Place* place, const std::string& name) {
    if (place == nullptr || place->code.empty()) return false;
    if (place->weak && weak.origin == Origin::unknown) weak = {Origin::country, place->code, name};
    return !place->weak;
  };
  for (const std::string& part : parts) {
    const auto found = names_.find(part);
    if (decide(found == names_.end() ? nullptr : &found->second, part)) {
      return {Origin::country, found->second.code, part};
    }
  }
  for (const std::string& part : parts) {
    std::string name;
    const Place* place = longest_run(part, name);
    if (decide(place, name)) return {Origin::country, place->code, name};
  }
  return weak;
}

}  // namespace gyre::raman
