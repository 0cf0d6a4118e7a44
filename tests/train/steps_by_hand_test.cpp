#include <gmock/gmock.h>
#include <torch/utils.h>

#include <cmath>

#include "base/file.hpp"
#include "text/tokenizer.hpp"
#include "train/checkpoint.hpp"
#include "train/data.hpp"
#include "train/schedule.hpp"
#include "train/trainer_fixture.hpp"

namespace gyre::steps_by_hand_test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using torch::Tensor;

// The random streams of a run, written down again: a run must not change by an edit of its source.
constexpr std::uint64_t kNoise = 0x6e6f697365ULL;
constexpr std::uint64_t kDropout = 0x64726f70ULL;

Tensor ids_of(const std::vector<std::int64_t>& ids, int rows) {
  return torch::tensor(ids, torch::kLong).view({rows, -1});
}

std::vector<std::uint64_t> noise_seeds(std::uint64_t seed, int step, int rows) {
  std::vector<std::uint64_t> seeds;
  for (int row = 0; row < rows; ++row) {
    seeds.push_back(
        combine_seeds(seed ^ kNoise, static_cast<std::uint64_t>(step) * 65536U + static_cast<std::uint64_t>(row)));
  }
  return seeds;
}

/// The sum of the cross-entropies (nats) of the targets that are not -1, and how many they are.
std::pair<Tensor, double> summed_loss(const TorchModel& model, const Batch& batch, const ForwardOptions& options) {
  const Tensor states = model.states(ids_of(batch.inputs, batch.rows), options);
  const Tensor log_p =
      torch::log_softmax(model.logits(states, options.precision), -1).view({-1, model.spec().vocab_size});
  Tensor sum = torch::zeros({});
  double count = 0;
  for (std::size_t i = 0; i < batch.targets.size(); ++i) {
    if (batch.targets[i] < 0) continue;
    sum = sum - log_p[static_cast<std::int64_t>(i)][batch.targets[i]];
    ++count;
  }
  return {sum, count};
}

/// Windows of `text` that begin at `begins`, encoded.
Batch windows(const Tokenizer& tokenizer, std::string_view text, const std::vector<std::size_t>& begins, int columns) {
  Batch batch{static_cast<int>(begins.size()), columns, {}, {}};
  for (const std::size_t begin : begins) {
    const auto length = static_cast<std::size_t>(columns);
    for (const auto id : tokenizer.encode(text.substr(begin, length))) batch.inputs.push_back(id);
    for (const auto id : tokenizer.encode(text.substr(begin + 1, length))) batch.targets.push_back(id);
  }
  return batch;
}

class StepsByHand : public TrainerTest {
 protected:
  static json config() {
    json config = small_config();
    config["groups"][1].update({{"injection", "linear"}, {"first_state", "noise"}});
    config["training"] = {{"steps", 3},
                          {"batch", 2},
                          {"sequence", 8},
                          {"precision", "f32"},
                          {"learning_rate", 0.02},
                          {"warmup", 2},
                          {"clip", 0.5},
                          {"weight_decay", 0.3},
                          {"seed", 6},
                          {"dropout", 0.25},
                          {"backprop_loops", 2},
                          {"loop_sampling", "poisson_lognormal"},
                          {"evaluate_every", 3},
                          {"evaluate_windows", 3},
                          {"evaluate_loops", {"1", "5"}},
                          {"checkpoint_every", 1}};
    return config;
  }

  /// AdamW in f64 on the gradients of `model`, which are cleared; returns their norm.
  double update(const TorchModel& model, const TrainConfig& config, double rate, int step) {
    double squares = 0;
    for (const std::string& name : model.names()) {
      squares += model.parameter(name).grad().to(torch::kDouble).square().sum().item<double>();
    }
    const double norm = std::sqrt(squares);
    const double scale = std::min(1.0, config.clip / norm);
    const torch::NoGradGuard no_gradient;
    for (const std::string& name : model.names()) {
      Tensor parameter = model.parameter(name);
      const Tensor gradient = scale * parameter.grad().to(torch::kDouble);
      auto& [first, second] = moments_[name];
      if (!first.defined()) first = second = torch::zeros_like(gradient);
      first = config.beta1 * first + (1 - config.beta1) * gradient;
      second = config.beta2 * second + (1 - config.beta2) * gradient.square();
      const Tensor move = first / (1 - std::pow(config.beta1, step)) /
                          ((second / (1 - std::pow(config.beta2, step))).sqrt() + config.epsilon);
      const double decay = parameter.dim() >= 2 ? rate * config.weight_decay : 0;
      parameter.copy_((1 - decay) * parameter.to(torch::kDouble) - rate * move);
      parameter.mutable_grad() = Tensor();
    }
    return norm;
  }

