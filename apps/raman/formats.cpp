#include "raman/formats.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <optional>

#include "raman/infrared.hpp"
#include "raman/table.hpp"

namespace gyre::raman {
namespace {

std::string upper(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::toupper(c); });
  return out;
}

/// What a column holds, by its name.
enum class Quantity { unnamed, shift, wavenumber, wavelength, index, intensity, corrected, aside, foreign };

Quantity quantity_of(std::string_view cell) {
  const std::string name = lowered(as_utf8(cell));
  if (of_other_technique(name)) return Quantity::foreign;
  if (holds(name, {"dark sub", "dark-sub", "darksub", "dark_sub", "corrected", "processed"}))
    return Quantity::corrected;
  if (holds(name, {"dark", "reference", "background", "baseline", "error", "sigma", "std", "fehler", "uncert",
                   "deviation", "irradiance", "time"})) {
    return Quantity::aside;
  }
  if (holds(name, {"intens", "count", "signal", "cps", "raw", "a.u.", "arb", "amplitude"}) || holds_word(name, {"y"})) {
    return Quantity::intensity;
  }
  const bool per_centimetre = holds(name, {"cm-1", "cm^-1", "1/cm", "cm\u207b", "cm\u2212", "cm^{-1}", "rcm"});
  const bool shift = holds(name, {"shift", "verschiebung", "d\u00e9calage", "desplaz", "spostam"});
  if (shift && !per_centimetre && holds_word(name, {"nm"})) return Quantity::foreign;
  if (shift || name == "raman") return Quantity::shift;
  if (nanometres_in(name) > 0) return Quantity::wavelength;
  if (per_centimetre || name == "wave" || name == "#wave" ||
      holds(name, {"wavenumber", "wave number", "wellenzahl", "nombre d'onde", "mero de onda", "numero d'onda"})) {
    return Quantity::wavenumber;
  }
  if (holds(name, {"pixel", "index", "channel"}) || holds_word(name, {"point", "no", "nr", "row", "id"}) ||
      name == "#") {
    return Quantity::index;
  }
  return Quantity::unnamed;
}

/// A line of names or units: no cell begins as a number does, but "1/cm".
bool holds_names(const std::vector<std::string_view>& cells) {
  bool letters = false;
  for (const std::string_view cell : cells) {
    const bool digit = !cell.empty() && std::isdigit(static_cast<unsigned char>(cell.front())) != 0;
    if (digit && !cell.starts_with("1/")) return false;
    letters = letters ||
              std::any_of(cell.begin(), cell.end(), [](unsigned char c) { return std::isalpha(c) != 0 || c >= 0x80; });
  }
  return letters;
}

/// Whether a line gives units to the names above it: "1/cm; counts".
bool holds_units(const std::vector<std::string_view>& cells) {
  constexpr auto kUnits = std::to_array<std::string_view>(
      {"",    "nm",  "um",   "1/cm",       "cm-1", "cm^-1", "a.u.", "a.u", "au",      "counts",        "cnt",
       "cts", "arb", "arb.", "arb. units", "cps",  "none",  "px",   "-",   "\u00b5m", "cm\u207b\u00b9"});
  return std::all_of(cells.begin(), cells.end(), [&](std::string_view cell) {
    std::string unit = lowered(cell);
    std::erase_if(unit, [](char c) { return c == '(' || c == ')' || c == '[' || c == ']'; });
    return std::find(kUnits.begin(), kUnits.end(), trimmed(unit)) != kUnits.end();
  });
}

/// The names of the columns `used`; empty ones where the lines above the rows do not tell.
std::vector<std::string> column_names(const Table& table, const std::vector<std::size_t>& used) {
  std::vector<std::string> units(used.size());
  bool near = true;  // only numbers, units and empty lines stand between this line and the rows
  for (std::size_t line = table.rows[table.first]; line-- > 0;) {
    std::string_view text = trimmed(table.lines[line]);
    const bool letters = std::any_of(text.begin(), text.end(), [](unsigned char c) { return std::isalnum(c) != 0; });
    if (!letters || looks_like_numbers(text)) continue;
    if (text.starts_with('#') && text.find_first_not_of("# \t") != std::string_view::npos) {
      text.remove_prefix(text.find_first_not_of("# \t"));
    }
    bool of_units = false;
    for (const char separator : {table.dialect.separator, ';', '\t', ',', ' '}) {
      std::vector<std::string_view> cells = cut(text, separator);
      if (cells.size() == table.width) {
        std::vector<std::string_view> kept;
        for (const std::size_t column : used) kept.push_back(cells[column]);
        cells = kept;
      } else {
        std::erase_if(cells, [](std::string_view cell) { return cell.empty(); });
      }
      if (cells.size() != used.size() || !holds_names(cells)) continue;
      std::vector<std::string> names;
      bool known = false;
      for (std::size_t i = 0; i < cells.size(); ++i) {
        known = known || quantity_of(cells[i]) != Quantity::unnamed;
        names.push_back(as_utf8(cells[i]) + (units[i].empty() ? "" : " " + units[i]));
      }
      if (near && holds_units(cells) && line > 0) {
        units = names;
        of_units = true;
        break;
      }
      if (near || (known && used.size() > 2)) return names;
    }
    if (near && used.size() == 2 && (nanometres_in(text) > 0 || of_other_technique(text)) && laser_stated(text) == 0) {
      throw RejectedSpectrum{Rejection::not_raman,
                             fmt::format("the heading is not of Raman shifts, {}", table.quoted(line))};
    }
    near = near && of_units;
  }
  return units;
}

