#include "serve/fields.hpp"

#include <algorithm>
#include <cmath>

namespace gyre::serve {
namespace {

/// A whole number, also one written as 5.0; nothing when it is none that fits.
std::optional<std::int64_t> whole(const Json& value) {
  if (value.is_number_unsigned()) {
    const auto number = value.get<std::uint64_t>();
    if (number > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return std::nullopt;
    return static_cast<std::int64_t>(number);
  }
  if (value.is_number_integer()) return value.get<std::int64_t>();
  if (!value.is_number_float()) return std::nullopt;
  const auto number = value.get<double>();
  if (std::abs(number) > 1e15 || number != std::trunc(number)) return std::nullopt;
  return static_cast<std::int64_t>(number);
}

}  // namespace

std::string_view kind_of(const Json& value) {
  if (value.is_null()) return "null";
  if (value.is_boolean()) return "a truth value";
  if (value.is_number()) return "a number";
  if (value.is_string()) return "a text";
  return value.is_array() ? "a list" : "an object";
}

Fields::Fields(const Json& object, std::string path) : object_(&object), path_(std::move(path)) {
  if (!object.is_object()) throw bad_request(path_, "{}: expected an object, found {}", path_, kind_of(object));
}

std::string Fields::path_of(std::string_view name) const {
  return path_.empty() ? std::string(name) : fmt::format("{}.{}", path_, name);
}

const Json* Fields::find(std::string_view name) {
  seen_.emplace(name);
  const auto found = object_->find(std::string(name));
  return found == object_->end() || found->is_null() ? nullptr : &*found;
}

std::optional<std::int64_t> Fields::integer(std::string_view name, std::int64_t least, std::int64_t most) {
  const Json* const value = find(name);
  if (value == nullptr) return std::nullopt;
  const std::optional<std::int64_t> number = whole(*value);
  if (number && *number >= least && *number <= most) return number;
  if (value->is_number()) throw wrong(name, "{} is no whole number from {} to {}", dump(*value), least, most);
  throw wrong(name, "expected a whole number from {} to {}, found {}", least, most, kind_of(*value));
}

std::optional<double> Fields::number(std::string_view name, double least, double most) {
  const Json* const value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number()) throw wrong(name, "expected a number from {} to {}, found {}", least, most, kind_of(*value));
  const auto found = value->get<double>();
  if (found >= least && found <= most) return found;
  throw wrong(name, "{} is not from {} to {}", dump(*value), least, most);
}

std::optional<bool> Fields::boolean(std::string_view name) {
  const Json* const value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean()) throw wrong(name, "expected true or false, found {}", kind_of(*value));
  return value->get<bool>();
}

std::optional<std::string> Fields::text(std::string_view name) {
  const Json* const value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) throw wrong(name, "expected a text, found {}", kind_of(*value));
  return value->get<std::string>();
}

const Json* Fields::list(std::string_view name, std::size_t most) {
  const Json* const value = find(name);
  if (value == nullptr) return nullptr;
  if (!value->is_array()) throw wrong(name, "expected a list, found {}", kind_of(*value));
  if (value->size() > most) throw wrong(name, "{} entries; {} are the most", value->size(), most);
  return value;
}

std::optional<Fields> Fields::object(std::string_view name) {
  const Json* const value = find(name);
  if (value == nullptr) return std::nullopt;
  return Fields(*value, path_of(name));
}

void Fields::ignore(std::initializer_list<std::string_view> names) { seen_.insert(names.begin(), names.end()); }

void Fields::only(std::string_view name, std::initializer_list<Json> harmless) {
  const Json* const value = find(name);
  if (value == nullptr || std::find(harmless.begin(), harmless.end(), *value) != harmless.end()) return;
  throw wrong(name, "{} is not offered here; leave it out", dump(*value).substr(0, 80));
}

void Fields::done() const {
  for (const auto& [name, value] : object_->items()) {
    if (value.is_null() || seen_.contains(name)) continue;
    throw wrong(name.substr(0, 80), "there is no such field; leave it out");
  }
}

}  // namespace gyre::serve
