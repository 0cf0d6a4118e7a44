#include "text/tokenizer_file.hpp"

#include <algorithm>
#include <limits>
#include <unordered_map>
#include <utility>

#include "base/error.hpp"
#include "text/stage_json.hpp"

namespace gyre {
namespace {

using Json = nlohmann::json;
constexpr int kMostTokens = std::numeric_limits<int>::max();
/// Each takes memory, so that a few high ids may not ask for a lot of it.
constexpr std::size_t kMostHoles = std::size_t{1} << 20;

/// How many characters of a file's text go into a message.
constexpr std::size_t kMostQuoted = 80;

std::string dump_of(const Json* json) { return json == nullptr ? "null" : json->dump(); }

/// Reads the parts of one file; `path` stands in every message.
class TokenizerFileReader {
 public:
  TokenizerFileReader(const Json& root, std::string path) : root_(root), path_(std::move(path)) {}

  TokenizerParts read() {
    const JsonObject top(root_, path_);
    top.allow({"version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor",
               "decoder", "model"});
    // What lengths `tokenizers` brings texts to; whoever runs a model, transformers too, sets that for each call.
    for (const char* key : {"truncation", "padding"}) {
      if (const Json* length = find_value(root_, key)) static_cast<void>(JsonObject(*length, path_ + ": " + key));
    }
    read_model();
    read_added_tokens();
    list_names();
    parts_.stages = {dump_of(find_value(root_, "normalizer")), dump_of(find_value(root_, "pre_tokenizer")),
                     dump_of(find_value(root_, "post_processor")), dump_of(find_value(root_, "decoder"))};
    read_stages(parts_, path_);
    return std::move(parts_);
  }

 private:
  void read_model() {
    const std::string where = path_ + ": model";
    const Json& json = require_part(root_, path_, "model");
    const std::string type = JsonObject(json, where).text("type", "BPE");
    if (type == "BPE") {
      read_bpe(json, where);
    } else if (type == "WordPiece") {
      read_word_piece(json, where);
    } else if (type == "Unigram") {
      read_unigram(json, where);
    } else {
      throw Error("{}: the type \"{}\" is not supported; it must be \"BPE\", \"WordPiece\" or \"Unigram\"", where,
                  type);
    }
    in_model_ = static_cast<int>(json.at("vocab").size());
  }

  void read_bpe(const Json& json, const std::string& where) {
    const JsonObject model(json, where);
    model.allow({"type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk",
                 "byte_fallback", "ignore_merges", "vocab", "merges"});
    for (const std::string_view key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
      require_absent(json, where, key);
    }
    const Json* dropout = find_value(json, "dropout");
    if (dropout != nullptr && *dropout != 0) throw Error("{}: \"dropout\" is not supported; set it to null", where);
    parts_.byte_fallback = model.boolean("byte_fallback", false);
    parts_.fuse_unknown = model.boolean("fuse_unk", false);
    parts_.ignore_merges = model.boolean("ignore_merges", false);
    read_vocabulary(require_part(json, where, "vocab"), where + ".vocab");
    read_merges(model.array("merges"), where + ".merges");
    if (find_value(json, "unk_token") != nullptr) parts_.unknown = known_id(model.text("unk_token"), where);
  }

  void read_word_piece(const Json& json, const std::string& where) {
    const JsonObject model(json, where);
    model.allow({"type", "unk_token", "continuing_subword_prefix", "max_input_chars_per_word", "vocab"});
    parts_.model = TokenizerModel::word_piece;
    parts_.continuing_prefix = model.text("continuing_subword_prefix", "##");
    parts_.longest_word = model.integer("max_input_chars_per_word", 1, kMostTokens, 100);
    read_vocabulary(require_part(json, where, "vocab"), where + ".vocab");
    parts_.unknown = known_id(model.text("unk_token", "[UNK]"), where);
  }

  void read_unigram(const Json& json, const std::string& where) {
    const JsonObject model(json, where);
    model.allow({"type", "unk_id", "vocab", "byte_fallback"});
    parts_.model = TokenizerModel::unigram;
    parts_.byte_fallback = model.boolean("byte_fallback", false);
    const Json& pieces = model.array("vocab");
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      const std::string here = fmt::format("{}.vocab[{}]", where, i);
      const Json& piece = pieces[i];
      if (!piece.is_array() || piece.size() != 2 || !piece[0].is_string() || !piece[1].is_number()) {
        throw Error("{}: expected a token and its score, found {}", here, piece.dump().substr(0, kMostQuoted));
      }
      const auto name = piece[0].get<std::string>();
      ids_.insert_or_assign(name, static_cast<std::int32_t>(i));  // of two alike the last counts
      claim(static_cast<int>(i), name, here);
      parts_.scores.push_back(piece[1].get<double>());
    }
    if (find_value(json, "unk_id") == nullptr) return;
    const int most = static_cast<int>(pieces.size()) - 1;
    if (most >= 0) parts_.unknown = model.integer("unk_id", 0, most);
  }

