#include "format/json_object.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/file.hpp"

namespace gyre {
namespace {

/// The library copies and writes values by recursion: what is nested deeper may take more stack than there is.
constexpr std::size_t kDeepest = 64;

/// How deep lists and objects lie in one another. Of what is no JSON it counts the brackets.
std::size_t nesting_of(std::string_view text) {
  std::size_t depth = 0;
  std::size_t deepest = 0;
  bool quoted = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '"') quoted = !quoted;
    if (quoted) {
      if (c == '\\') ++at;  // whatever follows, it does not end the text
    } else if (c == '[' || c == '{') {
      deepest = std::max(deepest, ++depth);
    } else if (depth > 0 && (c == ']' || c == '}')) {
      --depth;
    }
  }
  return deepest;
}

}  // namespace

nlohmann::json parse_json(std::string_view text, const std::string& where) {
  if (nesting_of(text) > kDeepest) {
    throw Error("{}: lists and objects are nested deeper than {}", where, kDeepest);
  }
  // The library takes a zero byte for the end and leaves out what follows.
  if (const std::size_t zero = text.find('\0'); zero != std::string_view::npos) {
    throw Error("{}: not valid JSON near byte {}", where, zero + 1);
  }
  try {
    return nlohmann::json::parse(text);
  } catch (const nlohmann::json::parse_error& failure) {
    throw Error("{}: not valid JSON near byte {}", where, failure.byte);
  } catch (const nlohmann::json::exception& failure) {
    throw Error("{}: not valid JSON ({})", where, failure.what());
  }
}

std::vector<std::string> repeated_key(std::string_view json) {
  using Event = nlohmann::json::parse_event_t;
  struct Object {
    std::set<std::string> keys;
    std::string current;
  };
  std::vector<Object> open;
  std::vector<std::string> way;
  const auto see = [&](int /*depth*/, Event event, nlohmann::json& parsed) {
    if (event == Event::object_start) open.emplace_back();
    if (event == Event::object_end) open.pop_back();
    if (event != Event::key || !way.empty()) return true;
    open.back().current = parsed.get<std::string>();
    if (open.back().keys.insert(open.back().current).second) return true;
    for (const Object& object : open) way.push_back(object.current);
    return true;
  };
  if (nlohmann::json::parse(json, see).is_discarded()) way.clear();  // never: it was valid
  return way;
}

nlohmann::json load_settings(const std::filesystem::path& file) {
  const MappedFile mapped(file);
  nlohmann::json settings = parse_json(mapped.text(), file.string());
  if (const std::vector<std::string> way = repeated_key(mapped.text()); !way.empty()) {
    throw Error("{}: {} is there twice; keep one", file.string(), fmt::join(way, "."));
  }
  return settings;
}

nlohmann::json load_json(const std::filesystem::path& file) {
  const MappedFile mapped(file);
  return parse_json(mapped.text(), file.string());
}

JsonObject::JsonObject(const nlohmann::json& json, std::string where) : json_(json), where_(std::move(where)) {
  if (!json.is_object()) throw Error("{}: expected a JSON object, found {}", where_, json.type_name());
}

void JsonObject::allow(std::span<const std::string_view> keys) const {
  for (const auto& [key, value] : json_.items()) {
    if (std::find(keys.begin(), keys.end(), key) != keys.end()) continue;
    throw Error("{}: unknown key \"{}\"; the keys are {}", where_, key, fmt::join(keys, ", "));
  }
}

void JsonObject::allow(std::span<const std::string_view> shared, std::initializer_list<std::string_view> own) const {
  std::vector<std::string_view> keys(own);
  keys.insert(keys.end(), shared.begin(), shared.end());
  allow(std::span<const std::string_view>(keys));
}

bool JsonObject::has(std::string_view key) const { return json_.contains(key); }

bool JsonObject::given(std::string_view key) const { return has(key) && !json_.at(key).is_null(); }

const nlohmann::json& JsonObject::at(std::string_view key) const {
  const auto found = json_.find(key);
  if (found == json_.end()) throw Error("{}: the key \"{}\" is missing", where_, key);
  return *found;
}

std::string JsonObject::text(std::string_view key, std::optional<std::string> otherwise) const {
  if (otherwise && !has(key)) return *otherwise;
  const nlohmann::json& value = at(key);
  if (!value.is_string()) throw Error("{}: {} must be text, found {}", where_, key, value.type_name());
  return value.get<std::string>();
}

int JsonObject::integer(std::string_view key, int least, int most, std::optional<int> otherwise) const {
  if (otherwise && !has(key)) return *otherwise;
  const nlohmann::json& value = at(key);
  if (!value.is_number_integer()) {
    throw Error("{}: {} must be a whole number, found {}", where_, key, value.dump());
  }
  const auto wide =
      value.is_number_unsigned() && value.get<std::uint64_t>() > INT64_MAX ? INT64_MAX : value.get<std::int64_t>();
  if (wide < least || wide > most) {
    throw Error("{}: {} is {}; it must lie between {} and {}", where_, key, value.dump(), least, most);
  }
  return static_cast<int>(wide);
}

float JsonObject::number(std::string_view key, double least, double most, std::optional<float> otherwise) const {
  if (otherwise && !has(key)) return *otherwise;
  const nlohmann::json& value = at(key);
  if (!value.is_number()) throw Error("{}: {} must be a number, found {}", where_, key, value.type_name());
  const double wide = value.get<double>();
  if (!(wide >= least && wide <= most)) {
    throw Error("{}: {} is {}; it must lie between {} and {}", where_, key, wide, least, most);
  }
  return static_cast<float>(wide);
}

bool JsonObject::boolean(std::string_view key, std::optional<bool> otherwise) const {
  if (otherwise && !has(key)) return *otherwise;
  const nlohmann::json& value = at(key);
  if (!value.is_boolean()) throw Error("{}: {} must be true or false, found {}", where_, key, value.dump());
  return value.get<bool>();
}

JsonObject JsonObject::object(std::string_view key) const { return {at(key), fmt::format("{}: {}", where_, key)}; }

const nlohmann::json& JsonObject::array(std::string_view key) const {
  const nlohmann::json& value = at(key);
  if (!value.is_array()) throw Error("{}: {} must be a list, found {}", where_, key, value.type_name());
  return value;
}

}  // namespace gyre
