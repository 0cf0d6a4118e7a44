#include "model/families/rotation.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>
#include <optional>
#include <vector>

#include "base/error.hpp"
#include "format/json_object.hpp"

namespace gyre {
namespace {

/// The divisors of wider heads would take memory that nothing in the file justifies.
constexpr int kMostScaledWidth = 1 << 14;

/// What the kinds share.
struct Frequencies {
  double theta;
  int channels;  ///< that turn
  int original;  ///< positions of the training that the kind stretches
  int context;

  [[nodiscard]] double of(int pair) const { return std::pow(theta, -2.0 * pair / channels); }
  [[nodiscard]] int pairs() const { return channels / 2; }
};

/// Low frequencies are divided by `factor`, high ones kept, those between blended: the extended context of Llama 3.1.
std::vector<float> llama3_divisors(const JsonObject& given, const Frequencies& plain, const std::string& place) {
  const double factor = given.number("factor", 1, 1e6);
  const double low = given.number("low_freq_factor", 1e-6, 1e6);
  const double high = given.number("high_freq_factor", 1e-6, 1e6);
  if (high <= low) throw Error("{}: high_freq_factor ({}) must be above low_freq_factor ({})", place, high, low);
  std::vector<float> divisors;
  for (int i = 0; i < plain.pairs(); ++i) {
    const double wavelength = 2 * std::numbers::pi / plain.of(i);
    const double share = std::clamp((plain.original / wavelength - low) / (high - low), 0.0, 1.0);  // 0: scaled
    divisors.push_back(static_cast<float>(1.0 / ((1 - share) / factor + share)));
  }
  return divisors;
}

/// `factor`, or where it is left out what the context grew by.
double factor_of(const JsonObject& given, const Frequencies& plain) {
  if (given.given("factor")) return given.number("factor", 1e-6, 1e6);
  return static_cast<double>(plain.context) / plain.original;
}

/// Channels that turn more than beta_fast times within the original context keep their frequency, those that turn less
/// than beta_slow times are divided, with a ramp between (arXiv 2309.00071).
std::vector<float> yarn_divisors(const JsonObject& given, const Frequencies& plain) {
  const auto beta = [&](const char* key, double otherwise) {
    const double value = given.given(key) ? static_cast<double>(given.number(key, 0, 1e6)) : otherwise;
    return value == 0 ? otherwise : value;
  };
  const auto channel = [&](double turns) {
    return plain.channels * std::log(plain.original / (2 * std::numbers::pi * turns)) / (2 * std::log(plain.theta));
  };
  double low = channel(beta("beta_fast", 32));
  double high = channel(beta("beta_slow", 1));
  if (!given.given("truncate") || given.boolean("truncate")) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, plain.channels - 1.0);
  if (low == high) high += 0.001;
  const double factor = factor_of(given, plain);
  std::vector<float> divisors;
  for (int i = 0; i < plain.pairs(); ++i) {
    const double share = std::clamp((i - low) / (high - low), 0.0, 1.0);  // 0: kept
    divisors.push_back(static_cast<float>(1.0 / ((1 - share) + share / factor)));
  }
  return divisors;
}

/// By how much cosines and sines grow under yarn.
float yarn_scale(const JsonObject& given, const Frequencies& plain) {
  if (given.given("attention_factor")) return given.number("attention_factor", 0, 1e6);
  const double factor = factor_of(given, plain);
  const auto grown = [factor](double by) { return factor <= 1 ? 1.0 : 0.1 * by * std::log(factor) + 1; };
  const auto read = [&](const char* key) { return given.given(key) ? given.number(key, 0, 1e6) : 0.0F; };
  const double one = static_cast<double>(read("mscale"));
  const double all = static_cast<double>(read("mscale_all_dim"));
  return static_cast<float>(one != 0 && all != 0 ? grown(one) / grown(all) : grown(1));
}

/// And under longrope (arXiv 2402.13753).
float longrope_scale(const JsonObject& given, const Frequencies& plain) {
  if (given.given("attention_factor")) return given.number("attention_factor", 0, 1e6);
  const double factor = factor_of(given, plain);
  if (factor <= 1) return 1.0F;
  return static_cast<float>(std::sqrt(1 + std::log(factor) / std::log(static_cast<double>(plain.original))));
}

std::vector<float> factors_of(const JsonObject& given, const char* key, const Frequencies& plain,
                              const std::string& place) {
  std::vector<float> factors;
  for (const nlohmann::json& value : given.array(key)) {
    if (!value.is_number()) throw Error("{}: {} holds something that is no number", place, key);
    factors.push_back(value.get<float>());
  }
  if (factors.size() == static_cast<std::size_t>(plain.pairs())) return factors;
  throw Error("{}: {} has {} numbers; {} channels turn, which takes {}", place, key, factors.size(), plain.channels,
              plain.pairs());
}

/// The keys that a kind reads, besides its name, theta and the part of a head.
struct Kind {
  std::string_view name;
  std::vector<std::string_view> keys;
};
const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all = {
      {"default", {}},
      {"linear", {"factor"}},
      // What it was stretched from is a note there: its own code does not read it.
      {"dynamic", {"factor", "original_max_position_embeddings"}},
      {"llama3", {"factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"}},
      {"yarn",
       {"factor", "attention_factor", "beta_fast", "beta_slow", "mscale", "mscale_all_dim", "truncate",
        "original_max_position_embeddings"}},
      {"longrope", {"factor", "attention_factor", "short_factor", "long_factor", "original_max_position_embeddings"}}};
  return all;
}

