#include "base/module.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"

namespace gyre::module_test {
namespace {

TEST(Module, ThatWasNotBuiltIsNamedWithTheMend) {
  try {
    load_module("libgyre_no_such_module.so", "train");
    ADD_FAILURE() << "loaded";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::StartsWith("train: "));
    EXPECT_THAT(error.what(), testing::HasSubstr("libtorch-dev"));
  }
}

TEST(Module, GivesTheFunctionsItHas) {
  // The whole program counts as a module here.
  EXPECT_NE(module_function(nullptr, "malloc", "train"), nullptr);
  EXPECT_THROW(module_function(nullptr, "gyre_no_such_function", "train"), Error);
}

}  // namespace
}  // namespace gyre::module_test
