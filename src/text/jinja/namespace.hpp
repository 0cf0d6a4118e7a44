#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "text/jinja/value.hpp"

namespace gyre::jinja {

/// What namespace() gives: attributes that templates may set.
class Namespace : public Object {
 public:
  explicit Namespace(Dict attributes) : attributes_(std::move(attributes)) {}

  void set(std::string_view name, Value value) { attributes_.set(Value::text(std::string(name)), std::move(value)); }

  [[nodiscard]] std::string_view type() const override { return "Namespace"; }
  [[nodiscard]] std::string shown(Budget& budget) const override;
  [[nodiscard]] std::optional<Value> attribute(std::string_view name) override;
  void forget() override { attributes_ = {}; }

 private:
  Dict attributes_;
};

}  // namespace gyre::jinja
