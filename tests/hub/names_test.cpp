#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "hub/digest.hpp"
#include "hub/paths.hpp"
#include "hub/repository.hpp"
#include "hub/settings.hpp"
#include "scratch_folder.hpp"

namespace gyre::names_test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::ThrowsMessage;

TEST(RepositoryName, HasTwoPartsAndPerhapsARevision) {
  const Repository plain = parse_repository("HuggingFaceTB/SmolLM2-135M");
  EXPECT_EQ(plain.full_name(), "HuggingFaceTB/SmolLM2-135M");
  EXPECT_EQ(plain.revision, "main");
  EXPECT_EQ(default_folder("/home", plain), "/home/gyre/HuggingFaceTB/SmolLM2-135M");
  const Repository pinned = parse_repository("a/b_c.d@refs/pr/1");
  EXPECT_EQ(pinned.revision, "refs/pr/1");
  EXPECT_EQ(default_folder("/home", pinned), "/home/gyre/a/b_c.d@refs%2Fpr%2F1");
  const Url endpoint = parse_url("https://hub.example/prefix/", "x");
  EXPECT_EQ(info_url(endpoint, pinned).text, "https://hub.example/prefix/api/models/a/b_c.d/revision/refs%2Fpr%2F1");
  EXPECT_EQ(file_url(endpoint, pinned, "c0ffee", "d/a %#?é").text,
            "https://hub.example/prefix/a/b_c.d/resolve/c0ffee/d/a%20%25%23%3F%C3%A9");
}

TEST(RepositoryName, IsRefusedWhenItCouldMeanAnotherPlace) {
  for (const std::string wrong : {"", "gpt2", "/", "a/", "/b", "a/b/c", "../b", "a/..", "a/.b", "-a/b", "a/b..c",
                                  "a b/c", "a/b?c", "a/b%2e", "a/b#", "https://x/y", "a\\b/c", "a/b\n", "ä/b"}) {
    EXPECT_THAT([&] { parse_repository(wrong); },
                ThrowsMessage<Error>(AllOf(HasSubstr("ORG/NAME"), Not(HasSubstr("\n")))))
        << wrong;
  }
  EXPECT_THROW(parse_repository(std::string(97, 'a') + "/b"), Error);
}

TEST(Revision, IsRefusedWhenGitWouldRefuseIt) {
  for (const std::string wrong : {"", "..", "a/../b", "/a", "a/", "-a", ".a", "a//b", "a b", "a~1", "a^", "a:b",
                                  "a\x01", "a@{1}", "a/.b", "a?b", "a\\b"}) {
    EXPECT_THROW(parse_repository("a/b@" + wrong), Error) << wrong;
  }
}

