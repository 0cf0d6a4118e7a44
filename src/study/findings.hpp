#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "study/dynamics.hpp"
#include "study/verdict.hpp"

namespace gyre {

/// One model of a study: several checkpoints of one training run make "across training".
struct StudiedCheckpoint {
  std::string path;
  std::optional<int> step;  ///< of training, when its name tells
  std::string model_hash;   ///< SHA-256 in hexadecimal
  Dynamics dynamics;
};

/// One claim of arXiv 2509.23314 held against measurements.
struct Finding {
  std::string id;
  std::string title;
  std::string paper;
  std::string here;  ///< the numbers in a sentence
  std::vector<Evidence> evidence;
  Verdict verdict = Verdict::unclear;
};

/// Of the last checkpoint, and of the way from the first to it, which ran over the same windows.
std::vector<Finding> findings_of(const ModelSpec& spec, std::span<const StudiedCheckpoint> checkpoints);

}  // namespace gyre
