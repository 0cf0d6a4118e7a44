#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "format/gguf.hpp"
#include "golden_checkpoint.hpp"

// HRM-Text as llama.cpp stores it.

namespace gyre::gguf_hrm_text_test {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

constexpr float kTolerance = 1e-4F;

/// The golden HRM-Text, as llama.cpp's converter writes it: two layers a stack, those of the fast one first.
class HrmTextGguf : public ::testing::Test {
 protected:
  HrmTextGguf() {
    ChangedCheckpoint checkpoint("hrm_text");
    for (int b = 0; b < 4; ++b) {
      const std::string layer = fmt::format("model.{}_module.layers.{}.", b < 2 ? "L" : "H", b % 2);
      const std::string block = fmt::format("blk.{}.", b);
      checkpoint.split(layer + "attn.gqkv_proj.weight", {block + "attn_gate.weight", block + "attn_q.weight",
                                                         block + "attn_k.weight", block + "attn_v.weight"});
      checkpoint.split(layer + "attn.o_proj.weight", {block + "attn_output.weight"});
      checkpoint.split(layer + "mlp.gate_up_proj.weight", {block + "ffn_gate.weight", block + "ffn_up.weight"});
      checkpoint.split(layer + "mlp.down_proj.weight", {block + "ffn_down.weight"});
    }
    checkpoint.split("model.embed_tokens.weight", {"token_embd.weight"});
    checkpoint.split("lm_head.weight", {"output.weight"});
    tensors_ = std::move(checkpoint.tensors);
    tensors_["hrm.z_l_init"] = tensors_.at("model.z_L_init");
    tensors_.erase("model.z_L_init");
  }

  void set(const std::string& key, GgufValue value) { metadata_["hrm_text." + key] = std::move(value); }

  [[nodiscard]] Model load() const {
    write_gguf_of(folder_ / "model.gguf", metadata_, tensors_);
    return Model::load(folder_ / "model.gguf");
  }

  void expect_refused(const std::string& says) const {
    EXPECT_THAT([&] { static_cast<void>(load()); }, ThrowsMessage<Error>(HasSubstr(says)));
  }

  /// Queries, keys and values of a block as one matrix.
  void fuse(const std::string& block) {
    ChangedCheckpoint::Stored& all = tensors_[block + "attn_qkv.weight"];
    all.shape = {0, 16};
    for (const char* const name : {"attn_q.weight", "attn_k.weight", "attn_v.weight"}) {
      const ChangedCheckpoint::Stored& part = tensors_.at(block + name);
      all.shape[0] += part.shape[0];
      all.values.insert(all.values.end(), part.values.begin(), part.values.end());
      tensors_.erase(block + name);
    }
  }

  std::map<std::string, GgufValue> metadata_ = {{"general.architecture", std::string("hrm_text")},
                                                {"hrm_text.context_length", std::uint32_t{64}},
                                                {"hrm_text.embedding_length", std::uint32_t{16}},
                                                {"hrm_text.block_count", std::uint32_t{16}},
                                                {"hrm_text.feed_forward_length", std::uint32_t{28}},
                                                {"hrm_text.attention.head_count", std::uint32_t{2}},
                                                {"hrm_text.attention.key_length", std::uint32_t{12}},
                                                {"hrm_text.attention.value_length", std::uint32_t{12}},
                                                {"hrm_text.attention.layer_norm_rms_epsilon", 1e-6F},
                                                {"hrm_text.rope.dimension_count", std::uint32_t{12}},
                                                {"hrm_text.rope.freq_base", 10000.0F},
                                                {"hrm_text.embedding_scale", 4.0F},
                                                {"hrm_text.hrm.layers_per_stack", std::uint32_t{2}},
                                                {"hrm_text.hrm.h_cycles", std::uint32_t{2}},
                                                {"hrm_text.hrm.l_cycles", std::uint32_t{3}},
                                                {"hrm_text.hrm.prefix_lm", true}};
  std::map<std::string, ChangedCheckpoint::Stored> tensors_;
  const Expected expected_{"hrm_text"};
  const Model folder_model_ = Model::load(golden() / "hrm_text");

