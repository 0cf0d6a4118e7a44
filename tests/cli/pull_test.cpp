#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>

#include "base/file.hpp"
#include "cli/program.hpp"
#include "hub/hub_server.hpp"
#include "scratch_folder.hpp"

namespace gyre::cli_pull_test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class PullCommand : public ::testing::Test {
 protected:
  [[nodiscard]] Environment environment(const std::string& scenario, const std::string& token = "") const {
    return {{"HF_ENDPOINT", server_.endpoint(scenario)}, {"HF_HOME", scratch_.path()}, {"HF_TOKEN", token}};
  }
  [[nodiscard]] fs::path folder() const { return scratch_.path() / "gyre" / "acme" / "tiny"; }

  void expect_mistake(const std::vector<std::string>& arguments, const std::string& scenario,
                      const std::vector<std::string>& says, const std::string& token = "") const {
    const ProgramRun run = run_gyre(arguments, environment(scenario, token));
    EXPECT_EQ(run.status, 2) << run.err;
    EXPECT_EQ(run.out, "");
    EXPECT_THAT(run.err, StartsWith("gyre: "));
    EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
    for (const std::string& part : says) EXPECT_THAT(run.err, HasSubstr(part));
  }

  ScratchFolder scratch_;
  HubServer server_;
};

TEST_F(PullCommand, FillsAFolderBelowHfHomeAndSaysWhich) {
  const ProgramRun run = run_gyre({"pull", "acme/tiny"}, environment("plain"));
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr(folder().string()));
  EXPECT_THAT(run.out, HasSubstr("model.safetensors"));
  EXPECT_TRUE(read_text(folder() / "model.safetensors") == served_weights());
  const ProgramRun again = run_gyre({"pull", "acme/tiny"}, environment("plain"));
  EXPECT_EQ(again.status, 0) << again.err;
  EXPECT_THAT(again.out, HasSubstr("there already"));
  EXPECT_THAT(again.out, HasSubstr("\n0 B downloaded"));
}

TEST_F(PullCommand, PrintsItsResultAsJson) {
  const fs::path to = scratch_ / "here";
  const ProgramRun run =
      run_gyre({"pull", "--include", "*.gguf", "acme/tiny", "--include", "config.json", "--to", to.string(), "--json"},
               environment("plain"));
  ASSERT_EQ(run.status, 0) << run.err;
  const auto json = nlohmann::json::parse(run.out);
  EXPECT_EQ(json["model"], "acme/tiny");
  EXPECT_EQ(json["revision"], "main");
  EXPECT_EQ(json["commit"], "0123456789abcdef0123456789abcdef01234567");
  EXPECT_EQ(json["folder"], to.string());
  EXPECT_EQ(json["bytes_downloaded"], 30);
  ASSERT_EQ(json["files"].size(), 3U);
  EXPECT_EQ(json["files"][0]["path"], "config.json");
  EXPECT_EQ(json["files"][0]["bytes"], 23);
  EXPECT_EQ(json["files"][0]["git_blob_sha1"].get<std::string>().size(), 40U);
  EXPECT_EQ(json["files"][1]["sha256"].get<std::string>().size(), 64U);
  EXPECT_EQ(json["files"][1]["downloaded"], true);
  EXPECT_TRUE(fs::exists(to / "model-q4.gguf"));
}

TEST_F(PullCommand, ReportsMistakesInOneLine) {
  expect_mistake({"pull"}, "plain", {"model"});
  expect_mistake({"pull", "../tiny"}, "plain", {"\"../tiny\"", "ORG/NAME"});
  expect_mistake({"pull", "acme/tiny@../x"}, "plain", {"\"../x\"", "revision"});
  expect_mistake({"pull", "acme/tiny"}, "unauthorized", {"acme/tiny", "private or gated", "HF_TOKEN"});
  expect_mistake({"pull", "acme/tiny"}, "gated", {"acme/tiny", "gated or private", "HF_TOKEN"});
  expect_mistake({"pull", "acme/tiny"}, "missing", {"acme/tiny@main", "not found"});
  expect_mistake({"pull", "acme/tiny"}, "bad_name_0", {"refused the file name \"../x\""});
  expect_mistake({"pull", "acme/tiny"}, "huge_json", {"larger than 16 MiB"});
  expect_mistake({"pull", "acme/tiny", "--to", "/proc/none"}, "plain", {"cannot make the folder /proc/none"});
}

