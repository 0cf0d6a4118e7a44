#include "text/byte_automaton.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "base/error.hpp"
#include "text/utf8.hpp"

namespace gyre {
namespace {

/// A place takes some 60 bytes, a state with its table 1 KiB.
constexpr std::size_t kMostPlaces = 200'000;
constexpr std::size_t kMostStates = 20'000;

Error too_large() { return Error("the pattern is too large; make it simpler, its counts smaller"); }

std::string utf8_of(char32_t point) {
  std::string bytes;
  append_utf8(bytes, point);
  return bytes;
}

}  // namespace

int ByteAutomaton::after(int state, std::uint8_t byte) {
  const int known = states_[static_cast<std::size_t>(state)].next[byte];
  if (known != kNone - 1) return known;
  std::vector<int> reached;
  for (const int place : states_[static_cast<std::size_t>(state)].places) {
    const Place& reader = places_[static_cast<std::size_t>(place)];
    if (reader.set != kNone && sets_[static_cast<std::size_t>(reader.set)][byte]) reached.push_back(reader.next);
  }
  const int found = reached.empty() ? kNone : state_of(reached);
  states_[static_cast<std::size_t>(state)].next[byte] = found;
  return found;
}

int ByteAutomaton::after(int state, std::string_view bytes) {
  for (std::size_t i = 0; i < bytes.size() && state != kNone; ++i)
    state = after(state, static_cast<std::uint8_t>(bytes[i]));
  return state;
}

int ByteAutomaton::after_mark(int state, std::int32_t mark) {
  std::vector<int> reached;
  for (const int place : states_[static_cast<std::size_t>(state)].places) {
    const Place& reader = places_[static_cast<std::size_t>(place)];
    if (reader.mark == mark) reached.push_back(reader.next);
  }
  return reached.empty() ? kNone : state_of(reached);
}

int ByteAutomaton::either(int a, int b) {
  if (a == kNone || b == kNone) return a == kNone ? b : a;
  std::vector<int> places;
  for (const int state : {a, b}) {
    const State& one = states_[static_cast<std::size_t>(state)];
    places.insert(places.end(), one.places.begin(), one.places.end());
    if (one.whole) places.push_back(end_);
  }
  return state_of(places);
}

std::vector<std::int32_t> ByteAutomaton::marks(int state) const {
  std::vector<std::int32_t> marks;
  for (const int place : states_[static_cast<std::size_t>(state)].places) {
    const Place& reader = places_[static_cast<std::size_t>(place)];
    if (reader.mark != kNone) marks.push_back(reader.mark);
  }
  return marks;
}

bool ByteAutomaton::complete(int state) {
  return whole(state) && states_[static_cast<std::size_t>(state)].places.empty();
}

/// The state of being at these places at once, or anywhere that they lead to without reading.
int ByteAutomaton::state_of(const std::vector<int>& places) {
  std::vector<int> todo = places;
  std::vector<bool> seen(places_.size());
  State state{{}, false, {}};
  while (!todo.empty()) {
    const auto at = static_cast<std::size_t>(todo.back());
    todo.pop_back();
    if (seen[at]) continue;
    seen[at] = true;
    state.whole |= static_cast<int>(at) == end_;
    if (places_[at].set != kNone || places_[at].mark != kNone) state.places.push_back(static_cast<int>(at));
    todo.insert(todo.end(), places_[at].also.begin(), places_[at].also.end());
  }
  std::sort(state.places.begin(), state.places.end());
  std::vector<int> key = state.places;
  if (state.whole) key.push_back(end_);
  const auto [found, is_new] = known_.try_emplace(std::move(key), static_cast<int>(states_.size()));
  if (!is_new) return found->second;
  if (states_.size() >= kMostStates) throw too_large();
  state.next.fill(kNone - 1);
  states_.push_back(std::move(state));
  return found->second;
}

int AutomatonBuilder::add(ByteAutomaton::Place place) {
  if (automaton_.places_.size() >= kMostPlaces) throw too_large();
  automaton_.places_.push_back(std::move(place));
  return static_cast<int>(automaton_.places_.size()) - 1;
}

int AutomatonBuilder::place() { return add({}); }

int AutomatonBuilder::reader(const ByteSet& set) {
  const auto known = std::find(automaton_.sets_.begin(), automaton_.sets_.end(), set);
  const auto number = static_cast<int>(known - automaton_.sets_.begin());
  if (known == automaton_.sets_.end()) automaton_.sets_.push_back(set);
  return add({.set = number});
}

AutomatonBuilder::Part AutomatonBuilder::nothing() {
  const int only = place();
  return {only, only};
}

AutomatonBuilder::Part AutomatonBuilder::byte_of(const ByteSet& set) {
  if (set.none()) throw Error("the pattern wants a character where none can be");
  const int first = reader(set);
  const int last = place();
  automaton_.places_[static_cast<std::size_t>(first)].next = last;
  return {first, last};
}

AutomatonBuilder::Part AutomatonBuilder::mark(std::int32_t number) {
  const int last = place();
  return {add({.mark = number, .next = last}), last};
}

AutomatonBuilder::Part AutomatonBuilder::text(std::string_view bytes) {
  std::vector<Part> parts;
  for (const char byte : bytes) parts.push_back(byte_of(ByteSet().set(static_cast<std::uint8_t>(byte))));
  return sequence(parts);
}

AutomatonBuilder::Part AutomatonBuilder::sequence(std::span<const Part> parts) {
  if (parts.empty()) return nothing();
  for (std::size_t i = 1; i < parts.size(); ++i) lead(parts[i - 1].last, parts[i].first);
  return {parts.front().first, parts.back().last};
}

AutomatonBuilder::Part AutomatonBuilder::any_of(std::span<const Part> parts) {
  if (parts.empty()) throw Error("the pattern has a choice of nothing");
  const Part whole{place(), place()};
  for (const Part& part : parts) {
    lead(whole.first, part.first);
    lead(part.last, whole.last);
  }
  return whole;
}

AutomatonBuilder::Part AutomatonBuilder::optional(Part part) { return any_of({part, nothing()}); }

AutomatonBuilder::Part AutomatonBuilder::any_number_of(Part part) {
  const int around = place();
  const int last = place();
  lead(around, part.first);
  lead(part.last, around);
  lead(around, last);
  return {around, last};
}

AutomatonBuilder::Part AutomatonBuilder::separated(Part part, Part separator) {
  const int last = place();
  lead(part.last, last);
  lead(part.last, separator.first);
  lead(separator.last, part.first);
  return {part.first, last};
}

AutomatonBuilder::Part AutomatonBuilder::times(const std::function<Part()>& make, int least, int most) {
  std::vector<Part> parts;
  for (int i = 0; i < least; ++i) parts.push_back(make());
  if (most < 0) {
    parts.push_back(any_number_of(make()));
    return sequence(parts);
  }
  // What may be left out lets all behind it be left out too.
  const int last = place();
  for (int i = least; i < most; ++i) {
    const Part further = make();
    const int before = place();
    lead(before, further.first);
    lead(before, last);
    parts.push_back({before, further.last});
  }
  parts.push_back({last, last});
  return sequence(parts);
}

/// Ranges are cut where the bytes of their ends differ in more than one place at once.
AutomatonBuilder::Part AutomatonBuilder::character_range(char32_t first, char32_t last) {
  for (const char32_t border : {0x7FU, 0x7FFU, 0xFFFFU}) {
    if (first <= border && last > border) {
      const Part low = character_range(first, border);
      return any_of({low, character_range(border + 1, last)});
    }
  }
  const std::size_t length = utf8_of(first).size();
  for (std::size_t tail = 1; tail < length; ++tail) {  // of the last bytes, all or none may vary
    const char32_t low_bits = (char32_t{1} << (6 * tail)) - 1;
    if ((first & ~low_bits) == (last & ~low_bits)) continue;
    if ((first & low_bits) != 0) {
      const Part low = character_range(first, first | low_bits);
      return any_of({low, character_range((first | low_bits) + 1, last)});
    }
    if ((last & low_bits) != low_bits) {
      const Part low = character_range(first, (last & ~low_bits) - 1);
      return any_of({low, character_range(last & ~low_bits, last)});
    }
  }
  const std::string from = utf8_of(first);
  const std::string to = utf8_of(last);
  std::vector<Part> parts;
  for (std::size_t i = 0; i < length; ++i) {
    ByteSet set;
    for (int byte = static_cast<std::uint8_t>(from[i]); byte <= static_cast<std::uint8_t>(to[i]); ++byte) {
      set.set(static_cast<std::size_t>(byte));
    }
    parts.push_back(byte_of(set));
  }
  return sequence(parts);
}

AutomatonBuilder::Part AutomatonBuilder::character_of(std::span<const CharacterRange> ranges) {
  constexpr char32_t kBeforeSurrogates = 0xD7FF;
  constexpr char32_t kBehindSurrogates = 0xE000;
  std::vector<Part> parts;
  for (const CharacterRange& range : ranges) {
    if (range.first <= kBeforeSurrogates) {
      parts.push_back(character_range(range.first, std::min(range.last, kBeforeSurrogates)));
    }
    if (range.last >= kBehindSurrogates) {
      parts.push_back(character_range(std::max(range.first, kBehindSurrogates), range.last));
    }
  }
  if (parts.empty()) throw Error("the pattern wants a character where none can be");
  return any_of(parts);
}

bool AutomatonBuilder::reads(const ByteSet& bytes) const {
  return std::any_of(automaton_.sets_.begin(), automaton_.sets_.end(),
                     [&](const ByteSet& set) { return (set & bytes).any(); });
}

ByteAutomaton AutomatonBuilder::build(Part part) {
  ByteAutomaton made = std::exchange(automaton_, {});
  made.end_ = part.last;
  made.state_of({part.first});
  return made;
}

}  // namespace gyre
