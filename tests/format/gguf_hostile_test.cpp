#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "base/error.hpp"
#include "format/gguf.hpp"
#include "format/gguf_bytes.hpp"
#include "scratch_folder.hpp"

namespace gyre::gguf_hostile_test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

constexpr std::uint32_t kU32 = 4;
constexpr std::uint32_t kText = 8;
constexpr std::uint32_t kList = 9;
constexpr std::uint32_t kF32 = 0;
constexpr std::uint32_t kQ4K = 12;

class HostileGguf : public ::testing::Test {
 protected:
  [[nodiscard]] std::filesystem::path path() const { return scratch_ / "a.gguf"; }

  // Not atomically: syncing the disk for each of a thousand files would take long.
  void write(const std::string& bytes) const { std::ofstream(path(), std::ios::binary) << bytes; }

  void expect_refused(const GgufBytes& file, const std::string& says) const {
    write(file.whole());
    EXPECT_THAT([&] { Gguf{path()}; }, ThrowsMessage<Error>(AllOf(HasSubstr(path().string()), HasSubstr(says))))
        << says;
  }

  /// A file with one tensor of 16 floats and keys of several kinds.
  [[nodiscard]] static GgufBytes sound() {
    GgufBytes file;
    file.keys = {GgufBytes::key("u", kU32, GgufBytes::number(5U)), GgufBytes::key("t", kText, GgufBytes::text("abc")),
                 GgufBytes::key("l", kList, GgufBytes::list(kText, 2, GgufBytes::text("x") + GgufBytes::text("yz"))),
                 GgufBytes::key("n", kList, GgufBytes::list(kU32, 2, GgufBytes::number(std::uint64_t{1})))};
    file.tensors = {GgufBytes::tensor("w", {8, 2}, kF32, 0)};
    file.data = std::string(64, '\1');
    return file;
  }

  /// `sound()` with one tensor entry in place of its own.
  [[nodiscard]] static GgufBytes with_tensor(const std::string& entry) {
    GgufBytes file = sound();
    file.tensors = {entry};
    return file;
  }

  [[nodiscard]] static GgufBytes with_key(const std::string& entry) {
    GgufBytes file = sound();
    file.keys.push_back(entry);
    return file;
  }

  /// Everything a program might ask of a file that was accepted.
  static void use(const Gguf& file) {
    for (const auto& [name, tensor] : file.tensors()) {
      std::vector<float> out(tensor.element_count());
      widen(tensor, out);
      static_cast<void>(is_finite(tensor));
    }
    for (const std::string& key : file.keys()) {
      const auto attempt = [](const auto& read) {
        try {
          static_cast<void>(read());
        } catch (const Error&) {
          // The only way to refuse it.
        }
      };
      attempt([&] { return file.text(key); });
      attempt([&] { return file.integer(key, 0, 9); });
      attempt([&] { return file.number(key, 0, 9); });
      attempt([&] { return file.boolean(key); });
      attempt([&] { return file.strings(key); });
      attempt([&] { return file.numbers(key); });
    }
  }

  ScratchFolder scratch_;
};

TEST_F(HostileGguf, TheSoundOneIsReadInBothVersions) {
  GgufBytes file = sound();
  for (const std::uint32_t version : {2U, 3U}) {
    file.version = version;
    write(file.whole());
    const Gguf read(path());
    EXPECT_EQ(read.at("w").shape, (std::vector<std::int64_t>{2, 8}));
    EXPECT_EQ(read.integer("u", 0, 9), 5);
    EXPECT_EQ(read.strings("l"), (std::vector<std::string>{"x", "yz"}));
  }
}

TEST_F(HostileGguf, CutShortAnywhereIsRefused) {
  const std::string whole = sound().whole();
  for (std::size_t length = 0; length < whole.size(); ++length) {
    write(whole.substr(0, length));
    EXPECT_THAT([&] { Gguf{path()}; }, ThrowsMessage<Error>(HasSubstr(path().string()))) << length;
  }
}

TEST_F(HostileGguf, AnyByteMayBeWrongWithoutACrash) {
  const std::string whole = sound().whole();
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const char byte : {'\0', '\1', '\x09', '\x7f', '\xff'}) {
      std::string broken = whole;
      broken[at] = byte;
      write(broken);
      try {
        use(Gguf(path()));
      } catch (const Error& error) {
        EXPECT_THAT(error.what(), AllOf(HasSubstr(path().string()), ::testing::Not(HasSubstr("\n"))));
      }
    }
  }
}

