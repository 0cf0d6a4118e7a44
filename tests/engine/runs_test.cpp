#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "base/error.hpp"
#include "engine/cost.hpp"
#include "engine/engine.hpp"
#include "engine/exits.hpp"
#include "model_folder.hpp"

// Orders of layer runs, what is mixed into states between them, and what later loops see of the first, worked out by
// hand and against other descriptions of the same model. Random models with all of it are compared in engine_test.cpp.

namespace gyre::runs_test {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatNear;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

/// Width 2, one group, norms that only scale to unit size, no rotation, no positions; all weights are zero.
ModelSpec bare_spec() {
  ModelSpec spec;
  spec.name = "bare";
  spec.vocab_size = 2;
  spec.context = 4;
  spec.hidden_size = 2;
  spec.heads = spec.kv_heads = 1;
  spec.head_size = 2;
  spec.ffn_size = 2;
  spec.norm_eps = 0;
  spec.norm_weights = false;
  spec.position = PositionKind::learned;
  spec.mlp = MlpKind::relu_squared;
  spec.groups = {plain_group("a", 1)};
  return spec;
}

/// The state of the last of `tokens` behind the last loop of the one group, with these weights in place of zeros.
std::vector<float> state_behind(const ModelSpec& spec, const Weights& given, const std::vector<std::int32_t>& tokens) {
  ModelFolder folder(spec);
  folder.rewrite([&](Weights& weights) {
    for (auto& [name, values] : weights) {
      std::vector<float> other(values.size(), 0.0F);
      if (given.contains(name)) other = given.at(name);
      EXPECT_EQ(values.size(), other.size()) << name;
      values = std::move(other);
    }
    for (const auto& [name, values] : given) EXPECT_TRUE(weights.contains(name)) << name;
  });
  const Model model = Model::load(folder.path());
  Engine engine(model, 2);
  Sequence sequence = engine.start(model.spec().default_loops(), 4, {}, 1);
  std::vector<float> last;
  const TraceSink keep = [&](const TracePoint& point) { last.assign(point.states.end() - 2, point.states.end()); };
  engine.prefill(sequence, tokens, Engine::Logits::none, keep);
  return last;
}

const Weights kEmbeddings = {{"embed.weight", {1, 2, 3, 3}}};

TEST(Runs, MixTheEmbeddingAndTakeStatesBack) {
  ModelSpec spec = bare_spec();
  spec.embedding_mix = true;
  spec.groups[0].layers = 2;
  spec.groups[0].order = {0, 1, 0};
  spec.groups[0].skips = {{0, 2}};
  Weights weights = kEmbeddings;
  weights["groups.0.layers.0.mix.state"] = {2, 1};
  weights["groups.0.layers.0.mix.embedding"] = {0, 1};
  weights["groups.0.layers.1.mix.state"] = {1, 3};
  weights["groups.0.layers.1.mix.embedding"] = {1, 0};
  weights["groups.0.skips.0.weight"] = {1, 0.5F};
  weights["groups.0.skips.0.gate"] = {0, std::log(3.0F)};
  // Branches add nothing. (1, 2) → layer 0: (2, 2 + 2) → layer 1: (2 + 1, 12). The skip has w ⊙ s = (2, 2) and keeps a
  // half and three quarters of the rest: (2.5, 9.5). Layer 0 again: (5, 9.5 + 2).
  EXPECT_THAT(state_behind(spec, weights, {0}), ElementsAre(FloatNear(5, 1e-5F), FloatNear(11.5F, 1e-5F)));
}

TEST(Runs, OfALaterLoopMixTheSameEmbeddingAndTakeBackStatesOfThatLoop) {
  ModelSpec spec = bare_spec();
  spec.embedding_mix = true;
  spec.groups[0].loops = 2;
  spec.groups[0].order = {0, 0};
  spec.groups[0].skips = {{0, 1}};
  Weights weights = kEmbeddings;
  weights["groups.0.layers.0.mix.state"] = {2, 1};
  weights["groups.0.layers.0.mix.embedding"] = {1, 0};
  weights["groups.0.skips.0.weight"] = {2, 1};
  weights["groups.0.skips.0.gate"] = {-100, 100};  // takes the kept state alone, or none of it
  // First channel: 1 → 3, twice that is 6 → 13; 13 → 27, 54 → 109. The second stays.
  EXPECT_THAT(state_behind(spec, weights, {0}), ElementsAre(FloatNear(109, 1e-4F), FloatNear(2, 1e-5F)));
}

TEST(Runs, ScaleWhatBranchesAdd) {
  ModelSpec spec = bare_spec();
  spec.branch_scales = true;
  spec.mlp = MlpKind::leaky_relu_squared;
  Weights weights = kEmbeddings;
  weights["groups.0.layers.0.attn.qkv.weight"] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, -5};  // values (a, -5 b)
  weights["groups.0.layers.0.attn.out.weight"] = {1, 0, 0, 1};
  weights["groups.0.layers.0.attn.scale"] = {2, 2};
  weights["groups.0.layers.0.mlp.up.weight"] = {2, 0, 0, 4};
  weights["groups.0.layers.0.mlp.down.weight"] = {1, 0, 0, 1};
  weights["groups.0.layers.0.mlp.scale"] = {0.5F, 3};
  // (3, 3) is (1, 1) to the branch, which gives (1, -5), doubled: (5, -7). Its root mean square is √37; the MLP squares
  // 2 · 5 / √37, and half of -28 / √37.
  EXPECT_THAT(state_behind(spec, weights, {1}),
              ElementsAre(FloatNear(5 + 0.5F * 100 / 37, 1e-4F), FloatNear(-7 + 3.0F * 196 / 37, 1e-4F)));
  // The norm of a sum sees the scaled branch: (3, 3) + 2 (3, -15) = (9, -27), over its root mean square √405.
  spec.norm_placement = NormPlacement::post;
  weights["groups.0.layers.0.mlp.scale"] = {0, 0};
  const float size = std::sqrt(405.0F);
  EXPECT_THAT(state_behind(spec, weights, {1}), ElementsAre(FloatNear(9 / size, 1e-5F), FloatNear(-27 / size, 1e-5F)));
}

