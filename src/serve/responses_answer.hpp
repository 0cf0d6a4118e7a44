#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "serve/text_answer.hpp"

namespace gyre::serve {

/// An answer in the form of OpenAI's Responses: items of output (a message, calls of functions), and in a stream an
/// event for everything that happens to one of them.
class ResponsesAnswer : public Answer {
 public:
  /// `request` and `model` outlive it; `asked` is the body of the request, parts of which an answer repeats.
  ResponsesAnswer(const TextRequest& request, const ServedModel& model, Json asked, std::string id,
                  std::int64_t created);

  [[nodiscard]] std::vector<Json> opening() override;
  [[nodiscard]] std::vector<Json> chunks(const ChoiceEvent& happened) override;
  [[nodiscard]] std::vector<std::string> closing() const override { return {}; }
  [[nodiscard]] bool names_events() const override { return true; }
  [[nodiscard]] Json failure(const ApiError& error) override;
  void collect(const ChoiceEvent& event) override { static_cast<void>(chunks(event)); }
  [[nodiscard]] Json whole() const override;
  [[nodiscard]] bool complete() const override { return end_.has_value(); }

 private:
  using Events = std::vector<Json>;

  void add(const ReplyPart& part, Events& events);
  void open_message(Events& events);
  void open_call(const std::string& name, Events& events);
  void add_text(const std::string& text, Events& events);
  void add_arguments(const std::string& text, Events& events);
  void close_item(Events& events, const char* status);
  [[nodiscard]] Json event(const char* type) const;
  /// About the item that is being written.
  [[nodiscard]] Json item_event(const char* type) const;
  void number(Events& events);
  [[nodiscard]] Json usage(const ChoiceEnd& end) const;

  const TextRequest& request_;
  const ServedModel& model_;
  Json asked_;
  std::string id_;
  std::int64_t created_;
  std::optional<ReplyReader> reader_;
  Json output_ = Json::array();
  bool open_ = false;              ///< the last item is being written
  Json logprobs_ = Json::array();  ///< of tokens whose text has not been told
  Json details_ = nullptr;         ///< depths of the tokens
  std::optional<ChoiceEnd> end_ = {};
  std::int64_t sequence_ = 0;
};

/// Of /v1/responses.
TextRequest read_responses_request(const Json& json, std::span<const ServedModel> models, FormatCache& formats);

}  // namespace gyre::serve
