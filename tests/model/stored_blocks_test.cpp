#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <deque>
#include <filesystem>

#include "base/error.hpp"
#include "base/half.hpp"
#include "base/random.hpp"
#include "format/gguf.hpp"
#include "format/storage_types.hpp"
#include "golden_checkpoint.hpp"
#include "model/number_types.hpp"
#include "relative_distance.hpp"

// Files of block formats that gyre does not write: what their matrices are multiplied as.

namespace gyre::stored_blocks_test {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

/// A llama of one layer whose tensors are random blocks.
class StoredBlocks : public ::testing::Test {
 protected:
  void add(const std::string& name, DType dtype, std::vector<std::int64_t> shape) {
    const StorageType& type = storage_type(dtype);
    std::vector<std::byte> bytes(byte_size(dtype, elements_of(shape)));
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random_.below(256));
    for (std::size_t at = 0; at < bytes.size(); at += type.bytes) {
      for (const std::size_t half : type.scales) {
        // Scales of K types are multiplied by whole numbers, up to 127.
        const bool runs = type.numbers == 256;
        const std::uint16_t value = to_f16(static_cast<float>(random_.normal()) * (runs ? 1e-4F : 5e-3F));
        std::memcpy(bytes.data() + at + half, &value, sizeof value);
      }
    }
    tensors_.push_back({name, {dtype, std::move(shape), kept_.emplace_back(std::move(bytes))}});
  }
  void add_norm(const std::string& name) {
    kept_.emplace_back(256 * sizeof(float));
    for (std::size_t i = 0; i < 256; ++i) {
      constexpr float kOne = 1;
      std::memcpy(kept_.back().data() + i * sizeof kOne, &kOne, sizeof kOne);
    }
    tensors_.push_back({name, {DType::f32, {256}, kept_.back()}});
  }

  /// With so many numbers a head of keys and values; queries have four heads.
  void add_all(std::int64_t head_size) {
    metadata_.push_back({"llama.attention.key_length", static_cast<std::uint32_t>(head_size)});
    metadata_.push_back({"llama.attention.value_length", static_cast<std::uint32_t>(head_size)});
    metadata_.push_back({"llama.rope.dimension_count", static_cast<std::uint32_t>(head_size)});
    add("token_embd.weight", DType::q6_k, {48, 256});
    add("blk.0.attn_q.weight", DType::q4_k, {4 * head_size, 256});
    add("blk.0.attn_k.weight", DType::q5_k, {head_size, 256});
    add("blk.0.attn_v.weight", DType::q6_k, {head_size, 256});
    add("blk.0.attn_output.weight", DType::iq4_nl, {256, 4 * head_size});
    add("blk.0.ffn_gate.weight", DType::q4_1, {96, 256});
    add("blk.0.ffn_up.weight", DType::q5_0, {96, 256});
    add("blk.0.ffn_down.weight", DType::q5_1, {256, 96});
    for (const char* const norm : {"output_norm.weight", "blk.0.attn_norm.weight", "blk.0.ffn_norm.weight"}) {
      add_norm(norm);
    }
  }

  [[nodiscard]] Model load(std::optional<WeightType> weights = {}) const {
    const std::filesystem::path file = folder_ / (weights ? "widened.gguf" : "stored.gguf");
    write_gguf(file, metadata_, tensors_);
    return Model::load(file, {weights});
  }

  static constexpr const char* kQkv = "groups.0.layers.0.attn.qkv.weight";
  const std::vector<std::int32_t> tokens_ = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8};

 private:
  Random random_{4};
  ScratchFolder folder_;
  std::deque<std::vector<std::byte>> kept_;
  std::vector<NamedTensor> tensors_;
  std::vector<GgufEntry> metadata_ = {{"general.architecture", std::string("llama")},
                                      {"llama.context_length", std::uint32_t{64}},
                                      {"llama.embedding_length", std::uint32_t{256}},
                                      {"llama.block_count", std::uint32_t{1}},
                                      {"llama.feed_forward_length", std::uint32_t{96}},
                                      {"llama.attention.head_count", std::uint32_t{4}},
                                      {"llama.attention.head_count_kv", std::uint32_t{1}},
                                      {"llama.attention.layer_norm_rms_epsilon", 1e-5F},
                                      {"llama.rope.freq_base", 10000.0F}};
};

TEST_F(StoredBlocks, AreMultipliedAsTheyAreEachPartOfAMatrixInItsOwnType) {
  add_all(64);
  const Model model = load();
  EXPECT_EQ(number_types(model)["weights"],
            nlohmann::json::array({"iq4_nl", "q4_1", "q4_k", "q5_0", "q5_1", "q5_k", "q6_k"}));
  EXPECT_EQ(number_types(model)["activations_in_decoding"], nlohmann::json::array({"int8"}));
  EXPECT_EQ(model.held_bytes(kQkv), 256U * 148 + 64 * 180 + 64 * 212);
  const std::vector<float> exact = logits_of(load(WeightType::f32), tokens_);
  const double error = relative_distance(logits_of(model, tokens_), exact);
  EXPECT_GT(error, 1e-4) << "activations are rounded";
  EXPECT_LT(error, 0.03);
}

TEST_F(StoredBlocks, OfRowsThatEndWithinAPanelAreWidened) {
  add_all(8);
  const Model model = load();
  EXPECT_EQ(model.held_bytes(kQkv), (32U + 8 + 8) * 256 * 4);
  EXPECT_EQ(model.held_bytes("embed.weight"), 48U * 212);
  EXPECT_LT(relative_distance(logits_of(model, tokens_), logits_of(load(WeightType::f32), tokens_)), 0.03);
}

TEST(WeightTypes, ThatNumbersAreNotRoundedToAreNoChoice) {
  EXPECT_EQ(parse_weight_type("q4_0", "--weights"), WeightType::q4_0);
  EXPECT_EQ(parse_weight_type("q5_1", "--weights"), WeightType::q5_1);
  EXPECT_EQ(weight_type_names(), "f32, bf16, q8_0, q4_0, ternary, q4_1, q4_k, q5_k, q6_k, q5_0, q5_1");
  EXPECT_THAT([] { parse_weight_type("iq4_nl", "--weights"); },
              ThrowsMessage<Error>(AllOf(HasSubstr("--weights"), HasSubstr("iq4_nl"), HasSubstr("f32, bf16, q8_0"))));
}

}  // namespace
}  // namespace gyre::stored_blocks_test
