#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "base/hash.hpp"
#include "cli/program.hpp"
#include "model_folder.hpp"
#include "study/tokenizer_with_prefix.hpp"

namespace gyre::measure_test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

ModelSpec noisy_spec() {
  ModelSpec spec = small_spec();
  spec.vocab_size = 17;
  spec.groups[1].first_state = FirstState::noise;
  spec.groups[1].noise_std = 1;
  return spec;
}

/// eval, study and bench on a model with a token that begins texts, and with noise in its first states.
class Measure : public ::testing::Test {
 protected:
  Measure() {
    write_text_atomically(folder_.path() / "tokenizer.json", tokenizer_with_prefix_text());
    std::string words;
    for (int i = 0; i < 20; ++i) words += "abc mno ";
    write_text_atomically(text(), words);
  }

  [[nodiscard]] std::string model() const { return folder_.path().string(); }
  [[nodiscard]] std::string file(const std::string& name) const { return folder_.beside(name).string(); }
  [[nodiscard]] std::string text() const { return file("text.txt"); }

  static std::string output(const std::vector<std::string>& arguments) {
    const ProgramRun run = run_gyre(arguments);
    EXPECT_EQ(run.status, 0) << run.err;
    return run.out;
  }
  [[nodiscard]] std::string eval_text(std::vector<std::string> flags) const {
    flags.insert(flags.begin(), {"eval", "-m", model(), "--text", text()});
    return output(flags);
  }
  [[nodiscard]] nlohmann::json eval(std::vector<std::string> flags) const {
    flags.emplace_back("--json");
    return nlohmann::json::parse(eval_text(flags));
  }
  static void refuses(const std::vector<std::string>& arguments, const std::string& why) {
    const ProgramRun run = run_gyre(arguments);
    EXPECT_EQ(run.status, 2) << why;
    EXPECT_THAT(run.err, HasSubstr(why));
    EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
  }
  void eval_refuses(std::vector<std::string> flags, const std::string& why) const {
    flags.insert(flags.begin(), {"eval", "-m", model()});
    refuses(flags, why);
  }

  ModelFolder folder_{noisy_spec()};
};

TEST_F(Measure, EvalBeginsWindowsAsGenerateBeginsPrompts) {
  write_text_atomically(file("plain.txt"), "abcdefgh");
  write_text_atomically(file("begun.txt"), "<s>abcdefgh");
  std::vector<nlohmann::json> results(2);
  for (const bool begun : {false, true}) {
    const std::string name = file(begun ? "begun.txt" : "plain.txt");
    results[begun ? 1 : 0] = nlohmann::json::parse(output({"eval", "-m", model(), "--text", name, "--json"}));
  }
  EXPECT_EQ(results[0]["rows"][0]["tokens"], 8);
  EXPECT_EQ(results[0]["begins_with"], nlohmann::json({"<s>"}));
  EXPECT_EQ(results[0]["begins_with_ids"], nlohmann::json({16}));
  EXPECT_EQ(results[1]["rows"][0]["tokens"], 8);
  EXPECT_EQ(results[0]["rows"][0]["cross_entropy_nats_per_token"],
            results[1]["rows"][0]["cross_entropy_nats_per_token"]);
  EXPECT_THAT(eval_text({}), StartsWith("every window begins with <s>\nexit "));
  EXPECT_THAT(eval_text({"--depths", "1"}), StartsWith("every window begins with <s>\nloops "));
}

