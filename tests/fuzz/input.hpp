#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "format/tensor.hpp"
#include "scratch_folder.hpp"

namespace gyre::fuzz {

using Bytes = std::span<const std::byte>;

std::string_view text_of(Bytes bytes);

/// A folder that holds the files under test and is gone with the object.
class InputFolder {
 public:
  /// Writes a file; gives its path.
  std::filesystem::path add(const std::string& name, std::string_view content) const;

  [[nodiscard]] const std::filesystem::path& path() const { return scratch_.path(); }

 private:
  ScratchFolder scratch_;
};

/// Throws std::logic_error, which no reader may: a promise of the library was broken.
void require(bool kept, const char* promise);

/// Runs `read`; a refusal of the file with gyre::Error is as good as success.
template <typename Read>
void attempt(const Read& read) {
  try {
    read();
  } catch (const Error&) {
  }
}

/// Touches every number of every tensor; each has to lie inside `file`.
void read_tensors(const std::map<std::string, TensorView>& tensors, Bytes file);

}  // namespace gyre::fuzz
