#include <iterator>

#include "study/exits/exit_study_files.hpp"

namespace gyre {
namespace {

/// As RFC 4180 wants it: quoted where it holds a comma or a quote.
std::string field(const std::string& text) {
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += c;  // twice
    quoted += c;
  }
  quoted += '"';
  return quoted;
}

std::string number(const nlohmann::json& value) {
  return value.is_number() ? fmt::format("{:.6g}", value.get<double>()) : "";
}

/// value, low, high.
std::string estimate(const nlohmann::json& json) {
  return fmt::format("{},{},{}", number(json["value"]), number(json["interval_95"][0]), number(json["interval_95"][1]));
}

class Lines {
 public:
  explicit Lines(const nlohmann::json& studies) {
    for (const nlohmann::json& study : studies) {
      for (const nlohmann::json& task : study.value("tasks", nlohmann::json::array())) {
        if (&study == &studies.front()) tasks_.push_back(task["task"]);
      }
    }
  }

  void add(const std::string& path, const std::string& kind, const std::string& name, const nlohmann::json& trial) {
    const nlohmann::json minus = trial.value("minus", nlohmann::json::object());
    text_ += fmt::format("{},{},{},{},{},{}", field(path), kind, field(name), number(trial.value("threshold", none_)),
                         number(trial["loops_per_token"]), number(trial.value("layer_runs_per_token", none_)));
    const nlohmann::json time = trial.value("time", none_);
    text_ += fmt::format(",{},{}", time.is_object() ? number(time["milliseconds_per_token"]) : "",
                         time.is_object() ? number(time["of_full_depth"]) : "");
    for (const char* cost : {"cross_entropy", "kl_to_full_depth", "disagreement"}) {
      text_ += fmt::format(",{}", estimate(trial[cost]));
    }
    for (const char* control :
         {"dealt_over_all", "dealt_within_units", "constants_at_its_loops", "best_constant", "full_depth"}) {
      if (!minus.contains(control)) {
        text_ += ",,,,";
        continue;
      }
      const nlohmann::json& difference = minus[control]["cross_entropy"];
      text_ += fmt::format(",{},{}", estimate(difference), difference["side_of_0"].get<std::string>());
    }
    for (std::size_t t = 0; t < tasks_.size(); ++t) {
      add_task(trial.contains("tasks") ? trial["tasks"][t] : none_);
    }
    text_ += '\n';
  }

  [[nodiscard]] std::string head() const {
    std::string line =
        "model,kind,rule,threshold,loops_per_token,layer_runs_per_token,milliseconds_per_token,time_of_full_depth";
    for (const char* name : {"cross_entropy", "kl_to_full_depth", "disagreement"}) {
      line += fmt::format(",{0},{0}_low,{0}_high", name);
    }
    for (const char* name : {"minus_dealt_over_all", "minus_dealt_within_units", "minus_constants_at_its_loops",
                             "minus_best_constant", "minus_full_depth"}) {
      line += fmt::format(",{0},{0}_low,{0}_high,{0}_side_of_0", name);
    }
    for (const std::string& task : tasks_) {
      line += fmt::format(",{0}_accuracy,{0}_accuracy_low,{0}_accuracy_high,{0}_loops_per_token", task);
      for (const char* control : kTaskControls) {
        line += fmt::format(
            ",{0}_error_minus_{1},{0}_error_minus_{1}_low,{0}_error_minus_{1}_high,"
            "{0}_error_minus_{1}_side_of_0",
            task, control);
      }
    }
    return line + "\n";
  }

  [[nodiscard]] std::string text() const { return head() + text_; }

 private:
  static constexpr const char* kTaskControls[] = {"dealt", "constants_at_its_loops", "full_depth"};

  void add_task(const nlohmann::json& task) {
    if (task.is_null()) {
      text_ += std::string(4 + 4 * std::size(kTaskControls), ',');
      return;
    }
    text_ += fmt::format(",{},{}", estimate(task["accuracy"]), number(task["loops_per_token"]));
    const nlohmann::json minus = task.value("minus", nlohmann::json::object());
    for (const char* control : kTaskControls) {
      if (!minus.contains(control)) {
        text_ += ",,,,";
        continue;
      }
      const nlohmann::json& difference = minus[control]["error"];
      text_ += fmt::format(",{},{}", estimate(difference), difference["side_of_0"].get<std::string>());
    }
  }

  std::vector<std::string> tasks_;  ///< by name
  nlohmann::json none_ = nullptr;
  std::string text_;
};

}  // namespace

std::string exit_study_csv(const nlohmann::json& studies) {
  Lines lines(studies);
  for (const nlohmann::json& study : studies) {
    const std::string path = study["path"];
    for (const nlohmann::json& constant : study["constants"]) {
      lines.add(path, "constant", fmt::format("fixed:loops={}", constant["loops"].get<int>()), constant);
    }
    for (const nlohmann::json& front : study["fronts"]) {
      for (const nlohmann::json& point : front["points"]) lines.add(path, "rule", point["rule"], point);
    }
    for (const nlohmann::json& oracle : study["oracles"]) lines.add(path, "oracle", oracle["name"], oracle);
  }
  return lines.text();
}

}  // namespace gyre