/// The kind a dictionary names, none of whose keys may be left unread.
const Kind& kind_of(const JsonObject& given, const nlohmann::json& json, const std::string& place) {
  const std::string name = given.text("rope_type", given.text("type", "default"));
  if (const std::string other = given.text("type", name); other != name) {
    throw Error("{}: rope_type is \"{}\", but type is \"{}\"; give one of them", place, name, other);
  }
  std::string known;
  for (const Kind& kind : kinds()) {
    known += (known.empty() ? "" : ", ") + std::string(kind.name);
    if (kind.name != name) continue;
    for (const auto& [key, value] : json.items()) {
      if (key == "rope_type" || key == "type" || key == "rope_theta" || key == "partial_rotary_factor") continue;
      if (value.is_null() || std::find(kind.keys.begin(), kind.keys.end(), key) != kind.keys.end()) continue;
      throw Error("{}: gyre does not know the key {} for rotations of type \"{}\"; name the type it belongs to", place,
                  nlohmann::json(key).dump(-1, ' ', true), name);
    }
    return kind;
  }
  throw Error("{} is of type \"{}\"; gyre does {}", place, name, known);
}

/// Channels of a head that turn.
int turned_channels(const JsonObject& object, const ModelSpec& spec, PartialRotation partial, int otherwise,
                    const std::string& place) {
  if (!object.given("partial_rotary_factor")) return otherwise;
  const auto share = static_cast<double>(object.number("partial_rotary_factor", 0, 1e6));
  if (share == 1) return spec.head_size;
  if (partial == PartialRotation::refused) {
    throw Error("{}: partial_rotary_factor is set; models of this family turn whole heads", place);
  }
  const int channels = static_cast<int>(spec.head_size * share);
  if (channels >= 2 && channels <= spec.head_size && channels % 2 == 0) return channels;
  throw Error("{}: partial_rotary_factor turns {} channels of {}; gyre turns an even number", place, channels,
              spec.head_size);
}

/// Keys under which the rotation stands: transformers 5 writes rope_parameters, with rope_theta in it, and those before
/// it rope_scaling, which it still prefers.
constexpr const char* kRotationKeys[] = {"rope_scaling", "rope_parameters"};

