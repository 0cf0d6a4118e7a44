#include "text/tokenizer_file.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/file.hpp"
#include "format/json_object.hpp"
#include "scratch_folder.hpp"
#include "text/tokenizer.hpp"

namespace gyre::tokenizer_file_test {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using Tokens = std::vector<std::int32_t>;

fs::path golden(const std::string& name) { return fs::path(GYRE_TEST_DIR) / "text" / "golden" / name; }

TEST(TokenizerFile, GivesTheIdsOfThePythonPackage) {
  const Json cases = load_json(golden("cases.json"));
  const auto texts = cases["texts"].get<std::vector<std::string>>();
  for (const Json& entry : cases["cases"]) {
    const auto file = entry["file"].get<std::string>();
    const Tokenizer tokenizer = Tokenizer::load(golden(file));
    for (std::size_t i = 0; i < texts.size(); ++i) {
      EXPECT_EQ(tokenizer.encode(texts[i]), entry["ids"][i].get<Tokens>()) << file << ", text " << i;
      EXPECT_EQ(tokenizer.decode(entry["ids"][i].get<Tokens>()), texts[i]) << file << ", text " << i;
    }
  }
}

TEST(TokenizerFile, TrainingLearnsTheMergesOfThePythonPackage) {
  const ScratchFolder folder;
  const Json cases = load_json(golden("cases.json"));
  Tokenizer::train_bpe(cases["training_text"].get<std::string>(), 400).save(folder / "trained.json");
  const Json made = load_json(folder / "trained.json")["model"];
  const Json expected = load_json(golden("trained.json"))["model"];
  EXPECT_EQ(made["vocab"], expected["vocab"]);
  EXPECT_EQ(made["merges"], expected["merges"]);
}

TEST(TokenizerFile, SavingAndLoadingKeepsTheIds) {
  const ScratchFolder folder;
  const Json cases = load_json(golden("cases.json"));
  const auto texts = cases["texts"].get<std::vector<std::string>>();
  for (const Json& entry : cases["cases"]) {
    const Tokenizer first = Tokenizer::load(golden(entry["file"].get<std::string>()));
    first.save(folder / "copy.json");
    const Tokenizer second = Tokenizer::load(folder / "copy.json");
    ASSERT_EQ(first.size(), second.size());
    for (std::int32_t id = 0; id < first.size(); ++id) EXPECT_EQ(first.piece(id), second.piece(id));
    for (const std::string& text : texts) EXPECT_EQ(first.encode(text), second.encode(text));
  }
}

/// A small file in the older form: no type, merges as text, empty affixes, a special token in the vocabulary.
Json small_file() {
  return Json::parse(R"json({
    "version": "1.0", "truncation": null, "padding": null, "normalizer": null,
    "added_tokens": [
      {"id": 5, "content": "<|end|>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
       "special": true},
      {"id": 6, "content": "<|end|>>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
       "special": true}],
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true},
    "post_processor": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false},
    "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true},
    "model": {"dropout": null, "unk_token": null, "continuing_subword_prefix": "", "end_of_word_suffix": "",
              "fuse_unk": false, "vocab": {"a": 0, "b": 1, "\u0120": 2, "ab": 3, "\u0120ab": 4, "<|end|>": 5},
              "merges": ["a b", "\u0120 ab"]}})json");
}

Tokenizer load_text(const std::string& text) {
  const ScratchFolder folder;
  write_text_atomically(folder / "t.json", text);
  return Tokenizer::load(folder / "t.json");
}

/// The message of loading the small file after `change`, without the folder in front of the file name.
std::string error_after(const std::function<void(Json&)>& change) {
  Json file = small_file();
  change(file);
  try {
    load_text(file.dump());
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_EQ(message.find('\n'), std::string::npos);
    return message.substr(message.find("t.json"));
  }
  return "no error";
}

TEST(TokenizerFile, ReadsTheOlderForm) {
  const Tokenizer tokenizer = load_text(small_file().dump());
  EXPECT_EQ(tokenizer.encode("ab abba"), (Tokens{3, 4, 1, 0}));
}

