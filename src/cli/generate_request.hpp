#pragma once

#include <string>
#include <vector>

#include "cli/options.hpp"
#include "engine/generate.hpp"

namespace gyre::cli {

/// What `gyre generate` was asked for.
struct GenerateRequest {
  RunOptions run;
  std::string prompt;
  std::string prompt_file;
  bool chat = false;
  std::string system;
  std::string messages_file;
  std::vector<std::string> template_arguments;
  std::string exit = "fixed";
  std::string draft;
  std::string diffusion;
  std::vector<std::string> bias;
  std::string exit_prompt = "last";
  bool whole_prompt = false;
  GenerateOptions generate;
  bool ignore_end = false;
  int context = 0;
  std::string color = "auto";
};

void run_generate(GenerateRequest& request);

}  // namespace gyre::cli