/// The dictionary under `key`; null when there is none.
const nlohmann::json* dictionary(const nlohmann::json& config, const char* key, const std::string& where) {
  const auto found = config.find(key);
  if (found == config.end() || found->is_null() || found->empty()) return nullptr;
  const JsonObject object(*found, fmt::format("{}: {}", where, key));
  for (const auto& [name, value] : found->items()) {
    if (value.is_object()) {
      throw Error("{}: {}: {} is for some layers only; in this family gyre turns all alike", where, key, name);
    }
  }
  return &*found;
}

}  // namespace

float rotary_theta(const nlohmann::json& config, float otherwise, const std::string& where) {
  std::optional<float> theta;
  const auto read = [&](const JsonObject& object) {
    if (!object.given("rope_theta")) return;
    const float given = object.number("rope_theta", 1, 1e12);
    if (theta && *theta != given) {
      throw Error("{}: rope_theta is given as {} and as {}; which one holds?", where, *theta, given);
    }
    theta = given;
  };
  read(JsonObject(config, where));
  for (const char* const key : kRotationKeys) {
    if (const auto* found = dictionary(config, key, where)) read(JsonObject(*found, fmt::format("{}: {}", where, key)));
  }
  return theta.value_or(otherwise);
}

void read_rotation_of(const nlohmann::json& json, float theta, int original, ModelSpec& spec, const std::string& place,
                      PartialRotation partial) {
  const JsonObject given(json, place);
  const int channels = turned_channels(given, spec, partial, spec.turned_channels(), place);
  spec.rotary_channels = channels == spec.head_size ? 0 : channels;
  spec.rotary_theta = given.given("rope_theta") ? given.number("rope_theta", 1, 1e12) : theta;
  const Kind& kind = kind_of(given, json, place);
  if (kind.name == "default") return;
  if (spec.head_size > kMostScaledWidth) {
    throw Error("{}: heads are {} wide; it is for up to {}", place, spec.head_size, kMostScaledWidth);
  }
  if (original == 0 && given.given("original_max_position_embeddings")) {
    original = given.integer("original_max_position_embeddings", 1, kMostContext);
  }
  const Frequencies plain{static_cast<double>(spec.rotary_theta), channels, original > 0 ? original : spec.context,
                          spec.context};
  if (kind.name == "linear") {
    spec.rotary_divisors.assign(static_cast<std::size_t>(plain.pairs()), given.number("factor", 1e-6, 1e6));
  } else if (kind.name == "llama3") {
    spec.rotary_divisors = llama3_divisors(given, plain, place);
  } else if (kind.name == "yarn") {
    spec.rotary_divisors = yarn_divisors(given, plain);
    spec.rotary_scale = yarn_scale(given, plain);
  } else if (kind.name == "longrope") {
    spec.rotary_divisors = factors_of(given, "short_factor", plain, place);
    spec.rotary_long_divisors = factors_of(given, "long_factor", plain, place);
    spec.rotary_scale = longrope_scale(given, plain);
    spec.rotary_context = plain.original;
  } else {
    spec.rotary_growth = given.number("factor", 1, 1e6);
    spec.rotary_context = spec.context;
    const double grown = std::floor(spec.context * static_cast<double>(spec.rotary_growth));
    spec.context = static_cast<int>(std::min(grown, static_cast<double>(kMostContext)));
  }
}

void read_rotation(const nlohmann::json& config, ModelSpec& spec, const std::string& where, PartialRotation partial,
                   float otherwise) {
  const JsonObject object(config, where);
  const float theta = rotary_theta(config, otherwise, where);
  const int channels = turned_channels(object, spec, partial, spec.head_size, where);
  spec.rotary_channels = channels == spec.head_size ? 0 : channels;
  spec.rotary_theta = theta;
  // Beside the dictionary it counts more than in it.
  const bool beside = object.given("original_max_position_embeddings");
  const int original = beside ? object.integer("original_max_position_embeddings", 1, kMostContext) : 0;
  for (const char* const key : kRotationKeys) {
    if (const auto* found = dictionary(config, key, where)) {
      return read_rotation_of(*found, theta, original, spec, fmt::format("{}: {}", where, key), partial);
    }
  }
}

}  // namespace gyre
