#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/hash.hpp"
#include "cli/program.hpp"
#include "model_folder.hpp"

namespace gyre::good_run_test {
namespace {

namespace fs = std::filesystem;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class GoodRun : public ::testing::Test {
 protected:
  GoodRun() {
    std::string words;
    for (int i = 0; i < 20; ++i) words += "abc mno ";
    write_text_atomically(text(), words);
  }

  [[nodiscard]] std::string model() const { return folder_.path().string(); }
  [[nodiscard]] std::string text() const { return folder_.beside("text.txt").string(); }

  static std::string output(const std::vector<std::string>& arguments, const Environment& environment = {}) {
    const ProgramRun run = run_gyre(arguments, environment);
    EXPECT_EQ(run.status, 0) << run.err;
    EXPECT_THAT(run.err, Not(HasSubstr("\033")));
    return run.out;
  }

  [[nodiscard]] std::vector<std::string> generate(std::vector<std::string> flags, const char* tokens = "8") const {
    flags.insert(flags.begin(), {"generate", "-m", model(), "-p", "abc", "-n", tokens});
    return flags;
  }

  ModelFolder folder_;
};

TEST_F(GoodRun, GenerateTellsAsJsonWhatItDependsOnAndHowDeepEveryTokenWent) {
  const std::string rule = "accel:tau=0.9,hits=2";
  const nlohmann::json json = nlohmann::json::parse(
      output(generate({"--json", "--exit", rule, "--seed", "7", "--threads", "2", "--kv", "last", "--loops", "5/3"})));
  EXPECT_EQ(json["model_sha256"], sha256(MappedFile(folder_.path() / "model.safetensors").bytes()));
  EXPECT_EQ(json["exit"], rule);
  EXPECT_EQ(json["kv_policy"], "last");
  EXPECT_EQ(json["kv_type"], "f32");
  EXPECT_EQ(json["seed"], 7);
  EXPECT_EQ(json["stored_dtype"], "F32");
  EXPECT_EQ(json["number_types"]["weights"], nlohmann::json({"f32"}));
  EXPECT_EQ(json["threads"], 2);
  EXPECT_EQ(json["loops"], (std::vector<int>{1, 5, 3, 1}));
  EXPECT_EQ(json["stop_reason"], "length");
  EXPECT_EQ(json["prompt_tokens"], 3);
  ASSERT_EQ(json["tokens"].size(), 8U);
  std::string text;
  double loops = 0;
  for (const nlohmann::json& token : json["tokens"]) {
    text += token["text"].get<std::string>();
    const auto group_loops = token["group_loops"].get<std::vector<int>>();
    ASSERT_EQ(group_loops.size(), 4U);
    EXPECT_EQ(token["loops"], group_loops[1] + group_loops[2]);
    EXPECT_TRUE(group_loops[1] >= 3 && group_loops[1] <= 5);  // two hits need three loops
    EXPECT_EQ(token["group_reasons"].size(), 4U);
    loops += token["loops"].get<double>();
  }
  EXPECT_EQ(json["text"], text);
  EXPECT_DOUBLE_EQ(json["mean_loops_per_token"], loops / 8);
}

TEST_F(GoodRun, DraftsGiveTheTextOfFullDepth) {
  const auto run = [&](std::vector<std::string> flags) {
    flags.insert(flags.end(), {"--json", "--temperature", "0", "--threads", "1"});
    // Tiles round a pass of many rows otherwise than one row.
    return nlohmann::json::parse(output(generate(flags, "18"), {{"GYRE_ISA", "scalar"}}));
  };
  const nlohmann::json plain = run({});
  const nlohmann::json drafted = run({"--draft", "loops=2/1,tokens=3"});
  EXPECT_EQ(drafted["text"], plain["text"]);
  EXPECT_EQ(drafted["tokens"].size(), 18U);
  const nlohmann::json& counts = drafted["speculation"];
  EXPECT_EQ(counts["draft"], "loops=2/1,tokens=3");
  EXPECT_GT(counts["rounds"], 0);
  EXPECT_LE(counts["accepted"], counts["drafted"]);
  EXPECT_FALSE(plain.contains("speculation"));
}

TEST_F(GoodRun, GenerateTellsTheProbabilitiesOfTokens) {
  const nlohmann::json json = nlohmann::json::parse(
      output(generate({"--json", "--temperature", "0", "--logprobs", "2", "--logit-bias", "3=-99"})));
  EXPECT_EQ(json["sampling"]["logit_bias"], (nlohmann::json{{3, -99.0}}));
  for (const nlohmann::json& token : json["tokens"]) {
    const nlohmann::json& likely = token["probabilities"]["top_logprobs"];
    ASSERT_EQ(likely.size(), 2U);
    EXPECT_NE(token["token"], 3);
    EXPECT_LE(token["probabilities"]["logprob"], likely[0]["logprob"]);
    EXPECT_GE(likely[0]["logprob"], likely[1]["logprob"]);
    EXPECT_LT(likely[0]["logprob"], 0);
    const bool first = likely[0]["token"] != 3;  // what the model says, before the bias
    EXPECT_EQ(token["token"] == likely[0]["token"], first);
  }
}

TEST_F(GoodRun, GenerateDiffusesOnModelsWithOneCore) {
  ModelSpec spec = small_spec();
  spec.groups = {spec.groups[0], spec.groups[1], spec.groups[3]};
  const ModelFolder core(spec);
  const nlohmann::json json =
      nlohmann::json::parse(output({"generate", "-m", core.path().string(), "-p", "abc", "-n", "12", "--json",
                                    "--temperature", "0", "--diffuse", "inner=2,steps=8,wavefront=8,freeze=fixed"}));
  EXPECT_EQ(json["tokens"].size(), 12U);
  EXPECT_EQ(json["tokens"][0]["group_loops"], (std::vector<int>{1, 8, 1}));
  EXPECT_GT(json["diffusion"]["positions_per_step"], 1);
}

TEST_F(GoodRun, BenchTellsHowOftenALayerRunsForAToken) {
  const auto run = [&](const std::string& schedule) {
    return nlohmann::json::parse(
        output({"bench", "-m", model(), "--prompt", "6", "-n", "10", "--rounds", "1", "--batch", "4", "--exit",
                "fixed:loops=2/1", "--schedule", schedule, "--chunk", "3", "--json"}));
  };
  for (const char* schedule : {"lockstep", "rows"}) {
    const nlohmann::json json = run(schedule);
    const nlohmann::json& generation = json["generation"];
    EXPECT_EQ(generation["schedule"], schedule);
    EXPECT_EQ(generation["layer_passes_per_token"], 6.0 / 4);  // 1 + 2 + 2 · 1 + 1 layers for four tokens at once
    EXPECT_EQ(generation["rows_per_layer_pass"], 4);
    EXPECT_GT(generation["kv_bytes_per_token"], 0);
    EXPECT_GT(json["beside_prompt"]["longest_wait_milliseconds"], 0);
    EXPECT_EQ(json["beside_prompt"]["chunk"], 3);
  }
}

TEST_F(GoodRun, GenerateLetsThePromptExitToo) {
  const auto run = [&](const std::vector<std::string>& flags) {
    return nlohmann::json::parse(output(generate(flags)));
  };
  const nlohmann::json early = run({"--json", "--exit", "fixed:loops=2/1", "--exit-prompt"});
  EXPECT_EQ(early["mean_loops_per_prompt_token"], 3);
  EXPECT_EQ(early["mean_loops_per_token"], 3);
  EXPECT_FALSE(run({"--json", "--exit", "fixed:loops=2/1"}).contains("mean_loops_per_prompt_token"));
  EXPECT_EQ(run({"--json", "--exit", "fixed:loops=2/1", "--exit-prompt=each"})["text"], early["text"]);
  EXPECT_EQ(early["exit_prompt"], "each");
}

TEST_F(GoodRun, GenerateLetsThePromptExitAsOneOrNotAtAll) {
  const auto run = [&](const std::string& how) {
    return nlohmann::json::parse(output(generate({"--json", "--exit", "fixed:loops=2/1", "--exit-prompt=" + how})));
  };
  const nlohmann::json whole = run("whole");
  EXPECT_EQ(whole["exit_prompt"], "whole");
  EXPECT_EQ(whole["mean_loops_per_prompt_token"], 3);
  EXPECT_EQ(whole["tokens"][0]["loops"], 3);
  const nlohmann::json never = run("never");
  EXPECT_EQ(never["exit_prompt"], "never");
  EXPECT_EQ(never["tokens"][0]["loops"], 7);
  EXPECT_EQ(never["tokens"][1]["loops"], 3);
}

TEST_F(GoodRun, GenerateReadsEarlyWithoutSaving) {
  const nlohmann::json json = nlohmann::json::parse(output(generate({"--json", "--exit", "fixed:loops=2/1,save=no"})));
  EXPECT_EQ(json["tokens"][0]["group_loops"], (std::vector<int>{1, 4, 3, 1}));
  EXPECT_EQ(json["tokens"][0]["group_loops_read"], (std::vector<int>{1, 2, 1, 1}));
  EXPECT_FALSE(nlohmann::json::parse(output(generate({"--json"})))["tokens"][0].contains("group_loops_read"));
}

TEST_F(GoodRun, NoiseInTheStatesIsToldOf) {
  ModelSpec spec = small_spec();
  spec.groups[1].first_state = FirstState::noise;
  const ModelFolder folder(spec);
  const auto run = [&](const std::vector<std::string>& flags) {
    std::vector<std::string> arguments = {"generate", "-m", folder.path().string(), "-p", "abcd", "-n", "16", "--json"};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    return nlohmann::json::parse(output(arguments));
  };
  const nlohmann::json noisy = run({"--test-noise", "fixed=0.5"});
  EXPECT_EQ(noisy["test_noise"], "fixed=0.5");
  EXPECT_FALSE(run({}).contains("test_noise"));
  EXPECT_NE(noisy["text"], run({})["text"]);
}

TEST_F(GoodRun, GenerateLetsAPromptSeeItselfWhole) {
  ModelSpec spec = small_spec();
  spec.prefix_lm = true;
  spec.groups[1].fast = {1, 2};
  const ModelFolder folder(spec);
  const auto run = [&](const std::vector<std::string>& flags) {
    std::vector<std::string> arguments = {"generate", "-m", folder.path().string(), "-p", "abcd", "-n", "20", "--json"};
    arguments.insert(arguments.end(), {"--temperature", "0"});
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    return nlohmann::json::parse(output(arguments));
  };
  const nlohmann::json whole = run({"--whole-prompt"});
  EXPECT_EQ(whole["whole_prompt"], true);
  EXPECT_EQ(whole["tokens"].size(), 20U);
  EXPECT_NE(whole["text"], run({})["text"]);
  // The prompt's last token goes in with the others, and chooses the first one at their depth.
  const nlohmann::json early = run({"--whole-prompt", "--exit", "fixed:loops=2/1", "--exit-prompt"});
  EXPECT_EQ(early["mean_loops_per_prompt_token"], 3);
  EXPECT_EQ(early["tokens"][0]["loops"], 3);
}

TEST_F(GoodRun, GeneratePrintsThePromptAndGoesOn) {
  const ProgramRun run = run_gyre(generate({}));
  EXPECT_EQ(run.status, 0);
  EXPECT_THAT(run.out, StartsWith("abc"));
  EXPECT_EQ(run.out.size(), 3U + 8 + 1);
  EXPECT_THAT(run.err, HasSubstr("8 tokens"));
  EXPECT_THAT(run.err, HasSubstr("exit fixed"));
}

TEST_F(GoodRun, TheSameSeedWritesTheSameText) {
  EXPECT_EQ(output(generate({"--seed", "3"})), output(generate({"--seed", "3"})));
  EXPECT_NE(output(generate({"--seed", "3"}, "20")), output(generate({"--seed", "4"}, "20")));
}

TEST_F(GoodRun, ThePlainReferenceWritesTheSameGreedyTextAsTheFastest) {
  const std::vector<std::string> greedy = generate({"--temperature", "0"}, "20");
  const std::string text = output(greedy);
  EXPECT_EQ(output(greedy, {{"GYRE_ISA", "scalar"}}), text);
  EXPECT_EQ(output(greedy, {{"GYRE_ISA", ""}}), text);
}

TEST_F(GoodRun, APipeGetsColoursOnlyOnDemand) {
  EXPECT_THAT(output(generate({})), Not(HasSubstr("\033")));
  EXPECT_THAT(output(generate({"--color", "never"})), Not(HasSubstr("\033")));
  const ProgramRun run = run_gyre(generate({"--color", "always"}));
  EXPECT_EQ(run.status, 0);
  EXPECT_THAT(run.out, HasSubstr("\033[38;2;"));
  EXPECT_THAT(output(generate({"--color", "always", "--json"})), Not(HasSubstr("\033")));
}

TEST_F(GoodRun, AStopTextIsNotPrinted) {
  const nlohmann::json all = nlohmann::json::parse(output(generate({"--json", "--temperature", "0"})));
  const std::string text = all["text"];
  const std::string stop = text.substr(3, 2);
  const nlohmann::json cut = nlohmann::json::parse(output(generate({"--json", "--temperature", "0", "--stop", stop})));
  EXPECT_EQ(cut["text"], text.substr(0, text.find(stop)));
  EXPECT_EQ(cut["stop_reason"], "stop_text");
}

TEST_F(GoodRun, AnEndTokenEndsTheTextUnlessItIsToBeIgnored) {
  const auto text = [&](std::vector<std::string> flags) {
    flags.insert(flags.end(), {"--json", "--temperature", "0"});
    return nlohmann::json::parse(output(generate(flags)));
  };
  const nlohmann::json free = text({});
  const nlohmann::json end = free["tokens"].back()["token"];
  std::size_t first = 0;
  while (free["tokens"][first]["token"] != end) ++first;
  write_text_atomically(folder_.path() / "generation_config.json", nlohmann::json{{"eos_token_id", end}}.dump());
  const nlohmann::json ended = text({});
  EXPECT_EQ(ended["stop_reason"], "end_token");
  EXPECT_EQ(ended["tokens"].size(), first);
  const nlohmann::json ignored = text({"--ignore-end"});
  EXPECT_EQ(ignored["stop_reason"], "length");
  EXPECT_EQ(ignored["text"], free["text"]);
}

TEST_F(GoodRun, EvalGivesOneRowARuleInTheirOrder) {
  const std::vector<std::string> rules = {"fixed",
                                          "accel:tau=0.5",
                                          "random:like=2",
                                          "kl:tau=0.01",
                                          "any(step:tau=0.5;top:tau=0.2,decode=lens):min=2",
                                          "random:like=5",
                                          "groups(loop a=two-sided:tau=0.4,patience=1;2=fixed:loops=2)"};
  std::vector<std::string> arguments = {"eval", "-m", model(), "--text", text(), "--json"};
  for (const std::string& rule : rules) arguments.insert(arguments.end(), {"--exit", rule});
  const nlohmann::json json = nlohmann::json::parse(output(arguments));
  ASSERT_EQ(json["rows"].size(), rules.size());
  for (std::size_t r = 0; r < rules.size(); ++r) {
    EXPECT_EQ(json["rows"][r]["exit"], rules[r]);
    EXPECT_EQ(json["rows"][r]["tokens"], 159);
  }
  EXPECT_LT(json["rows"][0]["kl_to_full_depth_nats_per_token"], 1e-5);
  EXPECT_EQ(json["window_tokens"], 24);
  EXPECT_EQ(json["model_sha256"].get<std::string>().size(), 64U);
  // A row's histograms are what random:file= reads.
  const std::string file = folder_.beside("depths.json").string();
  write_text_atomically(file, json["rows"][1]["depths"].dump());
  output(generate({"--exit", "random:file=" + file}));
}

TEST_F(GoodRun, EvalPrintsATableWithALineARule) {
  const std::string table =
      output({"eval", "-m", model(), "--text", text(), "--exit", "fixed", "--exit", "step:tau=0.1"});
  EXPECT_THAT(table, StartsWith("exit"));
  EXPECT_EQ(std::count(table.begin(), table.end(), '\n'), 3);
  EXPECT_THAT(table, HasSubstr("\nstep:tau=0.1 "));
}

TEST_F(GoodRun, EvalWithoutARuleGivesTheQualityAtFullDepth) {
  const std::vector<std::string> arguments = {"eval", "-m", model(), "--text", text(), "--score-from", "12", "--json"};
  std::vector<std::string> decoded = arguments;
  decoded.insert(decoded.end(), {"--exit", "fixed"});
  const nlohmann::json fast = nlohmann::json::parse(output(arguments));
  const nlohmann::json slow = nlohmann::json::parse(output(decoded));
  ASSERT_EQ(fast["rows"].size(), 1U);
  EXPECT_EQ(fast["rows"][0]["exit"], "prefill");
  EXPECT_EQ(fast["rows"][0]["tokens"], slow["rows"][0]["tokens"]);
  EXPECT_EQ(fast["rows"][0]["kl_to_full_depth_nats_per_token"], 0);
  EXPECT_EQ(fast["rows"][0]["depths"], slow["rows"][0]["depths"]);
  EXPECT_NEAR(fast["rows"][0]["perplexity"].get<double>(), slow["rows"][0]["perplexity"].get<double>(), 1e-3);
  EXPECT_THAT(output({"eval", "-m", model(), "--text", text()}), HasSubstr("\nprefill "));
}

TEST_F(GoodRun, EvalOfExamplesGivesAccuracyByLevel) {
  const std::string file = folder_.beside("examples.jsonl").string();
  write_text_atomically(file,
                        "{\"prompt\": \"ab\", \"answer\": \"c\", \"level\": 1}\n"
                        "{\"prompt\": \"mn\", \"answer\": \"o\", \"level\": 3}\n");
  const nlohmann::json json =
      nlohmann::json::parse(output({"eval", "-m", model(), "--examples", file, "--json", "--exit", "fixed"}));
  const nlohmann::json& levels = json["rows"][0]["levels"];
  ASSERT_EQ(levels.size(), 3U);
  EXPECT_EQ(levels[0]["level"], 1);
  EXPECT_EQ(levels[1]["level"], 3);
  EXPECT_EQ(levels[2]["level"], "all");
  EXPECT_EQ(levels[2]["examples"], 2);
}

TEST_F(GoodRun, PromptsOfExamplesObeyTheExitAsTheyAreToldTo) {
  const std::string file = folder_.beside("examples.jsonl").string();
  write_text_atomically(file, "{\"prompt\": \"ab\", \"answer\": \"cd\", \"level\": 1}\n");
  const auto run = [&](const std::string& how) {
    return nlohmann::json::parse(output(
        {"eval", "-m", model(), "--examples", file, "--json", "--exit", "fixed:loops=2/1", "--exit-prompt", how}));
  };
  const auto loops = [&](const std::string& how) { return run(how)["rows"][0]["levels"][0]["loops_per_token"]; };
  EXPECT_EQ(run("whole")["exit_prompt"], "whole");
  EXPECT_EQ(loops("each"), 3);
  EXPECT_EQ(loops("last"), 3);
  EXPECT_EQ(loops("whole"), 3);
  EXPECT_EQ(loops("never"), 5);  // the first of two tokens at full depth, 7
}

TEST_F(GoodRun, EvalTellsWhichLoopsWereRead) {
  const auto row = [&](const std::string& exit) {
    return nlohmann::json::parse(
        output({"eval", "-m", model(), "--text", text(), "--json", "--exit", exit}))["rows"][0];
  };
  EXPECT_EQ(row("fixed:loops=2/1,save=no")["loops_per_token"], 7);
  EXPECT_EQ(row("fixed:loops=2/1,save=no")["loops_read_per_token"], 3);
  EXPECT_FALSE(row("fixed:loops=2/1").contains("loops_read_per_token"));
  EXPECT_THAT(output({"eval", "-m", model(), "--text", text(), "--exit", "fixed:loops=2/1,save=no"}),
              HasSubstr("fixed:loops=2/1,save=no: the states that were read are those after 3.000 loops/token"));
}

TEST_F(GoodRun, NoiseInTheStatesIsMeasuredToo) {
  ModelSpec spec = small_spec();
  spec.groups[1].first_state = FirstState::noise;
  const ModelFolder folder(spec);
  const auto study = [&](const std::vector<std::string>& flags) {
    std::vector<std::string> arguments = {"study",
                                          "-m",
                                          folder.path().string(),
                                          "--text",
                                          text(),
                                          "--tokens",
                                          "40",
                                          "--json",
                                          "--out",
                                          folder_.beside("noisy.html").string()};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    return nlohmann::json::parse(output(arguments));
  };
  const nlohmann::json noisy = study({"--test-noise", "fixed=0.5"});
  EXPECT_THAT(noisy.dump(), HasSubstr("--test-noise fixed=0.5"));
  EXPECT_THAT(noisy.dump(), HasSubstr("\"test_noise\":\"fixed=0.5\""));
  const nlohmann::json quiet = study({});
  EXPECT_THAT(quiet.dump(), Not(HasSubstr("test_noise")));
  EXPECT_NE(noisy["checkpoints"], quiet["checkpoints"]);
  const nlohmann::json bench =
      nlohmann::json::parse(output({"bench", "-m", folder.path().string(), "--prompt", "4", "--tokens", "4", "--rounds",
                                    "1", "--json", "--test-noise", "geom=0.5"}));
  EXPECT_EQ(bench["test_noise"], "geom=0.5");
}

/// What ends loops in the authors' program and not here is told beside the results.
TEST_F(GoodRun, NotesOfAModelAreTold) {
  const std::string loopus = GYRE_TEST_DIR "/parity/golden/loopus";
  const nlohmann::json json = nlohmann::json::parse(output({"info", "-m", loopus, "--json"}));
  ASSERT_EQ(json["notes"].size(), 1U);
  EXPECT_THAT(json["notes"][0].get<std::string>(), HasSubstr("gate:threshold=0.9,of=loop"));
  EXPECT_THAT(output({"info", "-m", loopus}), HasSubstr("a gated update of rank 2"));
  EXPECT_FALSE(nlohmann::json::parse(output({"info", "-m", model(), "--json"})).contains("notes"));
}

TEST_F(GoodRun, StudyWritesAPageThatLoadsNothingAndTheNumbersBesideIt) {
  const fs::path page = folder_.beside("study.html");
  const std::string summary =
      output({"study", "-m", model(), "--text", text(), "--tokens", "40", "--out", page.string()});
  EXPECT_THAT(summary, HasSubstr(page.string()));
  const std::string html = read_text(page);
  EXPECT_THAT(html, Not(ContainsRegex("<(script|img|iframe)[^>]*[[:space:]]src[[:space:]]*=")));
  EXPECT_THAT(html, Not(ContainsRegex("<link[^>]*[[:space:]]href[[:space:]]*=")));
  EXPECT_THAT(html, Not(ContainsRegex("@import|url\\([[:space:]]*['\"]?https?:")));
  EXPECT_THAT(html, Not(HasSubstr("GYRE_DATA")));
  EXPECT_THAT(html, Not(HasSubstr("GYRE_D3")));
  const nlohmann::json json = nlohmann::json::parse(read_text(folder_.beside("study.json")));
  EXPECT_EQ(json["text"]["tokens"], 40);
  EXPECT_EQ(json["checkpoints"].size(), 1U);
  EXPECT_FALSE(json["findings"].empty());
  // One entry a loop and one a group, for groups of 4 and 3 loops.
  EXPECT_EQ(json["measures"].size(), 4U + 1 + 3 + 1);
  EXPECT_EQ(json["measures"][0]["step"].size(), 40U);
  const std::string hash = sha256(MappedFile(folder_.path() / "model.safetensors").bytes());
  EXPECT_THAT(html, HasSubstr(hash.substr(0, 16)));
}

TEST_F(GoodRun, StudyOfAFolderOfCheckpointsTakesThemInTheOrderOfTheirSteps) {
  const fs::path run = folder_.beside("run");
  for (const char* name : {"step-000200", "step-000100", ".step-000300.partial-1"}) {
    fs::create_directories(run / name);
    fs::copy(folder_.path(), run / name, fs::copy_options::recursive);
  }
  const nlohmann::json json =
      nlohmann::json::parse(output({"study", "-m", run.string(), "--text", text(), "--tokens", "20", "--json", "--out",
                                    folder_.beside("s.html").string()}));
  ASSERT_EQ(json["checkpoints"].size(), 2U);
  EXPECT_EQ(json["checkpoints"][0]["step"], 100);
  EXPECT_EQ(json["checkpoints"][1]["step"], 200);
  EXPECT_FALSE(json.contains("measures"));
}

TEST_F(GoodRun, StudyMeasuresWhatItIsAskedFor) {
  const auto study = [&](const std::string& measures) {
    return nlohmann::json::parse(output({"study", "-m", model(), "--text", text(), "--tokens", "40", "--measures",
                                         measures, "--json", "--out", folder_.beside("s.html").string()}));
  };
  const nlohmann::json all = study("all")["checkpoints"][0];
  EXPECT_EQ(all["probes"]["groups"].size(), 2U);
  EXPECT_EQ(all["probes"]["groups"][0]["lyapunov"].size(), 4U);
  EXPECT_EQ(all["geometry"]["points"], 40);
  EXPECT_EQ(all["geometry"]["groups"][1]["cka"].size(), 4U);
  const nlohmann::json basic = study("basic")["checkpoints"][0];
  EXPECT_TRUE(basic["probes"].is_null());
  EXPECT_TRUE(basic["geometry"].is_null());
  EXPECT_EQ(basic["groups"][0]["loops_data"][3]["contraction"], all["groups"][0]["loops_data"][3]["contraction"]);
}

TEST_F(GoodRun, StudyBlocksSaysWhatTiedLayersWouldLose) {
  ModelSpec spec = small_spec();
  spec.groups = {plain_group("layers", 4)};
  const ModelFolder plain(spec);
  const std::vector<std::string> command = {
      "study", "blocks", "-m", plain.path().string(), "--text", text(), "--blocks", "2,4", "--window", "8"};
  EXPECT_THAT(output(command), HasSubstr("  4 blocks  +0.0000 [+0.0000, +0.0000]"));
  std::vector<std::string> in_json = command;
  in_json.emplace_back("--json");
  const nlohmann::json json = nlohmann::json::parse(output(in_json));
  EXPECT_EQ(json["cka"].size(), 4U);
  EXPECT_EQ(json["cuts"][0]["blocks"].size(), 2U);
  EXPECT_EQ(json["cuts"][1]["difference"]["value"], 0);
  EXPECT_NE(json["cuts"][0]["difference"]["value"], 0);
  EXPECT_TRUE(json["cuts"][0]["distilled"].is_null());

  const std::vector<std::string> distil = {"--split", "validation", "--validation-share", "0.3", "--distil", "3"};
  in_json.insert(in_json.end(), distil.begin(), distil.end());
  if (!std::filesystem::exists(std::filesystem::path(GYRE_BINARY).parent_path() / "libgyre_train.so")) {
    const ProgramRun refused = run_gyre(in_json);
    EXPECT_EQ(refused.status, 2);
    EXPECT_THAT(refused.err, HasSubstr("gyre: study blocks --distil: "));
    return;
  }
  const nlohmann::json trained = nlohmann::json::parse(output(in_json));
  EXPECT_EQ(trained["distil_steps"], 3);
  const nlohmann::json& cut = trained["cuts"][0];
  const auto value = [](const nlohmann::json& estimate) { return estimate["value"].get<double>(); };
  EXPECT_NE(value(cut["distilled"]["minus_untrained"]), 0);
  EXPECT_NEAR(value(cut["distilled"]["difference"]),
              value(cut["difference"]) + value(cut["distilled"]["minus_untrained"]), 1e-9);
  EXPECT_TRUE(trained["cuts"][1]["distilled"].is_null());  // nothing is tied
}

class Help : public ::testing::TestWithParam<const char*> {};

TEST_P(Help, EndsWithExamples) {
  const ProgramRun run = run_gyre({GetParam(), "--help"});
  EXPECT_EQ(run.status, 0);
  EXPECT_EQ(run.err, "");
  EXPECT_THAT(run.out, ContainsRegex("Examples?:\n +gyre " + std::string(GetParam())));
  EXPECT_THAT(run.out, Not(HasSubstr("\033")));
}

INSTANTIATE_TEST_SUITE_P(EveryCommand, Help,
                         ::testing::Values("generate", "eval", "study", "info", "bench", "train", "convert", "quantize",
                                           "pull", "tokenize"));

TEST(Program, ShowsItsHelpAndVersion) {
  const ProgramRun help = run_gyre({"--help"});
  EXPECT_EQ(help.status, 0);
  for (const char* command : {"generate", "eval", "study", "info", "train"}) EXPECT_THAT(help.out, HasSubstr(command));
  const ProgramRun version = run_gyre({"--version"});
  EXPECT_EQ(version.status, 0);
  EXPECT_THAT(version.out, StartsWith("gyre "));
}

}  // namespace
}  // namespace gyre::good_run_test