TEST(TokenizerFile, AddedTokensAreMatchedWholeAndTheLongestWins) {
  const Tokenizer tokenizer = load_text(small_file().dump());
  EXPECT_EQ(tokenizer.encode("ab<|end|>ab<|end|>>a"), (Tokens{3, 5, 3, 6, 0}));
  EXPECT_EQ(tokenizer.decode(Tokens{4, 6}), " ab<|end|>>");
  EXPECT_EQ(tokenizer.added_token("<|end|>"), 5);
  EXPECT_EQ(tokenizer.added_token("ab"), std::nullopt);
}

TEST(TokenizerFile, IgnoreMergesTakesAWordOfTheVocabularyWhole) {
  Json file = small_file();
  file["model"]["merges"] = Json::array();
  EXPECT_EQ(load_text(file.dump()).encode("ab"), (Tokens{0, 1}));
  file["model"]["ignore_merges"] = true;
  EXPECT_EQ(load_text(file.dump()).encode("ab aba"), (Tokens{3, 2, 0, 1, 0}));
}

TEST(TokenizerFile, AByteOutsideTheVocabularyIsNamedAsACharacter) {
  const Tokenizer tokenizer = load_text(small_file().dump());
  try {
    static_cast<void>(tokenizer.encode("ab\u00e9"));
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).substr(0, 42), "the character \"\u00e9\" (U+00E9) at offset 2 is");
  }
}

TEST(TokenizerFile, TruncatedFilesAreErrors) {
  const std::string whole = small_file().dump();
  for (std::size_t size = 0; size < whole.size(); size += 7) {
    EXPECT_THROW(load_text(whole.substr(0, size)), Error) << size << " bytes";
  }
  EXPECT_THROW(Tokenizer::load("/nonexistent/tokenizer.json"), Error);
}

TEST(TokenizerFile, EveryValueOfAWrongTypeIsAnError) {
  const Json flat = small_file().flatten();
  for (const auto& [pointer, value] : flat.items()) {
    for (const Json& wrong : {Json(-3), Json(1.5), Json::array({1, 2, 3}), Json::object({{"x", 1}})}) {
      Json file = small_file();
      if (pointer == "/version") continue;
      file[Json::json_pointer(pointer)] = wrong;
      try {
        load_text(file.dump());
        const bool unused = pointer.ends_with("trim_offsets") || pointer.starts_with("/post_processor/a") ||
                            pointer.starts_with("/decoder/") ||
                            (wrong.is_object() && (pointer == "/truncation" || pointer == "/padding"));
        EXPECT_TRUE(unused) << pointer << " = " << wrong;
      } catch (const Error&) {
      }
    }
  }
}

TEST(TokenizerFile, WrongShapesNameTheKey) {
  EXPECT_EQ(error_after([](Json& file) { file = Json::array(); }), "t.json: expected a JSON object, found array");
  EXPECT_EQ(error_after([](Json& file) { file.erase("model"); }), "t.json: the key \"model\" is missing");
  EXPECT_EQ(error_after([](Json& file) { file["model"].erase("vocab"); }),
            "t.json: model: the key \"vocab\" is missing");
  EXPECT_EQ(error_after([](Json& file) { file["model"]["vocab"] = 3; }),
            "t.json: model.vocab: expected a JSON object, found number");
  EXPECT_EQ(error_after([](Json& file) { file["model"]["vocab"]["a"] = "0"; }),
            "t.json: model.vocab: a must be a whole number, found \"0\"");
  EXPECT_EQ(error_after([](Json& file) { file["model"]["surprise"] = 1; }).substr(0, 37),
            "t.json: model: unknown key \"surprise\"");
}

TEST(TokenizerFile, MergesOfUnknownTokensNameTheMerge) {
  EXPECT_EQ(error_after([](Json& file) { file["model"]["merges"][1] = "a q"; }),
            "t.json: model.merges[1]: the token \"q\" is not in model.vocab; add it there");
  EXPECT_EQ(error_after([](Json& file) {
              file["model"]["merges"][1] = Json::array({"b", "a"});
            }),
            "t.json: model.merges[1]: the token \"ba\" is not in model.vocab; add it there");
  EXPECT_EQ(error_after([](Json& file) { file["model"]["merges"][0] = "a b c"; }),
            "t.json: model.merges[0]: expected two tokens, as \"a b\" or [\"a\", \"b\"], found \"a b c\"");
}

