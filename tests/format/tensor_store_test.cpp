#include "format/tensor_store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "base/error.hpp"
#include "base/hash.hpp"
#include "scratch_folder.hpp"

namespace gyre::tensor_store_test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

class TensorStoreFolder : public ::testing::Test {
 protected:
  /// A file of tensors of one float each, of the given values.
  void write_shard(const std::string& file, const std::vector<std::pair<std::string, float>>& values) const {
    std::vector<NamedTensor> tensors;
    for (const auto& [name, value] : values) {
      tensors.push_back({name, {DType::f32, {1}, std::as_bytes(std::span(&value, 1))}});
    }
    write_safetensors(folder_ / file, tensors);
  }

  void write_text(const std::string& file, const std::string& text) const {
    std::ofstream(folder_ / file, std::ios::binary) << text;
  }

  void write_index(const std::string& weight_map) const {
    write_text("model.safetensors.index.json", R"({"metadata": {"total_size": 8}, "weight_map": )" + weight_map + "}");
  }

  [[nodiscard]] TensorStore open() const { return TensorStore::open(folder_.path()); }

  void expect_refused(const std::string& says) const {
    EXPECT_THAT([&] { static_cast<void>(open()); },
                ThrowsMessage<Error>(AllOf(HasSubstr(folder_.path().string()), HasSubstr(says))));
  }

  static float value(const TensorStore& store, const std::string& name) {
    float out = 0;
    widen(store.at(name), std::span(&out, 1));
    return out;
  }

  ScratchFolder folder_;
};

TEST_F(TensorStoreFolder, OpensOneFile) {
  write_shard("model.safetensors", {{"a", 1}, {"b", 2}});
  const TensorStore store = open();
  EXPECT_EQ(store.tensors().size(), 2U);
  EXPECT_TRUE(store.has("a"));
  EXPECT_FALSE(store.has("c"));
  EXPECT_EQ(value(store, "b"), 2);
  EXPECT_EQ(store.where(), (folder_ / "model.safetensors").string());
  EXPECT_EQ(store.hash(), sha256(MappedFile(folder_ / "model.safetensors").bytes()));
  EXPECT_THAT([&] { static_cast<void>(store.at("c")); },
              ThrowsMessage<Error>(AllOf(HasSubstr(store.where()), HasSubstr("tensor c is missing"))));
}

TEST_F(TensorStoreFolder, OpensShardsThroughTheirIndex) {
  write_shard("s-2.safetensors", {{"a", 1}, {"c", 3}});
  write_shard("s-1.safetensors", {{"b", 2}});
  write_index(R"({"a": "s-2.safetensors", "b": "s-1.safetensors", "c": "s-2.safetensors"})");
  TensorStore first = open();
  const TensorStore store = std::move(first);  // the tensors stay where they are
  EXPECT_EQ(store.tensors().size(), 3U);
  EXPECT_EQ(value(store, "a"), 1);
  EXPECT_EQ(value(store, "b"), 2);
  EXPECT_EQ(value(store, "c"), 3);
  EXPECT_EQ(store.where(), (folder_ / "model.safetensors.index.json").string());
  const std::string hashes =
      sha256(MappedFile(folder_ / "s-1.safetensors").bytes()) + sha256(MappedFile(folder_ / "s-2.safetensors").bytes());
  EXPECT_EQ(store.hash(), sha256(std::as_bytes(std::span(hashes))));
  EXPECT_THAT([&] { static_cast<void>(store.at("d")); }, ThrowsMessage<Error>(HasSubstr("tensor d is missing")));
}

TEST_F(TensorStoreFolder, OneFileGoesBeforeAnIndex) {
  write_shard("model.safetensors", {{"a", 1}});
  write_index(R"({"a": "none.safetensors"})");
  EXPECT_EQ(value(open(), "a"), 1);
}

TEST_F(TensorStoreFolder, OpensAGgufFile) {
  const std::vector<float> values = {1, 2};
  write_gguf(folder_ / "a.gguf", {},
             std::vector<NamedTensor>{{"w", {DType::f32, {2}, std::as_bytes(std::span(values))}}});
  const TensorStore store{Gguf(folder_ / "a.gguf")};
  EXPECT_EQ(store.at("w").element_count(), 2U);
  EXPECT_EQ(store.where(), (folder_ / "a.gguf").string());
  EXPECT_EQ(store.hash(), sha256(MappedFile(folder_ / "a.gguf").bytes()));
  EXPECT_THAT([&] { static_cast<void>(store.at("v")); }, ThrowsMessage<Error>(HasSubstr("tensor v is missing")));
}

