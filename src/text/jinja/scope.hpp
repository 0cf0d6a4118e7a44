#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "text/jinja/value.hpp"

namespace gyre::jinja {

/// The names that a template, a macro, or one turn of a loop has set; names of the scopes around it are seen through.
class Scope {
 public:
  explicit Scope(std::shared_ptr<Scope> around) : around_(std::move(around)) {}

  void set(std::string_view name, Value value) { values_.insert_or_assign(std::string(name), std::move(value)); }
  /// The value of the innermost scope that has the name, or nullptr.
  [[nodiscard]] const Value* find(std::string_view name) const {
    for (const Scope* scope = this; scope != nullptr; scope = scope->around_.get()) {
      if (const auto found = scope->values_.find(name); found != scope->values_.end()) return &found->second;
    }
    return nullptr;
  }
  void forget() { values_.clear(); }

 private:
  std::shared_ptr<Scope> around_;
  std::map<std::string, Value, std::less<>> values_;
};

}  // namespace gyre::jinja
