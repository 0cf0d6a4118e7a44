#pragma once

#include <filesystem>
#include <initializer_list>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/enum_name.hpp"
#include "base/error.hpp"

namespace gyre {

/// Parses JSON. Throws Error with `where` and the place of the mistake, or when lists and objects are nested deeper
/// than anybody writes them. Of a key that an object holds twice the last value counts, as in Python.
nlohmann::json parse_json(std::string_view text, const std::string& where);
/// The way to the first key of valid JSON that stands in its object already: the keys of the objects around it, and it.
/// Empty when there is none.
std::vector<std::string> repeated_key(std::string_view json);
/// Reads and parses a JSON file. Throws Error with the file and the place of the mistake.
nlohmann::json load_json(const std::filesystem::path& file);
/// The same of a file that somebody wrote to say what they want: a key that stands there twice is refused by name.
nlohmann::json load_settings(const std::filesystem::path& file);

/// Typed reading of one JSON object. Every error says where (a file, perhaps with a path inside it), which key, and
/// what would be right. A getter without a default throws when the key is missing.
class JsonObject {
 public:
  JsonObject(const nlohmann::json& json, std::string where);

  /// Throws Error on the first key that is not among `keys`, and lists them.
  void allow(std::initializer_list<std::string_view> keys) const { allow(std::span(keys.begin(), keys.size())); }
  void allow(std::span<const std::string_view> keys) const;
  /// The same of keys that others read too, and of those that only this object has.
  void allow(std::span<const std::string_view> shared, std::initializer_list<std::string_view> own) const;

  [[nodiscard]] bool has(std::string_view key) const;
  /// Whether the key is there with anything but null.
  [[nodiscard]] bool given(std::string_view key) const;
  [[nodiscard]] std::string text(std::string_view key, std::optional<std::string> otherwise = {}) const;
  [[nodiscard]] int integer(std::string_view key, int least, int most, std::optional<int> otherwise = {}) const;
  [[nodiscard]] float number(std::string_view key, double least, double most,
                             std::optional<float> otherwise = {}) const;
  [[nodiscard]] bool boolean(std::string_view key, std::optional<bool> otherwise = {}) const;
  [[nodiscard]] const nlohmann::json& array(std::string_view key) const;
  [[nodiscard]] JsonObject object(std::string_view key) const;

  template <typename Enum>
  [[nodiscard]] Enum choice(std::string_view key, std::span<const EnumName<Enum>> names,
                            std::optional<Enum> otherwise = {}) const {
    if (otherwise && !has(key)) return *otherwise;
    const std::string given = text(key);
    std::string all;
    for (const EnumName<Enum>& row : names) {
      if (row.name == given) return row.value;
      all += (all.empty() ? "" : ", ") + std::string(row.name);
    }
    throw Error("{}: {} is \"{}\"; choose one of {}", where_, key, given, all);
  }

 private:
  [[nodiscard]] const nlohmann::json& at(std::string_view key) const;

  const nlohmann::json& json_;
  std::string where_;
};

}  // namespace gyre
