#include "model/convert.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/error.hpp"
#include "format/gguf.hpp"
#include "format/json_object.hpp"
#include "format/safetensors.hpp"
#include "format/storage_types.hpp"
#include "model/embedding_config.hpp"
#include "model/language_files.hpp"
#include "model/parts.hpp"

namespace gyre {
namespace {

namespace fs = std::filesystem;

/// The type a tensor gets.
DType type_of(const TensorInfo& info, const ModelSpec& spec, const Storage& storage) {
  if (info.shape.size() < 2) return DType::f32;
  const auto own = storage.parts.find(part_of(spec, info.name));
  const auto type = [&] {
    if (own != storage.parts.end()) return own->second;
    return storage.mix == nullptr ? storage.type : type_in(*storage.mix, spec, info.name);
  }();
  return fitting(type, static_cast<std::size_t>(info.shape.back()));
}

void require_parts(const Storage& storage, const ModelSpec& spec) {
  const std::vector<std::string> known = parts_of(spec);
  for (const auto& [part, type] : storage.parts) {
    if (std::find(known.begin(), known.end(), part) != known.end()) continue;
    throw Error("part: this model has no part \"{}\"; its parts are {}", part, fmt::join(known, ", "));
  }
}

/// Throws Error when a type is one that only GGUF files hold.
void require_plain(const Storage& storage) {
  const auto require = [](DType type, const std::string& flag) {
    if (block_size(type) == 1) return;
    throw Error("{}: {} needs a GGUF file; write one whose name ends in .gguf, or choose f32, f16 or bf16", flag,
                name_of(type));
  };
  require(storage.type, "type");
  for (const auto& [part, type] : storage.parts) require(type, "part " + part);
}

std::vector<std::byte> encoded(const Model& model, const TensorInfo& info, DType dtype, const RoundingText* text) {
  const std::vector<float> values = model.tensor(info.name);
  if (text != nullptr && block_size(dtype) > 1) {
    const std::span<const float> moments = text->moments(info.name);
    if (!std::all_of(moments.begin(), moments.end(), [](float moment) { return std::isfinite(moment); })) {
      throw Error("{}: what it reads in this text is not finite; round it without the text, or take another",
                  info.name);
    }
    if (!moments.empty()) {
      return round_for_inputs(values, static_cast<std::size_t>(info.shape.back()), moments, dtype, text->pool);
    }
  }
  return encode(values, dtype);
}

/// The tensors of a model in gyre's names, encoded; `bytes` holds what is not the model's own.
std::vector<NamedTensor> encoded_tensors(const Model& model, const Storage& storage, const RoundingText* text,
                                         std::deque<std::vector<std::byte>>& bytes) {
  std::vector<NamedTensor> tensors;
  for (TensorInfo& info : tensor_table(model.spec())) {
    const DType dtype = type_of(info, model.spec(), storage);
    const auto parts = model.source().stored(info.name);
    std::span<const std::byte> stored;
    if (parts && parts->size() == 1 && parts->front().dtype == dtype && !model.adapted(info.name)) {
      stored = parts->front().bytes;
    } else {
      stored = bytes.emplace_back(encoded(model, info, dtype, text));
    }
    tensors.push_back({std::move(info.name), {dtype, std::move(info.shape), stored}});
  }
  return tensors;
}

/// Whether the way it makes vectors of texts is part of the model.
bool embeds(const Model& model) { return model.spec().encoder || has_embedding_config(model.path()); }

void write_one_file(const Model& model, const Language& language, std::span<const NamedTensor> tensors,
                    const fs::path& out) {
  std::vector<GgufEntry> metadata = {{"general.architecture", std::string("gyre")},
                                     {"general.name", model.spec().name},
                                     {"gyre.format", std::uint32_t{1}},
                                     {"gyre.spec", to_json(model.spec()).dump()},
                                     {"gyre.end_tokens", language.end_tokens},
                                     {"tokenizer.huggingface.json", language.tokenizer.file_text()}};
  if (embeds(model)) metadata.push_back({"gyre.embedding", to_json(load_embedding_config(model.path())).dump()});
  write_gguf(out, metadata, tensors);
}

void write_folder(const Model& model, const Language& language, std::span<const NamedTensor> tensors,
                  const fs::path& out) {
  write_folder_atomically(out, [&](const fs::path& folder) {
    write_text_atomically(folder / "config.json", to_json(model.spec()).dump(2) + "\n");
    write_files(folder, language_files(model.path(), language));
    if (embeds(model)) {
      write_embedding_config(load_embedding_config(model.path()), model.spec().hidden_size, folder);
    }
    write_safetensors(folder / "model.safetensors", tensors);
  });
}

}  // namespace

Storage parse_storage(const std::string& type, std::span<const std::string> parts) {
  Storage storage{.mix = mix_named(type)};
  storage.type = storage.mix == nullptr ? parse_storage_type(type, "type", mix_names()) : storage.mix->rest;
  for (const std::string& text : parts) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos) {
      throw Error("part: \"{}\" is not PART=TYPE, such as embed=q8_0", text);
    }
    const DType own = parse_storage_type(text.substr(equals + 1), "part " + text);
    if (!storage.parts.emplace(text.substr(0, equals), own).second) {
      throw Error("part: \"{}\" is given twice", text.substr(0, equals));
    }
  }
  return storage;
}

void convert(const Checkpoint& checkpoint, const Storage& storage, const fs::path& out, const RoundingText* text) {
  const Model& model = checkpoint.model;
  const bool one_file = out.extension() == ".gguf";
  if (fs::exists(out)) throw Error("{} is there already; name a new place", out.string());
  require_parts(storage, model.spec());
  if (!one_file) require_plain(storage);
  std::deque<std::vector<std::byte>> bytes;
  const std::vector<NamedTensor> tensors = encoded_tensors(model, storage, text, bytes);
  one_file ? write_one_file(model, checkpoint.language, tensors, out)
           : write_folder(model, checkpoint.language, tensors, out);
}

}  // namespace gyre
