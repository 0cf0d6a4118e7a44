#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "raman/backend.hpp"

namespace gyre::raman {

/// Models of one kind from different seeds as one: logits are averaged, and embeddings stand beside each other,
/// so that a cosine is the mean of the members'.
class Ensemble : public Classifier {
 public:
  /// Inputs have `points` numbers.
  Ensemble(std::vector<std::unique_ptr<Classifier>> members, int points)
      : members_(std::move(members)), points_(static_cast<std::size_t>(points)) {}

  [[nodiscard]] std::vector<float> logits(std::span<const float> inputs) const override;
  [[nodiscard]] std::vector<float> embeddings(std::span<const float> inputs) const override;
  [[nodiscard]] std::vector<float> attributions(std::span<const float> inputs, std::span<const int> targets,
                                                int steps) const override;
  /// The first member in `file`, the others beside it: see member_file().
  void save(const std::filesystem::path& file) const override;

 private:
  /// The mean of a result over the members.
  template <typename Result>
  [[nodiscard]] std::vector<float> mean_of(const Result& result) const;

  std::vector<std::unique_ptr<Classifier>> members_;
  std::size_t points_;
};

/// model.safetensors, model-1.safetensors, …
std::filesystem::path member_file(const std::filesystem::path& file, int member);

}  // namespace gyre::raman
