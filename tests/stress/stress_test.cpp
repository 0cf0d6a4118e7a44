#include <gtest/gtest.h>

#include <bit>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <iterator>
#include <optional>
#include <stdexcept>

#include "base/error.hpp"
#include "engine/engine.hpp"
#include "engine/reference.hpp"
#include "kernels/kernels.hpp"
#include "model_folder.hpp"

namespace gyre::stress_test {
namespace {

/// Draws for one case.
class Draws {
 public:
  explicit Draws(std::uint64_t seed) : random_(seed) {}

  int number(int least, int most) {
    return least + static_cast<int>(random_.below(static_cast<std::uint64_t>(most - least + 1)));
  }
  bool one_in(int count) { return number(1, count) == 1; }
  template <typename Item>
  const Item& among(const std::vector<Item>& items) {
    return items[static_cast<std::size_t>(number(0, static_cast<int>(items.size()) - 1))];
  }

 private:
  Random random_;
};

/// Room for a prompt that was to be broken off, another, and what is decoded.
constexpr int kContext = 32;
const std::vector<int> kThreads = {1, 2, 3, 5, 8};
const std::vector<std::string> kPolicies = {"latest",          "last", "latest:ring=2", "latest:ring=3", "latest:run=2",
                                            "latest:anchor=1", "full", "all_or_last"};
const std::vector<KvType> kKvTypes = {KvType::f32, KvType::bf16, KvType::q8_0};
/// Rules that let tokens leave at different depths; those of the first row work in a prompt too.
const std::vector<std::string> kPromptRules = {"accel:tau=0.3",
                                               "accel:tau=0.8,form=normalised,hits=2",
                                               "step:tau=0.5,every=2",
                                               "step:tau=0.6,first=1,every=2,against=check",
                                               "accel:tau=0.9,every=2,against=check",
                                               "cosine:tau=0.1",
                                               "random:weights=2/1/1/1",
                                               "random:weights=1/0/1/2,min=2",
                                               "kl:tau=0.1,decode=lens",
                                               "kl:tau=0.5,decode=lens,first=2,start=uniform",
                                               "entropy-diff:tau=0.05,decode=lens,max=3",
                                               "argmax-stability:steps=1,decode=lens",
                                               "accel:tau=0.7,form=maximum",
                                               "accel:form=sign",
                                               "ratio:tau=0.8",
                                               "top:tau=0.3,decode=lens",
                                               "two-sided:tau=0.3,patience=1",
                                               "any(margin:tau=0.1,decode=lens;accel:tau=0.4):every=2",
                                               "all(entropy:tau=2.5,decode=lens;step:tau=0.9,hits=2):min=2",
                                               "fixed"};
const std::vector<std::string> kReadingRules = {"kl:tau=0.2", "minp-kl:tau=0.1,min=2", "argmax-stability:steps=1",
                                                "entropy:tau=2.2", "any(top:tau=0.2;ratio:tau=0.9):max=3"};

/// A random model; half of them wide enough for weights in blocks.
struct Subject {
  explicit Subject(std::uint64_t seed) : draws(seed), folder(spec_for(seed, draws)), model(load()) {}

  static ModelSpec spec_for(std::uint64_t seed, Draws& draws) {
    ModelSpec spec = random_spec(seed);
    spec.context = kContext;
    if (draws.one_in(2)) {
      spec.hidden_size = 32 * draws.number(1, 2);
      spec.ffn_size = 32 * draws.number(1, 3);
      spec.head_size = 32;
      // Their sizes are those of the pairs.
      spec.rotary_divisors.clear();
      spec.rotary_long_divisors.clear();
      if (spec.rotary_growth == 0) spec.rotary_context = 0;
    }
    return spec;
  }

  Model load() {
    LoadOptions options;
    if (folder.spec().head_size == 32) {
      const std::string type = draws.among<std::string>({"f32", "bf16", "q8_0", "q4_0", "ternary"});
      options.weights = parse_weight_type(type, "--weights");
      tiled = type != "f32";
    }
    return Model::load(folder.path(), options);
  }

  bool tiled = false;  ///< tiles of bfloat16 (amx) round activations of many rows
  Draws draws;
  ModelFolder folder;
  Model model;
};

/// One text as the engine under test runs it, and as one thread runs it.
struct Text {
  Sequence tested;
  Sequence alone;
  std::string rule;
  std::unique_ptr<BoundedExit> exit;
  std::int32_t next = 0;
};

class Case {
 public:
  explicit Case(std::uint64_t seed)
      : subject_(seed),
        draws_(seed ^ 0x5eed),
        spec_(subject_.model.spec()),
        tested_(subject_.model, draws_.among(kThreads)),
        alone_(subject_.model, 1) {}

  void run() {
    const int count = draws_.number(1, 16);
    for (int i = 0; i < count; ++i) texts_.push_back(begin_text());
    for (Text& text : texts_) take_prompt(text);
    for (int step = 0; step < 5; ++step) decode_some(step);
  }

 private:
  std::int32_t token() { return draws_.number(0, spec_.vocab_size - 1); }

