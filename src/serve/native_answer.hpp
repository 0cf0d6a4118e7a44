#pragma once

#include <string>
#include <vector>

#include "serve/text_answer.hpp"

namespace gyre::serve {

/// Of llama.cpp's own /completion: one prompt, a text of its own sampling defaults.
TextRequest read_native_request(const Json& json, std::span<const ServedModel> models, FormatCache& formats);

/// The answer in its form.
class NativeAnswer : public Answer {
 public:
  /// Both outlive it.
  NativeAnswer(const TextRequest& request, const ServedModel& model) : request_(request), model_(model) {}

  [[nodiscard]] std::vector<Json> opening() override { return {}; }
  [[nodiscard]] std::vector<Json> chunks(const ChoiceEvent& event) override;
  [[nodiscard]] std::vector<std::string> closing() const override { return {}; }
  void collect(const ChoiceEvent& event) override;
  [[nodiscard]] Json whole() const override { return last(text_); }
  [[nodiscard]] bool complete() const override { return end_.has_value(); }

 private:
  [[nodiscard]] Json last(const std::string& content) const;

  const TextRequest& request_;
  const ServedModel& model_;
  std::string text_;
  Json tokens_ = Json::array();
  std::optional<ChoiceEnd> end_;
};

}  // namespace gyre::serve
