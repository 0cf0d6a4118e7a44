#include <fmt/format.h>

#include <cstdint>
#include <filesystem>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/file.hpp"
#include "cli/commands.hpp"
#include "model/language.hpp"
#include "text/tokenizer.hpp"

namespace gyre::cli {
namespace {

struct TokenizeOptions {
  std::string file;
  std::string text;
  bool lower_case = false;
  bool surround = false;
  bool json = false;
  bool json_lines = false;
};

/// Whether a file is a model of its own, with a tokenizer in it.
bool is_gguf(const std::filesystem::path& file) {
  return file.extension() == ".gguf" || MappedFile(file).text().starts_with("GGUF");
}

Tokenizer load_tokenizer(const TokenizeOptions& options) {
  const std::filesystem::path file = options.file;
  if (file.extension() == ".txt") return Tokenizer::load_wordpiece(file, options.lower_case);
  if (options.lower_case) throw Error("--lower-case goes with a vocab.txt; {} says itself what it does", file.string());
  if (std::filesystem::is_directory(file) || is_gguf(file)) return load_language(file).tokenizer;
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

void run_text(const TokenizeOptions& options, const Tokenizer& tokenizer) {
  const std::vector<std::int32_t> tokens = tokens_of(tokenizer, options.text, options.surround);
  if (options.json) {
    std::vector<std::string> pieces;
    for (const std::int32_t token : tokens) pieces.push_back(tokenizer.piece(token));
    fmt::print("{}\n", line_of({{"ids", tokens}, {"pieces", pieces}, {"text", tokenizer.decode(tokens)}}));
    return;
  }
  for (const std::int32_t token : tokens) fmt::print("{:>7}  {}\n", token, line_of(tokenizer.piece(token)));
}

void run(const TokenizeOptions& options, bool has_text) {
  if (has_text && options.json_lines) throw Error("a text and --json-lines: give one of the two");
  if (!has_text && !options.json_lines) {
    throw Error("no text; give one, or --json-lines for texts from standard input");
  }
  const Tokenizer tokenizer = load_tokenizer(options);
  options.json_lines ? run_lines(options, tokenizer) : run_text(options, tokenizer);
}

}  // namespace

void add_tokenize(CLI::App& program) {
  auto options = std::make_shared<TokenizeOptions>();
  CLI::App* command = program.add_subcommand("tokenize", "The tokens of a text, one a line: id and bytes");
  command
      ->add_option("-t,--tokenizer", options->file,
                   "A model folder or GGUF file, a tokenizer.json by itself, or BERT's vocab.txt")
      ->required();
  CLI::Option* text = command->add_option("text", options->text, "The text");
  command->add_flag("--lower-case", options->lower_case, "With vocab.txt: the vocabulary is of lower case");
  command->add_flag("--surround", options->surround, "Add the tokens that the model wants around a text");
  CLI::Option* json = command->add_flag("--json", options->json, "Print JSON: ids, bytes, and the text they decode to");
  command
      ->add_flag("--json-lines", options->json_lines,
                 "Read texts from standard input, each a line of JSON; write their ids and the text these decode to")
      ->excludes(json);
  command->footer("Example:\n  gyre tokenize -t models/shakespeare \"ROMEO: what light\"");
  command->callback([options, text] { run(*options, text->count() > 0); });
}

}  // namespace gyre::cli
