#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "format/gguf.hpp"
#include "format/safetensors.hpp"
#include "model/language.hpp"
#include "model/model.hpp"
#include "scratch_folder.hpp"

namespace gyre::hostile_model_test {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

constexpr const char* kTokenizer =
    R"({"model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": []}, "decoder": {"type": "Fuse"}})";

class HostileModel : public ::testing::Test {
 protected:
  /// A folder of this config.json and tensors of zeros in F32.
  void write_folder(const std::string& config, const std::map<std::string, std::vector<std::int64_t>>& shapes) const {
    write_text_atomically(folder_ / "config.json", config);
    const std::vector<float> zeros(1024);
    std::vector<NamedTensor> tensors;
    for (const auto& [name, shape] : shapes) {
      const std::span<const float> numbers = std::span(zeros).first(elements_of(shape));
      tensors.push_back({name, {DType::f32, shape, std::as_bytes(numbers)}});
    }
    write_safetensors(folder_ / "model.safetensors", tensors);
  }

  void expect_refused(const std::filesystem::path& model, const std::string& says) const {
    EXPECT_THAT([&] { Model::load(model); }, ThrowsMessage<Error>(HasSubstr(says)));
  }

  [[nodiscard]] std::filesystem::path gguf() const { return folder_ / "model.gguf"; }

  ScratchFolder folder_;
};

std::string nanochat(const std::string& sizes) {
  return R"({"sequence_len": 8, "n_prelude": 1, "n_recur_block": 1, "n_coda": 1, "train_recur_mean": 2, )" + sizes +
         "}";
}

TEST_F(HostileModel, SizesOfTheConfigurationReserveNoMemory) {
  write_folder(nanochat(R"("vocab_size": 16777216, "n_embd": 1048576, "n_head": 1)"),
               {{"transformer.wte.weight", {4, 4}}});
  expect_refused(folder_.path(), "transformer.wte.weight is [4, 4]");
}

TEST_F(HostileModel, TheWidthOfAHeadReservesNoMemoryForItsRotation) {
  write_folder(R"({"model_type": "llama", "vocab_size": 3, "max_position_embeddings": 8, "hidden_size": 4,
                   "num_attention_heads": 1, "head_dim": 16777216, "intermediate_size": 4, "num_hidden_layers": 1,
                   "rope_scaling": {"rope_type": "linear", "factor": 2}})",
               {{"model.embed_tokens.weight", {3, 4}}});
  expect_refused(folder_.path(), "heads are 16777216 wide");
}

TEST_F(HostileModel, HeadsWithoutWidthAreRefused) {
  write_folder(nanochat(R"("vocab_size": 4, "n_embd": 4, "n_head": 8)"),
               {{"transformer.prelude.0.attn.c_q.weight", {0, 4}}});
  expect_refused(folder_.path(), "n_embd (4) must be a multiple of n_head (8)");
}

TEST_F(HostileModel, ASpecThatNestsTooDeepIsRefused) {
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  write_gguf(gguf(), std::vector<GgufEntry>{{"gyre.spec", R"({"vocab_size": )" + deep + "}"}}, {});
  expect_refused(gguf(), "nested");
}

TEST_F(HostileModel, EndTokensThatAreNoIdsAreLeftOut) {
  write_gguf(gguf(),
             std::vector<GgufEntry>{{"gyre.spec", std::string("{}")},
                                    {"tokenizer.huggingface.json", std::string(kTokenizer)},
                                    {"gyre.end_tokens", std::vector<float>{1e30F, -1e30F, 1.0F}}},
             {});
  EXPECT_EQ(load_language(gguf()).end_tokens, std::vector<std::int32_t>{1});
}

TEST_F(HostileModel, TypesOfTokensThatNoIntegerHoldsAreNamed) {
  write_gguf(gguf(),
             std::vector<GgufEntry>{{"tokenizer.ggml.model", std::string("gpt2")},
                                    {"tokenizer.ggml.tokens", std::vector<std::string>{"a", "b"}},
                                    {"tokenizer.ggml.merges", std::vector<std::string>{}},
                                    {"tokenizer.ggml.token_type", std::vector<float>{1.0F, 1e30F}}},
             {});
  EXPECT_THAT([&] { load_language(gguf()); }, ThrowsMessage<Error>(HasSubstr("tokenizer.ggml.token_type[1]")));
}

}  // namespace
}  // namespace gyre::hostile_model_test