  void read_vocabulary(const Json& json, const std::string& where) {
    const JsonObject vocabulary(json, where);
    for (const auto& [name, value] : json.items()) {
      const int id = vocabulary.integer(name, 0, kMostTokens - 1);
      ids_.emplace(name, id);
      claim(id, name, where);
    }
  }

  void claim(int id, const std::string& name, const std::string& where) {
    const auto [holder, is_new] = names_.emplace(id, name);
    if (is_new) return;
    throw Error("{}: \"{}\" and \"{}\" both have the id {}; give each token its own", where, holder->second, name, id);
  }

  void read_merges(const Json& json, const std::string& where) {
    parts_.merges.reserve(json.size());
    for (std::size_t i = 0; i < json.size(); ++i) {
      const std::string here = fmt::format("{}[{}]", where, i);
      const auto [left, right] = merge_names(json[i], here);
      const std::int32_t left_id = known_id(left, here);
      const std::int32_t right_id = known_id(right, here);
      parts_.merges.push_back({left_id, right_id, known_id(left + right, here)});
    }
  }

  static std::pair<std::string, std::string> merge_names(const Json& merge, const std::string& where) {
    if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
      return {merge[0].get<std::string>(), merge[1].get<std::string>()};
    }
    if (merge.is_string()) {
      const auto& text = merge.get_ref<const std::string&>();
      const std::size_t space = text.find(' ');
      if (space != std::string::npos && text.find(' ', space + 1) == std::string::npos) {
        return {text.substr(0, space), text.substr(space + 1)};
      }
    }
    throw Error("{}: expected two tokens, as \"a b\" or [\"a\", \"b\"], found {}", where,
                merge.dump().substr(0, kMostQuoted));
  }

  [[nodiscard]] std::int32_t known_id(const std::string& name, const std::string& where) const {
    const auto found = ids_.find(name);
    if (found == ids_.end()) throw Error("{}: the token \"{}\" is not in model.vocab; add it there", where, name);
    return found->second;
  }

  void read_added_tokens() {
    if (find_value(root_, "added_tokens") == nullptr) return;
    const Json& list = JsonObject(root_, path_).array("added_tokens");
    for (std::size_t i = 0; i < list.size(); ++i) {
      read_added_token(list[i], fmt::format("{}: added_tokens[{}]", path_, i));
    }
    std::sort(parts_.added.begin(), parts_.added.end(),
              [](const AddedToken& left, const AddedToken& right) { return left.id < right.id; });
  }

  void read_added_token(const Json& json, const std::string& where) {
    const JsonObject entry(json, where);
    entry.allow({"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"});
    AddedToken token;
    token.single_word = entry.boolean("single_word", false);
    token.strip_left = entry.boolean("lstrip", false);
    token.strip_right = entry.boolean("rstrip", false);
    token.id = entry.integer("id", 0, kMostTokens - 1);
    token.content = entry.text("content");
    if (token.content.empty()) throw Error("{}: \"content\" is empty; remove the token", where);
    token.special = entry.boolean("special", false);
    token.normalized = entry.boolean("normalized", !token.special);
    const auto known = ids_.find(token.content);
    token.in_vocabulary = known != ids_.end();
    if (!token.in_vocabulary) {
      number(token, where);
    } else if (known->second != token.id) {
      throw Error("{}: id is {}, but model.vocab gives \"{}\" the id {}; make them equal", where, token.id,
                  token.content, known->second);
    }
    highest_added_ = std::max(highest_added_, token.id);
    parts_.added.push_back(std::move(token));
  }

  /// A token outside the vocabulary has the id that the package `tokenizers` gives it, whatever the file says: that of
  /// the last one and one more, or the number of tokens in the vocabulary.
  void number(AddedToken& token, const std::string& where) {
    const int next = std::max(highest_added_ + 1, in_model_);
    const auto holder = names_.find(next);
    if (token.id != next && holder != names_.end() && !names_.contains(token.id)) {
      throw Error(
          "{}: id is {}, but the package tokenizers gives \"{}\" the id {}, which is that of \"{}\"; leave no holes "
          "in the ids of model.vocab",
          where, token.id, token.content, next, holder->second);
    }
    if (!names_.contains(token.id)) token.id = next;
    claim(token.id, token.content, where);
  }

