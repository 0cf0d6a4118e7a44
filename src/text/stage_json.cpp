#include "text/stage_json.hpp"

#include "text/utf8.hpp"

namespace gyre {

const nlohmann::json* find_value(const nlohmann::json& object, std::string_view key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

const nlohmann::json& require_part(const nlohmann::json& object, const std::string& where, std::string_view key) {
  const nlohmann::json* value = find_value(object, key);
  if (value == nullptr) throw Error("{}: the key \"{}\" is missing", where, key);
  return *value;
}

void require_absent(const nlohmann::json& object, const std::string& where, std::string_view key) {
  const nlohmann::json* value = find_value(object, key);
  const bool empty_text = value != nullptr && value->is_string() && value->get_ref<const std::string&>().empty();
  if (value == nullptr || empty_text) return;
  throw Error("{}: \"{}\" is not supported; set it to null", where, key);
}

void require_false(const JsonObject& object, const std::string& where, std::string_view key, bool otherwise) {
  if (object.boolean(key, otherwise)) throw Error("{}: \"{}\" true is not supported; set it to false", where, key);
}

char32_t require_character(const JsonObject& object, const std::string& where, std::string_view key) {
  const std::string text = object.text(key);
  if (!text.empty()) {
    const Utf8Step step = read_utf8(text);
    if (step.kind == Utf8Step::Kind::kCharacter && step.length == text.size()) return step.code_point;
  }
  throw Error("{}: {} is \"{}\"; it must be one character", where, key, text);
}

}  // namespace gyre
