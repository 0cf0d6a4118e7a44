#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/file.hpp"
#include "format/json_object.hpp"
#include "scratch_folder.hpp"
#include "text/gguf_vocabulary.hpp"
#include "text/tokenizer.hpp"
#include "text/utf8.hpp"

namespace gyre::tokenizer_families_test {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using Tokens = std::vector<std::int32_t>;

fs::path golden(const std::string& name) { return fs::path(GYRE_TEST_DIR) / "text" / "golden" / name; }

Tokens surrounded(const Tokenizer& tokenizer, const std::string& text) {
  Tokens tokens = tokenizer.prefix_tokens();
  const Tokens inner = tokenizer.encode(text);
  tokens.insert(tokens.end(), inner.begin(), inner.end());
  tokens.insert(tokens.end(), tokenizer.suffix_tokens().begin(), tokenizer.suffix_tokens().end());
  return tokens;
}

/// Valid UTF-8 as Python shows bytes that are none.
std::string shown(std::string_view bytes) {
  std::string text;
  while (!bytes.empty()) {
    const Utf8Step step = read_utf8(bytes);
    append_utf8(text, step.code_point);
    bytes.remove_prefix(step.length);
  }
  return text;
}

TEST(TokenizerFamilies, GiveTheIdsAndTextsOfThePythonPackage) {
  const Json file = load_json(golden("families.json"));
  const auto texts = file["texts"].get<std::vector<std::string>>();
  for (const Json& entry : file["cases"]) {
    const auto name = entry["file"].get<std::string>();
    const Tokenizer tokenizer = Tokenizer::load(golden(name));
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const auto ids = entry["ids"][i].get<Tokens>();
      EXPECT_EQ(surrounded(tokenizer, texts[i]), ids) << name << ": " << texts[i];
      EXPECT_EQ(shown(tokenizer.decode(ids)), entry["texts"][i].get<std::string>()) << name << ": " << texts[i];
    }
  }
}

TEST(TokenizerFamilies, SavingAndLoadingKeepsTheIds) {
  const ScratchFolder folder;
  const Json file = load_json(golden("families.json"));
  for (const Json& entry : file["cases"]) {
    const Tokenizer first = Tokenizer::load(golden(entry["file"].get<std::string>()));
    first.save(folder / "copy.json");
    const Tokenizer second = Tokenizer::load(folder / "copy.json");
    for (const Json& text : file["texts"]) {
      EXPECT_EQ(surrounded(first, text.get<std::string>()), surrounded(second, text.get<std::string>()));
    }
  }
}

TEST(TokenizerFamilies, BertReadsItsVocabTxtLikeItsTokenizerJson) {
  const Tokenizer whole = Tokenizer::load(golden("word_piece.json"));
  const Tokenizer plain = Tokenizer::load_wordpiece(golden("word_piece.txt"), true);
  const Json file = load_json(golden("families.json"));
  for (const Json& text : file["texts"]) {
    EXPECT_EQ(surrounded(plain, text.get<std::string>()), surrounded(whole, text.get<std::string>()));
  }
}

TEST(TokenizerFamilies, ABrokenVocabTxtIsAnError) {
  const ScratchFolder folder;
  const auto error_of = [&](const std::string& text) -> std::string {
    write_text_atomically(folder / "vocab.txt", text);
    try {
      Tokenizer::load_wordpiece(folder / "vocab.txt", true);
    } catch (const Error& error) {
      const std::string message = error.what();
      return message.substr(message.find("vocab.txt"));
    }
    return "no error";
  };
  EXPECT_EQ(error_of("[UNK]\na\nb\n"), "no error");
  EXPECT_EQ(error_of("a\nb\n"), "vocab.txt: the token \"[UNK]\" is missing; add it");
  EXPECT_EQ(error_of("[UNK]\na\na\n"), "vocab.txt, line 3: \"a\" stands on line 2 already; remove one");
  EXPECT_EQ(error_of("[UNK]\n\xFF\n").substr(0, 20), "vocab.txt: byte 0xff");
}

TEST(TokenizerFamilies, APieceIsWhatATokenAddsInsideAText) {
  const Tokenizer tokenizer = Tokenizer::load(golden("byte_fallback.json"));
  const Tokens tokens = tokenizer.encode("a \U0001F44D");
  EXPECT_EQ(tokenizer.piece(tokens.front()).front(), ' ');
  EXPECT_EQ(tokenizer.piece(tokens.back()), "\x8D");
  EXPECT_EQ(tokenizer.decode(tokens), "a \U0001F44D");
  StreamDecoder decoder(tokenizer);
  std::string text;
  for (const std::int32_t token : tokens) text += decoder.push(token);
  EXPECT_EQ(text + decoder.flush(), " a \U0001F44D");
}

TEST(TokenizerFamilies, BytesThatFormNoCharacterBecomeOneReplacementEach) {
  const Tokenizer tokenizer = Tokenizer::load(golden("byte_fallback.json"));
  Tokens tokens = tokenizer.encode("\U0001F44D");
  tokens.pop_back();
  EXPECT_EQ(tokenizer.decode(tokens), "\uFFFD\uFFFD\uFFFD");
}

