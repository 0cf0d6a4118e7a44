#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <functional>
#include <iostream>
#include <set>

#include "base/random.hpp"
#include "engine/engine.hpp"
#include "scratch_folder.hpp"
#include "train/checkpoint.hpp"
#include "train/torch_model.hpp"

namespace gyre {
namespace {

constexpr int kPlainSpecs = 40;
constexpr int kSpecs = 68;  ///< those from kPlainSpecs on have what Parameter Golf's models have, drawn
constexpr int kContext = 24;
constexpr std::string_view kCharacters = "abcdefghijklmnopqrstuvwxyz0123456789 ";

struct Entry {
  Injection injection;
  FirstState first_state;
};
/// Every way into a group that does not forget its input.
constexpr Entry kEntries[] = {{Injection::none, FirstState::carried},  {Injection::add, FirstState::carried},
                              {Injection::linear, FirstState::noise},  {Injection::add, FirstState::zero},
                              {Injection::linear, FirstState::zero},   {Injection::add, FirstState::noise},
                              {Injection::linear, FirstState::carried}};

int pick(Random& random, int least, int most) {
  return least + static_cast<int>(random.below(static_cast<std::uint64_t>(most - least + 1)));
}

/// The order of a group's layers, each of them in it, and skips from run to run.
void draw_runs(Group& group, Random& random) {
  if (pick(random, 0, 1) == 0) {
    for (int run = group.layers + pick(random, 0, 3); run > 0; --run) group.order.push_back(run % group.layers);
  }
  for (int to = 1; to < group.runs(); ++to) {
    if (pick(random, 0, 1) == 0) group.skips.push_back({pick(random, 0, to - 1), to});
  }
}

void draw_mixes(ModelSpec& spec, int index, Random& random) {
  const auto coin = [&] { return pick(random, 0, 1) == 0; };
  spec.mlp = static_cast<MlpKind>(index % 7);
  spec.qk_norm = static_cast<QkNorm>(index / 2 % 4);
  spec.qk_norm_eps = coin() ? 1e-5F : 1e-2F;
  spec.norm_weights = spec.norm == NormKind::layer || coin();
  spec.embedding_norm = coin();
  spec.logit_softcap = coin() ? 2.0F : 0.0F;
  spec.embedding_mix = coin();
  spec.branch_scales = coin();
  spec.query_gain = coin();
  if (spec.position != PositionKind::learned && coin()) spec.rotary_channels = 2 * pick(random, 1, spec.head_size / 2);
  for (Group& group : spec.groups) draw_runs(group, random);
}

/// Spec `index` of kSpecs: norm, placement and MLP run through all their combinations, each of them with every kind of
/// position; everything else is drawn.
ModelSpec spec_at(int index) {
  Random random(static_cast<std::uint64_t>(index) + 1000);
  ModelSpec spec;
  spec.name = "spec " + std::to_string(index);
  spec.vocab_size = static_cast<int>(kCharacters.size());
  spec.context = kContext;
  spec.norm = static_cast<NormKind>(index % 2);
  spec.norm_placement = static_cast<NormPlacement>(index / 2 % 5);
  spec.mlp = static_cast<MlpKind>((index / 10 + index) % 4);
  spec.position = static_cast<PositionKind>((index / 10 + index % 10) % 3);
  spec.hidden_size = pick(random, 16, 48);
  spec.kv_heads = pick(random, 1, 2);
  spec.heads = spec.kv_heads * pick(random, 1, 3);
  // Only learned positions allow a head of odd size.
  spec.head_size = spec.position == PositionKind::learned ? pick(random, 3, 9) : 2 * pick(random, 1, 5);
  spec.ffn_size = 2 * pick(random, 8, 36) + 1;
  spec.norm_eps = pick(random, 0, 1) == 0 ? 1e-5F : 1e-3F;
  spec.final_norm = pick(random, 0, 3) != 0;
  if (spec.position != PositionKind::learned && pick(random, 0, 1) == 0) spec.rotary_theta = 500.0F;
  spec.biases = pick(random, 0, 1) == 0;
  spec.tied_head = pick(random, 0, 1) == 0;
  spec.embedding_scale = pick(random, 0, 1) == 0 ? 1.0F : 3.7F;
  const int groups = pick(random, 2, 4);
  for (int g = 0; g < groups; ++g) {
    // Two groups of every model loop; the first of them may be the first group of all.
    const bool looped = g >= groups - 2;
    const Entry entry = looped ? kEntries[(2 * index + g) % 7] : Entry{Injection::none, FirstState::carried};
    spec.groups.push_back({"group " + std::to_string(g), pick(random, 1, 2), looped ? pick(random, 2, 4) : 1,
                           entry.injection, entry.first_state, 1.0F});
    if (entry.first_state == FirstState::noise) spec.groups.back().noise_std = 0.5F + static_cast<float>(g);
  }
  if (index >= kPlainSpecs) draw_mixes(spec, index, random);
  return spec;
}

/// Moves every parameter off its first value, so that norms, biases and small weights all matter.
void perturb(const TorchModel& model) {
  const torch::NoGradGuard no_gradient;
  for (const std::string& name : model.names()) {
    torch::Tensor parameter = model.parameter(name);
    parameter.add_(torch::randn(parameter.sizes()), parameter.dim() == 1 ? 0.2 : 0.1);
  }
}

struct Case {
  Engine& engine;
  std::vector<int> loops;
  std::uint64_t noise_seed;
  std::span<const std::int32_t> tokens;
  std::span<const float> expected;  ///< [tokens, vocabulary]

