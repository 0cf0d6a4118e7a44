#include "train/run_folder.hpp"

#include <fmt/format.h>

#include <charconv>
#include <string_view>

#include "base/error.hpp"

namespace gyre {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "step-";

/// The step a checkpoint's name tells, if it is a checkpoint's name.
std::optional<int> step_named(std::string_view name) {
  if (!name.starts_with(kPrefix)) return {};
  name.remove_prefix(kPrefix.size());
  int step = 0;
  const auto [stop, failure] = std::from_chars(name.data(), name.data() + name.size(), step);
  if (failure != std::errc() || stop != name.data() + name.size()) return {};
  return step;
}

}  // namespace

std::string checkpoint_name(int step) { return fmt::format("{}{:06}", kPrefix, step); }

std::optional<fs::path> latest_checkpoint(const fs::path& folder) {
  std::optional<fs::path> latest;
  int highest = -1;
  if (!fs::is_directory(folder)) return latest;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::optional<int> step = step_named(entry.path().filename().string());
    if (!step || *step <= highest || !entry.is_directory()) continue;
    highest = *step;
    latest = entry.path();
  }
  return latest;
}

std::optional<fs::path> checkpoint_to_resume(const fs::path& out, bool resume) {
  const std::optional<fs::path> latest = latest_checkpoint(out / "checkpoints");
  if (latest && !resume) {
    throw Error("{} already holds a run; resume it, or give another folder", out.string());
  }
  for (const char* const name : {"model", "adapter"}) {
    if (latest || !fs::exists(out / name)) continue;
    throw Error("{} is there, and no checkpoint to go on from; give another folder", (out / name).string());
  }
  if (!latest && resume) {
    fmt::print(stderr, "no checkpoint in {} yet; starting from the beginning\n", out.string());
  }
  return latest;
}

void remove_unfinished(const fs::path& folder) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with('.') && name.find(".partial-") != std::string::npos) fs::remove_all(entry.path(), ignored);
  }
}

}  // namespace gyre