GgufVocabulary sentence_pieces() {
  const Json json = load_json(golden("families.json"))["sentence_pieces"];
  GgufVocabulary vocabulary;
  vocabulary.model = "llama";
  vocabulary.tokens = json["tokens"].get<std::vector<std::string>>();
  vocabulary.scores = json["scores"].get<std::vector<float>>();
  vocabulary.types = json["types"].get<std::vector<int>>();
  vocabulary.add_bos = true;
  vocabulary.bos = 1;
  vocabulary.eos = 2;
  vocabulary.unknown = 0;
  return vocabulary;
}

TEST(GgufVocabulary, ScoresMergeAsInSentencePiece) {
  const Json json = load_json(golden("families.json"))["sentence_pieces"];
  const Tokenizer tokenizer = from_gguf_vocabulary(sentence_pieces(), "m.gguf");
  EXPECT_EQ(tokenizer.prefix_tokens(), (Tokens{1}));
  for (std::size_t i = 0; i < json["texts"].size(); ++i) {
    const auto text = json["texts"][i].get<std::string>();
    EXPECT_EQ(tokenizer.encode(text), json["ids"][i].get<Tokens>()) << text;
    const bool has_mark = text.find("\u2581") != std::string::npos;  // which then reads as a space
    if (!has_mark) {
      EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), text);
    }
  }
  EXPECT_EQ(tokenizer.encode("</s>"), (Tokens{2}));
}

/// GPT-2's alphabet and two merges over it.
GgufVocabulary byte_pairs(const std::string& pre) {
  GgufVocabulary vocabulary;
  vocabulary.model = "gpt2";
  vocabulary.pre = pre;
  const Json file = load_json(golden("bytes.json"));
  for (const auto& [name, id] : file["model"]["vocab"].items()) vocabulary.tokens.push_back(name);
  vocabulary.types.assign(vocabulary.tokens.size(), 1);
  for (const char* name : {"12", "123", "<|end|>"}) vocabulary.tokens.emplace_back(name);
  vocabulary.types.insert(vocabulary.types.end(), {1, 1, 3});
  vocabulary.merges = {"1 2", "12 3"};
  return vocabulary;
}

TEST(GgufVocabulary, TheNameOfThePreTokenizerSaysHowDigitsAreCut) {
  const std::vector<std::pair<std::string, std::size_t>> expected = {{"gpt-2", 1}, {"smollm", 3}, {"llama-bpe", 1},
                                                                     {"qwen2", 3}, {"olmo", 1},   {"default", 1}};
  for (const auto& [pre, count] : expected) {
    GgufVocabulary vocabulary = byte_pairs(pre);
    vocabulary.add_bos = false;
    const Tokenizer tokenizer = from_gguf_vocabulary(vocabulary, "m.gguf");
    EXPECT_EQ(tokenizer.encode("123").size(), count) << pre;
    EXPECT_EQ(tokenizer.encode("a<|end|>").size(), 2U) << pre;
    EXPECT_EQ(tokenizer.decode(tokenizer.encode("It's 123 caf\u00e9\n\n")), "It's 123 caf\u00e9\n\n") << pre;
  }
}

TEST(GgufVocabulary, BertTokensAreTurnedBackIntoThoseOfVocabTxt) {
  GgufVocabulary vocabulary;
  vocabulary.model = "bert";
  vocabulary.tokens = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "\u2581un", "aff", "able"};
  vocabulary.types = {3, 3, 3, 3, 1, 1, 1};
  const Tokenizer tokenizer = from_gguf_vocabulary(vocabulary, "m.gguf");
  EXPECT_EQ(surrounded(tokenizer, "UNaffable aff"), (Tokens{2, 4, 5, 6, 1, 3}));
}

TEST(GgufVocabulary, WhatStandsAroundATextFollowsThePreTokenizerUnlessKeysSaySo) {
  const auto around = [](GgufVocabulary vocabulary) {
    vocabulary.bos = 4;
    vocabulary.eos = 5;
    return surrounded(from_gguf_vocabulary(vocabulary, "m.gguf"), "123");
  };
  const Tokens plain = from_gguf_vocabulary(byte_pairs("gpt-2"), "m.gguf").encode("123");
  ASSERT_EQ(plain.size(), 1U);
  for (const char* pre :
       {"llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano"}) {
    EXPECT_EQ(around(byte_pairs(pre)), (Tokens{4, plain[0]})) << pre;
  }
  EXPECT_EQ(around(byte_pairs("tekken")).front(), 4);
  for (const char* pre : {"gpt-2", "qwen2", "smollm", "dbrx", "default"})
    EXPECT_NE(around(byte_pairs(pre)).front(), 4) << pre;
  GgufVocabulary vocabulary = byte_pairs("llama-bpe");
  vocabulary.add_bos = false;
  vocabulary.add_eos = true;
  EXPECT_EQ(around(vocabulary), (Tokens{plain[0], 5}));
}

