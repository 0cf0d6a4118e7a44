#include "model/model_path.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/file.hpp"
#include "format/torch_checkpoint.hpp"

namespace gyre {
namespace {

namespace fs = std::filesystem;

/// The names in a folder for which `wanted` holds, sorted.
template <typename Wanted>
std::vector<std::string> names_in(const fs::path& folder, Wanted wanted) {
  std::vector<std::string> names;
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored)) {
    if (wanted(entry)) names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

std::string without_space_around(std::string text) {
  constexpr const char* kSpace = " \t\r\n";
  text.erase(0, std::min(text.find_first_not_of(kSpace), text.size()));
  text.erase(text.find_last_not_of(kSpace) + 1);
  return text;
}

/// The snapshot of a model in the cache, whose folder is `root`.
fs::path snapshot_of(const fs::path& root) {
  const fs::path reference = root / "refs" / "main";
  const std::vector<std::string> there =
      names_in(root / "snapshots", [](const fs::directory_entry& entry) { return is_folder(entry.path()); });
  std::string name;
  if (fs::exists(reference)) {
    name = without_space_around(read_text(reference));
  } else if (there.size() == 1) {
    name = there.front();
  }
  // A path would lead out of the folder.
  if (std::find(there.begin(), there.end(), name) != there.end()) return root / "snapshots" / name;
  if (there.empty())
    throw Error("{}: a model of the Hugging Face cache without a snapshot; download it again", root.string());
  if (name.empty()) {
    throw Error("{}: a model of the Hugging Face cache without refs/main; give one of the {} snapshots in {}: {}",
                root.string(), there.size(), (root / "snapshots").string(), fmt::join(there, ", "));
  }
  throw Error("{}: refs/main names the snapshot \"{}\", which is not there; download it again, or give {}",
              root.string(), name, (root / "snapshots" / there.front()).string());
}

/// What people give in place of a GGUF file.
void refuse_other_kinds(const fs::path& file) {
  if (is_torch_checkpoint(MappedFile(file).text())) throw Error("{}: {}", file.string(), kTorchMend);
  if (file.extension() != ".safetensors" && file.extension() != ".json") return;
  throw Error("{}: one file of a model folder; give the folder, which holds config.json and tokenizer.json too",
              file.string());
}

/// The folder of a model in the cache that `path` names: itself, or the folder of its snapshots; or nothing.
fs::path cache_root_of(const fs::path& path) {
  std::error_code ignored;
  if (fs::exists(path / "config.json", ignored)) return {};
  if (is_folder(path / "snapshots")) return path;
  const fs::path whole = fs::absolute(path / "", ignored).lexically_normal().parent_path();
  const bool snapshots =
      whole.filename() == "snapshots" && whole.parent_path().filename().string().starts_with("models--");
  return snapshots ? (path / "..").lexically_normal() : fs::path();
}

}  // namespace

fs::path resolve_model_path(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_regular_file(path, ignored)) {
    refuse_other_kinds(path);
    return path;
  }
  if (!is_folder(path)) {
    throw Error(
        "{}: not there; a model is a GGUF file, or a folder with config.json, model.safetensors and tokenizer.json",
        path.string());
  }
  const fs::path root = cache_root_of(path);
  return root.empty() ? path : snapshot_of(root);
}

void require_model_file(const fs::path& folder, const char* name) {
  std::error_code ignored;
  if (fs::exists(fs::symlink_status(folder / name, ignored))) return;  // opening it says what else is wrong
  const auto first = [&](auto wanted) {
    const std::vector<std::string> names = names_in(folder, wanted);
    return names.empty() ? std::string() : (folder / names.front()).string();
  };
  const std::string gguf = first([](const fs::directory_entry& entry) { return entry.path().extension() == ".gguf"; });
  const std::string model = first([](const fs::directory_entry& entry) {
    return is_folder(entry.path()) &&
           (fs::exists(entry.path() / "config.json") || is_folder(entry.path() / "snapshots"));
  });
  const fs::path pickle = torch_checkpoint_in(folder);
  const bool pieces = std::string_view(name) == "tokenizer.json" && fs::exists(folder / "tokenizer.model", ignored);
  const std::string mend =
      !gguf.empty()     ? fmt::format("give the file {}", gguf)
      : !model.empty()  ? fmt::format("give the model in it: {}", model)
      : !pickle.empty() ? fmt::format("{} is {}", pickle.filename().string(), kTorchMend)
      : pieces          ? "its tokenizer.model (SentencePiece) is not read, save it with transformers as tokenizer.json"
                        : "a model folder holds config.json, model.safetensors and tokenizer.json";
  throw Error("{}: there is no {}; {}", folder.string(), name, mend);
}

}  // namespace gyre
