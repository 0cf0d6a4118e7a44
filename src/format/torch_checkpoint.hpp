#pragma once

#include <filesystem>
#include <string_view>

namespace gyre {

/// What to do with a checkpoint that torch.save wrote: behind its name and a colon.
constexpr std::string_view kTorchMend =
    "a checkpoint of PyTorch (a pickle), which gyre does not read; turn it into safetensors: "
    "scripts/convert_checkpoint "
    "SOURCE --out FOLDER";

/// Whether a file begins as torch.save writes it: a zip file, or before PyTorch 1.6 a pickle.
bool is_torch_checkpoint(std::string_view bytes);

/// The first checkpoint of PyTorch in a folder by its name (pytorch_model.bin, model.pt, …); an empty path when there
/// is none.
std::filesystem::path torch_checkpoint_in(const std::filesystem::path& folder);

}  // namespace gyre
