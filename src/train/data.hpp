#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/file.hpp"
#include "base/random.hpp"
#include "text/examples.hpp"
#include "text/tokenizer.hpp"
#include "train/config.hpp"

namespace gyre {

/// Tokens of a text in a memory-mapped file: a header, then 16- or 32-bit ids; training part first.
class TokenFile {
 public:
  explicit TokenFile(const std::filesystem::path& path);

  /// Encodes `training` and `validation` into `path`, atomically.
  static void write(const std::filesystem::path& path, const Tokenizer& tokenizer, std::string_view training,
                    std::string_view validation);

  [[nodiscard]] std::int64_t training_size() const { return training_; }
  [[nodiscard]] std::int64_t validation_size() const { return total_ - training_; }
  /// Copies `out.size()` tokens that start at `begin`; validation tokens follow the training tokens.
  void copy(std::int64_t begin, std::span<std::int64_t> out) const;

 private:
  MappedFile file_;
  std::int64_t total_ = 0;
  std::int64_t training_ = 0;
  bool wide_ = false;
};

/// Rows of token ids for one step: inputs and, one place later, targets; a target of -1 carries no loss.
struct Batch {
  int rows = 0;
  int columns = 0;
  std::vector<std::int64_t> inputs;   ///< [rows, columns]
  std::vector<std::int64_t> targets;  ///< [rows, columns]
};

/// One example of the answers layout.
struct AnswerExample {
  std::vector<std::int32_t> inputs;
  std::vector<std::int32_t> targets;  ///< one an input; -1: no loss
};

/// The prompt with the answer as its targets, and whatever the example's labels ask for on the way.
/// Throws Error when the labels do not fit the prompt.
AnswerExample encode_example(const Example& example, const Tokenizer& tokenizer);

/// Where batches come from. Every batch is a function of (seed, step), so that a resumed run sees what an
/// uninterrupted one would.
class TrainingData {
 public:
  TrainingData(const TrainConfig& config, TokenFile tokens);
  /// Throws Error when either part is empty, or an example is longer than training.sequence allows.
  TrainingData(const TrainConfig& config, std::vector<AnswerExample> training, std::vector<AnswerExample> validation);

  [[nodiscard]] Batch training_batch(std::uint64_t seed, int step) const;
  /// Windows (or examples) of the validation part, spread evenly; at most training.evaluate_windows rows in all.
  [[nodiscard]] std::vector<Batch> validation_batches() const;
  [[nodiscard]] std::int64_t training_tokens() const;

 private:
  [[nodiscard]] Batch windows(std::span<const std::int64_t> begins) const;
  [[nodiscard]] Batch rows_of(std::span<const std::size_t> indices) const;

  TrainConfig config_;
  std::vector<TokenFile> tokens_;        ///< none or one
  std::vector<AnswerExample> examples_;  ///< those for training, then those for validation
  std::size_t training_examples_ = 0;
};

}  // namespace gyre
