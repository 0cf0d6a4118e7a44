#include <algorithm>
#include <cmath>

#include "base/error.hpp"
#include "text/utf8.hpp"
#include "tune/rewards/kinds.hpp"

namespace gyre {
namespace {

enum class LengthUnit { tokens, characters };

constexpr EnumName<LengthUnit> kUnits[] = {{LengthUnit::tokens, "tokens"}, {LengthUnit::characters, "characters"}};
constexpr int kMany = 1'000'000'000;

double characters_of(std::string_view text) {
  double count = 0;
  for (; !text.empty(); ++count) text.remove_prefix(read_utf8(text).length);
  return count;
}

double length_of(const RewardItem& item, LengthUnit unit) {
  return unit == LengthUnit::tokens ? item.tokens : characters_of(item.completion);
}

/// 1 inside [least, most]; outside it falls by 1/width a unit, down to 0.
double inside(double length, double least, double most, double width) {
  return std::max(0.0, 1 - std::max({0.0, least - length, length - most}) / width);
}

/// e^(−|ln(length / wanted)|): the smaller of the two as a share of the larger.
double alike(double length, double wanted) {
  return length == 0 || wanted == 0 ? 0 : std::exp(-std::abs(std::log(length / wanted)));
}

RewardFunction make_range(const JsonObject& object, const std::string& where) {
  const int least = object.integer("min", 0, kMany, 0);
  const int most = object.integer("max", 1, kMany);
  if (least > most) throw Error("{}: min ({}) is above max ({}); swap them", where, least, most);
  const int width = object.integer("width", 1, kMany, std::max(1, most));
  const auto unit = object.choice<LengthUnit>("unit", kUnits, LengthUnit::tokens);
  return [=](std::span<const RewardItem> items) {
    std::vector<double> rewards;
    for (const RewardItem& item : items) rewards.push_back(inside(length_of(item, unit), least, most, width));
    return rewards;
  };
}

RewardFunction make_reference(const JsonObject& object) {
  const std::string column = object.text("column");
  return [column](std::span<const RewardItem> items) {
    std::vector<double> rewards;
    for (std::size_t i = 0; i < items.size(); ++i) {
      rewards.push_back(alike(characters_of(items[i].completion), characters_of(column_text(items[i], column, i))));
    }
    return rewards;
  };
}

}  // namespace

RewardKind length_reward() {
  return {"length",
          "1 inside min … max tokens (or characters), falling to 0 over `width` more; with `column`, "
          "exp(-|ln(characters / characters of that column)|)",
          {"min", "max", "width", "unit", "column"},
          [](const RewardOptions& options, const RewardTools&) -> RewardFunction {
            const JsonObject& object = options.object;
            if (!object.has("column")) {
              if (!object.has("max")) throw Error("{}: give \"max\" (and \"min\"), or a \"column\"", options.where);
              return make_range(object, options.where);
            }
            for (const char* key : {"min", "max", "width", "unit"}) {
              if (object.has(key)) throw Error("{}: {} does not go with \"column\"; leave one out", options.where, key);
            }
            return make_reference(object);
          }};
}

}  // namespace gyre
