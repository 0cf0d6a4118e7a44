#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "study/exits/exit_study_files.hpp"
#include "study/html_page.hpp"

namespace gyre {
namespace {

// Pixels.
constexpr double kPlotWidth = 500;
constexpr double kPlotHeight = 344;
constexpr double kLeft = 76;
constexpr double kTop = 60;
constexpr double kBottom = 56;
constexpr double kLegendLine = 19;
constexpr double kEdge = 6;  // what a mark on the edge of the plot may stick out

/// Okabe and Ito's colours, which differ for every kind of eye.
constexpr std::array<const char*, 8> kColours = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                                 "#8d6200", "#56b4e9", "#e69f00", "#4b4f9c"};
/// Of lines, one for each time round the colours; constants have one of their own.
constexpr std::array<const char*, 3> kDashes = {"", "9 3", "2 3"};
constexpr const char* kConstantColour = "#555555";

/// Of marks, about (0, 0).
constexpr std::array<const char*, 7> kSymbols = {"M-3.4,0a3.4,3.4 0 1,0 6.8,0a3.4,3.4 0 1,0 -6.8,0",
                                                 "M-3.2,-3.2h6.4v6.4h-6.4z",
                                                 "M0,-4.2L4.1,3.2H-4.1z",
                                                 "M0,-4.8L3.6,0L0,4.8L-3.6,0z",
                                                 "M-1.3,-4.2h2.6v2.9h2.9v2.6h-2.9v2.9h-2.6v-2.9h-2.9v-2.6h2.9z",
                                                 "M0,4.2L4.1,-3.2H-4.1z",
                                                 "M-4.6,-1.5h9.2v3h-9.2z"};

/// How marks and line of a series look: with another symbol and another dash the second time round the colours.
struct Look {
  const char* colour = "";
  const char* symbol = "";
  const char* dash = "";
};

Look look_of(std::size_t series) {
  return {kColours[series % kColours.size()], kSymbols[(series + series / kColours.size()) % kSymbols.size()],
          kDashes[series / kColours.size() % kDashes.size()]};
}

/// So that it fits beside the plot.
std::string legend_name(const std::string& name) {
  constexpr std::size_t kLongest = 52;
  return name.size() <= kLongest ? name : name.substr(0, kLongest - 3) + "...";
}

double legend_width(const nlohmann::json& fronts) {
  std::size_t longest = std::string_view("constant depths").size();
  for (const nlohmann::json& front : fronts) {
    longest = std::max(longest, legend_name(front["rule"].get<std::string>()).size());
  }
  return 70 + 6.8 * static_cast<double>(longest);
}

/// A step of 1, 2 or 5 times a power of ten that makes four to eight ticks.
double tick_step(double range) {
  const double rough = range / 8;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  for (const double times : {1.0, 2.0, 5.0}) {
    if (times * power >= rough) return times * power;
  }
  return 10 * power;
}

struct Axis {
  double low = 0;
  double high = 1;
  double begin = 0;  ///< in pixels
  double end = 1;

  [[nodiscard]] double at(double value) const { return begin + (end - begin) * (value - low) / (high - low); }
  [[nodiscard]] std::vector<double> ticks() const {
    const double step = tick_step(high - low);
    std::vector<double> places;
    const auto first = static_cast<int>(std::ceil(low / step - 1e-9));
    const auto last = static_cast<int>(std::floor(high / step + 1e-9));
    for (int i = first; i <= last; ++i) places.push_back(i * step);
    return places;
  }
};

/// Loops, and the rise of the loss over full depth with its interval.
struct Mark {
  double loops;
  double rise;
  double low;
  double high;
};

double or_value(const nlohmann::json& number, double value) {
  return number.is_number() && std::isfinite(number.get<double>()) ? number.get<double>() : value;
}

/// Of the trials that have a rise; an interval that is not known has the width 0.
std::vector<Mark> marks_of(const nlohmann::json& trials,
                           const std::function<nlohmann::json(const nlohmann::json&)>& of) {
  std::vector<Mark> marks;
  for (const nlohmann::json& trial : trials) {
    const nlohmann::json rise = of(trial);
    const double value = or_value(rise["value"], NAN);
    if (std::isnan(value)) continue;
    marks.push_back({trial["loops_per_token"], value, or_value(rise["interval_95"][0], value),
                     or_value(rise["interval_95"][1], value)});
  }
  return marks;
}

class Picture {
 public:
  /// `series` is their count, for which there has to be room beside the plot.
  Picture(Axis x, Axis y, double legend_width, std::size_t series)
      : x_(x),
        y_(y),
        width_(kLeft + kPlotWidth + legend_width),
        height_(std::max(kTop + kPlotHeight + kBottom, kTop + kLegendLine * (static_cast<double>(series) + 1.5))) {}

