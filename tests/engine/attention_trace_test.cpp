#include "engine/attention_trace.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <mutex>
#include <tuple>
#include <vector>

#include "engine/engine.hpp"
#include "engine/reference.hpp"
#include "study/measures/attention.hpp"

namespace gyre::attention_trace_test {
namespace {

constexpr std::uint64_t kNoise = 11;

/// Scores by group, pass, loop, position and head.
class Heard {
 public:
  using Place = std::tuple<int, int, int, int, int>;

  [[nodiscard]] AttentionSink sink() {
    return [this](const AttentionPoint& point) {
      const std::scoped_lock lock(mutex_);
      const Place place{static_cast<int>(point.group), point.layer, point.loop, point.position,
                        static_cast<int>(point.head)};
      EXPECT_TRUE(scores_.try_emplace(place, point.scores.begin(), point.scores.end()).second) << "told twice";
    };
  }
  [[nodiscard]] const std::map<Place, std::vector<double>>& scores() const { return scores_; }

 private:
  std::mutex mutex_;
  std::map<Place, std::vector<double>> scores_;
};

/// How often heads attend when `tokens` tokens run these loops.
std::size_t times(const ModelSpec& spec, const std::vector<int>& loops, std::size_t tokens) {
  std::size_t all = 0;
  for (std::size_t g = 0; g < loops.size(); ++g) all += static_cast<std::size_t>(loops[g] * spec.groups[g].passes());
  return all * tokens * static_cast<std::size_t>(spec.heads);
}

TEST(AttentionScores, AreOfTheKeysAsTheyAreKept) {
  constexpr std::size_t kSize = 6;
  constexpr std::size_t kKeys = 37;  // more than two pages
  Random random(3);
  for (const KvType type : {KvType::f32, KvType::bf16, KvType::q8_0}) {
    std::vector<std::vector<std::byte>> pages;
    std::vector<std::vector<float>> keys(kKeys, std::vector<float>(kSize));
    for (std::size_t t = 0; t < kKeys; ++t) {
      if (t % kKvPage == 0) pages.emplace_back(kv_page_bytes(type, kSize) + 8);
      for (float& number : keys[t]) number = static_cast<float>(random.normal());
      write_kv_key(type, keys[t], pages.back().data() + 8, t % kKvPage);
      read_kv_key(type, pages.back().data() + 8, t % kKvPage, keys[t]);
    }
    std::vector<const std::byte*> table;
    for (const std::vector<std::byte>& page : pages) table.push_back(page.data());
    constexpr std::size_t kRows = 3;
    constexpr std::size_t kStride = 10;
    std::vector<float> queries(kRows * kStride);
    for (float& number : queries) number = static_cast<float>(random.normal());
    for (const std::size_t window : {0U, 1U, 20U, 36U}) {
      const KvPages cache{type, table.data(), 8, 0, window};
      std::size_t heard = 0;
      attention_scores({queries.data(), kStride, kRows, kSize, 0.5}, cache, kKeys - 2,
                       [&](std::size_t row, std::span<const double> scores) {
                         EXPECT_EQ(row, heard++);
                         const std::size_t count = kKeys - 2 + row;
                         const std::size_t seen = window == 0 ? count : std::min(window, count);
                         ASSERT_EQ(scores.size(), seen);
                         for (std::size_t j = 0; j < seen; ++j) {
                           double wanted = 0;
                           for (std::size_t i = 0; i < kSize; ++i) {
                             wanted += 0.5 * static_cast<double>(queries[row * kStride + i]) *
                                       static_cast<double>(keys[count - seen + j][i]);
                           }
                           EXPECT_NEAR(scores[j], wanted, 1e-12);
                         }
                       });
      EXPECT_EQ(heard, kRows);
    }
  }
}

class AttentionOfRandomSpecs : public ::testing::TestWithParam<std::uint64_t> {
 protected:
  static ModelSpec spec_of(std::uint64_t seed) {
    ModelSpec spec = random_spec(seed);
    for (Group& group : spec.groups) {
      if (group.runs() > 2) group.loops = std::min(group.loops, 2);  // they multiply what is rounded
    }
    spec.context = std::max(spec.context, 12);
    return spec;
  }
  void expect_entropies(const Heard& heard, const Reference& wanted) const {
    for (const auto& [place, scores] : heard.scores()) {
      const double entropy = std::apply([&](auto... at) { return wanted.attention_entropy(at...); }, place);
      const auto [group, pass, loop, position, head] = place;
      ASSERT_NEAR(entropy_of_scores(scores), entropy, 1e-4) << "group " << group << ", pass " << pass << ", loop "
                                                            << loop << ", position " << position << ", head " << head;
    }
  }

