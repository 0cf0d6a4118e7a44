#include "engine/cost.hpp"

#include <gtest/gtest.h>

#include "model_folder.hpp"

namespace gyre::cost_test {
namespace {

/// Width 16, 4 heads of 4 and 2 of keys, ffn 24, 16 tokens.
ModelSpec spec_with_fast_stack() {
  ModelSpec spec = small_spec();
  spec.groups = {spec.groups[0], spec.groups[1]};
  spec.groups[1].fast = {2, 3};
  return spec;
}

// Multiply-adds of one layer: queries, keys and values 32 x 16, out 16 x 16, up and gate 48 x 16, down 16 x 24.
constexpr double kLayer = 32 * 16 + 16 * 16 + 48 * 16 + 16 * 24;

TEST(Cost, CountsEveryMatrixAsOftenAsATokenPassesIt) {
  const ModelFolder folder(spec_with_fast_stack());
  const Model model = Model::load(folder.path());
  // Once through the first group; in each of 4 loops of the second a mixing of 16 x 32, one layer, and 3 runs of 2 fast
  // ones; then the head.
  const TokenCost cost = token_cost(model, {1, 4}, 10, KvType::f32);
  EXPECT_EQ(cost.flops, 2 * (kLayer + 4 * (16 * 32 + kLayer + 3 * 2 * kLayer) + 16 * 16));
}

TEST(Cost, OfAttentionGrowsWithThePast) {
  const ModelFolder folder(spec_with_fast_stack());
  const Model model = Model::load(folder.path());
  const TokenCost cost = token_cost(model, {1, 4}, 10, KvType::f32);
  const double passes = 1 + 4 * (1 + 3 * 2);
  EXPECT_EQ(cost.attention_flops, 2 * 2 * 16 * 10 * passes);  // scores and sums, a multiply-add each
  EXPECT_EQ(cost.kv_bytes, 2 * 2 * 4 * 4 * 10 * passes);      // keys and values of 2 heads of 4 floats
  EXPECT_EQ(layer_passes(model.spec(), {1, 4}), 29U);
  EXPECT_EQ(token_cost(model, {1, 4}, 10, KvType::bf16).kv_bytes, cost.kv_bytes / 2);
}

TEST(Cost, WeightsAreReadAnewInEveryLoop) {
  const ModelFolder folder(spec_with_fast_stack());
  const Model model = Model::load(folder.path());
  const double one = token_cost(model, {1, 1}, 10, KvType::f32).weight_bytes;
  const double two = token_cost(model, {1, 2}, 10, KvType::f32).weight_bytes;
  // Seven layers, their two norms each, the mixing, and three norms of the fast stack.
  EXPECT_EQ(two - one, 4 * (7 * (kLayer + 2 * 16) + 16 * 32 + 3 * 16));
}

}  // namespace
}  // namespace gyre::cost_test
