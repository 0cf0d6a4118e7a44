#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>

#include "base/random.hpp"
#include "serve/ascii_model.hpp"
#include "serve/served.hpp"

namespace gyre::malformed_test {
namespace {

using Json = nlohmann::ordered_json;

/// GYRE_MALFORMED_BODIES of them (1000).
int wanted_bodies() {
  const char* const wanted = std::getenv("GYRE_MALFORMED_BODIES");
  return wanted == nullptr ? 1000 : std::atoi(wanted);
}

/// Bodies that are broken in one place, and where: of every endpoint that takes a body, and of every field in its
/// schema.
class Breaker {
 public:
  explicit Breaker(std::uint64_t seed) : random_(seed), document_(serve::openapi_document()), check_(document_) {
    for (const auto& [path, methods] : document_["paths"].items()) {
      if (methods.contains("post")) paths_.push_back(path);
    }
  }

  struct Body {
    std::string path;
    std::string text;
    std::string field;  ///< that the error has to be about; empty: it is no JSON object
  };

  Body next() {
    const std::string path = paths_[random_.below(paths_.size())];
    const Json whole = fine(path);
    return random_.below(4) == 0 ? Body{path, not_json(whole.dump()), {}} : wrong_field(path, whole);
  }

 private:
  /// What is answered by 200.
  static Json fine(const std::string& path) {
    const Json messages = {{{"role", "user"}, {"content", "hi"}}};
    if (path.ends_with("/chat/completions")) return {{"messages", messages}, {"max_tokens", 1}};
    if (path.ends_with("/completions")) return {{"prompt", "hi"}, {"max_tokens", 1}};
    if (path.ends_with("/responses")) return {{"input", "hi"}, {"max_output_tokens", 1}};
    if (path.ends_with("/completion")) return {{"prompt", "hi"}, {"n_predict", 1}};
    if (path.ends_with("/embeddings")) return {{"input", "hi"}};
    if (path.ends_with("/tokenize")) return {{"content", "hi"}};
    if (path.ends_with("/detokenize")) return {{"tokens", {1}}};
    return {{"messages", messages}};
  }

  std::string not_json(std::string text) {
    const std::size_t at = random_.below(text.size() - 1) + 1;
    switch (random_.below(8)) {
      case 0:
        return text.substr(0, at);
      case 1:
        return text + text;
      case 2:
        return "[" + text + "]";
      case 3:
        return text.replace(text.rfind('}'), 1, R"(, "seed": NaN})");
      case 4:
        return text.replace(text.rfind('}'), 1, R"(, "temperature": -Infinity})");
      case 5:
        return text.replace(text.rfind('"'), 0, std::string(1, "\xff\xc0\x80\xfe"[random_.below(4)]));
      case 6: {
        const std::size_t deep = 65 + random_.below(5000);
        return text.replace(text.rfind('}'), 1,
                            R"(, "gyre": )" + std::string(deep, '[') + std::string(deep, ']') + "}");
      }
      default:
        return text.replace(text.rfind('}'), 1, R"(, "seed": 1e400})");
    }
  }

  /// A field with a value that none of its types has, or one that nobody knows.
  Body wrong_field(const std::string& path, Json body) {
    const Json& schema = check_.referred(
        document_["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"]);
    std::vector<std::string> names;
    for (const auto& [name, field] : schema["properties"].items()) names.push_back(name);
    names.emplace_back("no_such_field");
    const std::string& name = names[random_.below(names.size())];
    const Json values = {
        nullptr, true, "x",       -7,         1e308,        18446744073709551615U, -9223372036854775807LL,
        0.123,   "",   {{{{1}}}}, {{"a", 1}}, {"\u0000", 3}};
    const Json field = schema["properties"].value(name, Json::object());
    Json value = nullptr;
    while (value.is_null() || (name != "no_such_field" && check_.mistake(value, field).empty())) {
      value = values[random_.below(values.size())];
    }
    body[name] = value;
    return {path, body.dump(), name};
  }

  Random random_;
  Json document_;
  SchemaCheck check_;
  std::vector<std::string> paths_;
};

/// What a client sends is never the server's mistake, and what is wrong is named.
TEST(Malformed, BodiesAreRefusedByTheFieldThatIsWrong) {
  const AsciiModel model(kTaggedTemplate);
  const Served server({"-m", "m=" + model.path()});
  Breaker breaker(1);
  for (int i = 0; i < wanted_bodies(); ++i) {
    const Breaker::Body body = breaker.next();
    const Answer answer = server.post_text(body.path, body.text);
    ASSERT_GE(answer.status, 400) << body.path << " " << body.text.substr(0, 500);
    ASSERT_LT(answer.status, 500) << body.path << " " << body.text.substr(0, 500);
    if (body.field.empty()) continue;
    ASSERT_TRUE(answer.json["error"]["param"].is_string()) << body.text << answer.json;
    EXPECT_THAT(answer.json["error"]["param"].get<std::string>(), testing::StartsWith(body.field)) << body.text;
  }
  EXPECT_EQ(server.post("/v1/completions", {{"prompt", "hi"}, {"max_tokens", 1}}).status, 200);
}

/// The document names no field that the server does not know.
TEST(Malformed, EveryFieldOfTheDocumentIsKnown) {
  const AsciiModel model(kTaggedTemplate);
  const Served server({"-m", "m=" + model.path()});
  const Json document = serve::openapi_document();
  for (const auto& [path, methods] : document["paths"].items()) {
    if (!methods.contains("post")) continue;
    const std::string name = methods["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"];
    const Json& fields = document.at(Json::json_pointer(name.substr(1)))["properties"];
    for (const auto& [field, schema] : fields.items()) {
      const Answer answer = server.post(path, {{field, {{"no", {"such", "value"}}}}});
      EXPECT_THAT(answer.json["error"]["message"].get<std::string>(),
                  testing::Not(testing::StartsWith(fmt::format("{}: there is no such field", field))))
          << path;
    }
  }
}

}  // namespace
}  // namespace gyre::malformed_test