  Text begin_text() {
    std::vector<int> loops = spec_.default_loops();
    for (const int group : spec_.looped_groups()) loops[static_cast<std::size_t>(group)] = draws_.number(1, 5);
    KvPolicy policy = parse_kv_policy(draws_.among(kPolicies), "--kv");
    if (!allows(spec_, policy)) policy = {};
    policy.type = draws_.among(kKvTypes);
    const auto first = static_cast<NoiseStart>(draws_.number(0, 2));
    const auto seed = static_cast<std::uint64_t>(draws_.number(1, 99));
    Text text{tested_.start(loops, kContext, policy, seed, first),
              alone_.start(loops, kContext, policy, seed, first),
              {},
              {}};
    std::vector<std::string> rules = kPromptRules;
    rules.insert(rules.end(), kReadingRules.begin(), kReadingRules.end());
    for (const Group& group : spec_.groups) {
      if (group.exit_gate) rules.insert(rules.end(), {"gate:threshold=0.6", "gate:threshold=0.6,over=mean"});
    }
    for (const int group : spec_.looped_groups()) {
      rules.push_back(fmt::format("groups({}=top:tau=0.2,every=2)", group));
      rules.push_back(fmt::format("groups({}=any(accel:tau=0.5;fixed:loops=1):min=2)", group));
    }
    text.rule = draws_.among(rules);
    if (!draws_.one_in(5)) text.exit = std::make_unique<BoundedExit>(exit_of(text, text.rule));
    return text;
  }

  [[nodiscard]] BoundedExit exit_of(const Text& text, const std::string& rule) const {
    return {parse_exit(rule), {spec_, text.tested.cache.loops(), {}}};
  }

  /// A constant rule of these depths; nothing where no group loops.
  [[nodiscard]] std::optional<BoundedExit> exit_at(const Text& text, const std::vector<int>& depths) const {
    std::string loops;
    for (const int group : spec_.looped_groups()) {
      loops += (loops.empty() ? "" : "/") + std::to_string(depths[static_cast<std::size_t>(group)]);
    }
    if (loops.empty()) return std::nullopt;
    return exit_of(text, "fixed:loops=" + loops);
  }

  /// To the bit, but where tiles round activations of many rows, or queries of bfloat16 keys, to bfloat16: steps of
  /// 2^-8 that a deep random model carries far.
  void expect_equal(const Text& text, std::span<const float> got, std::span<const float> wanted,
                    const std::string& what) const {
    ASSERT_EQ(got.size(), wanted.size()) << what;
    const bool f32 = text.tested.cache.policy().type == KvType::f32 && !subject_.tiled;
    if (kernels().name != "amx" || f32) {
      for (std::size_t i = 0; i < wanted.size(); ++i) {
        // Whose sign a NaN of two NaNs has is the compiler's choice, for every width of a product anew.
        if (std::isnan(got[i]) && std::isnan(wanted[i])) continue;
        ASSERT_EQ(std::bit_cast<std::uint32_t>(got[i]), std::bit_cast<std::uint32_t>(wanted[i]))
            << what << ", logit " << i;
      }
      return;
    }
    float largest = 1;
    for (const float logit : wanted) {
      if (!std::isfinite(logit)) return;  // a stack without norms may leave the range of floats
      largest = std::max(largest, std::abs(logit));
    }
    const float near = 0.2F * largest;
    for (std::size_t i = 0; i < wanted.size(); ++i) ASSERT_NEAR(got[i], wanted[i], near) << what << ", logit " << i;
  }

  /// The lengths of the pieces by which a prompt goes in.
  std::vector<std::size_t> pieces_of(const Text& text, std::size_t size) {
    // Tokens that see one another whole, or start where the piece before ended, go in at once; so do those whose keys
    // of earlier loops are gone once they have run later ones.
    if (text.tested.whole_prompt || text.tested.start == NoiseStart::previous) return {size};
    if (text.tested.cache.policy().slots != KvPolicy::Slots::loop) return {size};
    std::vector<std::size_t> pieces;
    while (size > 0) {
      pieces.push_back(static_cast<std::size_t>(draws_.number(1, static_cast<int>(size))));
      size -= pieces.back();
    }
    return pieces;
  }

  void take_prompt(Text& text) {
    std::vector<std::int32_t> prompt;
    for (int length = draws_.number(1, 11); length > 0; --length) prompt.push_back(token());
    if (spec_.prefix_lm && draws_.one_in(2)) text.tested.whole_prompt = text.alone.whole_prompt = true;
    if (draws_.one_in(3)) break_off(text, prompt);
    if (text.tested.cache.policy().lookup == KvPolicy::Lookup::latest && draws_.one_in(2)) {
      prompt_with_exits(text, prompt);
      return;
    }
    const std::span<const float> wanted = alone_.prefill(text.alone, prompt, Engine::Logits::all);
    const std::vector<float> kept(wanted.begin(), wanted.end());
    std::vector<float> got;
    std::span<const std::int32_t> left = prompt;
    for (const std::size_t piece : pieces_of(text, prompt.size())) {
      const std::span<const float> logits = tested_.prefill(text.tested, left.first(piece), Engine::Logits::all);
      got.insert(got.end(), logits.begin(), logits.end());
      left = left.subspan(piece);
    }
    expect_equal(text, got, kept, "prompt");
  }