TEST_F(PullCommand, ReportsAHubThatCannotBeReached) {
  for (const auto& [endpoint, says] : {std::pair{"https://hub.invalid", "hub.invalid: the name of this host"},
                                       std::pair{"http://127.0.0.1:1", "127.0.0.1: cannot connect to port 1"},
                                       std::pair{"http://hub.invalid", "HF_ENDPOINT: http://hub.invalid"}}) {
    // A proxy would look the name up itself.
    const ProgramRun run = run_gyre({"pull", "acme/tiny"}, {{"HF_ENDPOINT", endpoint},
                                                            {"HF_HOME", scratch_.path()},
                                                            {"HF_TOKEN", ""},
                                                            {"https_proxy", ""},
                                                            {"HTTPS_PROXY", ""},
                                                            {"ALL_PROXY", ""},
                                                            {"all_proxy", ""}});
    EXPECT_EQ(run.status, 2);
    EXPECT_EQ(run.out, "");
    EXPECT_THAT(run.err, StartsWith(std::string("gyre: ") + says));
    EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
  }
}

TEST_F(PullCommand, NeverShowsTheToken) {
  const ProgramRun run = run_gyre({"pull", "acme/tiny"}, environment("private", "hf_other"));
  EXPECT_EQ(run.status, 2);
  EXPECT_THAT(run.err, HasSubstr("HF_TOKEN"));
  EXPECT_THAT(run.err, Not(HasSubstr("hf_other")));
  expect_mistake({"pull", "acme/tiny"}, "plain", {"HF_TOKEN"}, "hf_a\nb");
}

TEST_F(PullCommand, GoesOnAfterADroppedConnection) {
  const ProgramRun run = run_gyre({"pull", "acme/tiny", "--json"}, environment("drops"));
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_THAT(run.err, HasSubstr("pull: 127.0.0.1: "));
  EXPECT_THAT(run.err, HasSubstr("trying again in 0.5 s"));
  EXPECT_TRUE(read_text(folder() / "model.safetensors") == served_weights());
  EXPECT_TRUE(nlohmann::json::accept(run.out));
}

TEST_F(PullCommand, StopsAtAnInterruptAndGoesOnLater) {
  const fs::path part = folder() / "model.safetensors.part";
  const Environment variables = environment("stalls");
  std::vector<const char*> words = {GYRE_BINARY, "pull", "acme/tiny", nullptr};
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    for (const auto& [name, value] : variables) ::setenv(name.c_str(), value.c_str(), 1);
    ::dup2(::open("/dev/null", O_WRONLY), STDERR_FILENO);
    ::execv(words[0], const_cast<char**>(words.data()));
    ::_exit(127);
  }
  std::error_code none;
  for (int wait = 0; wait < 3000 && (!fs::exists(part) || fs::file_size(part, none) != 100'000); ++wait) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  ::kill(child, SIGINT);
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 130);
  EXPECT_FALSE(fs::exists(folder() / "model.safetensors"));
  ASSERT_EQ(fs::file_size(part), 100'000U);

  const ProgramRun run = run_gyre({"pull", "acme/tiny"}, variables);
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_TRUE(read_text(folder() / "model.safetensors") == served_weights());
  EXPECT_FALSE(fs::exists(part));
  const nlohmann::json last = server_.requests_for("/model.safetensors").back();
  EXPECT_EQ(last["headers"]["Range"], "bytes=100000-");
  EXPECT_EQ(last["headers"]["If-Range"], "\"v1\"");
}

}  // namespace
}  // namespace gyre::cli_pull_test
