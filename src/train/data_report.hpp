#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gyre {

struct EncodedPart;

/// Lengths in tokens.
struct LengthSpread {
  double least = 0;
  double median = 0;
  double p95 = 0;  ///< 95 % are no longer
  double most = 0;
};

/// One part of the data, as it is trained on or validated by.
struct PartReport {
  std::size_t examples = 0;
  std::size_t tokens = 0;   ///< that go into the model
  std::size_t learned = 0;  ///< of those, places that carry loss
  LengthSpread lengths;     ///< of examples; of a text, which is one piece, none
  std::size_t rows = 0;     ///< of examples, or windows side by side in a text
  double filled = 1;        ///< share of the places of rows of training.sequence tokens that hold some
  std::size_t cut = 0;
  std::size_t dropped = 0;
  std::size_t straddling = 0;
};

/// What a run is about to learn from.
struct DataReport {
  std::string layout;
  std::size_t read = 0;           ///< examples in the file, or texts in the folder
  std::size_t repeated = 0;       ///< of those, ones that stand there word for word already
  std::size_t contradicting = 0;  ///< prompts that have several different answers
  std::size_t shared_groups =
      0;  ///< values of the key that splits which are on both sides: none, or the split is broken
  std::size_t shared_prompts = 0;  ///< prompts on both sides: another key than the prompt may split them
  PartReport training;
  PartReport validation;
};

/// One example as it was read.
struct ReadExample {
  std::string_view prompt;
  std::string_view answer;
  std::string_view group;  ///< what decided its side
  bool validates = false;
};

/// Counts what was read: `read`, `repeated`, `contradicting` and what is on both sides.
DataReport report_on(std::span<const ReadExample> examples);
/// Counts what became of one part; its rows are counted by count_rows.
PartReport report_on(const EncodedPart& part);
/// The part fills so many rows of `sequence` places.
void count_rows(PartReport& part, std::size_t rows, int sequence);

nlohmann::json to_json(const DataReport& report);
/// A few lines for people, without line ends.
std::vector<std::string> lines_of(const DataReport& report);

}  // namespace gyre
