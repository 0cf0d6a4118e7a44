#include "format/gguf.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <limits>

#include "base/error.hpp"
#include "scratch_folder.hpp"

namespace gyre::gguf_test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

constexpr double kHuge = std::numeric_limits<double>::max();

const Gguf& golden() {
  static const Gguf file(GYRE_TEST_DIR "/format/golden/metadata.gguf");
  return file;
}

template <typename Read>
void expect_mistake(const Read& read, const std::string& key, const std::string& says) {
  EXPECT_THAT([&] { static_cast<void>(read(golden())); },
              ThrowsMessage<Error>(AllOf(HasSubstr("metadata.gguf"), HasSubstr(key), HasSubstr(says))));
}

TEST(GgufMetadata, IntegersOfEveryWidth) {
  const auto integer = [](const std::string& key) { return golden().integer("golden." + key, INT64_MIN, INT64_MAX); };
  EXPECT_EQ(integer("u8"), 200);
  EXPECT_EQ(integer("i8"), -100);
  EXPECT_EQ(integer("u16"), 60000);
  EXPECT_EQ(integer("i16"), -30000);
  EXPECT_EQ(integer("u32"), 4000000000);
  EXPECT_EQ(integer("i32"), -2000000000);
  EXPECT_EQ(integer("i64"), -(std::int64_t{1} << 62) - 1);
  EXPECT_EQ(integer("u64"), INT64_MAX);  // 2^63 + 5 has no place in an int64
}

TEST(GgufMetadata, NumbersTextsAndBooleans) {
  EXPECT_EQ(golden().number("golden.f32", -kHuge, kHuge), static_cast<double>(0.1F));
  EXPECT_EQ(golden().number("golden.f64", -kHuge, kHuge), 0.1);
  EXPECT_EQ(golden().number("golden.i16", -kHuge, kHuge), -30000.0);
  EXPECT_EQ(golden().number("golden.u64", -kHuge, kHuge), 0x1p63);
  EXPECT_TRUE(golden().boolean("golden.true"));
  EXPECT_FALSE(golden().boolean("golden.false"));
  EXPECT_EQ(golden().text("golden.text"), "loop ⟲ Ω");
  EXPECT_EQ(golden().text("golden.empty"), "");
  EXPECT_EQ(golden().text("general.architecture"), "golden");
}

TEST(GgufMetadata, Lists) {
  EXPECT_EQ(golden().strings("golden.texts"), (std::vector<std::string>{"a", "", "東京"}));
  EXPECT_EQ(golden().numbers("golden.bytes"), (std::vector<double>{0, 255}));
  EXPECT_EQ(golden().numbers("golden.wholes"), (std::vector<double>{-1, 0, 2147483647}));
  EXPECT_EQ(golden().numbers("golden.floats"), (std::vector<double>{0.5, -1.25}));
  EXPECT_EQ(golden().numbers("golden.flags"), (std::vector<double>{1, 0, 1}));
}

TEST(GgufMetadata, KeysAndDefaults) {
  EXPECT_EQ(golden().keys().size(), 21U);
  EXPECT_TRUE(golden().has("golden.u8"));
  EXPECT_FALSE(golden().has("u8"));
  EXPECT_EQ(golden().text("none", "d"), "d");
  EXPECT_EQ(golden().integer("none", 5, 6, 1), 1);
  EXPECT_EQ(golden().number("none", 5, 6, 0.5), 0.5);
  EXPECT_TRUE(golden().boolean("none", true));
}

