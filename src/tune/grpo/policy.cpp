#include "tune/grpo/policy.hpp"

#include "base/file.hpp"
#include "train/checkpoint.hpp"

namespace gyre {

namespace fs = std::filesystem;

Policy::Policy(const fs::path& model, const std::optional<AdapterConfig>& adapter, std::uint64_t seed, int threads,
               fs::path scratch, Stop stop)
    : path_(model),
      scratch_(std::move(scratch)),
      threads_(threads),
      stop_(stop),
      base_(std::make_unique<const Model>(Model::load(model))),
      learner_(base_->spec(), *base_) {
  weights_sha256_ = base_->hash();
  if (adapter) adapter_ = adapter_beside(learner_, *adapter, base_->adaptable(), seed);
  base_.reset();
}

const Parameters& Policy::learned() const {
  if (adapter_) return *adapter_;
  return learner_;
}

const TorchModel& Policy::reference() {
  if (adapter_) return learner_;
  if (!reference_) {
    const Model began = Model::load(path_);
    reference_ = std::make_unique<TorchModel>(began.spec(), began);
    reference_->freeze();
  }
  return *reference_;
}

void Policy::load_engine(const fs::path& model, const Adapter* parts) {
  engine_.reset();
  drawing_.reset();
  drawing_ = std::make_unique<Model>(Model::load(model, {.weights = WeightType::f32, .parts = parts}));
  engine_ = std::make_unique<Engine>(*drawing_, threads_, stop_);
}

void Policy::refresh() {
  if (adapter_) {
    const Adapter values = adapter_->values();
    if (drawing_) {
      drawing_->set_adapter(values, "adapter");
    } else {
      load_engine(path_, &values);
    }
    return;
  }
  // In memory that the system may page out; the engine packs its own copy, and the file goes.
  fs::remove_all(scratch_);
  write_model_folder(scratch_, learner_, {}, nlohmann::json::object(), DType::f32);
  load_engine(scratch_, nullptr);
  fs::remove_all(scratch_);
}

}  // namespace gyre
