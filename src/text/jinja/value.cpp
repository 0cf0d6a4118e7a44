#include "text/jinja/value.hpp"

#include <algorithm>
#include <cmath>

namespace gyre::jinja {
namespace {

int depth_above(const std::vector<Value>& items) {
  int deepest = 0;
  for (const Value& item : items) deepest = std::max(deepest, item.depth());
  return deepest + 1;
}

void check_depth(int depth) {
  if (depth > kDeepestValue) throw LimitReached("it nests lists and dicts deeper than {}", kDeepestValue);
}

/// Keys may be tuples of tuples that share their parts, which would take forever to look at: `parts` counts them.
void require_hashable(const Value& key, int& parts) {
  constexpr int kMostParts = 64;
  if (++parts > kMostParts) throw LimitReached("it has a key of a dict with more than {} parts", kMostParts);
  const bool tuple = key.is(Value::Kind::list) && (key.is_list(Value::Form::tuple) || key.is_list(Value::Form::group));
  if (tuple) {
    for (const Value& part : key.list().items) require_hashable(part, parts);
  } else if (key.is_dict() || (key.is(Value::Kind::list) && !key.is_list(Value::Form::range))) {
    throw Failure("unhashable type: '{}'", key.type());
  }
}

/// Whether two keys are one: equal, where 1, 1.0 and True are.
bool same_key(const Value& a, const Value& b) {
  if (a.is_whole() && b.is_whole()) return a.whole() == b.whole();
  if (a.is_number() && b.is_number()) return a.number() == b.number();
  if (a.kind() != b.kind()) return false;
  if (a.is_text()) return a.text() == b.text();
  if (a.is(Value::Kind::list)) {
    const std::vector<Value>& left = a.list().items;
    const std::vector<Value>& right = b.list().items;
    return std::equal(left.begin(), left.end(), right.begin(), right.end(), same_key);
  }
  return a.is_undefined() || a.same_as(b);
}

}  // namespace

Value Value::undefined(std::string message) {
  Value value;
  value.held_ = std::make_shared<const Undefined>(Undefined{std::move(message)});
  return value;
}

Value Value::boolean(bool value) {
  Value made;
  made.held_ = value;
  return made;
}

Value Value::integer(Integer value) {
  Value made;
  made.held_ = value;
  return made;
}

Value Value::real(double value) {
  Value made;
  made.held_ = value;
  return made;
}

Value Value::text(std::string value, bool safe) {
  Value made;
  made.held_ = std::make_shared<const Text>(Text{std::move(value), safe});
  return made;
}

Value Value::list(std::vector<Value> items, Form form) {
  const int depth = depth_above(items);
  check_depth(depth);
  Value made;
  made.held_ = std::make_shared<const List>(List{std::move(items), form, {}, depth});
  return made;
}

Value Value::range(Integer start, Integer stop, Integer step) {
  List list;
  list.form = Form::range;
  list.bounds = {start, stop, step};
  for (Integer at = start; step > 0 ? at < stop : at > stop; at += step) list.items.push_back(integer(at));
  Value made;
  made.held_ = std::make_shared<const List>(std::move(list));
  return made;
}

Value Value::dict(Dict dict) {
  check_depth(dict.depth());
  Value made;
  made.held_ = std::make_shared<const Dict>(std::move(dict));
  return made;
}

Value Value::object(std::shared_ptr<Object> object) {
  check_depth(object->depth());
  Value made;
  made.held_ = std::move(object);
  return made;
}

bool Value::is_list(Form form) const { return is(Kind::list) && list().form == form; }
const std::string& Value::message() const { return std::get<std::shared_ptr<const Undefined>>(held_)->message; }
Integer Value::whole() const { return is(Kind::boolean) ? Integer{truth_bit()} : std::get<Integer>(held_); }
double Value::number() const { return is(Kind::real) ? std::get<double>(held_) : static_cast<double>(whole()); }
const std::string& Value::text() const { return std::get<std::shared_ptr<const Text>>(held_)->text; }
bool Value::is_safe() const { return is_text() && std::get<std::shared_ptr<const Text>>(held_)->safe; }
const List& Value::list() const { return *std::get<std::shared_ptr<const List>>(held_); }
const Dict& Value::dict() const { return *std::get<std::shared_ptr<const Dict>>(held_); }
Object& Value::object() const { return *std::get<std::shared_ptr<Object>>(held_); }

bool Value::same_as(const Value& other) const {
  if (kind() != other.kind()) return false;
  if (is(Kind::real)) return number() == other.number();
  if (is_text()) return text() == other.text();  // which equal texts Python keeps once is its own affair
  if (is_undefined()) return false;
  return held_ == other.held_;
}

std::string_view Value::type() const {
  constexpr std::array<std::string_view, 8> kTypes = {"NoneType", "Undefined", "bool", "int",
                                                      "float",    "str",       "",     "dict"};
  constexpr std::array<std::string_view, 7> kForms = {"list",        "tuple",      "range",      "dict_keys",
                                                      "dict_values", "dict_items", "_GroupTuple"};
  if (is(Kind::object)) return object().type();
  if (is(Kind::list)) return kForms.at(static_cast<std::size_t>(list().form));
  return is_safe() ? "Markup" : kTypes.at(static_cast<std::size_t>(kind()));
}

int Value::depth() const {
  if (is(Kind::list)) return list().depth;
  if (is_dict()) return dict().depth();
  return is(Kind::object) ? object().depth() : 0;
}

std::optional<std::size_t> Dict::place_of(const Value& key) const {
  if (key.is_text()) {
    const auto found = texts_.find(key.text());
    return found == texts_.end() ? std::nullopt : std::optional(found->second);
  }
  int parts = 0;
  require_hashable(key, parts);
  for (const std::size_t place : others_) {
    if (same_key(entries_[place].first, key)) return place;
  }
  return std::nullopt;
}

void Dict::set(Value key, Value value) {
  depth_ = std::max({depth_, key.depth() + 1, value.depth() + 1});
  constexpr std::size_t kMost = 200'000;
  if (entries_.size() >= kMost) throw LimitReached("it makes a dict of more than {} keys", kMost);
  if (const auto place = place_of(key)) {
    entries_[*place].second = std::move(value);
    return;
  }
  entries_.emplace_back(std::move(key), std::move(value));
  const Value& kept = entries_.back().first;
  if (kept.is_text()) {
    texts_.emplace(kept.text(), entries_.size() - 1);
  } else {
    others_.push_back(entries_.size() - 1);
  }
}

const Value* Dict::find(const Value& key) const {
  const auto place = place_of(key);
  return place ? &entries_[*place].second : nullptr;
}

const Value* Dict::find(std::string_view key) const {
  const auto found = texts_.find(key);
  return found == texts_.end() ? nullptr : &entries_[found->second].second;
}

std::string Object::shown(Budget& /*budget*/) const {
  throw Failure("a {} is printed, which shows an address of memory; print what it holds", type());
}

std::optional<Value> Object::attribute(std::string_view /*name*/) { return std::nullopt; }

Value Object::call(Interpreter& /*interpreter*/, const Arguments& /*arguments*/) {
  throw Failure("'{}' object is not callable", type());
}

Generator::Generator(std::vector<Value> items, std::optional<std::string> failure)
    : items_(std::move(items)), failure_(std::move(failure)), depth_(depth_above(items_)) {}

std::optional<Value> Generator::next() {
  if (next_ < items_.size()) return items_[next_++];
  if (failure_) throw Failure("{}", *failure_);
  return std::nullopt;
}

}  // namespace gyre::jinja
