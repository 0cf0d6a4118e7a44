#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "model_folder.hpp"
#include "serve/endpoints.hpp"
#include "serve/served.hpp"

namespace gyre::serve::document_test {
namespace {

/// Every path that is served is described, and no other; what it refers to is there.
TEST(Document, DescribesWhatIsServed) {
  const ModelFolder model;
  const Served server({"-m", "m=" + model.path().string()});
  const Answer answer = server.get("/openapi.json");
  ASSERT_EQ(answer.status, 200);
  EXPECT_EQ(answer.json, openapi_document());
  std::set<std::string> described;
  for (const auto& [path, methods] : answer.json["paths"].items()) {
    for (const auto& [method, operation] : methods.items()) {
      described.insert(method + " " + path);
      const std::string there = path.substr(0, path.find('{')) + (path.find('{') == std::string::npos ? "" : "m");
      const int status = method == "get" ? server.client().Get(there)->status
                                         : server.client().Post(there, "{", "application/json")->status;
      EXPECT_EQ(status, method == "get" ? 200 : 400) << there;
    }
  }
  EXPECT_EQ(described.size(), endpoints().size());
  const std::string text = answer.json.dump();
  constexpr std::string_view kReference = "\"$ref\":\"#";
  for (std::size_t at = text.find(kReference); at != std::string::npos; at = text.find(kReference, at + 1)) {
    const std::size_t first = at + kReference.size();
    const std::string pointer = text.substr(first, text.find('"', first) - first);
    EXPECT_TRUE(answer.json.contains(Json::json_pointer(pointer))) << pointer;
  }
}

TEST(Document, SaysWhatIsWrongWithAnAnswer) {
  const auto mistake = [](const char* path, const char* type, int status, const char* json) {
    return mistake_in("post", path, type, status, Json::parse(json));
  };
  EXPECT_EQ(mistake("/tokenize", "application/json", 200, R"({"tokens": [1], "count": 1, "max_model_len": 2})"), "");
  EXPECT_EQ(mistake("/tokenize", "application/json", 200, R"({"tokens": [1], "count": 1})"),
            "$ has no \"max_model_len\"");
  EXPECT_EQ(
      mistake("/v1/tokenize", "application/json", 200, R"({"tokens": [1], "count": 1, "max_model_len": 2, "more": 3})"),
      "$.more is not described");
  EXPECT_EQ(mistake("/tokenize", "application/json", 400, R"({"error": "no"})"), "$.error is \"no\", not \"object\"");
  EXPECT_EQ(mistake("/nothing", "application/json", 200, "{}"), "post /nothing is not described");
  EXPECT_EQ(mistake("/tokenize", "text/event-stream", 200, "{}"), "text/event-stream is not described for /tokenize");
}

}  // namespace
}  // namespace gyre::serve::document_test
