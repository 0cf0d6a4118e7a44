#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "text/examples.hpp"
#include "text/tokenizer.hpp"
#include "train/config.hpp"
#include "train/data.hpp"

namespace gyre {

/// What a run reads, divided into training and validation part.
struct SourceData {
  std::string text;       ///< layout text: the whole text
  ExampleSplit examples;  ///< layout answers
  std::string digest;     ///< SHA-256 of all that is read, the order included
};

/// Reads the data. Throws Error naming the file, and the line of a faulty example.
SourceData read_source(const std::filesystem::path& data, const TrainConfig& config);

/// The vocabulary that the config asks for. Merges are learned from the training part alone; a character of the
/// validation part must have an id, so those of both parts do.
Tokenizer make_tokenizer(const TrainConfig& config, const SourceData& source);

/// SHA-256 of the tokenizer's file.
std::string digest_of(const Tokenizer& tokenizer);

/// Encodes the data. Those of a text go through OUT/tokens.bin.
TrainingData encode_source(const TrainConfig& config, const SourceData& source, const Tokenizer& tokenizer,
                           const std::filesystem::path& out);

}  // namespace gyre
