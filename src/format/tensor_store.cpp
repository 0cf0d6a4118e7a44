#include "format/tensor_store.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/hash.hpp"
#include "format/json_object.hpp"
#include "format/torch_checkpoint.hpp"

namespace gyre {
namespace {

namespace fs = std::filesystem;

/// The file of each tensor, by the tensor's name.
std::map<std::string, std::string> read_index(const fs::path& path) {
  const std::string where = path.string();
  const nlohmann::json json = load_json(path);
  const JsonObject index(json, where);
  const auto found = json.find("weight_map");
  if (found == json.end() || !found->is_object() || found->empty()) {
    throw Error("{}: weight_map must be an object that gives each tensor its file", where);
  }
  std::map<std::string, std::string> files;
  for (const auto& [tensor, file] : found->items()) {
    const std::string name = file.is_string() ? file.get<std::string>() : "";
    // A path would lead out of the folder.
    if (name.empty() || fs::path(name).filename() != name || name == "." || name == ".." ||
        name.find('\0') != std::string::npos) {
      throw Error("{}: tensor {} must have the name of a file in the same folder, found {}", where, tensor,
                  file.dump());
    }
    files.emplace(tensor, name);
  }
  return files;
}

/// That a shard holds what the index gives it and nothing else.
void check_shard(const Safetensors& shard, const std::string& file, const std::map<std::string, std::string>& files,
                 const std::string& index) {
  const auto check = [&](const std::string& tensor) {
    const auto listed = files.find(tensor);
    if (listed == files.end()) {
      throw Error("{}: tensor {} is not listed in {}; the files belong to different models", shard.path().string(),
                  tensor, index);
    }
    if (listed->second != file) {
      throw Error("{}: tensor {} is in {}, but is listed for {}", index, tensor, file, listed->second);
    }
  };
  for (const auto& entry : shard.tensors()) check(entry.first);
  for (const auto& entry : shard.unsupported()) check(entry.first);
}

}  // namespace

TensorStore::TensorStore(Safetensors file) : where_(file.path()), tensors_(file.tensors()) {
  shards_.push_back(std::move(file));
}

TensorStore::TensorStore(Gguf file) : where_(file.path()), tensors_(file.tensors()) { gguf_.emplace(std::move(file)); }

TensorStore TensorStore::open(const fs::path& folder) {
  const fs::path whole = folder / "model.safetensors";
  const fs::path index = folder / "model.safetensors.index.json";
  std::error_code ignored;
  if (fs::exists(whole, ignored)) return TensorStore(Safetensors(whole));
  if (!fs::exists(index, ignored)) {
    if (const fs::path pickle = torch_checkpoint_in(folder); !pickle.empty()) {
      throw Error("{}: {}", pickle.string(), kTorchMend);
    }
    throw Error("{}: holds neither model.safetensors nor model.safetensors.index.json", folder.string());
  }
  const std::map<std::string, std::string> files = read_index(index);
  std::set<std::string> names;
  for (const auto& entry : files) names.insert(entry.second);
  TensorStore store;
  store.where_ = index;
  for (const std::string& name : names) {
    if (!fs::exists(folder / name, ignored)) {
      throw Error("{}: the file {} is missing; download the whole model", index.string(), name);
    }
    const Safetensors& shard = store.shards_.emplace_back(folder / name);
    check_shard(shard, name, files, index.string());
    store.tensors_.insert(shard.tensors().begin(), shard.tensors().end());
  }
  const auto stored = [&](const std::string& tensor) {
    return std::any_of(store.shards_.begin(), store.shards_.end(), [&](const Safetensors& shard) {
      return shard.tensors().contains(tensor) || shard.unsupported().contains(tensor);
    });
  };
  for (const auto& [tensor, file] : files) {
    if (!stored(tensor)) throw Error("{}: tensor {} is not in {}, as it should be", index.string(), tensor, file);
  }
  return store;
}

const TensorView& TensorStore::at(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found != tensors_.end()) return found->second;
  for (const Safetensors& shard : shards_) {
    if (shard.unsupported().contains(name)) return shard.at(name);  // says which type it is of
  }
  // As AutoGPTQ and AutoAWQ store a matrix, packed beside its scales.
  constexpr std::string_view kWeight = "weight";
  const std::string packed = name.ends_with(kWeight) ? name.substr(0, name.size() - kWeight.size()) + "qweight" : name;
  for (const Safetensors& shard : shards_) {
    if (!shard.unsupported().contains(packed)) continue;
    throw Error(
        "{}: instead of the tensor {} there is {}: this is a GPTQ or AWQ checkpoint, take the model's BF16 one, or a "
        "GGUF file",
        where(), name, packed);
  }
  throw Error("{}: the tensor {} is missing", where(), name);
}

std::vector<std::span<const std::byte>> TensorStore::file_bytes() const {
  if (gguf_) return gguf_->file_bytes();
  std::vector<std::span<const std::byte>> files;
  for (const Safetensors& shard : shards_) files.push_back(shard.file_bytes());
  return files;
}

std::string TensorStore::hash() const {
  const std::vector<std::span<const std::byte>> files = file_bytes();
  if (files.size() == 1) return sha256_of_mapped(files.front());
  std::string hashes;
  for (const std::span<const std::byte> file : files) hashes += sha256_of_mapped(file);
  return sha256(std::as_bytes(std::span(hashes)));
}

void TensorStore::drop_pages() const {
  for (const std::span<const std::byte> file : file_bytes()) gyre::drop_pages(file);
}

}  // namespace gyre
