#include "fuzz/targets.hpp"
#include "model/language.hpp"
#include "text/chat_template.hpp"

namespace gyre::fuzz {
namespace {

/// Scripts, spaces of all kinds, characters of several forms, what vocabularies use for themselves, a long word.
constexpr std::string_view kTexts[] = {
    "", "The loop  runs 12345 times, doesn't it?\r\n\tYes.",
    "caf\u00e9 cafe\u0301 \u0130\u00df \ufb01n \u1e9b\u0323 \ufdfa \uac00 \u6771\u4eac \u0e01\u0e33 "
    "\U0001F468\u200d\U0001F469",
    " \u00a0\u2003\u180e\u2028 \u2581\u2581 <0x41> <s></s> [MASK] ##ing \x01\x7f",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"};

constexpr std::string_view kGguf = "GGUF";

/// Names of so many tokens are put into a text.
constexpr int kMostNames = 64;

Language load(const InputFolder& folder, Bytes input) {
  const std::string_view text = text_of(input);
  if (text.starts_with(kGguf)) return load_language(folder.add("model.gguf", text));
  if (text.starts_with('{')) {
    folder.add("tokenizer.json", text);
    return load_language(folder.path());
  }
  return {Tokenizer::load_wordpiece(folder.add("vocab.txt", text), true), {}};
}

void check_text(const Tokenizer& tokenizer, std::string_view text) {
  const std::vector<std::int32_t> tokens = tokenizer.encode(text);
  StreamDecoder stream(tokenizer);
  for (const std::int32_t token : tokens) {
    require(token >= 0 && token < tokenizer.size(), "a text becomes tokens of the vocabulary");
    static_cast<void>(stream.push(token));
  }
  static_cast<void>(stream.flush());
  static_cast<void>(tokenizer.decode(tokens));
}

/// A tokenizer that is written and read again gives the same tokens.
void check_written(const Tokenizer& tokenizer) {
  const Tokenizer written = Tokenizer::parse(tokenizer.file_text(), "written");
  require(written.size() == tokenizer.size(), "a tokenizer that was written has the same tokens");
  for (std::int32_t token = 0; token < tokenizer.size(); ++token) {
    require(written.piece(token) == tokenizer.piece(token), "tokens that were written stand for the same");
  }
}

}  // namespace

void tokenizer(Bytes input) {
  const InputFolder folder;
  attempt([&] {
    const Language language = load(folder, input);
    const Tokenizer& tokenizer = language.tokenizer;
    for (const std::string_view text : kTexts) attempt([&] { check_text(tokenizer, text); });
    std::string names;
    std::vector<std::int32_t> all;
    for (std::int32_t token = 0; token < tokenizer.size(); ++token) {
      all.push_back(token);
      if (token < kMostNames) names += tokenizer.piece(token);
    }
    attempt([&] { check_text(tokenizer, names); });
    static_cast<void>(tokenizer.decode(all));
    check_written(tokenizer);
    if (!text_of(input).starts_with(kGguf)) return;
    static_cast<void>(load_chat_template(folder.path() / "model.gguf", tokenizer));
  });
}

}  // namespace gyre::fuzz
