#include "format/safetensors.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <map>

#include "base/error.hpp"
#include "base/half.hpp"
#include "scratch_folder.hpp"

namespace gyre::safetensors_test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

class SafetensorsFile : public ::testing::Test {
 protected:
  [[nodiscard]] std::filesystem::path path() const { return scratch_ / "model.safetensors"; }

  // Not atomically: syncing the disk for each of a thousand files would take long.
  void write(const std::string& bytes) const { std::ofstream(path(), std::ios::binary) << bytes; }

  /// A file with this header and `data` bytes behind it.
  void write_header(const std::string& header, std::size_t data) const {
    std::string bytes;
    for (int i = 0; i < 8; ++i) bytes += static_cast<char>((header.size() >> (8 * i)) & 0xffU);
    write(bytes + header + std::string(data, '\0'));
  }

  /// What reading says about a tensor "w" with these fields in a file of 16 data bytes.
  void expect_refused(const std::string& fields, const std::string& says) const {
    write_header(R"({"w":{)" + fields + "}}", 16);
    EXPECT_THAT([&] { Safetensors{path()}; },
                ThrowsMessage<Error>(AllOf(HasSubstr(path().string()), HasSubstr("tensor w"), HasSubstr(says))))
        << fields;
  }

  ScratchFolder scratch_;
};