  const ModelSpec spec_ = spec_of(GetParam());
  ModelFolder folder_{spec_};
  Model model_ = Model::load(folder_.path());
  const std::vector<int> loops_ = spec_.default_loops();
  std::vector<std::int32_t> tokens_ = {3, 1, 4, 1, 5, 2, 6};
};

TEST_P(AttentionOfRandomSpecs, IsTheReferencesInAPrompt) {
  SCOPED_TRACE(to_json(spec_).dump());
  Heard heard;
  Engine engine(model_, 1 + static_cast<int>(GetParam() % 2));
  Sequence sequence = engine.start(loops_, 8, {}, kNoise);
  engine.prefill(sequence, std::span(tokens_).first(4), Engine::Logits::none, {}, heard.sink());
  engine.prefill(sequence, std::span(tokens_).subspan(4), Engine::Logits::none, {}, heard.sink());
  EXPECT_EQ(heard.scores().size(), times(spec_, loops_, tokens_.size()));
  Reference wanted(spec_, folder_.weights(), {}, kNoise);
  for (const std::int32_t token : tokens_) wanted.next(token, loops_);
  expect_entropies(heard, wanted);
}

TEST_P(AttentionOfRandomSpecs, IsTheReferencesTokenByTokenUnderEveryPolicy) {
  SCOPED_TRACE(to_json(spec_).dump());
  for (const char* const name : {"last", "latest:ring=2", "latest:anchor=1", "full", "all_or_last"}) {
    const KvPolicy policy = parse_kv_policy(name, "--kv");
    if (!allows(spec_, policy)) continue;
    SCOPED_TRACE(name);
    Heard heard;
    Engine engine(model_, 1);
    Sequence sequence = engine.start(loops_, 8, policy, kNoise);
    Reference wanted(spec_, folder_.weights(), policy, kNoise);
    for (const std::int32_t token : tokens_) {
      engine.prefill(sequence, {&token, 1}, Engine::Logits::none, {}, heard.sink());
      wanted.next(token, loops_);
    }
    expect_entropies(heard, wanted);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, AttentionOfRandomSpecs, ::testing::Range(std::uint64_t{1}, std::uint64_t{25}));

TEST(AttentionTrace, EqualKeysAreAttendedToAlike) {
  ModelSpec spec = small_spec();
  ModelFolder folder(spec);
  const auto columns = static_cast<std::ptrdiff_t>(spec.hidden_size);
  folder.rewrite([&](Weights& weights) {
    for (auto& [name, values] : weights) {
      if (!name.ends_with("attn.qkv.weight")) continue;
      const auto keys = values.begin() + columns * spec.heads * spec.head_size;
      std::fill(keys, keys + columns * spec.kv_heads * spec.head_size, 0.0F);
    }
  });
  const Model model = Model::load(folder.path());
  Engine engine(model, 2);
  Sequence sequence = engine.start(spec.default_loops(), 8, {}, kNoise);
  Heard heard;
  engine.prefill(sequence, std::vector<std::int32_t>{3, 1, 4, 1, 5}, Engine::Logits::none, {}, heard.sink());
  ASSERT_EQ(heard.scores().size(), times(spec, spec.default_loops(), 5));
  for (const auto& [place, scores] : heard.scores()) {
    EXPECT_DOUBLE_EQ(entropy_of_scores(scores), std::log(std::get<3>(place) + 1));
  }
}

TEST(AttentionTrace, ChangesNothingOfAPass) {
  const ModelFolder folder;
  const Model model = Model::load(folder.path());
  Engine engine(model, 2);
  std::vector<std::vector<float>> logits;
  for (const bool traced : {false, true}) {
    Heard heard;
    Sequence sequence = engine.start(folder.spec().default_loops(), 8, {}, kNoise);
    const auto out = engine.prefill(sequence, std::vector<std::int32_t>{3, 1, 4, 1, 5}, Engine::Logits::all, {},
                                    traced ? heard.sink() : AttentionSink());
    logits.emplace_back(out.begin(), out.end());
    EXPECT_EQ(heard.scores().empty(), !traced);
  }
  EXPECT_EQ(logits[0], logits[1]);
}

TEST(AttentionTrace, IsOfNoLookAhead) {
  const ModelFolder folder;
  const Model model = Model::load(folder.path());
  Engine engine(model, 2);
  const std::vector<int> loops = folder.spec().default_loops();
  BoundedExit exit(parse_exit("kl:tau=1e-9"), {folder.spec(), loops, {}});  // runs later groups after every loop
  Sequence sequence = engine.start(loops, 8, {}, kNoise);
  engine.prefill(sequence, std::vector<std::int32_t>{3, 1, 4}, Engine::Logits::none);
  Heard heard;  // which minds what it is told twice
  const AttentionSink sink = heard.sink();
  std::vector<Flight> flights = engine.flights_of(sequence, std::vector<std::int32_t>{5});
  Flight* const flight = flights.data();
  flight->exit = &exit;
  flight->attention = &sink;
  engine.stack().board(*flight);
  while (!engine.stack().landed(*flight)) engine.stack().run(flight->group, {&flight, 1});
  EXPECT_EQ(flight->depth.loops, loops);
  EXPECT_EQ(heard.scores().size(), times(folder.spec(), loops, 1));
}

}  // namespace
}  // namespace gyre::attention_trace_test
