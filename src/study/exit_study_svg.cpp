#include <algorithm>
#include <array>
#include <cmath>

#include "study/exit_study_files.hpp"

namespace gyre {
namespace {

// Pixels.
constexpr double kWidth = 760;
constexpr double kHeight = 440;
constexpr double kLeft = 72;
constexpr double kRight = 230;  // the legend's
constexpr double kTop = 44;
constexpr double kBottom = 52;

/// Okabe and Ito's colours, which differ for every kind of eye.
constexpr std::array<const char*, 8> kColours = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                                 "#8d6200", "#56b4e9", "#e69f00", "#4b4f9c"};

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '<') {
      out += "&lt;";
    } else if (c == '&') {
      out += "&amp;";
    } else {
      out += c;
    }
  }
  return out;
}

/// A step of 1, 2 or 5 times a power of ten that makes some five ticks.
double tick_step(double range) {
  const double rough = range / 5;
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
    for (double tick = std::ceil(low / step) * step; tick <= high + step * 1e-9; tick += step) places.push_back(tick);
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
  return number.is_number() ? number.get<double>() : value;
}

std::vector<Mark> marks_of(const nlohmann::json& trials,
                           const std::function<nlohmann::json(const nlohmann::json&)>& of) {
  std::vector<Mark> marks;
  for (const nlohmann::json& trial : trials) {
    const nlohmann::json rise = of(trial);
    const double value = rise["value"];
    marks.push_back({trial["loops_per_token"], value, or_value(rise["interval_95"][0], value),
                     or_value(rise["interval_95"][1], value)});
  }
  return marks;
}

class Picture {
 public:
  Picture(Axis x, Axis y, const std::string& title) : x_(x), y_(y) {
    svg_ = fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" "
        "font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"{0}\" height=\"{1}\" fill=\"#fff\"/>\n"
        "<text x=\"{2}\" y=\"24\" font-size=\"14\">{3}</text>\n",
        kWidth, kHeight, kLeft, escaped(title));
    draw_axes();
  }

  void add(const std::vector<Mark>& marks, const std::string& name, const char* colour, bool dashed) {
    std::string path;
    for (const Mark& mark : marks) {
      path += fmt::format("{}{:.1f},{:.1f}", path.empty() ? "M" : "L", x_.at(mark.loops), y_.at(mark.rise));
      svg_ += fmt::format(
          "<line x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1:.1f}\" y2=\"{2:.1f}\" stroke=\"{3}\" stroke-opacity=\"0.6\"/>\n"
          "<circle cx=\"{0:.1f}\" cy=\"{4:.1f}\" r=\"3\" fill=\"{3}\"/>\n",
          x_.at(mark.loops), y_.at(mark.low), y_.at(mark.high), colour, y_.at(mark.rise));
    }
    const std::string dash = dashed ? " stroke-dasharray=\"5 3\"" : "";
    svg_ += fmt::format("<path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"1.5\"{}/>\n", path, colour, dash);
    const double left = kWidth - kRight + 14;
    svg_ += fmt::format(
        "<line x1=\"{0}\" x2=\"{1}\" y1=\"{2}\" y2=\"{2}\" stroke=\"{3}\" stroke-width=\"2\"{4}/>\n"
        "<text x=\"{5}\" y=\"{6}\">{7}</text>\n",
        left, left + 22, legend_ - 4, colour, dash, left + 28, legend_, escaped(name));
    legend_ += 18;
  }

  [[nodiscard]] std::string text() const { return svg_ + "</svg>\n"; }

 private:
  void draw_axes() {
    for (const double tick : x_.ticks()) {
      svg_ += fmt::format("<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{:g}</text>\n", x_.at(tick),
                          kHeight - kBottom + 18, tick);
    }
    for (const double tick : y_.ticks()) {
      const double clean = std::abs(tick) < 1e-12 ? 0 : tick;
      svg_ += fmt::format(
          "<line x1=\"{0}\" x2=\"{1}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\" stroke=\"#e4e4e0\"/>\n"
          "<text x=\"{3}\" y=\"{4:.1f}\" text-anchor=\"end\">{5:.6g}</text>\n",
          kLeft, kWidth - kRight, y_.at(tick), kLeft - 8, y_.at(tick) + 4, clean);
    }
    svg_ += fmt::format(
        "<text x=\"{0}\" y=\"{1}\" text-anchor=\"middle\">loops/token</text>\n"
        "<text transform=\"translate(16 {2}) rotate(-90)\" text-anchor=\"middle\">rise of cross-entropy over full "
        "depth, "
        "nats/token</text>\n",
        (kLeft + kWidth - kRight) / 2, kHeight - 12, (kTop + kHeight - kBottom) / 2);
  }

  Axis x_;
  Axis y_;
  std::string svg_;
  double legend_ = kTop + 8;
};

}  // namespace

std::string exit_study_svg(const nlohmann::json& study, const std::string& title) {
  const std::vector<Mark> constants =
      marks_of(study["constants"], [](const nlohmann::json& one) { return one["minus_full_depth"]["cross_entropy"]; });
  std::vector<std::pair<std::string, std::vector<Mark>>> fronts;
  for (const nlohmann::json& front : study["fronts"]) {
    fronts.emplace_back(front["rule"], marks_of(front["points"], [](const nlohmann::json& one) {
                          return one["minus"]["full_depth"]["cross_entropy"];
                        }));
  }
  Axis x{constants.front().loops, constants.back().loops, kLeft, kWidth - kRight};
  Axis y{0, 0, kHeight - kBottom, kTop};
  // The shallowest constants may cost so much that nothing else could be told apart: rules set the scale where there
  // are any, and a constant is shown as far as it fits.
  const auto include = [&](const std::vector<Mark>& marks) {
    for (const Mark& mark : marks) {
      y.low = std::min(y.low, mark.low);
      y.high = std::max(y.high, mark.high);
    }
  };
  for (const auto& [name, marks] : fronts) include(marks);
  if (fronts.empty()) include(constants);
  y.high += y.high > y.low ? 0.05 * (y.high - y.low) : 1;
  if (x.high <= x.low) x.high = x.low + 1;
  std::vector<Mark> shown;
  for (const Mark& mark : constants) {
    if (mark.rise <= y.high) shown.push_back({mark.loops, mark.rise, mark.low, std::min(mark.high, y.high)});
  }
  Picture picture(x, y, title);
  picture.add(shown, "constant depth", "#555555", true);
  for (std::size_t i = 0; i < fronts.size(); ++i) {
    picture.add(fronts[i].second, fronts[i].first, kColours[i % kColours.size()], i >= kColours.size());
  }
  return picture.text();
}

}  // namespace gyre
