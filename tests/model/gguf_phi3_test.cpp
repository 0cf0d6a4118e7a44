#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "format/gguf.hpp"
#include "golden_checkpoint.hpp"

// Phi 3 as llama.cpp stores it.

namespace gyre::gguf_phi3_test {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

constexpr float kTolerance = 1e-4F;

/// The golden Phi 3, as llama.cpp's converter writes it.
class Phi3Gguf : public ::testing::Test {
 protected:
  Phi3Gguf() {
    const std::vector<std::pair<std::string, std::string>> parts = {{"model.embed_tokens", "token_embd"},
                                                                    {"model.norm", "output_norm"},
                                                                    {"lm_head", "output"},
                                                                    {"model.layers", "blk"},
                                                                    {"self_attn.qkv_proj", "attn_qkv"},
                                                                    {"self_attn.o_proj", "attn_output"},
                                                                    {"post_attention_layernorm", "ffn_norm"},
                                                                    {"input_layernorm", "attn_norm"},
                                                                    {"mlp.gate_up_proj", "ffn_up"},
                                                                    {"mlp.down_proj", "ffn_down"}};
    for (const auto& [stored, tensor] : ChangedCheckpoint("phi3").tensors) {
      std::string name = stored;
      for (const auto& [from, to] : parts) {
        if (const std::size_t at = name.find(from); at != std::string::npos) name.replace(at, from.size(), to);
      }
      tensors_[name] = tensor;
    }
    tensors_["rope_factors_short.weight"] = {{3}, {1.0F, 1.125F, 1.5F}};
    tensors_["rope_factors_long.weight"] = {{3}, {1.25F, 2.5F, 6.0F}};
  }

  void set(const std::string& key, GgufValue value) { metadata_["phi3." + key] = std::move(value); }

  [[nodiscard]] Model load() const {
    write_gguf_of(folder_ / "model.gguf", metadata_, tensors_);
    return Model::load(folder_ / "model.gguf");
  }

  void expect(const std::string& key) const {
    const std::vector<float> got = logits_of(load(), expected_.tokens(), expected_.context(key));
    EXPECT_LT(error(got, expected_.floats(key)), kTolerance) << key;
  }

  void expect_refused(const std::string& says) const {
    EXPECT_THAT([&] { static_cast<void>(load()); }, ThrowsMessage<Error>(HasSubstr(says)));
  }

  std::map<std::string, GgufValue> metadata_ = {
      {"general.architecture", std::string("phi3")},
      {"phi3.context_length", std::uint32_t{80}},
      {"phi3.embedding_length", std::uint32_t{16}},
      {"phi3.block_count", std::uint32_t{2}},
      {"phi3.feed_forward_length", std::uint32_t{24}},
      {"phi3.attention.head_count", std::uint32_t{2}},
      {"phi3.attention.head_count_kv", std::uint32_t{1}},
      {"phi3.attention.layer_norm_rms_epsilon", 1e-5F},
      {"phi3.attention.sliding_window", std::uint32_t{262144}},
      {"phi3.rope.dimension_count", std::uint32_t{6}},
      {"phi3.rope.freq_base", 10000.0F},
      {"phi3.rope.scaling.original_context_length", std::uint32_t{20}},
      // √(1 + ln(80 / 20) / ln 20)
      {"phi3.rope.scaling.attn_factor", static_cast<float>(std::sqrt(1 + std::log(4.0) / std::log(20.0)))}};
  std::map<std::string, ChangedCheckpoint::Stored> tensors_;
  const Expected expected_{"phi3"};

 private:
  const ScratchFolder folder_;
};

TEST_F(Phi3Gguf, GivesTheReferencesLogitsShortAndLong) {
  expect("logits");
  const Model model = load();
  EXPECT_EQ(logits_of(model, expected_.tokens(), 14),
            logits_of(Model::load(golden() / "phi3"), expected_.tokens(), 14));
  EXPECT_LT(error(logits_of(model, expected_.tokens(), 64), expected_.floats("logits.length_64")), kTolerance);
}

TEST_F(Phi3Gguf, TurnsAsItsKeysSay) {
  set("rope.scaling.attn_factor", 1.5F);
  expect("logits.attention_factor");
  tensors_.erase("rope_factors_short.weight");
  expect_refused("rope_factors_long.weight is there without rope_factors_short.weight");
  tensors_.erase("rope_factors_long.weight");
  metadata_.erase("phi3.rope.scaling.attn_factor");
  expect("logits.default_rotation");
  metadata_.erase("phi3.rope.dimension_count");
  expect("logits.whole_heads");
}

TEST_F(Phi3Gguf, SeesTheWindowOfTheKey) {
  set("attention.sliding_window", std::uint32_t{5});
  expect("logits.window");
  set("attention.sliding_window", std::uint32_t{0});
  expect("logits");
}

TEST_F(Phi3Gguf, WhatDoesNotFitIsNamed) {
  const auto with = [this](const std::string& key, GgufValue value, const std::string& says) {
    const std::map<std::string, GgufValue> before = metadata_;
    set(key, std::move(value));
    expect_refused(says);
    metadata_ = before;
  };
  with("rope.dimension_count", std::uint32_t{5}, "phi3.rope.dimension_count is 5 of 8");
  with("rope.dimension_count", std::uint32_t{10}, "phi3.rope.dimension_count is 10 of 8");
  with("rope.dimension_count", std::uint32_t{4}, "short_factor has 3 numbers");
  with("rope.scaling.factor", 4.0F, "phi3.rope.scaling.factor is 4");
  with("rope.scaling.type", std::string("yarn"), "phi3.rope.scaling.type is \"yarn\"");
  with("frobnicate", std::uint32_t{1}, "the key phi3.frobnicate is not known");
  tensors_.erase("blk.1.attn_qkv.weight");
  expect_refused("blk.1.attn_qkv.weight");
}

}  // namespace
}  // namespace gyre::gguf_phi3_test
