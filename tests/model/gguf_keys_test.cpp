#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "format/gguf.hpp"
#include "golden_checkpoint.hpp"
#include "model/gguf_model.hpp"

// Metadata of GGUF files that changes what a model computes: read, or refused by name.

namespace gyre::gguf_keys_test {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

constexpr float kTolerance = 1e-4F;

/// The golden Llama, without its scaling, as llama.cpp's converter writes it.
class LlamaGguf : public ::testing::Test {
 protected:
  LlamaGguf() {
    const ChangedCheckpoint checkpoint("llama");
    for (const auto& [name, stored] : checkpoint.tensors) tensors_[renamed(name)] = turned(name, stored);
  }

  /// With the biases of the reference whose names hold one of `of`.
  void add_biases(const std::vector<std::string>& of) {
    for (const std::string& name : expected_.names_ending(".bias")) {
      const bool wanted = std::any_of(
          of.begin(), of.end(), [&name](const std::string& part) { return name.find(part) != std::string::npos; });
      if (wanted) tensors_[renamed(name)] = turned(name, {expected_.shape(name), expected_.floats(name)});
    }
  }

  void set(const std::string& key, GgufValue value) { metadata_[key] = std::move(value); }

  void write() const { write(file()); }

  void write(const fs::path& path) const { write_gguf_of(path, metadata_, tensors_); }

  [[nodiscard]] std::vector<float> logits() const {
    write();
    return logits_of(Model::load(file()), expected_.tokens());
  }

  void expect(const std::string& result) const {
    EXPECT_LT(error(logits(), expected_.floats("logits." + result)), kTolerance) << result;
  }

  void expect_refused(const std::string& says) const {
    write();
    EXPECT_THAT([&] { static_cast<void>(Model::load(file())); }, ThrowsMessage<Error>(HasSubstr(says)));
  }

  [[nodiscard]] const fs::path& folder() const { return folder_.path(); }
  [[nodiscard]] fs::path file() const { return folder_ / "model.gguf"; }

  std::map<std::string, GgufValue> metadata_ = {
      {"general.architecture", std::string("llama")},      {"llama.context_length", std::uint32_t{2048}},
      {"llama.embedding_length", std::uint32_t{24}},       {"llama.block_count", std::uint32_t{3}},
      {"llama.feed_forward_length", std::uint32_t{36}},    {"llama.attention.head_count", std::uint32_t{4}},
      {"llama.attention.head_count_kv", std::uint32_t{2}}, {"llama.attention.key_length", std::uint32_t{8}},
      {"llama.attention.layer_norm_rms_epsilon", 1e-5F},   {"llama.rope.freq_base", 500000.0F}};
  std::map<std::string, ChangedCheckpoint::Stored> tensors_;
  const Expected expected_{"llama"};

 private:
  static std::string renamed(std::string name) {
    const std::vector<std::pair<std::string, std::string>> parts = {{"model.embed_tokens", "token_embd"},
                                                                    {"model.norm", "output_norm"},
                                                                    {"lm_head", "output"},
                                                                    {"model.layers", "blk"},
                                                                    {"self_attn.q_proj", "attn_q"},
                                                                    {"self_attn.k_proj", "attn_k"},
                                                                    {"self_attn.v_proj", "attn_v"},
                                                                    {"self_attn.o_proj", "attn_output"},
                                                                    {"post_attention_layernorm", "ffn_norm"},
                                                                    {"input_layernorm", "attn_norm"},
                                                                    {"mlp.gate_proj", "ffn_gate"},
                                                                    {"mlp.up_proj", "ffn_up"},
                                                                    {"mlp.down_proj", "ffn_down"}};
    for (const auto& [from, to] : parts) {
      if (const std::size_t at = name.find(from); at != std::string::npos) name.replace(at, from.size(), to);
    }
    return name;
  }

  /// Rows of queries and keys, halves of a head by turns: what were channels i and i + 4 becomes 2i and 2i + 1.
  static ChangedCheckpoint::Stored turned(const std::string& name, ChangedCheckpoint::Stored stored) {
    if (name.find("q_proj") == std::string::npos && name.find("k_proj") == std::string::npos) return stored;
    const auto rows = static_cast<std::size_t>(stored.shape[0]);
    const std::size_t columns = stored.values.size() / rows;
    std::vector<float> values;
    for (std::size_t r = 0; r < rows; ++r) {
      const std::size_t from = r / 8 * 8 + r % 8 / 2 + r % 2 * 4;
      const auto row = stored.values.begin() + static_cast<std::ptrdiff_t>(from * columns);
      values.insert(values.end(), row, row + static_cast<std::ptrdiff_t>(columns));
    }
    stored.values = std::move(values);
    return stored;
  }

