#include "study/exits/exit_study.hpp"

#include <algorithm>
#include <cmath>
#include <deque>
#include <map>
#include <numeric>

#include "base/error.hpp"
#include "base/random.hpp"
#include "study/exits/exit_free_runs.hpp"
#include "study/exits/exit_tasks.hpp"
#include "study/exits/exit_thresholds.hpp"
#include "study/exits/exit_times.hpp"
#include "study/jobs.hpp"

namespace gyre {
namespace {

double mean_loops(const PositionDepths& depths, const UnitText& text) {
  double loops = 0;
  double tokens = 0;
  for (const std::vector<std::size_t>& unit : scored_positions(text)) {
    for (const std::size_t position : unit) {
      const auto row = depths.row(position);
      loops += std::accumulate(row.begin(), row.end(), 0.0);
    }
    tokens += static_cast<double>(unit.size());
  }
  return loops / tokens;
}

/// Of the thresholds, safest first, some whose loops lie evenly between the most and the fewest at which tokens leave;
/// not at these ends, where nearly all tokens do the same.
std::vector<std::size_t> spread_thresholds(std::span<const RecordedThreshold> recorded, double full, int points) {
  std::vector<std::size_t> leaving;
  for (std::size_t k = 0; k < recorded.size(); ++k) {
    if (recorded[k].loops_per_token < full - kSameLoops) leaving.push_back(k);
  }
  std::vector<std::size_t> chosen;
  if (leaving.empty()) return chosen;
  const double most = recorded[leaving.front()].loops_per_token;
  const double fewest = recorded[leaving.back()].loops_per_token;
  for (int i = 0; i < points; ++i) {
    const double wanted = fewest + (most - fewest) * (i + 0.5) / points;
    const auto nearest = std::min_element(leaving.begin(), leaving.end(), [&](std::size_t a, std::size_t b) {
      return std::abs(recorded[a].loops_per_token - wanted) < std::abs(recorded[b].loops_per_token - wanted);
    });
    const double loops = recorded[*nearest].loops_per_token;
    const bool known = std::any_of(chosen.begin(), chosen.end(), [&](std::size_t k) {
      return std::abs(recorded[k].loops_per_token - loops) < kSameLoops;
    });
    if (!known) chosen.push_back(*nearest);
  }
  return chosen;
}

/// At every depth where the deepest group has few loops, else at some that grow by a constant factor.
std::vector<int> constant_depths(const ModelSpec& spec, const std::vector<int>& loops) {
  constexpr int kAll = 12;
  int most = 1;
  for (const int group : spec.looped_groups()) most = std::max(most, loops[static_cast<std::size_t>(group)]);
  std::vector<int> depths;
  for (int i = 0; i < std::min(most, kAll); ++i) {
    const int depth = most <= kAll ? i + 1 : static_cast<int>(std::lround(std::pow(most, i / (kAll - 1.0))));
    if (depths.empty() || depth > depths.back()) depths.push_back(depth);
  }
  return depths;
}

/// Every looped group at `depth` loops, or at all of its own where it has fewer.
ExitChoice constant_rule(int depth, const ModelSpec& spec, const std::vector<int>& loops) {
  std::string groups;
  bool all_reach_it = true;
  for (const int group : spec.looped_groups()) {
    const int own = std::min(depth, loops[static_cast<std::size_t>(group)]);
    all_reach_it = all_reach_it && own == depth;
    groups += fmt::format("{}{}=fixed:loops={}", groups.empty() ? "" : ";", group, own);
  }
  return parse_exit(all_reach_it ? fmt::format("fixed:loops={}", depth) : fmt::format("groups({})", groups));
}

/// One study on its way.
class Study {
 public:
  Study(const Model& model, const MeasuredText& text, const ExitStudyOptions& options, const StageSink& stage)
      : model_(model), options_(options), stage_(stage), text_(cut_units(text, model.spec(), options.evaluation)) {
    result_.units = text_.units;
    result_.of_documents = text_.of_documents;
    for (const Window& window : text_.windows) result_.tokens += static_cast<std::int64_t>(window.scored());
    for (const TaskFile& task : options.tasks.files) {
      if (task.items.size() < kFewestUnits) {
        throw Error("{}: it has {} items, too few to conclude anything: it takes {}", task.file, task.items.size(),
                    kFewestUnits);
      }
    }
    if (text_.units < kFewestUnits) {
      throw Error(
          "the text has {} {}s of {} positions, too few to conclude anything: it takes {}; give more text, or "
          "smaller windows",
          text_.units, text_.of_documents ? "document" : "window", options.evaluation.window, kFewestUnits);
    }
  }

