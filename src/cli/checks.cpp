#include "cli/checks.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <filesystem>
#include <optional>
#include <string>

#include "base/processors.hpp"

namespace gyre::cli {
namespace {

constexpr int kMostThreads = 1024;

template <typename Number>
std::optional<Number> parse(const std::string& text) {
  Number value{};
  const auto [stop, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || stop != text.data() + text.size()) return {};
  return value;
}

/// "of at least 1", "from 2 to 16".
template <typename Number>
std::string bounds(Number least, Number most, Number unbounded) {
  return most >= unbounded ? fmt::format("of at least {}", least) : fmt::format("from {} to {}", least, most);
}

}  // namespace

CLI::Validator whole_number(std::int64_t least, std::int64_t most) {
  const std::string wanted = bounds(least, most, std::int64_t{std::numeric_limits<int>::max()});
  const auto check = [=](const std::string& text) -> std::string {
    const auto value = parse<std::int64_t>(text);
    if (value && *value >= least && *value <= most) return {};
    return fmt::format("\"{}\" is no whole number {}", text, wanted);
  };
  return {check,
          most >= std::numeric_limits<int>::max() ? fmt::format("≥ {}", least) : fmt::format("{} to {}", least, most)};
}

CLI::Validator number(double least, double most) {
  const auto check = [=](const std::string& text) -> std::string {
    const auto value = parse<double>(text);
    if (value && std::isfinite(*value) && *value >= least && *value <= most) return {};
    return fmt::format("\"{}\" is no number from {} to {}", text, least, most);
  };
  return {check, fmt::format("{} to {}", least, most)};
}

CLI::Validator seed_number() {
  const auto check = [](const std::string& text) -> std::string {
    if (parse<std::uint64_t>(text)) return {};
    return fmt::format("\"{}\" is no seed; give a whole number from 0 to {}", text,
                       std::numeric_limits<std::uint64_t>::max());
  };
  return {check, "0 to 2^64 - 1"};
}

CLI::Validator some_text() {
  return {[](const std::string& text) { return text.empty() ? std::string("the text is empty") : std::string(); }, ""};
}

CLI::Option* add_threads_option(CLI::App& command, int& threads) {
  return command.add_option("--threads", threads, "Threads (default: the processors that this process may use)")
      ->check(whole_number(1, kMostThreads))
      ->each([](const std::string& text) {
        const int processors = usable_processors();
        if (parse<int>(text).value_or(0) <= processors) return;
        fmt::print(stderr,
                   "gyre: --threads {} is more than the {} processor{} this process may use; fewer are faster\n", text,
                   processors, processors == 1 ? "" : "s");
      });
}

void check_out_file(const std::string& out) {
  const std::filesystem::path path(out);
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  if (!std::filesystem::is_directory(folder)) {
    throw Error("--out: there is no folder {}; make it first", folder.string());
  }
  if (!path.has_filename() || (std::filesystem::exists(path) && !std::filesystem::is_regular_file(path))) {
    throw Error("--out: {} is not a file", out);
  }
}

}  // namespace gyre::cli
