#pragma once

#include <string>

#include "model/families.hpp"

namespace gyre {

/// The keys that encoder_mapping() reads, and those of BERT-like files that it knows.
const ConfigKeys& encoder_keys();

/// What differs between files that have BERT's layers.
struct EncoderNames {
  std::string top;            ///< what the files of models with a head have before every name: "bert."
  int first_position = 0;     ///< row of the table of positions that the first token of a text gets
  std::string name_of_model;  ///< for files that do not say
};

/// BERT's layers: LayerNorm behind every sum, biases, learned positions and one type of tokens, whose embedding is part
/// of every position. What follows the states (a pooler, heads of pretraining) is known and not used. Throws Error on a
/// key that asks for something else.
Mapping encoder_mapping(const nlohmann::json& config, const TensorStore& tensors, const EncoderNames& names,
                        const std::string& where);

}  // namespace gyre