  ExitStudy run(std::span<const ExitChoice> rules) {
    plan(rules);
    run_rules();
    run_controls();
    if (options_.timed_tokens > 0) take_times();
    if (options_.free_tokens > 0) run_free();
    for (const TaskFile& task : options_.tasks.files) ask_task(task);
    return std::move(result_);
  }

 private:
  /// A point that is to be run.
  struct Planned {
    std::size_t front;
    ExitChoice rule;
    std::optional<double> threshold;
  };

  void plan(std::span<const ExitChoice> rules) {
    std::vector<ExitChoice> recorded;
    std::vector<std::vector<double>> grids(rules.size());
    for (std::size_t r = 0; r < rules.size(); ++r) {
      ExitFront& front = result_.fronts.emplace_back();
      front.rule = rules[r].text;
      if (!leaves_threshold_open(rules[r])) {
        check_rules(rules.subspan(r, 1), {model_.spec(), options_.evaluation.loops, {}});  // before any work
        planned_.push_back({r, rules[r], {}});
        continue;
      }
      const ThresholdOption option = threshold_option(rules[r]);
      front.key = option.key;
      grids[r] = grid_of(rules[r], option);
      for (const double threshold : grids[r]) recorded.push_back(rule_at(rules[r], option, threshold));
    }
    if (recorded.empty()) return;
    const std::vector<PositionDepths> depths =
        record_depths(model_, text_.windows, recorded, options_.evaluation, stage_("record"));
    std::size_t next = 0;
    for (std::size_t r = 0; r < rules.size(); ++r) {
      std::vector<ExitChoice> those;
      for (const double threshold : grids[r]) {
        those.push_back(recorded[next]);
        result_.fronts[r].recorded.push_back({threshold, mean_loops(depths[next++], text_)});
      }
      if (!grids[r].empty()) choose_points(r, those);
    }
  }

  std::vector<double> grid_of(const ExitChoice& rule, const ThresholdOption& option) {
    const std::vector<int>& loops = options_.evaluation.loops;
    const auto readout = readout_of(rule_at(rule, option, option.boldest), model_.spec(), loops);
    const KeptSteps& kept =
        kept_.try_emplace(readout, model_, text_.windows.front(), readout, options_.evaluation).first->second;
    const auto loops_at = [&](double threshold) { return kept.loops(rule_at(rule, option, threshold)); };
    if (loops_at(option.boldest) > loops_at(option.safest) - kSameLoops) {
      throw Error(
          "exit {}: {:.2f} loops a token are run whatever {} is, so there is nothing to compare; let it leave earlier "
          "(hits, min, every) or run more loops",
          rule.text, loops_at(option.safest), option.key);
    }
    return threshold_grid(option, options_.grid, *std::max_element(loops.begin(), loops.end()), loops_at);
  }

  void choose_points(std::size_t front, std::span<const ExitChoice> rules) {
    const std::vector<RecordedThreshold>& recorded = result_.fronts[front].recorded;
    double full = 0;
    for (const int group : model_.spec().looped_groups()) {
      full += options_.evaluation.loops[static_cast<std::size_t>(group)];
    }
    const std::vector<std::size_t> chosen = spread_thresholds(recorded, full, options_.points);
    if (chosen.empty()) {
      throw Error("exit {}: no token of this text leaves at any {} from {} to {}; name a bolder one", rules[0].kind,
                  result_.fronts[front].key, recorded.front().threshold, recorded.back().threshold);
    }
    for (const std::size_t k : chosen) planned_.push_back({front, rules[k], recorded[k].threshold});
  }