TEST_F(Measure, EvalTellsAllThatItsNumbersDependOn) {
  const nlohmann::json json = eval({"--split",
                                    "train",
                                    "--validation-share",
                                    "0.25",
                                    "--max-tokens",
                                    "90",
                                    "--window",
                                    "12",
                                    "--score-from",
                                    "4",
                                    "--exit",
                                    "fixed",
                                    "--exit",
                                    "prefill",
                                    "--kv",
                                    "last",
                                    "--kv-type",
                                    "bf16",
                                    "--first-state",
                                    "zero",
                                    "--seed",
                                    "5",
                                    "--threads",
                                    "2",
                                    "--loops",
                                    "3/2",
                                    "--weights",
                                    "q8_0"});
  EXPECT_EQ(json["text"], text());
  EXPECT_EQ(json["split"], "train");
  EXPECT_EQ(json["validation_share"], 0.25);
  EXPECT_EQ(json["documents"], 1);
  EXPECT_EQ(json["max_tokens"], 90);
  EXPECT_EQ(json["window_tokens"], 12);
  EXPECT_EQ(json["score_from"], 4);
  EXPECT_EQ(json["kv_policy"], "last");
  EXPECT_EQ(json["kv_type"], "bf16");
  EXPECT_EQ(json["first_state"], "zero");
  EXPECT_EQ(json["seed"], 5);
  EXPECT_EQ(json["threads"], 2);
  EXPECT_EQ(json["loops"], nlohmann::json({1, 3, 2, 1}));
  EXPECT_EQ(json["stored_dtype"], "F32");
  EXPECT_EQ(json["number_types"]["weights"], nlohmann::json({"f32", "q8_0"}));
  EXPECT_EQ(json["number_types"]["activations_in_decoding"], nlohmann::json({"f32", "int8"}));
  EXPECT_EQ(json["intervals"]["resamples"], 1000);
  EXPECT_EQ(json["intervals"]["seed"], 1);
  EXPECT_EQ(json["model_sha256"], sha256(MappedFile(folder_.path() / "model.safetensors").bytes()));
  ASSERT_EQ(json["rows"].size(), 2U);
  EXPECT_EQ(json["rows"][0]["exit"], "fixed");
  EXPECT_EQ(json["rows"][1]["exit"], "prefill");
  // 90 tokens in windows of 12 predictions, the first four of each being context: 8 of each of 7, 2 of the last six.
  EXPECT_EQ(json["rows"][0]["tokens"], 58);
  EXPECT_EQ(json["rows"][0]["kl_to_full_depth_nats_per_token"], 0);
  EXPECT_EQ(json["rows"][0]["depths"][1], nlohmann::json({{"group", 2}, {"counts", {0.0, 58.0}}}));
  EXPECT_EQ(json["rows"][0]["loops_per_token"], 5);
}

/// The words of line number `line`, from 0.
std::vector<std::string> words_of(const std::string& text, int line) {
  std::istringstream lines(text);
  std::string one;
  for (int i = 0; i <= line; ++i) std::getline(lines, one);
  std::istringstream words(one);
  return {std::istream_iterator<std::string>(words), {}};
}

TEST_F(Measure, TheTableOfEvalShowsWhatItsJsonSays) {
  const std::vector<std::string> flags = {"--exit", "fixed:loops=2/1"};
  const nlohmann::json row = eval(flags)["rows"][0];
  const std::string table = eval_text(flags);
  EXPECT_EQ(words_of(table, 1),
            (std::vector<std::string>{"exit", "CE", "nats", "95", "%", "interval", "ppl", "bits/B", "KL", "full",
                                      "loops/token", "ms/token", "CE", "minus", "full", "depth"}));
  const std::vector<std::string> words = words_of(table, 2);
  ASSERT_EQ(words.size(), 11U);
  const auto shown = [](const nlohmann::json& number, int digits) {
    return fmt::format("{:.{}f}", number.get<double>(), digits);
  };
  EXPECT_EQ(words[0], "fixed:loops=2/1");
  EXPECT_EQ(words[1], shown(row["cross_entropy_nats_per_token"], 4));
  EXPECT_EQ(words[2], shown(row["cross_entropy_95"][0], 4) + "-" + shown(row["cross_entropy_95"][1], 4));
  EXPECT_EQ(words[3], shown(row["perplexity"], 3));
  EXPECT_EQ(words[4], shown(row["bits_per_byte"], 4));
  EXPECT_EQ(words[5], shown(row["kl_to_full_depth_nats_per_token"], 5));
  EXPECT_EQ(words[6], "3.000");
  const nlohmann::json& rise = row["rise_over_full_depth"];
  EXPECT_EQ(words[8], fmt::format("{:+.4f}", rise["value"].get<double>()));
  EXPECT_EQ(words[9], fmt::format("({:+.4f}", rise["interval_95"][0].get<double>()));
  EXPECT_EQ(words[10], fmt::format("{:+.4f})", rise["interval_95"][1].get<double>()));
  EXPECT_TRUE(eval({"--exit", "prefill"})["rows"][0]["rise_over_full_depth"].is_null());
}

