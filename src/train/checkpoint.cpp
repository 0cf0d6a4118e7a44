#include "train/checkpoint.hpp"

#include <torch/utils.h>

#include <algorithm>

#include "base/error.hpp"
#include "format/json_object.hpp"

namespace gyre {
namespace {

namespace fs = std::filesystem;

constexpr const char* kAverageFile = "average.safetensors";
constexpr const char* kLearnedFile = "learned.safetensors";

std::span<const std::byte> bytes_of_tensor(const torch::Tensor& tensor) {
  return std::as_bytes(std::span(static_cast<const char*>(tensor.data_ptr()), tensor.nbytes()));
}

NamedTensor view_of(const std::string& name, const torch::Tensor& tensor) {
  const DType dtype = tensor.scalar_type() == torch::kBFloat16 ? DType::bf16 : DType::f32;
  return {name, {dtype, tensor.sizes().vec(), bytes_of_tensor(tensor)}};
}

void write_model_files(const fs::path& folder, const TorchModel& model, const FolderFiles& language,
                       const nlohmann::json& config) {
  nlohmann::json json = config;
  for (const char* const key : {"order", "skips"}) json.erase(key);  // the spec has them as groups
  json.update(to_json(model.spec()));
  write_text_atomically(folder / "config.json", json.dump(2) + "\n");
  write_files(folder, language);
}

/// Numbers that are not finite must not replace a checkpoint or a model that is whole.
void require_finite(const torch::Tensor& tensor, const std::string& name, const fs::path& file) {
  if (tensor.isfinite().all().item<bool>()) return;
  throw Error("{}: {} is not finite and is not written; what was saved before is whole; lower training.learning_rate",
              file.string(), name);
}

/// A checkpoint that holds more than the model asks for is of another model.
void refuse_strangers(const Safetensors& file, const Parameters& model) {
  const std::vector<std::string>& names = model.names();
  for (const auto& stored : file.tensors()) {
    if (std::find(names.begin(), names.end(), stored.first) != names.end()) continue;
    throw Error("{}: tensor {} has no place in the model of this config; the folder holds a run of another model",
                file.path().string(), stored.first);
  }
}

void restore(const Safetensors& file, const std::string& name, torch::Tensor& target) {
  const TensorView& stored = file.at(name);
  if (stored.shape != target.sizes().vec() || stored.dtype != DType::f32) {
    throw Error("{}: tensor {} is {} {}; this config needs F32 {}", file.path().string(), name, name_of(stored.dtype),
                describe_shape(stored.shape), describe_shape(target.sizes().vec()));
  }
  const torch::NoGradGuard no_gradient;
  torch::Tensor values = target.is_cpu() ? target : torch::empty(target.sizes());
  widen(stored, {values.data_ptr<float>(), stored.element_count()});
  if (!target.is_cpu()) target.copy_(values);
}

/// Restores the optimiser. Returns the step.
int read_optimiser(const fs::path& folder, AdamW& optimiser) {
  const int step = read_state(folder).step;
  const Safetensors moments(folder / "optimizer.safetensors");
  for (AdamW::Slot& slot : optimiser.slots()) {
    restore(moments, slot.name + ".first", slot.first);
    if (slot.second.defined()) restore(moments, slot.name + ".second", slot.second);
  }
  return step;
}

}  // namespace

void write_parameters(const fs::path& file, const Parameters& model, DType dtype) {
  std::vector<torch::Tensor> kept;
  std::vector<NamedTensor> views;
  const auto type = dtype == DType::bf16 ? torch::kBFloat16 : torch::kFloat;
  for (const std::string& name : model.names()) {
    kept.push_back(model.parameter(name).detach().to(torch::kCPU, type).contiguous());
    require_finite(kept.back(), name, file);
    views.push_back(view_of(name, kept.back()));
  }
  write_safetensors(file, views);
}

void read_parameters(const fs::path& file, const Parameters& model) {
  const Safetensors weights(file);
  refuse_strangers(weights, model);
  for (const std::string& name : model.names()) {
    torch::Tensor target = model.parameter(name);
    restore(weights, name, target);
  }
}

void write_optimiser(const fs::path& folder, AdamW& optimiser, int step, const nlohmann::json& settings) {
  const fs::path file = folder / "optimizer.safetensors";
  std::vector<torch::Tensor> kept;
  std::vector<NamedTensor> views;
  const auto write = [&](const std::string& name, const torch::Tensor& tensor) {
    if (!tensor.defined()) return;
    kept.push_back(tensor.to(torch::kCPU));
    require_finite(kept.back(), name, file);
    views.push_back(view_of(name, kept.back()));
  };
  for (const AdamW::Slot& slot : optimiser.slots()) {
    write(slot.name + ".first", slot.first);
    write(slot.name + ".second", slot.second);
  }
  write_safetensors(file, views);
  nlohmann::json state = {{"step", step}};
  if (!settings.is_null()) state["run"] = settings;
  write_text_atomically(folder / "training_state.json", state.dump(2) + "\n");
}

void write_model_folder(const fs::path& folder, const TorchModel& model, const FolderFiles& language,
                        const nlohmann::json& config, DType dtype, const WeightAverage* average) {
  write_folder_atomically(folder, [&](const fs::path& temporary) {
    write_model_files(temporary, model, language, config);
    const fs::path file = temporary / "model.safetensors";
    average == nullptr ? write_parameters(file, model, dtype) : write_parameters(file, *average, dtype);
  });
}

void write_checkpoint(const fs::path& folder, const TorchModel& model, AdamW& optimiser, const FolderFiles& language,
                      const nlohmann::json& config, int step, const nlohmann::json& settings,
                      const WeightAverage* average) {
  write_folder_atomically(folder, [&](const fs::path& temporary) {
    write_model_files(temporary, model, language, config);
    write_parameters(temporary / "model.safetensors", model, DType::f32);
    if (average != nullptr) write_parameters(temporary / kAverageFile, *average, DType::f32);
    write_optimiser(temporary, optimiser, step, settings);
  });
}

CheckpointState read_state(const fs::path& folder) {
  const fs::path file = folder / "training_state.json";
  nlohmann::json json = load_json(file);
  const JsonObject state(json, file.string());
  const int step = state.integer("step", 0, 1'000'000'000);
  if (state.has("run")) static_cast<void>(state.object("run"));
  return {step, json.value("run", nlohmann::json())};
}

int read_checkpoint(const fs::path& folder, const Parameters& model, AdamW& optimiser, const WeightAverage* average) {
  read_parameters(folder / "model.safetensors", model);
  if (average != nullptr) read_parameters(folder / kAverageFile, *average);
  return read_optimiser(folder, optimiser);
}

void write_learned(const fs::path& folder, const Parameters& learned, AdamW& optimiser, int step,
                   const nlohmann::json& settings) {
  write_folder_atomically(folder, [&](const fs::path& temporary) {
    write_parameters(temporary / kLearnedFile, learned, DType::f32);
    write_optimiser(temporary, optimiser, step, settings);
  });
}

int read_learned(const fs::path& folder, const Parameters& learned, AdamW& optimiser) {
  read_parameters(folder / kLearnedFile, learned);
  return read_optimiser(folder, optimiser);
}

}  // namespace gyre
