#include <fmt/format.h>

#include <cstdint>
#include <filesystem>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "cli/commands.hpp"
#include "text/tokenizer.hpp"

namespace gyre::cli {
namespace {

struct TokenizeOptions {
  std::string file;
  std::string text;
  bool lower_case = false;
  bool surround = false;
  bool json_lines = false;
};

Tokenizer load_tokenizer(const TokenizeOptions& options) {
  std::filesystem::path file = options.file;
  if (std::filesystem::is_directory(file)) file /= "tokenizer.json";
  if (file.extension() == ".txt") return Tokenizer::load_wordpiece(file, options.lower_case);
  return Tokenizer::load(file);
}

std::vector<std::int32_t> tokens_of(const Tokenizer& tokenizer, const std::string& text, bool surround) {
  std::vector<std::int32_t> tokens = tokenizer.encode(text);
  if (!surround) return tokens;
  tokens.insert(tokens.begin(), tokenizer.prefix_tokens().begin(), tokenizer.prefix_tokens().end());
  tokens.insert(tokens.end(), tokenizer.suffix_tokens().begin(), tokenizer.suffix_tokens().end());
  return tokens;
}

/// JSON that is always valid: bytes that are no character become U+FFFD.
std::string line_of(const nlohmann::json& json) {
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void run_lines(const TokenizeOptions& options, const Tokenizer& tokenizer) {
  std::string line;
  for (int number = 1; std::getline(std::cin, line); ++number) {
    const nlohmann::json json = nlohmann::json::parse(line, nullptr, false);
    if (!json.is_string()) throw Error("standard input, line {}: expected text in JSON", number);
    nlohmann::json result;
    try {
      const std::vector<std::int32_t> tokens = tokens_of(tokenizer, json.get<std::string>(), options.surround);
      result = {{"ids", tokens}, {"text", tokenizer.decode(tokens)}};
    } catch (const Error& error) {
      result = {{"error", error.what()}};
    }
    fmt::print("{}\n", line_of(result));
  }
}

void run(const TokenizeOptions& options) {
  const Tokenizer tokenizer = load_tokenizer(options);
  if (options.json_lines) {
    run_lines(options, tokenizer);
    return;
  }
  for (const std::int32_t token : tokens_of(tokenizer, options.text, options.surround)) {
    fmt::print("{:>7}  {}\n", token, line_of(tokenizer.piece(token)));
  }
}

}  // namespace

void add_tokenize(CLI::App& program) {
  auto options = std::make_shared<TokenizeOptions>();
  CLI::App* command = program.add_subcommand("tokenize", "The tokens of a text, one a line: id and bytes");
  command->add_option("-t,--tokenizer", options->file, "tokenizer.json, a folder that holds one, or BERT's vocab.txt")
      ->required();
  command->add_option("text", options->text, "The text");
  command->add_flag("--lower-case", options->lower_case, "With vocab.txt: the vocabulary is of lower case");
  command->add_flag("--surround", options->surround, "Add the tokens that the model wants around a text");
  command->add_flag(
      "--json-lines", options->json_lines,
      "Read texts from standard input, each a line of JSON; write their ids and the text these decode to");
  command->footer("Example:\n  gyre tokenize -t models/shakespeare \"ROMEO: what light\"");
  command->callback([options] { run(*options); });
}

}  // namespace gyre::cli
