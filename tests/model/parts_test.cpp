#include "model/parts.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model_folder.hpp"

namespace gyre::parts_test {
namespace {

using ::testing::ElementsAre;

TEST(Parts, AreTheEmbeddingTheGroupsAndAHeadOfItsOwn) {
  ModelSpec spec = small_spec();
  spec.tied_head = true;
  EXPECT_THAT(parts_of(spec), ElementsAre("embed", "prelude", "loop a", "loop b", "coda"));
  spec.tied_head = false;
  EXPECT_THAT(parts_of(spec), ElementsAre("embed", "prelude", "loop a", "loop b", "coda", "head"));
}

TEST(Parts, HoldEveryTensor) {
  ModelSpec spec = small_spec();
  spec.tied_head = false;
  const std::vector<std::string> parts = parts_of(spec);
  for (const TensorInfo& info : tensor_table(spec)) {
    EXPECT_THAT(parts, ::testing::Contains(part_of(spec, info.name))) << info.name;
  }
  EXPECT_EQ(part_of(spec, "embed.weight"), "embed");
  EXPECT_EQ(part_of(spec, "groups.1.inject.weight"), "loop a");
  EXPECT_EQ(part_of(spec, "groups.2.layers.1.mlp.up.weight"), "loop b");
  EXPECT_EQ(part_of(spec, "head.weight"), "head");
}

}  // namespace
}  // namespace gyre::parts_test
