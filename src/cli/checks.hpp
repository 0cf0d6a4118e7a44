#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <limits>
#include <string>

#include "base/error.hpp"

namespace gyre::cli {

/// What a flag may be given. Each says in one line what it was given and what would be right.
CLI::Validator whole_number(std::int64_t least, std::int64_t most = std::numeric_limits<int>::max());
/// Neither NaN nor infinite.
CLI::Validator number(double least, double most);
/// A seed of 64 bits: digits alone, so that results state the seed that was given.
CLI::Validator seed_number();
/// Anything but the empty text (an unset variable of a script).
CLI::Validator some_text();

/// A file to write, --out: throws Error before the work when its folder is not there, or the name is no file's.
void check_out_file(const std::string& out);

/// What `parse(text, flag)` takes, so that a wrong name is refused before a model is read.
template <typename Parse>
CLI::Validator known_to(Parse parse, std::string flag) {
  return {[parse, flag = std::move(flag)](std::string& text) -> std::string {
            try {
              parse(text, flag);
            } catch (const Error& failure) {
              return std::string(failure.what()).substr(flag.size() + 2);  // the parser of flags names it too
            }
            return {};
          },
          ""};
}

/// --threads; warns of more threads than the processors that this process may use.
CLI::Option* add_threads_option(CLI::App& command, int& threads);

}  // namespace gyre::cli
