#pragma once

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "base/file.hpp"
#include "engine/engine.hpp"
#include "format/gguf.hpp"
#include "format/json_object.hpp"
#include "format/safetensors.hpp"
#include "format/tensor_store.hpp"
#include "model/model.hpp"
#include "scratch_folder.hpp"

// The tiny checkpoints of tests/parity/golden, and what the NumPy references make of them.

namespace gyre {

namespace fs = std::filesystem;

inline fs::path golden() { return fs::path(GYRE_TEST_DIR) / "parity" / "golden"; }

class Expected {
 public:
  explicit Expected(const std::string& family)
      : json(load_json(golden() / family / "expected.json")), file_(golden() / family / "expected.safetensors") {}

  [[nodiscard]] std::vector<float> floats(const std::string& name) const {
    const TensorView& tensor = file_.at(name);
    std::vector<float> values(tensor.element_count());
    widen(tensor, values);
    return values;
  }
  [[nodiscard]] std::vector<std::int64_t> shape(const std::string& name) const { return file_.at(name).shape; }
  /// Names of what is there beside results: tensors that a changed checkpoint takes.
  [[nodiscard]] std::vector<std::string> names_ending(std::string_view end) const {
    std::vector<std::string> names;
    for (const auto& [name, tensor] : file_.tensors()) {
      if (name.ends_with(end)) names.push_back(name);
    }
    return names;
  }
  [[nodiscard]] std::vector<std::int32_t> tokens() const { return json.at("tokens"); }
  [[nodiscard]] bool has(const std::string& name) const { return file_.tensors().contains(name); }
  /// The context under which gyre turns a sequence as the family's own code does when it takes the tokens at once:
  /// where the rotation depends on the length of that pass, their number.
  [[nodiscard]] int context(const std::string& logits = "logits") const {
    return has(logits + ".one_by_one") ? static_cast<int>(tokens().size()) : 64;
  }

  nlohmann::json json;

 private:
  Safetensors file_;
};

/// The largest error, relative to logits beyond 1.
inline float error(std::span<const float> got, std::span<const float> wanted) {
  if (got.size() != wanted.size()) return std::numeric_limits<float>::infinity();
  float worst = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const float difference = std::abs(got[i] - wanted[i]) / std::max(1.0F, std::abs(wanted[i]));
    worst = std::isnan(difference) ? std::numeric_limits<float>::infinity() : std::max(worst, difference);
  }
  return worst;
}

/// A tiny checkpoint of tests/parity/golden that a test changes before it is loaded.
class ChangedCheckpoint {
 public:
  explicit ChangedCheckpoint(const std::string& family) {
    fs::create_directory(folder_ / "model");
    config = load_json(golden() / family / "config.json");
    const TensorStore store = TensorStore::open(golden() / family);
    for (const auto& [name, tensor] : store.tensors()) {
      Stored& stored = tensors[name];
      stored.shape = tensor.shape;
      stored.values.resize(tensor.element_count());
      widen(tensor, stored.values);
    }
  }

  /// Takes a matrix apart into matrices of as many rows.
  void split(const std::string& name, const std::vector<std::string>& parts) {
    const Stored whole = tensors.at(name);
    tensors.erase(name);
    const auto count = static_cast<std::ptrdiff_t>(whole.values.size() / parts.size());
    auto first = whole.values.begin();
    for (const std::string& part : parts) {
      tensors[part] = {{whole.shape[0] / static_cast<std::int64_t>(parts.size()), whole.shape[1]},
                       {first, first + count}};
      first += count;
    }
  }

  /// As a file of its own kind gives them.
  void add(const std::string& name, std::vector<std::int64_t> shape, std::vector<float> values) {
    tensors[name] = {std::move(shape), std::move(values)};
  }

  /// `dtype`: f32 or bf16.
  [[nodiscard]] Model load(DType dtype = DType::f32) const {
    std::vector<NamedTensor> named;
    std::vector<std::vector<std::byte>> bytes;
    for (const auto& [name, stored] : tensors) {
      bytes.push_back(encode(stored.values, dtype));
      named.push_back({name, {dtype, stored.shape, bytes.back()}});
    }
    write_safetensors(folder_ / "model" / "model.safetensors", named);
    write_text_atomically(folder_ / "model" / "config.json", config.dump());
    return Model::load(folder_ / "model");
  }

  struct Stored {
    std::vector<std::int64_t> shape;
    std::vector<float> values;
  };
  nlohmann::json config;
  std::map<std::string, Stored> tensors;

 private:
  const ScratchFolder folder_;
};

/// Writes metadata and tensors, in F32, as a GGUF file.
inline void write_gguf_of(const fs::path& file, const std::map<std::string, GgufValue>& metadata,
                          const std::map<std::string, ChangedCheckpoint::Stored>& tensors) {
  std::vector<GgufEntry> entries;
  for (const auto& [key, value] : metadata) entries.push_back({key, value});
  std::vector<NamedTensor> named;
  for (const auto& [name, stored] : tensors) {
    named.push_back({name, {DType::f32, stored.shape, std::as_bytes(std::span(stored.values))}});
  }
  write_gguf(file, entries, named);
}

/// Logits of every position at the model's own depth, in a sequence that has room for `context`.
inline std::vector<float> logits_of(const Model& model, std::span<const std::int32_t> tokens, int context = 64) {
  Engine engine(model, 1);
  Sequence sequence = engine.start(model.spec().default_loops(), context, {}, 1, NoiseStart::zero);
  const std::span<const float> all = engine.prefill(sequence, tokens, Engine::Logits::all);
  return {all.begin(), all.end()};
}

}  // namespace gyre
