#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/engine.hpp"
#include "engine/reference.hpp"
#include "model_folder.hpp"

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace gyre::rest_test {
namespace {

/// What the C library's heap has given out; 0 where another allocator stands in its place.
std::size_t bytes_taken() {
#ifdef __GLIBC__
  const struct mallinfo2 info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
#else
  return 0;
#endif
}

std::vector<float> copy_of(std::span<const float> logits) { return {logits.begin(), logits.end()}; }

/// Logits of eight tokens, put in by twos; rests between them when asked to.
std::vector<std::vector<float>> by_twos(const Model& model, bool rests) {
  Engine engine(model, 1);
  Sequence sequence = engine.start(model.spec().default_loops(), 8, KvPolicy{}, 1);
  const auto vocabulary = static_cast<std::int32_t>(model.spec().vocab_size);
  std::vector<std::vector<float>> logits;
  for (std::int32_t t = 0; t < 8; t += 2) {
    const std::vector<std::int32_t> two = {t % vocabulary, (t + 3) % vocabulary};
    logits.push_back(copy_of(engine.prefill(sequence, two, Engine::Logits::all)));
    if (rests) engine.rest();
  }
  return logits;
}

TEST(Rest, ChangesNoLogits) {
  for (std::uint64_t seed = 1; seed <= 24; ++seed) {
    ModelSpec spec = random_spec(seed);
    spec.context = std::max(spec.context, 8);
    const ModelFolder folder(spec);
    const Model model = Model::load(folder.path());
    EXPECT_EQ(by_twos(model, true), by_twos(model, false)) << to_json(spec).dump();
  }
}

TEST(Rest, GivesBackWhatTheWidestPassTook) {
  ModelSpec spec = small_spec();
  spec.ffn_size = 4096;
  spec.context = 512;
  const ModelFolder folder(spec);
  const Model model = Model::load(folder.path());
  Engine engine(model, 1);
  Sequence sequence = engine.start(spec.default_loops(), 512, KvPolicy{}, 1);
  const std::vector<std::int32_t> tokens(512, 1);
  const std::size_t gate = tokens.size() * 4096 * sizeof(float);
  const std::size_t at_first = bytes_taken();
  engine.prefill(sequence, tokens, Engine::Logits::none);
  const std::size_t at_work = bytes_taken();
  if (at_work < at_first + gate) GTEST_SKIP() << "the allocator of this build does not say what is taken";
  engine.rest();
  EXPECT_LE(bytes_taken(), at_first + gate / 4);  // the keys and values are left
}

}  // namespace
}  // namespace gyre::rest_test