TEST_F(SafetensorsFile, GivesBackWhatWasWritten) {
  const std::vector<float> wide = {1.5F, -2.0F, 3.25F, 0.0F, -0.0F, 1e-40F};
  const std::vector<std::uint16_t> narrow = {to_bf16(1.5F), to_bf16(-2.0F)};
  const std::vector<NamedTensor> tensors = {
      {"w", {DType::f32, {2, 3}, std::as_bytes(std::span(wide))}},
      {"b", {DType::bf16, {2}, std::as_bytes(std::span(narrow))}},
      {"empty", {DType::f32, {0, 3}, {}}},
  };
  write_safetensors(path(), tensors);
  const Safetensors file(path());
  ASSERT_EQ(file.tensors().size(), 3U);
  EXPECT_EQ(file.at("w").shape, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(std::bit_cast<std::uintptr_t>(file.at("w").bytes.data()) % alignof(float), 0U);
  std::vector<float> read(6);
  widen(file.at("w"), read);
  EXPECT_EQ(std::memcmp(read.data(), wide.data(), sizeof(float) * 6), 0);
  EXPECT_EQ(file.at("b").dtype, DType::bf16);
  read.resize(2);
  widen(file.at("b"), read);
  EXPECT_EQ(read, (std::vector<float>{1.5F, -2.0F}));
  EXPECT_EQ(file.at("empty").element_count(), 0U);
  EXPECT_THAT([&] { static_cast<void>(file.at("v")); }, ThrowsMessage<Error>(HasSubstr("tensor v is missing")));
}

TEST_F(SafetensorsFile, CutShortAnywhereIsRefused) {
  const std::vector<float> values = {1, 2, 3, 4};
  write_safetensors(path(), std::vector<NamedTensor>{{"w", {DType::f32, {4}, std::as_bytes(std::span(values))}}});
  const std::string whole = read_text(path());
  for (std::size_t length = 0; length < whole.size(); ++length) {
    write(whole.substr(0, length));
    EXPECT_THAT([&] { Safetensors{path()}; }, ThrowsMessage<Error>(HasSubstr(path().string()))) << length;
  }
}

TEST_F(SafetensorsFile, AnyByteOfTheHeaderMayBeWrongWithoutACrash) {
  const std::vector<float> values = {1, 2, 3, 4};
  write_safetensors(path(), std::vector<NamedTensor>{{"w", {DType::f32, {4}, std::as_bytes(std::span(values))}}});
  const std::string whole = read_text(path());
  for (std::size_t at = 0; at + 16 < whole.size(); ++at) {
    for (const char byte : {'\0', '9', '"', '\xff'}) {
      std::string broken = whole;
      broken[at] = byte;
      write(broken);
      try {
        const Safetensors file(path());
        for (const auto& [name, tensor] : file.tensors()) {
          std::vector<float> out(tensor.element_count());
          widen(tensor, out);
        }
      } catch (const Error&) {
        // The only way to refuse it.
      }
    }
  }
}

TEST_F(SafetensorsFile, AHeaderThatIsNoJsonObjectIsRefused) {
  for (const std::string header : {"", "not json", "[1, 2]", "\"text\"", "{\"w\":", "\xff\xfe"}) {
    write_header(header, 8);
    EXPECT_THAT([&] { Safetensors{path()}; },
                ThrowsMessage<Error>(AllOf(HasSubstr(path().string()), HasSubstr("not a safetensors file"))))
        << header;
  }
  write("\x89PNG\r\n\x1a\n and more of it");
  EXPECT_THAT([&] { Safetensors{path()}; }, ThrowsMessage<Error>(HasSubstr("not a safetensors file")));
}

TEST_F(SafetensorsFile, AHeaderThatNestsTooDeepIsRefused) {
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  write_header(R"({"w":{"dtype":"F32","shape":[)" + deep + R"(],"data_offsets":[0,0]}})", 0);
  EXPECT_THAT([&] { Safetensors{path()}; }, ThrowsMessage<Error>(HasSubstr("not a safetensors file")));
}

TEST_F(SafetensorsFile, ANumberTooLargeForJsonIsRefusedLikeAnyBrokenHeader) {
  write_header(R"({"w":{"dtype":"F32","shape":[1e999],"data_offsets":[0,16]}})", 16);
  EXPECT_THAT([&] { Safetensors{path()}; }, ThrowsMessage<Error>(HasSubstr(path().string())));
}

TEST_F(SafetensorsFile, EveryFieldOfATensorIsChecked) {
  expect_refused(R"("shape":[4],"data_offsets":[0,16])", "dtype");
  expect_refused(R"("dtype":"I64","shape":[2],"data_offsets":[0,17])", "beyond");
  expect_refused(R"("dtype":"I64","shape":[-2],"data_offsets":[0,16])", "-2");
  expect_refused(R"("dtype":4,"shape":[2],"data_offsets":[0,16])", "dtype");
  expect_refused(R"("dtype":"F32","data_offsets":[0,16])", "shape");
  expect_refused(R"("dtype":"F32","shape":4,"data_offsets":[0,16])", "shape");
  expect_refused(R"("dtype":"F32","shape":[-4],"data_offsets":[0,16])", "-4");
  expect_refused(R"("dtype":"F32","shape":[4.0],"data_offsets":[0,16])", "4.0");
  expect_refused(R"("dtype":"F32","shape":[4])", "data_offsets");
  expect_refused(R"("dtype":"F32","shape":[4],"data_offsets":[0])", "data_offsets");
  expect_refused(R"("dtype":"F32","shape":[4],"data_offsets":[0,"16"])", "data_offsets");
  expect_refused(R"("dtype":"F32","shape":[4],"data_offsets":[-16,0])", "data_offsets");
  expect_refused(R"("dtype":"F32","shape":[4],"data_offsets":[16,0])", "16 to 0");
  expect_refused(R"("dtype":"F32","shape":[4],"data_offsets":[4,20])", "beyond");
  expect_refused(R"("dtype":"F32","shape":[4],"data_offsets":[18446744073709551600,18446744073709551615])", "beyond");
  expect_refused(R"("dtype":"F32","shape":[3],"data_offsets":[0,16])", "16 bytes do not fit shape [3] of F32");
  expect_refused(R"("dtype":"F16","shape":[4],"data_offsets":[0,16])", "do not fit");
}

TEST_F(SafetensorsFile, ShapesWhoseProductOverflowsAreRefused) {
  expect_refused(R"("dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,16])", "do not fit");
  expect_refused(R"("dtype":"F32","shape":[1099511627776,1099511627776,0],"data_offsets":[0,0])", "do not fit");
  expect_refused(R"("dtype":"F32","shape":[1073741824,4294967296,4],"data_offsets":[0,0])", "do not fit");
  expect_refused(R"("dtype":"F32","shape":[4611686018427387905],"data_offsets":[0,4])", "no size");
}

