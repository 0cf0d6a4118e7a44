#include "model/convert.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/hash.hpp"
#include "cli/program.hpp"
#include "format/gguf.hpp"
#include "model_folder.hpp"
#include "wide_spec.hpp"

namespace gyre::cli_convert_test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class ConvertRun : public ::testing::Test {
 protected:
  [[nodiscard]] std::string beside(const std::string& name) const { return folder_.beside(name).string(); }
  static std::string output(const std::vector<std::string>& arguments) {
    const ProgramRun run = run_gyre(arguments);
    EXPECT_EQ(run.status, 0) << run.err;
    return run.out;
  }
  /// Converts by the program; returns what it wrote.
  [[nodiscard]] std::string converted(const std::string& from, const std::string& name, const std::string& type,
                                      std::vector<std::string> flags = {}) const {
    flags.insert(flags.begin(), {"convert", "-m", from, "--out", beside(name), "--type", type});
    output(flags);
    return beside(name);
  }
  static nlohmann::json info(const std::string& model) {
    return nlohmann::json::parse(output({"info", "-m", model, "--json"}));
  }
  static nlohmann::json greedy(const std::string& model) {
    return nlohmann::json::parse(output(
        {"generate", "-m", model, "-p", "abc", "-n", "16", "--temperature", "0", "--exit", "accel:tau=0.9", "--json"}));
  }
  /// The mistake is told in one line that names what is in `says`, by every command that reads a model.
  void expect_refused(const std::string& model, const std::vector<std::string>& says) const {
    for (const std::vector<std::string>& arguments :
         {std::vector<std::string>{"info", "-m", model}, std::vector<std::string>{"generate", "-m", model, "-p", "abc"},
          std::vector<std::string>{"convert", "-m", model, "--out", beside("never")}}) {
      const ProgramRun run = run_gyre(arguments);
      EXPECT_EQ(run.status, 2) << run.err;
      EXPECT_EQ(run.out, "");
      EXPECT_THAT(run.err, StartsWith("gyre: "));
      EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
      for (const std::string& part : says) EXPECT_THAT(run.err, HasSubstr(part)) << arguments[0];
    }
    EXPECT_FALSE(fs::exists(beside("never")));
  }

  const ModelFolder folder_{wide_spec()};
};

TEST_F(ConvertRun, FromFolderToFileToFolderKeepsEveryByte) {
  const std::string file = converted(folder_.path().string(), "a.gguf", "f32");
  const std::string folder = converted(file, "back", "f32");
  EXPECT_EQ(info(folder)["spec"], info(folder_.path().string())["spec"]);
  for (const TensorInfo& tensor : tensor_table(folder_.spec())) {
    const Safetensors before(folder_.path() / "model.safetensors");
    const Safetensors after(fs::path(folder) / "model.safetensors");
    EXPECT_TRUE(std::ranges::equal(before.at(tensor.name).bytes, after.at(tensor.name).bytes)) << tensor.name;
  }
}

TEST_F(ConvertRun, AllThreeWriteTheSameText) {
  const std::string file = converted(folder_.path().string(), "a.gguf", "f32");
  const std::string folder = converted(file, "back", "f32");
  const nlohmann::json text = greedy(folder_.path().string());
  for (const std::string& model : {file, folder}) {
    const nlohmann::json other = greedy(model);
    EXPECT_EQ(other["text"], text["text"]);
    ASSERT_EQ(other["tokens"].size(), 16U);
    for (std::size_t t = 0; t < 16; ++t) {
      EXPECT_EQ(other["tokens"][t]["group_loops"], text["tokens"][t]["group_loops"]) << t;
    }
  }
}

TEST_F(ConvertRun, TellsWhatItWrote) {
  const std::string model = folder_.path().string();
  const nlohmann::json told =
      nlohmann::json::parse(output({"convert", "-m", model, "--out", beside("q.gguf"), "--type", "q8_0", "--json"}));
  EXPECT_EQ(told["stored_dtype"], "Q8_0");
  EXPECT_EQ(told["sha256"], sha256(MappedFile(beside("q.gguf")).bytes()));
  const nlohmann::json written = info(beside("q.gguf"));
  EXPECT_EQ(written["model_sha256"], told["sha256"]);
  EXPECT_EQ(written["parameters"], told["parameters"]);
  EXPECT_EQ(written["parameters"], info(model)["parameters"]);
  EXPECT_EQ(greedy(beside("q.gguf"))["tokens"].size(), 16U);
}