TEST(Runs, GainOfAHeadSharpensItsAttention) {
  ModelSpec spec = bare_spec();
  spec.heads = 2;
  spec.query_gain = true;
  spec.attention_scale = std::log(3.0F) / 4;
  const std::vector<float> same = {1, 0, 0, 1};
  Weights weights = {{"embed.weight", {1, 1, -1, -1}}};
  std::vector<float>& qkv = weights["groups.0.layers.0.attn.qkv.weight"];
  for (int part = 0; part < 4; ++part) qkv.insert(qkv.end(), same.begin(), same.end());
  weights["groups.0.layers.0.attn.query_gain"] = {0, 2};
  weights["groups.0.layers.0.attn.out.weight"] = {1, 0, 0, 0, 0, 0, 1, 0};
  // The second token (-1, -1) scores -2 with the first and 2 with itself. Head 0 sees both alike: their mean is 0. Head
  // 1 weighs them 1 to 3², and gives 0.1 - 0.9.
  EXPECT_THAT(state_behind(spec, weights, {0, 1}), ElementsAre(FloatNear(-1, 1e-5F), FloatNear(-1.8F, 1e-5F)));
}

/// All logits of a short text, at once, on `threads` threads.
std::vector<float> logits_of(const Model& model, int threads = 1) {
  Engine engine(model, threads);
  Sequence sequence = engine.start(model.spec().default_loops(), 8, {}, 1);
  const std::vector<std::int32_t> tokens = {1, 5, 3, 7, 2};
  const std::span<const float> all = engine.prefill(sequence, tokens, Engine::Logits::all);
  return {all.begin(), all.end()};
}

/// The same token by token: what later tokens read of earlier ones is what each run kept.
std::vector<float> one_by_one(const Model& model) {
  Engine engine(model, 1);
  Sequence sequence = engine.start(model.spec().default_loops(), 8, {}, 1);
  std::vector<float> all;
  TokenDepth depth;
  for (const std::int32_t token : {1, 5, 3, 7, 2}) {
    const std::span<const float> logits = engine.decode(sequence, token, nullptr, depth);
    all.insert(all.end(), logits.begin(), logits.end());
  }
  return all;
}

/// A folder of `spec` with the weights of another, whose layers are counted through the whole model.
void take_layers(ModelFolder& folder, const Weights& from) {
  folder.rewrite([&](Weights& weights) {
    int before = 0;
    for (std::size_t g = 0; g < folder.spec().groups.size(); ++g) {
      for (int l = 0; l < folder.spec().groups[g].layers; ++l) {
        const std::string name = fmt::format("groups.{}.layers.{}.", g, l);
        for (auto& [key, values] : weights) {
          if (!key.starts_with(name)) continue;
          values = from.at(fmt::format("groups.0.layers.{}.{}", before + l, key.substr(name.size())));
        }
      }
      before += folder.spec().groups[g].layers;
    }
  });
}

