#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/error.hpp"
#include "format/gguf.hpp"
#include "format/gguf_layout.hpp"

// A model in several files, as llama-gguf-split cuts it: NAME-00001-of-00003.gguf and so on, each with a table of its
// own tensors; keys that say which part it is (split.no from 0, split.count) and how many tensors all have together
// (split.tensors.count); all other metadata in the first, or the same in every one.

namespace gyre {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kNumberKey = "split.no";
constexpr std::string_view kTensorsKey = "split.tensors.count";

/// What a part's name ends in; parts are counted from 0 here.
std::string ending_of(std::int64_t number, std::int64_t count) {
  return fmt::format("-{:05}-of-{:05}.gguf", number + 1, count);
}

bool belongs_to_its_part(std::string_view key) { return key.starts_with("split.") || key == kGgufAlignmentKey; }

}  // namespace

std::vector<fs::path> Gguf::part_paths(std::int64_t count) const {
  const std::int64_t number = integer(kNumberKey, 0, kGgufMostParts);
  const std::string name = path().filename().string();
  const std::string own = ending_of(number, count);
  if (number >= count || !name.ends_with(own)) {
    throw Error(
        "{}: its keys split.no ({}) and split.count ({}) make it part {} of {}, but its name does not end in {}; give "
        "the parts the names they were made with",
        path().string(), number, count, number + 1, count, own);
  }
  std::vector<fs::path> paths;
  for (std::int64_t i = 0; i < count; ++i) {
    paths.push_back(path().parent_path() / (name.substr(0, name.size() - own.size()) + ending_of(i, count)));
    std::error_code ignored;
    if (fs::exists(fs::symlink_status(paths.back(), ignored))) continue;  // opening it says what else is wrong
    throw Error("{}: part {} of {} of a model, of which {} is missing; put all parts into one folder", path().string(),
                number + 1, count, paths.back().filename().string());
  }
  return paths;
}

void Gguf::require_part(const Gguf& part, std::int64_t number, std::int64_t count) const {
  const std::string where = part.path().string();
  const std::string mend = "it is no part of the model of " + path().filename().string() + ", fetch it again";
  const auto require = [&](std::string_view key, std::int64_t wanted) {
    if (!part.has(key)) throw Error("{}: the key {} is missing; {}", where, key, mend);
    const std::int64_t found = part.integer(key, 0, INT32_MAX);
    if (found != wanted) throw Error("{}: {} is {}, not {}; {}", where, key, found, wanted, mend);
  };
  require(kNumberKey, number);
  require(kGgufSplitCountKey, count);
  if (has(kTensorsKey)) require(kTensorsKey, integer(kTensorsKey, 0, INT32_MAX));
  for (const auto& [key, value] : part.values_) {
    if (belongs_to_its_part(key)) continue;
    const auto ours = values_.find(key);
    if (ours == values_.end()) throw Error("{}: the key {} is not in the first part; {}", where, key, mend);
    const Value& first = ours->second;
    const bool same = first.type == value.type && first.element == value.element && first.count == value.count &&
                      std::equal(first.bytes.begin(), first.bytes.end(), value.bytes.begin(), value.bytes.end());
    if (!same) throw Error("{}: the key {} has another value than in the first part; {}", where, key, mend);
  }
}

Gguf Gguf::joined(std::int64_t count) const {
  const std::vector<fs::path> paths = part_paths(count);
  Gguf whole(paths.front(), OneFile{});
  for (std::int64_t i = 0; i < count; ++i) {
    Gguf part(paths[static_cast<std::size_t>(i)], OneFile{});
    whole.require_part(part, i, count);
    if (i == 0) continue;
    whole.tensors_.merge(part.tensors_);
    if (!part.tensors_.empty()) {
      throw Error("{}: tensor {} is in an earlier part too; fetch the parts again", part.path().string(),
                  part.tensors_.begin()->first);
    }
    whole.later_parts_.push_back(std::move(part.file_));
  }
  const auto tensors = static_cast<std::int64_t>(whole.tensors_.size());
  if (whole.integer(kTensorsKey, 0, INT32_MAX, tensors) != tensors) {
    throw Error("{}: {} is {}, but its {} parts hold {} tensors; fetch them again", whole.path().string(), kTensorsKey,
                whole.integer(kTensorsKey, 0, INT32_MAX), count, tensors);
  }
  return whole;
}

std::vector<std::span<const std::byte>> Gguf::file_bytes() const {
  std::vector<std::span<const std::byte>> files = {file_.bytes()};
  for (const MappedFile& part : later_parts_) files.push_back(part.bytes());
  return files;
}

}  // namespace gyre
