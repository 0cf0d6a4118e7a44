#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "base/processors.hpp"
#include "cli/program.hpp"
#include "model_folder.hpp"

namespace gyre::flags_test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class Flags : public ::testing::Test {
 protected:
  [[nodiscard]] ProgramRun generate(std::vector<std::string> flags) const {
    flags.insert(flags.begin(), {"generate", "-m", folder_.path().string(), "-p", "abc", "-n", "2"});
    return run_gyre(flags);
  }
  void expect_refused(const std::string& flag, const std::string& value, const std::string& says) const {
    const ProgramRun run = generate({flag + "=" + value});
    EXPECT_EQ(run.status, 2) << flag << " " << value;
    EXPECT_EQ(run.out, "");
    EXPECT_THAT(run.err, StartsWith("gyre: " + flag));
    EXPECT_THAT(run.err, HasSubstr(says));
    EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
    EXPECT_LT(run.err.size(), 200U);  // no bound is told in three hundred digits
  }

  ModelFolder folder_;
};

TEST_F(Flags, AMistakeLeadsToTheHelpOfItsCommand) {
  EXPECT_THAT(run_gyre({"generate", "--frobnicate"}).err, HasSubstr("; see gyre generate --help"));
  EXPECT_THAT(run_gyre({"study", "exits", "--frobnicate"}).err, HasSubstr("; see gyre study exits --help"));
  EXPECT_THAT(run_gyre({"frobnicate"}).err, HasSubstr("; see gyre --help"));
}

TEST_F(Flags, NumbersHaveToBeNumbers) {
  for (const char* flag : {"--temperature", "--top-p", "--min-p", "--repetition-penalty", "--damping"}) {
    for (const char* value : {"nan", "-nan", "inf", "-1", "1e9", "x", "1x"}) {
      expect_refused(flag, value, std::string("\"") + value + "\" is no number from ");
    }
  }
  for (const char* flag : {"--top-k", "--tokens", "--context", "--threads"}) {
    for (const char* value : {"-1", "nan", "1.5", "99999999999999999999"}) {
      expect_refused(flag, value, std::string("\"") + value + "\" is no whole number ");
    }
  }
}

TEST_F(Flags, WholeNumbersBelowTheLeast) {
  expect_refused("--context", "0", "\"0\" is no whole number of at least 1");
  expect_refused("--tokens", "0", "\"0\" is no whole number from 1 to 16777216");
  expect_refused("--threads", "0", "\"0\" is no whole number from 1 to 1024");
  EXPECT_EQ(generate({"--top-k", "0"}).status, 0);
}

TEST_F(Flags, ASeedIsWhatFitsIntoSixtyFourBits) {
  for (const char* seed : {"-1", "18446744073709551616", "99999999999999999999", "0x10", "1.0", "nan", "+1"}) {
    expect_refused("--seed", seed, std::string("\"") + seed + "\" is no seed");
  }
  const ProgramRun run = generate({"--json", "--seed", "18446744073709551615"});
  EXPECT_EQ(nlohmann::json::parse(run.out)["seed"], std::numeric_limits<std::uint64_t>::max());
}

TEST_F(Flags, AnEmptyStopTextIsNone) {
  const ProgramRun run = generate({"--stop", ""});
  EXPECT_EQ(run.status, 2);
  EXPECT_THAT(run.err, StartsWith("gyre: --stop: the text is empty"));
}

TEST_F(Flags, APromptMayComeFromAFile) {
  const std::string model = folder_.path().string();
  const std::string file = folder_.beside("prompt.txt").string();
  const auto from_file = [&] {
    return run_gyre({"generate", "-m", model, "-n", "2", "--temperature", "0", "--prompt-file", file});
  };
  const ProgramRun wanted = run_gyre({"generate", "-m", model, "-n", "2", "--temperature", "0", "-p", "abc"});
  for (const char* text : {"abc", "abc\n", "abc\r\n"}) {
    write_text_atomically(file, text);
    EXPECT_EQ(from_file().out, wanted.out);
  }
  write_text_atomically(file, "\n");
  EXPECT_THAT(from_file().err, StartsWith("gyre: --prompt-file: " + file + " is empty"));
  EXPECT_EQ(generate({"--prompt-file", file}).status, 2);  // and a prompt besides
}

TEST_F(Flags, ThatChangeATextAreToldWithIt) {
  const nlohmann::json json = nlohmann::json::parse(
      generate({"--json",       "--temperature", "0.5",     "--top-k",       "3",
                "--top-p",      "0.75",          "--min-p", "0.25",          "--repetition-penalty",
                "1.5",          "--context",     "20",      "--stop",        "zz",
                "--ignore-end", "--kv-type",     "bf16",    "--first-state", "zero",
                "--exit",       "step:tau=0.5"})
          .out);
  EXPECT_EQ(json["sampling"],
            (nlohmann::json{
                {"temperature", 0.5}, {"top_k", 3}, {"top_p", 0.75}, {"min_p", 0.25}, {"repetition_penalty", 1.5}}));
  EXPECT_EQ(json["context"], 20);
  EXPECT_EQ(json["stop"], nlohmann::json({"zz"}));
  EXPECT_EQ(json["ignore_end"], true);
  EXPECT_EQ(json["kv_type"], "bf16");
  EXPECT_EQ(json["first_state"], "zero");
  EXPECT_EQ(json["exit"], "step:tau=0.5");
  EXPECT_EQ(json["model_sha256"].get<std::string>().size(), 64U);
}

TEST_F(Flags, MoreThreadsThanProcessorsAreWarnedOf) {
  const int processors = usable_processors();
  EXPECT_THAT(generate({"--threads", std::to_string(processors + 1)}).err,
              HasSubstr("more than the " + std::to_string(processors) + " processor"));
  EXPECT_THAT(generate({"--threads", std::to_string(processors)}).err, Not(HasSubstr("processor")));
  const ProgramRun run = generate({"--json"});
  EXPECT_EQ(nlohmann::json::parse(run.out)["threads"], processors);
}

}  // namespace
}  // namespace gyre::flags_test
