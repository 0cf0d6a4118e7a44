#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "study/dynamics.hpp"

namespace gyre {

/// One model of a study: several checkpoints of one training run make "across training".
struct StudiedCheckpoint {
  std::string path;
  std::optional<int> step;  ///< of training, when its name tells
  std::string model_hash;   ///< SHA-256 in hexadecimal
  Dynamics dynamics;
};

/// One number that speaks for or against a claim.
struct Evidence {
  std::string group;
  double value = 0;
  double least = -std::numeric_limits<double>::infinity();  ///< the claim holds from here
  double most = std::numeric_limits<double>::infinity();    ///< to here, both ends included
  bool beyond = false;                                      ///< the lower end is not included
  std::int64_t tokens = 0;                                  ///< behind the value

  [[nodiscard]] bool there() const;
  [[nodiscard]] bool speaks_for() const;
};

enum class Verdict { holds, does_not_hold, unclear };
std::string_view name_of(Verdict verdict);

/// A claim about every group fails with one of them; it holds when all evidence speaks for it, and is unclear without
/// any or while some is missing.
Verdict verdict_of(std::span<const Evidence> evidence);

/// One claim of arXiv 2509.23314 held against measurements.
struct Finding {
  std::string id;
  std::string title;
  std::string paper;
  std::string here;  ///< the numbers in a sentence
  std::vector<Evidence> evidence;
  Verdict verdict = Verdict::unclear;
};

/// Of the last checkpoint, and of the way from the first to it. Values are medians over tokens.
std::vector<Finding> findings_of(const ModelSpec& spec, std::span<const StudiedCheckpoint> checkpoints);

/// Of the turns that a path makes inside a group, in its plane, the share that goes the commoner way; nothing when it
/// turns less than twice there.
std::optional<double> turning_share(const Trajectory& trajectory, int group);

}  // namespace gyre
