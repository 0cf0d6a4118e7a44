#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <algorithm>
#include <limits>

#include "cli/program.hpp"
#include "model_folder.hpp"

namespace gyre::bad_input_test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class BadInput : public ::testing::Test {
 protected:
  BadInput() { write_text_atomically(text(), "abc abd abe abc abd abe abc"); }

  [[nodiscard]] std::string model() const { return folder_.path().string(); }
  [[nodiscard]] std::string text() const { return folder_.beside("text.txt").string(); }
  [[nodiscard]] fs::path weights() const { return folder_.path() / "model.safetensors"; }

  /// The mistake is told in one line of stderr that names what is in `says`, with exit status 2 and nothing else.
  static void expect_mistake(const std::vector<std::string>& arguments, const std::vector<std::string>& says,
                             const Environment& environment = {}) {
    const ProgramRun run = run_gyre(arguments, environment);
    EXPECT_EQ(run.status, 2) << run.err;
    EXPECT_EQ(run.out, "");
    EXPECT_THAT(run.err, StartsWith("gyre: "));
    EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
    EXPECT_EQ(run.err.back(), '\n');
    for (const std::string& part : says) EXPECT_THAT(run.err, HasSubstr(part));
  }

  /// `generate` on the model of this test, with these flags besides.
  void expect_generate_mistake(const std::vector<std::string>& says, std::vector<std::string> flags = {},
                               const std::string& prompt = "abc") const {
    flags.insert(flags.begin(), {"generate", "-m", model(), "-p", prompt, "-n", "3"});
    expect_mistake(flags, says);
  }

  void expect_eval_mistake(const std::vector<std::string>& says, std::vector<std::string> flags) const {
    flags.insert(flags.begin(), {"eval", "-m", model()});
    expect_mistake(flags, says);
  }

  ModelFolder folder_;
};

TEST_F(BadInput, IsToldInOneLineWhateverItQuotes) {
  expect_mistake({"eval", "-m", model(), "--text", "no\nsuch\x1b[31mtext"}, {"no such [31mtext"});
}

TEST_F(BadInput, AFlagThatIsNoneIsNamedBesideTheOneLikelyMeant) {
  expect_mistake({"generate", "-m", model(), "--max-tokens", "3"},
                 {"--max-tokens is no flag of gyre generate; there is --tokens;"});
  expect_mistake({"generate", "-m", model(), "--tempratur=1"},
                 {"--tempratur is no flag of gyre generate; there is --temperature;"});
  expect_mistake({"generate", "-m", model(), "--flavour"},
                 {"--flavour is no flag of gyre generate; see gyre generate --help"});
  expect_mistake({"info", "-m", model(), "another"}, {"\"another\" is not expected; see gyre info --help"});
  expect_mistake({"--quiet"}, {"--quiet is no flag of gyre; see gyre --help"});
}

TEST_F(BadInput, NamesTheTextWithACharacterThatTheVocabularyLacks) {
  write_text_atomically(text(), "abc \xe2\x82\xac");
  expect_mistake({"eval", "-m", model(), "--text", text()}, {text() + ": the character", "U+20AC"});
}

TEST_F(BadInput, AnOriginThatNoBrowserSends) {
  for (const char* const origin : {"chat.example.org", "https://chat.example.org/page", "https://", "://a"}) {
    expect_mistake({"serve", "-m", model(), "--port", "0", "--cors-origin", origin}, {"--cors-origin", origin});
  }
}

TEST_F(BadInput, LearningFlagsBesideAnEvaluation) {
  const std::vector<std::string> grpo = {"grpo",          "-m",         model(),      "--config", text(), "--out",
                                         text() + ".out", "--evaluate", "--held-out", text()};
  for (const std::vector<std::string>& more :
       std::vector<std::vector<std::string>>{{"--data", text()}, {"--steps", "3"}, {"--resume"}}) {
    std::vector<std::string> arguments = grpo;
    arguments.insert(arguments.end(), more.begin(), more.end());
    expect_mistake(arguments, {"--evaluate", more.front()});
  }
}

TEST_F(BadInput, AMissingModelFolder) {
  for (const char* command : {"generate", "eval", "info", "study"}) {
    std::vector<std::string> arguments = {command, "-m", "/no/such/model"};
    if (arguments[0] == "generate") arguments.insert(arguments.end(), {"-p", "a"});
    if (arguments[0] == "eval" || arguments[0] == "study") arguments.insert(arguments.end(), {"--text", text()});
    expect_mistake(arguments, {"/no/such/model"});
  }
}

TEST_F(BadInput, AModelFolderWithoutTokenizer) {
  fs::remove(folder_.path() / "tokenizer.json");
  expect_generate_mistake({"tokenizer.json"});
  expect_eval_mistake({"tokenizer.json"}, {"--text", text()});
}

