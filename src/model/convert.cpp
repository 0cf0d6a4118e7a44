#include "model/convert.hpp"

#include <deque>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/error.hpp"
#include "format/gguf.hpp"
#include "format/json_object.hpp"
#include "format/safetensors.hpp"
#include "model/language.hpp"

namespace gyre {
namespace {

namespace fs = std::filesystem;

constexpr EnumName<DType> kStorage[] = {{DType::f32, "f32"},   {DType::f16, "f16"},   {DType::bf16, "bf16"},
                                        {DType::q8_0, "q8_0"}, {DType::q4_0, "q4_0"}, {DType::tq2_0, "tq2_0"}};

bool is_block_format(DType dtype) { return block_size(dtype) > 1; }

/// The type a tensor of this shape gets.
DType type_of(std::span<const std::int64_t> shape, DType storage) {
  if (shape.size() < 2) return DType::f32;
  return static_cast<std::size_t>(shape.back()) % block_size(storage) == 0 ? storage : DType::f32;
}

/// The tensors of a model in gyre's names, encoded; `bytes` holds what is not the model's own.
std::vector<NamedTensor> encoded_tensors(const Model& model, DType storage, std::deque<std::vector<std::byte>>& bytes) {
  std::vector<NamedTensor> tensors;
  for (TensorInfo& info : tensor_table(model.spec())) {
    const DType dtype = type_of(info.shape, storage);
    const auto parts = model.source().stored(info.name);
    std::span<const std::byte> stored;
    if (parts && parts->size() == 1 && parts->front().dtype == dtype) {
      stored = parts->front().bytes;
    } else {
      stored = bytes.emplace_back(encode(model.tensor(info.name), dtype));
    }
    tensors.push_back({std::move(info.name), {dtype, std::move(info.shape), stored}});
  }
  return tensors;
}

void write_one_file(const Model& model, const Language& language, std::span<const NamedTensor> tensors,
                    const fs::path& out) {
  const std::vector<GgufEntry> metadata = {{"general.architecture", std::string("gyre")},
                                           {"general.name", model.spec().name},
                                           {"gyre.format", std::uint32_t{1}},
                                           {"gyre.spec", to_json(model.spec()).dump()},
                                           {"gyre.end_tokens", language.end_tokens},
                                           {"tokenizer.huggingface.json", language.tokenizer.file_text()}};
  write_gguf(out, metadata, tensors);
}

void write_folder(const Model& model, const Language& language, std::span<const NamedTensor> tensors,
                  const fs::path& out) {
  const fs::path unfinished = out.string() + ".unfinished";
  fs::remove_all(unfinished);
  fs::create_directories(unfinished);
  try {
    write_text_atomically(unfinished / "config.json", to_json(model.spec()).dump(2) + "\n");
    write_text_atomically(unfinished / "generation_config.json",
                          nlohmann::json{{"eos_token_id", language.end_tokens}}.dump(2) + "\n");
    language.tokenizer.save(unfinished / "tokenizer.json");
    write_safetensors(unfinished / "model.safetensors", tensors);
    fs::rename(unfinished, out);
  } catch (...) {
    std::error_code ignored;
    fs::remove_all(unfinished, ignored);
    throw;
  }
}

}  // namespace

DType parse_storage(const std::string& text, const std::string& flag) {
  std::string all;
  for (const auto& [dtype, name] : kStorage) {
    if (name == text) return dtype;
    all += (all.empty() ? "" : ", ") + std::string(name);
  }
  throw Error("{}: \"{}\" is no type; choose one of {}", flag, text, all);
}

void convert(const Model& model, DType storage, const fs::path& out) {
  const bool one_file = out.extension() == ".gguf";
  if (fs::exists(out)) throw Error("--out: {} is there already; name a new place", out.string());
  if (!one_file && is_block_format(storage)) {
    throw Error("--type: {} needs a GGUF file; let --out end in .gguf, or choose f32, f16 or bf16", name_of(storage));
  }
  const Language language = load_language(model.path());
  std::deque<std::vector<std::byte>> bytes;
  const std::vector<NamedTensor> tensors = encoded_tensors(model, storage, bytes);
  one_file ? write_one_file(model, language, tensors, out) : write_folder(model, language, tensors, out);
}

}  // namespace gyre