  void draw_titles(const std::string& title, const std::string& below) {
    svg_ += fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:.0f} {1:.0f}\" width=\"{0:.0f}\" "
        "height=\"{1:.0f}\" font-family=\"sans-serif\" font-size=\"12\" role=\"img\" aria-label=\"{3}\">\n"
        "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
        "<clipPath id=\"plot\"><rect x=\"{4}\" y=\"{5}\" width=\"{6}\" height=\"{7}\"/></clipPath>\n"
        "<text x=\"{2}\" y=\"22\" font-size=\"15\" font-weight=\"600\">{3}</text>\n"
        "<text x=\"{2}\" y=\"40\" fill=\"#555\">{8}</text>\n",
        width_, height_, kLeft, html_text(title), kLeft - kEdge, kTop - kEdge, kPlotWidth + 2 * kEdge,
        kPlotHeight + 2 * kEdge, html_text(below));
  }

  void draw_axes(const std::string& up) {
    const double bottom = kTop + kPlotHeight;
    for (const double tick : y_.ticks()) {
      const bool zero = std::abs(tick) < 1e-12;
      svg_ += fmt::format(
          "<line x1=\"{0}\" x2=\"{1}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\" stroke=\"{3}\"/>\n"
          "<text x=\"{4}\" y=\"{5:.1f}\" text-anchor=\"end\">{6:.6g}</text>\n",
          kLeft, kLeft + kPlotWidth, y_.at(tick), zero ? "#999" : "#e4e4e0", kLeft - 9, y_.at(tick) + 4,
          zero ? 0 : tick);
    }
    svg_ += fmt::format("<line x1=\"{0}\" x2=\"{1}\" y1=\"{2}\" y2=\"{2}\" stroke=\"#555\"/>\n", kLeft,
                        kLeft + kPlotWidth, bottom);
    for (const double tick : x_.ticks()) {
      svg_ += fmt::format(
          "<line x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1}\" y2=\"{2}\" stroke=\"#555\"/>\n"
          "<text x=\"{0:.1f}\" y=\"{3}\" text-anchor=\"middle\">{4:g}</text>\n",
          x_.at(tick), bottom, bottom + 5, bottom + 19, tick);
    }
    svg_ += fmt::format(
        "<text x=\"{0}\" y=\"{1}\" text-anchor=\"middle\">loops/token</text>\n"
        "<text transform=\"translate(18 {2}) rotate(-90)\" text-anchor=\"middle\">{3}</text>\n",
        kLeft + kPlotWidth / 2, bottom + 42, kTop + kPlotHeight / 2, html_text(up));
  }

  /// The intervals of `marks` as one area behind what follows.
  void add_band(const std::vector<Mark>& marks, const char* colour) {
    std::string path;
    for (const Mark& mark : marks) path += place(path.empty() ? 'M' : 'L', mark.loops, mark.high);
    for (std::size_t i = marks.size(); i-- > 0;) path += place('L', marks[i].loops, marks[i].low);
    svg_ += fmt::format("<path clip-path=\"url(#plot)\" d=\"{}z\" fill=\"{}\" fill-opacity=\"0.13\"/>\n", path, colour);
  }

  void add(const std::vector<Mark>& marks, const std::string& name, const Look& look, bool whiskers) {
    std::string line;
    svg_ += "<g clip-path=\"url(#plot)\">\n";
    for (const Mark& mark : marks) {
      line += place(line.empty() ? 'M' : 'L', mark.loops, mark.rise);
      if (!whiskers) continue;
      svg_ += fmt::format(
          "<line x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1:.1f}\" y2=\"{2:.1f}\" stroke=\"{3}\" "
          "stroke-opacity=\"0.6\"/>\n",
          x_.at(mark.loops), y_.at(mark.low), y_.at(mark.high), look.colour);
    }
    svg_ += fmt::format("<path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"1.4\" stroke-dasharray=\"{}\"/>\n",
                        line, look.colour, look.dash);
    for (const Mark& mark : marks) draw_symbol(x_.at(mark.loops), y_.at(mark.rise), look);
    svg_ += "</g>\n";
    add_to_legend(name, look);
  }

  [[nodiscard]] std::string text() const { return svg_ + "</svg>\n"; }

 private:
  [[nodiscard]] std::string place(char command, double loops, double rise) const {
    return fmt::format("{}{:.1f},{:.1f}", command, x_.at(loops), y_.at(rise));
  }

  void draw_symbol(double x, double y, const Look& look) {
    svg_ += fmt::format(
        "<path transform=\"translate({:.1f} {:.1f})\" d=\"{}\" fill=\"{}\" stroke=\"#fff\" "
        "stroke-width=\"0.7\"/>\n",
        x, y, look.symbol, look.colour);
  }

  void add_to_legend(const std::string& name, const Look& look) {
    const double left = kLeft + kPlotWidth + 24;
    const double middle = legend_;
    svg_ += fmt::format(
        "<line x1=\"{0}\" x2=\"{1}\" y1=\"{2}\" y2=\"{2}\" stroke=\"{3}\" stroke-width=\"1.4\" "
        "stroke-dasharray=\"{4}\"/>\n"
        "<text x=\"{5}\" y=\"{6}\">{7}</text>\n",
        left, left + 26, middle, look.colour, look.dash, left + 34, middle + 4, html_text(legend_name(name)));
    draw_symbol(left + 13, middle, look);
    legend_ += kLegendLine;
  }

  Axis x_;
  Axis y_;
  double width_;
  double height_;
  std::string svg_;
  double legend_ = kTop + 6;
};

