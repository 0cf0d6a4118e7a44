#include "study/exits/exit_study.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/random.hpp"
#include "engine/exit_head.hpp"
#include "model_folder.hpp"
#include "study/exits/exit_free_runs.hpp"
#include "study/exits/exit_study_files.hpp"
#include "study/exits/exit_tasks.hpp"

namespace gyre::exit_study_test {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

/// Two looped groups, of up to 4 and 3 loops; nine documents, which are the units.
class ExitStudies : public ::testing::Test {
 protected:
  ExitStudies() {
    options_.loops = model_.spec().default_loops();
    options_.window = 8;
    Random random(5);
    for (const std::size_t length : {12, 5, 9, 20, 3, 8, 10, 7, 2}) {
      auto& document = text_.documents.emplace_back();
      for (std::size_t t = 0; t < length; ++t) document.push_back(static_cast<std::int32_t>(random.below(16)));
    }
  }

  [[nodiscard]] UnitText units() const { return cut_units(text_, model_.spec(), options_); }
  [[nodiscard]] ExitTrial trial(const std::string& rule) const {
    return rule_trial(parse_exit(rule), model_.spec(), options_.loops);
  }
  std::vector<TrialResult> run(const std::vector<ExitTrial>& trials) const {
    return run_trials(model_, units(), trials, options_, {});
  }
  ExitStudy study(const std::vector<std::string>& rules, ExitStudyOptions options = {}) const {
    std::vector<ExitChoice> choices;
    for (const std::string& rule : rules) choices.push_back(parse_exit(rule));
    options.evaluation = options_;
    options.timed_tokens = 0;
    return study_exits(model_, text_, choices, options, [](std::string_view) { return ProgressSink(); });
  }

  /// A head that was learned of nothing, of both looped groups.
  [[nodiscard]] std::string head_rule() const {
    ExitHead head;
    head.model_sha256 = model_.hash();
    head.weights = {"f32"};
    head.stack = nlohmann::json::array();
    Random random(6);
    for (const int group : model_.spec().looped_groups()) {
      GroupHead& one = head.groups.emplace_back();
      one.group = group;
      for (int c = 0; c < model_.spec().hidden_size; ++c) one.state.push_back(static_cast<float>(random.normal()));
      one.loops = {0.5F, 0, -0.5F};
    }
    write_text_atomically(folder_.beside("head.json"), to_json(head).dump());
    return "head:file=" + folder_.beside("head.json").string() + ",tau=0";
  }