TEST(GgufVocabulary, SentencePiecesWithoutKeysHaveTheIdsOfLlama) {
  GgufVocabulary vocabulary = sentence_pieces();
  vocabulary.add_bos.reset();
  vocabulary.bos = vocabulary.eos = vocabulary.unknown = -1;
  const GgufVocabulary known = gguf_defaults(vocabulary, "m.gguf");
  EXPECT_EQ((std::vector<int>{known.bos, known.eos, known.unknown}), (std::vector<int>{1, 2, 0}));
  EXPECT_TRUE(*known.add_bos);
  EXPECT_FALSE(*known.add_eos);
  EXPECT_EQ(from_gguf_vocabulary(vocabulary, "m.gguf").prefix_tokens(), (Tokens{1}));
  EXPECT_EQ(from_gguf_vocabulary(vocabulary, "m.gguf").suffix_tokens(), Tokens{});
  vocabulary.tokens.resize(1);
  vocabulary.scores.resize(1);
  vocabulary.types.resize(1);
  EXPECT_EQ(gguf_defaults(vocabulary, "m.gguf").bos, -1);  // there is no such token
}

TEST(GgufVocabulary, BertKeysOverrideWhatItsNamesSay) {
  GgufVocabulary vocabulary;
  vocabulary.model = "bert";
  vocabulary.tokens = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "\u2581un", "aff", "able"};
  vocabulary.types = {3, 3, 3, 3, 1, 1, 1};
  vocabulary.bos = 5;
  vocabulary.sep = 6;
  EXPECT_EQ(surrounded(from_gguf_vocabulary(vocabulary, "m.gguf"), "un"), (Tokens{5, 4, 6}));
  vocabulary.add_bos = false;
  EXPECT_EQ(surrounded(from_gguf_vocabulary(vocabulary, "m.gguf"), "UN"), (Tokens{4, 6}));
  vocabulary.add_sep = false;
  EXPECT_EQ(surrounded(from_gguf_vocabulary(vocabulary, "m.gguf"), "un"), (Tokens{4}));
  vocabulary.lower_case = false;
  EXPECT_EQ(surrounded(from_gguf_vocabulary(vocabulary, "m.gguf"), "UN"), (Tokens{1}));
}

TEST(GgufVocabulary, WhatIsBrokenIsNamed) {
  const auto error_of = [](const GgufVocabulary& vocabulary) -> std::string {
    try {
      static_cast<void>(from_gguf_vocabulary(vocabulary, "m.gguf"));
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  const auto changed = [&](auto change) {
    GgufVocabulary vocabulary = byte_pairs("gpt-2");
    change(vocabulary);
    return error_of(vocabulary);
  };
  EXPECT_EQ(changed([](auto& v) { v.model = "t5"; }),
            "m.gguf: tokenizer.ggml.model is \"t5\"; choose one of gpt2, llama, bert");
  EXPECT_EQ(changed([](auto& v) { v.pre = "other"; }).substr(0, 46),
            "m.gguf: tokenizer.ggml.pre is \"other\"; choose ");
  EXPECT_EQ(changed([](auto& v) { v.tokens.clear(); }), "m.gguf: tokenizer.ggml.tokens holds 0 tokens; give some");
  EXPECT_EQ(changed([](auto& v) { v.types.pop_back(); }),
            "m.gguf: tokenizer.ggml.token_type has 258 values for 259 tokens; give one for each");
  EXPECT_EQ(changed([](auto& v) { v.types[3] = 9; }),
            "m.gguf: tokenizer.ggml.token_type[3] is 9; it must lie between 1 and 6");
  EXPECT_EQ(changed([](auto& v) { v.bos = 259; }),
            "m.gguf: tokenizer.ggml.bos_token_id is 259; it must lie between 0 and 258");
  EXPECT_EQ(changed([](auto& v) { v.merges[1] = "12"; }),
            "m.gguf: tokenizer.ggml.merges[1]: expected two tokens with a space between them");
  EXPECT_EQ(changed([](auto& v) { v.merges[1] = ""; }),
            "m.gguf: tokenizer.ggml.merges[1]: expected two tokens with a space between them");
  EXPECT_EQ(changed([](auto& v) { v.merges[1] = "1 3"; }),
            "m.gguf: tokenizer.ggml.merges[1]: the token \"13\" is not in tokenizer.ggml.tokens; add it there");
  EXPECT_EQ(changed([](auto& v) { v.tokens[0] = "\xFF"; }).substr(0, 45),
            "m.gguf: tokenizer.ggml.tokens[0]: byte 0xff a");
  EXPECT_EQ(changed([](auto& v) { v.add_bos = true; }),
            "m.gguf: tokenizer.ggml.add_bos_token is true, but tokenizer.ggml.bos_token_id is missing; give it");
  EXPECT_EQ(changed([](auto& v) { v.add_eos = true; }),
            "m.gguf: tokenizer.ggml.add_eos_token is true, but tokenizer.ggml.eos_token_id is missing; give it");
  EXPECT_EQ(
      changed([](auto& v) { v.pre = "llama-bpe"; }),
      "m.gguf: tokenizer.ggml.bos_token_id is missing, and texts of the model \"gpt2\" (llama-bpe) are given that "
      "token");
}

}  // namespace
}  // namespace gyre::tokenizer_families_test
