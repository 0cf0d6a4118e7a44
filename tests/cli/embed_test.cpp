#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/file.hpp"
#include "cli/program.hpp"
#include "model/embedding_config.hpp"
#include "model_folder.hpp"

namespace gyre::embed_test {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

ModelSpec encoder_spec() {
  ModelSpec spec = small_spec();
  spec.encoder = true;
  return spec;
}

class Embed : public ::testing::Test {
 protected:
  [[nodiscard]] std::string texts(const std::string& content) const {
    write_text_atomically(model_.beside("texts"), content);
    return model_.beside("texts").string();
  }
  [[nodiscard]] std::string out(const std::string& name) const { return model_.beside(name).string(); }
  ProgramRun run(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {"embed", "-m", model_.path().string(), "--threads", "1"});
    return run_gyre(arguments);
  }
  /// The lines that it prints.
  [[nodiscard]] std::vector<Json> lines(const std::vector<std::string>& arguments) const {
    const ProgramRun done = run(arguments);
    EXPECT_EQ(done.status, 0) << done.err;
    return lines_of(done.out);
  }
  static std::vector<Json> lines_of(const std::string& text) {
    std::vector<Json> lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) lines.push_back(Json::parse(line));
    return lines;
  }
  void expect_refused(const std::vector<std::string>& arguments, const std::string& says) const {
    const ProgramRun done = run(arguments);
    EXPECT_EQ(done.status, 2);
    EXPECT_THAT(done.err, HasSubstr(says));
    EXPECT_EQ(std::count(done.err.begin(), done.err.end(), '\n'), 1) << done.err;
    EXPECT_EQ(done.out, "");
  }
  ModelFolder model_{encoder_spec(), 5};
};

TEST_F(Embed, PrintsALineOfJsonForEachText) {
  const ProgramRun done = run({"--text", texts("abc\nabcdefghijklmnoabcdefghijklmno\r\nabc")});
  EXPECT_EQ(done.status, 0);
  EXPECT_THAT(done.err, HasSubstr("3 texts, 30 tokens, 1 truncated at 24; mean pooling, normalized; "));
  const std::vector<Json> got = lines_of(done.out);
  ASSERT_EQ(got.size(), 3U);
  EXPECT_EQ(got[1]["index"], 1);
  EXPECT_EQ(got[1]["tokens"], 24);
  EXPECT_EQ(got[1]["truncated"], true);
  EXPECT_EQ(got[0]["truncated"], false);
  EXPECT_EQ(got[0]["embedding"].size(), 16U);
  EXPECT_EQ(got[0]["embedding"], got[2]["embedding"]);
  EXPECT_NE(got[0]["embedding"], got[1]["embedding"]);
}

/// Numbers in JSON are the floats themselves, so both files hold the same.
TEST_F(Embed, WritesAnArrayOfNumPyOrLinesOfJson) {
  const std::string file = texts("abc\nde\n");
  const ProgramRun done = run({"--text", file, "--out", out("x.npy"), "--json"});
  ASSERT_EQ(done.status, 0) << done.err;
  const Json report = Json::parse(done.out);
  EXPECT_EQ(report["texts"], 2);
  EXPECT_EQ(report["tokens"], 5);
  EXPECT_EQ(report["pooling"], "mean");
  EXPECT_EQ(report["normalized"], true);
  ASSERT_EQ(run({"--text", file, "--out", out("x.jsonl")}).status, 0);
  const std::string npy = read_text(out("x.npy"));
  EXPECT_TRUE(npy.starts_with(std::string("\x93NUMPY\x01\0", 8)));
  EXPECT_THAT(npy, HasSubstr("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 16), }"));
  ASSERT_EQ(npy.size() % 64, 2 * 16 * sizeof(float) % 64);
  std::vector<float> numbers(32);
  std::memcpy(numbers.data(), npy.data() + npy.size() - 128, 128);
  const std::vector<Json> rows = lines_of(read_text(out("x.jsonl")));
  for (std::size_t i = 0; i < 32; ++i) EXPECT_EQ(rows[i / 16]["embedding"][i % 16].get<float>(), numbers[i]);
}