TEST_F(BadInput, ABrokenTokenizer) {
  write_text_atomically(folder_.path() / "tokenizer.json", "{]");
  expect_generate_mistake({"tokenizer.json"});
  write_text_atomically(folder_.path() / "tokenizer.json", R"({"model": 1e999})");
  expect_generate_mistake({"tokenizer.json"});
}

TEST_F(BadInput, TruncatedWeights) {
  const std::string whole = read_text(weights());
  for (const std::size_t length : {std::size_t{0}, std::size_t{5}, std::size_t{300}, whole.size() - 1}) {
    write_text_atomically(weights(), whole.substr(0, length));
    expect_generate_mistake({"model.safetensors"});
  }
}

TEST_F(BadInput, AForeignFileAsWeights) {
  write_text_atomically(weights(), std::string("\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\1\0", 20) + std::string(100, 'x'));
  expect_generate_mistake({"model.safetensors", "not a safetensors file"});
}

TEST_F(BadInput, WeightsOfAnotherType) {
  std::string bytes = read_text(weights());
  bytes.replace(bytes.find("\"F32\""), 5, "\"I32\"");
  write_text_atomically(weights(), bytes);
  expect_generate_mistake({"model.safetensors", "tensor", "I32", "F32, F16 and BF16"});
}

TEST_F(BadInput, WeightsOfAnotherShape) {
  std::string bytes = read_text(weights());
  const std::size_t shape = bytes.find("[16,16]");
  ASSERT_NE(shape, std::string::npos);
  bytes.replace(shape, 7, "[ 8,32]");
  write_text_atomically(weights(), bytes);
  expect_generate_mistake({"model.safetensors", "[8, 32]", "[16, 16]"});
}

TEST_F(BadInput, AConfigThatContradictsTheWeights) {
  nlohmann::json json = to_json(folder_.spec());
  json["hidden_size"] = 18;
  write_text_atomically(folder_.path() / "config.json", json.dump());
  expect_generate_mistake({"embed.weight", "[16, 18]"});
}

TEST_F(BadInput, ABrokenConfig) {
  for (const char* config : {"", "{", "[]", R"({"heads": 1e999})", R"({"nope": 1})"}) {
    write_text_atomically(folder_.path() / "config.json", config);
    expect_generate_mistake({"config.json"});
  }
}

TEST_F(BadInput, WeightsThatAreNotANumber) {
  folder_.rewrite([](Weights& all) { all["embed.weight"][3] = std::numeric_limits<float>::quiet_NaN(); });
  expect_generate_mistake({"embed.weight", "not finite"});
}

TEST_F(BadInput, Prompts) {
  expect_generate_mistake({"--prompt", "empty"}, {}, "");
  expect_generate_mistake({"--prompt", "30 tokens", "24"}, {}, std::string(30, 'a'));
  expect_generate_mistake({"--prompt", "UTF-8"}, {}, "ab\xff");
  expect_generate_mistake({"\"z\"", "offset 1"}, {}, "az");
}

TEST_F(BadInput, TextFiles) {
  const std::string other = folder_.beside("other.txt").string();
  write_text_atomically(other, "abc\xff");
  for (const char* command : {"eval", "study"}) {
    const std::vector<std::string> start = {command, "-m", model()};
    const auto with = [&](std::vector<std::string> more) {
      more.insert(more.begin(), start.begin(), start.end());
      if (start[0] == "study") more.insert(more.end(), {"--out", folder_.beside("page.html").string()});
      return more;
    };
    expect_mistake(with({"--text", other}), {"UTF-8"});
    expect_mistake(with({"--text", "/no/such/text"}), {"/no/such/text"});
    expect_mistake(with({"--text", model()}), {model(), "*.txt"});
    EXPECT_FALSE(fs::exists(folder_.beside("page.html")));
  }
  write_text_atomically(other, "a");
  expect_eval_mistake({"1 tokens"}, {"--text", other});
  write_text_atomically(other, "");
  expect_eval_mistake({other, "empty"}, {"--text", other});
}

TEST_F(BadInput, ExampleFiles) {
  const std::string file = folder_.beside("examples.jsonl").string();
  write_text_atomically(file, "{\"prompt\": \"a\", \"answer\": \"b\"}\nnot json\n");
  expect_eval_mistake({file, "line 2"}, {"--examples", file});
  write_text_atomically(file, "{\"prompt\": \"a\"}\n");
  expect_eval_mistake({"line 1", "answer"}, {"--examples", file});
  expect_eval_mistake({"give one of --text, --examples and --task"}, {"--examples", file, "--text", text()});
  expect_eval_mistake({"give one of --text, --examples and --task"}, {});
}