  std::map<std::string, std::pair<Tensor, Tensor>> moments_;
};

TEST_F(StepsByHand, AreThoseOfTheTrainer) {
  const TrainRequest asked = request(config(), "out");
  ASSERT_TRUE(train(asked));
  const std::vector<json> rows = metrics(asked.out);
  ASSERT_EQ(rows.size(), 4U);

  const std::string text = read_text(asked.data);
  const auto cut = static_cast<std::size_t>(static_cast<double>(text.size()) * (1.0 - 0.1F));
  const std::string_view training = std::string_view(text).substr(0, cut);
  const std::string_view validation = std::string_view(text).substr(cut);
  const Tokenizer tokenizer = Tokenizer::characters(text);
  const TrainingPlan plan = load_plan(asked.config);
  const ModelSpec spec = spec_of(plan, tokenizer.size());
  TorchModel model(spec, 6);
  for (int step = 1; step <= 3; ++step) {
    Random random(combine_seeds(6, static_cast<std::uint64_t>(step)));
    std::vector<std::size_t> begins;
    for (int row = 0; row < 2; ++row) begins.push_back(random.below(cut - 8));
    const std::vector<int> loops = sample_loops(spec, plan.training, step);
    torch::manual_seed(combine_seeds(6 ^ kDropout, static_cast<std::uint64_t>(step)));
    const auto [sum, count] = summed_loss(model, windows(tokenizer, training, begins, 8),
                                          {loops, 2, Precision::f32, 0.25F, noise_seeds(6, step, 2)});
    const Tensor loss = sum / count;
    loss.backward();
    // Two steps of warmup, then the cosine's floor at its last step.
    const double rate = step == 1 ? 0.01 : step == 2 ? 0.02 : 0.002;
    const double norm = update(model, plan.training, rate, step);
    const json& row = rows[static_cast<std::size_t>(step - 1)];
    EXPECT_NEAR(row.at("loss").get<double>(), loss.item<double>(), 1e-5) << step;
    EXPECT_NEAR(row.at("gradient_norm").get<double>(), norm, 1e-4 * norm) << step;
    EXPECT_NEAR(row.at("learning_rate").get<double>(), rate, 1e-7) << step;
    EXPECT_EQ(row.at("loops"), json(loops)) << step;
  }

  TorchModel kept(spec, 99);
  AdamW optimiser(kept, plan.training);
  EXPECT_EQ(read_checkpoint(asked.out / "checkpoints" / checkpoint_name(3), kept, optimiser), 3);
  for (const std::string& name : model.names()) {
    EXPECT_LE((kept.parameter(name) - model.parameter(name)).abs().max().item<double>(), 2e-4) << name;
  }

  const torch::NoGradGuard no_gradient;
  const std::size_t whole = (validation.size() - 1) / 8;
  const std::map<std::string, std::vector<int>> depths = {{"1", {1, 1}}, {"5", {1, 5}}, {"default", {1, 3}}};
  const json& measured = rows.back().at("validation");
  EXPECT_EQ(measured.size(), 3U);
  for (const auto& [name, loops] : depths) {
    // Three windows in batches of two: the second batch counts as one window, and its row is the first of its noise.
    const ForwardOptions pair{loops, 0, Precision::f32, 0.0F, noise_seeds(6, 3, 2)};
    const ForwardOptions single{loops, 0, Precision::f32, 0.0F, noise_seeds(6, 3, 1)};
    const auto [first, a] = summed_loss(kept, windows(tokenizer, validation, {0, whole / 3 * 8}, 8), pair);
    const auto [second, b] = summed_loss(kept, windows(tokenizer, validation, {2 * whole / 3 * 8}, 8), single);
    EXPECT_NEAR(measured.at(name).get<double>(), (first + second).item<double>() / (a + b), 2e-6) << name;
  }
}