TEST_F(Measure, DepthsAreToldWithTheirReference) {
  const ModelFolder other(noisy_spec(), 7);
  const std::vector<std::string> flags = {"--depths", "2,4", "--reference", other.path().string()};
  const nlohmann::json json = eval(flags);
  EXPECT_EQ(json["reference"]["model"], other.path().string());
  EXPECT_EQ(json["reference"]["sha256"], sha256(MappedFile(other.path() / "model.safetensors").bytes()));
  EXPECT_EQ(json["reference"]["kv_type"], "f32");
  EXPECT_EQ(json["reference"]["number_types"]["weights"], nlohmann::json({"f32"}));
  ASSERT_EQ(json["depths"].size(), 2U);
  const nlohmann::json& row = json["depths"][1];
  EXPECT_EQ(row["loops"], 4);
  EXPECT_EQ(row["tokens"], 160);
  const std::string table = eval_text(flags);
  const std::vector<std::string> words = words_of(table, 3);
  ASSERT_EQ(words.size(), 7U);
  const auto shown = [](double number, int digits) { return fmt::format("{:.{}f}", number, digits); };
  EXPECT_EQ(words[0], "4");
  EXPECT_EQ(words[1], shown(row["cross_entropy_nats_per_token"].get<double>(), 4));
  EXPECT_EQ(words[3], shown(std::exp(row["cross_entropy_nats_per_token"].get<double>()), 3));
  EXPECT_EQ(words[4], shown(row["reference_cross_entropy_nats_per_token"].get<double>(), 4));
  EXPECT_EQ(words[5], shown(row["kl_to_reference_nats_per_token"].get<double>(), 5));
  EXPECT_EQ(words[6], shown(100 * row["same_choice"].get<double>(), 2));
  const nlohmann::json own = eval({"--depths", "3", "--reference", model()})["depths"][0];
  EXPECT_EQ(own["same_choice"], 1);
  EXPECT_EQ(own["kl_to_reference_nats_per_token"], 0);
  EXPECT_EQ(own["cross_entropy_nats_per_token"], own["reference_cross_entropy_nats_per_token"]);
}

TEST_F(Measure, AccuracyIsTheShareOfRightAnswers) {
  // What the model answers is found by asking it every letter.
  std::string right;
  for (const char letter : std::string(" abcdefghijklmno")) {
    const std::string answer(1, letter);
    write_text_atomically(file("e.jsonl"), nlohmann::json({{"prompt", "ab"}, {"answer", answer}}).dump());
    const nlohmann::json json =
        nlohmann::json::parse(output({"eval", "-m", model(), "--examples", file("e.jsonl"), "--json"}));
    const double accuracy = json["rows"][0]["levels"][0]["accuracy"];
    if (accuracy == 1) right = answer;
  }
  ASSERT_FALSE(right.empty());
  const std::string wrong = right == "a" ? "b" : "a";
  std::string lines;
  for (const std::string& answer : {right, wrong, wrong, wrong}) {
    lines += nlohmann::json({{"prompt", "ab"}, {"answer", answer}, {"level", 3}}).dump() + "\n";
  }
  write_text_atomically(file("e.jsonl"), lines);
  const std::vector<std::string> flags = {"eval", "-m", model(), "--examples", file("e.jsonl")};
  std::vector<std::string> as_json = flags;
  as_json.emplace_back("--json");
  const nlohmann::json levels = nlohmann::json::parse(output(as_json))["rows"][0]["levels"];
  EXPECT_EQ(levels[0]["level"], 3);
  EXPECT_EQ(levels[0]["accuracy"], 0.25);
  EXPECT_EQ(levels[0]["examples"], 4);
  EXPECT_EQ(words_of(output(flags), 2), (std::vector<std::string>{"3", "4", "25.0", "0.0-75.0", "7.00"}));
}

