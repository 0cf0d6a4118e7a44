#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "text/jinja/value.hpp"

namespace gyre::jinja {

/// The variable `loop` inside a for.
class Loop : public Object, public std::enable_shared_from_this<Loop> {
 public:
  explicit Loop(std::vector<Value> items) : items_(std::move(items)) {}

  /// Goes on to the next item; false behind the last.
  bool next() { return ++turn_ <= items_.size(); }
  [[nodiscard]] const Value& item() const { return items_[turn_ - 1]; }
  /// How many items have not had their turn.
  [[nodiscard]] std::size_t left() const { return items_.size() - turn_; }
  /// Whether these values are others than the last time.
  bool changed(const std::vector<Value>& values, Budget& budget);
  [[nodiscard]] std::size_t index0() const { return turn_ - 1; }

  [[nodiscard]] std::string_view type() const override { return "LoopContext"; }
  [[nodiscard]] std::string shown(Budget& budget) const override;
  [[nodiscard]] std::optional<Value> attribute(std::string_view name) override;
  void forget() override;

 private:
  std::vector<Value> items_;
  std::optional<std::vector<Value>> last_values_;
  std::size_t turn_ = 0;  // counted from 1
};

}  // namespace gyre::jinja