  ModelFolder folder_;
  Model model_ = Model::load(folder_.path());
  EvaluationOptions options_;
  MeasuredText text_;
};

/// A token's depth in the first looped group does not depend on what other tokens or later groups do with exits, if it
/// stands first in its window.
TEST_F(ExitStudies, RecordedDepthsAreThoseOfARunWhereNothingElseLeft) {
  const UnitText units = this->units();
  const std::vector<std::size_t> first = first_positions(units.windows);
  std::vector<ExitChoice> rules;
  for (const char* rule :
       {"accel:tau=0.6", "accel:tau=0.9,hits=2", "step:tau=0.4", "kl:tau=0.05", "kl:tau=0.05,decode=lens",
        "top:tau=0.1,decode=lens,min=2", "fixed:loops=2", "any(step:tau=0.3;kl:tau=0.01)", "step:tau=0.5,every=2"}) {
    rules.push_back(parse_exit(rule));
  }
  rules.push_back(parse_exit(head_rule()));
  const std::vector<PositionDepths> recorded = record_depths(model_, units.windows, rules, options_, {});
  Engine engine(model_, 1);
  std::set<int> seen;
  for (std::size_t r = 0; r < rules.size(); ++r) {
    for (std::size_t w = 0; w < units.windows.size(); ++w) {
      BoundedExit exit(rules[r], {model_.spec(), options_.loops, {}});
      Sequence sequence = start_sequence(engine, options_);
      TokenDepth depth;
      engine.decode(sequence, units.windows[w].inputs()[0], &exit, depth);
      const int group = model_.spec().looped_groups()[0];
      EXPECT_EQ(recorded[r].row(first[w])[0], depth.loops[static_cast<std::size_t>(group)]) << rules[r].text;
      seen.insert(depth.loops[static_cast<std::size_t>(group)]);
    }
  }
  EXPECT_GT(seen.size(), 2U);  // the thresholds tell tokens apart
}

TEST_F(ExitStudies, KeptStepsGiveTheLoopsThatARecordingGives) {
  const UnitText units = this->units();
  const std::span<const Window> window = std::span(units.windows).first(1);
  for (const std::string& text : {std::string("accel:tau=0.6"), std::string("kl:tau=0.05,decode=lens"),
                                  std::string("kl:tau=0.05"), std::string("step:tau=0.5,every=2"), head_rule()}) {
    const std::vector<ExitChoice> rules = {parse_exit(text)};
    const PositionDepths recorded = record_depths(model_, window, rules, options_, {})[0];
    const double loops = std::accumulate(recorded.loops.begin(), recorded.loops.end(), 0.0);
    const KeptSteps kept(model_, window[0], readout_of(rules[0], model_.spec(), options_.loops), options_);
    EXPECT_DOUBLE_EQ(kept.loops(rules[0]), loops / static_cast<double>(window[0].inputs().size())) << text;
    EXPECT_EQ(kept.loops(parse_exit("fixed:loops=1")), 2);
    EXPECT_EQ(kept.loops(parse_exit("fixed")), 7);
  }
}

TEST_F(ExitStudies, TrialsScoreAsAnEvaluationDoes) {
  const Tokenizer tokenizer = Tokenizer::characters(kTestCharacters);
  const std::vector<ExitChoice> rules = {parse_exit("fixed"), parse_exit("accel:tau=0.6"), parse_exit("fixed:loops=2")};
  const std::vector<RuleResult> rows = evaluate_text(model_, tokenizer, text_, rules, options_, {});
  const std::vector<TrialResult> results = run({trial("fixed"), trial("accel:tau=0.6"), trial("fixed:loops=2")});
  for (std::size_t r = 0; r < rules.size(); ++r) {
    const UnitSums& sums = results[r].sums;
    EXPECT_EQ(sums.tokens.size(), 9U);
    EXPECT_NEAR(per_token(sums.cross_entropy, sums), rows[r].score.cross_entropy, 1e-9);
    EXPECT_NEAR(per_token(sums.kl, sums), rows[r].score.kl, 1e-9);
    EXPECT_NEAR(1 - per_token(sums.disagreement, sums), rows[r].score.same_choice, 1e-12);
    EXPECT_NEAR(per_token(sums.loops, sums), rows[r].loops_per_token, 1e-12);
  }
  EXPECT_EQ(results[0].sums.tokens, (std::vector<double>{11, 4, 8, 19, 2, 7, 9, 6, 1}));
  // Layers 1 · [2] × 2 · [1] × 2 · 1, whatever the model's: those that loop twice, and the rest once.
  double layers = 0;
  for (const Group& group : model_.spec().groups) layers += group.layers * (group.looped() ? 2.0 : 1.0);
  EXPECT_NEAR(per_token(results[2].sums.layer_runs, results[2].sums), layers, 1e-12);
}

TEST_F(ExitStudies, DealtDepthsOfARunAreThatRunAgain) {
  const UnitText units = this->units();
  const TrialResult rule = run({trial("accel:tau=0.6")})[0];
  const TrialResult again = run({dealt_trial("again", rule.depths, units, model_.spec())})[0];
  EXPECT_EQ(again.depths.loops, rule.depths.loops);
  EXPECT_EQ(again.sums.cross_entropy, rule.sums.cross_entropy);
  EXPECT_EQ(again.sums.kl, rule.sums.kl);
}

TEST_F(ExitStudies, DealingKeepsWholeRowsOverAllOrWithinAUnit) {
  const UnitText units = this->units();
  const PositionDepths depths = run({trial("random:weights=1/2/1")})[0].depths;
  const std::vector<std::size_t> first = first_positions(units.windows);
  using Row = std::vector<std::uint16_t>;
  const auto rows_of = [&](const PositionDepths& from, int unit) {
    std::multiset<Row> rows;
    for (std::size_t w = 0; w < units.windows.size(); ++w) {
      if (unit >= 0 && units.unit[w] != static_cast<std::size_t>(unit)) continue;
      for (std::size_t t = units.windows[w].first; t < units.windows[w].inputs().size(); ++t) {
        const auto row = from.row(first[w] + t);
        rows.emplace(row.begin(), row.end());
      }
    }
    return rows;
  };
  const PositionDepths all = dealt_over_all(depths, units, 3);
  const PositionDepths within = dealt_within_units(depths, units, 3);
  EXPECT_NE(all.loops, depths.loops);
  EXPECT_NE(within.loops, depths.loops);
  EXPECT_EQ(rows_of(all, -1), rows_of(depths, -1));
  EXPECT_NE(rows_of(all, 0), rows_of(depths, 0));  // a unit gets those of others
  for (int unit = 0; unit < 9; ++unit) EXPECT_EQ(rows_of(within, unit), rows_of(depths, unit));
  EXPECT_NE(dealt_over_all(depths, units, 4).loops, all.loops);
  EXPECT_EQ(dealt_over_all(depths, units, 3).loops, all.loops);
}

TEST_F(ExitStudies, FewDocumentsAreTakenAsWindows) {
  EXPECT_TRUE(units().of_documents);
  EXPECT_EQ(units().units, 9U);
  text_.documents.resize(7);
  EXPECT_FALSE(units().of_documents);
  EXPECT_EQ(units().units, units().windows.size());
  EXPECT_EQ(units().units, 11U);  // 12, 9, 20, 10 tokens take two windows of 8 and a rest; 20 takes three
  text_.documents[2].resize(1);
  EXPECT_THAT([&] { (void)units(); }, ThrowsMessage<Error>(HasSubstr("document 3 of 7 has 1 tokens")));
}

TEST_F(ExitStudies, HoldsEveryPointAgainstItsControls) {
  const ExitStudy result = study({"accel", "kl:decode=lens", "fixed:loops=2"}, {.grid = 6, .points = 2, .deals = 3});
  EXPECT_EQ(result.units, 9U);
  EXPECT_EQ(result.tokens, 67);
  ASSERT_EQ(result.constants.size(), 4U);  // 1 to 4 loops
  const UnitSums& full = result.constants.back().sums;
  EXPECT_EQ(per_token(full.loops, full), 7);
  EXPECT_EQ(per_token(full.kl, full), 0);
  EXPECT_EQ(per_token(full.disagreement, full), 0);
  const UnitSums& three = result.constants[2].sums;
  EXPECT_EQ(per_token(three.loops, three), 6);
  ASSERT_EQ(result.fronts.size(), 3U);
  EXPECT_EQ(result.fronts[0].key, "tau");
  EXPECT_EQ(result.fronts[0].points.size(), 2U);
  EXPECT_EQ(result.fronts[2].key, "");
  ASSERT_EQ(result.fronts[2].points.size(), 1U);
  EXPECT_EQ(result.fronts[2].points[0].sums.cross_entropy, result.constants[1].sums.cross_entropy);
  for (const ExitFront& front : result.fronts) {
    for (std::size_t k = 1; k < front.recorded.size(); ++k) {  // bolder and bolder
      EXPECT_LE(front.recorded[k].loops_per_token, front.recorded[k - 1].loops_per_token);
    }
    double before = 0;
    for (const ExitPoint& point : front.points) {
      const double loops = per_token(point.sums.loops, point.sums);
      EXPECT_GT(loops, before);
      before = loops;
      EXPECT_NEAR(per_token(point.dealt.loops, point.dealt), loops, 1e-12);
      for (std::size_t u = 0; u < 9; ++u) EXPECT_NEAR(point.dealt_within.loops[u], point.sums.loops[u], 1e-9);
    }
  }
}

TEST_F(ExitStudies, OraclesPickAmongTheConstants) {
  const ExitStudy result = study({"fixed:loops=2"});
  std::vector<ExitTrial> constants;
  for (const char* rule : {"fixed:loops=1", "fixed:loops=2", "fixed:loops=3", "fixed"}) {
    constants.push_back(trial(rule));
    constants.back().keeps_tokens = true;
  }
  const std::vector<TrialResult> ran = run(constants);
  const UnitText units = this->units();
  const std::vector<std::size_t> first = first_positions(units.windows);
  double least = 0;
  double agreeing = 0;
  double agreeing_loops = 0;
  for (std::size_t w = 0; w < units.windows.size(); ++w) {
    for (std::size_t p = first[w] + units.windows[w].first; p < first[w + 1]; ++p) {
      float best = ran[0].losses[p];
      for (const TrialResult& one : ran) best = std::min(best, one.losses[p]);
      least += static_cast<double>(best);
      std::size_t c = 0;
      while (ran[c].choices[p] != ran[3].choices[p]) ++c;
      agreeing += static_cast<double>(ran[c].losses[p]);
      agreeing_loops += static_cast<double>(c + 1) + static_cast<double>(std::min<std::size_t>(c + 1, 3));
    }
  }
  ASSERT_EQ(result.oracles.size(), 2U);
  EXPECT_EQ(result.oracles[0].name, "least-loss");
  EXPECT_NEAR(result.oracles[0].promised, least / 67, 1e-9);
  EXPECT_EQ(result.oracles[1].name, "agreement");
  EXPECT_NEAR(result.oracles[1].promised, agreeing / 67, 1e-9);
  EXPECT_NEAR(per_token(result.oracles[1].sums.loops, result.oracles[1].sums), agreeing_loops / 67, 1e-12);
  EXPECT_LT(result.oracles[0].promised, per_token(ran[0].sums.cross_entropy, ran[0].sums));
}

TEST_F(ExitStudies, IsTheSameOnAnyNumberOfThreads) {
  ExitStudyOptions options{.grid = 4, .points = 2, .free_tokens = 3, .prompt_tokens = 2};
  const nlohmann::json one = exit_study_json(study({"step", "kl"}, options));
  options_.threads = 3;
  EXPECT_EQ(exit_study_json(study({"step", "kl"}, options)), one);
}

TEST_F(ExitStudies, FreeRunsAreHeldAgainstTheTextOfFullDepth) {
  const UnitText units = this->units();
  const TrialResult rule = run({trial("accel:tau=0.6")})[0];
  const std::vector<const PositionDepths*> dealt = {&rule.depths};
  const std::vector<ExitTrial> trials = {trial("fixed"), trial("fixed:loops=1")};
  const FreeRuns runs = run_free_texts(model_, units, trials, dealt, {4, 3, 2}, options_, {});
  EXPECT_EQ(per_token(runs.trials[0].disagreement, runs.trials[0]), 0);
  EXPECT_EQ(per_token(runs.trials[0].loops, runs.trials[0]), 7);
  EXPECT_EQ(per_token(runs.trials[1].loops, runs.trials[1]), 2);
  EXPECT_GT(per_token(runs.trials[1].disagreement, runs.trials[1]), 0);
  EXPECT_EQ(runs.trials[1].tokens, std::vector<double>(9, 4));
  EXPECT_EQ(runs.dealt[0].tokens, std::vector<double>(9, 4));
  // Written once more by hand for one document.
  Engine engine(model_, 1);
  const auto written = [&](BoundedExit* exit) {
    Sequence sequence = engine.start(options_.loops, 16, KvPolicy{}, 1);
    engine.prefill(sequence, std::span(text_.documents[3]).first(2), Engine::Logits::none);
    std::int32_t token = text_.documents[3][2];
    std::vector<std::int32_t> text;
    TokenDepth depth;
    for (int t = 0; t < 4; ++t) {
      token = static_cast<std::int32_t>(likeliest(engine.decode(sequence, token, exit, depth)));
      text.push_back(token);
    }
    return text;
  };
  BoundedExit exit(parse_exit("fixed:loops=1"), {model_.spec(), options_.loops, {}});
  const std::vector<std::int32_t> full = written(nullptr);
  const std::vector<std::int32_t> early = written(&exit);
  double differ = 0;
  for (std::size_t t = 0; t < 4; ++t) differ += full[t] == early[t] ? 0 : 1;
  EXPECT_EQ(runs.trials[1].disagreement[3], differ);
  EXPECT_THAT(
      [&] {
        (void)run_free_texts(model_, units, trials, {}, {4000, 3, 1}, options_, {});
      },
      ThrowsMessage<Error>(HasSubstr("are more than the context of")));
}

TEST_F(ExitStudies, RefusesWhatSaysNothing) {
  const auto refused = [&](const std::vector<std::string>& rules, const std::string& why) {
    EXPECT_THAT([&] { (void)study(rules); }, ThrowsMessage<Error>(HasSubstr(why)));
  };
  refused({"step:min=4"}, "whatever tau is, so there is nothing to compare");
  refused({"latent-diff:against=check"}, "exit latent-diff:against=check");
  refused({"random:weights=0/0"}, "all weights are zero");
  text_.documents.resize(1);
  refused({"accel"}, "the text has 2 windows of 8 positions, too few to conclude anything: it takes 6");
}

TEST_F(ExitStudies, FilesHoldEveryTrial) {
  nlohmann::json json = exit_study_json(study({"accel:hits=1", "fixed:loops=2"}, {.grid = 4, .points = 2}));
  json["path"] = "a model, \"mine\"";
  const nlohmann::json studies = nlohmann::json::array({json});
  const std::string csv = exit_study_csv(studies);
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 1 + 4 + 3 + 2);
  EXPECT_THAT(csv, HasSubstr("\"a model, \"\"mine\"\"\",constant,fixed:loops=1,,2,"));
  EXPECT_THAT(csv, HasSubstr(",rule,\"accel:hits=1,tau="));
  EXPECT_THAT(csv, HasSubstr(",oracle,least-loss,,"));
  const auto columns = [](std::string line) {
    bool quoted = false;
    int count = 1;
    for (const char c : line) {
      quoted = quoted != (c == '"');
      count += c == ',' && !quoted ? 1 : 0;
    }
    return count;
  };
  std::set<int> widths;
  std::stringstream lines(csv);
  for (std::string line; std::getline(lines, line);) widths.insert(columns(line));
  EXPECT_EQ(widths, std::set<int>{8 + 3 * 3 + 5 * 4});
  const std::string svg = exit_study_svg(json, "A & <B>");
  EXPECT_THAT(svg, HasSubstr("A &amp; &lt;B>"));
  EXPECT_THAT(svg, HasSubstr(">accel:hits=1<"));
  EXPECT_EQ(svg.find("nan"), std::string::npos);
}