TEST(Runs, InTheOrderOfLoopsAreThoseLoopsToTheBit) {
  ModelSpec spec = small_spec();
  spec.embedding_mix = spec.branch_scales = spec.query_gain = true;
  spec.groups = {plain_group("order", 4)};
  spec.groups[0].order = {0, 1, 2, 1, 2, 1, 2, 3};
  const ModelFolder one(spec);
  spec.groups = {plain_group("a", 1), plain_group("b", 2), plain_group("c", 1)};
  spec.groups[1].loops = 3;
  ModelFolder cut(spec, 2);
  take_layers(cut, one.weights());
  cut.rewrite([&](Weights& weights) {
    for (const char* const name : {"embed.weight", "final_norm.weight"}) weights[name] = one.weights().at(name);
  });
  EXPECT_EQ(logits_of(Model::load(cut.path())), logits_of(Model::load(one.path())));
  EXPECT_EQ(logits_of(Model::load(cut.path())), logits_of(Model::load(one.path()), 3));
  EXPECT_EQ(logits_of(Model::load(cut.path())), one_by_one(Model::load(one.path())));
}

/// Depths of texts decoded side by side, the first of them without a rule, so that the rows that ask are not all rows.
TEST(Runs, OfALookAheadMixTheEmbeddingsOfTheRowsThatAsk) {
  ModelSpec spec = small_spec();
  spec.embedding_mix = true;
  const ModelFolder folder(spec, 5);
  const Model model = Model::load(folder.path());
  const std::vector<int> loops = spec.default_loops();
  Engine together(model, 2);
  Engine alone(model, 1);
  std::vector<Sequence> side_by_side;
  std::vector<Sequence> one_by_one;
  std::vector<BoundedExit> exits;
  for (int text = 0; text < 3; ++text) {
    side_by_side.push_back(together.start(loops, 24, {}, 1));
    one_by_one.push_back(alone.start(loops, 24, {}, 1));
    for (int copy = 0; copy < 2; ++copy) exits.emplace_back(parse_exit("kl:tau=0.3"), ExitContext{spec, loops, {}});
  }
  std::set<int> depths;
  for (int step = 0; step < 20; ++step) {
    const auto token = [&](std::size_t text) { return static_cast<std::int32_t>((5 * step + 7 * text) % 16); };
    std::vector<DecodeRow> rows;
    for (std::size_t text = 0; text < 3; ++text) {
      rows.push_back({&side_by_side[text], token(text), text == 0 ? nullptr : &exits[2 * text], {}});
    }
    together.decode(rows);
    for (std::size_t text = 1; text < 3; ++text) {
      TokenDepth depth;
      alone.decode(one_by_one[text], token(text), &exits[2 * text + 1], depth);
      EXPECT_EQ(rows[text].depth.loops, depth.loops) << "step " << step;
      depths.insert(depth.loops[1]);
    }
  }
  EXPECT_GT(depths.size(), 1U);  // else the rule says nothing
}

TEST(Runs, CostWhatTheyRun) {
  ModelSpec spec = small_spec();
  spec.groups = {plain_group("order", 2)};
  spec.groups[0].order = {0, 1, 1, 1};
  const ModelFolder folder(spec);
  const Model model = Model::load(folder.path());
  // Multiply-adds of one layer, as in cost_test.cpp; and the head.
  constexpr double kLayer = 32 * 16 + 16 * 16 + 48 * 16 + 16 * 24;
  EXPECT_EQ(token_cost(model, {1}, 10, KvType::f32).flops, 2 * (4 * kLayer + 16 * 16));
  EXPECT_EQ(layer_passes(model.spec(), {1}), 4U);
  Engine engine(model, 1);
  Sequence sequence = engine.start({1}, 8, {}, 1);
  const std::vector<std::int32_t> tokens = {1, 5};
  engine.prefill(sequence, tokens, Engine::Logits::none);
  EXPECT_EQ(engine.count().passes, 4U);
  EXPECT_EQ(engine.count().rows, 8U);
}

/// Two heads of queries, which are the state, on one of keys, which are all alike; its values are the state.
Weights looking_back() {
  Weights weights = {{"embed.weight", {1, 1, -1, 1}}};
  weights["groups.0.layers.0.attn.qkv.weight"] = {1, 0, 0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 1};
  weights["groups.0.layers.0.attn.out.weight"] = {1, 0, 0, 0, 0, 0, 0, 1};
  return weights;
}

ModelSpec looking_back_spec(int window) {
  ModelSpec spec = bare_spec();
  spec.heads = 2;
  spec.groups[0].loops = 2;
  spec.groups[0].first_loop_attention = true;
  spec.groups[0].loop_window = window;
  return spec;
}

