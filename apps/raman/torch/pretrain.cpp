#include "raman/torch/pretrain.hpp"

#include <torch/utils.h>

#include <algorithm>
#include <cmath>

#include "base/file.hpp"
#include "base/random.hpp"
#include "raman/masking.hpp"
#include "raman/pretraining.hpp"
#include "raman/torch/batches.hpp"
#include "raman/torch/contrastive.hpp"
#include "raman/torch/only_checkpoint.hpp"
#include "raman/torch/reconstruction.hpp"
#include "train/adamw.hpp"
#include "train/checkpoint.hpp"
#include "train/training_loop.hpp"

namespace gyre::raman {
namespace {

constexpr std::uint64_t kPretrainStream = 0x70726574ULL;
constexpr std::uint64_t kMaskStream = 0x6d61736bULL;

ConvNext::Heads pretraining_heads(const PretrainingConfig& config, const Examples& examples) {
  ConvNext::Heads heads;
  heads.retrieval = config.mineral_loss > 0;
  heads.reconstruction = config.reconstruction_loss > 0;
  heads.infrared = !examples.infrared.empty();
  return heads;
}

/// One pretraining: the state that lives from step to step.
class Pretraining : public TrainingTask {
 public:
  Pretraining(const FitRequest& request, const ConvNextConfig& model, const FitConfig& fit,
              const PretrainingConfig& config)
      : request_(request),
        folder_(request.folder / "pretraining"),
        examples_(pretraining_examples(request.examples, request.more)),
        fit_(fit),
        config_(config),
        seed_(request.seed ^ kPretrainStream),
        model_(model, examples_.points, pretraining_heads(config, examples_), seed_),
        optimiser_(model_, config_),
        order_(examples_.size(), config.batch, seed_ ^ kOrderStream,
               [this](std::size_t i, std::uint64_t seed) { return place_of(i, seed); }) {
    masking_.share = config.mask_share;
    masking_.width = std::max(1, static_cast<int>(std::lround(config.mask_width / examples_.grid_step)));
    config_.steps = config_.epochs * order_.steps_per_epoch();
    config_.warmup = std::min(config_.warmup, config_.steps / 2);
  }

  std::optional<ConvNext> run() {
    make_run_folder(folder_, true);
    int step = 0;
    if (const auto latest = latest_checkpoint(folder_ / "checkpoints")) {
      step = read_checkpoint(*latest, model_, optimiser_);
    }
    MetricsLog log(folder_ / "metrics.jsonl", step > 0, step);
    const TrainingLoop loop{fmt::format("{}, pretraining", request_.title),
                            config_.steps,
                            config_.steps,
                            fit_.checkpoint_every,
                            {},
                            "spectra",
                            "spectra",
                            request_.stop};
    if (run_training(loop, step, log, *this) < config_.steps) return {};
    return std::move(model_);
  }

  nlohmann::json one_step(int step) override {
    const std::vector<std::size_t> rows = order_.rows_of_step(step);
    const auto salt = static_cast<std::uint64_t>(step);
    const torch::Tensor x =
        augmented_inputs(examples_, rows, fit_.augmentation, combine_seeds(seed_ ^ kAugmentStream, salt));
    const torch::Tensor hidden = hidden_of(rows.size(), step);
    torch::manual_seed(combine_seeds(seed_ ^ kDropStream, salt));
    const ConvNextOutput out = model_.forward(with_hidden(x, hidden), true, fit_.precision, infrared_of(rows));
    nlohmann::json row = {{"step", step}, {"spectra", rows.size()}};
    torch::Tensor total = torch::zeros({});
    const auto add = [&](const char* name, float weight, const torch::Tensor& loss) {
      total = total + weight * loss;
      row[name] = loss.item<double>();
    };
    if (out.embedding.defined()) {
      add("mineral_loss", config_.mineral_loss,
          contrastive_loss(out.embedding, minerals_of(rows), config_.mineral_temperature));
    }
    if (out.reconstruction.defined()) {
      add("reconstruction_loss", config_.reconstruction_loss, reconstruction_loss(out.reconstruction, x, hidden));
    }
    row["loss"] = total.item<double>();
    require_finite_loss(row["loss"], step);
    total.backward();
    row["learning_rate"] = learning_rate_at(config_, step);
    row["gradient_norm"] = optimiser_.update(model_, row["learning_rate"], step);
    return row;
  }

  void evaluate(int /*step*/, Progress& /*progress*/, MetricsLog& /*log*/) override {}

  void save_checkpoint(int step) override {
    write_only_checkpoint(folder_ / "checkpoints", step, [&](const std::filesystem::path& folder) {
      write_parameters(folder / "model.safetensors", model_, DType::f32);
      write_optimiser(folder, optimiser_, step);
    });
  }

 private:
  /// Spectra of one mineral follow each other where they are drawn together, so that a batch holds pairs.
  [[nodiscard]] EpochOrder::Place place_of(std::size_t i, std::uint64_t seed) const {
    const std::uint64_t own = combine_seeds(seed, i);
    if (config_.mineral_loss <= 0) return {own, 0, 0};
    return {seed_of_group(examples_.mineral[i], seed, kMineralStream, own), own, 0};
  }

  [[nodiscard]] std::vector<int> minerals_of(const std::vector<std::size_t>& rows) const {
    std::vector<int> minerals;
    for (const std::size_t row : rows) minerals.push_back(examples_.mineral[row]);
    return minerals;
  }

  /// [rows], 1 for infrared spectra; undefined where there are none at all.
  [[nodiscard]] torch::Tensor infrared_of(const std::vector<std::size_t>& rows) const {
    if (examples_.infrared.empty()) return {};
    torch::Tensor infrared = torch::zeros({static_cast<std::int64_t>(rows.size())});
    auto* out = infrared.data_ptr<float>();
    for (const std::size_t row : rows) *out++ = examples_.infrared[row];
    return infrared;
  }

  /// [rows, points], 1 where a point is hidden; nothing is where no reconstruction is asked for.
  [[nodiscard]] torch::Tensor hidden_of(std::size_t rows, int step) const {
    torch::Tensor hidden = torch::zeros({static_cast<std::int64_t>(rows), examples_.points});
    if (config_.reconstruction_loss <= 0) return hidden;
    const std::uint64_t seed = combine_seeds(seed_ ^ kMaskStream, static_cast<std::uint64_t>(step));
    auto* out = hidden.data_ptr<float>();
    for (std::size_t row = 0; row < rows; ++row) {
      const auto flags = hidden_points(examples_.points, masking_, combine_seeds(seed, row));
      out = std::copy(flags.begin(), flags.end(), out);
    }
    return hidden;
  }

  const FitRequest& request_;
  std::filesystem::path folder_;
  Examples examples_;
  const FitConfig& fit_;
  PretrainingConfig config_;
  std::uint64_t seed_;
  Masking masking_;
  ConvNext model_;
  AdamW optimiser_;
  EpochOrder order_;
};

}  // namespace

std::optional<ConvNext> pretrain(const FitRequest& request, const ConvNextConfig& model, const FitConfig& fit,
                                 const PretrainingConfig& config) {
  return Pretraining(request, model, fit, config).run();
}

}  // namespace gyre::raman
