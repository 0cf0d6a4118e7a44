#include <gtest/gtest.h>
#include <torch/utils.h>
#include <torch/version.h>

#include "base/random.hpp"
#include "train/random_model.hpp"

namespace gyre::packed_rows_test {
namespace {

using torch::Tensor;

constexpr int kSpecs = 32;

/// A batch of two rows of as many tokens, each cut into documents of its own.
struct Packed {
  Tensor tokens;
  Tensor documents;
  Tensor prompt;
  struct Document {
    std::int64_t row = 0;
    std::int64_t begin = 0;
    std::int64_t length = 0;
  };
  std::vector<Document> cuts;
};

/// Documents of one token and of more; their numbers are in no order. The first tokens of each see one another whole in
/// models that are made for that.
Packed packed_rows(const ModelSpec& spec, Random& random) {
  const std::int64_t width = spec.context;
  Packed packed{torch::randint(spec.vocab_size, {2, width}, torch::kLong),
                torch::zeros({2, width}, torch::kLong),
                torch::zeros({2, width}, torch::kBool),
                {}};
  for (std::int64_t row = 0; row < 2; ++row) {
    for (std::int64_t begin = 0; begin < width;) {
      const auto drawn = 1 + static_cast<std::int64_t>(random.below(6));
      const std::int64_t length = std::min(drawn, width - begin);
      packed.documents[row].narrow(0, begin, length).fill_(static_cast<std::int64_t>(packed.cuts.size()) * 7 % 5);
      if (spec.prefix_lm) packed.prompt[row].narrow(0, begin, (length + 1) / 2).fill_(true);
      packed.cuts.push_back({row, begin, length});
      begin += length;
    }
  }
  return packed;
}

ForwardOptions options_of(const ModelSpec& spec, std::vector<std::uint64_t> seeds) {
  ForwardOptions options;
  options.loops = spec.default_loops();
  options.noise_seeds = std::move(seeds);
  return options;
}

Tensor in_rows(const Tensor& all, const Packed::Document& cut) {
  return all.narrow(0, cut.row, 1).narrow(1, cut.begin, cut.length);
}

std::vector<Tensor> take_gradients(const TorchModel& model) {
  std::vector<Tensor> gradients;
  for (const std::string& name : model.names()) {
    Tensor parameter = model.parameter(name);
    gradients.push_back(parameter.grad());
    parameter.mutable_grad() = Tensor();
  }
  return gradients;
}

double largest(const Tensor& x) { return x.abs().max().item<double>(); }

/// MKL, which PyTorch's own LibTorch has, rounds products of few rows and of many further apart than OpenBLAS does.
constexpr double kRounding = TORCH_VERSION_MAJOR < 2 ? 1 : 2;

void expect_close(const Tensor& actual, const Tensor& expected, double scale, double tolerance) {
  EXPECT_LE(largest(actual - expected), kRounding * tolerance * (1 + scale));
}

/// Gradients of several documents, and how large those that were added are: their sum may be far smaller, and rounding
/// is not.
struct Sum {
  Tensor value;
  double scale = 0;
};

void add(std::vector<Sum>& sums, const std::vector<Tensor>& gradients) {
  sums.resize(gradients.size());
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    if (!gradients[i].defined()) continue;
    sums[i].value = sums[i].value.defined() ? sums[i].value + gradients[i] : gradients[i];
    sums[i].scale += largest(gradients[i]);
  }
}

// Every switch is drawn: windows, noise, turning by length, keys of the first loop, prompts that see themselves whole.
TEST(PackedRows, GiveTheStatesAndGradientsThatEachDocumentGivesAlone) {
  for (int index = 0; index < kSpecs; ++index) {
    SCOPED_TRACE(testing::Message() << "spec " << index);
    const TorchModel model = random_model(static_cast<std::uint64_t>(index));
    Random random(static_cast<std::uint64_t>(index));
    torch::manual_seed(index);
    const Packed packed = packed_rows(model.spec(), random);
    ForwardOptions options = options_of(model.spec(), {5, 6});
    options.documents = packed.documents;
    options.prompt = packed.prompt;
    const Tensor together = model.states(packed.tokens, options);
    const Tensor upstream = torch::randn(together.sizes());
    (together * upstream).sum().backward();
    const std::vector<Tensor> gradients = take_gradients(model);
    std::vector<Sum> expected;
    for (const Packed::Document& cut : packed.cuts) {
      ForwardOptions alone = options_of(model.spec(), {5 + static_cast<std::uint64_t>(cut.row)});
      alone.prompt = in_rows(packed.prompt, cut);
      const Tensor states = model.states(in_rows(packed.tokens, cut), alone);
      expect_close(in_rows(together, cut), states, largest(states), 1e-5);
      (states * in_rows(upstream, cut)).sum().backward();
      add(expected, take_gradients(model));
    }
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      ASSERT_EQ(gradients[i].defined(), expected[i].value.defined()) << model.names()[i];
      if (!gradients[i].defined()) continue;
      SCOPED_TRACE(model.names()[i]);
      expect_close(gradients[i], expected[i].value, expected[i].scale, 1e-4);
    }
  }
}

// What no pass reads keeps its value, and has no gradient by which it would change.
TEST(TorchModel, LeavesExitGatesAlone) {
  ModelSpec spec = random_spec(1);
  spec.groups.resize(1);
  spec.groups[0].exit_gate = true;
  spec.groups[0].exit_gate_norm = true;
  const TorchModel model(spec, 1);
  model.states(torch::zeros({1, 3}, torch::kLong), options_of(spec, {1})).sum().backward();
  for (const std::string name : {"gate.weight", "gate.bias", "gate_norm.weight", "gate_norm.bias"}) {
    EXPECT_FALSE(model.parameter("groups.0." + name).grad().defined()) << name;
  }
}

}  // namespace
}  // namespace gyre::packed_rows_test