TEST_F(SafetensorsFile, TensorsThatShareBytesAreRefused) {
  write_header(R"({"v":{"dtype":"F32","shape":[3],"data_offsets":[0,12]},)"
               R"("w":{"dtype":"F32","shape":[3],"data_offsets":[4,16]}})",
               16);
  EXPECT_THAT([&] { Safetensors{path()}; },
              ThrowsMessage<Error>(AllOf(HasSubstr(path().string()), HasSubstr("tensor w"))));
}

TEST_F(SafetensorsFile, ATensorOfAnotherTypeIsRefusedOnlyWhenItIsAskedFor) {
  write_header(R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
               R"("ids":{"dtype":"I64","shape":[1],"data_offsets":[8,16]}})",
               16);
  const Safetensors file(path());
  EXPECT_EQ(file.at("w").element_count(), 2U);
  EXPECT_EQ(file.tensors().size(), 1U);
  EXPECT_EQ(file.unsupported(), (std::map<std::string, std::string>{{"ids", "I64"}}));
  EXPECT_THAT([&] { static_cast<void>(file.at("ids")); },
              ThrowsMessage<Error>(AllOf(HasSubstr(path().string()), HasSubstr("tensor ids"), HasSubstr("I64"),
                                         HasSubstr("F32, F16 and BF16"))));
}

TEST_F(SafetensorsFile, ATensorOfAnotherTypeMayNotShareBytesEither) {
  write_header(R"({"ids":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},)"
               R"("w":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})",
               16);
  EXPECT_THAT([&] { Safetensors{path()}; }, ThrowsMessage<Error>(HasSubstr("tensor w shares bytes with tensor ids")));
}

TEST_F(SafetensorsFile, BlockFormatsAreNotWritten) {
  const std::vector<std::byte> bytes(34);
  EXPECT_THAT(
      [&] {
        write_safetensors(path(), std::vector<NamedTensor>{{"w", {DType::q8_0, {32}, bytes}}});
      },
      ThrowsMessage<Error>(AllOf(HasSubstr(path().string()), HasSubstr("tensor w"), HasSubstr("Q8_0"))));
  EXPECT_FALSE(std::filesystem::exists(path()));
}

TEST_F(SafetensorsFile, KeysThatAreThereTwiceAreRefused) {
  const std::string w = R"("w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]})";
  write_header("{" + w + "," + w + "}", 8);
  EXPECT_THAT([&] { Safetensors{path()}; }, ThrowsMessage<Error>(HasSubstr("tensor w is there twice")));
  write_header("{" + w + R"(,"w":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}})", 16);
  EXPECT_THAT([&] { Safetensors{path()}; }, ThrowsMessage<Error>(HasSubstr("tensor w is there twice")));
  write_header(R"({"v":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"w":{"dtype":"F32","shape":[1],"shape":[2],)"
               R"("data_offsets":[0,8]}})",
               8);
  EXPECT_THAT([&] { Safetensors{path()}; },
              ThrowsMessage<Error>(HasSubstr("tensor w: the key \"shape\" is there twice")));
  write_header(R"({"__metadata__":{"a":"1","a":"2"},)" + w + "}", 8);
  EXPECT_THAT([&] { Safetensors{path()}; },
              ThrowsMessage<Error>(HasSubstr("__metadata__: the key \"a\" is there twice")));
  write_header(R"({"__metadata__":{},"__metadata__":{},)" + w + "}", 8);
  EXPECT_THAT([&] { Safetensors{path()}; }, ThrowsMessage<Error>(HasSubstr("__metadata__ is there twice")));
}

TEST_F(SafetensorsFile, BytesThatBelongToNoTensorAreRefused) {
  const std::string w = R"("w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]})";
  write_header("{" + w + "}", 9);
  EXPECT_THAT([&] { Safetensors{path()}; }, ThrowsMessage<Error>(HasSubstr("the last 1 bytes belong to no tensor")));
  write_header("{}", 4);
  EXPECT_THAT([&] { Safetensors{path()}; }, ThrowsMessage<Error>(HasSubstr("the last 4 bytes belong to no tensor")));
  write_header("{" + w + R"(,"v":{"dtype":"F32","shape":[1],"data_offsets":[12,16]}})", 16);
  EXPECT_THAT([&] { Safetensors{path()}; },
              ThrowsMessage<Error>(HasSubstr("the 4 bytes before tensor v belong to no tensor")));
  write_header(R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})", 12);
  EXPECT_THAT([&] { Safetensors{path()}; },
              ThrowsMessage<Error>(HasSubstr("the 4 bytes before tensor w belong to no tensor")));
}

