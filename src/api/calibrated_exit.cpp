#include "api/calibrated_exit.hpp"

#include <array>

#include "api/learned_exit.hpp"
#include "base/error.hpp"
#include "format/json_object.hpp"
#include "model/number_types.hpp"

namespace gyre {
namespace {

constexpr std::string_view kPrefix = "calibrated:";
constexpr std::string_view kAlso = "calibrated:FILE";  ///< of messages that list what may stand here

struct Condition {
  std::string_view key;
  std::string_view name;
  std::string_view mend;
};
constexpr std::array<Condition, 9> kConditions = {{
    {"model_sha256", "the weights' SHA-256", "take the model it was calibrated for"},
    {"weights", "the type of the weights", "run with --weights as it was calibrated"},
    {"groups", "the stack of groups", "loop the layers it was calibrated with"},
    {"loops", "the loops of the groups", "run with --loops as it was calibrated"},
    {"kv_policy", "the KV policy", "run with --kv as it was calibrated"},
    {"kv_type", "the KV type", "run with --kv-type as it was calibrated"},
    {"first_state", "the first state", "run with --first-state as it was calibrated"},
    {"test_noise", "the noise", "run with --test-noise as it was calibrated"},
    {"exit_heads", "the SHA-256 of what gyre train-exit learned", "take the head it was calibrated with"},
}};

bool is_calibrated(const std::string& text) { return text.starts_with(kPrefix); }

/// What a file of `gyre calibrate` holds that a run needs.
struct CalibratedRule {
  std::string exit;
  nlohmann::json conditions;
};

CalibratedRule read_calibrated(const std::string& text) {
  const std::string file = text.substr(kPrefix.size());
  if (file.empty()) throw Error("exit {}: the file is missing; write calibrated:FILE, FILE of gyre calibrate", text);
  const nlohmann::json json = load_json(file);
  if (!json.is_object() || !json.contains(kCalibrationKey)) {
    throw Error("exit {}: {} is no file of gyre calibrate; write one with gyre calibrate --out", text, file);
  }
  const JsonObject object(json, file);
  (void)object.integer(kCalibrationKey, kCalibrationVersion, kCalibrationVersion);
  (void)object.object("holds_for");
  return {object.text("exit"), json.at("holds_for")};
}

std::string shown(const nlohmann::json& conditions, std::string_view key) {
  if (!conditions.contains(key)) return "unknown";
  const nlohmann::json& value = conditions.at(key);
  if (key == "groups") return fmt::format("one of {} groups", value.size());  // what loops, the loops themselves say
  return value.is_string() ? value.get<std::string>() : value.dump();
}

}  // namespace

nlohmann::json calibrated_conditions(const Model& model, const RunSettings& settings, const ExitChoice& rule) {
  nlohmann::json conditions = {{"model_sha256", model.hash()},
                               {"weights", number_types(model).at("weights")},
                               {"groups", to_json(model.spec()).at("groups")},
                               {"loops", settings.loops},
                               {"kv_policy", name_of(settings.kv)},
                               {"kv_type", name_of(settings.kv.type)},
                               {"first_state", name_of(settings.first_state)},
                               {"test_noise", name_of(settings.test_noise)}};
  for (const ExitHead* const head : heads_of(rule)) conditions["exit_heads"].push_back(head->sha256);
  return conditions;
}

ExitChoice exit_for(const std::string& text, const Model& model, const RunSettings& settings) {
  if (!is_calibrated(text)) {
    ExitChoice choice = parse_exit(text, kAlso);
    require_heads_fit(choice, model);
    return choice;
  }
  const CalibratedRule calibrated = read_calibrated(text);
  ExitChoice choice = parse_exit(calibrated.exit);
  const nlohmann::json here = calibrated_conditions(model, settings, choice);
  for (const Condition& condition : kConditions) {
    const auto of = [&](const nlohmann::json& json) {
      return json.contains(condition.key) ? json.at(condition.key) : nlohmann::json();
    };
    if (of(calibrated.conditions) == of(here)) continue;
    throw Error("exit {}: {} was {} when it was calibrated and is {} here; {}, or calibrate anew with gyre calibrate",
                text, condition.name, shown(calibrated.conditions, condition.key), shown(here, condition.key),
                condition.mend);
  }
  choice.text = calibrated.exit + " (" + text + ")";
  return choice;
}

void check_exit(const std::string& text) {
  is_calibrated(text) ? parse_exit(read_calibrated(text).exit) : parse_exit(text, kAlso);
}

std::string calibrated_exit_help() {
  return "  calibrated:FILE\n"
         "          the rule in a file of gyre calibrate, for the model, weights, loops and KV policy it was made "
         "for\n";
}

}  // namespace gyre
