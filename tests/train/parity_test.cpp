#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <functional>
#include <iostream>
#include <map>
#include <set>

#include "base/random.hpp"
#include "engine/engine.hpp"
#include "scratch_folder.hpp"
#include "train/checkpoint.hpp"
#include "train/random_model.hpp"
#include "train/torch_model.hpp"

namespace gyre::parity_test {
namespace {

constexpr int kSpecs = 72;

/// The model with its weights moved by as much as rounding moves them.
TorchModel shaken(std::uint64_t seed) {
  TorchModel model = random_model(seed);
  const torch::NoGradGuard no_gradient;
  for (const std::string& name : model.names()) {
    torch::Tensor parameter = model.parameter(name);
    parameter.mul_(1 + 1e-7 * torch::randn(parameter.sizes()));
  }
  return model;
}

struct Case {
  Engine& engine;
  std::vector<int> loops;
  std::uint64_t noise_seed;
  std::span<const std::int32_t> tokens;
  std::span<const float> expected;  ///< [tokens, vocabulary]

  [[nodiscard]] Sequence start() const {
    return engine.start(loops, static_cast<int>(tokens.size()), KvPolicy{}, noise_seed);
  }
};

class EngineParity : public testing::Test {
 protected:
  /// Calls `check` for every spec at one loop, the default depth, and two loops more. With `whole_prompt` the tokens
  /// see one another whole, in the specs that are made for that.
  void for_every_case(const std::function<void(const Case&)>& check, bool whole_prompt = false) {
    for (int index = 0; index < kSpecs; ++index) {
      SCOPED_TRACE(testing::Message() << "spec " << index);
      const TorchModel model = random_model(static_cast<std::uint64_t>(index));
      if (whole_prompt && !model.spec().prefix_lm) continue;
      const ScratchFolder scratch;
      write_model_folder(scratch / "model", model, language_files(Tokenizer::bytes()), nlohmann::json::object(),
                         DType::f32);
      const Model loaded = Model::load(scratch / "model");
      ASSERT_EQ(loaded.spec(), model.spec());
      Engine engine(loaded, 1 + index % 2);
      check_depths(engine, {model, shaken(static_cast<std::uint64_t>(index))}, static_cast<std::uint64_t>(index),
                   whole_prompt, check);
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
    std::cout << kSpecs << " specs, " << compared_ << " positions, largest error " << worst_ << "; " << chaotic_
              << " chaotic cases left out\n";
    EXPECT_GT(compared_, kSpecs);
    EXPECT_LE(chaotic_, 3 * kSpecs / 20);
  }

 private:
  void check_depths(Engine& engine, const std::array<TorchModel, 2>& models, std::uint64_t index, bool whole_prompt,
                    const std::function<void(const Case&)>& check) {
    const ModelSpec& spec = models[0].spec();
    Random random(index);
    std::vector<std::int32_t> tokens(static_cast<std::size_t>(spec.context));
    for (std::int32_t& token : tokens) {
      token = static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(spec.vocab_size)));
    }
    const torch::Tensor ids = torch::tensor(std::vector<std::int64_t>(tokens.begin(), tokens.end()), torch::kLong);
    const std::uint64_t noise_seed = 77 + index;
    for (const int depth : {0, 1, 2}) {
      std::vector<int> loops = spec.default_loops();
      for (const int g : spec.looped_groups()) {
        int& count = loops[static_cast<std::size_t>(g)];
        // What minus_state leaves is mostly rounding, which further loops multiply.
        const int more = spec.groups[static_cast<std::size_t>(g)].minus_state ? 0 : 2;
        count = depth == 0 ? 1 : count + (depth == 2 ? more : 0);
      }
      SCOPED_TRACE(testing::Message() << "loops " << testing::PrintToString(loops));
      const torch::NoGradGuard no_gradient;
      ForwardOptions options{loops, 0, Precision::f32, 0.0F, {noise_seed}};
      if (whole_prompt) options.prompt = torch::ones({1, spec.context}, torch::kBool);
      const auto logits_of = [&](const TorchModel& model) {
        return model.logits(model.states(ids.unsqueeze(0), options), Precision::f32).contiguous();
      };
      const torch::Tensor expected = logits_of(models[0]);
      // Some specs drawn are chaotic: rounding alone moves their logits further than the engine may be off.
      const torch::Tensor moved = (expected - logits_of(models[1])).abs().max();
      if (moved.item<double>() > 3e-5 * std::max(1.0, expected.abs().max().item<double>())) {
        ++chaotic_;
        continue;
      }
      const std::span<const float> values(expected.data_ptr<float>(), static_cast<std::size_t>(expected.numel()));
      check({engine, loops, noise_seed, tokens, values});
      if (HasFatalFailure()) return;
    }
  }