  /// Ids may leave holes.
  void list_names() {
    if (names_.empty()) throw Error("{}: model.vocab is empty; give it tokens", path_);
    const auto highest = std::max_element(names_.begin(), names_.end(), [](const auto& left, const auto& right) {
                           return left.first < right.first;
                         })->first;
    if (static_cast<std::size_t>(highest) >= names_.size() + kMostHoles) {
      throw Error("{}: model.vocab: the highest id is {} for {} tokens; more than {} ids without a token are refused",
                  path_, highest, names_.size(), kMostHoles);
    }
    for (std::int32_t id = 0; id <= highest; ++id) {
      const auto found = names_.find(id);
      if (found == names_.end()) parts_.holes.push_back(id);
      parts_.names.push_back(found == names_.end() ? std::string() : found->second);
    }
  }

  const Json& root_;
  std::string path_;
  TokenizerParts parts_;
  std::unordered_map<std::string, std::int32_t> ids_;
  std::unordered_map<int, std::string> names_;
  int in_model_ = 0;        // tokens of the vocabulary
  int highest_added_ = -1;  // id of the added tokens so far
};

using OrderedJson = nlohmann::ordered_json;

OrderedJson added_tokens_json(const TokenizerParts& parts) {
  OrderedJson list = OrderedJson::array();
  for (const AddedToken& token : parts.added) {
    list.push_back({{"id", token.id},
                    {"content", token.content},
                    {"single_word", token.single_word},
                    {"lstrip", token.strip_left},
                    {"rstrip", token.strip_right},
                    {"normalized", token.normalized},
                    {"special", token.special}});
  }
  return list;
}

OrderedJson model_json(const TokenizerParts& parts) {
  std::vector<bool> outside(parts.names.size(), false);
  for (const std::int32_t hole : parts.holes) outside[static_cast<std::size_t>(hole)] = true;
  for (const AddedToken& token : parts.added) outside[static_cast<std::size_t>(token.id)] = !token.in_vocabulary;
  OrderedJson::object_t vocabulary;
  for (std::size_t i = 0; i < parts.names.size(); ++i) {
    // Appending keeps the order of ids without the search for an equal key that operator[] makes.
    if (!outside[i]) vocabulary.emplace_back(parts.names[i], i);
  }
  const auto name_of = [&](std::int32_t id) { return parts.names[static_cast<std::size_t>(id)]; };
  const OrderedJson unknown = parts.unknown ? OrderedJson(name_of(*parts.unknown)) : OrderedJson(nullptr);
  OrderedJson model;
  if (parts.model == TokenizerModel::unigram) {
    OrderedJson pieces = OrderedJson::array();
    for (std::size_t i = 0; i < parts.scores.size(); ++i) {
      pieces.push_back(OrderedJson::array({parts.names[i], parts.scores[i]}));
    }
    model["type"] = "Unigram";
    model["unk_id"] = parts.unknown ? OrderedJson(*parts.unknown) : OrderedJson(nullptr);
    model["vocab"] = std::move(pieces);
    model["byte_fallback"] = parts.byte_fallback;
    return model;
  }
  if (parts.model == TokenizerModel::word_piece) {
    model["type"] = "WordPiece";
    model["unk_token"] = unknown;
    model["continuing_subword_prefix"] = parts.continuing_prefix;
    model["max_input_chars_per_word"] = parts.longest_word;
    model["vocab"] = std::move(vocabulary);
    return model;
  }
  OrderedJson merges = OrderedJson::array();
  for (const Merge& merge : parts.merges) {
    merges.push_back(OrderedJson::array({name_of(merge.left), name_of(merge.right)}));
  }
  model["type"] = "BPE";
  model["dropout"] = nullptr;
  model["unk_token"] = unknown;
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) model[key] = nullptr;
  model["fuse_unk"] = parts.fuse_unknown;
  model["byte_fallback"] = parts.byte_fallback;
  model["ignore_merges"] = parts.ignore_merges;
  model["vocab"] = std::move(vocabulary);
  model["merges"] = std::move(merges);
  return model;
}

}  // namespace

TokenizerParts read_tokenizer_file(const std::filesystem::path& path) {
  return TokenizerFileReader(load_json(path), path.string()).read();
}

TokenizerParts parse_tokenizer_file(std::string_view json_text, const std::string& where) {
  return TokenizerFileReader(parse_json(json_text, where), where).read();
}

std::string tokenizer_file_text(const TokenizerParts& parts) {
  OrderedJson file;
  file["version"] = "1.0";
  file["truncation"] = nullptr;
  file["padding"] = nullptr;
  file["added_tokens"] = added_tokens_json(parts);
  file["normalizer"] = OrderedJson::parse(parts.stages.normalizer);
  file["pre_tokenizer"] = OrderedJson::parse(parts.stages.pre_tokenizer);
  file["post_processor"] = OrderedJson::parse(parts.stages.post_processor);
  file["decoder"] = OrderedJson::parse(parts.stages.decoder);
  file["model"] = model_json(parts);
  return file.dump(1) + "\n";
}

}  // namespace gyre