TEST_F(BadInput, CommandsAndFlags) {
  expect_mistake({}, {"subcommand"});
  expect_mistake({"dream"}, {"dream"});
  expect_generate_mistake({"--deep"}, {"--deep"});
  expect_mistake({"generate", "-m", model()}, {"--prompt"});
  expect_generate_mistake({"--threads"}, {"--threads", "0"});
  expect_generate_mistake({"--seed"}, {"--seed", "x"});
  expect_generate_mistake({"--loops", "\"many\""}, {"--loops", "many"});
  expect_generate_mistake({"--loops", "3 counts for 2"}, {"--loops", "1/2/3"});
  expect_generate_mistake({"--kv", "\"both\"", "choose latest"}, {"--kv", "both"});
  expect_generate_mistake({"--context", "24"}, {"--context", "25"});
  expect_generate_mistake({"--temperature"}, {"--temperature", "-1"});
  expect_generate_mistake({"--top-p"}, {"--top-p", "2"});
  expect_generate_mistake({"--color"}, {"--color", "blue"});
  expect_eval_mistake({"--split"}, {"--text", text(), "--split", "test"});
  expect_eval_mistake({"--window", "24"}, {"--text", text(), "--window", "25"});
}

TEST_F(BadInput, WaysToComeByTokens) {
  expect_generate_mistake({"--draft", "\"deep\""}, {"--draft", "deep"});
  expect_generate_mistake({"--draft", "loops is missing"}, {"--draft", "tokens=2"});
  expect_generate_mistake({"--draft", "9 loops are more"}, {"--draft", "loops=9"});
  expect_generate_mistake({"--draft", "leave out --exit"}, {"--draft", "loops=1", "--exit", "accel:tau=0.1"});
  expect_generate_mistake({"draft", "KV policy last"}, {"--draft", "loops=1", "--kv", "last"});
  expect_generate_mistake({"draft", "first state"}, {"--draft", "loops=1", "--first-state", "previous"});
  expect_generate_mistake({"--draft", "--logprobs"}, {"--draft", "loops=1", "--logprobs", "2", "--json"});
  expect_generate_mistake({"--diffuse", "one looped group"}, {"--diffuse", "inner=2"});
  expect_generate_mistake({"--exit-prompt", "last, each, whole or never"}, {"--exit-prompt=some"});
  expect_generate_mistake({"--test-noise", "no group of"}, {"--test-noise", "fixed=0.1"});
  expect_generate_mistake({"--test-noise", "fixed, geom, sqrt, line or chi"}, {"--test-noise", "loud=1"});
  expect_generate_mistake({"--draft", "leave out --exit-prompt"}, {"--draft", "loops=1", "--exit-prompt=never"});
  expect_generate_mistake({"--diffuse", "leave out --exit"}, {"--diffuse", "inner=2", "--exit", "accel:tau=0.1"});
  expect_generate_mistake({"--logit-bias", "TOKEN=NUMBER"}, {"--logit-bias", "a=1"});
  expect_generate_mistake({"--logit-bias", "TOKEN=NUMBER"}, {"--logit-bias", "1=nan"});
  expect_generate_mistake({"--logit-bias", "no token 16"}, {"--logit-bias", "16=1"});
  expect_generate_mistake({"--logprobs", "--json"}, {"--logprobs", "2"});
  expect_mistake({"bench", "-m", model(), "--schedule", "fast"}, {"--schedule", "\"fast\"", "lockstep or rows"});
  expect_mistake({"bench", "-m", model(), "--chunk", "4", "--prompt", "0", "-n", "4"}, {"--chunk"});
}

TEST_F(BadInput, ExitRules) {
  expect_generate_mistake({"\"soon\"", "fixed, accel, step, kl, random"}, {"--exit", "soon"});
  expect_generate_mistake({"\"t\"", "tau, hits, form"}, {"--exit", "accel:t=1"});
  expect_generate_mistake({"accel", "tau=much"}, {"--exit", "accel:tau=much"});
  expect_generate_mistake({"like"}, {"--exit", "random:like=1"});
  expect_generate_mistake({"any(kl;step:tau=1,min=2)", "any(…):min=2"}, {"--exit", "any(kl;step:tau=1,min=2)"});
  expect_generate_mistake({"\"loop c\"", "1 (loop a), 2 (loop b)"}, {"--exit", "groups(loop c=fixed)"});
  expect_generate_mistake({"--whole-prompt", "leave the flag out"}, {"--whole-prompt"});
  expect_eval_mistake({"\"soon\""}, {"--text", text(), "--exit", "fixed", "--exit", "soon"});
  expect_eval_mistake({"like=3"}, {"--text", text(), "--exit", "fixed", "--exit", "random:like=3"});
}

