#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "model/checkpoint.hpp"
#include "tune/grpo/grpo_config.hpp"

namespace gyre {

/// A prompt that completions are drawn for, with what its line says beside it.
struct GrpoPrompt {
  std::string text;  ///< as the line has it, or its conversation as JSON
  std::vector<std::int32_t> tokens;
  nlohmann::json columns;
  std::string group;  ///< as in Example
  int line = 0;
};

struct GrpoPrompts {
  std::vector<GrpoPrompt> training;
  std::vector<GrpoPrompt> validation;  ///< without repeats
  std::string sha256;                  ///< of the file
};

/// Reads JSON lines: a prompt under config.prompt_key, or a conversation under "messages", which the model's chat
/// template writes. Throws Error naming the line that has neither or both, that is blank, or whose prompt leaves no
/// room in the context.
GrpoPrompts read_grpo_prompts(const std::filesystem::path& file, const GrpoConfig& config, bool chat,
                              const Checkpoint& checkpoint);

/// The prompts of a step (from 1): passes over all of them in an order drawn anew for each.
std::vector<std::size_t> prompts_of_step(std::size_t prompts, int a_step, int step, std::uint64_t seed);

/// Tokens of a completion that hold a character of one of the phrases.
std::vector<bool> planning_tokens(const std::vector<std::int32_t>& tokens, const Tokenizer& tokenizer,
                                  const std::vector<std::string>& phrases);

}  // namespace gyre
