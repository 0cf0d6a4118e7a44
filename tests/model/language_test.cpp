#include "model/language.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/file.hpp"
#include "format/gguf.hpp"
#include "format/json_object.hpp"
#include "model/language_files.hpp"
#include "model/model.hpp"
#include "model/model_path.hpp"
#include "scratch_folder.hpp"
#include "text/end_tokens.hpp"

namespace gyre::language_test {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;
using ::testing::UnorderedElementsAre;
using Json = nlohmann::json;
using Tokens = std::vector<std::int32_t>;
using Entries = std::vector<GgufEntry>;

/// The shape of Huginn's own: an answer ends with <|end_turn|>, which no list of names holds.
constexpr const char* kTemplate =
    "{% for message in messages %}{{ '<|begin_header|>' + message['role'] + '<|end_header|>\n\n' + "
    "message['content'] | trim + '<|end_turn|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|begin_header|>Huginn<|end_header|>\n\n' }}{% endif %}";

/// A tokenizer.json that knows a and b, and these added tokens from id 2 on.
Json tokenizer_json(const std::vector<std::string>& added) {
  Json json = Json::parse(
      R"({"model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": []}, "decoder": {"type": "Fuse"}})");
  json["added_tokens"] = Json::array();
  for (const std::string& name : added) {
    json["added_tokens"].push_back({{"id", json["added_tokens"].size() + 2}, {"content", name}, {"special", true}});
  }
  return json;
}

class LanguageTest : public ::testing::Test {
 protected:
  void write(const std::string& name, const Json& json) const { write_text_atomically(folder_ / name, json.dump()); }

  /// A GGUF file with these tokens of the model "gpt2"; types of 3 from "<" on.
  [[nodiscard]] fs::path gguf(const std::vector<std::string>& tokens, const Entries& more) const {
    std::map<std::string, GgufValue> values = {{"tokenizer.ggml.model", std::string("gpt2")},
                                               {"tokenizer.ggml.pre", std::string("gpt-2")},
                                               {"tokenizer.ggml.tokens", tokens},
                                               {"tokenizer.ggml.merges", std::vector<std::string>{}}};
    std::vector<std::int32_t> types;
    for (const std::string& token : tokens) types.push_back(token.starts_with('<') ? 3 : 1);
    values["tokenizer.ggml.token_type"] = types;
    for (const GgufEntry& entry : more) values[entry.key] = entry.value;
    Entries entries;
    for (const auto& [key, value] : values) {
      if (value != GgufValue(std::string("left out"))) entries.push_back({key, value});
    }
    write_gguf(folder_ / "m.gguf", entries, {});
    return folder_ / "m.gguf";
  }

  [[nodiscard]] Language folder(const Json& tokenizer_config, const std::vector<std::string>& added) const {
    write("tokenizer.json", tokenizer_json(added));
    write("tokenizer_config.json", tokenizer_config);
    return load_language(folder_.path());
  }

