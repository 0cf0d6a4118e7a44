#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "base/processors.hpp"
#include "cli/program.hpp"
#include "model_folder.hpp"

namespace gyre {
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
  for (const char* seed : {"-1", "18446744073709551616", "99999999999999999999", "0x10", "1.0", "nan", "+1", ""}) {
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

TEST_F(Flags, MoreThreadsThanProcessorsAreWarnedOf) {
  const int processors = usable_processors();
  EXPECT_THAT(generate({"--threads", std::to_string(processors + 1)}).err,
              HasSubstr("more than the " + std::to_string(processors) + " processor"));
  EXPECT_THAT(generate({"--threads", std::to_string(processors)}).err, Not(HasSubstr("processor")));
  const ProgramRun run = generate({"--json"});
  EXPECT_EQ(nlohmann::json::parse(run.out)["threads"], processors);
}

}  // namespace
}  // namespace gyre
