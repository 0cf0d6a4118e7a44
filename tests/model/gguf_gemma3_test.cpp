#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "base/error.hpp"
#include "format/gguf.hpp"
#include "golden_checkpoint.hpp"

namespace gyre::gguf_gemma3_test {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

/// A golden Gemma 3 as llama.cpp's converter writes it: by other names, with one added to its norms.
class Gemma3Gguf : public ::testing::Test {
 protected:
  explicit Gemma3Gguf(const std::string& checkpoint = "gemma3") : expected_(checkpoint) {
    for (auto& [name, stored] : ChangedCheckpoint(checkpoint).tensors) {
      const bool norm = name.find("norm") != std::string::npos;
      for (float& value : stored.values) value += norm ? 1.0F : 0.0F;
      tensors_[renamed(name)] = stored;
    }
  }

  [[nodiscard]] Model load() const {
    write_gguf_of(folder_ / "model.gguf", metadata_, tensors_);
    return Model::load(folder_ / "model.gguf");
  }
  [[nodiscard]] float error_of(const std::string& result) const {
    return error(logits_of(load(), expected_.tokens()), expected_.floats(result));
  }

  const Expected expected_;
  std::map<std::string, GgufValue> metadata_ = {
      {"general.architecture", std::string("gemma3")},       {"gemma3.context_length", std::uint32_t{32768}},
      {"gemma3.embedding_length", std::uint32_t{18}},        {"gemma3.block_count", std::uint32_t{8}},
      {"gemma3.feed_forward_length", std::uint32_t{24}},     {"gemma3.attention.head_count", std::uint32_t{2}},
      {"gemma3.attention.head_count_kv", std::uint32_t{1}},  {"gemma3.attention.key_length", std::uint32_t{8}},
      {"gemma3.attention.value_length", std::uint32_t{8}},   {"gemma3.attention.layer_norm_rms_epsilon", 1e-6F},
      {"gemma3.attention.sliding_window", std::uint32_t{6}}, {"gemma3.rope.freq_base", 1e6F}};
  std::map<std::string, ChangedCheckpoint::Stored> tensors_;

 private:
  static std::string renamed(std::string name) {
    const std::vector<std::pair<std::string, std::string>> parts = {{"model.embed_tokens", "token_embd"},
                                                                    {"model.norm", "output_norm"},
                                                                    {"model.layers", "blk"},
                                                                    {"self_attn.q_proj", "attn_q"},
                                                                    {"self_attn.k_proj", "attn_k"},
                                                                    {"self_attn.v_proj", "attn_v"},
                                                                    {"self_attn.o_proj", "attn_output"},
                                                                    {"self_attn.q_norm", "attn_q_norm"},
                                                                    {"self_attn.k_norm", "attn_k_norm"},
                                                                    {"post_attention_layernorm", "post_attention_norm"},
                                                                    {"input_layernorm", "attn_norm"},
                                                                    {"pre_feedforward_layernorm", "ffn_norm"},
                                                                    {"mlp.gate_proj", "ffn_gate"},
                                                                    {"post_feedforward_layernorm", "post_ffw_norm"},
                                                                    {"mlp.up_proj", "ffn_up"},
                                                                    {"mlp.down_proj", "ffn_down"}};
    for (const auto& [from, to] : parts) {
      if (const std::size_t at = name.find(from); at != std::string::npos) name.replace(at, from.size(), to);
    }
    return name;
  }

  const ScratchFolder folder_;
};

TEST_F(Gemma3Gguf, GivesTheLogitsOfTheFolder) { EXPECT_LT(error_of("logits"), 1e-4F); }

TEST_F(Gemma3Gguf, EveryKeyOfItsWindowsIsRead) {
  metadata_["gemma3.attention.sliding_window_pattern"] = std::uint32_t{3};
  EXPECT_LT(error_of("logits.pattern"), 1e-4F);
  metadata_["gemma3.attention.sliding_window_pattern"] = std::vector<std::int32_t>{1, 1, 0, 1, 1, 0, 1, 1};
  EXPECT_LT(error_of("logits.pattern"), 1e-4F);
  metadata_.erase("gemma3.attention.sliding_window_pattern");
  metadata_["gemma3.rope.freq_base_swa"] = 100.0F;
  EXPECT_LT(error_of("logits.local_base"), 1e-4F);
  metadata_.erase("gemma3.rope.freq_base_swa");
  metadata_["gemma3.attention.sliding_window"] = std::uint32_t{4096};
  EXPECT_LT(error_of("logits.wide"), 1e-4F);
}

TEST_F(Gemma3Gguf, LogitsAreCappedAndYarnIsRead) {
  metadata_["gemma3.final_logit_softcapping"] = 1.5F;
  EXPECT_LT(error_of("logits.capped"), 1e-4F);
  metadata_["gemma3.final_logit_softcapping"] = 0.0F;
  metadata_["gemma3.rope.scaling.type"] = std::string("yarn");
  metadata_["gemma3.rope.scaling.factor"] = 4.0F;
  metadata_["gemma3.rope.scaling.original_context_length"] = std::uint32_t{64};
  EXPECT_LT(error_of("logits.yarn"), 1e-4F);
  metadata_["gemma3.rope.scaling.yarn_beta_fast"] = 32.0F;
  metadata_["gemma3.rope.scaling.attn_factor"] = 1.0F;
  EXPECT_LT(error_of("logits.yarn"), 1e-4F);
}

TEST_F(Gemma3Gguf, WithoutAWindowNoLayerTurnsOtherwise) {
  metadata_.erase("gemma3.attention.sliding_window");
  const Model model = load();
  EXPECT_EQ(model.spec().window, 0);
  EXPECT_TRUE(model.spec().groups[0].window_layers.empty());
  EXPECT_EQ(model.spec().window_theta, 0.0F);
}

TEST_F(Gemma3Gguf, IsRefusedByTheKeyThatIsWrong) {
  const auto refused = [this](const char* key, GgufValue value, const char* says) {
    const auto before = metadata_;
    metadata_[key] = std::move(value);
    EXPECT_THAT([this] { static_cast<void>(load()); }, ThrowsMessage<Error>(HasSubstr(says))) << key;
    metadata_ = before;
  };
  refused("gemma3.attention.sliding_window_pattern", std::vector<std::int32_t>{1, 0}, "has 2 entries; the model has 8");
  refused("gemma3.rope.scaling.type", std::string("longrope"), "gyre does linear and yarn");
  refused("gemma3.rope.scaling.yarn_beta_slow", 2.0F, "yarn_beta_slow is 2");
  refused("gemma3.attn_logit_softcapping", 50.0F, "attn_logit_softcapping is 50");
  tensors_["blk.0.post_ffw_norm.weight"].shape = {9};
  tensors_["blk.0.post_ffw_norm.weight"].values.resize(9);
  EXPECT_THAT([this] { static_cast<void>(load()); }, ThrowsMessage<Error>(HasSubstr("blk.0.post_ffw_norm.weight")));
}

}  // namespace
}  // namespace gyre::gguf_gemma3_test
