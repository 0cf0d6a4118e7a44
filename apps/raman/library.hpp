#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "raman/backend.hpp"
#include "raman/folds.hpp"
#include "raman/views.hpp"

namespace gyre::raman {

/// The labelled spectra that queries are compared with.
class Library {
 public:
  Library() = default;
  /// `embeddings` has one row an example; empty: there are none.
  Library(Examples examples, std::vector<float> embeddings);

  [[nodiscard]] const Examples& examples() const { return examples_; }
  [[nodiscard]] const Views& views() const { return views_; }
  [[nodiscard]] std::size_t size() const { return examples_.size(); }
  /// Minerals are numbered below this.
  [[nodiscard]] int minerals() const { return examples_.minerals; }

  /// The spectra of one specimen under one name: they count once in every vote.
  struct Piece {
    int mineral;  ///< -1: not known
    int country;
    std::vector<std::size_t> spectra;
  };
  [[nodiscard]] const std::vector<Piece>& pieces() const { return pieces_; }
  /// The piece of each spectrum.
  [[nodiscard]] std::size_t piece_of(std::size_t spectrum) const { return piece_of_[spectrum]; }

 private:
  Examples examples_;
  Views views_;
  std::vector<Piece> pieces_;
  std::vector<std::size_t> piece_of_;
};

/// Spectra that are asked about. `own` says which spectrum of the library each of them is, when they are from there:
/// then a query is not shown itself, nor what its protocol keeps together with it.
struct Queries {
  Views views;
  std::vector<Measurement> measurements;
  std::vector<std::optional<std::size_t>> own;  ///< empty: none is in the library

  [[nodiscard]] std::size_t size() const { return measurements.size(); }
};
/// The examples as queries; `own` as above.
Queries queries_of(const Examples& examples, std::vector<float> embeddings, const std::vector<std::size_t>& own = {});

/// The first of the examples whose points are these, if there is one: the very spectrum, measured once.
std::optional<std::size_t> find_spectrum(const Examples& examples, std::span<const float> input);

/// Which spectra of the library a query may see.
class Visibility {
 public:
  /// `own`: the query's own place in the library; none when it is not from there.
  Visibility(const Library& library, Protocol protocol, std::optional<std::size_t> own)
      : examples_(library.examples()), protocol_(protocol), own_(own) {}

  [[nodiscard]] bool sees(std::size_t spectrum) const;

 private:
  const Examples& examples_;
  Protocol protocol_;
  std::optional<std::size_t> own_;
};

/// What is known of one query: its likeness to every spectrum of the library, the mean cosine of input, slope and
/// embedding; kHidden for those that it may not see.
inline constexpr float kHidden = -2;
struct Comparison {
  std::size_t query;
  std::optional<std::size_t> own;
  std::span<const float> likeness;
};

/// Compares every query with the library and hands the results on, in order.
void compare(const Library& library, const Queries& queries, Protocol protocol,
             const std::function<void(const Comparison&)>& visit);

}  // namespace gyre::raman