TEST(SafePath, StaysBelowItsFolder) {
  for (const char* right : {"a", "a/b.c", "..a", "a..", "a/...", "ä ö/%41#?", "-x"}) {
    EXPECT_NO_THROW(require_safe_path(right, "host")) << right;
  }
  for (const std::string wrong :
       {"", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/..", "a/../b", "a/./b", "a\nb", "a\x7f", "\x1b[2J"}) {
    EXPECT_THAT([&] { require_safe_path(wrong, "host"); }, ThrowsMessage<Error>(HasSubstr("host: refused"))) << wrong;
  }
  EXPECT_THROW(require_safe_path(std::string("a\0b", 3), "host"), Error);
  EXPECT_THROW(require_safe_path(std::string(201, 'a'), "host"), Error);
}

TEST(Pattern, WithoutASlashMatchesNamesInAnyFolder) {
  EXPECT_TRUE(matches("*.gguf", "a.gguf", true));
  EXPECT_TRUE(matches("*.gguf", "q4/a.gguf", true));
  EXPECT_FALSE(matches("*.gguf", "q4/a.gguf", false));
  EXPECT_TRUE(matches("q4/*.gguf", "q4/a.gguf", true));
  EXPECT_FALSE(matches("q4/*", "q4/b/a.gguf", true));
  EXPECT_FALSE(matches("[", "a", true));
}

TEST(UrlOfAHub, IsHttpsOrThisMachine) {
  EXPECT_EQ(parse_url("https://Example.com/x", "x").port, 443);
  for (const char* local : {"http://127.0.0.1:80", "http://localhost:5", "http://[::1]:7/x"}) {
    EXPECT_TRUE(parse_url(local, "x").loopback()) << local;
  }
  for (const char* wrong : {"", "x", "http://example.com", "http://127.0.0.1.example.com",
                            "http://localhost@example.com", "https://user:secret@example.com", "ftp://example.com",
                            "file:///etc/passwd", "https://", "http://127.0.0.1@example.com", "https://a b"}) {
    EXPECT_THAT([&] { parse_url(wrong, "HF_ENDPOINT"); }, ThrowsMessage<Error>(HasSubstr("HF_ENDPOINT: "))) << wrong;
  }
}

TEST(UrlOfAHub, SharesItsOriginWithTheSameHostAndPortAlone) {
  const Url hub = parse_url("https://hub.example/a", "x");
  EXPECT_TRUE(same_origin(hub, parse_url("https://HUB.example:443/b", "x")));
  for (const char* other :
       {"https://hub.example:444", "https://hub.example.org", "https://cdn.hub.example", "http://localhost"}) {
    EXPECT_FALSE(same_origin(hub, parse_url(other, "x"))) << other;
  }
  EXPECT_EQ(resolve_url(hub, "/c?d", "x").text, "https://hub.example/c?d");
  EXPECT_EQ(resolve_url(hub, "//cdn.example/c", "x").host, "cdn.example");
  EXPECT_THROW(resolve_url(hub, "http://hub.example/a", "x"), Error);
}

TEST(HubDigest, IsGitsOrSha256) {
  const ScratchFolder scratch;
  write_text_atomically(scratch / "file", "hello\n");
  // printf 'hello\n' | git hash-object --stdin; printf 'hello\n' | sha256sum
  const Digest git = {DigestKind::git_blob, "ce013625030ba8dba906f756967f9e9ca394464a"};
  const Digest sha = {DigestKind::sha256, "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"};
  EXPECT_TRUE(holds(scratch / "file", 6, git));
  EXPECT_TRUE(holds(scratch / "file", 6, sha));
  EXPECT_FALSE(holds(scratch / "file", 5, sha));
  EXPECT_FALSE(holds(scratch / "file", 6, {DigestKind::sha256, git.hex}));
  EXPECT_FALSE(holds(scratch / "other", 6, sha));
  EXPECT_FALSE(holds(scratch.path(), 6, sha));
}

class Settings : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"HF_ENDPOINT", "HF_TOKEN", "XDG_CACHE_HOME"}) ::unsetenv(name);
    ::setenv("HF_HOME", scratch_.path().c_str(), 1);
  }
  ScratchFolder scratch_;
};

TEST_F(Settings, HaveDefaults) {
  ::unsetenv("HF_HOME");
  ::setenv("HOME", scratch_.path().c_str(), 1);
  const HubSettings settings = settings_from_environment();
  EXPECT_EQ(settings.endpoint.host, "huggingface.co");
  EXPECT_EQ(settings.token, "");
  EXPECT_EQ(settings.home, scratch_.path() / ".cache" / "huggingface");
}

TEST_F(Settings, TakeTheTokenFromTheEnvironmentBeforeTheFile) {
  write_text_atomically(scratch_ / "token", "hf_file\n");
  EXPECT_EQ(settings_from_environment().token, "hf_file");
  ::setenv("HF_TOKEN", " hf_variable ", 1);
  EXPECT_EQ(settings_from_environment().token, "hf_variable");
}

TEST_F(Settings, RefuseATokenThatWouldBeMoreThanAHeaderAndDoNotShowIt) {
  ::setenv("HF_TOKEN", "hf_secret\r\nX: y", 1);
  EXPECT_THAT([] { settings_from_environment(); },
              ThrowsMessage<Error>(AllOf(HasSubstr("HF_TOKEN"), Not(HasSubstr("hf_secret")))));
}

TEST_F(Settings, RefuseAnEndpointThatIsNone) {
  ::setenv("HF_ENDPOINT", "http://hub.example", 1);
  EXPECT_THAT([] { settings_from_environment(); }, ThrowsMessage<Error>(HasSubstr("HF_ENDPOINT: ")));
}

}  // namespace
}  // namespace gyre::names_test