TEST_F(ConvertRun, LoopsOfAPlainModelStay) {
  ModelSpec spec = wide_spec();
  spec.groups = {plain_group("layers", 4)};
  const ModelFolder plain(spec);
  const std::string file =
      converted(plain.path().string(), "looped.gguf", "f32", {"--loop", "1-2x3", "--damping", "0.5"});
  const nlohmann::json groups = info(file)["spec"]["groups"];
  ASSERT_EQ(groups.size(), 3U);
  EXPECT_EQ(groups[1]["loops"], 3);
  EXPECT_EQ(greedy(file)["text"],
            nlohmann::json::parse(
                output({"generate", "-m", plain.path().string(), "--loop", "1-2x3", "--damping", "0.5", "-p", "abc",
                        "-n", "16", "--temperature", "0", "--exit", "accel:tau=0.9", "--json"}))["text"]);
}

TEST_F(ConvertRun, WhatIsThereAlreadyIsNotTouched) {
  write_text_atomically(beside("a.gguf"), "mine");
  const ProgramRun run = run_gyre({"convert", "-m", folder_.path().string(), "--out", beside("a.gguf")});
  EXPECT_EQ(run.status, 2);
  EXPECT_THAT(run.err, HasSubstr("there already"));
  EXPECT_EQ(read_text(beside("a.gguf")), "mine");
}

TEST_F(ConvertRun, ADamagedFileIsRefusedInOneLine) {
  const std::string bytes = read_text(converted(folder_.path().string(), "a.gguf", "q8_0"));
  const std::string damaged = beside("damaged.gguf");
  for (const std::size_t length :
       {std::size_t{0}, std::size_t{3}, std::size_t{20}, bytes.size() / 2, bytes.size() - 1}) {
    write_text_atomically(damaged, bytes.substr(0, length));
    expect_refused(damaged, {damaged});
  }
  std::string many = bytes;
  many.replace(8, 8, std::string(8, '\xff'));  // the number of tensors
  write_text_atomically(damaged, many);
  expect_refused(damaged, {damaged});
}

TEST_F(ConvertRun, AScaleThatIsNoNumberIsRefusedInOneLine) {
  const std::string damaged = converted(folder_.path().string(), "a.gguf", "q8_0");
  std::string bytes = read_text(damaged);
  {
    const Gguf file(damaged);
    const auto offset = file.at("embed.weight").bytes.data() - file.file_bytes().front().data();
    bytes.replace(static_cast<std::size_t>(offset), 2, std::string("\x00\x7e", 2));
  }
  write_text_atomically(damaged, bytes);
  expect_refused(damaged, {damaged, "embed.weight", "finite"});
}

TEST_F(ConvertRun, AForeignFileIsRefusedInOneLine) {
  const std::string file = beside("foreign.gguf");
  write_text_atomically(file, "JK\x03\x04" + std::string(200, 'x'));
  expect_refused(file, {file, "GGUF"});
  write_text_atomically(file, std::string("PK\x03\x04", 4) + std::string(200, 'x'));
  expect_refused(file, {file, "PyTorch", "scripts/convert_checkpoint"});
}

TEST_F(ConvertRun, AnUnknownArchitectureIsRefusedInOneLine) {
  const std::string file = beside("mamba.gguf");
  const std::vector<float> numbers(64, 1.0F);
  const std::vector<NamedTensor> tensors = {
      {"token_embd.weight", {DType::f32, {2, 32}, std::as_bytes(std::span(numbers))}}};
  const std::vector<GgufEntry> metadata = {{"general.architecture", std::string("mamba")}};
  write_gguf(file, metadata, tensors);
  expect_refused(file, {file, "\"mamba\"", "llama, qwen2"});
}

}  // namespace
}  // namespace gyre::cli_convert_test
