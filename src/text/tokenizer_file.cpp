#include "text/tokenizer_file.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <unordered_map>
#include <utility>

#include "base/error.hpp"
#include "format/json_object.hpp"
#include "text/byte_level.hpp"

namespace gyre {
namespace {

using Json = nlohmann::json;
constexpr int kMostTokens = std::numeric_limits<int>::max();

/// The value of `key`, or nothing when it is missing or null: the two mean the same in this format.
const Json* find_value(const Json& object, std::string_view key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

/// A part of the file that a JsonObject can read: a missing one is reported by its full name.
const Json& require_part(const Json& object, const std::string& where, std::string_view key) {
  const Json* value = find_value(object, key);
  if (value == nullptr) throw Error("{}: the key \"{}\" is missing", where, key);
  return *value;
}

void require_absent(const Json& object, const std::string& where, std::string_view key) {
  const Json* value = find_value(object, key);
  const bool empty_text = value != nullptr && value->is_string() && value->get_ref<const std::string&>().empty();
  if (value == nullptr || empty_text) return;
  throw Error("{}: \"{}\" is not supported; set it to null", where, key);
}

void require_false(const JsonObject& object, const std::string& where, std::string_view key, bool otherwise = false) {
  if (object.boolean(key, otherwise)) throw Error("{}: \"{}\" true is not supported; set it to false", where, key);
}

/// Reads the parts of one file; `path` stands in every message.
class TokenizerFileReader {
 public:
  TokenizerFileReader(const Json& root, std::string path) : root_(root), path_(std::move(path)) {}

  TokenizerParts read() {
    const JsonObject top(root_, path_);
    top.allow({"version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor",
               "decoder", "model"});
    for (const std::string_view key : {"truncation", "padding", "normalizer"}) require_absent(root_, path_, key);
    read_model();
    read_added_tokens();
    require_every_id();
    if (const Json* cutting = find_value(root_, "pre_tokenizer")) {
      read_pre_tokenizer(*cutting, path_ + ": pre_tokenizer");
      if (!parts_.byte_level) throw Error("{}: pre_tokenizer: it must end with ByteLevel, or be null", path_);
    }
    check_post_processor();
    check_decoder();
    check_unknown_token();
    return std::move(parts_);
  }

 private:
  void read_model() {
    const std::string where = path_ + ": model";
    const Json& json = require_part(root_, path_, "model");
    const JsonObject model(json, where);
    model.allow({"type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk",
                 "byte_fallback", "ignore_merges", "vocab", "merges"});
    if (const std::string type = model.text("type", "BPE"); type != "BPE") {
      throw Error("{}: the type \"{}\" is not supported; it must be \"BPE\"", where, type);
    }
    for (const std::string_view key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
      require_absent(json, where, key);
    }
    const Json* dropout = find_value(json, "dropout");
    if (dropout != nullptr && *dropout != 0) throw Error("{}: \"dropout\" is not supported; set it to null", where);
    require_false(model, where, "byte_fallback");
    static_cast<void>(model.boolean("fuse_unk", false));
    parts_.ignore_merges = model.boolean("ignore_merges", false);
    read_vocabulary(require_part(json, where, "vocab"), where + ".vocab");
    read_merges(model.array("merges"), where + ".merges");
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
    throw Error("{}: expected two tokens, as \"a b\" or [\"a\", \"b\"], found {}", where, merge.dump());
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
    for (const std::string_view key : {"single_word", "lstrip", "rstrip"}) require_false(entry, where, key);
    AddedToken token;
    token.id = entry.integer("id", 0, kMostTokens - 1);
    token.content = entry.text("content");
    if (token.content.empty()) throw Error("{}: \"content\" is empty; remove the token", where);
    token.special = entry.boolean("special", false);
    token.normalized = entry.boolean("normalized", !token.special);
    const auto known = ids_.find(token.content);
    token.in_vocabulary = known != ids_.end();
    if (!token.in_vocabulary) {
      claim(token.id, token.content, where);
    } else if (known->second != token.id) {
      throw Error("{}: id is {}, but model.vocab gives \"{}\" the id {}; make them equal", where, token.id,
                  token.content, known->second);
    }
    parts_.added.push_back(std::move(token));
  }

  void require_every_id() {
    if (names_.empty()) throw Error("{}: model.vocab is empty; give it tokens", path_);
    for (std::size_t i = 0; i < names_.size(); ++i) {
      const auto found = names_.find(static_cast<int>(i));
      if (found == names_.end()) {
        throw Error("{}: model.vocab: no token has the id {}; {} tokens need the ids 0 to {}", path_, i, names_.size(),
                    names_.size() - 1);
      }
      parts_.names.push_back(found->second);
    }
  }

  void read_pre_tokenizer(const Json& json, const std::string& where) {
    if (parts_.byte_level) throw Error("{}: nothing may follow ByteLevel; remove it", where);
    const JsonObject step(json, where);
    const std::string type = step.text("type");
    if (type == "ByteLevel") {
      step.allow({"type", "add_prefix_space", "trim_offsets", "use_regex"});
      require_false(step, where, "add_prefix_space", true);
      if (step.boolean("use_regex", true)) parts_.patterns.emplace_back(std::string(kGpt2Pattern), where);
      parts_.byte_level = true;
    } else if (type == "Sequence") {
      step.allow({"type", "pretokenizers"});
      const Json& steps = step.array("pretokenizers");
      for (std::size_t i = 0; i < steps.size(); ++i) {
        // Sequences of sequences are legal but unknown; refusing them bounds the depth of an untrusted file.
        const std::string here = fmt::format("{}.pretokenizers[{}]", where, i);
        if (JsonObject(steps[i], here).text("type") == "Sequence") {
          throw Error("{}: a Sequence inside a Sequence is not supported; list its steps directly", here);
        }
        read_pre_tokenizer(steps[i], here);
      }
    } else if (type == "Split") {
      read_split(json, where);
    } else if (type == "Digits") {
      step.allow({"type", "individual_digits"});
      parts_.patterns.emplace_back(step.boolean("individual_digits") ? R"(\p{N})" : R"(\p{N}+)", where);
    } else {
      throw Error("{}: the type \"{}\" is not supported; choose one of ByteLevel, Split, Digits, Sequence", where,
                  type);
    }
  }

  void read_split(const Json& json, const std::string& where) {
    const JsonObject step(json, where);
    step.allow({"type", "pattern", "behavior", "invert"});
    if (const std::string behavior = step.text("behavior"); behavior != "Isolated") {
      throw Error("{}: the behavior \"{}\" is not supported; it must be \"Isolated\"", where, behavior);
    }
    static_cast<void>(step.boolean("invert", false));  // matches and gaps are pieces alike
    const std::string here = where + ".pattern";
    const JsonObject pattern(require_part(json, where, "pattern"), here);
    pattern.allow({"Regex"});
    parts_.patterns.emplace_back(pattern.text("Regex"), here);
  }

  void check_post_processor() const {
    const Json* json = find_value(root_, "post_processor");
    if (json == nullptr) return;
    const std::string where = path_ + ": post_processor";
    if (const std::string type = JsonObject(*json, where).text("type"); type != "ByteLevel") {
      throw Error("{}: the type \"{}\" is not supported; it must be ByteLevel or null", where, type);
    }
  }

  void check_decoder() const {
    const std::string where = path_ + ": decoder";
    const Json* json = find_value(root_, "decoder");
    const std::string type = json == nullptr ? "null" : JsonObject(*json, where).text("type");
    const std::string_view expected = parts_.byte_level ? "ByteLevel" : "Fuse";
    if (type != expected) {
      throw Error("{}: the type {} does not fit the pre_tokenizer; it must be \"{}\"", where, type, expected);
    }
  }

  /// A token for unknown text is harmless when no text is unknown.
  void check_unknown_token() const {
    const Json* unknown = find_value(root_["model"], "unk_token");
    if (unknown == nullptr) return;
    const auto known = [&](std::uint8_t byte) {
      return ids_.contains(to_byte_level(std::string(1, static_cast<char>(byte))));
    };
    const auto order = byte_level_order();
    if (parts_.byte_level && std::all_of(order.begin(), order.end(), known)) return;
    throw Error("{}: model: \"unk_token\" is not supported with a vocabulary that lacks some bytes; set it to null",
                path_);
  }

  const Json& root_;
  std::string path_;
  TokenizerParts parts_;
  std::unordered_map<std::string, std::int32_t> ids_;
  std::unordered_map<int, std::string> names_;
};

using OrderedJson = nlohmann::ordered_json;

OrderedJson byte_level_step(bool use_regex) {
  return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", use_regex}};
}

OrderedJson pre_tokenizer_json(const TokenizerParts& parts) {
  if (!parts.byte_level) return nullptr;
  std::span<const SplitPattern> splits = parts.patterns;
  const bool use_regex = !splits.empty() && splits.back().regex() == kGpt2Pattern;
  if (use_regex) splits = splits.first(splits.size() - 1);
  if (splits.empty()) return byte_level_step(use_regex);
  OrderedJson steps = OrderedJson::array();
  for (const SplitPattern& split : splits) {
    steps.push_back(
        {{"type", "Split"}, {"pattern", {{"Regex", split.regex()}}}, {"behavior", "Isolated"}, {"invert", false}});
  }
  steps.push_back(byte_level_step(use_regex));
  return {{"type", "Sequence"}, {"pretokenizers", std::move(steps)}};
}

OrderedJson added_tokens_json(const TokenizerParts& parts) {
  OrderedJson list = OrderedJson::array();
  for (const AddedToken& token : parts.added) {
    list.push_back({{"id", token.id},
                    {"content", token.content},
                    {"single_word", false},
                    {"lstrip", false},
                    {"rstrip", false},
                    {"normalized", token.normalized},
                    {"special", token.special}});
  }
  return list;
}

OrderedJson model_json(const TokenizerParts& parts) {
  std::vector<bool> outside(parts.names.size(), false);
  for (const AddedToken& token : parts.added) outside[static_cast<std::size_t>(token.id)] = !token.in_vocabulary;
  OrderedJson::object_t vocabulary;
  for (std::size_t i = 0; i < parts.names.size(); ++i) {
    // Appending keeps the order of ids without the search for an equal key that operator[] makes.
    if (!outside[i]) vocabulary.emplace_back(parts.names[i], i);
  }
  OrderedJson merges = OrderedJson::array();
  const auto name_of = [&](std::int32_t id) { return parts.names[static_cast<std::size_t>(id)]; };
  for (const Merge& merge : parts.merges) {
    merges.push_back(OrderedJson::array({name_of(merge.left), name_of(merge.right)}));
  }
  OrderedJson model;
  model["type"] = "BPE";
  for (const char* key : {"dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix"}) {
    model[key] = nullptr;
  }
  model["fuse_unk"] = false;
  model["byte_fallback"] = false;
  model["ignore_merges"] = parts.ignore_merges;
  model["vocab"] = std::move(vocabulary);
  model["merges"] = std::move(merges);
  return model;
}

}  // namespace

TokenizerParts read_tokenizer_file(const std::filesystem::path& path) {
  return TokenizerFileReader(load_json(path), path.string()).read();
}

std::string tokenizer_file_text(const TokenizerParts& parts) {
  OrderedJson file;
  file["version"] = "1.0";
  file["truncation"] = nullptr;
  file["padding"] = nullptr;
  file["added_tokens"] = added_tokens_json(parts);
  file["normalizer"] = nullptr;
  file["pre_tokenizer"] = pre_tokenizer_json(parts);
  file["post_processor"] = nullptr;
  file["decoder"] = parts.byte_level ? byte_level_step(true) : OrderedJson{{"type", "Fuse"}};
  file["model"] = model_json(parts);
  return file.dump(1) + "\n";
}

}  // namespace gyre