  void run_rules() {
    for (const int depth : constant_depths(model_.spec(), options_.evaluation.loops)) {
      const std::vector<int>& loops = options_.evaluation.loops;
      trials_.push_back(rule_trial(constant_rule(depth, model_.spec(), loops), model_.spec(), loops));
      trials_.back().keeps_tokens = true;
      result_.constants.push_back({depth, UnitSums(), {}, {}, {}});
    }
    for (const Planned& point : planned_) {
      trials_.push_back(rule_trial(point.rule, model_.spec(), options_.evaluation.loops));
    }
    ran_ = run_trials(model_, text_, trials_, options_.evaluation, stage_("run"));
    for (std::size_t c = 0; c < result_.constants.size(); ++c) result_.constants[c].sums = ran_[c].sums;
    const auto cost = [&](std::size_t c) { return per_token(ran_[c].sums.cross_entropy, ran_[c].sums); };
    for (std::size_t c = 1; c < result_.constants.size(); ++c) {
      if (cost(c) < cost(result_.best)) result_.best = c;
    }
  }

  /// The run of a point.
  [[nodiscard]] const TrialResult& run_of(std::size_t point) const { return ran_[result_.constants.size() + point]; }

  void run_controls() {
    std::deque<PositionDepths> dealt;  // stay where they are
    std::vector<ExitTrial> controls;
    const auto add = [&](PositionDepths depths) {
      controls.push_back(dealt_trial("dealt", dealt.emplace_back(std::move(depths)), text_, model_.spec()));
    };
    for (std::size_t p = 0; p < planned_.size(); ++p) {
      for (int deal = 0; deal < options_.deals; ++deal) {
        const std::uint64_t seed = combine_seeds(options_.evaluation.seed, static_cast<std::uint64_t>(deal));
        add(dealt_over_all(run_of(p).depths, text_, seed));
        add(dealt_within_units(run_of(p).depths, text_, seed));
      }
    }
    plan_oracles();
    for (const PositionDepths& depths : oracle_depths_) add(depths);
    const std::vector<TrialResult> results =
        run_trials(model_, text_, controls, options_.evaluation, stage_("controls"));
    std::size_t next = 0;
    for (std::size_t p = 0; p < planned_.size(); ++p) {
      std::vector<UnitSums> all;
      std::vector<UnitSums> within;
      for (int deal = 0; deal < options_.deals; ++deal) {
        all.push_back(results[next++].sums);
        within.push_back(results[next++].sums);
      }
      points_.push_back({planned_[p].rule.text,
                         planned_[p].threshold,
                         run_of(p).sums,
                         mean_of(all),
                         mean_of(within),
                         {},
                         {},
                         {},
                         {}});
    }
    for (OracleDepth& oracle : result_.oracles) oracle.sums = results[next++].sums;
    file_points();
  }

  /// Depths that are read off the constants, token by token.
  void plan_oracles() {
    struct Oracle {
      std::string name;
      std::string what;
      std::function<std::size_t(std::size_t position)> pick;  ///< a constant
    };
    const std::size_t count = result_.constants.size();
    const auto least_loss = [&](std::size_t position) {
      std::size_t best = 0;
      for (std::size_t c = 1; c < count; ++c) {
        if (ran_[c].losses[position] < ran_[best].losses[position]) best = c;
      }
      return best;
    };
    const auto agrees = [&](std::size_t position) {
      std::size_t c = 0;
      while (c + 1 < count && ran_[c].agrees[position] == 0) ++c;
      return c;
    };
    const Oracle oracles[] = {
        // NOLINT(modernize-avoid-c-arrays)
        {"least-loss", "the constant depth with the least loss on the token that follows", least_loss},
        {"agreement", "the shallowest constant depth that finds the same token likeliest as full depth", agrees}};
    const std::vector<std::size_t> first = first_positions(text_.windows);
    for (const Oracle& oracle : oracles) {
      PositionDepths depths = ran_.front().depths;
      double loss = 0;
      for (std::size_t w = 0; w < text_.windows.size(); ++w) {
        for (std::size_t t = text_.windows[w].first; t < text_.windows[w].inputs().size(); ++t) {
          const std::size_t position = first[w] + t;
          const std::size_t c = oracle.pick(position);
          const auto row = ran_[c].depths.row(position);
          std::copy(row.begin(), row.end(), depths.row(position).begin());
          loss += static_cast<double>(ran_[c].losses[position]);
        }
      }
      result_.oracles.push_back({oracle.name, oracle.what, loss / static_cast<double>(result_.tokens), UnitSums()});
      oracle_depths_.push_back(std::move(depths));
    }
  }