TEST(GgufMetadata, MistakesNameFileKeyAndWhatWouldBeRight) {
  const auto text = [](const std::string& key) { return [=](const Gguf& f) { return f.text(key); }; };
  const auto whole = [](const std::string& key) { return [=](const Gguf& f) { return f.integer(key, 0, 9); }; };
  const auto number = [](const std::string& key) { return [=](const Gguf& f) { return f.number(key, 0, 1); }; };
  const auto flag = [](const std::string& key) { return [=](const Gguf& f) { return f.boolean(key); }; };
  const auto strings = [](const std::string& key) { return [=](const Gguf& f) { return f.strings(key); }; };
  const auto numbers = [](const std::string& key) { return [=](const Gguf& f) { return f.numbers(key); }; };
  expect_mistake(text("none"), "none", "missing");
  expect_mistake(whole("none"), "none", "missing");
  expect_mistake(numbers("none"), "none", "missing");
  expect_mistake(text("golden.u8"), "golden.u8", "must be text, found u8");
  expect_mistake(text("golden.texts"), "golden.texts", "must be text, found list");
  expect_mistake(whole("golden.f32"), "golden.f32", "whole number, found f32");
  expect_mistake(whole("golden.true"), "golden.true", "whole number, found boolean");
  expect_mistake(whole("golden.text"), "golden.text", "whole number, found text");
  expect_mistake(whole("golden.u8"), "golden.u8", "200; it must lie between 0 and 9");
  expect_mistake(whole("golden.i8"), "golden.i8", "-100; it must lie between 0 and 9");
  expect_mistake(whole("golden.u64"), "golden.u64", "between 0 and 9");
  expect_mistake(number("golden.i8"), "golden.i8", "between 0 and 1");
  expect_mistake(number("golden.false"), "golden.false", "must be a number, found boolean");
  expect_mistake(number("golden.bytes"), "golden.bytes", "must be a number, found list");
  expect_mistake(flag("golden.u8"), "golden.u8", "true or false");
  expect_mistake(strings("golden.text"), "golden.text", "must be a list, found text");
  expect_mistake(strings("golden.bytes"), "golden.bytes", "list of texts, found a list of u8");
  expect_mistake(numbers("golden.texts"), "golden.texts", "list of numbers, found a list of text");
}

