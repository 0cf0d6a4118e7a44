#include "model/model.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "base/error.hpp"
#include "model_folder.hpp"

namespace gyre::model_test {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

class ModelLoad : public ::testing::Test {
 protected:
  void expect_refused(const std::vector<std::string>& says) const {
    try {
      Model::load(folder_.path());
      FAIL() << "loaded";
    } catch (const Error& error) {
      for (const std::string& part : says) EXPECT_THAT(error.what(), HasSubstr(part));
    }
  }

  /// Writes the tensors again as `change` leaves their list.
  template <typename Change>
  void rewrite_tensors(const Change& change) const {
    std::vector<NamedTensor> tensors;
    for (const TensorInfo& info : tensor_table(folder_.spec())) {
      tensors.push_back(
          {info.name, {DType::f32, info.shape, std::as_bytes(std::span(folder_.weights().at(info.name)))}});
    }
    change(tensors);
    write_safetensors(weights_file(), tensors);
  }

  static std::vector<float> embedding_of(const Model& model, std::int32_t token) {
    std::vector<float> row(static_cast<std::size_t>(model.spec().hidden_size));
    model.embed(token, row);
    return row;
  }

  [[nodiscard]] std::filesystem::path weights_file() const { return folder_.path() / "model.safetensors"; }

  ModelFolder folder_;
};

TEST_F(ModelLoad, BindsEveryWeight) {
  const Model model = Model::load(folder_.path());
  EXPECT_EQ(model.spec(), folder_.spec());
  const std::vector<float>& embedding = folder_.weights().at("embed.weight");
  std::vector<float> row(16);
  model.embed(3, row);
  EXPECT_TRUE(std::equal(row.begin(), row.end(), embedding.begin() + 3 * 16));
  unpack_row(model.head().weight, 3, row);
  EXPECT_TRUE(std::equal(row.begin(), row.end(), embedding.begin() + 3 * 16));
  EXPECT_EQ(model.positions(), nullptr);
  ASSERT_EQ(model.groups().size(), 4U);
  EXPECT_EQ(model.groups()[1].inject.in(), 32U);
  EXPECT_FALSE(model.groups()[0].inject.there());
  EXPECT_EQ(model.groups()[2].layers.size(), 2U);
  for (const TensorInfo& info : tensor_table(model.spec())) {
    EXPECT_EQ(model.tensor(info.name), folder_.weights().at(info.name)) << info.name;
  }
  std::int64_t parameters = 0;
  for (const auto& [name, values] : folder_.weights()) parameters += static_cast<std::int64_t>(values.size());
  EXPECT_EQ(model.parameter_count(), parameters);
  EXPECT_EQ(model.stored_type(), "F32");
  EXPECT_EQ(model.hash().size(), 64U);
}

TEST_F(ModelLoad, WidensBf16) {
  const ModelFolder narrow(small_spec(), 1, DType::bf16);
  const Model model = Model::load(narrow.path());
  EXPECT_EQ(model.stored_type(), "BF16");
  const float exact = narrow.weights().at("embed.weight")[5];
  EXPECT_NEAR(embedding_of(model, 0)[5], exact, std::abs(exact) / 256);
  EXPECT_EQ(model.weight_type(), "bf16");
}

TEST_F(ModelLoad, AMovedModelKeepsItsWeights) {
  const ModelFolder narrow(small_spec(), 1, DType::bf16);
  Model first = Model::load(narrow.path());
  const std::vector<float> row = embedding_of(first, 1);
  std::vector<float> head(16);
  const Model second = std::move(first);
  EXPECT_EQ(embedding_of(second, 1), row);
  unpack_row(second.head().weight, 1, head);
  EXPECT_EQ(head, row);
}

TEST_F(ModelLoad, AnUnalignedDataSectionIsCopied) {
  const std::string bytes = read_text(weights_file());
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof length);
  ++length;
  std::string shifted(reinterpret_cast<const char*>(&length), sizeof length);
  shifted += bytes.substr(8, length - 1) + " " + bytes.substr(7 + length);
  write_text_atomically(weights_file(), shifted);
  EXPECT_EQ(embedding_of(Model::load(folder_.path()), 0)[5], folder_.weights().at("embed.weight")[5]);
}

TEST_F(ModelLoad, AMissingFolderOrFileIsNamed) {
  EXPECT_THAT([&] { Model::load(folder_.beside("none")); }, ThrowsMessage<Error>(HasSubstr("config.json")));
  for (const std::string name : {"config.json", "model.safetensors"}) {
    std::filesystem::rename(folder_.path() / name, folder_.beside(name));
    expect_refused({folder_.path().string(), name});
    std::filesystem::rename(folder_.beside(name), folder_.path() / name);
  }
}

TEST_F(ModelLoad, AMissingTensorIsNamed) {
  rewrite_tensors([](std::vector<NamedTensor>& tensors) { tensors.erase(tensors.begin() + 3); });
  expect_refused({weights_file().string(), tensor_table(folder_.spec())[3].name, "missing"});
}

TEST_F(ModelLoad, ASuperfluousTensorIsNamed) {
  const std::vector<float> values(4);
  rewrite_tensors([&](std::vector<NamedTensor>& tensors) {
    tensors.push_back({"lm_head.weight", {DType::f32, {4}, std::as_bytes(std::span(values))}});
  });
  expect_refused({weights_file().string(), "lm_head.weight", "no place"});
}

TEST_F(ModelLoad, AWrongShapeIsNamedWithBothShapes) {
  rewrite_tensors([](std::vector<NamedTensor>& tensors) { tensors[0].tensor.shape = {8, 32}; });
  expect_refused({"embed.weight", "[8, 32]", "[16, 16]"});
}

TEST_F(ModelLoad, AConfigThatContradictsTheWeightsIsNamed) {
  ModelSpec spec = folder_.spec();
  spec.ffn_size = 25;
  write_text_atomically(folder_.path() / "config.json", to_json(spec).dump());
  expect_refused({"mlp.up.weight", "different models"});
}

TEST_F(ModelLoad, WeightsThatAreNotFiniteAreNamed) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity()}) {
    folder_.rewrite([&](Weights& weights) { weights["groups.1.layers.0.mlp.down.weight"].back() = bad; });
    expect_refused({weights_file().string(), "groups.1.layers.0.mlp.down.weight", "not finite"});
  }
}

TEST_F(ModelLoad, NarrowWeightsThatAreNotFiniteAreNamedToo) {
  std::vector<std::uint16_t> values(256, 0x3C00);
  for (const auto& [dtype, bits] :
       std::vector<std::pair<DType, std::uint16_t>>{{DType::f16, 0x7C00}, {DType::bf16, 0x7FC0}}) {
    values[9] = bits;
    rewrite_tensors([&, type = dtype](std::vector<NamedTensor>& tensors) {
      tensors[0].tensor = {type, {16, 16}, std::as_bytes(std::span(values))};
    });
    expect_refused({"embed.weight", "not finite"});
  }
}

}  // namespace
}  // namespace gyre::model_test
