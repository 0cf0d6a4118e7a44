#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "engine/engine.hpp"
#include "model/checkpoint.hpp"
#include "train/torch_adapter.hpp"
#include "train/torch_model.hpp"

namespace gyre {

/// A model that learns, and an engine that draws by its numbers: both compute in F32, so that what one says of a token
/// the other says too.
class Policy {
 public:
  /// With an adapter the weights are frozen and it alone learns. `scratch` is a folder in which weights that learn are
  /// handed to the engine.
  Policy(const std::filesystem::path& model, const std::optional<AdapterConfig>& adapter, std::uint64_t seed,
         int threads, std::filesystem::path scratch, Stop stop);

  [[nodiscard]] const ModelSpec& spec() const { return learner_.spec(); }
  [[nodiscard]] const TorchModel& learner() const { return learner_; }
  /// Null where all weights learn.
  [[nodiscard]] const TorchAdapter* adapter() const { return adapter_ ? &*adapter_ : nullptr; }
  /// What the optimiser updates.
  [[nodiscard]] const Parameters& learned() const;
  /// The model that began: another one where all weights learn (made when it is first asked for), or the same without
  /// its adapter.
  [[nodiscard]] const TorchModel& reference();

  /// Gives the engine what was learned since. To be called before engine().
  void refresh();
  [[nodiscard]] Engine& engine() { return *engine_; }
  /// SHA-256 of the weights it began with.
  [[nodiscard]] const std::string& weights_sha256() const { return weights_sha256_; }

 private:
  void load_engine(const std::filesystem::path& model, const Adapter* parts);

  std::filesystem::path path_;
  std::filesystem::path scratch_;
  int threads_;
  Stop stop_;
  std::string weights_sha256_;
  std::unique_ptr<const Model> base_;  ///< only while the rest is made
  TorchModel learner_;
  std::optional<TorchAdapter> adapter_;
  std::unique_ptr<TorchModel> reference_;
  std::unique_ptr<Model> drawing_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace gyre
