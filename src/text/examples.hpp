#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace gyre {

/// A question with one right answer; `level` tells how hard it is (0 when the file does not say).
struct Example {
  std::string prompt;
  std::string answer;
  int level = 0;
  std::string labels;  ///< for training: what to predict at each character of the prompt; a space: nothing
};

/// Reads JSON lines {"prompt": text, "answer": text, "level": number, "labels": text}; the last two may be absent.
/// Throws Error naming the line.
std::vector<Example> read_examples(const std::filesystem::path& file);

}  // namespace gyre
