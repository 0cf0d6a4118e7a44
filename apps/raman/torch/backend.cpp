#include "raman/backend.hpp"

#include <ATen/Parallel.h>
#include <torch/autograd.h>
#include <torch/utils.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/processors.hpp"
#include "base/random.hpp"
#include "raman/torch/batches.hpp"
#include "raman/torch/contrastive.hpp"
#include "raman/torch/convnext.hpp"
#include "raman/torch/only_checkpoint.hpp"
#include "raman/torch/pretrain.hpp"
#include "train/adamw.hpp"
#include "train/checkpoint.hpp"
#include "train/training_loop.hpp"

namespace gyre::raman {
namespace {

namespace fs = std::filesystem;
using torch::Tensor;

constexpr std::uint64_t kMixStream = 0x6d6978ULL;
constexpr std::uint64_t kSpecimenStream = 0x73706563696dULL;
constexpr std::int64_t kInferenceRows = 64;

void use_threads(int threads) { at::set_num_threads(threads > 0 ? threads : usable_processors()); }

/// A view of `inputs` as rows; the caller keeps it alive.
Tensor rows_of(std::span<const float> inputs, int points) {
  const auto rows = static_cast<std::int64_t>(inputs.size() / static_cast<std::size_t>(points));
  return torch::from_blob(const_cast<float*>(inputs.data()), {rows, points}, torch::kFloat);
}

/// The heads that a model needs for these losses.
ConvNext::Heads heads_of(const FitConfig& fit, int classes, int minerals) {
  return {classes, fit.mineral_loss > 0 ? minerals : 0, fit.specimen_loss > 0, false};
}

/// What a fit begins with: random numbers, or the trunk of a pretrained model and heads of random numbers.
ConvNext first_model(const FitRequest& request, const ConvNextConfig& model, const FitConfig& fit,
                     const ConvNext* pretrained) {
  const Examples& examples = request.examples;
  ConvNext first(model, examples.points, heads_of(fit, examples.classes, examples.minerals), request.seed);
  if (pretrained != nullptr) first.copy_trunk(*pretrained);
  return first;
}

class ConvNextClassifier : public Classifier {
 public:
  ConvNextClassifier(ConvNext model, int points, Arithmetic precision)
      : model_(std::move(model)), points_(points), precision_(precision) {}

  [[nodiscard]] std::vector<float> logits(std::span<const float> inputs) const override {
    return outputs(inputs, &ConvNextOutput::countries);
  }

  [[nodiscard]] std::vector<float> embeddings(std::span<const float> inputs) const override {
    return outputs(inputs, &ConvNextOutput::embedding);
  }

  [[nodiscard]] std::vector<float> attributions(std::span<const float> inputs, std::span<const int> targets,
                                                int steps) const override {
    const Tensor all = rows_of(inputs, points_);
    std::vector<float> out;
    for (std::int64_t begin = 0; begin < all.size(0); begin += kInferenceRows) {
      const Tensor x = all.narrow(0, begin, std::min(kInferenceRows, all.size(0) - begin));
      Tensor index = torch::empty({x.size(0), 1}, torch::kLong);
      for (std::int64_t i = 0; i < x.size(0); ++i) index[i][0] = targets[static_cast<std::size_t>(begin + i)];
      Tensor sum = torch::zeros_like(x);
      for (int step = 0; step < steps; ++step) {
        Tensor at = (x * ((step + 0.5) / steps)).detach().set_requires_grad(true);
        const Tensor logit = model_.forward(at, false, Arithmetic::f32).countries.gather(1, index).sum();
        sum += torch::autograd::grad({logit}, {at})[0];
      }
      const Tensor attribution = (x * sum / steps).contiguous();
      out.insert(out.end(), attribution.data_ptr<float>(), attribution.data_ptr<float>() + attribution.numel());
    }
    return out;
  }

  void save(const fs::path& file) const override { write_parameters(file, model_, DType::f32); }

 private:
  /// One output of the model for each row, blocks of rows at a time; empty when the model has no such head.
  [[nodiscard]] std::vector<float> outputs(std::span<const float> inputs, Tensor ConvNextOutput::*head) const {
    const torch::NoGradGuard no_gradient;
    const Tensor all = rows_of(inputs, points_);
    std::vector<float> out;
    for (std::int64_t begin = 0; begin < all.size(0); begin += kInferenceRows) {
      const Tensor part = all.narrow(0, begin, std::min(kInferenceRows, all.size(0) - begin));
      const Tensor given = model_.forward(part, false, precision_).*head;
      if (!given.defined()) return {};
      const Tensor values = given.contiguous();
      out.insert(out.end(), values.data_ptr<float>(), values.data_ptr<float>() + values.numel());
    }
    return out;
  }