TEST_F(TensorStoreFolder, ATensorOfAnotherTypeIsRefusedOnlyWhenItIsAskedFor) {
  const std::string header = R"({"ids":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}})";
  std::string length(8, '\0');
  length[0] = static_cast<char>(header.size());
  write_text("s-2.safetensors", length + header + std::string(8, '\0'));
  write_shard("s-1.safetensors", {{"a", 1}});
  write_index(R"({"a": "s-1.safetensors", "ids": "s-2.safetensors"})");
  const TensorStore store = open();
  EXPECT_FALSE(store.has("ids"));
  EXPECT_THAT([&] { static_cast<void>(store.at("ids")); },
              ThrowsMessage<Error>(AllOf(HasSubstr("s-2.safetensors"), HasSubstr("tensor ids"), HasSubstr("I64"))));
}

TEST_F(TensorStoreFolder, CheckpointsOfOtherNumbersAreCalledSo) {
  const auto write_one = [&](const std::string& name, const std::string& type, int bytes) {
    const std::string header =
        fmt::format(R"({{"{}":{{"dtype":"{}","shape":[1],"data_offsets":[0,{}]}}}})", name, type, bytes);
    std::string length(8, '\0');
    length[0] = static_cast<char>(header.size());
    write_text("model.safetensors", length + header + std::string(static_cast<std::size_t>(bytes), '\0'));
  };
  const auto at = [&](const std::string& name, const std::string& says) {
    const TensorStore store = open();
    EXPECT_THAT([&] { static_cast<void>(store.at(name)); }, ThrowsMessage<Error>(HasSubstr(says)));
  };
  for (const char* type : {"F8_E4M3", "F8_E5M2"}) {
    write_one("q.weight", type, 1);
    at("q.weight",
       fmt::format("tensor q.weight is of type {}; gyre reads F32, F16 and BF16: this is an FP8 checkpoint, "
                   "take the model's BF16 one",
                   type));
  }
  write_one("q.weight", "I8", 1);
  at("q.weight", "tensor q.weight is of type I8; gyre reads F32, F16 and BF16");
  write_one("q.qweight", "I32", 4);
  at("q.weight", "instead of the tensor q.weight there is q.qweight: this is a GPTQ or AWQ checkpoint");
  at("q.bias", "the tensor q.bias is missing");
}

TEST_F(TensorStoreFolder, WhatIsNotThereIsNamed) {
  expect_refused("holds neither model.safetensors nor model.safetensors.index.json");
  write_shard("s-1.safetensors", {{"a", 1}});
  write_index(R"({"a": "s-1.safetensors", "b": "s-2.safetensors"})");
  expect_refused("the file s-2.safetensors is missing");
  EXPECT_THAT([&] { TensorStore::open(folder_ / "none"); }, ThrowsMessage<Error>(HasSubstr("none")));
}

TEST_F(TensorStoreFolder, ShardsMustHoldJustWhatTheIndexSays) {
  write_shard("s-1.safetensors", {{"a", 1}});
  write_shard("s-2.safetensors", {{"b", 2}});
  write_index(R"({"a": "s-2.safetensors", "b": "s-1.safetensors"})");
  expect_refused("tensor a is in s-1.safetensors, but is listed for s-2.safetensors");
  write_index(R"({"a": "s-1.safetensors", "c": "s-2.safetensors"})");
  expect_refused("tensor b is not listed");
  write_index(R"({"a": "s-1.safetensors", "b": "s-2.safetensors", "c": "s-2.safetensors"})");
  expect_refused("tensor c is not in s-2.safetensors");
  write_shard("s-2.safetensors", {{"b", 2}, {"a", 3}});
  write_index(R"({"a": "s-1.safetensors", "b": "s-2.safetensors"})");
  expect_refused("tensor a is in s-2.safetensors, but is listed for s-1.safetensors");
}

TEST_F(TensorStoreFolder, AnIndexMayNotLeadOutOfTheFolder) {
  for (const std::string name : {R"("../s.safetensors")", R"("/etc/passwd")", R"("a/b")", R"("")", R"("..")", R"(".")",
                                 R"("a\u0000b")", "1", "null", R"(["a"])"}) {
    write_index(R"({"a": )" + name + "}");
    expect_refused("tensor a must have the name of a file in the same folder");
  }
}

TEST_F(TensorStoreFolder, AnIndexThatIsNoneIsRefused) {
  for (const std::string map : {"{}", "[]", "1", "null", R"("a")"}) {
    write_index(map);
    expect_refused("weight_map must be an object");
  }
  write_text("model.safetensors.index.json", "{}");
  expect_refused("weight_map");
  write_text("model.safetensors.index.json", "[]");
  expect_refused("expected a JSON object");
  write_text("model.safetensors.index.json", "{\"weight_map\": {");
  expect_refused("not valid JSON");
}

}  // namespace
}  // namespace gyre::tensor_store_test
