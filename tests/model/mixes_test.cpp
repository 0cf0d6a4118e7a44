#include "model/mixes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "format/gguf.hpp"
#include "model/convert.hpp"
#include "model_folder.hpp"
#include "wide_spec.hpp"

namespace gyre::mixes_test {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::ThrowsMessage;

/// 16 layers in groups of 4, 8 and 4.
ModelSpec sixteen_layers() {
  ModelSpec spec = small_spec();
  spec.groups.resize(3);
  const int layers[] = {4, 8, 4};
  for (std::size_t g = 0; g < 3; ++g) spec.groups[g].layers = layers[g];
  spec.tied_head = false;
  return spec;
}

/// Layers of the model, counted over groups, whose down projection has `type` in the mix.
std::vector<int> layers_of(const char* mix, DType type) {
  const ModelSpec spec = sixteen_layers();
  std::vector<int> found;
  int layer = 0;
  for (std::size_t g = 0; g < spec.groups.size(); ++g) {
    for (int l = 0; l < spec.groups[g].layers; ++l, ++layer) {
      const std::string name = fmt::format("groups.{}.layers.{}.mlp.down.weight", g, l);
      if (type_in(*mix_named(mix), spec, name) == type) found.push_back(layer);
    }
  }
  return found;
}

TEST(Mix, GivesTheDownProjectionsOfTheEndsAndOfEveryThirdLayerMore) {
  // llama.cpp's use_more_bits(i, 16): i < 2, i >= 14, or (i - 2) % 3 == 2.
  EXPECT_THAT(layers_of("q4_k_m", DType::q6_k), ElementsAre(0, 1, 4, 7, 10, 13, 14, 15));
  EXPECT_THAT(layers_of("q5_k_m", DType::q6_k), ElementsAre(0, 1, 4, 7, 10, 13, 14, 15));
  EXPECT_THAT(layers_of("q4_k_s", DType::q5_k), ElementsAre(0, 1));
  EXPECT_THAT(layers_of("q4_k_s", DType::q6_k), IsEmpty());
  EXPECT_EQ(layers_of("q5_k_s", DType::q5_k).size(), 16U);
}

TEST(Mix, ChoosesByTheUseOfAMatrix) {
  ModelSpec spec = sixteen_layers();
  const auto type = [&](const char* mix, const char* tensor) { return type_in(*mix_named(mix), spec, tensor); };
  EXPECT_EQ(type("q4_k_m", "groups.1.layers.3.attn.qkv.weight"), DType::q5_k);
  EXPECT_EQ(type("q5_k_m", "groups.1.layers.3.attn.qkv.weight"), DType::q6_k);
  EXPECT_EQ(type("q4_k_s", "groups.1.layers.3.attn.qkv.weight"), DType::q4_k);
  EXPECT_EQ(type("q4_k_m", "groups.1.layers.3.attn.out.weight"), DType::q4_k);
  EXPECT_EQ(type("q4_k_m", "groups.1.layers.3.mlp.up.weight"), DType::q4_k);
  EXPECT_EQ(type("Q4_K_M", "head.weight"), DType::q6_k);
  EXPECT_EQ(type("q4_k_m", "embed.weight"), DType::q4_k);
  spec.tied_head = true;
  EXPECT_EQ(type("q4_k_m", "embed.weight"), DType::q6_k);
}

TEST(Mix, IsKnownByNameAlone) {
  EXPECT_EQ(mix_named("q4_k"), nullptr);
  EXPECT_EQ(mix_named(""), nullptr);
  EXPECT_EQ(mix_names(), "q4_k_s, q4_k_m, q5_k_s, q5_k_m");
  EXPECT_THAT([] { static_cast<void>(parse_storage("q4_k_l", {})); },
              ThrowsMessage<Error>(AllOf(HasSubstr("\"q4_k_l\" is no type"), HasSubstr("tq2_0, q4_k_s, q4_k_m"))));
}

TEST(Fitting, TakesSmallerBlocksWhereRowsAreNotWholeOnes) {
  EXPECT_EQ(fitting(DType::q4_k, 512), DType::q4_k);
  EXPECT_EQ(fitting(DType::q4_k, 576), DType::q5_0);
  EXPECT_EQ(fitting(DType::q5_k, 576), DType::q5_1);
  EXPECT_EQ(fitting(DType::q6_k, 576), DType::q8_0);
  EXPECT_EQ(fitting(DType::q6_k, 48), DType::f32);
  EXPECT_EQ(fitting(DType::q4_0, 48), DType::f32);
  EXPECT_EQ(fitting(DType::tq2_0, 576), DType::f32);
  EXPECT_EQ(fitting(DType::bf16, 3), DType::bf16);
}

TEST(Mix, IsWrittenAndAPartOfItsOwnGoesBefore) {
  const ModelFolder folder(wide_spec());
  const std::vector<std::string> parts = {"loop a=q8_0"};
  convert(Checkpoint::open(folder.path()), parse_storage("q4_k_m", parts), folder.beside("mixed.gguf"));
  const Gguf file(folder.beside("mixed.gguf"));
  // Rows of 32 and 64 numbers: what stands in for Q5_K, Q4_K and Q6_K.
  EXPECT_EQ(file.at("groups.0.layers.0.attn.qkv.weight").dtype, DType::q5_1);
  EXPECT_EQ(file.at("groups.0.layers.0.mlp.up.weight").dtype, DType::q5_0);
  EXPECT_EQ(file.at("groups.1.layers.0.mlp.up.weight").dtype, DType::q8_0);
  EXPECT_EQ(file.at(wide_spec().tied_head ? "embed.weight" : "head.weight").dtype, DType::q8_0);
}

}  // namespace
}  // namespace gyre::mixes_test