TEST(TokenizerFile, IdsHaveToBeEachNumberOnce) {
  EXPECT_NE(error_after([](Json& file) { file["model"]["vocab"]["a"] = 1; }).find("both have the id 1"),
            std::string::npos);
  EXPECT_EQ(error_after([](Json& file) { file["added_tokens"][0]["id"] = 7; }),
            "t.json: added_tokens[0]: id is 7, but model.vocab gives \"<|end|>\" the id 5; make them equal");
  EXPECT_NE(error_after([](Json& file) { file["added_tokens"][1]["id"] = 2; }).find("both have the id 2"),
            std::string::npos);
}

TEST(TokenizerFile, IdsMayLeaveHoles) {
  Json file = small_file();
  file["model"]["vocab"]["a"] = 9;
  file["added_tokens"][1]["id"] = 20;
  const Tokenizer tokenizer = load_text(file.dump());
  EXPECT_EQ(tokenizer.size(), 10);
  EXPECT_EQ(tokenizer.encode("a b<|end|>"), (Tokens{9, 2, 1, 5}));
  EXPECT_EQ(tokenizer.decode(Tokens{9, 0, 8, 1, 7, 5}), "ab<|end|>");
  EXPECT_EQ(tokenizer.piece(0), "");
  EXPECT_THROW(static_cast<void>(tokenizer.piece(10)), Error);
  EXPECT_EQ(load_text(tokenizer.file_text()).encode("a b<|end|>>"), (Tokens{9, 2, 1, 6}));
  file["decoder"] = {{"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", true}};
  file["pre_tokenizer"] = nullptr;
  EXPECT_EQ(load_text(file.dump()).decode(Tokens{0, 9, 0, 1}), "a b");  // a hole is no first token, and takes no space
  EXPECT_EQ(load_text(file.dump()).piece(0), "");
  EXPECT_EQ(error_after([](Json& json) { json["model"]["vocab"]["a"] = 2'000'000'000; }),
            "t.json: model.vocab: the highest id is 2000000000 for 7 tokens; more than 1048576 ids without a token are "
            "refused");
}

// As in the package: Tokenizer.from_str(...).token_to_id gives 6 for each of these.
TEST(TokenizerFile, TokensOutsideTheVocabularyAreNumberedBehindIt) {
  for (const int id : {6, 7, 20}) {
    Json file = small_file();
    file["added_tokens"][1]["id"] = id;
    EXPECT_EQ(load_text(file.dump()).added_token("<|end|>>"), 6) << id;
  }
  EXPECT_EQ(
      error_after([](Json& file) {
        file["model"]["vocab"]["a"] = 6;
        file["added_tokens"][1]["id"] = 7;
      }),
      "t.json: added_tokens[1]: id is 7, but the package tokenizers gives \"<|end|>>\" the id 6, which is that of "
      "\"a\"; leave no holes in the ids of model.vocab");
}

// They are for whoever calls the package; generation takes texts as they are.
TEST(TokenizerFile, LengthsToCutAndFillToChangeNothing) {
  Json file = small_file();
  file["truncation"] = {{"direction", "Right"}, {"max_length", 1}, {"strategy", "LongestFirst"}, {"stride", 0}};
  file["padding"] = {{"strategy", {{"Fixed", 9}}}, {"direction", "Left"}, {"pad_id", 5}, {"pad_token", "<|end|>"}};
  const Tokenizer tokenizer = load_text(file.dump());
  EXPECT_EQ(tokenizer.encode("ab abba"), (Tokens{3, 4, 1, 0}));
  EXPECT_EQ(Json::parse(tokenizer.file_text())["truncation"], nullptr);
  EXPECT_EQ(error_after([](Json& json) { json["padding"] = true; }).substr(0, 47),
            "t.json: padding: expected a JSON object, found ");
}

TEST(TokenizerFile, CutsAtACharacter) {
  Json file = small_file();
  file["pre_tokenizer"] = {{"type", "CharDelimiterSplit"}, {"delimiter", "."}};
  file["decoder"] = {{"type", "Fuse"}};
  EXPECT_EQ(load_text(file.dump()).encode(".ab..a.b"), (Tokens{3, 0, 1}));
  EXPECT_EQ(error_after([](Json& json) {
              json["pre_tokenizer"] = {{"type", "CharDelimiterSplit"}, {"delimiter", ""}};
            }),
            "t.json: pre_tokenizer: delimiter is \"\"; it must be one character");
}

TEST(TokenizerFile, UnsupportedFeaturesNameTheKey) {
  const auto with_type = [](const std::string& part, const std::string& type) {
    return error_after([&](Json& file) { file[part] = {{"type", type}}; });
  };
  // All types that the package has and gyre has not.
  for (const auto& [part, type] : std::vector<std::pair<std::string, std::string>>{{"normalizer", "ByteLevel"},
                                                                                   {"pre_tokenizer", "UnicodeScripts"},
                                                                                   {"pre_tokenizer", "FixedLength"},
                                                                                   {"post_processor", "Other"},
                                                                                   {"decoder", "CTC"},
                                                                                   {"decoder", "BPEDecoder"},
                                                                                   {"model", "WordLevel"}}) {
    const std::string says = fmt::format("t.json: {}: the type \"{}\" is not supported; ", part, type);
    EXPECT_EQ(with_type(part, type).substr(0, says.size()), says);
  }
  EXPECT_EQ(with_type("decoder", "Fuse"),
            "t.json: decoder: the type Fuse does not fit the pre_tokenizer; it must be \"ByteLevel\"");
  EXPECT_EQ(error_after([](Json& file) { file["decoder"] = nullptr; }),
            "t.json: decoder: the type null does not fit the pre_tokenizer; it must be \"ByteLevel\"");
  EXPECT_EQ(error_after([](Json& file) { file["model"]["dropout"] = 0.1; }),
            "t.json: model: \"dropout\" is not supported; set it to null");
  EXPECT_EQ(error_after([](Json& file) { file["model"]["unk_token"] = "q"; }),
            "t.json: model: the token \"q\" is not in model.vocab; add it there");
  EXPECT_NE(error_after([](Json& file) {
              file["pre_tokenizer"] = {{"type", "Split"}, {"pattern", {{"String", " "}}}, {"behavior", "Lost"}};
            }).find("behavior is \"Lost\"; choose one of Isolated, Removed"),
            std::string::npos);
}

TEST(TokenizerFile, PostProcessorsTellTheTokensAroundAText) {
  Json file = small_file();
  const Json special = {{"SpecialToken", {{"id", "<|end|>"}, {"type_id", 0}}}};
  const Json text = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
  const Json known = {{"id", "<|end|>"}, {"ids", {5}}, {"tokens", {"<|end|>"}}};
  const Json step = {{"type", "TemplateProcessing"},
                     {"single", {special, text, special}},
                     {"pair", Json::array()},
                     {"special_tokens", {{"<|end|>", known}}}};
  file["post_processor"] = {{"type", "Sequence"}, {"processors", {file["post_processor"], step}}};
  const Tokenizer tokenizer = load_text(file.dump());
  EXPECT_EQ(tokenizer.prefix_tokens(), (Tokens{5}));
  EXPECT_EQ(tokenizer.suffix_tokens(), (Tokens{5}));
  EXPECT_EQ(tokenizer.encode("ab"), (Tokens{3}));
  file["post_processor"]["processors"][1]["special_tokens"]["<|end|>"]["ids"] = {7};
  EXPECT_THROW(load_text(file.dump()), Error);
}

TEST(TokenizerFile, AddedTokensTakeSpaceAlongOrStandAlone) {
  Json file = small_file();
  file["added_tokens"][0]["lstrip"] = true;
  file["added_tokens"][1]["single_word"] = true;
  const Tokenizer tokenizer = load_text(file.dump());
  EXPECT_EQ(tokenizer.encode("ab  <|end|>a"), (Tokens{3, 5, 0}));
  EXPECT_EQ(tokenizer.encode("<|end|>> "), (Tokens{6, 2}));
}

TEST(TokenizerFile, BrokenPatternsAreErrors) {
  const auto with_pattern = [](const std::string& regex) {
    return error_after([&](Json& file) {
      const Json split = {{"type", "Split"}, {"pattern", {{"Regex", regex}}}, {"behavior", "Isolated"}};
      file["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", Json::array({split, file["pre_tokenizer"]})}};
    });
  };
  EXPECT_EQ(with_pattern("a+"), "no error");
  EXPECT_EQ(with_pattern("a(").substr(0, 72),
            "t.json: pre_tokenizer.pretokenizers[0].pattern: the pattern does not com");
}

/// The folder of data that several projects share, if this machine has it.
fs::path shared_folder() {
  const char* given = std::getenv("GYRE_SHARED");
  return given != nullptr ? fs::path(given) : fs::path(GYRE_TEST_DIR) / ".." / ".." / "shared";
}

TEST(TokenizerFile, ReadsThePublishedVocabularyOfGpt2) {
  const fs::path source = shared_folder() / "data" / "gpt2_tokenizer";
  if (!fs::exists(source / "encoder.json") || !fs::exists(source / "vocab.bpe")) {
    GTEST_SKIP() << "no GPT-2 vocabulary in " << source << "; set GYRE_SHARED to a folder with data/gpt2_tokenizer";
  }
  Json file = small_file();
  file["model"]["vocab"] = load_json(source / "encoder.json");
  file["added_tokens"].erase(1);
  file["added_tokens"][0]["content"] = "<|endoftext|>";
  file["added_tokens"][0]["id"] = 50256;
  Json merges = Json::array();
  std::istringstream lines(read_text(source / "vocab.bpe"));
  std::string line;
  std::getline(lines, line);  // the version
  while (std::getline(lines, line)) merges.push_back(line);
  file["model"]["merges"] = merges;
  const Tokenizer tokenizer = load_text(file.dump());
  EXPECT_EQ(tokenizer.size(), 50257);
  EXPECT_EQ(tokenizer.encode("Hello world<|endoftext|>"), (Tokens{15496, 995, 50256}));
  EXPECT_EQ(tokenizer.encode("It's na\u00efve  \u6771\u4eac \U0001F44D 2024\n\n"),
            (Tokens{1026, 338, 41492, 220, 10545, 251, 109, 12859, 105, 50169, 235, 48609, 628}));
}

/// A vocabulary that spells every character of its special tokens.
Tokenizer spelling_tokenizer(const std::function<void(Json&)>& change = [](Json&) {}) {
  Json file = small_file();
  file["model"]["vocab"] = {{"a", 0}, {"b", 1},  {"<|end|>", 5}, {"<|end|>>", 6}, {"<", 7},  {">", 8},
                            {"|", 9}, {"e", 10}, {"n", 11},      {"d", 12},       {"ab", 13}};
  file["model"]["merges"] = {"a b"};
  change(file);
  return load_text(file.dump());
}

TEST(TokenizerFile, WhatIsMarkedSpellsNoSpecialToken) {
  using Ids = std::vector<std::int32_t>;
  const Tokenizer tokenizer = spelling_tokenizer();
  const Ids end = {7, 9, 10, 11, 12, 9, 8};
  EXPECT_EQ(tokenizer.encode("<|end|>"), (Ids{5}));
  EXPECT_EQ(tokenizer.encode_marked(tokenizer.mark_special("<|end|>")), end);
  const std::string mixed = "ab<|end|>" + tokenizer.mark_special("ab<|end|>>a");
  EXPECT_EQ(tokenizer.encode_marked(mixed), (Ids{13, 5, 13, 7, 9, 10, 11, 12, 9, 8, 8, 0}));
  EXPECT_EQ(tokenizer.encode_marked(tokenizer.mark_special("abab")), tokenizer.encode("abab"));
  // Marks that somebody writes himself are no text, and hide nothing.
  EXPECT_EQ(tokenizer.encode_marked(tokenizer.mark_special("<\uFDD0|end|>")), end);
}

TEST(TokenizerFile, ATokenThatCannotBeMarkedIsRefused) {
  const auto single = [](Json& file) {
    file["added_tokens"][0]["content"] = "|";
    file["added_tokens"][0]["id"] = 9;
  };
  const Tokenizer tokenizer = spelling_tokenizer(single);
  EXPECT_THROW(static_cast<void>(tokenizer.mark_special("a|b")), Error);
  EXPECT_EQ(tokenizer.mark_special("ab"), "ab");
  const Tokenizer lower = spelling_tokenizer([](Json& file) {
    file["normalizer"] = {{"type", "Lowercase"}};
    file["added_tokens"][0]["normalized"] = true;
  });
  EXPECT_THROW(static_cast<void>(lower.mark_special("<|END|>")), Error);
}

}  // namespace
}  // namespace gyre::tokenizer_file_test
