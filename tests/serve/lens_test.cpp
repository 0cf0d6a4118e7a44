#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <thread>

#include "engine/engine.hpp"
#include "engine/sampler.hpp"
#include "model/checkpoint.hpp"
#include "serve/served.hpp"

namespace gyre::lens_test {
namespace {

using Json = nlohmann::ordered_json;

const std::string kModels = std::string(GYRE_TEST_DIR) + "/../models/";

/// One server for all of these tests.
class Lens : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    server_ = std::make_unique<Served>(std::vector<std::string>{"-m", kModels + "shakespeare"});
  }
  static void TearDownTestSuite() { server_.reset(); }

  static Json request(int tokens, int lens, const std::string& exit) {
    return {{"prompt", "ROMEO:"},
            {"max_tokens", tokens},
            {"seed", 7},
            {"gyre", {{"lens", lens}, {"tokens", true}, {"exit", exit}}}};
  }
  static Json complete(const Json& body) {
    const Answer answer = server_->post("/v1/completions", body);
    EXPECT_EQ(answer.status, 200) << answer.json;
    return answer.json["choices"][0];
  }

  static std::unique_ptr<Served> server_;
};
std::unique_ptr<Served> Lens::server_;

double length(std::span<const float> vector) {
  double squares = 0;
  for (const float value : vector) squares += static_cast<double>(value) * static_cast<double>(value);
  return std::sqrt(squares);
}

std::vector<float> difference(std::span<const float> a, std::span<const float> b) {
  std::vector<float> result(a.begin(), a.end());
  for (std::size_t i = 0; i < result.size(); ++i) result[i] -= b[i];
  return result;
}

/// The states of the last token of a prompt in one group, the one that entered first.
std::vector<std::vector<float>> states_of(Engine& engine, std::span<const std::int32_t> prompt, int group) {
  const std::vector<int> loops = engine.model().spec().default_loops();
  Sequence sequence = engine.start(loops, 64, {}, 1);
  const auto hidden = static_cast<std::size_t>(engine.model().spec().hidden_size);
  std::vector<std::vector<float>> states;
  engine.prefill(sequence, prompt, Engine::Logits::last, [&](const TracePoint& point) {
    if (point.group == group) states.emplace_back(point.states.end() - static_cast<long>(hidden), point.states.end());
  });
  return states;
}

TEST_F(Lens, IsWhatTheEngineMakesOfEveryLoop) {
  const Checkpoint checkpoint = Checkpoint::open(kModels + "shakespeare");
  Engine engine(checkpoint.model, 1);
  const std::vector<std::int32_t> prompt = checkpoint.language.tokenizer.encode("ROMEO:");
  const Json lens = complete(request(1, 3, "fixed"))["gyre"]["lens"][0];
  ASSERT_EQ(lens.size(), 3U);
  for (int group = 1; group <= 3; ++group) {
    const Json& told = lens[static_cast<std::size_t>(group) - 1];
    const std::vector<std::vector<float>> states = states_of(engine, prompt, group);
    EXPECT_EQ(told["group"], checkpoint.model.spec().groups[static_cast<std::size_t>(group)].name);
    ASSERT_EQ(told["step"].size(), states.size() - 1);
    EXPECT_TRUE(told["acceleration"][0].is_null());
    std::vector<float> before;
    for (std::size_t k = 1; k < states.size(); ++k) {
      const std::vector<float> step = difference(states[k], states[k - 1]);
      EXPECT_NEAR(told["state"][k - 1], length(states[k]), 1e-3 * length(states[k]));
      EXPECT_NEAR(told["step"][k - 1], length(step), 1e-3 * length(step));
      if (k > 1) {
        EXPECT_NEAR(told["acceleration"][k - 1], length(difference(step, before)), 1e-3 * length(step));
      }
      before = step;
      const Json& words = told["words"][k - 1];
      const std::vector<TokenProbability> likeliest = probabilities_of(engine.head(states[k]), 0, 3);
      ASSERT_EQ(words.size(), 3U);
      for (std::size_t w = 0; w < 3; ++w) {
        const TokenProbability& known = likeliest[w + 1];
        EXPECT_EQ(words[w]["id"], known.token) << group << " " << k;
        EXPECT_NEAR(words[w]["logprob"], known.log_probability, 1e-3);
        EXPECT_EQ(words[w]["token"], checkpoint.language.tokenizer.piece(known.token));
      }
    }
  }
}

