#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "base/error.hpp"
#include "base/hash.hpp"
#include "format/gguf.hpp"
#include "format/tensor_store.hpp"
#include "scratch_folder.hpp"

// A model in several GGUF files: every part opens them all, and what does not belong together is named.

namespace gyre::gguf_parts_test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

namespace fs = std::filesystem;

struct Part {
  std::vector<GgufEntry> metadata;
  std::vector<std::string> tensors;  ///< of one float each
};

class GgufParts : public ::testing::Test {
 protected:
  static std::vector<GgufEntry> split(int number, int count, int tensors) {
    return {{"split.no", std::int32_t{number}},
            {"split.count", std::int32_t{count}},
            {"split.tensors.count", std::int32_t{tensors}}};
  }

  GgufParts() {
    for (int i = 0; i < 3; ++i) parts_.push_back({split(i, 3, 4), {}});
    parts_[0].metadata.push_back({"general.name", std::string("tiny")});
    parts_[1].tensors = {"a", "d"};  // the first may hold metadata alone
    parts_[2].tensors = {"b", "c"};
  }

  [[nodiscard]] fs::path path(int part) const { return folder_ / fmt::format("m-0000{}-of-00003.gguf", part + 1); }

  void write() const {
    for (int i = 0; i < 3; ++i) {
      const Part& part = parts_[static_cast<std::size_t>(i)];
      std::vector<float> values;
      for (const std::string& name : part.tensors) values.push_back(static_cast<float>(name.front()));
      std::vector<NamedTensor> tensors;
      for (std::size_t t = 0; t < values.size(); ++t) {
        tensors.push_back({part.tensors[t], {DType::f32, {1}, std::as_bytes(std::span(&values[t], 1))}});
      }
      write_gguf(path(i), part.metadata, tensors);
    }
  }

  void expect_refused(const fs::path& opened, const std::string& file, const std::string& says) const {
    EXPECT_THAT([&] { Gguf{opened}; }, ThrowsMessage<Error>(AllOf(HasSubstr(file + ":"), HasSubstr(says)))) << says;
  }

  void expect_refused(const std::string& file, const std::string& says) const {
    write();
    for (int i = 0; i < 3; ++i) expect_refused(path(i), file, says);
  }

  GgufValue& value(int part, const std::string& key) {
    for (GgufEntry& entry : parts_[static_cast<std::size_t>(part)].metadata) {
      if (entry.key == key) return entry.value;
    }
    return parts_[static_cast<std::size_t>(part)].metadata.emplace_back(GgufEntry{key, {}}).value;
  }

  void erase(int part, const std::string& key) {
    std::erase_if(parts_[static_cast<std::size_t>(part)].metadata,
                  [&](const GgufEntry& entry) { return entry.key == key; });
  }

  ScratchFolder folder_;
  std::vector<Part> parts_;
};

TEST_F(GgufParts, AnyOpensAll) {
  write();
  std::string hashes;
  for (int i = 0; i < 3; ++i) hashes += sha256(MappedFile(path(i)).bytes());
  for (int i = 0; i < 3; ++i) {
    const TensorStore store{Gguf(path(i))};
    EXPECT_EQ(store.tensors().size(), 4U);
    for (const std::string name : {"a", "b", "c", "d"}) {
      float found = 0;
      widen(store.at(name), std::span(&found, 1));
      EXPECT_EQ(found, static_cast<float>(name.front()));
    }
    EXPECT_EQ(store.where(), path(0).string());
    EXPECT_EQ(store.gguf()->text("general.name"), "tiny");
    EXPECT_EQ(store.hash(), sha256(std::as_bytes(std::span(hashes))));
  }
}