/// What the rises of some series span, 0 among them.
void include(Axis& axis, const std::vector<Mark>& marks) {
  for (const Mark& mark : marks) {
    axis.low = std::min(axis.low, mark.low);
    axis.high = std::max(axis.high, mark.high);
  }
}

/// How the picture is to be read.
std::string line_below(const nlohmann::json& study) {
  const auto units = study["units"].get<std::size_t>();
  if (units < 2) return fmt::format("{} tokens; of a single unit there are no intervals", study["tokens"].dump());
  return fmt::format("{} tokens; paired 95 % bootstrap intervals over {} {}s", study["tokens"].dump(), units,
                     study["unit"].get<std::string>());
}

/// What a picture of fronts shows.
struct Shown {
  std::vector<Mark> constants;
  std::vector<std::pair<std::string, std::vector<Mark>>> fronts;
  std::string up;     ///< what the vertical axis is
  std::string below;  ///< the title
};

std::string draw(const Shown& shown, const nlohmann::json& fronts, const std::string& title) {
  Axis x{shown.constants.front().loops, shown.constants.back().loops, kLeft, kLeft + kPlotWidth};
  Axis y{0, 0, kTop + kPlotHeight, kTop};
  // The shallowest constants may cost so much that nothing else could be told apart: rules set the scale where there
  // are any, and the line of the constants leaves the plot.
  for (const auto& [name, marks] : shown.fronts) include(y, marks);
  if (y.high <= y.low) include(y, shown.constants);
  const double margin = y.high > y.low ? 0.04 * (y.high - y.low) : 1;
  y.low -= margin;
  y.high += margin;
  if (x.high <= x.low) x.high = x.low + 1;
  Picture picture(x, y, legend_width(fronts), shown.fronts.size() + 1);
  picture.draw_titles(title, shown.below);
  picture.draw_axes(shown.up);
  picture.add_band(shown.constants, kConstantColour);
  picture.add(shown.constants, "constant depths", {kConstantColour, kSymbols.front(), "5 3"}, false);
  for (std::size_t i = 0; i < shown.fronts.size(); ++i) {
    picture.add(shown.fronts[i].second, shown.fronts[i].first, look_of(i), true);
  }
  return picture.text();
}

/// The same task of every trial.
nlohmann::json of_task(const nlohmann::json& trials, std::size_t task) {
  nlohmann::json list = nlohmann::json::array();
  for (const nlohmann::json& trial : trials) list.push_back(trial["tasks"][task]);
  return list;
}

}  // namespace

std::string exit_study_svg(const nlohmann::json& study, const std::string& title) {
  Shown shown{{}, {}, "rise of cross-entropy over full depth, nats/token", line_below(study)};
  shown.constants =
      marks_of(study["constants"], [](const nlohmann::json& one) { return one["minus_full_depth"]["cross_entropy"]; });
  for (const nlohmann::json& front : study["fronts"]) {
    shown.fronts.emplace_back(front["rule"], marks_of(front["points"], [](const nlohmann::json& one) {
                                return one["minus"]["full_depth"]["cross_entropy"];
                              }));
  }
  return draw(shown, study["fronts"], title);
}

std::string exit_task_svg(const nlohmann::json& study, std::size_t task, const std::string& title) {
  const nlohmann::json& asked = study["tasks"][task];
  Shown shown{{},
              {},
              fmt::format("rise of the error ({}) over full depth", asked["measure"].get<std::string>()),
              fmt::format("{} items; paired 95 % bootstrap intervals over items", asked["items"].dump())};
  shown.constants = marks_of(of_task(study["constants"], task),
                             [](const nlohmann::json& one) { return one["minus_full_depth"]["error"]; });
  for (const nlohmann::json& front : study["fronts"]) {
    shown.fronts.emplace_back(front["rule"], marks_of(of_task(front["points"], task), [](const nlohmann::json& one) {
                                return one["minus"]["full_depth"]["error"];
                              }));
  }
  return draw(shown, study["fronts"], title);
}

}  // namespace gyre