TEST_F(Lens, ShowsWhyATokenLeft) {
  constexpr double kTau = 60;
  const Json details = complete(request(30, 1, "accel:tau=60,form=absolute"))["gyre"];
  ASSERT_EQ(details["lens"].size(), 30U);
  int left = 0;
  for (std::size_t token = 0; token < 30; ++token) {
    for (std::size_t group = 0; group < 3; ++group) {
      const Json& accelerations = details["lens"][token][group]["acceleration"];
      EXPECT_EQ(accelerations.size(), details["loops"][token][group + 1]);
      const bool early = details["reasons"][token][group + 1] == "acceleration";
      left += early ? 1 : 0;
      if (early) {
        EXPECT_LT(accelerations.back(), kTau);
      }
      for (std::size_t k = 1; k + 1 < accelerations.size(); ++k) EXPECT_GE(accelerations[k], kTau);
    }
  }
  EXPECT_GT(left, 10);
  EXPECT_LT(left, 90);
}

TEST_F(Lens, TellsTheProbabilityOfTheTokenThatWasDrawn) {
  const Json lens = complete(request(5, 20, "fixed"))["gyre"]["lens"];
  for (const Json& token : lens) {
    for (const Json& group : token) {
      const std::size_t loops = group["step"].size();
      ASSERT_EQ(group["drawn"].size(), loops);
      for (std::size_t k = 0; k < loops; ++k) {
        double likeliest = group["words"][k][0]["logprob"];
        EXPECT_LE(group["drawn"][k], likeliest);
        for (const Json& word : group["words"][k]) {
          EXPECT_LE(word["logprob"], likeliest);
          likeliest = word["logprob"];
        }
      }
    }
  }
}

TEST_F(Lens, IsStreamedWithItsTokens) {
  const Json body = request(12, 2, "accel:tau=0.2");
  const Json whole = complete(body);
  Json lens = Json::array();
  const Data lines = server_->stream("/v1/completions", body);
  for (const std::string& line : lines) {
    if (line == "[DONE]") continue;
    const Json choice = Json::parse(line)["choices"][0];
    if (!choice.contains("gyre")) continue;
    EXPECT_EQ(choice["gyre"]["lens"].size(), 1U);
    lens.push_back(choice["gyre"]["lens"][0]);
  }
  EXPECT_EQ(lens, whole["gyre"]["lens"]);
  EXPECT_EQ(streamed_text(lines), whole["text"]);
}

TEST_F(Lens, ChangesNoText) {
  const Json looked = complete(request(40, 5, "accel:tau=0.2"));
  const Json plain = complete(request(40, 0, "accel:tau=0.2"));
  EXPECT_EQ(looked["text"], plain["text"]);
  EXPECT_EQ(looked["gyre"]["loops"], plain["gyre"]["loops"]);
  EXPECT_FALSE(plain["gyre"].contains("lens"));
  // Nor that of others who land beside it.
  std::vector<Json> answers(8);
  std::vector<std::thread> clients;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    clients.emplace_back([&, i] { answers[i] = complete(request(40, i % 2 == 0 ? 5 : 0, "accel:tau=0.2")); });
  }
  for (std::thread& client : clients) client.join();
  for (std::size_t i = 0; i < answers.size(); ++i) {
    EXPECT_EQ(answers[i]["text"], plain["text"]) << i;
    if (i % 2 == 0) {
      EXPECT_EQ(answers[i]["gyre"]["lens"], looked["gyre"]["lens"]) << i;
    }
  }
}

TEST_F(Lens, IsRefusedWhereItCannotBeTold) {
  Json body = request(2, 21, "fixed");
  EXPECT_EQ(server_->post("/v1/completions", body).json["error"]["param"], "gyre.lens");
  body["gyre"]["lens"] = -1;
  EXPECT_EQ(server_->post("/v1/completions", body).json["error"]["param"], "gyre.lens");
  body["gyre"]["lens"] = 2;
  const Answer native = server_->post("/completion", body);
  EXPECT_EQ(native.status, 400);
  EXPECT_EQ(native.json["error"]["param"], "gyre");
}

}  // namespace
}  // namespace gyre::lens_test