 private:
  const ScratchFolder folder_;
};

TEST_F(HrmTextGguf, GivesTheFoldersLogitsToTheBit) {
  const Model model = load();
  EXPECT_EQ(logits_of(model, expected_.tokens()), logits_of(folder_model_, expected_.tokens()));
  EXPECT_LT(error(logits_of(model, expected_.tokens()), expected_.floats("logits.loops_2")), kTolerance);
  ModelSpec spec = folder_model_.spec();
  spec.name = model.spec().name;
  EXPECT_EQ(model.spec(), spec);
}

TEST_F(HrmTextGguf, AndThoseOfAPromptThatSeesItselfWhole) {
  const Model model = load();
  const std::vector<std::int32_t> tokens = expected_.tokens();
  const std::size_t prompt = expected_.json.at("prefix");
  Engine engine(model, 1);
  Sequence sequence = engine.start(model.spec().default_loops(), 64, {}, 1);
  sequence.whole_prompt = true;
  const std::span<const float> first = engine.prefill(sequence, std::span(tokens).first(prompt), Engine::Logits::all);
  std::vector<float> got(first.begin(), first.end());
  TokenDepth depth;
  for (std::size_t t = prompt; t < tokens.size(); ++t) {
    const std::span<const float> row = engine.decode(sequence, tokens[t], nullptr, depth);
    got.insert(got.end(), row.begin(), row.end());
  }
  EXPECT_LT(error(got, expected_.floats("logits.prefix")), kTolerance);
}

TEST_F(HrmTextGguf, QueriesKeysAndValuesMayBeOneMatrix) {
  for (int b = 0; b < 3; ++b) fuse(fmt::format("blk.{}.", b));
  EXPECT_EQ(logits_of(load(), expected_.tokens()), logits_of(folder_model_, expected_.tokens()));
}

TEST_F(HrmTextGguf, WhatIsLeftOutIsAsInLlamaCpp) {
  metadata_.erase("hrm_text.hrm.prefix_lm");
  metadata_.erase("hrm_text.rope.freq_base");
  metadata_.erase("hrm_text.rope.dimension_count");
  metadata_.erase("hrm_text.embedding_scale");
  EXPECT_FALSE(load().spec().prefix_lm);
  EXPECT_EQ(load().spec().embedding_scale, 1.0F);
  EXPECT_EQ(load().spec().rotary_theta, 10000.0F);
  set("embedding_scale", 0.0F);
  EXPECT_EQ(load().spec().embedding_scale, 1.0F);
  tensors_.erase("output.weight");
  EXPECT_TRUE(load().spec().tied_head);
}

TEST_F(HrmTextGguf, ScalesPositionsAsTheKeysSay) {
  set("rope.scaling.factor", 4.0F);
  EXPECT_EQ(load().spec().rotary_divisors, std::vector<float>(6, 4.0F));
}

TEST_F(HrmTextGguf, WhatDoesNotFitIsNamed) {
  const auto with = [this](const std::string& key, GgufValue value, const std::string& says) {
    const std::map<std::string, GgufValue> before = metadata_;
    set(key, std::move(value));
    expect_refused(says);
    metadata_ = before;
  };
  with("block_count", std::uint32_t{4},
       "hrm_text.block_count is 4, but layers_per_stack (2) · h_cycles (2) · (l_cycles (3) + 1) is 16");
  with("hrm.h_cycles", std::uint32_t{0}, "hrm_text.hrm.h_cycles");
  with("hrm.l_cycles", std::uint32_t{2}, "hrm_text.block_count is 16");
  with("hrm.layers_per_stack", std::uint32_t{0}, "hrm_text.hrm.layers_per_stack");
  with("hrm.prefix_lm", std::uint32_t{1}, "hrm_text.hrm.prefix_lm");
  with("hrm.halt_max_steps", std::uint32_t{8}, "the key hrm_text.hrm.halt_max_steps is not known");
  with("rope.dimension_count", std::uint32_t{6}, "hrm_text.rope.dimension_count");
  with("residual_scale", 0.5F, "hrm_text.residual_scale is 0.5");
  with("num_loops", std::uint32_t{2}, "hrm_text.num_loops is 2");
  metadata_.erase("hrm_text.hrm.h_cycles");
  expect_refused("hrm_text.hrm.h_cycles");
}

TEST_F(HrmTextGguf, TensorsThatAreMissingOrTooManyAreNamed) {
  const auto without = [this](const std::string& name) {
    const auto before = tensors_;
    tensors_.erase(name);
    expect_refused(name);
    tensors_ = before;
  };
  without("hrm.z_l_init");
  without("token_embd.weight");
  without("blk.3.ffn_down.weight");
  without("blk.0.attn_gate.weight");
  without("blk.0.attn_k.weight");
  tensors_["blk.1.attn_q.bias"] = {{24}, std::vector<float>(24)};
  expect_refused("blk.1.attn_q.bias has no place");
  tensors_.erase("blk.1.attn_q.bias");
  tensors_["output_norm.weight"] = {{16}, std::vector<float>(16)};
  expect_refused("output_norm.weight has no place");
}

/// Made by tests/parity/make_hrm_gguf.py. Measured: 6e-6.
TEST(HrmTextGgufOfLlamaCpp, GivesItsLogits) {
  const Expected expected("hrm_text_gguf");
  const Model model = Model::load(golden() / "hrm_text_gguf" / "model.gguf");
  EXPECT_TRUE(model.spec().prefix_lm);
  EXPECT_EQ(model.spec().kv_heads, 2);
  EXPECT_LT(error(logits_of(model, expected.tokens()), expected.floats("logits")), 3e-5F);
}

}  // namespace
}  // namespace gyre::gguf_hrm_text_test