[[noreturn]] void reject_columns(const std::vector<std::string>& names, std::string_view why) {
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + (name.empty() ? "(unnamed)" : name);
  throw RejectedSpectrum{Rejection::unclear_columns,
                         fmt::format("{}; the {} columns are: {}", why, names.size(), list.substr(0, 200))};
}

/// Where shift and intensity stand.
struct Columns {
  std::size_t x;
  std::size_t y;
  double nanometres;  ///< of one unit of x when it is a wavelength; 0: it is a shift
  std::string x_name;
};

/// The only column of the first of these quantities that occurs; none when there is no such.
std::optional<std::size_t> only(const std::vector<Quantity>& have, std::initializer_list<Quantity> wanted,
                                const std::vector<std::string>& names, std::string_view what) {
  for (const Quantity quantity : wanted) {
    const auto count = std::count(have.begin(), have.end(), quantity);
    if (count > 1) reject_columns(names, fmt::format("more than one column may be {}", what));
    if (count == 1) return static_cast<std::size_t>(std::find(have.begin(), have.end(), quantity) - have.begin());
  }
  return {};
}

Columns choose_columns(const Table& table) {
  std::vector<std::size_t> used;
  for (std::size_t c = 0; c < table.width; ++c) {
    bool empty = true;
    for (std::size_t row = table.first; empty && row < table.rows.size(); ++row) empty = std::isnan(table.cell(row, c));
    if (!empty) used.push_back(c);
  }
  const std::vector<std::string> names = column_names(table, used);
  std::vector<Quantity> have;
  for (const std::string& name : names) have.push_back(quantity_of(name));
  const bool foreign = std::count(have.begin(), have.end(), Quantity::foreign) > 0;
  using Q = Quantity;
  auto x = only(have, {Q::shift, Q::wavenumber, Q::wavelength}, names, "the shift");
  auto y = only(have, {Q::corrected, Q::intensity}, names, "the intensity");
  if (foreign && (used.size() == 2 || !x || !y)) {
    throw RejectedSpectrum{Rejection::not_raman,
                           fmt::format("the columns are {}, which no Raman spectrum has", fmt::join(names, ", "))};
  }
  if (used.size() == 2) {
    if (!x) x = y && *y == 0 ? 1 : 0;
    const Q kind = have[*x];
    if (kind == Q::index || kind == Q::aside || kind == Q::intensity) reject_columns(names, "no column holds shifts");
    y = 1 - *x;
  }
  if (x && !y) y = only(have, {Q::unnamed}, names, "the intensity");
  if (!x || !y || *x == *y) reject_columns(names, "which columns are shift and intensity is not told");
  const double nanometres = have[*x] == Q::wavelength ? nanometres_in(names[*x]) : 0;
  return {used[*x], used[*y], nanometres, names[*x]};
}

/// The rows with the longest run of shifts that go one way; `left` receives the lines of the others.
std::pair<std::size_t, std::size_t> longest_run(const Table& table, const std::vector<std::size_t>& rows, std::size_t x,
                                                std::vector<std::size_t>& left) {
  std::size_t best = 0;
  std::size_t best_end = std::min<std::size_t>(rows.size(), 1);
  std::size_t begin = 0;
  int way = 0;
  for (std::size_t i = 1; i < rows.size(); ++i) {
    const double step = table.cell(rows[i], x) - table.cell(rows[i - 1], x);
    const int turn = step > 0 ? 1 : (step < 0 ? -1 : 0);
    if (turn != 0 && way != 0 && turn != way) {
      begin = i - 1;  // the point at which it turns may belong to what follows
      way = turn;
    } else if (turn != 0) {
      way = turn;
    }
    if (i + 1 - begin > best_end - best) {
      best = begin;
      best_end = i + 1;
    }
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    // A lone pair ahead of the run is part of a heading.
    if ((i < best && best > 1) || i >= best_end) left.push_back(table.rows[rows[i]]);
  }
  return {best, best_end};
}

void set_header(Spectrum& spectrum, const std::string& key, std::string_view value) {
  std::string text = as_utf8(trimmed(value));
  if (key == "NAMES" || key == "NAME")
    spectrum.mineral = std::move(text);
  else if (key == "RRUFFID")
    spectrum.specimen = std::move(text);
  else if (key == "LOCALITY")
    spectrum.locality = std::move(text);
  else if (key == "STATUS")
    spectrum.status = std::move(text);
  else if (const double laser = laser_stated(fmt::format("laser {} {}", key, text));
           laser > 0 && (key.find("LASER") != std::string::npos || key.find("WAVELENGTH") != std::string::npos))
    spectrum.laser = laser;
}

}  // namespace