  [[nodiscard]] Sequence start() const { return engine.start(loops, kContext, KvPolicy{}, noise_seed); }
};

class EngineParity : public testing::Test {
 protected:
  /// Calls `check` for every spec at one loop, the default depth, and two loops more.
  static void for_every_case(const std::function<void(const Case&)>& check) {
    for (int index = 0; index < kSpecs; ++index) {
      const ModelSpec spec = spec_at(index);
      SCOPED_TRACE(testing::Message() << "spec " << index);
      validate(spec, "test");
      const TorchModel model(spec, static_cast<std::uint64_t>(index));
      perturb(model);
      const ScratchFolder scratch;
      write_model_folder(scratch / "model", model, Tokenizer::characters(kCharacters), nlohmann::json::object(),
                         DType::f32);
      const Model loaded = Model::load(scratch / "model");
      ASSERT_EQ(loaded.spec(), spec);
      Engine engine(loaded, 1 + index % 2);
      check_depths(engine, model, static_cast<std::uint64_t>(index), check);
      if (HasFatalFailure()) return;
    }
  }

  /// The logits of one position against the trainer's, to 1e-4 of the largest of them (or of one).
  void compare(std::span<const float> logits, const Case& one, std::size_t position) {
    const std::span<const float> expected = one.expected.subspan(position * logits.size(), logits.size());
    double scale = 1;
    for (const float value : expected) scale = std::max(scale, std::abs(static_cast<double>(value)));
    double error = 0;
    for (std::size_t i = 0; i < logits.size(); ++i) {
      ASSERT_TRUE(std::isfinite(logits[i]));
      error = std::max(error, std::abs(static_cast<double>(logits[i]) - static_cast<double>(expected[i])) / scale);
    }
    ASSERT_LE(error, 1e-4) << "position " << position << ", logits of size " << scale;
    worst_ = std::max(worst_, error);
    ++compared_;
  }

  void TearDown() override {
    RecordProperty("largest_error", testing::PrintToString(worst_));
    std::cout << kSpecs << " specs, " << compared_ << " positions, largest error " << worst_ << "\n";
    EXPECT_GT(compared_, kSpecs * kContext);
  }

 private:
  static void check_depths(Engine& engine, const TorchModel& model, std::uint64_t index,
                           const std::function<void(const Case&)>& check) {
    const ModelSpec& spec = model.spec();
    Random random(index);
    std::vector<std::int32_t> tokens(kContext);
    for (std::int32_t& token : tokens) token = pick(random, 0, spec.vocab_size - 1);
    const torch::Tensor ids = torch::tensor(std::vector<std::int64_t>(tokens.begin(), tokens.end()), torch::kLong);
    const std::uint64_t noise_seed = 77 + index;
    for (const int depth : {0, 1, 2}) {
      std::vector<int> loops = spec.default_loops();
      for (const int g : spec.looped_groups()) {
        int& count = loops[static_cast<std::size_t>(g)];
        count = depth == 0 ? 1 : count + (depth == 2 ? 2 : 0);
      }
      SCOPED_TRACE(testing::Message() << "loops " << testing::PrintToString(loops));
      const torch::NoGradGuard no_gradient;
      const ForwardOptions options{loops, 0, Precision::f32, 0.0F, {noise_seed}};
      const torch::Tensor expected = model.logits(model.states(ids.unsqueeze(0), options), Precision::f32).contiguous();
      const std::span<const float> values(expected.data_ptr<float>(), static_cast<std::size_t>(expected.numel()));
      check({engine, loops, noise_seed, tokens, values});
      if (HasFatalFailure()) return;
    }
  }