TEST_F(Measure, EvalScoresThePartAskedFor) {
  // 160 characters.
  const auto tokens = [&](std::vector<std::string> flags) { return eval(std::move(flags))["rows"][0]["tokens"]; };
  EXPECT_EQ(tokens({}), 160);
  EXPECT_EQ(tokens({"--split", "validation"}), 16);
  EXPECT_EQ(tokens({"--split", "train"}), 144);
  EXPECT_EQ(tokens({"--split", "validation", "--validation-share", "0.25"}), 40);
  EXPECT_EQ(tokens({"--max-tokens", "30"}), 30);
}

TEST_F(Measure, EveryFileOfAFolderIsATextOfItsOwn) {
  fs::create_directories(file("texts"));
  write_text_atomically(file("texts/a.txt"), "abc");
  write_text_atomically(file("texts/b.txt"), "defg");
  const auto loss = [&](const std::string& path) {
    const nlohmann::json json = nlohmann::json::parse(output({"eval", "-m", model(), "--text", path, "--json"}));
    const nlohmann::json& row = json["rows"][0];
    return std::pair(row["tokens"].get<double>() * row["cross_entropy_nats_per_token"].get<double>(),
                     json["documents"]);
  };
  const auto whole = loss(file("texts"));
  EXPECT_EQ(whole.second, 2);
  EXPECT_NEAR(whole.first, loss(file("texts/a.txt")).first + loss(file("texts/b.txt")).first, 1e-5);
}

TEST_F(Measure, AnIntervalOfOneWindowIsNull) {
  const nlohmann::json json = eval({"--max-tokens", "5"});
  EXPECT_EQ(json["rows"][0]["cross_entropy_95"], nlohmann::json({nullptr, nullptr}));
  EXPECT_THAT(eval_text({"--max-tokens", "5"}), HasSubstr("of one window"));
  EXPECT_TRUE(eval({})["rows"][0]["cross_entropy_95"][0].is_number());
}

TEST_F(Measure, EvalRefusesWhatWouldChangeNothing) {
  write_text_atomically(file("e.jsonl"), R"({"prompt": "ab", "answer": "c"})");
  const std::string examples = file("e.jsonl");
  eval_refuses({"--examples", examples, "--exit", "prefill"}, "--exit prefill: only a --text");
  eval_refuses({"--examples", examples, "--score-from", "1"}, "--score-from: only a --text");
  eval_refuses({"--examples", examples, "--max-tokens", "9"}, "--max-tokens: only a --text");
  eval_refuses({"--examples", examples, "--split", "train"}, "--split: only a --text");
  eval_refuses({"--text", text(), "--exit-prompt", "whole"}, "--exit-prompt: a --text has no prompts");
  eval_refuses({"--examples", examples, "--exit-prompt", "some"}, "--exit-prompt");
  eval_refuses({"--text", text(), "--depths", "2,1,2"}, "--depths: 2 is there twice");
  eval_refuses({"--text", text(), "--depths", "0"}, "--depths");
  eval_refuses({"--text", text(), "--depths", "-1"}, "--depths");
  eval_refuses({"--text", text(), "--depths", "5"}, "--depths: 5 is more than 4");
  eval_refuses({"--text", text(), "--window", "25"}, "--window: 25 is more than the context of 24");
  eval_refuses({"--text", text(), "--split", "validation", "--validation-share", "0"}, "the part validation");
}

TEST_F(Measure, ExamplesBeginWithThePrefixAndSaySo) {
  write_text_atomically(file("e.jsonl"), R"({"prompt": "ab", "answer": "c", "level": 2})");
  const nlohmann::json json =
      nlohmann::json::parse(output({"eval", "-m", model(), "--examples", file("e.jsonl"), "--json"}));
  EXPECT_EQ(json["begins_with"], nlohmann::json({"<s>"}));
  EXPECT_EQ(json["examples"], file("e.jsonl"));
  EXPECT_EQ(json["window_tokens"], 24);
  EXPECT_EQ(json["rows"][0]["exit"], "fixed");
  EXPECT_EQ(json["rows"][0]["levels"][0]["level"], 2);
  EXPECT_EQ(json["rows"][0]["levels"][0]["loops_per_token"], 7);
}