TEST_F(SafetensorsFile, TensorsMayStandInAnyOrderInTheHeader) {
  write_header(R"( {"a":{"dtype":"F32","shape":[1],"data_offsets":[8,12]},"b":{"dtype":"I64","shape":[],)"
               R"("data_offsets":[0,8]},"c":{"dtype":"F32","shape":[0],"data_offsets":[12,12]},"__metadata__":null}  )",
               12);
  const Safetensors file(path());
  EXPECT_EQ(file.tensors().size(), 2U);
  EXPECT_EQ(file.at("a").bytes.data(), file.file_bytes().data() + file.file_bytes().size() - 4);
}

TEST_F(SafetensorsFile, SizesAndTypesOfEveryTensorAreChecked) {
  expect_refused(R"("dtype":"I64","shape":[1],"data_offsets":[0,16])", "16 bytes do not fit shape [1] of I64");
  expect_refused(R"("dtype":"F4","shape":[3],"data_offsets":[0,16])", "do not fit");
  expect_refused(R"("dtype":"F33","shape":[4],"data_offsets":[0,16])", "dtype is \"F33\"");
  expect_refused(R"("dtype":"U64","shape":[576460752303423488,4],"data_offsets":[0,16])", "no size");
  expect_refused(R"("dtype":"U64","shape":[1099511627776,4194304],"data_offsets":[0,0])", "do not fit");
  expect_refused(R"("dtype":"F32","shape":[4],"data_offsets":[0,16],"scale":2)", "unknown key \"scale\"");
  for (const auto& [type, size] : std::map<std::string, std::size_t>{{"BOOL", 4},
                                                                     {"F4", 2},
                                                                     {"F6_E2M3", 3},
                                                                     {"F6_E3M2", 3},
                                                                     {"U8", 4},
                                                                     {"I8", 4},
                                                                     {"F8_E5M2", 4},
                                                                     {"F8_E4M3", 4},
                                                                     {"F8_E8M0", 4},
                                                                     {"I16", 8},
                                                                     {"U16", 8},
                                                                     {"I32", 16},
                                                                     {"U32", 16},
                                                                     {"C64", 32},
                                                                     {"F64", 32},
                                                                     {"I64", 32},
                                                                     {"U64", 32},
                                                                     {"F8_E4M3FNUZ", 4},
                                                                     {"F8_E5M2FNUZ", 4}}) {
    write_header(R"({"w":{"dtype":")" + type + R"(","shape":[4],"data_offsets":[0,)" + std::to_string(size) + "]}}",
                 size);
    EXPECT_EQ(Safetensors(path()).unsupported().at("w"), type);
  }
}

TEST_F(SafetensorsFile, MetadataIsTexts) {
  write_header(R"({"__metadata__":{"format":1}})", 0);
  EXPECT_THAT([&] { Safetensors{path()}; },
              ThrowsMessage<Error>(AllOf(HasSubstr(path().string()), HasSubstr("__metadata__"), HasSubstr("format"))));
  write_header(R"({"__metadata__":[]})", 0);
  EXPECT_THAT([&] { Safetensors{path()}; }, ThrowsMessage<Error>(HasSubstr("__metadata__")));
  write_header(R"({"__metadata__":{"format":"pt"}})", 0);
  EXPECT_TRUE(Safetensors(path()).tensors().empty());
}

TEST_F(SafetensorsFile, WhatFollowsAZeroByteOrAByteOrderMarkIsNoHeader) {
  write_header(std::string("{}\0{}", 5), 0);
  EXPECT_THAT([&] { Safetensors{path()}; }, ThrowsMessage<Error>(HasSubstr("not a safetensors file")));
  write_header("\xEF\xBB\xBF{}", 0);
  EXPECT_THAT([&] { Safetensors{path()}; }, ThrowsMessage<Error>(HasSubstr("not a safetensors file")));
}