  double worst_ = 0;
  int compared_ = 0;
  int chaotic_ = 0;
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

TEST_F(EngineParity, APromptThatSeesItselfWholeGivesTheTrainersLogits) {
  const auto check = [&](const Case& one) {
    Sequence sequence = one.start();
    sequence.whole_prompt = true;
    const std::span<const float> all = one.engine.prefill(sequence, one.tokens, Engine::Logits::all);
    const std::size_t vocabulary = all.size() / one.tokens.size();
    for (std::size_t t = 0; t < one.tokens.size(); ++t) {
      ASSERT_NO_FATAL_FAILURE(compare(all.subspan(t * vocabulary, vocabulary), one, t));
    }
  };
  for_every_case(check, true);
}

/// Every value that a switch has in the specs that it visits: of numbers and lists, whether they are as by default.
class SwitchValues {
 public:
  std::map<std::string, std::set<int>> seen;
  std::map<std::string, std::size_t> wanted;

  void only_rare() const {}
  template <typename Field>
  void text(const SpecKey& /*key*/, const Field& /*field*/) const {}
  template <typename Field, typename... Most>
  void needed(const SpecKey& /*key*/, const Field& /*field*/, Most... /*most*/) const {}
  void integer(const SpecKey& key, int field, int /*most*/, int otherwise) {
    add(key, field == otherwise, std::string(key.name) == "ffn_size" ? 1 : 2);  // drawn whatever it is by default
  }
  void count(const SpecKey& key, int field, int /*most*/) { add(key, field == 0, 2); }
  void number(const SpecKey& key, float field, double /*least*/, double /*most*/, float otherwise) {
    add(key, field == otherwise, std::string(key.name).ends_with("norm_eps") ? 1 : 2);  // drawn anew in each
  }
  void boolean(const SpecKey& key, bool field, bool /*otherwise*/) {
    add(key, field, std::string(key.name) == "encoder" ? 1 : 2);  // gives no next token to train for
  }
  template <typename Enum, typename Names>
  void choice(const SpecKey& key, Enum field, const Names& names, Enum /*otherwise*/) {
    add(key, static_cast<int>(field), std::size(names));
  }
  void numbers(const SpecKey& key, const std::vector<float>& field) { add(key, field.empty(), 2); }
  void layers(const SpecKey& key, const std::vector<int>& field) { add(key, field.empty(), 2); }
  void skips(const SpecKey& key, const std::vector<Skip>& field) { add(key, field.empty(), 2); }
  void fast(const SpecKey& key, const FastStack& field) { add(key, field.there(), 2); }

 private:
  void add(const SpecKey& key, int value, std::size_t most) {
    seen[key.name].insert(value);
    wanted[key.name] = most;
  }
};

// The tests above say nothing about what the specs leave out.
TEST(EngineParitySpecs, CoverEveryValueOfEverySwitch) {
  SwitchValues values;
  for (int index = 0; index < kSpecs; ++index) {
    ModelSpec spec = random_spec(static_cast<std::uint64_t>(index));
    visit_spec(values, spec);
    for (Group& group : spec.groups) visit_group(values, group);
  }
  for (const auto& [key, count] : values.wanted) EXPECT_GE(values.seen[key].size(), count) << key;
}

}  // namespace
}  // namespace gyre::parity_test