/// Eight questions of two answers each.
TaskFile some_task() {
  TaskFile asked{&task_named("piqa"), "piqa.jsonl", {}};
  Random random(9);
  const auto word = [&] {
    std::string text;
    for (int i = 0; i < 3; ++i) text += kTestCharacters[1 + random.below(kTestCharacters.size() - 1)];
    return text;
  };
  for (int i = 0; i < 8; ++i) {
    TaskItem& item = asked.items.emplace_back(TaskItem{"row", TaskKind::choice});
    const std::string question = word();
    item.choices = {{question, " " + word(), 3}, {question, " " + word(), 3}};
    item.right = random.below(2);
  }
  return asked;
}

TEST_F(ExitStudies, TasksAreAskedWithTheConstantsAndPointsOfTheText) {
  const Language language{Tokenizer::characters(kTestCharacters), {}};
  const TaskFile asked = some_task();
  ExitStudyOptions options;
  options.tasks = {{asked}, &language, 16, 4};
  const ExitStudy result = study({"step:tau=0.4", "fixed:loops=2"}, options);
  ASSERT_EQ(result.tasks.size(), 1U);
  EXPECT_EQ(result.tasks[0].name, "piqa");
  EXPECT_EQ(result.tasks[0].measure, "acc");
  EXPECT_EQ(result.tasks[0].items, 8U);

  // What an evaluation of the same rules says of every item.
  TaskOptions task_options{options_, 4};
  task_options.run.window = 16;
  const std::vector<ExitChoice> rules = {parse_exit("fixed"), parse_exit("fixed:loops=1"), parse_exit("step:tau=0.4")};
  const std::vector<TaskResult> evaluated =
      evaluate_task(model_, language, *asked.task, asked.items, rules, task_options, {});
  const auto expect_errors = [&](const UnitSums& sums, std::size_t rule) {
    for (std::size_t i = 0; i < 8; ++i) {
      EXPECT_EQ(sums.items[i], 1);
      EXPECT_EQ(sums.errors[i], 1 - evaluated[rule].metrics[0].values[i]) << rules[rule].text << i;
    }
  };
  expect_errors(result.constants.back().tasks[0], 0);
  expect_errors(result.constants.front().tasks[0], 1);
  const TaskPoint& point = result.fronts[0].points[0].tasks[0];
  expect_errors(point.sums, 2);
  EXPECT_NE(point.sums.errors, result.constants.front().tasks[0].errors);  // or it would say little

  // A question of three passes, and two answers of three more behind the one that its last pass tells.
  const UnitSums& full = result.constants.back().tasks[0];
  EXPECT_EQ(full.tokens, std::vector<double>(8, 3 + 2 * 3));
  EXPECT_EQ(full.loops, std::vector<double>(8, 9 * 7));
  EXPECT_EQ(result.constants.front().tasks[0].loops, std::vector<double>(8, 9 * 2));
  // Depths that are all one are the same however they are dealt; others keep their mean but for chance.
  const TaskPoint& fixed = result.fronts[1].points[0].tasks[0];
  EXPECT_EQ(fixed.dealt.errors, fixed.sums.errors);
  EXPECT_EQ(fixed.dealt.loops, fixed.sums.loops);
  EXPECT_NEAR(per_token(point.dealt.loops, point.dealt), per_token(point.sums.loops, point.sums), 0.6);
  EXPECT_NE(point.dealt.loops, point.sums.loops);
}

TEST_F(ExitStudies, ATaskOfFewItemsIsRefused) {
  const Language language{Tokenizer::characters(kTestCharacters), {}};
  TaskFile asked = some_task();
  asked.items.resize(5);
  ExitStudyOptions options;
  options.tasks = {{asked}, &language, 16, 4};
  EXPECT_THAT([&] { (void)study({"accel:tau=0.6"}, options); },
              ThrowsMessage<Error>(HasSubstr("piqa.jsonl: it has 5 items, too few to conclude anything: it takes 6")));
}

}  // namespace
}  // namespace gyre::exit_study_test