  ConvNext model_;
  int points_;
  Arithmetic precision_;
};

/// One fit: the state that lives from step to step.
class Fit : public TrainingTask {
 public:
  /// `pretrained` is looked at here alone; null: there is none.
  Fit(const FitRequest& request, const ConvNextConfig& model, const FitConfig& fit, const ConvNext* pretrained)
      : request_(request),
        examples_(request.examples),
        fit_(fit),
        model_(first_model(request, model, fit, pretrained)),
        optimiser_(model_, fit_),
        average_(model_),
        class_weights_(weights_of_classes()),
        order_(examples_.size(), fit.batch, request.seed ^ kOrderStream,
               [this](std::size_t i, std::uint64_t seed) { return place_of(i, seed); }) {
    fit_.steps = fit_.epochs * order_.steps_per_epoch();
    fit_.warmup = std::min(fit_.warmup, fit_.steps / 2);
  }

  std::unique_ptr<Classifier> run() {
    int step = 0;
    if (const auto latest = latest_checkpoint(request_.folder / "checkpoints")) {
      step = read_checkpoint(*latest, model_, optimiser_);
      read_parameters(*latest / "average.safetensors", average_);
    }
    MetricsLog log(request_.folder / "metrics.jsonl", step > 0, step);
    const TrainingLoop loop{request_.title, fit_.steps, fit_.steps,   fit_.checkpoint_every, {},
                            "spectra",      "spectra",  request_.stop};
    if (run_training(loop, step, log, *this) < fit_.steps) return nullptr;
    if (fit_.ema > 0) average_.copy_to(model_);
    return std::make_unique<ConvNextClassifier>(std::move(model_), examples_.points, Arithmetic::f32);
  }

  nlohmann::json one_step(int step) override {
    const std::vector<std::size_t> rows = order_.rows_of_step(step);
    const auto salt = static_cast<std::uint64_t>(step);
    Tensor x =
        augmented_inputs(examples_, rows, fit_.augmentation, combine_seeds(request_.seed ^ kAugmentStream, salt));
    Tensor target = targets_of(rows, &Examples::labels, examples_.classes);
    Tensor mineral = targets_of(rows, &Examples::mineral, std::max(1, examples_.minerals));
    const double share = mixup_share(fit_.augmentation.mixup, combine_seeds(request_.seed ^ kMixStream, salt));
    if (share < 1) {
      // The rows are in random order, so that the batch turned round is a random partner for each.
      x = share * x + (1 - share) * x.flip(0);
      target = share * target + (1 - share) * target.flip(0);
      mineral = share * mineral + (1 - share) * mineral.flip(0);
    }
    torch::manual_seed(combine_seeds(request_.seed ^ kDropStream, salt));
    const ConvNextOutput out = model_.forward(x, true, fit_.precision);
    const Tensor countries = loss(out.countries, target * class_weights_);
    Tensor total = countries;
    if (out.minerals.defined()) total = total + fit_.mineral_loss * loss(out.minerals, mineral);
    if (out.embedding.defined()) {
      total = total + fit_.specimen_loss * contrastive_loss(out.embedding, numbers_of(rows), fit_.specimen_temperature);
    }
    const double value = total.item<double>();
    require_finite_loss(value, step);
    total.backward();
    const double rate = learning_rate_at(fit_, step);
    const double norm = optimiser_.update(model_, rate, step);
    if (fit_.ema > 0) average_.update(model_, fit_.ema, step);
    return {{"step", step},          {"loss", value},         {"country_loss", countries.item<double>()},
            {"learning_rate", rate}, {"gradient_norm", norm}, {"spectra", rows.size()}};
  }

  void evaluate(int /*step*/, Progress& /*progress*/, MetricsLog& /*log*/) override {}

  void save_checkpoint(int step) override {
    write_only_checkpoint(request_.folder / "checkpoints", step, [&](const fs::path& folder) {
      write_parameters(folder / "model.safetensors", model_, DType::f32);
      write_parameters(folder / "average.safetensors", average_, DType::f32);
      write_optimiser(folder, optimiser_, step);
    });
  }

