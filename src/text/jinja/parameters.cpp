#include "text/jinja/parameters.hpp"

#include <algorithm>

#include "text/jinja/compare.hpp"

namespace gyre::jinja {

Parameters::Parameters(std::string_view what, const Arguments& arguments, std::initializer_list<std::string_view> names,
                       std::size_t needed)
    : what_(what), names_(names), values_(names.size()) {
  if (arguments.values.size() > names_.size()) {
    throw Failure("{}() takes {} arguments, {} were given", what, names_.size(), arguments.values.size());
  }
  std::copy(arguments.values.begin(), arguments.values.end(), values_.begin());
  for (const auto& [name, value] : arguments.named) {
    const auto found = std::find(names_.begin(), names_.end(), name);
    if (found == names_.end()) throw Failure("{}() has no argument \"{}\"", what, name);
    std::optional<Value>& place = values_[static_cast<std::size_t>(found - names_.begin())];
    if (place) throw Failure("{}() is given \"{}\" twice", what, name);
    place = value;
  }
  for (std::size_t i = 0; i < needed; ++i) {
    if (!values_[i]) throw Failure("{}() needs the argument \"{}\"", what, names_[i]);
  }
}

const Value& Parameters::operator[](std::size_t i) const {
  static const Value none;
  const std::optional<Value>& value = values_[i];
  return value ? *value : none;
}

bool Parameters::flag(std::size_t i, bool otherwise) const {
  const std::optional<Value>& value = values_[i];
  return value ? truth(*value) : otherwise;
}

Integer Parameters::whole(std::size_t i, Integer otherwise) const {
  const std::optional<Value>& value = values_[i];
  if (!value) return otherwise;
  if (value->is_undefined()) throw Failure("{}", value->message());
  if (!value->is_whole()) {
    throw Failure("{}(): {} must be a whole number, not {}", what_, names_[i], value->type());
  }
  return value->whole();
}

const std::string& Parameters::text(std::size_t i) const {
  const Value& value = (*this)[i];
  if (value.is_undefined()) throw Failure("{}", value.message());
  if (!value.is_text()) throw Failure("{}(): {} must be a str, not {}", what_, names_[i], value.type());
  return value.text();
}

}  // namespace gyre::jinja
