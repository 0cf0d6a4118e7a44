#pragma once

#include <memory>
#include <optional>
#include <string>

#include "text/jinja/ast.hpp"
#include "text/jinja/scope.hpp"

namespace gyre::jinja {

/// A macro, or the body of a call block. It sees the names of where it was defined.
class Macro : public Object {
 public:
  Macro(std::shared_ptr<const MacroSource> source, std::shared_ptr<Scope> scope)
      : source_(std::move(source)), scope_(std::move(scope)) {}

  [[nodiscard]] std::string_view type() const override { return "Macro"; }
  [[nodiscard]] std::string shown(Budget& budget) const override;
  [[nodiscard]] std::optional<Value> attribute(std::string_view name) override;
  [[nodiscard]] bool callable() const override { return true; }
  Value call(Interpreter& interpreter, const Arguments& arguments) override;

 private:
  [[nodiscard]] std::string title() const;

  std::shared_ptr<const MacroSource> source_;
  std::shared_ptr<Scope> scope_;
};

}  // namespace gyre::jinja
