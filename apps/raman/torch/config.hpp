#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "raman/augment.hpp"
#include "train/optimiser_config.hpp"

namespace gyre::raman {

enum class Pooling { mean, flatten };
enum class Arithmetic { f32, bf16 };

/// ConvNeXt (Liu et al. 2022) in one dimension: the "model" object of a config.
struct ConvNextConfig {
  int stem_kernel = 8;
  int stem_stride = 4;
  std::vector<int> depths = {2, 2, 2};  ///< blocks a stage
  std::vector<int> widths = {32, 64, 128};
  int kernel = 7;            ///< of the depth-wise convolutions, odd
  int expansion = 4;         ///< of the inverted bottleneck
  float layer_scale = 0.1F;  ///< first value of the factor of a branch
  float drop_path = 0.1F;    ///< chance that the last block's branch is left out; earlier ones less, linearly
  float dropout = 0.2F;      ///< ahead of the head
  bool positions = true;     ///< a learned vector a place behind the stem, so that a mean can tell where a band stood
  Pooling pooling = Pooling::mean;
  int embedding = 64;  ///< numbers of the embedding; it is there where specimen_loss is not 0
};

/// The "training" object of a config.
struct FitConfig : OptimiserConfig {
  int epochs = 30;
  int batch = 64;
  Arithmetic precision = Arithmetic::f32;
  float label_smoothing = 0.1F;
  float class_balance = 0.0F;  ///< a class weighs with its count to the power of minus this
  float ema = 0.99F;           ///< decay of the averaged weights that are used in the end; 0: off
  float mineral_loss = 0.3F;   ///< weight of a second head that names the mineral; 0: none
  float specimen_loss = 0.0F;  ///< weight of the contrastive loss that draws spectra of one specimen together; 0: none
  float specimen_temperature = 0.07F;  ///< of its softmax over the cosines of a batch
  int checkpoint_every = 200;          ///< steps
  Augmentation augmentation;
};

/// The "pretraining" object of a config. Augmentation, precision and checkpoints are as in training.
struct PretrainingConfig : OptimiserConfig {
  int epochs = 0;  ///< 0: none
  int batch = 128;
  float mineral_loss = 1.0F;  ///< weight of the contrastive loss that draws spectra of one mineral together; 0: none
  float mineral_temperature = 0.1F;  ///< of its softmax over the cosines of a batch
  float reconstruction_loss = 1.0F;  ///< weight of the loss on hidden stretches; 0: nothing is hidden
  float mask_share = 0.4F;           ///< of the points that are hidden
  float mask_width = 50.0F;          ///< of one stretch, 1/cm
  bool infrared = false;             ///< whether infrared spectra are read for it
};

ConvNextConfig parse_model(const nlohmann::json& config, const std::string& file, int points);
FitConfig parse_fit(const nlohmann::json& config, const std::string& file);
PretrainingConfig parse_pretraining(const nlohmann::json& config, const std::string& file);

}  // namespace gyre::raman
