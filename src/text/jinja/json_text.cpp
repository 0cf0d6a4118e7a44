#include "text/jinja/json_text.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "text/jinja/compare.hpp"
#include "text/jinja/python_text.hpp"
#include "text/utf8.hpp"

namespace gyre::jinja {
namespace {

void append_unit(std::string& out, std::uint32_t unit) { out += fmt::format("\\u{:04x}", unit); }

void append_json_character(std::string& out, char32_t c, bool ascii) {
  constexpr std::string_view kPlain = "\"\\\b\f\n\r\t";
  constexpr std::string_view kLetters = "\"\\bfnrt";
  if (c < 0x80 && kPlain.find(static_cast<char>(c)) != std::string_view::npos && c != 0) {
    out += '\\';
    out += kLetters[kPlain.find(static_cast<char>(c))];
  } else if (c < 0x20 || (ascii && c >= 0x7F && c < 0x10000)) {
    append_unit(out, static_cast<std::uint32_t>(c));
  } else if (ascii && c >= 0x10000) {
    append_unit(out, 0xD800 + ((static_cast<std::uint32_t>(c) - 0x10000) >> 10U));
    append_unit(out, 0xDC00 + ((static_cast<std::uint32_t>(c) - 0x10000) & 0x3FFU));
  } else {
    append_utf8(out, c);
  }
}

class JsonWriter {
 public:
  JsonWriter(const JsonStyle& style, Budget& budget) : style_(style), budget_(budget) {}

  void value(const Value& value, int depth) {
    const Budget::Level level(budget_);
    budget_.step();
    switch (value.kind()) {
      case Value::Kind::none:
        return add("null");
      case Value::Kind::boolean:
        return add(value.truth_bit() ? "true" : "false");
      case Value::Kind::integer:
        return add(integer_text(value.whole()));
      case Value::Kind::real:
        return add(real(value.number()));
      case Value::Kind::text:
        return text(value.text());
      case Value::Kind::dict:
        return dict(value.dict(), depth);
      case Value::Kind::list: {
        const Value::Form form = value.list().form;
        if (form == Value::Form::list || form == Value::Form::tuple || form == Value::Form::group) {
          return list(value.list(), depth);
        }
        break;
      }
      default:
        break;
    }
    if (value.is_undefined()) throw Failure("tojson: {}", value.message());
    throw Failure("tojson: object of type {} is not JSON serializable", value.type());
  }

  std::string take() {
    budget_.text(out_.size());
    return std::move(out_);
  }

 private:
  void add(std::string_view text) {
    if (out_.size() + text.size() > kLongestText) budget_.text(kLongestText + 1);
    out_ += text;
  }

  static std::string real(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
    return real_text(value);
  }

  void text(std::string_view text) {
    std::string escaped = "\"";
    for (const char32_t c : code_points(text)) append_json_character(escaped, c, style_.ascii);
    add(escaped + "\"");
  }

  void line_break(int depth) {
    if (!style_.indent) return;
    add("\n");
    for (int i = 0; i < depth; ++i) add(*style_.indent);
  }

  void list(const List& list, int depth) {
    if (list.items.empty()) return add("[]");
    add("[");
    for (std::size_t i = 0; i < list.items.size(); ++i) {
      if (i > 0) add(style_.between_items);
      line_break(depth + 1);
      value(list.items[i], depth + 1);
    }
    line_break(depth);
    add("]");
  }

  void dict(const Dict& dict, int depth) {
    if (dict.size() == 0) return add("{}");
    std::vector<const Dict::Entry*> entries;
    for (const Dict::Entry& entry : dict.entries()) entries.push_back(&entry);
    if (style_.sort_keys) {
      std::stable_sort(entries.begin(), entries.end(),
                       [&](const auto* a, const auto* b) { return less(a->first, b->first, budget_); });
    }
    add("{");
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if (i > 0) add(style_.between_items);
      line_break(depth + 1);
      key(entries[i]->first);
      add(style_.behind_key);
      value(entries[i]->second, depth + 1);
    }
    line_break(depth);
    add("}");
  }

  void key(const Value& key) {
    if (key.is_text()) return text(key.text());
    if (!key.is_none() && !key.is_number()) {
      throw Failure("tojson: keys must be str, int, float, bool or None, not {}", key.type());
    }
    add("\"");
    value(key, 0);
    add("\"");
  }

  const JsonStyle& style_;
  Budget& budget_;
  std::string out_;
};

}  // namespace

std::string json_text(const Value& value, const JsonStyle& style, Budget& budget) {
  JsonWriter writer(style, budget);
  writer.value(value, 0);
  return writer.take();
}

namespace {

Value value_at(const nlohmann::ordered_json& json, int depth) {
  if (depth > kDeepestValue) throw LimitReached("what it is given nests lists and dicts deeper than {}", kDeepestValue);
  const auto checked = [](const std::string& text) {
    if (first_invalid_utf8(text) != std::string_view::npos) throw Failure("a text that it was given is not UTF-8");
    return text;
  };
  if (json.is_boolean()) return Value::boolean(json.get<bool>());
  if (json.is_number_unsigned()) return Value::integer(json.get<std::uint64_t>());
  if (json.is_number_integer()) return Value::integer(json.get<std::int64_t>());
  if (json.is_number_float()) return Value::real(json.get<double>());
  if (json.is_string()) return Value::text(checked(json.get_ref<const std::string&>()));
  if (json.is_array()) {
    std::vector<Value> items;
    for (const auto& item : json) items.push_back(value_at(item, depth + 1));
    return Value::list(std::move(items));
  }
  if (!json.is_object()) return {};
  Dict dict;
  for (const auto& [key, item] : json.items()) dict.set(Value::text(checked(key)), value_at(item, depth + 1));
  return Value::dict(std::move(dict));
}

}  // namespace

Value value_of(const nlohmann::ordered_json& json) { return value_at(json, 1); }

}  // namespace gyre::jinja