TEST_F(SafetensorsFile, AHeaderBeyondTheLimitOfTheReferenceIsRefused) {
  write_header("{}", 0);
  const std::uint64_t length = 100'000'001;
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  write(bytes);
  std::filesystem::resize_file(path(), 8 + length);  // sparse
  EXPECT_THAT([&] { Safetensors{path()}; },
              ThrowsMessage<Error>(HasSubstr("its header has 100000001 bytes; the most are 100000000")));
}

TEST_F(SafetensorsFile, ThePointerOfGitLfsIsCalledSo) {
  write("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n");
  EXPECT_THAT(
      [&] { Safetensors{path()}; },
      ThrowsMessage<Error>(AllOf(HasSubstr(path().string()), HasSubstr("Git LFS pointer"), HasSubstr("git lfs pull"))));
}

TEST_F(SafetensorsFile, ATensorThatIsNoObjectIsNamed) {
  write_header(R"({"w":[1]})", 0);
  EXPECT_THAT([&] { Safetensors{path()}; }, ThrowsMessage<Error>(HasSubstr("tensor w")));
}

float widened(DType dtype, std::uint16_t bits) {
  float out = 0;
  widen({dtype, {1}, std::as_bytes(std::span(&bits, 1))}, std::span(&out, 1));
  return out;
}

TEST(Widen, ReadsHalvesWithSubnormalsAndInfinities) {
  EXPECT_EQ(widened(DType::f16, 0x3C00), 1.0F);
  EXPECT_EQ(widened(DType::f16, 0xC000), -2.0F);
  EXPECT_EQ(widened(DType::f16, 0x7BFF), 65504.0F);
  EXPECT_EQ(widened(DType::f16, 0x0001), 0x1.0p-24F);
  EXPECT_EQ(widened(DType::f16, 0x83FF), -0x1.ff8p-15F);
  EXPECT_EQ(widened(DType::f16, 0x0400), 0x1.0p-14F);
  EXPECT_EQ(widened(DType::f16, 0x7C00), std::numeric_limits<float>::infinity());
  EXPECT_EQ(widened(DType::f16, 0xFC00), -std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isnan(widened(DType::f16, 0x7E00)));
  EXPECT_TRUE(std::signbit(widened(DType::f16, 0x8000)));
  EXPECT_EQ(widened(DType::f16, 0x8000), 0.0F);
}

TEST(Widen, ReadsBfloat16AsTheUpperHalfOfAFloat) {
  EXPECT_EQ(widened(DType::bf16, 0x3F80), 1.0F);
  EXPECT_EQ(widened(DType::bf16, 0x0001), 0x1.0p-133F);
  EXPECT_TRUE(std::isnan(widened(DType::bf16, 0x7FC0)));
}

TEST(ToBf16, RoundsToTheNearestAndTiesToEven) {
  EXPECT_EQ(to_bf16(1.0F), 0x3F80);
  EXPECT_EQ(to_bf16(std::bit_cast<float>(0x3F808000U)), 0x3F80);  // a tie: down to the even one
  EXPECT_EQ(to_bf16(std::bit_cast<float>(0x3F818000U)), 0x3F82);  // a tie: up to the even one
  EXPECT_EQ(to_bf16(std::bit_cast<float>(0x3F808001U)), 0x3F81);
  EXPECT_EQ(to_bf16(std::bit_cast<float>(0x3F80FFFFU)), 0x3F81);
  EXPECT_EQ(to_bf16(std::numeric_limits<float>::max()), 0x7F80);  // beyond the largest: infinity
  EXPECT_EQ(to_bf16(-std::numeric_limits<float>::infinity()), 0xFF80);
  EXPECT_EQ(to_bf16(std::bit_cast<float>(0x7F800001U)) & 0x7FFF, 0x7FC0);  // a NaN stays one
}

}  // namespace
}  // namespace gyre::safetensors_test