  const ScratchFolder folder_;
};

TEST_F(LlamaGguf, GivesTheFoldersLogits) {
  expect("plain");
  tensors_["rope_freqs.weight"] = {{4}, Model::load(golden() / "llama").spec().rotary_divisors};
  EXPECT_LT(error(logits(), expected_.floats("logits")), kTolerance);
}

TEST_F(LlamaGguf, ScalesPositionsByAFactorWithoutAType) {
  set("llama.rope.scaling.factor", 4.0F);
  expect("linear");
  set("llama.rope.scaling.type", std::string("linear"));
  expect("linear");
  set("llama.rope.scaling.type", std::string("none"));  // as in llama.cpp, a factor then is not read
  expect("plain");
}

TEST_F(LlamaGguf, ScalesPositionsByTheKeysOldName) {
  set("llama.rope.scale_linear", 4.0F);
  expect("linear");
  set("llama.rope.scaling.factor", 4.0F);
  expect("linear");
  set("llama.rope.scaling.factor", 2.0F);
  expect_refused("llama.rope.scaling.factor is 2, but llama.rope.scale_linear is 4");
}

TEST_F(LlamaGguf, AFactorOfNoneOrOneChangesNothing) {
  for (const float factor : {0.0F, 1.0F}) {
    set("llama.rope.scaling.factor", factor);
    expect("plain");
  }
}

TEST_F(LlamaGguf, DividesFrequenciesByTheTensorToo) {
  tensors_["rope_freqs.weight"] = {{4}, {4, 4, 4, 4}};
  expect("linear");
  tensors_["rope_freqs.weight"] = {{4}, {2, 2, 2, 2}};
  set("llama.rope.scaling.factor", 2.0F);
  expect("linear");
  tensors_["rope_freqs.weight"] = {{3}, {2, 2, 2}};
  expect_refused("rotary_divisors has 3 numbers");
}

TEST_F(LlamaGguf, TakesBiasesWhereTheFileHasThem) {
  // The reference's rotation is scaled as Llama 3's, of which the converter makes a tensor.
  tensors_["rope_freqs.weight"] = {{4}, Model::load(golden() / "llama").spec().rotary_divisors};
  add_biases({"q_proj", "k_proj", "v_proj"});
  expect("qkv_bias");
  EXPECT_FALSE(Model::load(file()).spec().biases);
  add_biases({"o_proj"});
  expect("attention_bias");
  add_biases({"mlp"});
  expect("biases");
}

TEST_F(LlamaGguf, BiasesThatSomeLayerLacksAreNamed) {
  add_biases({"q_proj", "k_proj", "v_proj"});
  tensors_.erase("blk.2.attn_k.bias");
  expect_refused("blk.2.attn_k.bias");
}

TEST_F(LlamaGguf, KeysThatSayWhatIsDoneAnywayAreTaken) {
  set("llama.vocab_size", std::uint32_t{56});
  set("llama.attention.value_length", std::uint32_t{8});
  set("llama.rope.dimension_count", std::uint32_t{8});
  set("llama.attention.causal", true);
  set("llama.attention.sliding_window", std::uint32_t{0});
  set("llama.attention.clamp_kqv", 0.0F);
  set("llama.attention.max_alibi_bias", 0.0F);
  set("llama.attention.scale", 0.35355339F);  // one over the root of 8
  set("llama.logit_scale", 1.0F);
  set("llama.expert_count", std::uint32_t{0});
  set("llama.rope.scaling.original_context_length", std::uint32_t{4096});
  set("llama.rope.scaling.finetuned", true);
  set("llama.rope.scaling.attn_factor", 1.0F);
  set("llama.tensor_data_layout", std::string("Meta AI original pth"));
  set("general.quantization_version", std::uint32_t{2});
  set("quantize.imatrix.entries_count", std::uint32_t{9});
  set("mradermacher.quantized_by", std::string("somebody"));
  expect("plain");
}

struct Refused {
  std::string key;
  GgufValue value;
  std::string says;
};

class RefusedMetadata : public LlamaGguf, public ::testing::WithParamInterface<Refused> {};

TEST_P(RefusedMetadata, IsNamed) {
  set(GetParam().key, GetParam().value);
  expect_refused(GetParam().says);
}

INSTANTIATE_TEST_SUITE_P(
    All, RefusedMetadata,
    ::testing::Values(
        Refused{"llama.attention.sliding_window", std::uint32_t{4096}, "llama.attention.sliding_window is 4096"},
        Refused{"llama.attention.clamp_kqv", 8.0F, "llama.attention.clamp_kqv is 8"},
        Refused{"llama.attention.max_alibi_bias", 8.0F, "llama.attention.max_alibi_bias is 8"},
        Refused{"llama.attention.scale", 1.0F, "llama.attention.scale is 1"},
        Refused{"llama.attention.causal", false, "llama.attention.causal is false"},
        Refused{"llama.attention.value_length", std::uint32_t{4}, "llama.attention.value_length"},
        Refused{"llama.attention.key_length", std::uint32_t{6}, "attn_q.weight"},
        Refused{"llama.use_parallel_residual", true, "llama.use_parallel_residual is true"},
        Refused{"llama.logit_scale", 0.5F, "llama.logit_scale is 0.5"},
        Refused{"llama.embedding_scale", 12.0F, "llama.embedding_scale is 12"},
        Refused{"llama.residual_scale", 0.25F, "llama.residual_scale is 0.25"},
        Refused{"llama.attn_logit_softcapping", 50.0F, "llama.attn_logit_softcapping is 50"},
        Refused{"llama.final_logit_softcapping", 30.0F, "llama.final_logit_softcapping is 30"},
        Refused{"llama.expert_count", std::uint32_t{8}, "llama.expert_count is 8"},
        Refused{"llama.expert_used_count", std::uint32_t{2}, "llama.expert_used_count is 2"},
        Refused{"llama.pooling_type", std::uint32_t{1}, "llama.pooling_type is 1"},
        Refused{"llama.rope.dimension_count", std::uint32_t{4}, "llama.rope.dimension_count"},
        Refused{"llama.rope.scaling.type", std::string("longrope"), "llama.rope.scaling.type is \"longrope\""},
        Refused{"llama.rope.scaling.attn_factor", 1.5F, "llama.rope.scaling.attn_factor is 1.5"},
        Refused{"llama.rope.scaling.factor", -2.0F, "llama.rope.scaling.factor"},
        Refused{"llama.rope.dimension_sections", std::vector<std::int32_t>{2, 1, 1}, "llama.rope.dimension_sections"},
        Refused{"llama.vocab_size", std::uint32_t{57}, "llama.vocab_size is 57, but token_embd.weight has 56 rows"},
        Refused{"llama.frobnicate", std::uint32_t{1}, "the key llama.frobnicate is not known"},
        Refused{"general.type", std::string("adapter"), "general.type is \"adapter\""}));

TEST_F(LlamaGguf, HeadsDivideTheWidthUnlessTheyHaveTheirOwn) {
  metadata_.erase("llama.attention.key_length");
  set("llama.attention.head_count", std::uint32_t{5});
  expect_refused("llama.embedding_length (24) must be a multiple of llama.attention.head_count (5)");
}

TEST_F(LlamaGguf, InPartsGivesTheSameLogits) {
  const std::vector<float> whole = logits();
  const auto stem = [this](int part) { return folder() / fmt::format("m-0000{}-of-00003.gguf", part + 1); };
  const auto everything = metadata_;
  const auto tensors = tensors_;
  for (const bool repeated : {false, true}) {  // an older form of parts
    auto tensor = tensors.begin();
    for (int part = 0; part < 3; ++part) {
      metadata_ = part == 0 || repeated ? everything : decltype(metadata_){};
      set("split.no", std::uint32_t(part));
      set("split.count", std::uint32_t{3});
      set("split.tensors.count", static_cast<std::int32_t>(tensors.size()));
      tensors_.clear();
      for (std::size_t i = 0; i < tensors.size() / 3 || (part == 2 && tensor != tensors.end()); ++i) {
        tensors_.insert(*tensor++);
      }
      write(stem(part));
    }
    for (int part = 0; part < 3; ++part) {
      const Model model = Model::load(stem(part));
      EXPECT_EQ(logits_of(model, expected_.tokens()), whole);
    }
  }
}

TEST_F(LlamaGguf, LoopsAreNanbeiges) {
  set("llama.num_loops", std::uint32_t{2});
  write();
  EXPECT_EQ(Model::load(file()).spec().groups[0].loops, 2);
  EXPECT_TRUE(Model::load(file()).spec().groups[0].loop_norm);
  set("llama.skip_loop_final_norm", true);
  write();
  EXPECT_FALSE(Model::load(file()).spec().groups[0].loop_norm);
  EXPECT_TRUE(Model::load(file()).spec().final_norm);
}

TEST(GgufCases, OfTheReportsGiveTheRightModels) {
  const fs::path cases = fs::path(GYRE_TEST_DIR) / ".." / ".." / "shared" / "cases";
  if (!fs::exists(cases)) GTEST_SKIP() << cases << " is not there";
  const fs::path biased = cases / "gguf-llama-with-bias" / "model.gguf";
  EXPECT_TRUE(Model::load(biased).spec().qkv_biases);
  const fs::path scaled = cases / "gguf-rope-factor-without-type";
  const std::vector<float> divisors = Model::load(scaled / "model.gguf").spec().rotary_divisors;
  EXPECT_FALSE(divisors.empty());
  EXPECT_EQ(divisors, Model::load(scaled / "linear4.gguf").spec().rotary_divisors);
  EXPECT_TRUE(Model::load(scaled / "plain.gguf").spec().rotary_divisors.empty());
  const fs::path parts = cases / "gguf-split";
  EXPECT_EQ(Model::load(parts / "m-00001-of-00002.gguf").hash(), Model::load(parts / "m-00002-of-00002.gguf").hash());
}

}  // namespace
}  // namespace gyre::gguf_keys_test