TEST_F(Measure, BenchRefusesSizesThatAreNone) {
  const auto bench = [&](std::vector<std::string> flags, const std::string& why) {
    flags.insert(flags.begin(), {"bench", "-m", model()});
    refuses(flags, why);
  };
  bench({"-p", "0", "-n", "0"}, "nothing is to be timed");
  bench({"-p", "-1"}, "--prompt");
  bench({"-n", "-1"}, "--tokens");
  bench({"--batch", "0"}, "--batch");
  bench({"--batch", "-2"}, "--batch");
  bench({"--rounds", "0"}, "--rounds");
  bench({"-p", "4", "-p", "8"}, "--prompt");
  bench({"--batch", "2", "--batch", "2"}, "--batch");
  bench({"-p", "25", "-n", "1"}, "do not fit the context of 24");
}

TEST_F(Measure, BenchTellsAllThatItsNumbersDependOn) {
  const nlohmann::json json = nlohmann::json::parse(output({"bench",     "-m",      model(),
                                                            "-p",        "4",       "-n",
                                                            "3",         "--batch", "2",
                                                            "--rounds",  "2",       "--first-state",
                                                            "zero",      "--exit",  "fixed:loops=2",
                                                            "--threads", "1",       "--seed",
                                                            "4",         "--json"}));
  EXPECT_EQ(json["first_state"], "zero");
  EXPECT_EQ(json["batch"], 2);
  EXPECT_EQ(json["rounds"], 2);
  EXPECT_EQ(json["seed"], 4);
  EXPECT_EQ(json["prompt"]["tokens"], 4);
  EXPECT_EQ(json["prompt"]["rounds"].size(), 2U);
  EXPECT_EQ(json["generation"]["tokens"], 3);
  EXPECT_EQ(json["generation"]["exit"], "fixed:loops=2");
  EXPECT_EQ(json["generation"]["loops_per_token"], 4);
}

TEST_F(Measure, TheFiguresOfBenchFollowFromItsRounds) {
  const nlohmann::json json = nlohmann::json::parse(output(
      {"bench", "-m", model(), "-p", "4", "-n", "3", "--batch", "2", "--rounds", "3", "--threads", "1", "--json"}));
  for (const char* work : {"prompt", "generation"}) {
    std::vector<double> rounds = json[work]["rounds"];
    std::sort(rounds.begin(), rounds.end());
    EXPECT_EQ(json[work]["tokens_per_second"], rounds[1]) << work;
  }
  const nlohmann::json& generation = json["generation"];
  EXPECT_EQ(generation["exit"], "none");
  EXPECT_EQ(generation["loops_per_token"], 7);
  const double speed = generation["tokens_per_second"];
  // One layer, one of 4 loops, two of 3, one.
  EXPECT_NEAR(generation["layer_passes_per_second"].get<double>() / speed, 12, 1e-9);
  const nlohmann::json& ceiling = generation["ceiling"];
  const double bound = ceiling["bound_tokens_per_second"];
  EXPECT_NEAR(ceiling["read_bytes_per_second"].get<double>() / ceiling["weight_bytes_per_token"].get<double>() / bound,
              1, 1e-9);
  EXPECT_NEAR(ceiling["share_of_bound"].get<double>() * bound * 2 / speed, 1, 1e-9);
}

/// What a shell makes of a command whose first word is gyre.
int run_command(const std::string& command) {
  const std::string program = GYRE_BINARY;
  return std::system(("gyre() { '" + program + "' \"$@\" >/dev/null 2>&1; }; " + command).c_str());
}

nlohmann::json study_in(const std::string& file) {
  nlohmann::json json = nlohmann::json::parse(read_text(file));
  json.erase("date");
  return json;
}

TEST_F(Measure, TheCommandThatAStudyPrintsDoesItAgain) {
  const fs::path odd = file("it's a $(model)");
  fs::copy(folder_.path(), odd, fs::copy_options::recursive);
  const std::vector<std::string> plain = {"study", "-m", odd.string(), "--text", text(), "--out", file("s.html")};
  const std::vector<std::vector<std::string>> flags = {
      {},
      {"--tokens", "30", "--split", "validation", "--validation-share", "0.3"},
      {"--window", "7", "--loops", "2/3", "--seed", "9", "--threads", "1"},
      {"--kv", "last", "--kv-type", "q8_0", "--weights", "bf16"},
      {"--first-state", "zero"},
      {"--kv", "latest:ring=2"},
      {"--tokens", "31", "--measures", "basic"}};
  std::vector<nlohmann::json> results;
  for (const std::vector<std::string>& more : flags) {
    std::vector<std::string> arguments = plain;
    arguments.insert(arguments.end(), more.begin(), more.end());
    output(arguments);
    const nlohmann::json first = study_in(file("s.json"));
    fs::remove(file("s.json"));
    ASSERT_EQ(run_command(first["command"]), 0) << first["command"];
    EXPECT_TRUE(study_in(file("s.json")) == first) << first["command"];
    results.push_back(first["measures"]);
  }
  // And each flag does something.
  for (std::size_t i = 0; i < results.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) EXPECT_TRUE(results[i] != results[j]) << i << " and " << j;
  }
}