// Every token sees the mean of what it sees. In the first loop the states (1, 1), (-1, 1), (-1, 1) become (2, 2),
// (-1, 2) and (-4/3, 2), which are (1, 1), (-1, 2) / √2.5 and (-4, 6) / √26 to the second. Its last token gets (-1/3,
// 1) of the first loop's values.
TEST(FirstLoopAttention, IsMixedWithThatOfTheLoopItselfByAGateOfEachHead) {
  Weights weights = looking_back();
  // The first head's gate is σ(ln 3) = 3/4 of the query (-4, 6) / √26, the second one's σ(-ln 3).
  const float three = std::log(3.0F);
  weights["groups.0.layers.0.attn.loop_gate.weight"] = {0, three * std::sqrt(26.0F) / 6, 0, 0};
  weights["groups.0.layers.0.attn.loop_gate.bias"] = {0, -three};
  const float x = -1 / std::sqrt(2.5F) - 4 / std::sqrt(26.0F);
  const float y = 2 / std::sqrt(2.5F) + 6 / std::sqrt(26.0F);
  const auto behind = [&](int window) { return state_behind(looking_back_spec(window), weights, {0, 1, 1}); };
  const auto is = [](float own_x, float own_y) {
    return ElementsAre(FloatNear(-4.0F / 3 - 0.25F + own_x / 4, 1e-5F), FloatNear(2.25F + 3 * own_y / 4, 1e-5F));
  };
  EXPECT_THAT(behind(1), is(-4 / std::sqrt(26.0F), 6 / std::sqrt(26.0F)));
  EXPECT_THAT(behind(2), is(x / 2, y / 2));
  EXPECT_THAT(behind(3), is((x + 1) / 3, (y + 1) / 3));
  EXPECT_THAT(behind(0), is((x + 1) / 3, (y + 1) / 3));
}

TEST(FirstLoopAttention, SeesTheWindowOfItsLayer) {
  Weights weights = looking_back();
  weights["groups.0.layers.0.attn.loop_gate.weight"] = {0, 0, 0, 0};
  weights["groups.0.layers.0.attn.loop_gate.bias"] = {40, 40};
  ModelSpec spec = looking_back_spec(0);
  spec.window = 1;
  spec.groups[0].window_layers = {0};
  // Of its own value alone: (-1, 1) in both loops.
  EXPECT_THAT(state_behind(spec, weights, {0, 1, 1}), ElementsAre(FloatNear(-3, 1e-5F), FloatNear(3, 1e-5F)));
}

TEST(FirstLoopAttention, TakesKvPoliciesThatKeepTheFirstLoopsKeys) {
  ModelSpec spec = small_spec();
  spec.groups[1].first_loop_attention = true;
  const auto start = [&](const char* policy, int loops) {
    const KvCache cache(spec, {1, loops, 3, 1}, 8, parse_kv_policy(policy, "--kv"));
  };
  const auto refused = [&](const char* policy, const std::string& says) {
    EXPECT_THAT([&] { start(policy, 4); }, ThrowsMessage<Error>(HasSubstr(says)));
  };
  for (const char* const policy : {"latest", "latest:anchor=1", "latest:ring=4", "full", "all_or_last"}) {
    EXPECT_NO_THROW(start(policy, 4)) << policy;
  }
  EXPECT_NO_THROW(start("last", 1));
  refused("last", "the KV policy last overwrites the keys of the first loop in loop 2");
  refused("last",
          "every later loop of group \"loop a\" attends to them; choose latest, latest:anchor=K or all_or_last");
  refused("latest:ring=3", "the KV policy latest:ring=3 overwrites the keys of the first loop in loop 4");
  refused("latest:run=2", "overwrites the keys of the first loop in loop 2");
  spec.groups[1].loop_window = 2;
  EXPECT_NO_THROW(start("all_or_last", 4));
  refused("full", "the windows of group \"loop a\" cannot be told; choose latest");
}

TEST(FirstLoopAttention, CostsASecondLookInLaterLoops) {
  ModelSpec spec = small_spec();
  const ModelFolder plain(spec);
  spec.groups[2].first_loop_attention = true;
  const ModelFolder folder(spec);
  const TokenCost once = token_cost(Model::load(plain.path()), {1, 4, 3, 1}, 10, KvType::f32);
  const TokenCost twice = token_cost(Model::load(folder.path()), {1, 4, 3, 1}, 10, KvType::f32);
  // Two layers, two loops behind the first; the gate is 4 numbers a head.
  EXPECT_EQ(twice.attention_flops / once.attention_flops, (12.0 + 4) / 12);
  EXPECT_EQ(twice.flops - once.flops, 2 * 4 * 16);
}

}  // namespace
}  // namespace gyre::runs_test
