#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "serve/request.hpp"
#include "serve/ticket.hpp"

namespace gyre::serve {

/// The answer to a request for texts, as events bring it: whole, or in the chunks of a stream.
class Answer {
 public:
  virtual ~Answer() = default;

  /// What a stream begins with.
  [[nodiscard]] virtual std::vector<Json> opening() = 0;
  /// What a stream sends of an event; often nothing.
  [[nodiscard]] virtual std::vector<Json> chunks(const ChoiceEvent& event) = 0;
  /// What a stream ends with: lines of data.
  [[nodiscard]] virtual std::vector<std::string> closing() const = 0;
  /// Whether what a stream sends is told apart by the names of events, which are its types.
  [[nodiscard]] virtual bool names_events() const { return false; }
  /// What a stream ends with when it fails.
  [[nodiscard]] virtual Json failure(const ApiError& error) { return error.to_json(); }

  /// Keeps an event for whole().
  virtual void collect(const ChoiceEvent& event) = 0;
  [[nodiscard]] virtual Json whole() const = 0;

  /// Whether all texts have ended.
  [[nodiscard]] virtual bool complete() const = 0;
};

/// How the texts of a request are run, with which they can be had again: seeds, loops, exit rule.
Json run_details(const TextRequest& request);

/// How deep a token went: {"loops": [[per group]], "reasons": [[...]]}.
Json depth_details(const TokenDepth& depth);

/// In the forms of OpenAI's API.
class TextAnswer : public Answer {
 public:
  enum class Form { completion, chat };

  /// Both outlive it. `id` and `created` (seconds since 1970) stand in all that is sent.
  TextAnswer(const TextRequest& request, const ServedModel& model, Form form, std::string id, std::int64_t created);

  [[nodiscard]] std::vector<Json> opening() override;
  [[nodiscard]] std::vector<Json> chunks(const ChoiceEvent& event) override;
  [[nodiscard]] std::vector<std::string> closing() const override;
  void collect(const ChoiceEvent& event) override;
  [[nodiscard]] Json whole() const override;
  [[nodiscard]] bool complete() const override { return ended_ == choices_.size(); }

 private:
  /// What one event adds to a text.
  struct Piece {
    std::string text = {};
    Json calls = Json::array();  ///< what it adds to calls of functions, each as a stream sends it
    Json logprobs = nullptr;
    Json details = nullptr;  ///< {"loops": [[per group]], "reasons": [[...]], "lens": [[...]]}
    std::optional<ChoiceEnd> end = {};
  };
  struct Choice {
    std::size_t offset = 0;  ///< characters so far
    bool echoed = false;
    std::optional<ReplyReader> reader = {};
    Piece all = {};
  };

  Piece piece_of(const ChoiceEvent& event);
  void add_prompt(std::size_t number, const std::vector<std::vector<TokenProbability>>* scores, Piece& piece);
  void add_token(std::size_t number, const GeneratedToken& token, Piece& piece);
  static void add_parts(const ReplyReader& reader, const std::vector<ReplyPart>& parts, Piece& piece);
  [[nodiscard]] const char* finish_reason(std::size_t number, const ChoiceEnd& end) const;
  [[nodiscard]] Json message_of(const Piece& all) const;
  [[nodiscard]] Json envelope(const char* object) const;
  [[nodiscard]] Json chunk(std::size_t number, Json delta, const Piece& piece) const;
  [[nodiscard]] Json usage() const;

  const TextRequest& request_;
  const ServedModel& model_;
  Form form_;
  std::string id_;
  std::int64_t created_;
  std::vector<Choice> choices_;
  std::size_t ended_ = 0;
  int tokens_ = 0;
  int cached_ = 0;
};

}  // namespace gyre::serve
