#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "study/browser.hpp"
#include "study/exits/exit_study_files.hpp"

namespace gyre::exit_page_test {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

/// Units of 10 tokens each that cost `cost` nats and run `loops` loops a token, no two alike.
UnitSums sums_of(std::size_t units, double loops, double cost) {
  UnitSums sums(units);
  for (std::size_t u = 0; u < units; ++u) {
    const double shift = 0.01 * static_cast<double>(u % 3);
    sums.tokens[u] = 10;
    sums.cross_entropy[u] = 10 * (cost + shift);
    sums.kl[u] = 10 * (cost - 1 + shift * shift);
    sums.disagreement[u] = 10 * (cost - 1) / 2;
    sums.loops[u] = 10 * loops;
    sums.layer_runs[u] = 20 * loops;
  }
  return sums;
}

ExitPoint point_of(const std::string& rule, std::optional<double> threshold, std::size_t units, double loops,
                   double cost) {
  return {
      rule, threshold, sums_of(units, loops, cost), sums_of(units, loops, cost + 0.1), sums_of(units, loops, cost), {},
      {},   {}};
}

/// Depths 1 to 3 cost 2, 1.5 and 1 nats, on a straight line. Rule a lies below it, b above, and c is run as it is.
ExitStudy study_of(std::size_t units) {
  ExitStudy study;
  study.units = units;
  study.tokens = static_cast<std::int64_t>(10 * units);
  for (int loops = 1; loops <= 3; ++loops) {
    study.constants.push_back({loops, sums_of(units, loops, 2.5 - 0.5 * loops), {}, {}});
  }
  study.best = 1;
  study.fronts.push_back({"a", "tau", {{0.1, 3}, {1, 1}}, {}});
  study.fronts[0].points = {point_of("a:tau=1", 1.0, units, 1.5, 1.5), point_of("a:tau=0.1", 0.1, units, 2.5, 1.1)};
  study.fronts.push_back({"b", "tau", {{0.2, 3}, {2, 1}}, {}});
  study.fronts[1].points = {point_of("b:tau=2", 2.0, units, 1.5, 1.9), point_of("b:tau=0.2", 0.2, units, 2.5, 1.4)};
  study.fronts.push_back({"c:tau=5", "", {}, {point_of("c:tau=5", {}, units, 2, 1.5)}});
  study.oracles = {{"least-loss", "depths", 0.8, sums_of(units, 2, 0.9)},
                   {"agreement", "depths", 1.2, sums_of(units, 1.5, 1.3)}};
  return study;
}

/// Of a task: so many of 10 items wrong, at so many loops a pass.
UnitSums task_sums_of(double loops, int wrong) {
  UnitSums sums(10);
  for (std::size_t i = 0; i < 10; ++i) {
    sums.tokens[i] = 4;
    sums.loops[i] = 4 * loops;
    sums.layer_runs[i] = 8 * loops;
    sums.items[i] = 1;
    sums.errors[i] = static_cast<int>(i) < wrong ? 1 : 0;
  }
  return sums;
}

/// A task on which constants of 1 to 3 loops fail 8, 6 and 4 items of 10, and every rule fails 5, its dealt depths 7.
void add_task(ExitStudy& study) {
  study.tasks = {{"piqa", "piqa.jsonl", "acc", 10}};
  for (ConstantDepth& constant : study.constants) {
    constant.tasks = {task_sums_of(constant.loops, 10 - 2 * constant.loops)};
  }
  for (ExitFront& front : study.fronts) {
    for (ExitPoint& point : front.points) {
      point.tasks = {{task_sums_of(per_token(point.sums.loops, point.sums), 5), task_sums_of(2, 7)}};
    }
  }
}

/// With everything that may be left out.
ExitStudy whole_study_of(std::size_t units) {
  ExitStudy study = study_of(units);
  for (ConstantDepth& constant : study.constants) {
    constant.time = ExitTime{0.1 * constant.loops, constant.loops / 3.0};
    constant.free = FreeRun{constant.sums};
  }
  for (ExitFront& front : study.fronts) {
    for (ExitPoint& point : front.points) {
      point.time = ExitTime{0.2, 0.7};
      point.free = FreeRun{point.sums};
      point.free_dealt = FreeRun{point.dealt};
    }
  }
  add_task(study);
  return study;
}

nlohmann::json checkpoint(const ExitStudy& study, const char* path, const nlohmann::json& step) {
  nlohmann::json json = exit_study_json(study);
  json["path"] = path;
  json["step"] = step;
  json["name"] = "a <small> model";
  json["settings"] = {{"seed", 1}, {"text", "t.txt"}, {"number_types", {{"weights", {"f32"}}}}};
  json["groups"] = {{{"name", "body"}, {"layers", 2}, {"loops", 3}, {"looped", true}}};
  return json;
}

nlohmann::json result_of(std::vector<nlohmann::json> checkpoints) {
  return {{"checkpoints", std::move(checkpoints)},
          {"date", "2026-01-02"},
          {"program", "gyre 0"},
          {"command", "gyre study exits -m m"}};
}

TEST(ExitPage, IsWholeAndNamesTheModel) {
  const std::string page = exit_page(result_of({checkpoint(study_of(8), "m", nullptr)}));
  EXPECT_THAT(page, HasSubstr("<title>Exit rules on a &lt;small> model</title>"));
  EXPECT_THAT(page, Not(HasSubstr("GYRE_")));
  EXPECT_THAT(page, Not(HasSubstr("src=\"http")));
  EXPECT_THAT(exit_page(result_of({})), HasSubstr("<title>Exit rules on a looped model</title>"));
}

void expect_no_mistake(const nlohmann::json& report) {
  EXPECT_THAT(report["mistakes"], IsEmpty());
  for (const char* const when : {"first", "later"}) {
    for (const auto& [id, section] : report[when].items()) EXPECT_EQ(section["broken"], 0) << id;
  }
}

void expect_every_figure(const nlohmann::json& first) {
  std::string sections;
  for (const auto& [id, section] : first.items()) sections += id + " ";
  EXPECT_EQ(sections, "controls free fronts numbers oracles tasks thresholds training verdicts ");
  EXPECT_EQ(first["verdicts"]["rows"], 3);
  // Three constants as a band, five points with an interval each.
  EXPECT_EQ(first["fronts"]["drawings"], 1);
  EXPECT_EQ(first["fronts"]["marks"], 3 + 5);
  EXPECT_EQ(first["fronts"]["whiskers"], 5);
  EXPECT_EQ(first["controls"]["drawings"], 3);
  EXPECT_EQ(first["controls"]["marks"], 3 * 5);
  EXPECT_EQ(first["thresholds"]["marks"], 4);
  // Full depth, the best constant, and each oracle as it promises and as it runs.
  EXPECT_EQ(first["oracles"]["marks"], 2 + 2 * 2);
  EXPECT_EQ(first["free"]["drawings"], 3);
  EXPECT_EQ(first["free"]["marks"], 3 + 3 * 5);
  EXPECT_EQ(first["tasks"]["drawings"], 3);
  EXPECT_EQ(first["tasks"]["marks"], 3 + 3 * 5);
  // Two rules that have a front, at two checkpoints.
  EXPECT_EQ(first["training"]["marks"], 4);
  EXPECT_EQ(first["numbers"]["rows"], 3 + 5 + 2);
}

// In one test, since to start a browser takes seconds.
TEST(ExitPageInABrowser, DrawsEveryFigureAndObeysItsControls) {
  const std::string browser = installed_browser();
  if (browser.empty()) GTEST_SKIP() << "there is no Chromium here";
  std::map<std::string, nlohmann::json> reports =
      shown(browser, {{"two.html", exit_page(result_of({checkpoint(study_of(8), "run/step-100", 100),
                                                        checkpoint(whole_study_of(8), "run/step-200", 200)}))},
                      {"one.html", exit_page(result_of({checkpoint(study_of(1), "m", nullptr)}))},
                      {"none.html", exit_page(result_of({}))}});
  ASSERT_EQ(reports.size(), 3U);
  const nlohmann::json& two = reports["two.html"];
  expect_no_mistake(two);
  EXPECT_EQ(two["title"], "Exit rules on a <small> model");
  expect_every_figure(two["first"]);
  EXPECT_EQ(two["tips"], two["hits"]);
  EXPECT_EQ(two["readout"], "1 of 2: step 100");
  // At the first checkpoint, where nothing was timed and nothing written, and without the first rule.
  EXPECT_EQ(two["later"]["fronts"]["marks"], 3 + 3);
  EXPECT_EQ(two["later"]["controls"]["drawings"], 2);
  EXPECT_EQ(two["later"]["free"]["notes"], 1);
  EXPECT_EQ(two["later"]["tasks"]["notes"], 1);
  EXPECT_EQ(two["later"]["training"]["marks"], 2);
  // Of disagreement no oracle promises anything.
  EXPECT_EQ(two["later"]["oracles"]["marks"], 2 + 2);
  // By loops, the most first.
  EXPECT_EQ(two["rows"], nlohmann::json({"fixed:loops=3 (full depth)", "b:tau=0.2", "fixed:loops=2 (best)", "c:tau=5",
                                         "oracle least-loss", "b:tau=2", "oracle agreement", "fixed:loops=1"}));
  // Above a line from (1, 50 %) to (3, 0 %) by 7.5 points of percent at 1.5 loops and at 2.5.
  EXPECT_THAT(two["verdicts"][0].get<std::string>(), HasSubstr("b1.50 to 2.50+7.50 pp (+7.50 to +7.50)▲ worse▲▲"));

  const nlohmann::json& one = reports["one.html"];
  expect_no_mistake(one);
  EXPECT_FALSE(one["first"].contains("free"));
  EXPECT_FALSE(one["first"].contains("tasks"));
  EXPECT_FALSE(one["first"].contains("training"));
  EXPECT_EQ(one["first"]["fronts"]["marks"], 3 + 5);
  EXPECT_EQ(one["first"]["fronts"]["whiskers"], 0);
  EXPECT_THAT(one["warnings"].get<std::vector<std::string>>(), Contains(HasSubstr("a single unit")));

  expect_no_mistake(reports["none.html"]);
  EXPECT_EQ(reports["none.html"]["title"], "No measurements");
}

TEST(ExitPicture, HoldsEverySeriesAndNothingThatIsNoNumber) {
  for (const std::size_t units : {8U, 1U}) {
    const std::string svg = exit_study_svg(checkpoint(study_of(units), "m", nullptr), "Exit rules on \"m\" & more");
    EXPECT_THAT(svg, HasSubstr(">Exit rules on &quot;m&quot; &amp; more</text>"));
    EXPECT_THAT(svg, Not(HasSubstr("nan")));
    for (const char* const name : {"constant depths", "a", "b", "c:tau=5"}) {
      EXPECT_THAT(svg, HasSubstr(std::string(">") + name + "</text>"));
    }
  }
}

// Loops 1 to 3 over 500 pixels from 76 on; costs −0.036 to 0.936 of rises over 344 upwards from 404 on.
TEST(ExitPicture, PutsMarksWhereTheirNumbersAre) {
  ExitStudy study = study_of(1);
  const std::string svg = exit_study_svg(checkpoint(study, "m", nullptr), "t");
  // a at 1.5 loops rises by 0.5, b by 0.9.
  EXPECT_THAT(svg, HasSubstr("<path transform=\"translate(201.0 214.3)\""));
  EXPECT_THAT(svg, HasSubstr("<path transform=\"translate(201.0 72.7)\""));
}

TEST(ExitPicture, TellsNineRulesApart) {
  ExitStudy study = study_of(1);
  study.fronts.resize(1);
  for (int rule = 1; rule < 9; ++rule) {
    study.fronts.push_back(study.fronts[0]);
    study.fronts.back().rule = "rule " + std::to_string(rule);
  }
  const std::string svg = exit_study_svg(checkpoint(study, "m", nullptr), "t");
  // The ninth has the colour of the first, and neither its line nor its symbol.
  EXPECT_THAT(svg, HasSubstr("stroke=\"#0072b2\" stroke-width=\"1.4\" stroke-dasharray=\"\""));
  EXPECT_THAT(svg, HasSubstr("stroke=\"#0072b2\" stroke-width=\"1.4\" stroke-dasharray=\"9 3\""));
}

TEST(ExitTasks, AreWrittenAsErrorsWithTheirControls) {
  ExitStudy study = study_of(8);
  add_task(study);
  const nlohmann::json json = checkpoint(study, "m", nullptr);
  EXPECT_EQ(json["tasks"],
            (nlohmann::json::array({{{"task", "piqa"}, {"data", "piqa.jsonl"}, {"measure", "acc"}, {"items", 10}}})));
  const nlohmann::json& point = json["fronts"][0]["points"][0]["tasks"][0];  // at 1.5 loops
  EXPECT_DOUBLE_EQ(point["accuracy"]["value"], 0.5);
  EXPECT_DOUBLE_EQ(point["loops_per_token"], 1.5);
  EXPECT_EQ(point["accuracy"]["units"], 10);
  const auto minus = [&](const char* control) { return point["minus"][control]["error"]["value"].get<double>(); };
  EXPECT_DOUBLE_EQ(minus("dealt"), 0.5 - 0.7);
  EXPECT_DOUBLE_EQ(minus("full_depth"), 0.5 - 0.4);
  EXPECT_DOUBLE_EQ(minus("constants_at_its_loops"), 0.5 - 0.7);  // between 0.8 and 0.6
  // 0.2 below at 1.5 loops, as high as the line at 2.5: the mean.
  EXPECT_DOUBLE_EQ(json["fronts"][0]["task_fronts_minus_constants"][0]["error"]["value"], -0.1);
  EXPECT_DOUBLE_EQ(json["constants"][0]["tasks"][0]["minus_full_depth"]["error"]["value"], 0.8 - 0.4);

  const std::string csv = exit_study_csv(nlohmann::json::array({json}));
  const auto fields = [&](std::size_t line) {
    std::size_t begin = 0;
    for (; line > 0; --line) begin = csv.find('\n', begin) + 1;
    return csv.substr(begin, csv.find('\n', begin) - begin);
  };
  EXPECT_THAT(fields(0), HasSubstr(",piqa_accuracy,piqa_accuracy_low,piqa_accuracy_high,piqa_loops_per_token,"
                                   "piqa_error_minus_dealt,"));
  for (std::size_t line = 0; line < 1 + 3 + 5 + 2; ++line) {
    const std::string row = fields(line);
    EXPECT_EQ(std::count(row.begin(), row.end(), ','),
              std::count(csv.begin(), csv.begin() + static_cast<std::ptrdiff_t>(csv.find('\n')), ','))
        << row;
  }
  // 0.1 above full depth at 1.5 loops, on an axis from −0.008 to 0.208 over 344 pixels upwards from 404 on.
  EXPECT_THAT(exit_task_svg(json, 0, "t"), HasSubstr("10 items; paired 95 % bootstrap intervals over items"));
}

}  // namespace
}  // namespace gyre::exit_page_test
