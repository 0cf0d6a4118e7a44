#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "cli/options.hpp"
#include "study/study_files.hpp"

namespace gyre::cli {

/// The command that does a measurement again, quoted for a POSIX shell: with every flag that its numbers depend on.
class CommandLine {
 public:
  /// With the instruction set in front where the environment names one.
  explicit CommandLine(std::string_view command);

  template <typename Value>
  void add(std::string_view flag, const Value& value) {
    text_ += fmt::format(" {} {}", flag, shell_word(fmt::format("{}", value)));
  }
  void add_flag(std::string_view flag) { text_ += fmt::format(" {}", flag); }
  /// How the model is run; not which model.
  void add_run(const RunOptions& run);

  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
};

}  // namespace gyre::cli