TEST_F(Embed, ReadsAFieldOfJsonAndPutsAPrefixBefore) {
  const std::vector<Json> plain = lines({"--text", texts("abc\n")});
  EXPECT_EQ(lines({"--text", texts("{\"id\": 1, \"q\": \"abc\"}\n"), "--jsonl", "--field", "q"}), plain);
  EXPECT_EQ(lines({"--text", texts("bc\n"), "--prefix", "a"}), plain);
}

TEST_F(Embed, PoolsAsTheModelsFilesOrFlagsSay) {
  const std::string file = texts("abc\n");
  const Json cls = lines({"--text", file, "--pooling", "cls"}).front();
  const Json mean = lines({"--text", file}).front();
  EXPECT_NE(cls, mean);
  EXPECT_NE(lines({"--text", file, "--no-normalize"}).front(), mean);
  write_embedding_config({Pooling::cls, true, 2, "query"}, 16, model_.path());
  const ProgramRun done = run({"--text", file});
  EXPECT_THAT(done.err, HasSubstr("1 truncated at 2; cls pooling, normalized"));
  EXPECT_THAT(done.err, HasSubstr("the prompt \"query\""));
  EXPECT_EQ(lines({"--text", file, "--max-tokens", "24"}).front(), cls);
}

TEST_F(Embed, RefusesInOneLine) {
  const std::string file = texts("abc\n");
  expect_refused({"--text", file, "--out", out("x.txt")}, "ends neither in .npy nor in .jsonl");
  expect_refused({"--text", file, "--out", out("no/x.npy")}, "--out: there is no folder");
  expect_refused({"--text", file, "--json"}, "give them a file by --out");
  expect_refused({"--text", file, "--pooling", "max"}, "--pooling");
  expect_refused({"--text", file, "--max-tokens", "25"}, "--max-tokens: 25 is more than the 24 positions");
  expect_refused({"--text", file, "--field", "q"}, "--jsonl");
  expect_refused({"--text", texts("")}, "no texts");
  expect_refused({"--text", texts("a\n\nb\n")}, "line 2: the text is empty");
  expect_refused({"--text", texts("a\nb\xff\n")}, "line 2: ");
  expect_refused({"--text", texts("{\"text\": \"a\"}\n{\"q\": \"b\"}\n"), "--jsonl"},
                 "line 2: the key \"text\" is missing");
  expect_refused({"--text", texts("{\"text\": 7}\n"), "--jsonl"}, "line 1: text");
  expect_refused({"--text", texts("[1]\n"), "--jsonl"}, "line 1");
  expect_refused({"--text", texts("{\"text\"\n"), "--jsonl"}, "line 1");
  expect_refused({"--text", out("missing")}, "missing");
  const std::string unknown = texts("abc\na\u20AC\n");
  expect_refused({"--text", unknown}, unknown + ": text 2 of 2: the character");
}

/// Every command that wants a next token names the one that does not.
TEST_F(Embed, IsWhatOtherCommandsSendAnEncoderTo) {
  const std::string model = model_.path().string();
  std::string long_text;
  for (int i = 0; i < 3000; ++i) long_text += "abc ";
  const std::string file = texts(long_text);
  for (const std::vector<std::string>& command :
       std::vector<std::vector<std::string>>{{"generate", "-m", model, "-p", "abc"},
                                             {"eval", "-m", model, "--text", file},
                                             {"study", "exits", "-m", model, "--text", file},
                                             {"study", "-m", model, "--text", file, "--out", out("page.html")},
                                             {"calibrate", "-m", model, "--text", file, "--exit", "accel",
                                              "--document-tokens", "20", "--out", out("c.json")},
                                             {"bench", "-m", model, "--prompt", "8", "--tokens", "4"}}) {
    const ProgramRun done = run_gyre(command);
    EXPECT_EQ(done.status, 2) << command.front();
    EXPECT_THAT(done.err, HasSubstr("is an encoder")) << command.front() << ' ' << command[1];
    EXPECT_THAT(done.err, HasSubstr("gyre embed")) << command.front();
  }
  EXPECT_EQ(run_gyre({"info", "-m", model}).status, 0);
  EXPECT_EQ(run_gyre({"convert", "-m", model, "--out", out("written")}).status, 0);
  EXPECT_EQ(run_gyre({"embed", "-m", out("written"), "--text", file}).status, 0);
}

}  // namespace
}  // namespace gyre::embed_test
