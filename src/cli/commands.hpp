#pragma once

#include <CLI/CLI.hpp>

namespace gyre::cli {

// Each adds one subcommand: its flags, its help with examples, and the call that runs it.
void add_generate(CLI::App& program);
void add_eval(CLI::App& program);
void add_calibrate(CLI::App& program);
void add_train_exit(CLI::App& program);
void add_study(CLI::App& program);
void add_study_blocks(CLI::App& study);
void add_info(CLI::App& program);
void add_bench(CLI::App& program);
void add_train(CLI::App& program);
void add_grpo(CLI::App& program);
void add_judge(CLI::App& program);
void add_convert(CLI::App& program);
void add_quantize(CLI::App& program);
void add_pull(CLI::App& program);
void add_tokenize(CLI::App& program);
void add_embed(CLI::App& program);
void add_serve(CLI::App& program);

// And one command below `gyre study` each.
void add_study_exits(CLI::App& study);

}  // namespace gyre::cli