  ScratchFolder folder_;
};

TEST_F(LanguageTest, GgufOfLlama3BeginsTextsWithoutBeingTold) {
  const Entries llama = {{"tokenizer.ggml.pre", std::string("llama-bpe")},
                         {"tokenizer.ggml.bos_token_id", std::uint32_t{1}}};
  const std::vector<std::string> tokens = {"a", "<bos>"};
  EXPECT_EQ(load_language(gguf(tokens, llama)).tokenizer.prefix_tokens(), (Tokens{1}));
  Entries told = llama;
  told.push_back({"tokenizer.ggml.add_bos_token", false});
  EXPECT_EQ(load_language(gguf(tokens, told)).tokenizer.prefix_tokens(), Tokens{});
  told = {llama.back(), {"tokenizer.ggml.add_bos_token", true}};
  EXPECT_EQ(load_language(gguf(tokens, told)).tokenizer.prefix_tokens(), (Tokens{1}));
  EXPECT_EQ(load_language(gguf(tokens, {llama.back()})).tokenizer.prefix_tokens(), Tokens{});
  EXPECT_THAT([&] { load_language(gguf(tokens, {llama.front()})); },
              ThrowsMessage<Error>(HasSubstr("tokenizer.ggml.bos_token_id is missing")));
}

TEST_F(LanguageTest, GgufEndsTextsByKeysByNamesAndByTheTemplate) {
  const std::vector<std::string> tokens = {"a", "<e>", "<t>", "<m>", "<|eot_id|>", "<|end_turn|>", "<other>"};
  const Entries keys = {{"tokenizer.ggml.eos_token_id", std::uint32_t{1}},
                        {"tokenizer.ggml.eot_token_id", std::uint32_t{2}},
                        {"tokenizer.ggml.eom_token_id", std::uint32_t{3}}};
  EXPECT_THAT(load_language(gguf(tokens, keys)).end_tokens, UnorderedElementsAre(1, 2, 3, 4));
  const Entries chat = {{"tokenizer.chat_template", std::string(kTemplate)}};
  EXPECT_THAT(load_language(gguf(tokens, chat)).end_tokens, UnorderedElementsAre(4, 5));
  EXPECT_THAT(load_language(gguf(tokens, {})).end_tokens, UnorderedElementsAre(4));
}

TEST_F(LanguageTest, ATokenThatEndsTurnsByNameIsFoundInATextWhateverItsType) {
  const fs::path file = gguf({"a", "<|im_end|>"}, {{"tokenizer.ggml.token_type", std::vector<std::int32_t>{1, 1}}});
  EXPECT_EQ(load_language(file).tokenizer.encode("a<|im_end|>"), (Tokens{0, 1}));
}

TEST_F(LanguageTest, NamesThatEndTurnsOnlyWhereNoOthersDo) {
  const auto ends = [&](const std::vector<std::string>& names) {
    return end_tokens_by_name(Tokenizer::parse(tokenizer_json(names).dump(), "x"));
  };
  EXPECT_EQ(ends({"<|end|>", "</s>", "<|user|>"}), (Tokens{2, 3}));
  EXPECT_EQ(ends({"<|end|>", "<|return|>"}), (Tokens{2, 3}));
  EXPECT_EQ(ends({"<|end|>", "<|return|>", "<|call|>"}), (Tokens{3, 4}));
  EXPECT_EQ(ends({"<|end|>", "<|flush|>", "<|calls|>"}), (Tokens{3, 4}));
  EXPECT_EQ(ends({"</s>", "<|tool_response>"}), (Tokens{3}));
  for (const char* name : {"<|eot_id|>",
                           "<|im_end|>",
                           "<|end|>",
                           "<end_of_turn>",
                           "<|endoftext|>",
                           "<|end_of_text|>",
                           "</s>",
                           "<|eom_id|>",
                           "<EOT>",
                           "_<EOT>",
                           "[EOT]",
                           "[EOS]",
                           "<eos>",
                           "<turn|>",
                           "<end_of_utterance>",
                           "<\uFF5Cend\u2581of\u2581sentence\uFF5C>",
                           "[e~[",
                           "<|file_sep|>",
                           "<|fim_pad|>",
                           "<|repo_name|>"}) {
    EXPECT_TRUE(names_end_token(name)) << name;
  }
  for (const char* name : {"<s>", "<|im_start|>", "<|fim_prefix|>", "eos", ""})
    EXPECT_FALSE(names_end_token(name)) << name;
}

/// The files that language_files gives, in a folder of their own: a model folder but for its weights.
fs::path written_files(const fs::path& model, const fs::path& folder) {
  fs::create_directories(folder);
  write_text_atomically(folder / "config.json", R"({"model_type": "gyre"})");
  write_files(folder, language_files(model, load_language(model)));
  return folder;
}

TEST_F(LanguageTest, FilesOfAGgufGiveItsTokensItsEndAndItsTemplatesAgain) {
  const Entries chat = {{"tokenizer.chat_template", std::string("{{ bos_token }}") + kTemplate},
                        {"tokenizer.chat_template.tool_use", std::string("tools {{ eos_token }}")},
                        {"tokenizer.ggml.bos_token_id", std::uint32_t{2}},
                        {"tokenizer.ggml.eos_token_id", std::uint32_t{3}},
                        {"tokenizer.ggml.add_bos_token", true}};
  const fs::path source = gguf({"a", "b", "<s>", "</s>", "<|end_turn|>"}, chat);
  const fs::path copy = written_files(source, folder_ / "copy");
  const Language before = load_language(source);
  const Language after = load_language(copy);
  EXPECT_EQ(after.end_tokens, before.end_tokens);
  EXPECT_EQ(after.tokenizer.encode("ab</s>"), before.tokenizer.encode("ab</s>"));
  EXPECT_EQ(after.tokenizer.prefix_tokens(), Tokens{2});
  Conversation conversation;
  conversation.messages = {{{"role", "user"}, {"content", "a"}}};
  for (const bool tools : {false, true}) {
    if (tools) conversation.tools = {{{"name", "f"}}};
    const std::string text = load_chat_template(source, before.tokenizer).render(conversation);
    EXPECT_THAT(text, HasSubstr(tools ? "tools </s>" : "<s><|begin_header|>user"));
    EXPECT_EQ(load_chat_template(copy, after.tokenizer).render(conversation), text);
  }
}

TEST_F(LanguageTest, FilesOfAFolderAreItsOwnWithEveryEndToken) {
  write("tokenizer.json", tokenizer_json({"<x>", "<|end_turn|>"}));
  write("tokenizer_config.json", {{"eos_token", "<x>"}, {"bos_token", "<x>"}, {"chat_template", "not this one"}});
  write("generation_config.json", {{"eos_token_id", 0}, {"temperature", 0.5}});
  write_text_atomically(folder_ / "chat_template.jinja", kTemplate);
  const fs::path copy = written_files(folder_.path(), folder_ / "copy");
  EXPECT_THAT(load_language(copy).end_tokens, UnorderedElementsAre(0, 2, 3));
  EXPECT_EQ(load_json(copy / "generation_config.json").at("temperature"), 0.5);
  for (const char* const name : {"chat_template.jinja", "tokenizer_config.json"}) {
    EXPECT_EQ(read_text(copy / name), read_text(folder_ / name)) << name;
  }
}

TEST_F(LanguageTest, AFolderEndsTextsByConfigsByNamesAndByTheTemplate) {
  write("tokenizer.json", tokenizer_json({"<e>", "<g>", "<n>", "<|im_end|>", "<|end_turn|>", "<other>"}));
  write("config.json", {{"eos_token_id", 2}});
  write("generation_config.json", {{"eos_token_id", {3}}});
  write("tokenizer_config.json", {{"eos_token", "<n>"}});
  EXPECT_THAT(load_language(folder_.path()).end_tokens, UnorderedElementsAre(2, 3, 4, 5));
  write("tokenizer_config.json", {{"chat_template", kTemplate}});
  EXPECT_THAT(load_language(folder_.path()).end_tokens, UnorderedElementsAre(2, 3, 5, 6));
}

TEST_F(LanguageTest, ClassesOfTransformersPutTokensAroundATextAsConfigured) {
  const std::vector<std::string> added = {"<s>", "</s>", "<bos>", "<|endoftext|>", "<BOS_TOKEN>", "[x]"};
  const auto around = [&](const Json& config) {
    const Language language = folder(config, added);
    return std::pair(language.tokenizer.prefix_tokens(), language.tokenizer.suffix_tokens());
  };
  const auto just = [](Tokens prefix, Tokens suffix) { return std::pair(std::move(prefix), std::move(suffix)); };
  const auto of = [](const char* name) { return Json{{"tokenizer_class", name}}; };
  EXPECT_EQ(around(of("LlamaTokenizerFast")), just({2}, {}));
  EXPECT_EQ(around(of("LlamaTokenizer")), just({2}, {}));
  EXPECT_EQ(around(of("CodeLlamaTokenizer")), just({2}, {}));
  EXPECT_EQ(around(of("GemmaTokenizer")), just({4}, {}));
  EXPECT_EQ(around(of("CohereTokenizerFast")), just({6}, {}));
  EXPECT_EQ(around(of("GPTNeoXTokenizerFast")), just({}, {}));
  Json config = {{"tokenizer_class", "GPTNeoXTokenizer"}, {"add_bos_token", true}, {"add_eos_token", true}};
  EXPECT_EQ(around(config), just({5}, {5}));
  config = {{"tokenizer_class", "LlamaTokenizer"}, {"add_bos_token", false}, {"add_eos_token", true}};
  EXPECT_EQ(around(config), just({}, {3}));
  config["add_bos_token"] = nullptr;
  EXPECT_EQ(around(config), just({}, {3}));
  config = {{"tokenizer_class", "LlamaTokenizer"}, {"bos_token", {{"content", "[x]"}, {"lstrip", false}}}};
  EXPECT_EQ(around(config), just({7}, {}));
  for (const char* name : {"PreTrainedTokenizerFast", "Qwen2Tokenizer", "GPT2Tokenizer"}) {
    config = {{"tokenizer_class", name}, {"add_bos_token", true}, {"add_eos_token", true}};
    EXPECT_EQ(around(config), just({}, {})) << name;
  }
  EXPECT_EQ(around({{"add_bos_token", true}, {"bos_token", "<s>"}}), just({}, {}));
  write("config.json", {{"model_type", "llama"}});
  EXPECT_EQ(around({{"add_bos_token", true}}), just({2}, {}));
  EXPECT_EQ(around({{"bos_token", "<s>"}}), just({}, {}));
  write("config.json", {{"model_type", "qwen3"}});
  EXPECT_EQ(around({{"add_bos_token", true}, {"bos_token", "<s>"}}), just({}, {}));
  write("config.json", of("LlamaTokenizer"));
  EXPECT_EQ(around({{"bos_token", "[x]"}}), just({7}, {}));
}

TEST_F(LanguageTest, WhatAClassAddsReplacesThePostProcessorAndIsSaved) {
  Json json = tokenizer_json({"<s>", "</s>"});
  const Json special = {{"SpecialToken", {{"id", "</s>"}, {"type_id", 0}}}};
  json["post_processor"] = {{"type", "TemplateProcessing"},
                            {"single", {{{"Sequence", {{"id", "A"}, {"type_id", 0}}}}, special}},
                            {"pair", Json::array()},
                            {"special_tokens", {{"</s>", {{"id", "</s>"}, {"ids", {3}}, {"tokens", {"</s>"}}}}}}};
  write("tokenizer.json", json);
  write("tokenizer_config.json", {{"tokenizer_class", "Qwen2Tokenizer"}});
  EXPECT_EQ(load_language(folder_.path()).tokenizer.suffix_tokens(), (Tokens{3}));
  write("tokenizer_config.json", {{"tokenizer_class", "LlamaTokenizer"}});
  const Tokenizer tokenizer = load_language(folder_.path()).tokenizer;
  EXPECT_EQ(tokenizer.prefix_tokens(), (Tokens{2}));
  EXPECT_EQ(tokenizer.suffix_tokens(), Tokens{});
  const Tokenizer saved = Tokenizer::parse(tokenizer.file_text(), "saved");
  EXPECT_EQ(saved.prefix_tokens(), (Tokens{2}));
  EXPECT_EQ(saved.suffix_tokens(), Tokens{});
}

TEST_F(LanguageTest, ATokenThatIsToBeAddedAndIsNotThereIsNamed) {
  const auto refused = [&](const Json& config) {
    return [this, config] { static_cast<void>(folder(config, {"<s>"})); };
  };
  EXPECT_THAT(refused({{"tokenizer_class", "LlamaTokenizer"}, {"bos_token", "<q>"}}),
              ThrowsMessage<Error>(AllOf(HasSubstr("tokenizer_config.json"), HasSubstr("\"<q>\" (bos_token)"),
                                         HasSubstr("set add_bos_token to false"))));
  EXPECT_THAT(refused({{"tokenizer_class", "LlamaTokenizer"}, {"bos_token", nullptr}}),
              ThrowsMessage<Error>(HasSubstr("bos_token, which is null")));
  EXPECT_THAT(refused({{"tokenizer_class", "LlamaTokenizer"}, {"add_eos_token", true}}),
              ThrowsMessage<Error>(HasSubstr("\"</s>\" (eos_token)")));
}

TEST_F(LanguageTest, GgufWithoutMergesOrWithUnknownKeysIsRefusedByName) {
  EXPECT_THAT(
      [&] {
        load_language(gguf({"a", "b"}, {{"tokenizer.ggml.merges", std::string("left out")}}));
      },
      ThrowsMessage<Error>(HasSubstr("tokenizer.ggml.merges")));
  EXPECT_THAT(
      [&] {
        load_language(gguf({"a", "b"}, {{"tokenizer.ggml.suppress_tokens", std::vector<std::int32_t>{1}}}));
      },
      ThrowsMessage<Error>(HasSubstr("tokenizer.ggml.suppress_tokens")));
  EXPECT_EQ(load_language(gguf({"a", "b"}, {{"tokenizer.ggml.padding_token_id", std::uint32_t{1}}})).tokenizer.size(),
            2);
}

class ModelPath : public LanguageTest {
 protected:
  [[nodiscard]] fs::path root() const { return folder_ / "models--org--tiny"; }
  void snapshot(const std::string& name) const {
    fs::create_directories(root() / "snapshots" / name);
    write_text_atomically(root() / "snapshots" / name / "tokenizer.json", tokenizer_json({}).dump());
  }
  void reference(const std::string& text) const {
    fs::create_directories(root() / "refs");
    write_text_atomically(root() / "refs" / "main", text);
  }
  void expect_refused(const std::string& says) const {
    EXPECT_THAT([&] { resolve_model_path(root()); },
                ThrowsMessage<Error>(AllOf(HasSubstr(root().string()), HasSubstr(says))));
  }
};

TEST_F(ModelPath, TheRootOfACacheFolderIsItsMainSnapshot) {
  snapshot("abc");
  EXPECT_EQ(resolve_model_path(root()), root() / "snapshots" / "abc");  // the only one
  EXPECT_EQ(resolve_model_path(root() / "snapshots"), root() / "snapshots" / "abc");
  snapshot("def");
  expect_refused("without refs/main; give one of the 2 snapshots in " + (root() / "snapshots").string() + ": abc, def");
  reference("def\n");
  for (const char* name : {"snapshots", "snapshots/"}) {
    EXPECT_EQ(resolve_model_path(root() / name), root() / "snapshots" / "def");
  }
  EXPECT_EQ(resolve_model_path(root()), root() / "snapshots" / "def");
  EXPECT_EQ(load_language(root()).tokenizer.size(), 2);
  EXPECT_THAT([&] { Model::load(root()); }, ThrowsMessage<Error>(HasSubstr("def: there is no config.json")));
  reference("../../..");
  expect_refused("refs/main names the snapshot \"../../..\"");
  fs::remove_all(root() / "snapshots");
  fs::create_directories(root() / "snapshots");
  expect_refused("without a snapshot");
}

TEST_F(ModelPath, AFolderWithoutAModelSaysWhatIsMissing) {
  EXPECT_THAT([&] { Model::load(folder_.path()); },
              ThrowsMessage<Error>(HasSubstr("there is no config.json; a model folder holds config.json")));
  EXPECT_THAT([&] { load_language(folder_.path()); }, ThrowsMessage<Error>(HasSubstr("there is no tokenizer.json")));
  EXPECT_THAT([&] { Model::load(folder_ / "none"); }, ThrowsMessage<Error>(HasSubstr("none: not there")));
  write_text_atomically(folder_ / "tokenizer.model", "x");
  EXPECT_THAT([&] { load_language(folder_.path()); }, ThrowsMessage<Error>(HasSubstr("SentencePiece")));
  snapshot("abc");
  EXPECT_THAT([&] { Model::load(folder_.path()); },
              ThrowsMessage<Error>(HasSubstr("give the model in it: " + root().string())));
  write_text_atomically(folder_ / "x.gguf", "GGUF");
  EXPECT_THAT([&] { Model::load(folder_.path()); }, ThrowsMessage<Error>(HasSubstr("x.gguf")));
}

TEST_F(ModelPath, CheckpointsOfPyTorchAreCalledSo) {
  const std::string zip = std::string("PK\x03\x04", 4) + std::string(20, 'x');
  const std::string pickle = "\x80\x02" + std::string(20, 'x');
  for (const auto& one : {std::pair("model.pt", zip), std::pair("pytorch_model.bin", pickle)}) {
    const ScratchFolder other;
    const char* const name = one.first;
    const std::string& bytes = one.second;
    write_text_atomically(other / name, bytes);
    write_text_atomically(other / "training_args.bin", zip);
    const auto says = ThrowsMessage<Error>(AllOf(HasSubstr(name), HasSubstr("a checkpoint of PyTorch (a pickle)"),
                                                 HasSubstr("scripts/convert_checkpoint")));
    EXPECT_THAT([&] { Model::load(other / name); }, says);
    EXPECT_THAT([&] { Model::load(other.path()); }, says);  // without a config.json
    fs::copy_file(fs::path(GYRE_TEST_DIR) / "parity/golden/llama/config.json", other / "config.json");
    EXPECT_THAT([&] { Model::load(other.path()); }, says);
    fs::remove(other / name);
    EXPECT_THAT([&] { Model::load(other.path()); }, ThrowsMessage<Error>(HasSubstr("neither model.safetensors nor")));
  }
}

TEST_F(ModelPath, OneFileOfAFolderIsNoModel) {
  for (const char* name : {"config.json", "model.safetensors"}) {
    write_text_atomically(folder_ / name, "{}");
    EXPECT_THAT([&] { Model::load(folder_ / name); },
                ThrowsMessage<Error>(AllOf(HasSubstr(name), HasSubstr("one file of a model folder; give the folder"))));
  }
}

TEST_F(LanguageTest, AGgufFileWithoutATokenizerIsCalledSo) {
  write_gguf(folder_ / "m.gguf", std::vector<GgufEntry>{{"general.architecture", std::string("llama")}}, {});
  const auto says = [&](const std::string& what) {
    EXPECT_THAT([&] { load_language(folder_ / "m.gguf"); },
                ThrowsMessage<Error>(AllOf(HasSubstr("m.gguf: this GGUF file holds no tokenizer"), HasSubstr(what))));
  };
  says("(tokenizer.ggml.model is missing)");
  for (const std::string model : {"none", "no_vocab"}) {
    write_gguf(folder_ / "m.gguf", std::vector<GgufEntry>{{"tokenizer.ggml.model", model}}, {});
    says("(tokenizer.ggml.model is \"" + model + "\"); convert the model with its tokenizer");
  }
}

/// Their keys are others too, so that the kind is told before any of them.
TEST_F(LanguageTest, AGgufVocabularyOfAKindThatIsNotReadIsCalledSo) {
  for (const std::string model : {"t5", "rwkv", "plamo2", "gemma4"}) {
    write_gguf(folder_ / "m.gguf",
               std::vector<GgufEntry>{{"tokenizer.ggml.model", model},
                                      {"tokenizer.ggml.remove_extra_whitespaces", true},
                                      {"tokenizer.ggml.tokens", std::vector<std::string>{"a"}}},
               {});
    EXPECT_THAT([&] { load_language(folder_ / "m.gguf"); },
                ThrowsMessage<Error>(HasSubstr("m.gguf: tokenizer.ggml.model is \"" + model +
                                               "\", a kind of vocabulary that gyre does not read")));
  }
}

TEST_F(ModelPath, LinksThatWereCopiedAsTextAreCalledSo) {
  snapshot("abc");
  write_text_atomically(root() / "snapshots" / "abc" / "config.json", "../../blobs/0123abcd");
  EXPECT_THAT([&] { Model::load(root()); },
              ThrowsMessage<Error>(AllOf(HasSubstr("abc/config.json"), HasSubstr("the text of a link"))));
}

TEST_F(ModelPath, PointersOfGitLfsAreCalledSo) {
  const std::string pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n";
  for (const char* name : {"m.gguf", "tokenizer.json", "config.json"}) {
    const ScratchFolder other;
    write_text_atomically(other / name, pointer);
    const fs::path model = std::string(name) == "m.gguf" ? other / name : other.path();
    const auto says = ThrowsMessage<Error>(AllOf(HasSubstr(name), HasSubstr("a Git LFS pointer")));
    if (std::string(name) == "tokenizer.json") {
      EXPECT_THAT([&] { load_language(model); }, says);
    } else {
      EXPECT_THAT([&] { Model::load(model); }, says);
    }
  }
  write_text_atomically(folder_ / "long.txt", pointer + std::string(2000, 'x'));  // a text about pointers
  EXPECT_EQ(read_text(folder_ / "long.txt").size(), pointer.size() + 2000);
}

}  // namespace
}  // namespace gyre::language_test
