#include <algorithm>
#include <bit>
#include <cstring>

#include "base/error.hpp"
#include "serve/endpoints.hpp"
#include "serve/http_server.hpp"
#include "serve/request.hpp"

namespace gyre::serve {
namespace {

constexpr std::size_t kMostTexts = 2048;

std::vector<std::string> read_texts(Fields& body) {
  const Json* const input = body.find("input");
  if (input == nullptr) throw body.wrong("input", "it is missing; give a text or a list of texts");
  const Json list = input->is_string() ? Json::array({*input}) : *input;
  if (!list.is_array() || list.empty()) throw body.wrong("input", "expected a text or a list of texts");
  if (list.size() > kMostTexts) throw body.wrong("input", "{} texts; {} are the most", list.size(), kMostTexts);
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::string field = input->is_string() ? "input" : fmt::format("input[{}]", i);
    if (list[i].is_number() || list[i].is_array()) {
      throw body.wrong(field,
                       "tokens of another tokenizer would mean something else; send texts (LangChain: "
                       "check_embedding_ctx_length=False)");
    }
    if (!list[i].is_string()) throw body.wrong(field, "expected a text, found {}", kind_of(list[i]));
    texts.push_back(list[i].get<std::string>());
    if (texts.back().empty()) throw body.wrong(field, "the text is empty");
  }
  return texts;
}

/// Of the bytes of 32-bit floats, the lowest first.
std::string base64(const std::vector<float>& numbers) {
  static_assert(std::endian::native == std::endian::little);
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::vector<std::uint8_t> bytes(numbers.size() * sizeof(float));
  std::memcpy(bytes.data(), numbers.data(), bytes.size());
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t some = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t bits = 0;
    for (std::size_t j = 0; j < 3; ++j) bits = bits << 8U | (j < some ? bytes[i + j] : 0U);
    for (std::size_t j = 0; j < 4; ++j) text += j <= some ? kDigits[bits >> (18U - 6U * j) & 63U] : '=';
  }
  return text;
}

}  // namespace

void embed(const Service& service, Exchange& exchange) {
  Fields body(exchange.body, "");
  const std::size_t number = model_of(body, service.models);
  const ServedModel& model = service.models[number];
  const std::string format = body.text("encoding_format").value_or("float");
  if (format != "float" && format != "base64") throw body.wrong("encoding_format", "choose float or base64");
  const auto dimensions = body.integer("dimensions", 1, 1 << 24);
  if (dimensions && *dimensions != model.spec().hidden_size) {
    throw body.wrong("dimensions", "vectors of this model have {} numbers; they are not cut", model.spec().hidden_size);
  }
  const std::vector<std::string> texts = read_texts(body);
  body.ignore({"user"});
  body.done();
  const auto wanted = [&] { return client_is_there(exchange.request); };
  std::vector<Embedding> vectors;
  try {
    vectors = service.engine.embed(number, texts, wanted);
  } catch (const Error& failure) {
    throw bad_request("input", "input: {}", failure.what());
  }
  Json list = Json::array();
  int tokens = 0;
  int truncated = 0;
  for (std::size_t i = 0; i < vectors.size(); ++i) {
    tokens += vectors[i].tokens;
    truncated += vectors[i].truncated ? 1 : 0;
    Json vector = format == "float" ? Json(vectors[i].vector) : Json(base64(vectors[i].vector));
    list.push_back({{"object", "embedding"}, {"index", i}, {"embedding", std::move(vector)}});
  }
  send_json(exchange.response, {{"object", "list"},
                                {"data", std::move(list)},
                                {"model", model.name},
                                {"usage", {{"prompt_tokens", tokens}, {"total_tokens", tokens}}},
                                {"gyre", {{"truncated", truncated}}}});
}

}  // namespace gyre::serve