Spectrum read_rruff(std::string_view text, bool infrared) {
  Spectrum spectrum;
  if (infrared) spectrum.technique = Technique::infrared;
  std::string ordinate;
  std::string_view body = text;
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view line = trimmed(take_line(rest));
    if (!line.starts_with("##")) continue;
    const std::size_t equals = line.find('=');
    const std::string key = upper(trimmed(line.substr(2, equals == std::string_view::npos ? equals : equals - 2)));
    if (key == "END") {
      body = text.substr(0, static_cast<std::size_t>(line.data() - text.data()));
      break;
    }
    if (equals == std::string_view::npos) continue;
    set_header(spectrum, key, line.substr(equals + 1));
    if (key == "YUNITS") ordinate = as_utf8(trimmed(line.substr(equals + 1)));
  }
  const Table table = read_table(body);
  constexpr std::string_view kWanted = "a pair of numbers";
  if (table.width > 2) {
    throw RejectedSpectrum{Rejection::bad_numbers, fmt::format("{} columns stand where shift and intensity belong, {}",
                                                               table.width, table.quoted(table.rows[table.first]))};
  }
  require_mostly_rows(table, {}, kWanted);
  if (table.rows.empty() && table.others.size() >= kFewestPoints) {
    throw RejectedSpectrum{Rejection::bad_numbers,
                           fmt::format("no line is {}, the first is {}", kWanted, table.quoted(table.others.front()))};
  }
  for (std::size_t row = table.first; row < table.rows.size(); ++row) {
    spectrum.shifts.push_back(table.cell(row, 0));
    spectrum.intensities.push_back(table.cell(row, 1));
  }
  if (infrared && !ordinate.empty()) make_absorbances(spectrum.intensities, ordinate);
  settle_points(spectrum);
  return spectrum;
}

Spectrum read_columns(std::string_view text) {
  const Table table = read_table(text);
  if (table.rows.empty()) {
    require_mostly_rows(table, {}, "a row of numbers");
    throw RejectedSpectrum{Rejection::unknown_format, "no line holds two numbers"};
  }
  const Columns columns = choose_columns(table);
  Spectrum spectrum;
  for (std::size_t line = 0; line < table.rows[table.first] && spectrum.laser == 0; ++line) {
    spectrum.laser = laser_stated(table.lines[line]);
  }
  std::vector<std::size_t> rows;
  for (std::size_t row = table.first; row < table.rows.size(); ++row) {
    if (!std::isnan(table.cell(row, columns.x)) && !std::isnan(table.cell(row, columns.y))) rows.push_back(row);
  }
  std::vector<std::size_t> left;
  const auto [begin, end] = longest_run(table, rows, columns.x, left);
  require_mostly_rows(table, left, "rows of numbers whose shifts go one way");
  for (std::size_t i = begin; i < end; ++i) {
    spectrum.shifts.push_back(table.cell(rows[i], columns.x));
    spectrum.intensities.push_back(table.cell(rows[i], columns.y));
  }
  if (columns.nanometres > 0) {
    if (spectrum.laser == 0) {
      throw RejectedSpectrum{Rejection::not_raman, fmt::format("the axis is a wavelength ({}), and no line above it "
                                                               "states the laser's, so that there are no Raman shifts",
                                                               columns.x_name)};
    }
    make_shifts(spectrum.shifts, columns.nanometres, spectrum.laser);
  }
  settle_points(spectrum);
  return spectrum;
}

Spectrum read_spectrum(std::string_view bytes, const ReadOptions& options) {
  if (bytes.size() > kMostBytes) {
    throw RejectedSpectrum{Rejection::too_large, fmt::format("{} bytes; {} are the most", bytes.size(), kMostBytes)};
  }
  const std::string text = text_in(bytes);
  const std::string head = upper(std::string_view(text).substr(0, 4096));
  if (head.find("##JCAMP") != std::string::npos) return read_jcamp(text, options.infrared);
  const bool rruff = head.find("##RRUFFID") != std::string::npos || head.find("##NAMES") != std::string::npos;
  if (!rruff && (head.find("##XYDATA") != std::string::npos || head.find("##XYPOINTS") != std::string::npos)) {
    return read_jcamp(text, options.infrared);
  }
  const std::string sign = sign_of_infrared(text, options.name);
  if (!sign.empty() && !options.infrared) reject_infrared(sign);
  if (rruff || text.starts_with("##")) return read_rruff(text, !sign.empty());
  if (!sign.empty()) {
    throw RejectedSpectrum{
        Rejection::not_raman,
        fmt::format("{}, and it is a table; infrared spectra are read from RRUFF text and JCAMP-DX", sign)};
  }
  return read_columns(text);
}

}  // namespace gyre::raman
