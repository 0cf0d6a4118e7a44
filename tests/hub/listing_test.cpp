#include "hub/listing.hpp"

#include "hub/hub_fixture.hpp"

namespace gyre::listing_test {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::ThrowsMessage;

class Listings : public HubTest {};

TEST_F(Listings, AreReadPageByPage) {
  pull_from("pages");
  expect_right_weights();
  EXPECT_THAT(files(), SizeIs(5));
  EXPECT_THAT(server_.requests_for("cursor=1"), SizeIs(1));
  EXPECT_THAT(server_.requests_for("cursor=2"), SizeIs(1));
}

TEST_F(Listings, ThatDoNotEndAreRefused) { expect_refusal("pages_in_a_ring", {"pages", "do not end"}); }

TEST_F(Listings, WithPathsThatLeadOutOfTheFolderAreRefused) {
  constexpr int kBadNames = 12;  // BAD_NAMES of hub_server.py
  for (int i = 0; i < kBadNames; ++i) {
    expect_refusal(fmt::format("bad_name_{}", i), {"127.0.0.1: refused the file name"});
  }
  expect_refusal("bad_name_0", {"\"../x\""});
  EXPECT_FALSE(fs::exists(request_.folder));
  EXPECT_FALSE(fs::exists(scratch_ / "x"));
}

TEST_F(Listings, ThatAreHugeOrDeepOrBrokenAreRefused) {
  expect_refusal("huge_json", {"127.0.0.1", "larger than 16 MiB"});
  expect_refusal("deep_json", {"127.0.0.1", "too deep"});
  for (const char* scenario : {"broken_json", "not_utf8", "web_page"}) {
    expect_refusal(scenario, {"127.0.0.1", "not JSON", "HF_ENDPOINT"});
  }
  EXPECT_FALSE(fs::exists(request_.folder));
}

TEST_F(Listings, WithImpossibleFactsAreRefused) {
  for (const char* scenario : {"size_text", "size_negative", "size_beyond"}) {
    expect_refusal(scenario, {"model.safetensors", "size must be"});
  }
  for (const char* scenario : {"oid_short", "oid_path"}) {
    expect_refusal(scenario, {"model.safetensors", "no sha256 digest"});
  }
  expect_refusal("bad_commit", {"sha is no commit"});
  expect_refusal("twice", {"lists config.json twice"});
  expect_refusal("object", {"expected a list of files, found object"});
  expect_refusal("part_name", {"LICENSE.part", "unfinished download"});
  EXPECT_FALSE(fs::exists(request_.folder));
}

TEST_F(Listings, WithNothingWantedAreRefusedWithTheNamesThereAre) {
  expect_refusal("empty", {"acme/tiny has no *.safetensors"});
  expect_refusal("no_weights", {"acme/tiny has no *.safetensors", "pytorch_model.bin", "name the files"});
  request_.include = {"*.onnx"};
  expect_refusal("plain", {"no file of acme/tiny matches", "config.json"});
  EXPECT_FALSE(fs::exists(request_.folder));
}

TEST(WantedFiles, LeaveOutASecondCopyOfTheWeights) {
  const auto names_of = [](std::vector<std::string> names) {
    std::vector<RemoteFile> files;
    for (const std::string& name : names) files.push_back({name, 1, {}});
    names.clear();
    for (const RemoteFile& file : wanted_files(files, {}, parse_repository("acme/tiny"))) names.push_back(file.path);
    return names;
  };
  EXPECT_THAT(names_of({"consolidated.safetensors", "model-00001-of-00002.safetensors",
                        "model-00002-of-00002.safetensors", "model.safetensors.index.json", "original/params.json"}),
              ElementsAre("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
                          "model.safetensors.index.json"));
  EXPECT_THAT(names_of({"consolidated.safetensors", "LICENSE.txt", "merges.txt", "chat_template.jinja"}),
              ElementsAre("consolidated.safetensors", "LICENSE.txt", "merges.txt", "chat_template.jinja"));
}

TEST(LinkHeader, NamesTheNextPage) {
  EXPECT_EQ(next_page("<https://a/b?c=1>; rel=\"next\""), "https://a/b?c=1");
  EXPECT_EQ(next_page("<https://a/0>; rel=\"first\", <https://a/2>; title=\"x\"; rel=\"next\""), "https://a/2");
  EXPECT_EQ(next_page("</b?c=1>; rel=next"), "/b?c=1");
  for (const char* none :
       {"", "<", "<>", "<https://a", "rel=\"next\"", "<https://a>; rel=\"prev\"", ">; rel=\"next\""}) {
    EXPECT_EQ(next_page(none), "") << none;
  }
}

}  // namespace
}  // namespace gyre::listing_test