TEST_F(Measure, TheCommandThatAComparisonOfExitsPrintsDoesItAgain) {
  const fs::path odd = file("it's a $(model)");
  fs::copy(folder_.path(), odd, fs::copy_options::recursive);
  // Times alone are never the same twice.
  const std::vector<std::string> plain = {"study",          "exits", "-m",     odd.string(),
                                          "--text",         text(),  "--out",  file("e.html"),
                                          "--timed-tokens", "0",     "--exit", "any(accel:tau=0.5;step:tau=0.2):min=2"};
  const std::vector<std::vector<std::string>> flags = {
      {"--window", "7", "--loops", "2/3", "--seed", "9", "--threads", "1", "--deals", "1"},
      {"--document-tokens", "5", "--max-tokens", "30", "--split", "validation", "--validation-share", "0.9"},
      {"--exit", "accel", "--grid", "5", "--points", "2", "--kv", "last", "--weights", "bf16"},
      {"--paragraphs", "--free-running", "--prompt-tokens", "2", "-n", "3"}};
  std::vector<nlohmann::json> results;
  for (const std::vector<std::string>& more : flags) {
    std::vector<std::string> arguments = plain;
    arguments.insert(arguments.end(), more.begin(), more.end());
    output(arguments);
    const nlohmann::json first = study_in(file("e.json"));
    fs::remove(file("e.json"));
    ASSERT_EQ(run_command(first["command"]), 0) << first["command"];
    EXPECT_TRUE(study_in(file("e.json")) == first) << first["command"];
    for (const nlohmann::json& result : results) EXPECT_TRUE(first["checkpoints"] != result) << first["command"];
    results.push_back(first["checkpoints"]);
  }
}

TEST_F(Measure, TheCommandOfAStudyHoldsTheLoopsOfAPlainModel) {
  ModelSpec spec = small_spec();
  spec.groups = {{"layers", 4, 1, Injection::none, FirstState::carried, 1.0F}};
  const ModelFolder plain(spec);
  output({"study", "-m", plain.path().string(), "--text", text(), "--out", file("s.html"), "--loop", "1-2x3",
          "--damping", "0.7"});
  const nlohmann::json first = study_in(file("s.json"));
  fs::remove(file("s.json"));
  ASSERT_EQ(run_command(first["command"]), 0) << first["command"];
  EXPECT_EQ(study_in(file("s.json")), first);
  EXPECT_EQ(first["settings"]["layer_loops"], "1-2x3");
}

TEST_F(Measure, AStudyTellsTheTypesItRanIn) {
  output({"study", "-m", model(), "--text", text(), "--out", file("s.html"), "--tokens", "20", "--weights", "q4_0",
          "--kv-type", "bf16", "--kv", "last", "--first-state", "zero", "--seed", "3"});
  const nlohmann::json json = study_in(file("s.json"));
  const nlohmann::json& settings = json["settings"];
  EXPECT_EQ(settings["stored_dtype"], "F32");
  EXPECT_EQ(settings["number_types"]["weights"], nlohmann::json({"f32", "q4_0"}));
  EXPECT_EQ(settings["number_types"]["activations_in_decoding"], nlohmann::json({"f32", "int8"}));
  EXPECT_EQ(settings["kv_type"], "bf16");
  EXPECT_EQ(settings["kv_policy"], "last");
  EXPECT_EQ(settings["first_state"], "zero");
  EXPECT_EQ(settings["seed"], 3);
  EXPECT_EQ(settings["token_by_token"], true);
  EXPECT_TRUE(settings.contains("isa"));
  EXPECT_FALSE(settings.contains("dtype"));
  EXPECT_EQ(json["text"]["file"], text());
  EXPECT_EQ(json["text"]["tokens"], 20);
  EXPECT_EQ(json["text"]["window"], 24);
  EXPECT_EQ(json["text"]["split"], "all");
  EXPECT_EQ(json["text"]["validation_share"], 0.1);
  EXPECT_EQ(json["settings"]["loops"], nlohmann::json({1, 4, 3, 1}));
  EXPECT_EQ(json["text"]["begins_with"], nlohmann::json({"<s>"}));
  EXPECT_EQ(json["checkpoints"][0]["model_hash"], sha256(MappedFile(folder_.path() / "model.safetensors").bytes()));
}