TEST_F(BadInput, AnInstructionSetThatDoesNotExist) {
  expect_mistake({"generate", "-m", model(), "-p", "a"}, {"GYRE_ISA", "nonsense", "scalar"},
                 {{"GYRE_ISA", "nonsense"}});
}

TEST_F(BadInput, AStudyIntoAFolderThatDoesNotExist) {
  expect_mistake({"study", "-m", model(), "--text", text(), "--out", "/no/such/folder/page.html"}, {"/no/such/folder"});
}

TEST_F(BadInput, AStudyOntoAFullDisk) {
  const fs::path disk = folder_.beside("disk");
  fs::create_directory(disk);
  if (::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=16k") != 0) GTEST_SKIP() << "mounting a tmpfs needs root";
  const std::string page = (disk / "page.html").string();
  const ProgramRun run = run_gyre({"study", "-m", model(), "--text", text(), "--out", page});
  const bool empty = fs::is_empty(disk);
  ::umount(disk.c_str());
  EXPECT_EQ(run.status, 2) << run.err;
  EXPECT_THAT(run.err, HasSubstr("gyre: cannot write " + disk.string()));
  EXPECT_THAT(run.err, HasSubstr("No space"));
  EXPECT_TRUE(empty);
}

TEST_F(BadInput, AStudyOfAModelWithoutLoops) {
  ModelSpec spec = small_spec();
  for (Group& group : spec.groups) group.loops = 1;
  const ModelFolder plain(spec);
  expect_mistake({"study", "-m", plain.path().string(), "--text", text(), "--out", folder_.beside("p.html").string()},
                 {"no looped group"});
}

TEST_F(BadInput, BlocksAndMeasuresOfAStudy) {
  const std::string page = folder_.beside("p.html").string();
  expect_mistake({"study", "-m", model(), "--text", text(), "--out", page, "--measures", "some"},
                 {"--measures", "\"some\"", "basic", "all"});
  expect_mistake({"study", "blocks", "-m", model(), "--text", text()}, {"\"loop a\" loop already"});
  ModelSpec spec = small_spec();
  spec.groups = {plain_group("layers", 2)};
  const ModelFolder plain(spec);
  const std::vector<std::string> blocks = {"study", "blocks", "-m", plain.path().string(), "--text", text()};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), blocks.begin(), blocks.end());
    return more;
  };
  expect_mistake(with({"--blocks", "3"}), {"--blocks", "3 blocks of a model of 2 layers"});
  expect_mistake(with({"--blocks", "1", "--window", "400"}), {"--window", "400", "context"});
  expect_mistake(with({"--blocks", "0"}), {"--blocks"});
  expect_mistake(with({"--by", "colour"}), {"--by"});
  expect_mistake(with({"--distil", "5"}), {"--distil", "give --split validation"});
}

TEST_F(BadInput, OutputThatCannotBeWrittenIsNoSuccess) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"info", "-m", model()}, std::vector<std::string>{"info", "-m", model(), "--json"},
        std::vector<std::string>{"generate", "-m", model(), "-p", "a", "-n", "2", "--json"}}) {
    const ProgramRun run = run_gyre(arguments, {}, "/dev/full");
    EXPECT_EQ(run.status, 2) << arguments[0];
    EXPECT_THAT(run.err, HasSubstr("gyre: ")) << arguments[0];
    EXPECT_THAT(run.err, HasSubstr("No space")) << arguments[0];
  }
}

class BadTraining : public BadInput {
 protected:
  void SetUp() override {
    const fs::path module = fs::path(GYRE_BINARY).parent_path() / "libgyre_train.so";
    if (!fs::exists(module)) GTEST_SKIP() << "built without training";
  }
  void expect_train_mistake(const std::string& config, const std::string& data,
                            const std::vector<std::string>& says) const {
    const fs::path out = folder_.beside("run");
    expect_mistake({"train", "--config", config, "--data", data, "--out", out.string()}, says);
    EXPECT_FALSE(fs::exists(out / "model"));
  }
};

TEST_F(BadTraining, AMissingConfig) { expect_train_mistake("/no/such/config", text(), {"/no/such/config"}); }

TEST_F(BadTraining, ABrokenConfig) {
  const std::string config = folder_.beside("config.json").string();
  write_text_atomically(config, "{\"name\": ");
  expect_train_mistake(config, text(), {config, "JSON"});
  write_text_atomically(config, R"({"training": {"step": 3}})");
  expect_train_mistake(config, text(), {config, "\"step\""});
}

TEST_F(BadTraining, MissingData) {
  const std::string config = std::string(GYRE_TEST_DIR) + "/../configs/shakespeare.json";
  expect_train_mistake(config, "/no/such/data", {"/no/such/data"});
}

}  // namespace
}  // namespace gyre::bad_input_test
