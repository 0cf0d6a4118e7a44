#include "serve/access.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "scratch_folder.hpp"

namespace gyre::serve::access_test {
namespace {

using testing::HasSubstr;

TEST(ApiKeys, OneOfTheFileOpensAndNothingElse) {
  const ScratchFolder scratch;
  write_text_atomically(scratch / "keys", "# ours\nalpha\n\nbeta-2\r\n");
  const ApiKeys keys = ApiKeys::load(scratch / "keys");
  EXPECT_TRUE(keys.opens("alpha"));
  EXPECT_TRUE(keys.opens("beta-2"));
  for (const char* wrong : {"", "# ours", "alph", "alphaa", "beta-2\r", "beta"})
    EXPECT_FALSE(keys.opens(wrong)) << wrong;
}

TEST(ApiKeys, WithoutAnyEverybodyMayComeIn) {
  EXPECT_TRUE(ApiKeys().opens(""));
  EXPECT_TRUE(ApiKeys().opens("sk-whatever"));
}

TEST(ApiKeys, AFileThatHoldsNoneIsRefused) {
  const ScratchFolder scratch;
  const auto message = [&](const char* text) -> std::string {
    write_text_atomically(scratch / "keys", text);
    try {
      ApiKeys::load(scratch / "keys");
    } catch (const Error& failure) {
      return failure.what();
    }
    return "taken";
  };
  EXPECT_THAT(message("# none\n\n"), HasSubstr("holds no key"));
  EXPECT_THAT(message("good\na key\n"), HasSubstr("line 2: a key is made of visible ASCII characters"));
}

TEST(Origins, PagesOfThisMachineMayAskAndThoseThatWereNamed) {
  Origins origins;
  for (const char* local : {"http://localhost", "http://localhost:3000", "https://127.0.0.1:8443", "http://[::1]:1"}) {
    EXPECT_TRUE(origins.allowed(local)) << local;
  }
  for (const char* other : {"null", "", "http://localhost.evil.org", "http://localhost:80@evil.org", "ftp://localhost",
                            "http://evil.org", "http://127.0.0.1.evil.org"}) {
    EXPECT_FALSE(origins.allowed(other)) << other;
  }
  origins.also = {"https://chat.example.org"};
  EXPECT_TRUE(origins.allowed("https://chat.example.org"));
  EXPECT_FALSE(origins.allowed("https://chat.example.org.evil.org"));
  origins.also = {"*"};
  EXPECT_TRUE(origins.allowed("http://evil.org"));
}

TEST(Origins, AServersOwnPageIsKnownByItsAddressNotByAName) {
  EXPECT_TRUE(is_own_page("http://192.168.1.5:8080", "192.168.1.5:8080"));
  EXPECT_TRUE(is_own_page("http://10.0.0.1", "10.0.0.1"));
  EXPECT_TRUE(is_own_page("http://[fe80::1]:8080", "[fe80::1]:8080"));
  EXPECT_FALSE(is_own_page("http://192.168.1.5:8080", "192.168.1.5:8081"));
  EXPECT_FALSE(is_own_page("http://evil.org:8080", "evil.org:8080"));  // a name that points here
  EXPECT_FALSE(is_own_page("http://1.2.3.4.evil.org", "1.2.3.4.evil.org"));
  EXPECT_FALSE(is_own_page("", ""));
}

}  // namespace
}  // namespace gyre::serve::access_test
