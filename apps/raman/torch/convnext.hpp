#pragma once

#include <cstdint>
#include <string>

#include "raman/torch/config.hpp"
#include "train/parameters.hpp"

namespace gyre::raman {

/// What the heads give in a forward pass; undefined for those that a model has not.
struct ConvNextOutput {
  torch::Tensor countries;       ///< logits [rows, classes]
  torch::Tensor minerals;        ///< logits [rows, minerals]
  torch::Tensor embedding;       ///< [rows, embedding] of unit length
  torch::Tensor reconstruction;  ///< [rows, points]
};

/// ConvNeXt1D: stem, stages of blocks with a down-sampling between them, pooling, norm, heads. States are
/// [rows, places, channels] throughout, so that norms and point-wise layers run over the last dimension.
class ConvNext : public Parameters {
 public:
  struct Heads {
    int classes = 0;              ///< 0: no head that names the country
    int minerals = 0;             ///< 0: no head that names the mineral
    bool retrieval = false;       ///< whether there is a head that embeds
    bool reconstruction = false;  ///< whether there is a head that gives the input back, each place its own points
    bool infrared = false;        ///< whether it is told which rows are infrared spectra: a vector behind their stem
  };
  ConvNext(const ConvNextConfig& config, int points, const Heads& heads, std::uint64_t seed);

  /// x [rows, points] (f32). While training, branches and features are dropped by LibTorch's generator. `infrared`
  /// [rows] is 1 for infrared spectra; undefined: there are none.
  [[nodiscard]] ConvNextOutput forward(const torch::Tensor& x, bool training, Arithmetic precision,
                                       const torch::Tensor& infrared = {}) const;

  /// Takes stem, stages and norm, and none of the heads, from a model of the same config.
  void copy_trunk(const ConvNext& from) const;

 private:
  void add_norm(const std::string& name, int width);
  void add_linear(const std::string& name, int in, int out, double std);
  [[nodiscard]] torch::Tensor norm(const std::string& name, const torch::Tensor& x, torch::ScalarType out) const;
  [[nodiscard]] torch::Tensor linear(const std::string& name, const torch::Tensor& x, torch::ScalarType type) const;
  [[nodiscard]] torch::Tensor stem(const torch::Tensor& x) const;
  [[nodiscard]] torch::Tensor block(const std::string& name, const torch::Tensor& x, double drop,
                                    torch::ScalarType type) const;
  [[nodiscard]] torch::Tensor halve(const std::string& name, const torch::Tensor& x, torch::ScalarType type) const;

  ConvNextConfig config_;
  Heads heads_;
  std::size_t trunk_ = 0;  ///< so many of the first parameters are no heads'
};

/// An average of the parameters over the steps, by exponential decay.
class AveragedParameters : public Parameters {
 public:
  explicit AveragedParameters(const Parameters& of);

  /// Moves towards the parameters. The decay grows with the step (counted from 1), so that early values fade fast.
  void update(const Parameters& of, double decay, int step);
  /// Writes the average into the parameters.
  void copy_to(const Parameters& target) const;
};

}  // namespace gyre::raman