TEST(GgufTensors, ShapesAreOutermostFirst) {
  const TensorView& ramp = golden().at("ramp");
  EXPECT_EQ(ramp.shape, (std::vector<std::int64_t>{2, 3}));
  std::vector<float> values(6);
  widen(ramp, values);
  EXPECT_EQ(values, (std::vector<float>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(golden().at("other").shape, (std::vector<std::int64_t>{2, 3, 4}));
  EXPECT_EQ(golden().at("other").dtype, DType::f16);
  EXPECT_EQ(golden().tensors().size(), 2U);
  EXPECT_THAT([] { static_cast<void>(golden().at("w")); }, ThrowsMessage<Error>(HasSubstr("tensor w is missing")));
}

TEST(GgufTensors, ABigEndianFileIsNamedAsSuch) {
  EXPECT_THAT([] { Gguf{GYRE_TEST_DIR "/format/golden/big.gguf"}; },
              ThrowsMessage<Error>(AllOf(HasSubstr("big.gguf"), HasSubstr("big-endian"))));
}

TEST(WriteGguf, GivesBackWhatWasWritten) {
  const ScratchFolder scratch;
  const std::vector<float> wide = {1, 2, 3, 4, 5, 6};
  const std::vector<std::byte> blocks(2 * 144, std::byte{0x11});
  const std::vector<NamedTensor> tensors = {
      {"scalar", {DType::f32, {}, std::as_bytes(std::span(wide)).first(4)}},
      {"w", {DType::f32, {2, 3}, std::as_bytes(std::span(wide))}},
      {"empty", {DType::f16, {0, 3}, {}}},
      {"q", {DType::q4_k, {2, 256}, blocks}},
  };
  const std::vector<GgufEntry> metadata = {
      {"general.architecture", "gyre"},
      {"b", true},
      {"i", -5},
      {"u", 7U},
      {"l", std::int64_t{-1} << 40},
      {"ul", std::uint64_t{1} << 40},
      {"f", 0.1F},
      {"d", 0.1},
      {"texts", std::vector<std::string>{"x", ""}},
      {"wholes", std::vector<std::int32_t>{-1, 2}},
      {"floats", std::vector<float>{}},
  };
  write_gguf(scratch / "a.gguf", metadata, tensors);
  const Gguf file(scratch / "a.gguf");
  EXPECT_EQ(file.keys().size(), metadata.size());
  EXPECT_EQ(file.text("general.architecture"), "gyre");
  EXPECT_TRUE(file.boolean("b"));
  EXPECT_EQ(file.integer("i", -9, 9), -5);
  EXPECT_EQ(file.integer("u", -9, 9), 7);
  EXPECT_EQ(file.integer("l", INT64_MIN, 0), std::int64_t{-1} << 40);
  EXPECT_EQ(file.integer("ul", 0, INT64_MAX), std::int64_t{1} << 40);
  EXPECT_EQ(file.number("f", 0, 1), static_cast<double>(0.1F));
  EXPECT_EQ(file.number("d", 0, 1), 0.1);
  EXPECT_EQ(file.strings("texts"), (std::vector<std::string>{"x", ""}));
  EXPECT_EQ(file.numbers("wholes"), (std::vector<double>{-1, 2}));
  EXPECT_TRUE(file.numbers("floats").empty());
  ASSERT_EQ(file.tensors().size(), tensors.size());
  for (const auto& [name, tensor] : tensors) {
    const TensorView& read = file.at(name);
    EXPECT_EQ(read.dtype, tensor.dtype) << name;
    EXPECT_EQ(read.shape, tensor.shape) << name;
    EXPECT_TRUE(std::equal(read.bytes.begin(), read.bytes.end(), tensor.bytes.begin(), tensor.bytes.end())) << name;
    EXPECT_EQ(std::bit_cast<std::uintptr_t>(read.bytes.data()) % 32, 0U) << name;
  }
}

TEST(WriteGguf, AFileWithoutTensorsHasItsMetadata) {
  const ScratchFolder scratch;
  write_gguf(scratch / "a.gguf", std::vector<GgufEntry>{{"k", "v"}}, {});
  const Gguf file(scratch / "a.gguf");
  EXPECT_EQ(file.text("k"), "v");
  EXPECT_TRUE(file.tensors().empty());
}

TEST(WriteGguf, DataLongerThanAPieceIsWrittenWhole) {
  const ScratchFolder scratch;
  std::vector<float> values(700'001);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  const TensorView tensor{DType::f32, {static_cast<std::int64_t>(values.size())}, std::as_bytes(std::span(values))};
  write_gguf(scratch / "a.gguf", {}, std::vector<NamedTensor>{{"a", tensor}, {"b", tensor}});
  const Gguf file(scratch / "a.gguf");
  for (const std::string name : {"a", "b"}) {
    const std::span<const std::byte> read = file.at(name).bytes;
    EXPECT_TRUE(std::equal(read.begin(), read.end(), tensor.bytes.begin(), tensor.bytes.end())) << name;
  }
}

TEST(WriteGguf, RefusesWhatWouldNotBeReadAndLeavesNoFile) {
  const ScratchFolder scratch;
  const std::vector<std::byte> bytes(64);
  const auto expect_refused = [&](const std::vector<GgufEntry>& keys, const std::vector<NamedTensor>& tensors,
                                  const std::string& says) {
    EXPECT_THAT([&] { write_gguf(scratch / "a.gguf", keys, tensors); },
                ThrowsMessage<Error>(AllOf(HasSubstr((scratch / "a.gguf").string()), HasSubstr(says))));
    EXPECT_TRUE(std::filesystem::is_empty(scratch.path()));
  };
  expect_refused({{"k", 1}, {"k", 2}}, {}, "key k");
  expect_refused({{"general.alignment", 64U}}, {}, "general.alignment");
  expect_refused({{"a\nb", 1}}, {}, "key number 0");
  expect_refused({{"", 1}}, {}, "key number 0");
  expect_refused({{"k", "\xff"}}, {}, "key k");
  expect_refused({{"k", std::vector<std::string>{"a", "\xff"}}}, {}, "key k");
  expect_refused({}, {{"w\xff", {DType::f32, {16}, bytes}}}, "tensor number 0");
  const TensorView good{DType::f32, {16}, bytes};
  expect_refused({}, {{"w", good}, {"w", good}}, "tensor w");
  expect_refused({}, {{"w", {DType::f32, {15}, bytes}}}, "64 bytes do not fit shape [15] of F32");
  expect_refused({}, {{"w", {DType::f32, {-16}, bytes}}}, "do not fit");
  expect_refused({}, {{"w", {DType::q4_0, {16}, std::span(bytes).first(18)}}}, "do not fit shape [16] of Q4_0");
  expect_refused({}, {{"w", {DType::f32, {1, 1, 1, 1, 16}, bytes}}}, "4 axes");
}

}  // namespace
}  // namespace gyre::gguf_test
