#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace gyre {

/// A question with one right answer; `level` tells how hard it is (0 when the file does not say).
struct Example {
  std::string prompt;
  std::string answer;
  int level = 0;
  std::string labels;      ///< for training: what to predict at each character of the prompt; a space: nothing
  std::string group = {};  ///< what those on one side of a split share (ExampleKeys::split); empty: the prompt
  int line = 0;            ///< where it stands in its file, from 1

  /// Where it stands is no part of what it is.
  bool operator==(const Example& other) const {
    return std::tie(prompt, answer, level, labels, group) ==
           std::tie(other.prompt, other.answer, other.level, other.labels, other.group);
  }
};

/// Under which keys a line holds what.
struct ExampleKeys {
  std::string prompt = "prompt";
  std::string answer = "answer";
  std::string split = {};  ///< lines with the same value stay on one side of a split; empty: the prompt decides
};

/// Reads JSON lines {"prompt": text, "answer": text, "level": number, "labels": text}; the last two may be absent, and
/// further keys are left to others. Throws Error naming the line.
std::vector<Example> read_examples(const std::filesystem::path& file, const ExampleKeys& keys = {});

/// What a line has under the key that splits: text, or a whole number written out; empty without such a key. Throws
/// Error with `where` when the line has nothing there, or something else.
std::string split_value(const nlohmann::json& line, const std::string& key, const std::string& where);

/// What decides on which side of a split an example stands.
struct SplitPlace {
  std::string_view group;
  int level = 0;
};
/// Of the different groups of each level, `share` (rounded, at least one, and never all) is held out; which ones, a
/// hash of the group decides, wherever they stand. One answer an item: whether its group is. A group has the level of
/// its first item.
std::vector<bool> held_out(std::span<const SplitPlace> places, double share);

struct ExampleSplit {
  std::vector<Example> training;
  std::vector<Example> validation;  ///< without repeats
};

/// Divides examples by prompt, or by what ExampleKeys::split names: all that ask the same are on the same side, so that
/// no answer in the validation part was ever trained on. Which validate, held_out() says. Both parts keep the order of
/// the file. A share of 0 leaves none for validation.
ExampleSplit split_examples(const std::vector<Example>& examples, double share);

}  // namespace gyre
