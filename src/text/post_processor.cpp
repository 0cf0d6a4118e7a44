#include "text/post_processor.hpp"

#include <algorithm>
#include <utility>

#include "text/stage_json.hpp"

namespace gyre {
namespace {

using Json = nlohmann::json;

class PostProcessorReader {
 public:
  explicit PostProcessorReader(std::size_t vocabulary) : vocabulary_(vocabulary) {}

  void read_step(const Json& json, const std::string& where) {
    const JsonObject step(json, where);
    const std::string type = step.text("type");
    if (type == "TemplateProcessing") {
      read_template(json, where);
    } else if (type == "BertProcessing" || type == "RobertaProcessing") {
      step.allow({"type", "sep", "cls", "trim_offsets", "add_prefix_space"});
      wrap({{read_pair(step, where, "cls")}, {read_pair(step, where, "sep")}});
    } else if (type != "ByteLevel") {  // ByteLevel moves offsets alone
      throw Error(
          "{}: the type \"{}\" is not supported; choose one of TemplateProcessing, ByteLevel, BertProcessing, "
          "RobertaProcessing, Sequence",
          where, type);
    }
  }

  SurroundingTokens take() { return std::move(tokens_); }

 private:
  [[nodiscard]] std::int32_t checked_id(const Json& value, const std::string& where) const {
    if (value.is_number_unsigned() && value.get<std::uint64_t>() < vocabulary_) return value.get<std::int32_t>();
    throw Error("{}: {} is no id of the vocabulary; its ids are 0 to {}", where, value.dump(), vocabulary_ - 1);
  }

  [[nodiscard]] std::int32_t read_pair(const JsonObject& step, const std::string& where, std::string_view key) const {
    const Json& pair = step.array(key);
    const std::string here = fmt::format("{}.{}", where, key);
    if (pair.size() != 2 || !pair[0].is_string()) throw Error("{}: expected a token and its id", here);
    return checked_id(pair[1], here);
  }

  void read_template(const Json& json, const std::string& where) {
    const JsonObject step(json, where);
    step.allow({"type", "single", "pair", "special_tokens"});
    const Json& single = step.array("single");
    SurroundingTokens around;
    int texts = 0;
    for (std::size_t i = 0; i < single.size(); ++i) {
      const std::string here = fmt::format("{}.single[{}]", where, i);
      const JsonObject item(single[i], here);
      item.allow({"SpecialToken", "Sequence"});
      if (item.has("Sequence")) {
        ++texts;
      } else {
        const std::string name = JsonObject(require_part(single[i], here, "SpecialToken"), here).text("id");
        append_ids(json, where, name, texts == 0 ? around.prefix : around.suffix);
      }
    }
    if (texts != 1) throw Error("{}.single: the text stands there {} times; it must be once", where, texts);
    wrap(std::move(around));
  }

  void append_ids(const Json& json, const std::string& where, const std::string& name,
                  std::vector<std::int32_t>& ids) const {
    const std::string here = where + ".special_tokens";
    const Json& known = require_part(json, where, "special_tokens");
    static_cast<void>(JsonObject(known, here));
    const std::string place = fmt::format("{}.{}", here, name);
    const Json& list = JsonObject(require_part(known, here, name), place).array("ids");
    for (const Json& id : list) ids.push_back(checked_id(id, place));
  }

  /// A later step stands around the earlier ones.
  void wrap(SurroundingTokens outer) {
    tokens_.prefix.insert(tokens_.prefix.begin(), outer.prefix.begin(), outer.prefix.end());
    tokens_.suffix.insert(tokens_.suffix.end(), outer.suffix.begin(), outer.suffix.end());
  }

  std::size_t vocabulary_;
  SurroundingTokens tokens_;
};

}  // namespace

SurroundingTokens read_post_processor(const nlohmann::json& json, const std::string& where, std::size_t vocabulary) {
  PostProcessorReader reader(vocabulary);
  if (json.is_null()) return {};
  if (JsonObject(json, where).text("type") == "Sequence") {
    for_each_step(json, where, "processors",
                  [&](const nlohmann::json& step, const std::string& here) { reader.read_step(step, here); });
  } else {
    reader.read_step(json, where);
  }
  return reader.take();
}

std::string post_processor_text(const SurroundingTokens& tokens, const std::vector<std::string>& names) {
  if (tokens.prefix.empty() && tokens.suffix.empty()) return "null";
  Json known = Json::object();
  const auto surrounded = [&](const char* text, int type) {
    Json items = Json::array();
    const auto add = [&](std::int32_t id) {
      const std::string& name = names[static_cast<std::size_t>(id)];
      items.push_back({{"SpecialToken", {{"id", name}, {"type_id", type}}}});
      known[name] = {{"id", name}, {"ids", {id}}, {"tokens", {name}}};
    };
    std::for_each(tokens.prefix.begin(), tokens.prefix.end(), add);
    items.push_back({{"Sequence", {{"id", text}, {"type_id", type}}}});
    std::for_each(tokens.suffix.begin(), tokens.suffix.end(), add);
    return items;
  };
  const Json single = surrounded("A", 0);
  Json pair = single;
  for (const Json& item : surrounded("B", 1)) pair.push_back(item);
  return Json{{"type", "TemplateProcessing"}, {"single", single}, {"pair", pair}, {"special_tokens", known}}.dump();
}

}  // namespace gyre
