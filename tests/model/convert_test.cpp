#include "model/convert.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.hpp"
#include "model/language.hpp"
#include "model/rounding.hpp"
#include "model_folder.hpp"
#include "wide_spec.hpp"

namespace gyre::model_convert_test {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

class Convert : public ::testing::Test {
 protected:
  /// The largest difference of any number of the model from the same one in what `type` made of it.
  [[nodiscard]] float written_as(const std::string& type, const std::string& name) const {
    const std::filesystem::path out = folder_.beside(name);
    convert(checkpoint_, parse_storage(type, {}), out);
    const Model written = Model::load(out);
    EXPECT_EQ(written.spec(), model_.spec());
    EXPECT_EQ(load_language(out).tokenizer.encode("abc"), load_language(folder_.path()).tokenizer.encode("abc"));
    float worst = 0;
    for (const TensorInfo& info : tensor_table(model_.spec())) {
      const std::vector<float> before = model_.tensor(info.name);
      const std::vector<float> after = written.tensor(info.name);
      for (std::size_t i = 0; i < before.size(); ++i) worst = std::max(worst, std::abs(before[i] - after[i]));
    }
    return worst;
  }

  const ModelFolder folder_{wide_spec()};
  const Checkpoint checkpoint_ = Checkpoint::open(folder_.path());
  const Model& model_ = checkpoint_.model;
};

TEST_F(Convert, ToF32LosesNothing) {
  EXPECT_EQ(written_as("f32", "a.gguf"), 0.0F);
  EXPECT_EQ(written_as("f32", "folder"), 0.0F);
}

TEST_F(Convert, RoundsForATextWhatTheTextShows) {
  const std::string shown = "groups.1.layers.0.attn.qkv.weight";
  std::vector<std::string> asked;
  ThreadPool pool(1);
  std::vector<float> ones;
  const RoundingText text{[&](const std::string& tensor) {
                            asked.push_back(tensor);
                            const auto columns = static_cast<std::size_t>(model_.source().shape(tensor).back());
                            ones.assign(tensor == shown ? columns * columns : 0, 1.0F);
                            return std::span<const float>(ones);
                          },
                          pool};
  convert(checkpoint_, parse_storage("q4_0", std::vector<std::string>{"coda=bf16"}), folder_.beside("text.gguf"),
          &text);
  EXPECT_THAT(asked, ::testing::Contains("groups.0.layers.0.attn.qkv.weight"));
  EXPECT_THAT(asked, ::testing::Not(::testing::Contains("groups.3.layers.0.attn.qkv.weight")));  // no blocks there
  convert(checkpoint_, parse_storage("q4_0", {}), folder_.beside("plain.gguf"));
  const Model for_text = Model::load(folder_.beside("text.gguf"));
  const Model plain = Model::load(folder_.beside("plain.gguf"));
  const std::string before = "groups.0.layers.0.attn.qkv.weight";
  EXPECT_EQ(for_text.tensor(before), plain.tensor(before));
  EXPECT_NE(for_text.tensor(shown), plain.tensor(shown));
}

TEST_F(Convert, RefusesATextInWhichAMatrixReadsWhatIsNotFinite) {
  ThreadPool pool(1);
  std::vector<float> moments;
  const RoundingText text{[&](const std::string& tensor) {
                            const auto columns = static_cast<std::size_t>(model_.source().shape(tensor).back());
                            moments.assign(columns * columns, std::numeric_limits<float>::infinity());
                            return std::span<const float>(moments);
                          },
                          pool};
  EXPECT_THAT([&] { convert(checkpoint_, parse_storage("q4_0", {}), folder_.beside("a.gguf"), &text); },
              ThrowsMessage<Error>(HasSubstr("embed.weight: what it reads in this text is not finite")));
  EXPECT_FALSE(std::filesystem::exists(folder_.beside("a.gguf")));
}

TEST_F(Convert, ToNarrowTypesLosesAsMuchAsTheyDo) {
  const float f16 = written_as("f16", "f16");
  const float bf16 = written_as("bf16", "bf16.gguf");
  const float q8 = written_as("q8_0", "q8.gguf");
  const float q4 = written_as("q4_0", "q4.gguf");
  EXPECT_GT(f16, 0.0F);
  EXPECT_LT(f16, 1e-3F);
  EXPECT_LT(bf16, 1e-2F);
  EXPECT_LT(q8, 2e-2F);
  EXPECT_GT(q4, q8);
  EXPECT_LT(q4, 0.3F);
}

TEST_F(Convert, StoresPartsInTypesOfTheirOwn) {
  const std::filesystem::path out = folder_.beside("mixed.gguf");
  const std::vector<std::string> parts = {"loop a=q4_0", "embed=f32"};
  convert(checkpoint_, parse_storage("q8_0", parts), out);
  const std::vector<PartRounding> rows = compare_parts(model_, Model::load(out));
  ASSERT_GE(rows.size(), 5U);
  EXPECT_EQ(rows[0].part, "embed");
  EXPECT_EQ(rows[0].types, "F32");
  EXPECT_EQ(rows[0].relative_error, 0);
  EXPECT_EQ(rows[1].types, "Q8_0");
  EXPECT_GT(rows[1].relative_error, 0);
  EXPECT_LT(rows[1].relative_error, 0.01);
  EXPECT_EQ(rows[2].part, "loop a");
  EXPECT_EQ(rows[2].types, "Q4_0");
  EXPECT_GT(rows[2].relative_error, 3 * rows[1].relative_error);
  EXPECT_LT(rows[2].relative_error, 0.2);
  std::int64_t parameters = 0;
  for (const PartRounding& row : rows) parameters += row.parameters;
  EXPECT_EQ(parameters, model_.parameter_count());
}

TEST_F(Convert, OfALoopedPlainModelKeepsTheLoops) {
  ModelSpec plain = wide_spec();
  plain.groups = {Group()};
  plain.groups[0].name = "layers";
  plain.groups[0].layers = 4;
  const ModelFolder folder(plain);
  Checkpoint checkpoint = Checkpoint::open(folder.path());
  Model& model = checkpoint.model;
  model.loop_layers(parse_layer_loops("1-2x3", "--loop"), 0.5F, "--loop");
  convert(checkpoint, {DType::f32}, folder.beside("looped"));
  const Model written = Model::load(folder.beside("looped"));
  EXPECT_EQ(written.spec(), model.spec());
  EXPECT_EQ(written.tensor("groups.1.layers.1.mlp.down.weight")[3],
            folder.weights().at("groups.0.layers.2.mlp.down.weight")[3]);
}

TEST_F(Convert, RefusesWhatItCannotWrite) {
  EXPECT_THAT([&] { convert(checkpoint_, {DType::f32}, folder_.path()); },
              ThrowsMessage<Error>(HasSubstr(folder_.path().string() + " is there already")));
  EXPECT_THAT([&] { convert(checkpoint_, {DType::q8_0}, folder_.beside("folder")); },
              ThrowsMessage<Error>(HasSubstr("type: Q8_0 needs a GGUF file")));
  EXPECT_FALSE(std::filesystem::exists(folder_.beside("folder")));
  EXPECT_THAT([] { parse_storage("q9", {}); },
              ThrowsMessage<Error>(HasSubstr("type: \"q9\" is no type; choose one of f32")));
  const auto with_parts = [&](const std::vector<std::string>& parts) {
    return [this, parts] { convert(checkpoint_, parse_storage("f32", parts), folder_.beside("folder")); };
  };
  EXPECT_THAT(with_parts({"middle=f16"}),
              ThrowsMessage<Error>(HasSubstr("no part \"middle\"; its parts are embed, prelude, loop a")));
  EXPECT_THAT(with_parts({"coda=q8_0"}), ThrowsMessage<Error>(HasSubstr("part coda: Q8_0 needs a GGUF file")));
  EXPECT_THAT(with_parts({"coda"}), ThrowsMessage<Error>(HasSubstr("\"coda\" is not PART=TYPE")));
  EXPECT_THAT(with_parts({"coda=q9"}), ThrowsMessage<Error>(HasSubstr("part coda=q9: \"q9\" is no type")));
  EXPECT_THAT(with_parts({"coda=f16", "coda=f32"}), ThrowsMessage<Error>(HasSubstr("\"coda\" is given twice")));
  EXPECT_FALSE(std::filesystem::exists(folder_.beside("folder")));
}

}  // namespace
}  // namespace gyre::model_convert_test
