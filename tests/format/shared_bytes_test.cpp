#include "format/shared_bytes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "base/error.hpp"

namespace gyre::shared_bytes_test {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

TEST(RefuseSharedBytes, ATensorWithoutNumbersSharesNothing) {
  const std::array<std::byte, 8> data{};
  const std::span<const std::byte> bytes = data;
  const std::string first = "z";
  const std::string empty = "e";
  const std::string second = "a";
  EXPECT_NO_THROW(
      refuse_shared_bytes({{bytes.first(4), &first}, {bytes.subspan(4, 0), &empty}, {bytes.subspan(4), &second}}, "x"));
  EXPECT_THAT(
      [&] {
        refuse_shared_bytes({{bytes, &first}, {bytes.subspan(4), &second}}, "x");
      },
      ThrowsMessage<Error>(HasSubstr("tensor a shares bytes with tensor z")));
}

}  // namespace
}  // namespace gyre::shared_bytes_test
