#include "format/torch_checkpoint.hpp"

#include <algorithm>
#include <array>
#include <system_error>

namespace gyre {

namespace fs = std::filesystem;

bool is_torch_checkpoint(std::string_view bytes) {
  // A pickle says its protocol first; torch.save's has been 2 from the start.
  return bytes.starts_with("PK\x03\x04") || bytes.starts_with("\x80\x02");
}

fs::path torch_checkpoint_in(const fs::path& folder) {
  constexpr std::array<std::string_view, 5> kEndings = {".bin", ".pt", ".pth", ".ckpt", ".pkl"};
  fs::path first;
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored)) {
    const fs::path& path = entry.path();
    const std::string name = path.filename().string();
    // Others are states of an optimizer, arguments of a run, a tokenizer.
    const bool weights = name.find("model") != std::string::npos || name.starts_with("consolidated");
    const bool ending = std::find(kEndings.begin(), kEndings.end(), path.extension().string()) != kEndings.end();
    if (weights && ending && (first.empty() || path < first)) first = path;
  }
  return first;
}

}  // namespace gyre
