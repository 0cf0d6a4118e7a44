#include "hub/pull.hpp"

#include <sys/mount.h>
#include <sys/stat.h>

#include <cstdlib>

#include "hub/download.hpp"
#include "hub/hub_fixture.hpp"
#include "hub/part_file.hpp"

namespace gyre::hub_pull_test {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class Pull : public HubTest {
 protected:
  /// Leaves the first bytes of the weights as an earlier run would have, with the note beside them.
  void leave_part(std::string_view bytes, const std::string& digest, const std::string& etag = "\"v1\"") const {
    fs::create_directories(request_.folder);
    PartFile left(weights(), digest);
    left.restart(etag);
    left.append(std::as_bytes(std::span(bytes.data(), bytes.size())));
  }
  std::string digest_of_weights() {
    const PullResult result = pull_from("plain");
    fs::remove_all(request_.folder);
    for (const PulledFile& pulled : result.files) {
      if (pulled.file.path == "model.safetensors") return pulled.file.digest.hex;
    }
    throw std::runtime_error("no weights");
  }
};

TEST_F(Pull, BringsWhatGyreNeedsAndNothingElse) {
  const PullResult result = pull_from("plain");
  EXPECT_THAT(files(),
              ElementsAre("README.md", "added_tokens.json", "config.json", "model.safetensors", "tokenizer.json"));
  expect_right_weights();
  EXPECT_EQ(read_text(request_.folder / "config.json"), "{\"model_type\": \"tiny\"}\n");
  EXPECT_EQ(read_text(request_.folder / "added_tokens.json"), "");
  EXPECT_EQ(result.commit, "0123456789abcdef0123456789abcdef01234567");
  EXPECT_EQ(result.received_bytes, result.total_bytes);
  EXPECT_EQ(last_done_, result.total_bytes);
  EXPECT_THAT(notices_, IsEmpty());
}

TEST_F(Pull, BringsOnlyWhatThePatternsName) {
  request_.include = {"*.gguf", "onnx/*"};
  pull_from("plain");
  EXPECT_THAT(files(), ElementsAre("model-q4.gguf", "odd name %41#?é.gguf", "onnx/model.safetensors"));
}

TEST_F(Pull, AsksForNothingThatIsThereAndRight) {
  pull_from("plain");
  const std::size_t before = server_.requests().size();
  const PullResult again = pull_from("plain");
  EXPECT_EQ(again.received_bytes, 0);
  EXPECT_EQ(server_.requests().size(), before + 2);  // the commit and the list of files
}

TEST_F(Pull, ReplacesAFileThatIsNotTheHubs) {
  pull_from("plain");
  std::string changed = served_weights();
  changed[5] = '!';
  write_text_atomically(weights(), changed);
  const PullResult again = pull_from("plain");
  EXPECT_EQ(again.received_bytes, 300'000);
  expect_right_weights();
}

TEST_F(Pull, GoesOnAfterDroppedConnections) {
  const PullResult result = pull_from("drops");
  expect_right_weights();
  EXPECT_THAT(ranges(), ElementsAre("", "bytes=100000-", "bytes=200000-"));
  EXPECT_EQ(result.received_bytes, result.total_bytes);
  EXPECT_EQ(notices_.size(), 2U);
}

TEST_F(Pull, AsksAgainWhenTheListIsDropped) {
  pull_from("drops_listing");
  expect_right_weights();
}

TEST_F(Pull, GivesUpWhenTheConnectionAlwaysDropsAtOnePlace) {
  expect_refusal("drops_at_one_place", {"gave up after 6 attempts"});
  EXPECT_FALSE(fs::exists(weights()));
  EXPECT_EQ(fs::file_size(part()), 100'000U);
}

TEST_F(Pull, StartsAgainWhereTheServerIgnoresRanges) {
  pull_from("ignores_range");
  expect_right_weights();
  EXPECT_THAT(ranges(), ElementsAre("", "bytes=100000-"));
}

TEST_F(Pull, StartsAgainAfterAnotherRangeThanAskedFor) {
  for (const char* scenario : {"other_range", "range_beyond", "range_garbage", "refuses_range"}) {
    fs::remove_all(request_.folder);
    pull_from(scenario);
    expect_right_weights();
  }
}

TEST_F(Pull, StartsAgainWhenTheEtagHasChanged) {
  pull_from("changes");
  expect_right_weights();
  EXPECT_THAT(notices_, Contains(HasSubstr("changed on the server")));
}

TEST_F(Pull, StartsAgainAfterARangeOfAnotherFile) {
  pull_from("other_total");
  expect_right_weights();
  EXPECT_THAT(notices_, Contains(HasSubstr("300001 bytes, the hub lists 300000")));
}

TEST_F(Pull, TakesNoRangeItDidNotAskFor) {
  pull_from("unasked_range");
  expect_right_weights();
}

TEST_F(Pull, RefusesLengthsOtherThanListed) {
  for (const auto& [scenario, says] : {std::pair{"too_long", "300004 bytes, the hub lists 300000"},
                                       std::pair{"too_short", "299995 bytes, the hub lists 300000"},
                                       std::pair{"too_long_unsaid", "more than the 300000 bytes"}}) {
    expect_refusal(scenario, {"acme/tiny/model.safetensors", says, "twice"});
    EXPECT_THAT(files(), Not(Contains(HasSubstr("model.safetensors")))) << scenario;
  }
}

TEST_F(Pull, GoesOnAfterAnEndThatNoLengthAnnounced) {
  pull_from("too_short_unsaid");
  expect_right_weights();
  EXPECT_THAT(ranges(), ElementsAre("", "bytes=100000-"));
}

TEST_F(Pull, RefusesWrongBytesAfterOneFreshTry) {
  expect_refusal("wrong_bytes", {"acme/tiny/model.safetensors", "sha256", "twice"});
  EXPECT_THAT(ranges(), ElementsAre("", ""));
  EXPECT_THAT(files(), Not(Contains(HasSubstr("model.safetensors"))));
}

TEST_F(Pull, MendsWrongBytesThatComeOnce) {
  pull_from("wrong_bytes_once");
  expect_right_weights();
}

TEST_F(Pull, ChecksSmallFilesByTheirGitDigest) {
  expect_refusal("wrong_config", {"acme/tiny/config.json", "git_blob_sha1", "twice"});
  EXPECT_THAT(files(), Not(Contains(HasSubstr("config.json"))));
}

TEST_F(Pull, GoesOnFromThePartOfAnEarlierRun) {
  const std::string digest = digest_of_weights();
  leave_part(served_weights().substr(0, 250'000), digest);
  const PullResult result = pull_from("plain");
  expect_right_weights();
  EXPECT_EQ(result.received_bytes, result.total_bytes - 250'000);
  EXPECT_EQ(ranges().back(), "bytes=250000-");
}

TEST_F(Pull, PublishesAPartThatIsWhole) {
  const std::string digest = digest_of_weights();
  const std::size_t before = ranges().size();
  leave_part(served_weights(), digest);
  pull_from("plain");
  expect_right_weights();
  EXPECT_EQ(ranges().size(), before);
}

TEST_F(Pull, ReplacesAPartWhoseEtagIsAnotherNow) {
  leave_part(std::string(1000, '!'), digest_of_weights(), "\"v0\"");
  pull_from("plain");  // this server honours If-Range
  expect_right_weights();
  EXPECT_THAT(notices_, IsEmpty());
}

TEST_F(Pull, ReplacesAPartOfWrongBytes) {
  leave_part(std::string(1000, '!'), digest_of_weights());
  pull_from("plain");
  expect_right_weights();
  EXPECT_THAT(notices_, Contains(HasSubstr("once more from the start")));
}

TEST_F(Pull, DropsAPartThatBelongsToOtherContentOrIsTooLong) {
  const std::string digest = digest_of_weights();
  leave_part("other", std::string(64, '0'));
  pull_from("plain");
  expect_right_weights();
  EXPECT_EQ(ranges().back(), "");
  fs::remove_all(request_.folder);
  leave_part(served_weights() + "more", digest);
  pull_from("plain");
  expect_right_weights();
  EXPECT_EQ(ranges().back(), "");
}

TEST_F(Pull, DropsAPartWithoutANoteOrWithABrokenOne) {
  for (const char* note : {"", "{", "[]", "{\"digest\": 5}"}) {
    fs::remove_all(request_.folder);
    fs::create_directories(request_.folder);
    write_text_atomically(part(), "something");
    if (*note != '\0') write_text_atomically(part().string() + ".json", note);
    pull_from("plain");
    expect_right_weights();
    EXPECT_EQ(ranges().back(), "") << note;
  }
}

TEST_F(Pull, WaitsForABusyHub) {
  pull_from("busy");
  expect_right_weights();
  EXPECT_THAT(notices_, Contains(HasSubstr("HTTP 429; trying again")));
  EXPECT_THAT(notices_, Contains(HasSubstr("HTTP 503; trying again")));
}

TEST_F(Pull, WaitsAsLongAsTheHubAsks) {
  request_.retries.longest_wait = std::chrono::seconds(10);
  pull_from("busy_for_a_second");
  expect_right_weights();
  EXPECT_THAT(notices_, ElementsAre(HasSubstr("HTTP 503; trying again in 1.0 s")));
}

TEST_F(Pull, BoundsTheWaitTheHubAsksFor) {
  pull_from("busy_for_an_hour");
  expect_right_weights();
  EXPECT_THAT(notices_, Contains(HasSubstr("HTTP 429; trying again in 0.0 s")));
}

TEST_F(Pull, GivesUpOnAHubThatStaysBusy) {
  expect_refusal("busy_always", {"127.0.0.1: HTTP 503; gave up after 6 attempts"});
  EXPECT_EQ(server_.requests().size(), 6U);
  EXPECT_FALSE(fs::exists(request_.folder));
}

TEST_F(Pull, GivesTheTokenToTheHubAlone) {
  token_ = "hf_secret";
  pull_from("redirects");
  expect_right_weights();
  int hub = 0;
  int storage = 0;
  for (const nlohmann::json& record : server_.requests()) {
    if (record["role"] == "hub") {
      ++hub;
      EXPECT_EQ(record["headers"].value("Authorization", ""), "Bearer hf_secret");
    } else {
      ++storage;
      EXPECT_THAT(record.dump(), Not(HasSubstr("hf_secret")));
    }
  }
  EXPECT_GE(hub, 3);
  EXPECT_EQ(storage, 4);
}

TEST_F(Pull, FollowsARenamedModelWithTheToken) {
  token_ = "hf_secret";
  pull_from("renamed");
  expect_right_weights();
  for (const nlohmann::json& record : server_.requests()) {
    EXPECT_EQ(record["headers"].value("Authorization", ""), "Bearer hf_secret");
  }
}

TEST_F(Pull, AsksForANewAddressWhenAStoragesIsTooOld) {
  pull_from("expires");
  expect_right_weights();
}

TEST_F(Pull, RefusesRedirectsThatLeadAstray) {
  expect_refusal("redirects_in_a_ring", {"redirects"});
  expect_refusal("redirects_unprotected", {"a redirect by 127.0.0.1", "http://storage.invalid"});
  expect_refusal("redirects_to_a_file", {"a redirect by 127.0.0.1", "file"});
  expect_refusal("redirects_nowhere", {"HTTP 302"});
  EXPECT_THAT(files(), IsEmpty());
}

TEST_F(Pull, TellsWhyAModelIsRefused) {
  expect_refusal("unauthorized", {"acme/tiny", "401", "private or gated", "HF_TOKEN"});
  expect_refusal("gated", {"acme/tiny", "403", "gated or private", "HF_TOKEN"});
  expect_refusal("missing", {"acme/tiny@main: not found", "check the name"});
  expect_refusal("no_revision", {"acme/tiny", "revision \"main\" not found"});
  expect_refusal("teapot", {"acme/tiny", "418"});
  EXPECT_THAT(files(), IsEmpty());
}

TEST_F(Pull, ReadsAPrivateModelWithItsToken) {
  token_ = "hf_wrong";
  expect_refusal("private", {"acme/tiny", "401", "the token is refused", "HF_TOKEN"});
  token_ = "hf_secret";
  pull_from("private");
  expect_right_weights();
}

TEST_F(Pull, RefusesACertificateItCannotTrust) {
  const std::string file = scratch_ / "certificate.pem";
  const std::string command = fmt::format(
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost "
      "-addext subjectAltName=IP:127.0.0.1 -keyout {0} -out {0}.crt 2>/dev/null && cat {0}.crt >> {0}",
      file);
  if (std::system(command.c_str()) != 0) GTEST_SKIP() << "the program openssl is not there";
  const HubServer secure(file);
  const HubSettings settings = {parse_url(secure.endpoint("plain", "https"), "endpoint"), "hf_secret", {}};
  EXPECT_THAT([&] { pull(settings, request_, {}); },
              ::testing::ThrowsMessage<Error>(HasSubstr("127.0.0.1: its certificate cannot be trusted")));
  EXPECT_THAT(secure.requests(), IsEmpty());
}

TEST_F(Pull, RefusesAFolderThatCannotBeMade) {
  write_text_atomically(scratch_ / "file", "x");
  request_.folder = scratch_ / "file/model";
  expect_refusal("plain", {"cannot make the folder", "file/model", "choose another"});
  request_.folder = scratch_ / "file";
  expect_refusal("plain", {"cannot make the folder", "choose another"});
  EXPECT_EQ(read_text(scratch_ / "file"), "x");
}

TEST_F(Pull, RefusesAFolderWithoutSpaceBeforeItAsksForFiles) {
  expect_refusal("size_of_a_planet", {"model: no space for 4503599627.4 MB more", "choose another folder"});
  EXPECT_THAT(ranges(), IsEmpty());
}

TEST_F(Pull, TellsThatTheDiskIsFull) {
  fs::create_directory(request_.folder);
  if (::mount("tmpfs", request_.folder.c_str(), "tmpfs", 0, "size=400k") != 0) {
    GTEST_SKIP() << "mounting a tmpfs needs root";
  }
  // The server's file is as long as listed, but the disk fills up meanwhile.
  request_.include = {"model.safetensors"};
  PullObserver observer;
  observer.progress = [&](std::int64_t, std::int64_t, const std::string&) {
    if (!fs::exists(request_.folder / "filler")) {
      PartFile filler(request_.folder / "filler", "x");
      try {
        filler.append(std::vector<std::byte>(400'000));
      } catch (const Error&) {
        filler.publish();
      }
    }
  };
  const HubSettings settings = {parse_url(server_.endpoint("plain"), "endpoint"), "", {}};
  std::string message;
  try {
    pull(settings, request_, observer);
  } catch (const Error& failure) {
    message = failure.what();
  }
  const bool appeared = fs::exists(weights());
  const bool left = fs::exists(part());
  ::umount(request_.folder.c_str());
  EXPECT_THAT(message, HasSubstr("cannot write " + part().string()));
  EXPECT_THAT(message, HasSubstr("No space"));
  EXPECT_FALSE(appeared);
  EXPECT_TRUE(left);
}

TEST_F(Pull, DoesNotWriteThroughALinkInThePlaceOfThePart) {
  fs::create_directories(request_.folder);
  write_text_atomically(scratch_ / "victim", "precious");
  fs::create_symlink(scratch_ / "victim", part());
  expect_refusal("plain", {"cannot write", "model.safetensors.part"});
  EXPECT_EQ(read_text(scratch_ / "victim"), "precious");
}

TEST_F(Pull, RefusesAFolderThatAnotherPullIsFilling) {
  PullObserver observer;
  std::string second;
  observer.progress = [&](std::int64_t, std::int64_t, const std::string&) {
    if (!second.empty()) return;
    try {
      pull_from("plain");
    } catch (const Error& failure) {
      second = failure.what();
    }
  };
  pull({parse_url(server_.endpoint("plain"), "endpoint"), "", {}}, request_, observer);
  EXPECT_THAT(second, HasSubstr("another pull is filling this folder"));
  expect_right_weights();
}

TEST(ContentRangeHeader, IsReadStrictly) {
  ContentRange range;
  EXPECT_TRUE(parse_content_range("bytes 5-9/10", range));
  EXPECT_EQ(range.first, 5);
  EXPECT_EQ(range.last, 9);
  EXPECT_EQ(range.total, 10);
  EXPECT_TRUE(parse_content_range("bytes 5-9/*", range));
  EXPECT_EQ(range.total, -1);
  for (const char* wrong : {"", "bytes", "bytes 5-9", "bytes 9-5/10", "bytes 5-10/10", "bytes -5-9/10", "bytes */10",
                            "items 5-9/10", "bytes 5-9/10x", "bytes 5-99999999999999999999/*", "bytes 5-9/**"}) {
    EXPECT_FALSE(parse_content_range(wrong, range)) << wrong;
  }
}

TEST(StrongEtag, IsQuotedAndPlain) {
  EXPECT_TRUE(is_strong_etag("\"abc-1\""));
  for (const std::string wrong : {"", "\"", "abc", "W/\"abc\"", "\"a\"b\"", "\"a\r\nX: y\"", "\"a b\""}) {
    EXPECT_FALSE(is_strong_etag(wrong)) << wrong;
  }
}

}  // namespace
}  // namespace gyre::hub_pull_test