 private:
  /// Cross-entropy (nats) with targets that are distributions, smoothed; rows weigh with the sum of their target.
  [[nodiscard]] Tensor loss(const Tensor& logits, const Tensor& target) const {
    const Tensor weight = target.sum(1, true);
    const double smoothing = fit_.label_smoothing;
    const Tensor smoothed = (1 - smoothing) * target + smoothing / static_cast<double>(logits.size(1)) * weight;
    return -(smoothed * torch::log_softmax(logits, 1)).sum() / weight.sum().clamp_min(1e-6);
  }

  /// One row a class: its count to the power of minus class_balance, with a mean of one over the examples.
  [[nodiscard]] Tensor weights_of_classes() const {
    std::vector<double> counts(static_cast<std::size_t>(examples_.classes), 0.0);
    for (const int label : examples_.labels) counts[static_cast<std::size_t>(label)] += 1;
    double sum = 0;
    for (double& c : counts) {
      const double weight = c > 0 ? std::pow(c, -double{fit_.class_balance}) : 0;
      sum += c * weight;
      c = weight;
    }
    for (double& c : counts) c *= static_cast<double>(examples_.size()) / sum;
    return torch::tensor(counts, torch::kFloat);
  }

  /// What the order of an epoch sorts an example by. With the contrastive loss the spectra of a specimen follow each
  /// other, and so do the specimens of a mineral: a batch then holds positives and hard negatives.
  [[nodiscard]] EpochOrder::Place place_of(std::size_t i, std::uint64_t seed) const {
    const std::uint64_t own = combine_seeds(seed, i);
    if (fit_.specimen_loss <= 0) return {own, 0, 0};
    return {seed_of_group(examples_.mineral[i], seed, kMineralStream, own),
            seed_of_group(examples_.specimen[i], seed, kSpecimenStream, own), own};
  }

  /// The specimens of these rows.
  [[nodiscard]] std::vector<int> numbers_of(const std::vector<std::size_t>& rows) const {
    std::vector<int> numbers;
    for (const std::size_t row : rows) numbers.push_back(examples_.specimen[row]);
    return numbers;
  }

  /// One-hot rows; all zero where the class is not known.
  [[nodiscard]] Tensor targets_of(const std::vector<std::size_t>& rows, std::vector<int> Examples::*member,
                                  int classes) const {
    Tensor target = torch::zeros({static_cast<std::int64_t>(rows.size()), classes});
    auto* out = target.data_ptr<float>();
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const int label = (examples_.*member)[rows[i]];
      if (label >= 0) out[i * static_cast<std::size_t>(classes) + static_cast<std::size_t>(label)] = 1;
    }
    return target;
  }

  const FitRequest& request_;
  const Examples& examples_;
  FitConfig fit_;
  ConvNext model_;
  AdamW optimiser_;
  AveragedParameters average_;
  Tensor class_weights_;
  EpochOrder order_;
};

class TorchBackend : public Backend {
 public:
  void check(const nlohmann::json& config, const std::string& where, int points) const override {
    static_cast<void>(parse_model(config, where, points));
    static_cast<void>(parse_fit(config, where));
    static_cast<void>(parse_pretraining(config, where));
  }

  [[nodiscard]] std::unique_ptr<Classifier> fit(const FitRequest& request) const override {
    use_threads(request.threads);
    const ConvNextConfig model = parse_model(request.config, request.where, request.examples.points);
    const FitConfig config = parse_fit(request.config, request.where);
    const PretrainingConfig before = parse_pretraining(request.config, request.where);
    make_run_folder(request.folder, true);
    std::optional<ConvNext> pretrained;
    // A checkpoint of the fit holds what became of its trunk.
    if (before.epochs > 0 && !latest_checkpoint(request.folder / "checkpoints")) {
      pretrained = pretrain(request, model, config, before);
      if (!pretrained) return nullptr;
    }
    return Fit(request, model, config, pretrained ? &*pretrained : nullptr).run();
  }

  [[nodiscard]] std::unique_ptr<Classifier> load(const fs::path& weights, const nlohmann::json& config,
                                                 const std::string& where, int points, int classes,
                                                 int threads) const override {
    use_threads(threads);
    const ConvNext::Heads heads = heads_of(parse_fit(config, where), classes, config.value("minerals", 0));
    ConvNext model(parse_model(config, where, points), points, heads, 0);
    read_parameters(weights, model);
    return std::make_unique<ConvNextClassifier>(std::move(model), points, Arithmetic::f32);
  }
};

}  // namespace
}  // namespace gyre::raman

extern "C" const gyre::raman::Backend* gyre_raman_backend() {
  static const gyre::raman::TorchBackend backend;
  return &backend;
}
