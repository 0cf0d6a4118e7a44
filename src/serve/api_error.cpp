#include "serve/api_error.hpp"

#include "base/error.hpp"
#include "format/json_object.hpp"

namespace gyre::serve {
namespace {

constexpr std::size_t kMostKeys = 512;

Json text_or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

void require_few_keys(const nlohmann::json& json) {
  if (json.is_object() && json.size() > kMostKeys) {
    throw bad_request("", "an object of the body has {} keys; {} are the most", json.size(), kMostKeys);
  }
  if (!json.is_structured()) return;
  for (const nlohmann::json& inner : json) require_few_keys(inner);
}

}  // namespace

Json ApiError::to_json() const {
  return {{"error",
           {{"message", told_->message},
            {"type", type_},
            {"param", text_or_null(told_->details.param)},
            {"code", text_or_null(told_->details.code)}}}};
}

std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

Json parse_text(const std::string& text, const std::string& where, const std::string& param) {
  try {
    require_few_keys(parse_json(text, where));
  } catch (const ApiError&) {
    throw;
  } catch (const Error& failure) {
    throw bad_request(param, "{}", failure.what());
  }
  return Json::parse(text);
}

Json parse_body(const std::string& body) {
  if (body.empty()) throw bad_request("", "the body is empty; send a JSON object");
  Json json = parse_text(body, "body", "");
  if (!json.is_object()) throw bad_request("", "the body is {}; send a JSON object", json.type_name());
  return json;
}

}  // namespace gyre::serve
