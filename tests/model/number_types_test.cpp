#include "model/number_types.hpp"

#include <gtest/gtest.h>

#include "kernels/kernels.hpp"
#include "model_folder.hpp"

namespace gyre::number_types_test {
namespace {

TEST(ActivationType, IsWhatTheKernelsRoundTo) {
  // One row is never worth a tile.
  EXPECT_EQ(activation_type(WeightType::f32, 1, 64), "f32");
  EXPECT_EQ(activation_type(WeightType::bf16, 1, 64), "f32");
  for (const WeightType type : {WeightType::q8_0, WeightType::q4_0, WeightType::ternary}) {
    EXPECT_EQ(activation_type(type, 1, 64), "int8");
    EXPECT_EQ(activation_type(type, 1024, 64) == "bf16", kernels().takes_bf16(type, 1024, 64));
  }
  EXPECT_EQ(activation_type(WeightType::f32, 1024, 64), "f32");
  EXPECT_EQ(activation_type(WeightType::bf16, 1024, 64) == "bf16", kernels().takes_bf16(WeightType::bf16, 1024, 64));
}

TEST(NumberTypes, ListThoseOfEveryMatrix) {
  const ModelFolder folder;
  const nlohmann::json plain = number_types(Model::load(folder.path()));
  EXPECT_EQ(plain,
            nlohmann::json(
                {{"weights", {"f32"}}, {"activations_in_prompts", {"f32"}}, {"activations_in_decoding", {"f32"}}}));
  const nlohmann::json rounded = number_types(Model::load(folder.path(), {WeightType::q8_0}));
  EXPECT_EQ(rounded["weights"], nlohmann::json({"f32", "q8_0"}));  // injections stay as they are
  EXPECT_EQ(rounded["activations_in_decoding"], nlohmann::json({"f32", "int8"}));
}

}  // namespace
}  // namespace gyre::number_types_test
