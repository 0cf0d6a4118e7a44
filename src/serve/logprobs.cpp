#include "serve/logprobs.hpp"

#include <algorithm>

#include "text/utf8.hpp"

namespace gyre::serve {
namespace {

/// The text of a token as a key: bytes that are no text spelled out, so that different tokens stay so.
std::string key_of(const ServedModel& model, std::int32_t token) {
  std::string piece = model.piece(token);
  if (first_invalid_utf8(piece) == std::string::npos) return piece;
  std::string spelled = "bytes:";
  for (const char byte : piece) spelled += fmt::format("\\x{:02x}", static_cast<std::uint8_t>(byte));
  return spelled;
}

Json chat_entry(const ServedModel& model, const TokenProbability& one) {
  const std::string piece = model.piece(one.token);
  Json bytes = Json::array();
  for (const char byte : piece) bytes.push_back(static_cast<std::uint8_t>(byte));
  // What is no UTF-8 is replaced when it is written; "bytes" has it all.
  return {{"token", piece}, {"logprob", one.log_probability}, {"bytes", std::move(bytes)}};
}

}  // namespace

std::size_t count_characters(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](char byte) { return (static_cast<std::uint8_t>(byte) & 0xC0U) != 0x80U; }));
}

Json completion_logprobs(const ServedModel& model, std::int32_t token, std::size_t offset,
                         std::span<const TokenProbability> probabilities) {
  Json own = nullptr;
  Json likeliest = nullptr;
  if (!probabilities.empty()) {
    own = probabilities.front().log_probability;
    likeliest = Json::object();
    for (const TokenProbability& one : probabilities) {
      const auto [place, is_new] = likeliest.emplace(key_of(model, one.token), one.log_probability);
      if (!is_new && place.value().get<float>() < one.log_probability) place.value() = one.log_probability;
    }
  }
  return {{"tokens", Json::array({key_of(model, token)})},
          {"token_logprobs", Json::array({std::move(own)})},
          {"top_logprobs", Json::array({std::move(likeliest)})},
          {"text_offset", Json::array({offset})}};
}

Json chat_logprobs(const ServedModel& model, std::span<const TokenProbability> probabilities) {
  Json entry = chat_entry(model, probabilities.front());
  entry["top_logprobs"] = Json::array();
  for (const TokenProbability& one : probabilities.subspan(1)) entry["top_logprobs"].push_back(chat_entry(model, one));
  return {{"content", Json::array({std::move(entry)})}, {"refusal", nullptr}};
}

void append_logprobs(Json& all, const Json& more) {
  if (all.is_null()) {
    all = more;
    return;
  }
  for (const auto& [key, list] : more.items()) {
    if (!list.is_array()) continue;
    Json& there = all[key];
    there.insert(there.end(), list.begin(), list.end());
  }
}

}  // namespace gyre::serve
