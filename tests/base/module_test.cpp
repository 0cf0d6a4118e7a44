#include "base/module.hpp"

#include <dlfcn.h>
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

// A LibTorch with products of its own would take the other library's where they share a name.
TEST(Module, ABlasForLibTorchIsSeenByThoseThatNameItAlone) {
  void* before = ::dlsym(RTLD_DEFAULT, "sgemm_");
  if (before != nullptr) GTEST_SKIP() << "this program is linked to a BLAS";
  try {
    prepare_torch_environment("train");
  } catch (const Error&) {
    GTEST_SKIP() << "this processor is none for LibTorch";
  }
  void* loaded = ::dlopen("libblas.so.3", RTLD_NOW | RTLD_NOLOAD);
  if (loaded == nullptr) GTEST_SKIP() << "no OpenBLAS with OpenMP here";
  EXPECT_NE(::dlsym(loaded, "sgemm_"), nullptr);
  EXPECT_EQ(::dlsym(RTLD_DEFAULT, "sgemm_"), nullptr);
  ::dlclose(loaded);
}

}  // namespace
}  // namespace gyre::module_test