TEST_F(GgufParts, MayRepeatTheMetadata) {
  for (const int part : {1, 2}) value(part, "general.name") = std::string("tiny");
  for (int i = 0; i < 3; ++i) erase(i, "split.tensors.count");
  write();
  EXPECT_EQ(Gguf(path(1)).tensors().size(), 4U);
  value(2, "general.name") = std::string("tinier");
  expect_refused(path(2).string(), "the key general.name has another value than in the first part");
  value(2, "general.name") = std::int32_t{7};
  expect_refused(path(2).string(), "the key general.name has another value");
  value(2, "general.name") = std::string("tiny");
  value(1, "llama.block_count") = std::int32_t{1};
  expect_refused(path(1).string(), "the key llama.block_count is not in the first part");
}

TEST_F(GgufParts, AMissingOneIsNamed) {
  write();
  fs::remove(path(1));
  for (const int opened : {0, 2}) {
    expect_refused(path(opened), path(opened).string(),
                   fmt::format("part {} of 3 of a model, of which m-00002-of-00003.gguf is missing", opened + 1));
  }
}

TEST_F(GgufParts, OfAnotherModelIsNamed) {
  value(2, "split.count") = std::int32_t{4};
  write();
  expect_refused(path(0), path(2).string(), "split.count is 4, not 3; it is no part of the model of m-00001-of-00003");
  expect_refused(path(2), path(2).string(), "part 3 of 4, but its name does not end in -00003-of-00004.gguf");
  value(2, "split.count") = std::int32_t{3};
  value(2, "split.tensors.count") = std::int32_t{5};
  expect_refused(path(2).string(), "split.tensors.count is 5, not 4");
  erase(2, "split.tensors.count");
  expect_refused(path(2).string(), "the key split.tensors.count is missing");
}

TEST_F(GgufParts, AWrongNumberIsNamed) {
  value(1, "split.no") = std::int32_t{2};
  write();
  expect_refused(path(0), path(1).string(), "split.no is 2, not 1");
  expect_refused(path(1), path(1).string(), "its keys split.no (2) and split.count (3) make it part 3 of 3");
  value(1, "split.no") = std::int32_t{3};
  write();
  expect_refused(path(1), path(1).string(), "its name does not end in -00004-of-00003.gguf");
  erase(1, "split.no");
  write();
  expect_refused(path(0), path(1).string(), "the key split.no is missing");
  expect_refused(path(1), path(1).string(), "the key split.no is missing");
}

TEST_F(GgufParts, ATensorIsInOneOfThem) {
  parts_[2].tensors = {"b", "d"};
  expect_refused(path(2).string(), "tensor d is in an earlier part too");
}

TEST_F(GgufParts, TensorsAreAsManyAsTheKeySays) {
  parts_[2].tensors = {"b"};
  expect_refused(path(0).string(), "split.tensors.count is 4, but its 3 parts hold 3 tensors");
}

TEST_F(GgufParts, KeepTheirNames) {
  write();
  fs::rename(path(0), folder_ / "first.gguf");
  expect_refused(folder_ / "first.gguf", (folder_ / "first.gguf").string(),
                 "make it part 1 of 3, but its name does not end in -00001-of-00003.gguf");
  fs::rename(path(1), folder_ / "other-00002-of-00003.gguf");
  expect_refused(folder_ / "other-00002-of-00003.gguf", (folder_ / "other-00002-of-00003.gguf").string(),
                 "of which other-00001-of-00003.gguf is missing");
}

TEST_F(GgufParts, OnePartOfOneIsAFileOfAnyName) {
  write_gguf(folder_ / "a.gguf", split(0, 1, 0), {});
  EXPECT_TRUE(Gguf(folder_ / "a.gguf").tensors().empty());
}

TEST_F(GgufParts, ADamagedOneIsNamed) {
  write();
  fs::resize_file(path(2), fs::file_size(path(2)) / 2);
  expect_refused(path(0), path(2).string(), "cut short");
  std::ofstream(path(2)) << "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n";
  expect_refused(path(0), path(2).string(), "a Git LFS pointer");
}

}  // namespace
}  // namespace gyre::gguf_parts_test
