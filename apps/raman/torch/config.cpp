#include "raman/torch/config.hpp"

#include <nlohmann/json.hpp>

#include "base/error.hpp"

namespace gyre::raman {
namespace {

constexpr EnumName<Pooling> kPoolings[] = {{Pooling::mean, "mean"}, {Pooling::flatten, "flatten"}};
constexpr EnumName<Arithmetic> kArithmetic[] = {{Arithmetic::f32, "f32"}, {Arithmetic::bf16, "bf16"}};
constexpr int kMany = 1'000'000;

nlohmann::json part_of(const nlohmann::json& config, const char* key) {
  return config.contains(key) ? config.at(key) : nlohmann::json::object();
}

std::vector<int> counts(const JsonObject& object, const char* key, int most, std::vector<int> otherwise,
                        const std::string& where) {
  if (!object.has(key)) return otherwise;
  std::vector<int> values;
  for (const nlohmann::json& item : object.array(key)) {
    if (!item.is_number_integer() || item < 1 || item > most) {
      throw Error("{}: {} holds {}; give whole numbers from 1 to {}", where, key, item.dump(), most);
    }
    values.push_back(item);
  }
  if (values.empty()) throw Error("{}: {} is empty", where, key);
  return values;
}

/// The optimiser of a network, where the file does not say otherwise.
void read_network_optimiser(const JsonObject& object, OptimiserConfig& optimiser) {
  optimiser.learning_rate = 2e-3F;
  optimiser.weight_decay = 0.05F;
  optimiser.beta2 = 0.99F;
  read_optimiser(object, optimiser);
}

}  // namespace

ConvNextConfig parse_model(const nlohmann::json& config, const std::string& file, int points) {
  const std::string where = file + ": model";
  const nlohmann::json json = part_of(config, "model");
  const JsonObject object(json, where);
  object.allow({"stem_kernel", "stem_stride", "depths", "widths", "kernel", "expansion", "layer_scale", "drop_path",
                "dropout", "positions", "pooling", "embedding"});
  ConvNextConfig model;
  model.stem_kernel = object.integer("stem_kernel", 1, 256, model.stem_kernel);
  model.stem_stride = object.integer("stem_stride", 1, 64, model.stem_stride);
  model.depths = counts(object, "depths", 64, model.depths, where);
  model.widths = counts(object, "widths", 4096, model.widths, where);
  model.kernel = object.integer("kernel", 1, 63, model.kernel);
  model.expansion = object.integer("expansion", 1, 16, model.expansion);
  model.layer_scale = object.number("layer_scale", 0, 10, model.layer_scale);
  model.drop_path = object.number("drop_path", 0, 0.9, model.drop_path);
  model.dropout = object.number("dropout", 0, 0.95, model.dropout);
  model.positions = object.boolean("positions", model.positions);
  model.pooling = object.choice<Pooling>("pooling", kPoolings, model.pooling);
  model.embedding = object.integer("embedding", 2, 4096, model.embedding);
  if (model.depths.size() != model.widths.size()) {
    throw Error("{}: depths has {} stages and widths {}; give one width a stage", where, model.depths.size(),
                model.widths.size());
  }
  if (model.kernel % 2 == 0) throw Error("{}: kernel is {}; give an odd one", where, model.kernel);
  if (model.stem_kernel < model.stem_stride) {
    throw Error("{}: stem_kernel ({}) is smaller than stem_stride ({}), which leaves points unread", where,
                model.stem_kernel, model.stem_stride);
  }
  if ((points / model.stem_stride) >> (model.widths.size() - 1) < 1) {
    throw Error("{}: {} points are too few for a stride of {} and {} stages", where, points, model.stem_stride,
                model.widths.size());
  }
  return model;
}

FitConfig parse_fit(const nlohmann::json& config, const std::string& file) {
  const std::string where = file + ": training";
  const nlohmann::json json = part_of(config, "training");
  const JsonObject object(json, where);
  object.allow(kOptimiserKeys, {"epochs", "batch", "precision", "label_smoothing", "class_balance", "ema",
                                "mineral_loss", "specimen_loss", "specimen_temperature", "checkpoint_every"});
  FitConfig fit;
  read_network_optimiser(object, fit);
  fit.epochs = object.integer("epochs", 1, kMany, fit.epochs);
  fit.batch = object.integer("batch", 1, 1 << 16, fit.batch);
  fit.precision = object.choice<Arithmetic>("precision", kArithmetic, fit.precision);
  fit.label_smoothing = object.number("label_smoothing", 0, 0.9, fit.label_smoothing);
  fit.class_balance = object.number("class_balance", 0, 1, fit.class_balance);
  fit.ema = object.number("ema", 0, 0.99999, fit.ema);
  fit.mineral_loss = object.number("mineral_loss", 0, 100, fit.mineral_loss);
  fit.specimen_loss = object.number("specimen_loss", 0, 100, fit.specimen_loss);
  fit.specimen_temperature = object.number("specimen_temperature", 0.005F, 10, fit.specimen_temperature);
  fit.checkpoint_every = object.integer("checkpoint_every", 1, kMany, fit.checkpoint_every);
  fit.augmentation = parse_augmentation(part_of(config, "augmentation"), file + ": augmentation");
  if (fit.specimen_loss > 0 && fit.augmentation.mixup > 0) {
    throw Error(
        "{}: specimen_loss cannot tell mixed spectra apart; set mixup in augmentation to 0, or specimen_loss to 0",
        where);
  }
  return fit;
}

PretrainingConfig parse_pretraining(const nlohmann::json& config, const std::string& file) {
  const std::string where = file + ": pretraining";
  const nlohmann::json json = part_of(config, "pretraining");
  const JsonObject object(json, where);
  object.allow(kOptimiserKeys, {"epochs", "batch", "mineral_loss", "mineral_temperature", "reconstruction_loss",
                                "mask_share", "mask_width", "infrared"});
  PretrainingConfig pretraining;
  read_network_optimiser(object, pretraining);
  pretraining.epochs = object.integer("epochs", 0, kMany, pretraining.epochs);
  pretraining.batch = object.integer("batch", 1, 1 << 16, pretraining.batch);
  pretraining.mineral_loss = object.number("mineral_loss", 0, 100, pretraining.mineral_loss);
  pretraining.mineral_temperature = object.number("mineral_temperature", 0.005F, 10, pretraining.mineral_temperature);
  pretraining.reconstruction_loss = object.number("reconstruction_loss", 0, 100, pretraining.reconstruction_loss);
  pretraining.mask_share = object.number("mask_share", 0.01, 0.9, pretraining.mask_share);
  pretraining.mask_width = object.number("mask_width", 0.1, 10'000, pretraining.mask_width);
  pretraining.infrared = object.boolean("infrared", pretraining.infrared);
  if (pretraining.infrared && pretraining.epochs == 0) {
    throw Error("{}: infrared spectra serve pretraining alone; give epochs, or infrared false", where);
  }
  if (pretraining.epochs > 0 && pretraining.mineral_loss <= 0 && pretraining.reconstruction_loss <= 0) {
    throw Error("{}: mineral_loss and reconstruction_loss are both 0; give one of them more, or epochs 0", where);
  }
  return pretraining;
}

}  // namespace gyre::raman