TEST_F(HostileGguf, OtherMagicVersionsAndByteOrdersAreRefused) {
  GgufBytes file = sound();
  file.magic = "GGML";
  expect_refused(file, "not a GGUF file");
  file.magic = "FUGG";
  expect_refused(file, "not a GGUF file");
  file.magic = "GGUF";
  file.version = 1;
  expect_refused(file, "version 1; gyre reads 2 and 3");
  file.version = 4;
  expect_refused(file, "version 4");
  file.version = 0x03000000;
  expect_refused(file, "big-endian");
  file.version = 0;
  expect_refused(file, "version 0");
}

TEST_F(HostileGguf, CountsBeyondTheFileAreRefused) {
  for (const std::uint64_t count : {std::uint64_t{100}, std::uint64_t{1} << 32, std::uint64_t{1} << 63}) {
    GgufBytes file = sound();
    file.key_count = count;
    expect_refused(file, "damaged");
    file = sound();
    file.tensor_count = count;
    expect_refused(file, "damaged");
    for (const std::uint32_t element : {0U, kU32, kText, 12U}) {
      expect_refused(with_key(GgufBytes::key("k", kList, GgufBytes::list(element, count, ""))), "damaged");
    }
    expect_refused(with_key(GgufBytes::text("k") + GgufBytes::number(kText) + GgufBytes::number(count)), "damaged");
    expect_refused(with_key(GgufBytes::number(count)), "damaged");
  }
}

TEST_F(HostileGguf, NamesThatCannotBeShownAreRefused) {
  for (const std::string& name :
       std::vector<std::string>{"", "\xff", "a\xc3", "a\nb", std::string("a\0b", 3), "\x7f", std::string(70000, 'k')}) {
    expect_refused(with_key(GgufBytes::key(name, kU32, GgufBytes::number(1U))), "key number 4 has a name");
    expect_refused(with_tensor(GgufBytes::tensor(name, {8, 2}, kF32, 0)), "tensor number 0 has a name");
  }
}

TEST_F(HostileGguf, TextsThatAreNotUtf8AreRefusedWhenAskedFor) {
  GgufBytes file = sound();
  file.keys = {GgufBytes::key("t", kText, GgufBytes::text("a\xff")),
               GgufBytes::key("l", kList, GgufBytes::list(kText, 2, GgufBytes::text("x") + GgufBytes::text("\xc3")))};
  write(file.whole());
  const Gguf read(path());
  EXPECT_THAT([&] { static_cast<void>(read.text("t")); }, ThrowsMessage<Error>(HasSubstr("t is not valid UTF-8")));
  EXPECT_THAT([&] { static_cast<void>(read.strings("l")); }, ThrowsMessage<Error>(HasSubstr("text number 1 is not")));
}

TEST_F(HostileGguf, NamesGivenTwiceAreRefused) {
  expect_refused(with_key(GgufBytes::key("u", kU32, GgufBytes::number(1U))), "the key u is there twice");
  GgufBytes file = sound();
  file.tensors = {GgufBytes::tensor("w", {8}, kF32, 0), GgufBytes::tensor("w", {8}, kF32, 32)};
  expect_refused(file, "tensor w is there twice");
}

TEST_F(HostileGguf, UnknownTypesAreRefused) {
  expect_refused(with_key(GgufBytes::key("k", 13, "0000")), "k is of the unknown type 13");
  expect_refused(with_key(GgufBytes::key("k", kList, GgufBytes::list(99, 1, "0000"))), "unknown type 99");
  for (const auto& [number, name] : std::vector<std::pair<std::uint32_t, std::string>>{{9, "type Q8_1"},
                                                                                       {16, "type IQ2_XXS"},
                                                                                       {19, "type IQ1_S"},
                                                                                       {28, "type F64"},
                                                                                       {4, "number 4"},
                                                                                       {9999, "9999"}}) {
    const GgufBytes file = with_tensor(GgufBytes::tensor("w", {8, 2}, number, 0));
    expect_refused(file, "tensor w is of type");
    expect_refused(file, name);
    expect_refused(
        file,
        "gyre reads F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL, IQ4_XS, TQ2_0");
  }
}

TEST_F(HostileGguf, ListsInListsAreReadPastButNotForEver) {
  std::string inner = GgufBytes::list(kU32, 1, GgufBytes::number(7U));
  write(with_key(GgufBytes::key("k", kList, GgufBytes::list(kList, 1, inner))).whole());
  const Gguf read(path());
  EXPECT_EQ(read.integer("u", 0, 9), 5);
  EXPECT_THAT([&] { static_cast<void>(read.numbers("k")); }, ThrowsMessage<Error>(HasSubstr("found a list of list")));
  for (int depth = 0; depth < 1000; ++depth) inner = GgufBytes::list(kList, 1, inner);
  expect_refused(with_key(GgufBytes::key("k", kList, inner)), "too deep");
}