TEST_F(Measure, AStudyReplacesNothingThatIsNotItsOwn) {
  const std::vector<std::string> study = {"study", "-m", model(), "--text", text(), "--tokens", "20", "--out"};
  const auto with_out = [&](const std::string& out) {
    std::vector<std::string> arguments = study;
    arguments.push_back(out);
    return arguments;
  };
  write_text_atomically(file("results.json"), "{}");
  refuses(with_out(file("results.html")), "which no study has written");
  EXPECT_EQ(read_text(file("results.json")), "{}");
  refuses(with_out(file("x.json")), "is the name of the data");
  EXPECT_FALSE(fs::exists(file("x.json")));
  refuses(with_out(text()), "which the study reads");
  refuses(with_out(model() + "/config.html"), "which the study reads");
  output(with_out(file("s.html")));
  EXPECT_THAT(read_text(file("s.html")), StartsWith("<!DOCTYPE html>"));
  EXPECT_THAT(read_text(file("s.json")), StartsWith("{\"checkpoints\":"));
  output(with_out(file("s.html")));  // its own it does
}

TEST_F(Measure, AStudyWithoutEvidenceSaysSo) {
  ModelSpec spec = small_spec();
  spec.groups = {{"prelude", 1, 1, Injection::none, FirstState::carried, 1.0F},
                 {"core", 1, 2, Injection::none, FirstState::carried, 1.0F}};
  const ModelFolder last_group_loops(spec);
  const std::string printed = output(
      {"study", "-m", last_group_loops.path().string(), "--text", text(), "--tokens", "20", "--out", file("s.html")});
  EXPECT_THAT(printed, HasSubstr("Hand-offs move the state further than loops do — unclear\n"));
  for (const nlohmann::json& finding : study_in(file("s.json"))["findings"]) {
    if (finding["id"] != "drift_dominates") continue;
    EXPECT_TRUE(finding["holds"].is_null());
    EXPECT_EQ(finding["verdict"], "unclear");
    EXPECT_TRUE(finding["evidence"].empty());
  }
}

TEST_F(Measure, StepsAreReadOnlyFromNamesOfCheckpoints) {
  const fs::path run = file("run");
  fs::create_directories(run);
  for (const char* name : {"gpt2", "other-7"}) fs::copy(folder_.path(), run / name, fs::copy_options::recursive);
  const std::vector<std::string> study = {"study", "--text", text(), "--tokens", "20", "--out", file("s.html")};
  const auto of = [&](const std::vector<std::string>& models) {
    std::vector<std::string> arguments = study;
    for (const std::string& model : models) arguments.insert(arguments.end(), {"-m", model});
    output(arguments);
    return study_in(file("s.json"))["checkpoints"];
  };
  nlohmann::json checkpoints = of({(run / "gpt2").string(), (run / "other-7").string()});
  EXPECT_TRUE(checkpoints[0]["step"].is_null());
  EXPECT_TRUE(checkpoints[1]["step"].is_null());
  fs::copy(folder_.path(), run / "step-1000000", fs::copy_options::recursive);
  fs::copy(folder_.path(), run / "step-000500", fs::copy_options::recursive);
  checkpoints = of({(run / "step-1000000").string(), (run / "step-000500/").string()});
  EXPECT_EQ(checkpoints[0]["step"], 500);
  EXPECT_EQ(checkpoints[1]["step"], 1000000);
}

}  // namespace
}  // namespace gyre::measure_test
