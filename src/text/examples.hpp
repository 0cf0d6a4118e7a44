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

  bool operator==(const Example&) const = default;
};

/// Reads JSON lines {"prompt": text, "answer": text, "level": number, "labels": text}; the last two may be absent.
/// Throws Error naming the line.
std::vector<Example> read_examples(const std::filesystem::path& file);

struct ExampleSplit {
  std::vector<Example> training;
  std::vector<Example> validation;  ///< without repeats
};

/// Divides examples by prompt: all that ask the same are on the same side, so that no answer in the validation part was
/// ever trained on. Of the different prompts of each level, `share` (rounded, at least one, and never all) validates;
/// which ones, a hash of the prompt decides, wherever they stand in the file. Both parts keep the order of the file. A
/// prompt has the level of the first example that asks it. A share of 0 leaves none for validation.
ExampleSplit split_examples(const std::vector<Example>& examples, double share);

}  // namespace gyre