  double worst_ = 0;
  int compared_ = 0;
};

TEST_F(EngineParity, PrefillGivesTheTrainersLogitsAtEveryPosition) {
  for_every_case([&](const Case& one) {
    Sequence sequence = one.start();
    const std::span<const float> all = one.engine.prefill(sequence, one.tokens, Engine::Logits::all);
    ASSERT_EQ(all.size(), one.expected.size());
    const std::size_t vocabulary = all.size() / one.tokens.size();
    for (std::size_t t = 0; t < one.tokens.size(); ++t) {
      ASSERT_NO_FATAL_FAILURE(compare(all.subspan(t * vocabulary, vocabulary), one, t));
    }
  });
}

TEST_F(EngineParity, DecodingTokenByTokenGivesTheTrainersLogits) {
  for_every_case([&](const Case& one) {
    Sequence sequence = one.start();
    TokenDepth depth;
    for (std::size_t t = 0; t < one.tokens.size(); ++t) {
      ASSERT_NO_FATAL_FAILURE(compare(one.engine.decode(sequence, one.tokens[t], nullptr, depth), one, t));
      ASSERT_EQ(depth.loops, one.loops);
    }
  });
}

TEST_F(EngineParity, DecodingAfterAPrefillGivesTheTrainersLogits) {
  for_every_case([&](const Case& one) {
    Sequence sequence = one.start();
    const std::size_t half = one.tokens.size() / 2;
    ASSERT_NO_FATAL_FAILURE(
        compare(one.engine.prefill(sequence, one.tokens.first(half), Engine::Logits::last), one, half - 1));
    TokenDepth depth;
    for (std::size_t t = half; t < one.tokens.size(); ++t) {
      ASSERT_NO_FATAL_FAILURE(compare(one.engine.decode(sequence, one.tokens[t], nullptr, depth), one, t));
    }
  });
}

// The tests above say nothing about what the specs leave out.
TEST(EngineParitySpecs, CoverEveryChoice) {
  std::set<std::array<int, 3>> shapes;
  std::set<std::array<int, 2>> entries;
  std::set<PositionKind> positions;
  std::set<bool> grouped, biases, tied, final_norm, scaled, two_layers;
  for (int index = 0; index < kPlainSpecs; ++index) {
    const ModelSpec spec = spec_at(index);
    shapes.insert({static_cast<int>(spec.norm), static_cast<int>(spec.norm_placement), static_cast<int>(spec.mlp)});
    positions.insert(spec.position);
    grouped.insert(spec.kv_heads < spec.heads);
    biases.insert(spec.biases);
    tied.insert(spec.tied_head);
    final_norm.insert(spec.final_norm);
    scaled.insert(spec.embedding_scale != 1.0F);
    EXPECT_EQ(spec.looped_groups().size(), 2U);
    for (const int g : spec.looped_groups()) {
      const Group& group = spec.groups[static_cast<std::size_t>(g)];
      entries.insert({static_cast<int>(group.injection), static_cast<int>(group.first_state)});
      two_layers.insert(group.layers == 2);
    }
  }
  EXPECT_EQ(shapes.size(), 40U);
  EXPECT_EQ(entries.size(), 7U);
  EXPECT_EQ(positions.size(), 3U);
  for (const auto& seen : {grouped, biases, tied, final_norm, scaled, two_layers}) EXPECT_EQ(seen.size(), 2U);
}

TEST(EngineParitySpecs, CoverEveryChoiceOfParameterGolf) {
  std::set<std::array<int, 2>> placements, queries;
  std::set<MlpKind> mlps;
  std::set<bool> weights, embedding_norm, capped, mixed, scales, gain, partial, ordered, skipped;
  for (int index = kPlainSpecs; index < kSpecs; ++index) {
    const ModelSpec spec = spec_at(index);
    placements.insert({static_cast<int>(spec.norm_placement), spec.branch_scales ? 1 : 0});
    queries.insert({static_cast<int>(spec.qk_norm), spec.query_gain ? 1 : 0});
    mlps.insert(spec.mlp);
    weights.insert(spec.norm_weights);
    embedding_norm.insert(spec.embedding_norm);
    capped.insert(spec.logit_softcap > 0);
    mixed.insert(spec.embedding_mix);
    scales.insert(spec.branch_scales);
    gain.insert(spec.query_gain);
    partial.insert(spec.rotary_channels > 0 && spec.rotary_channels < spec.head_size);
    for (const int g : spec.looped_groups()) {
      ordered.insert(!spec.groups[static_cast<std::size_t>(g)].order.empty());
      skipped.insert(!spec.groups[static_cast<std::size_t>(g)].skips.empty());
    }
  }
  EXPECT_EQ(placements.size(), 10U);
  EXPECT_EQ(queries.size(), 8U);
  EXPECT_EQ(mlps.size(), 7U);
  for (const auto& seen : {weights, embedding_norm, capped, mixed, scales, gain, partial, ordered, skipped}) {
    EXPECT_EQ(seen.size(), 2U);
  }
}

}  // namespace
}  // namespace gyre
