#pragma once

#include <nanobind/nanobind.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "arrays.hpp"
#include "callbacks.hpp"
#include "opened.hpp"

namespace gyre::python {

/// How a text runs, as Python says it.
struct RunOptions {
  api::SequenceOptions sequence = {};
  Rule rule = {};         ///< in place of `sequence.exit`
  HookPoints hooks = {};  ///< that stand when the work begins
};

/// A text that was written, and every token of it.
struct Written {
  api::Generation generation = {};
  std::vector<api::GeneratedToken> tokens = {};
  std::string provenance = {};
  std::size_t groups = 0;
};

using Model = std::shared_ptr<Opened>;

Written generate(const Model& model, const Tokens& prompt, const RunOptions& run, const api::GenerateOptions& options);

/// A text that is written a token at a time.
class Stream {
 public:
  Stream(Model model, const Tokens& prompt, const RunOptions& run, const api::GenerateOptions& options);
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream();

  std::optional<api::GeneratedToken> next();
  [[nodiscard]] api::Generation result() const;
  [[nodiscard]] std::string provenance() const;

 private:
  Model model_;
  std::unique_ptr<api::Sequence> sequence_;
  std::optional<api::Writing> writing_;
};

/// Logits of every token, and the loops each ran.
struct Logits {
  nb::object logits;  ///< float32 [tokens, vocabulary]
  nb::object loops;   ///< int32 [tokens, groups]
};
Logits logits(const Model& model, const Tokens& tokens, const RunOptions& run);

/// Log-probabilities float32 [tokens - 1] of all tokens but the first, and the likeliest in their places, int32.
std::pair<nb::object, nb::object> logprobs(const Model& model, const Tokens& tokens, const RunOptions& run);

/// A context and what may stand behind it.
struct Question {
  std::vector<std::int32_t> context;
  std::vector<std::vector<std::int32_t>> continuations;
};
/// Of every continuation of every question: the sum of its tokens' log-probabilities, and whether each was the
/// likeliest. Questions share passes over the weights, continuations their context too.
std::vector<std::vector<std::pair<double, bool>>> scores(const Model& model, const std::vector<Question>& questions,
                                                         const RunOptions& run);

/// The states of some loops of a group.
struct TracedGroup {
  int group = 0;
  std::vector<int> loops = {};  ///< which, 0 as they enter
};
struct Trace {
  std::vector<nb::object>
      states;         ///< of every group that was asked for: float32 [its loops, tokens, hidden], read-only
  nb::object loops;   ///< int32 [tokens, groups]
  nb::object logits;  ///< of the last token, float32 [vocabulary]
};
/// A loop that a token did not run is NaN.
Trace trace(const Model& model, const Tokens& tokens, const std::vector<TracedGroup>& groups, const RunOptions& run);

/// Logits [n, vocabulary] of states, by the final norm and the head.
nb::object lens(const Model& model, const Floats<2>& states);

/// float32 [texts, hidden].
nb::object embed(const Model& model, const std::vector<std::string>& texts, const api::EmbedderOptions& options);

/// A running text that Python holds.
class Text {
 public:
  Text(Model model, const RunOptions& run);
  Text(const Text&) = delete;
  Text& operator=(const Text&) = delete;
  ~Text();

  struct Appended {
    nb::object logits;  ///< float32 [vocabulary] behind the last token
    std::vector<int> loops;
    std::vector<std::string> reasons;
  };
  Appended append(const Tokens& tokens, const HookPoints& hooks);
  [[nodiscard]] std::unique_ptr<Text> fork() const;
  void truncate(int tokens);
  [[nodiscard]] const api::Sequence& sequence() const { return *sequence_; }

 private:
  Text(Model model, api::Sequence sequence);

  Model model_;
  std::unique_ptr<api::Sequence> sequence_;
};

}  // namespace gyre::python