  void take_times() {
    const std::vector<ExitTime> times =
        time_trials(model_, text_, trials_, options_.timed_tokens, options_.evaluation, stage_("time"));
    for (std::size_t c = 0; c < result_.constants.size(); ++c) result_.constants[c].time = times[c];
    for (std::size_t p = 0; p < planned_.size(); ++p) point(p).time = times[result_.constants.size() + p];
  }

  void run_free() {
    std::vector<const PositionDepths*> dealt;
    for (std::size_t p = 0; p < planned_.size(); ++p) dealt.push_back(&run_of(p).depths);
    const FreeRuns runs =
        run_free_texts(model_, text_, trials_, dealt, {options_.free_tokens, options_.prompt_tokens, options_.deals},
                       options_.evaluation, stage_("free"));
    for (std::size_t c = 0; c < result_.constants.size(); ++c) result_.constants[c].free = {runs.trials[c]};
    for (std::size_t p = 0; p < planned_.size(); ++p) {
      point(p).free = {runs.trials[result_.constants.size() + p]};
      point(p).free_dealt = {runs.dealt[p]};
    }
  }

  void ask_task(const TaskFile& task) {
    TaskOptions options{options_.evaluation, options_.tasks.answer_tokens};
    options.run.window = options_.tasks.window;
    const std::size_t constants = result_.constants.size();
    TaskRuns runs = run_task(model_, *options_.tasks.language, task, trials_, constants, options_.deals, options,
                             stage_(task.task->name));
    for (std::size_t c = 0; c < constants; ++c) result_.constants[c].tasks.push_back(std::move(runs.trials[c]));
    for (std::size_t p = 0; p < planned_.size(); ++p) {
      point(p).tasks.push_back({std::move(runs.trials[constants + p]), std::move(runs.dealt[p])});
    }
    result_.tasks.push_back({std::string(task.task->name), task.file, accuracy_name(task), task.items.size()});
  }

  void file_points() {
    place_.resize(planned_.size());
    std::vector<std::size_t> order(planned_.size());
    std::iota(order.begin(), order.end(), 0U);
    const auto loops = [&](std::size_t p) { return per_token(points_[p].sums.loops, points_[p].sums); };
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return loops(a) < loops(b); });
    for (const std::size_t p : order) {
      std::vector<ExitPoint>& front = result_.fronts[planned_[p].front].points;
      place_[p] = front.size();
      front.push_back(points_[p]);
    }
  }
  [[nodiscard]] ExitPoint& point(std::size_t p) { return result_.fronts[planned_[p].front].points[place_[p]]; }

  const Model& model_;
  const ExitStudyOptions& options_;
  const StageSink& stage_;
  UnitText text_;
  std::map<std::optional<LoopStep::Readout>, KeptSteps> kept_;
  std::vector<Planned> planned_;
  std::vector<ExitTrial> trials_;   ///< the constants, then the points
  std::vector<TrialResult> ran_;    ///< of them
  std::vector<ExitPoint> points_;   ///< in the order of the plan
  std::vector<std::size_t> place_;  ///< of each in its front
  std::deque<PositionDepths> oracle_depths_;
  ExitStudy result_;
};

}  // namespace

std::vector<UnitSums> ExitStudy::constant_sums() const {
  std::vector<UnitSums> sums;
  for (const ConstantDepth& constant : constants) sums.push_back(constant.sums);
  return sums;
}

ExitStudy study_exits(const Model& model, const MeasuredText& text, std::span<const ExitChoice> rules,
                      const ExitStudyOptions& options, const StageSink& stage) {
  if (model.spec().looped_groups().empty()) throw Error("this model has no looped group, so no token can leave one");
  return Study(model, text, options, stage).run(rules);
}

std::vector<ExitChoice> usual_rules(const ModelSpec& spec) {
  std::vector<ExitChoice> rules;
  for (const char* text :
       {"accel", "accel:hits=2", "accel:form=absolute", "accel:hits=2,form=absolute", "step", "step:hits=2", "cosine",
        "ratio", "kl:decode=lens", "entropy:decode=lens", "top:decode=lens", "margin:decode=lens"}) {
    rules.push_back(parse_exit(text));
  }
  const std::vector<int> looped = spec.looped_groups();
  if (std::any_of(looped.begin(), looped.end(),
                  [&](int group) { return spec.groups[static_cast<std::size_t>(group)].exit_gate; })) {
    rules.push_back(parse_exit("gate"));
  }
  return rules;
}

}  // namespace gyre