  /// A pass that ends in the middle leaves no trace.
  void break_off(Text& text, const std::vector<std::int32_t>& prompt) {
    int left = draws_.number(1, 6);
    const TraceSink trace = [&](const TracePoint&) {
      if (--left == 0) throw std::runtime_error("broken off");
    };
    try {
      tested_.prefill(text.tested, prompt, Engine::Logits::none, trace);
      alone_.prefill(text.alone, prompt, Engine::Logits::none);  // it was done before it could be broken off
    } catch (const std::runtime_error&) {
      EXPECT_EQ(text.tested.length, 0);
    }
  }

  void prompt_with_exits(Text& text, const std::vector<std::int32_t>& prompt) {
    const std::string rule = draws_.among(kPromptRules);
    std::vector<BoundedExit> exits;
    for (std::size_t t = 0; t < prompt.size(); ++t) exits.push_back(exit_of(text, rule));
    std::vector<TokenDepth> depths;
    std::vector<float> got;
    std::size_t done = 0;
    for (const std::size_t piece : pieces_of(text, prompt.size())) {
      std::vector<TokenDepth> some;
      const std::span<const float> logits =
          tested_.prefill(text.tested, std::span(prompt).subspan(done, piece), Engine::Logits::all,
                          std::span(exits).subspan(done, piece), some);
      got.insert(got.end(), logits.begin(), logits.end());
      std::move(some.begin(), some.end(), std::back_inserter(depths));
      done += piece;
    }
    std::vector<BoundedExit> same;
    for (const TokenDepth& depth : depths) {
      std::optional<BoundedExit> exit = exit_at(text, depth.loops);
      same.push_back(exit ? std::move(*exit) : exit_of(text, "fixed"));
    }
    std::vector<TokenDepth> ran;
    expect_equal(text, got, alone_.prefill(text.alone, prompt, Engine::Logits::all, same, ran), "prompt with " + rule);
    for (std::size_t t = 0; t < depths.size(); ++t) EXPECT_EQ(ran[t].loops, depths[t].loops);
  }

  /// One token of some of the texts, together.
  void decode_some(int step) {
    std::vector<DecodeRow> batch;
    std::vector<Text*> rows;
    for (Text& text : texts_) {
      if (draws_.one_in(4)) continue;
      rows.push_back(&text);
      batch.push_back({&text.tested, token(), text.exit.get()});
    }
    if (batch.empty()) return;
    const std::span<const float> logits = tested_.decode(batch);
    const std::vector<float> all(logits.begin(), logits.end());
    const auto vocabulary = static_cast<std::size_t>(spec_.vocab_size);
    for (std::size_t r = 0; r < rows.size(); ++r) {
      std::optional<BoundedExit> same = exit_at(*rows[r], batch[r].depth.loops);
      TokenDepth ran;
      const auto wanted = alone_.decode(rows[r]->alone, batch[r].token, same ? &*same : nullptr, ran);
      EXPECT_EQ(ran.loops, batch[r].depth.loops);
      expect_equal(*rows[r], std::span(all).subspan(r * vocabulary, vocabulary), wanted,
                   "step " + std::to_string(step) + ", text " + std::to_string(r) + ", " + rows[r]->rule);
    }
  }

  Subject subject_;
  Draws draws_;
  const ModelSpec& spec_;
  Engine tested_;
  Engine alone_;
  std::vector<Text> texts_;
};

double number_from(const char* variable, double otherwise) {
  const char* const text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtod(text, nullptr);
}

/// Threads, batches, pieces of prompts, KV policies and types, exits, broken-off passes and every switch of a model,
/// drawn: the same logits to the bit. A fixed number of cases, or as many as fit into GYRE_STRESS_SECONDS, from
/// GYRE_STRESS_SEED on.
TEST(Stress, ManyThreadsAndTextsGiveWhatOneThreadGivesOneText) {
  constexpr std::uint64_t kCases = 60;
  const double seconds = number_from("GYRE_STRESS_SECONDS", 0);
  const auto first = static_cast<std::uint64_t>(number_from("GYRE_STRESS_SEED", 1));
  const auto start = std::chrono::steady_clock::now();
  const auto goes_on = [&](std::uint64_t done) {
    if (seconds <= 0) return done < kCases;
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() < seconds;
  };
  std::uint64_t done = 0;
  for (; goes_on(done) && !HasFailure(); ++done) {
    SCOPED_TRACE("GYRE_STRESS_SEED=" + std::to_string(first + done));
    Case(first + done).run();
  }
  RecordProperty("cases", static_cast<int>(done));
  if (seconds > 0) std::printf("%llu cases\n", static_cast<unsigned long long>(done));
}

}  // namespace
}  // namespace gyre::stress_test
