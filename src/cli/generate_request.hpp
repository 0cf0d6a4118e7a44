#pragma once

#include <string>
#include <vector>

#include "cli/options.hpp"
#include "gyre/gyre.hpp"

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
  api::SequenceOptions sequence = {.exit = "fixed"};
  api::GenerateOptions generate;
  std::vector<std::string> bias;
  std::string color = "auto";
};

void run_generate(GenerateRequest& request);

}  // namespace gyre::cli