TEST_F(HostileGguf, ABooleanIsZeroOrOne) {
  write(with_key(GgufBytes::key("b", 7, "\x02")).whole());
  const Gguf read(path());
  EXPECT_THAT([&] { static_cast<void>(read.boolean("b")); },
              ThrowsMessage<Error>(HasSubstr("b must be true or false")));
}

TEST_F(HostileGguf, ShapesThatDoNotFitTheDataAreRefused) {
  const auto refused = [&](const std::vector<std::uint64_t>& sizes, const std::string& says,
                           std::uint32_t type = kF32) {
    const GgufBytes file = with_tensor(GgufBytes::tensor("w", sizes, type, 0));
    expect_refused(file, "tensor w");
    expect_refused(file, says);
  };
  refused({8, 3}, "beyond");
  refused({UINT64_MAX}, "no size");
  refused({(std::uint64_t{1} << 40) + 1}, "no size");
  refused({std::uint64_t{1} << 32, std::uint64_t{1} << 32}, "beyond");        // 2^64 numbers
  refused({std::uint64_t{1} << 31, std::uint64_t{1} << 31}, "beyond");        // 2^64 bytes
  refused({0, std::uint64_t{1} << 40, std::uint64_t{1} << 40}, "beyond", 1);  // overflows before the zero
  refused({1, 1, 1, 1, 1}, "5 axes");
  refused({1, 1, 1, 1, 1}, "the most are 4");
  refused({128}, "no whole number of Q4_K blocks of 256", kQ4K);
  refused({128, 2}, "rows of 128 numbers", kQ4K);
  GgufBytes many = sound();
  many.tensors = {GgufBytes::text("w") + GgufBytes::number(UINT32_MAX) + std::string(64, '\0')};
  expect_refused(many, "4294967295 axes");
}

TEST_F(HostileGguf, OffsetsOutsideTheDataAreRefused) {
  expect_refused(with_tensor(GgufBytes::tensor("w", {8, 2}, kF32, 32)), "beyond");
  expect_refused(with_tensor(GgufBytes::tensor("w", {8, 2}, kF32, 16)), "no multiple of 32");
  expect_refused(with_tensor(GgufBytes::tensor("w", {8, 2}, kF32, UINT64_MAX - 31)), "beyond");
  expect_refused(with_tensor(GgufBytes::tensor("w", {8, 2}, kF32, std::uint64_t{1} << 63)), "beyond");
}

TEST_F(HostileGguf, TensorsThatShareBytesAreRefused) {
  GgufBytes file = sound();
  file.tensors = {GgufBytes::tensor("v", {16}, kF32, 0), GgufBytes::tensor("w", {8}, kF32, 32)};
  expect_refused(file, "tensor w shares bytes with tensor v");
  file.tensors = {GgufBytes::tensor("v", {8}, kF32, 0), GgufBytes::tensor("w", {8}, kF32, 0)};
  expect_refused(file, "shares bytes");
  file.tensors = {GgufBytes::tensor("v", {8}, kF32, 32), GgufBytes::tensor("w", {8}, kF32, 0)};
  write(file.whole());
  EXPECT_EQ(Gguf(path()).tensors().size(), 2U);
}

TEST_F(HostileGguf, TheAlignmentMustBeAPowerOfTwo) {
  GgufBytes file = sound();
  file.alignment = 64;
  const auto align = [](std::uint32_t alignment) {
    return GgufBytes::key("general.alignment", kU32, GgufBytes::number(alignment));
  };
  file.keys = {align(64)};
  write(file.whole());
  EXPECT_EQ(Gguf(path()).at("w").element_count(), 16U);
  file.keys = {align(0)};
  expect_refused(file, "general.alignment is 0");
  file.keys = {align(48)};
  expect_refused(file, "power of two");
  file.keys = {align(UINT32_MAX)};
  expect_refused(file, "general.alignment");
  file.keys = {align(std::uint32_t{1} << 30)};
  expect_refused(file, "cut short");
  file.keys = {GgufBytes::key("general.alignment", kText, GgufBytes::text("32"))};
  expect_refused(file, "whole number, found text");
}

}  // namespace
}  // namespace gyre::gguf_hostile_test