TEST_F(StepsByHand, AreInThePrecisionAskedFor) {
  std::map<std::string, double> loss_of;
  for (const std::string precision : {"f32", "bf16"}) {
    json small = config();
    small["training"].update({{"precision", precision}, {"steps", 1}});
    const TrainRequest asked = request(small, precision);
    ASSERT_TRUE(train(asked));
    loss_of[precision] = metrics(asked.out)[0].at("loss");
  }
  const std::string text = read_text(scratch_ / "text.txt");
  const auto cut = static_cast<std::size_t>(static_cast<double>(text.size()) * (1.0 - 0.1F));
  const Tokenizer tokenizer = Tokenizer::characters(text);
  const TrainingPlan plan = load_plan(scratch_ / "config.json");
  const TorchModel model(spec_of(plan, tokenizer.size()), 6);
  Random random(combine_seeds(6, 1));
  std::vector<std::size_t> begins;
  for (int row = 0; row < 2; ++row) begins.push_back(random.below(cut - 8));
  for (const auto& [name, precision] : {std::pair{"f32", Precision::f32}, std::pair{"bf16", Precision::bf16}}) {
    torch::manual_seed(combine_seeds(6 ^ kDropout, 1));
    const auto [sum, count] =
        summed_loss(model, windows(tokenizer, text, begins, 8),
                    {sample_loops(model.spec(), plan.training, 1), 2, precision, 0.25F, noise_seeds(6, 1, 2)});
    EXPECT_NEAR(loss_of[name], sum.item<double>() / count, 1e-6) << name;
  }
  EXPECT_GT(std::abs(loss_of["f32"] - loss_of["bf16"]), 4e-6);
}

// Answers of one and of three characters: every target counts the same, however few its batch has.
TEST_F(StepsByHand, MeasureAnswersByTheTargetsThatCount) {
  json small = config();
  small["training"].update({{"layout", "answers"},
                            {"steps", 1},
                            {"batch", 2},
                            {"validation_share", 0.5},
                            {"evaluate_loops", json::array()}});
  small["training"].erase("dropout");
  std::string lines;
  for (int i = 0; i < 10; ++i) {
    const std::string answer = i % 2 == 0 ? "b" : "abc";
    lines += json{{"prompt", "q" + std::string(static_cast<std::size_t>(i % 4), 'x') + std::to_string(i)},
                  {"answer", answer}}
                 .dump() +
             "\n";
  }
  TrainRequest asked = request(small, "out");
  asked.data = write("examples.jsonl", lines);
  ASSERT_TRUE(train(asked));

  const ExampleSplit split = split_examples(read_examples(asked.data), 0.5);
  ASSERT_EQ(split.validation.size(), 5U);
  const fs::path folder = asked.out / "checkpoints" / checkpoint_name(1);
  const Tokenizer tokenizer = Tokenizer::load(folder / "tokenizer.json");
  const TrainingPlan plan = load_plan(asked.config);
  const ModelSpec spec = spec_of(plan, tokenizer.size());

  Random random(combine_seeds(6, 1));
  double loss = 0;
  double targets = 0;
  const TorchModel fresh(spec, 6);
  const std::vector<int> loops = sample_loops(spec, plan.training, 1);
  const auto encoded = [&](const Example& example) { return encode_example(example, tokenizer); };
  const auto alone = [](const AnswerExample& example) {
    return Batch{1,
                 static_cast<int>(example.inputs.size()),
                 {example.inputs.begin(), example.inputs.end()},
                 {example.targets.begin(), example.targets.end()}};
  };
  for (std::size_t row = 0; row < 2; ++row) {
    const Example& drawn = split.training[random.below(split.training.size())];
    const auto [sum, count] =
        summed_loss(fresh, alone(encoded(drawn)), {loops, 2, Precision::f32, 0.0F, {noise_seeds(6, 1, 2)[row]}});
    EXPECT_EQ(count, static_cast<double>(drawn.answer.size()));
    loss += sum.item<double>();
    targets += count;
  }
  EXPECT_NEAR(metrics(asked.out)[0].at("loss").get<double>(), loss / targets, 1e-5);

  TorchModel kept(spec, 99);
  AdamW optimiser(kept, plan.training);
  read_checkpoint(folder, kept, optimiser);
  double sum_of_all = 0;
  double count_of_all = 0;
  for (const std::size_t i : {0U, 1U, 3U}) {  // three of five, spread evenly: 0, 5/3, 10/3
    const std::uint64_t seed = noise_seeds(6, 1, 2)[i == 1U ? 1 : 0];
    const auto [sum, count] =
        summed_loss(kept, alone(encoded(split.validation[i])), {{1, 3}, 0, Precision::f32, 0.0F, {seed}});
    sum_of_all += sum.item<double>();
    count_of_all += count;
  }
  EXPECT_NEAR(metrics(asked.out)[1].at("validation").at("default").get<double>(), sum_of_all / count_of_all, 1e-5);
}

}  // namespace
}  // namespace gyre::steps_by_hand_test
