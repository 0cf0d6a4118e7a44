#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "text/jinja/budget.hpp"

namespace gyre::jinja {

/// Python's integers have no end; these have 127 bits, and what does not fit is refused.
__extension__ using Integer = __int128;

class Dict;
class Interpreter;
class Object;
struct Arguments;
struct List;

/// Text is UTF-8. `safe` is what the filters safe and escape say of it: adding other text to it escapes that.
struct Text {
  std::string text;
  bool safe = false;
};

/// One value of a template, with Python's meaning. Copies share what they hold, which never changes; only objects
/// (namespaces, loops) do.
class Value {
 public:
  enum class Kind { none, undefined, boolean, integer, real, text, list, dict, object };
  /// What a sequence is in Python.
  enum class Form { list, tuple, range, keys, values, items, group };

  Value() = default;  ///< none
  /// `message` is the error of whoever uses it for anything but printing, looping and testing.
  static Value undefined(std::string message);
  static Value boolean(bool value);
  static Value integer(Integer value);
  static Value real(double value);
  static Value text(std::string value, bool safe = false);
  /// Throws LimitReached when it is nested too deep.
  static Value list(std::vector<Value> items, Form form = Form::list);
  /// start, stop, step, as Python prints it.
  static Value range(Integer start, Integer stop, Integer step);
  static Value dict(Dict dict);
  static Value object(std::shared_ptr<Object> object);

  [[nodiscard]] Kind kind() const { return static_cast<Kind>(held_.index()); }
  [[nodiscard]] bool is(Kind kind) const { return this->kind() == kind; }
  [[nodiscard]] bool is_none() const { return is(Kind::none); }
  [[nodiscard]] bool is_undefined() const { return is(Kind::undefined); }
  [[nodiscard]] bool is_text() const { return is(Kind::text); }
  [[nodiscard]] bool is_dict() const { return is(Kind::dict); }
  /// An integer in Python's sense, where True is 1.
  [[nodiscard]] bool is_whole() const { return is(Kind::integer) || is(Kind::boolean); }
  [[nodiscard]] bool is_number() const { return is_whole() || is(Kind::real); }
  [[nodiscard]] bool is_list(Form form) const;

  // Each needs the value to be of that kind.
  [[nodiscard]] const std::string& message() const;
  [[nodiscard]] bool truth_bit() const { return std::get<bool>(held_); }
  [[nodiscard]] Integer whole() const;
  [[nodiscard]] double number() const;
  [[nodiscard]] const std::string& text() const;
  [[nodiscard]] bool is_safe() const;
  [[nodiscard]] const List& list() const;
  [[nodiscard]] const Dict& dict() const;
  [[nodiscard]] Object& object() const;
  /// The object when it is a T, else nothing.
  template <typename T>
  [[nodiscard]] T* as() const {
    return is(Kind::object) ? dynamic_cast<T*>(&object()) : nullptr;
  }

  /// Whether both are the one thing Python would hold: equal constants, or the same container.
  [[nodiscard]] bool same_as(const Value& other) const;
  /// The name of its type in Python: "str", "dict", ...
  [[nodiscard]] std::string_view type() const;
  /// 0 for what holds no other values.
  [[nodiscard]] int depth() const;

 private:
  struct Undefined {
    std::string message;
  };
  std::variant<std::monostate, std::shared_ptr<const Undefined>, bool, Integer, double, std::shared_ptr<const Text>,
               std::shared_ptr<const List>, std::shared_ptr<const Dict>, std::shared_ptr<Object>>
      held_;
};

struct List {
  std::vector<Value> items;
  Value::Form form = Value::Form::list;
  std::array<Integer, 3> bounds = {};  ///< of a range: start, stop, step
  int depth = 1;
};

/// A dict: entries in the order in which their keys came.
class Dict {
 public:
  using Entry = std::pair<Value, Value>;

  /// Throws Failure when the key is a list or dict, as Python's "unhashable".
  void set(Value key, Value value);
  /// The value of a key, or nullptr.
  [[nodiscard]] const Value* find(const Value& key) const;
  [[nodiscard]] const Value* find(std::string_view key) const;
  [[nodiscard]] const std::vector<Entry>& entries() const { return entries_; }
  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  [[nodiscard]] int depth() const { return depth_; }

 private:
  [[nodiscard]] std::optional<std::size_t> place_of(const Value& key) const;

  std::vector<Entry> entries_;
  std::unordered_map<std::string_view, std::size_t> texts_;  // places of keys that are text; views of those keys
  std::vector<std::size_t> others_;                          // places of keys that are not
  int depth_ = 1;
};

struct Arguments {
  std::vector<Value> values;
  std::vector<std::pair<std::string, Value>> named;
};

/// What is none of the plain kinds: something to call, or something that changes.
class Object {
 public:
  Object() = default;
  virtual ~Object() = default;
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;

  /// The name of its type in Python.
  [[nodiscard]] virtual std::string_view type() const = 0;
  /// What printing it gives.
  [[nodiscard]] virtual std::string shown(Budget& budget) const;
  [[nodiscard]] virtual std::optional<Value> attribute(std::string_view name);
  [[nodiscard]] virtual bool callable() const { return false; }
  virtual Value call(Interpreter& interpreter, const Arguments& arguments);
  /// Lets go of the values it holds, so that nothing holds itself.
  virtual void forget() {}
  /// How deep the values lie that it holds for good.
  [[nodiscard]] virtual int depth() const { return 1; }
};

/// What filters such as map and select give: values to be taken once, one after another.
class Generator : public Object {
 public:
  /// `failure` is thrown to whoever takes more than the `items`.
  explicit Generator(std::vector<Value> items, std::optional<std::string> failure = {});
  [[nodiscard]] std::string_view type() const override { return "generator"; }
  [[nodiscard]] int depth() const override { return depth_; }
  /// The next value, or nothing at the end.
  std::optional<Value> next();
  /// Puts the last taken values back.
  void put_back(std::size_t count) { next_ -= count; }

 private:
  std::vector<Value> items_;
  std::optional<std::string> failure_;
  std::size_t next_ = 0;
  int depth_ = 1;
};

}  // namespace gyre::jinja
