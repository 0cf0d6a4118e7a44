#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string_view>
#include <vector>

namespace gyre {

using ByteSet = std::bitset<256>;

/// Code points from `first` to `last`.
struct CharacterRange {
  char32_t first;
  char32_t last;
};

/// Tells of a text, byte by byte, whether it is one of a language, or may become one: a finite automaton whose states
/// are made as texts come to them. Between bytes a language may have marks, numbers that stand for what no byte spells
/// (tokens that are written as a whole). A state is a number; from every state some text leads to a whole one.
class ByteAutomaton {
 public:
  static constexpr int kNone = -1;

  [[nodiscard]] int start() const { return 0; }
  /// Where a byte leads, or kNone. Throws Error when the language takes more states than there is room for.
  int after(int state, std::uint8_t byte);
  int after(int state, std::string_view bytes);
  /// Where a mark leads, or kNone.
  int after_mark(int state, std::int32_t mark);
  /// The state of being in one of two, each of which may be kNone.
  int either(int a, int b);
  /// The marks that lead somewhere; one may be there twice.
  [[nodiscard]] std::vector<std::int32_t> marks(int state) const;
  /// Whether the text so far is whole.
  [[nodiscard]] bool whole(int state) const { return states_[static_cast<std::size_t>(state)].whole; }
  /// Whether it is, and can go on no further.
  bool complete(int state);

 private:
  friend class AutomatonBuilder;
  /// Reads a byte of a set or a mark, or nothing and goes on to all of `also`.
  struct Place {
    int set = kNone;            ///< which set; kNone: reads no byte
    std::int32_t mark = kNone;  ///< which mark; kNone: reads none
    int next = kNone;
    std::vector<int> also = {};
  };
  struct State {
    std::vector<int> places;  ///< that read something, in order
    bool whole = false;
    std::array<int, 256> next;
  };

  int state_of(const std::vector<int>& places);

  std::vector<Place> places_;
  std::vector<ByteSet> sets_;
  int end_ = kNone;
  std::vector<State> states_;
  std::map<std::vector<int>, int> known_;
};

/// Makes automata of parts. Every part may be used once.
class AutomatonBuilder {
 public:
  struct Part {
    int first;
    int last;
  };

  Part nothing();
  Part text(std::string_view bytes);
  Part byte_of(const ByteSet& set);
  /// A number, 0 or more, that is no byte.
  Part mark(std::int32_t number);
  /// One character of any of the ranges, as UTF-8.
  Part character_of(std::span<const CharacterRange> ranges);
  Part sequence(std::span<const Part> parts);
  Part sequence(std::initializer_list<Part> parts) { return sequence(std::span(parts.begin(), parts.size())); }
  Part any_of(std::span<const Part> parts);
  Part any_of(std::initializer_list<Part> parts) { return any_of(std::span(parts.begin(), parts.size())); }
  Part optional(Part part);
  Part any_number_of(Part part);
  /// One or more, with something between them.
  Part separated(Part part, Part separator);
  /// From `least` to `most` of what `make` makes; a `most` below 0 is no bound.
  Part times(const std::function<Part()>& make, int least, int most);

  // For what has another shape: a place that reads nothing, and a way from one place to another.
  int place();
  void lead(int from, int to) { automaton_.places_[static_cast<std::size_t>(from)].also.push_back(to); }

  /// Whether any part reads one of these bytes.
  [[nodiscard]] bool reads(const ByteSet& bytes) const;

  /// The language of a part. The builder is empty afterwards.
  ByteAutomaton build(Part part);

 private:
  int add(ByteAutomaton::Place place);
  int reader(const ByteSet& set);
  Part character_range(char32_t first, char32_t last);

  ByteAutomaton automaton_;
};

}  // namespace gyre
