#include "study/study_files.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>

#include "base/error.hpp"

namespace gyre {
namespace {

namespace fs = std::filesystem;

/// Whether a file begins as those that studies write.
bool written_by_a_study(const fs::path& file) {
  constexpr std::array<std::string_view, 2> kBeginnings = {"{\"checkpoints\":[",
                                                           "<!DOCTYPE html>\n<!--\n  Template of the page that `gyre"};
  std::ifstream stream(file, std::ios::binary);
  std::string begin(64, '\0');
  stream.read(begin.data(), static_cast<std::streamsize>(begin.size()));
  return std::any_of(kBeginnings.begin(), kBeginnings.end(),
                     [&](std::string_view known) { return begin.starts_with(known); });
}

bool same_file(const fs::path& a, const fs::path& b) {
  std::error_code missing;
  return fs::equivalent(a, b, missing) || fs::weakly_canonical(a) == fs::weakly_canonical(b);
}

/// Whether `file` lies in `folder`, however deep.
bool lies_in(const fs::path& file, const fs::path& folder) {
  const fs::path inner = fs::weakly_canonical(file);
  const fs::path outer = fs::weakly_canonical(folder / ".");
  const fs::path relative = inner.lexically_relative(outer.has_filename() ? outer : outer.parent_path());
  return !relative.empty() && *relative.begin() != "..";
}

void require_no_input(const fs::path& file, std::span<const fs::path> inputs) {
  if (!fs::exists(file)) return;
  for (const fs::path& input : inputs) {
    const bool inside = fs::is_directory(input) && lies_in(file, input) && !written_by_a_study(file);
    if (inside || same_file(file, input)) {
      throw Error("{} would be overwritten, which the study reads; choose another name", file.string());
    }
  }
}

}  // namespace

StudyFiles study_files(const fs::path& out, std::span<const fs::path> inputs) {
  const fs::path folder = out.has_parent_path() ? out.parent_path() : fs::path(".");
  if (!fs::is_directory(folder)) throw Error("there is no folder {}; make it first", folder.string());
  if (!out.has_filename() || (fs::exists(out) && !fs::is_regular_file(out))) {
    throw Error("{} is not a file", out.string());
  }
  const StudyFiles files{out, fs::path(out).replace_extension(".json")};
  if (same_file(files.page, files.data)) {
    throw Error("{} is the name of the data; give the page's name, as in {}", out.string(),
                fs::path(out).replace_extension(".html").string());
  }
  require_no_input(files.page, inputs);
  require_no_input(files.data, inputs);
  if (fs::exists(files.data) && !written_by_a_study(files.data)) {
    throw Error("the data would go to {}, which no study has written; choose another name", files.data.string());
  }
  return files;
}

std::optional<int> step_of(const fs::path& checkpoint) {
  const fs::path normal = checkpoint.lexically_normal();
  const std::string name = (normal.has_filename() ? normal : normal.parent_path()).filename().string();
  constexpr std::string_view kPrefix = "step-";
  if (!name.starts_with(kPrefix)) return {};
  const char* const end = name.data() + name.size();
  int step = 0;
  const auto [stop, failure] = std::from_chars(name.data() + kPrefix.size(), end, step);
  if (failure != std::errc() || stop != end || step < 0) return {};
  return step;
}

std::string shell_word(std::string_view text) {
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:=,+@%-";
  if (!text.empty() && text.find_first_not_of(kPlain) == std::string_view::npos) return std::string(text);
  std::string word = "'";
  for (const char c : text) {
    if (c == '\'') {
      word += "'\\''";
    } else {
      word += c;
    }
  }
  return word + "'";
}

}  // namespace gyre
