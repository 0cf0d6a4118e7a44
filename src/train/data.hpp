#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file.hpp"
#include "text/tokenizer.hpp"
#include "train/config.hpp"
#include "train/data_report.hpp"
#include "train/encoded_examples.hpp"
#include "train/packing.hpp"
#include "train/ranks.hpp"

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
  /// [rows, columns], of rows that several documents share: the number of the document in its row, from 0, at each
  /// place. Documents stand side by side and see nothing of one another; what fills a row up is one more. Empty: a
  /// document a row.
  std::vector<std::int64_t> documents = {};
  std::int64_t counted = 0;  ///< targets with loss, those of all ranks where they divide the batch
};

/// Where batches come from. Every batch is a function of (seed, step), so that a resumed run sees what an
/// uninterrupted one would. Windows of a text, and examples of layout answers, are drawn anew for every row; packed
/// rows, and those of layout chat, are gone through in an order drawn for each pass over them.
class TrainingData {
 public:
  TrainingData(const TrainConfig& config, TokenFile tokens);
  /// Throws Error when either part is empty, or an example is longer than training.sequence allows. With
  /// training.packing each part is packed by itself, in an order drawn by training.seed.
  TrainingData(const TrainConfig& config, std::vector<AnswerExample> training, std::vector<AnswerExample> validation);

  /// The rows of one rank, of the training.batch · world rows of the step: the same rows on however many ranks, filled
  /// up to one width.
  [[nodiscard]] Batch training_batch(std::uint64_t seed, int step, const RowShare& share = {}) const;
  /// Windows (or examples) of the validation part, spread evenly; at most training.evaluate_windows rows in all.
  [[nodiscard]] std::vector<Batch> validation_batches() const;
  [[nodiscard]] std::int64_t training_tokens() const;
  /// Rows of each part, of examples.
  [[nodiscard]] std::size_t training_rows() const { return training_rows_; }
  [[nodiscard]] std::size_t validation_rows() const { return rows_.size() - training_rows_; }

  /// What was read to make it, for whoever is about to train on it.
  [[nodiscard]] const DataReport& report() const { return report_; }
  void set_report(DataReport report) { report_ = std::move(report); }

 private:
  [[nodiscard]] Batch windows(std::span<const std::int64_t> begins) const;
  [[nodiscard]] Batch rows_of(std::span<const std::size_t> whole, const RowShare& share = {}) const;
  [[nodiscard]] std::vector<std::size_t> training_numbers(std::uint64_t seed, int step, std::size_t rows) const;

  TrainConfig config_;
  std::vector<TokenFile> tokens_;        ///< none or one
  std::vector<AnswerExample> examples_;  ///< those for training, then those for validation
  std::size_t training_examples_ = 0;
  std::vector<RowItems> rows_;  ///< of examples: those for training, then those for validation
  std::size_t training_rows_ = 0;
  DataReport report_;
};

}  // namespace gyre
