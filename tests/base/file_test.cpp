#include "base/file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <stdexcept>

#include "base/error.hpp"
#include "scratch_folder.hpp"

namespace gyre::file_test {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

std::size_t entries(const fs::path& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

TEST(MappedFile, ShowsTheBytesAndKeepsTheirAddressWhenMoved) {
  const ScratchFolder scratch;
  write_text_atomically(scratch / "a", "hello");
  MappedFile file(scratch / "a");
  const void* address = file.bytes().data();
  const MappedFile moved = std::move(file);
  EXPECT_EQ(moved.text(), "hello");
  EXPECT_EQ(moved.bytes().data(), address);
}

TEST(MappedFile, OfAnEmptyFileIsEmpty) {
  const ScratchFolder scratch;
  write_text_atomically(scratch / "empty", "");
  EXPECT_TRUE(MappedFile(scratch / "empty").text().empty());
  EXPECT_EQ(read_text(scratch / "empty"), "");
}

TEST(MappedFile, NamesAFileThatIsMissingOrNoFile) {
  const ScratchFolder scratch;
  EXPECT_THAT([&] { MappedFile(scratch / "none"); }, ThrowsMessage<Error>(HasSubstr((scratch / "none").string())));
  EXPECT_THAT([&] { MappedFile(scratch / "."); }, ThrowsMessage<Error>(HasSubstr("not a regular file")));
  EXPECT_THAT([] { MappedFile("/dev/null"); }, ThrowsMessage<Error>(HasSubstr("/dev/null")));
}

TEST(FileWriter, FailsLoudlyOnAFullDisk) {
  const auto fill = [] {
    FileWriter writer("/dev/full");
    writer.write("text");
    writer.finish();
  };
  EXPECT_THAT(fill, ThrowsMessage<Error>(AllOf(HasSubstr("/dev/full"), HasSubstr("No space"))));
}

TEST(FileWriter, FailsWhileWritingWhenTheBufferIsFull) {
  FileWriter writer("/dev/full");
  const std::string much(std::size_t{2} << 20, 'x');
  EXPECT_THAT([&] { writer.write(much); }, ThrowsMessage<Error>(HasSubstr("/dev/full")));
}

TEST(FileWriter, WritesMoreThanItsBuffer) {
  const ScratchFolder scratch;
  const std::string much((std::size_t{3} << 20) + 17, 'x');
  write_file_atomically(scratch / "much", [&](FileWriter& writer) {
    writer.write("a");
    writer.write(much);
    writer.write("b");
  });
  EXPECT_EQ(read_text(scratch / "much"), "a" + much + "b");
}

TEST(FileWriter, KeepsTheOrderOfSmallAndLargePieces) {
  const ScratchFolder scratch;
  constexpr std::size_t kBuffer = std::size_t{1} << 20;
  std::string wanted;
  write_file_atomically(scratch / "mixed", [&](FileWriter& writer) {
    char mark = 'a';
    for (const std::size_t size : {std::size_t{1}, kBuffer - 1, kBuffer, std::size_t{0}, kBuffer + 1, std::size_t{7},
                                   kBuffer - 8, std::size_t{1}, 3 * kBuffer}) {
      const std::string piece(size, mark++);
      writer.write(piece);
      wanted += piece;
    }
  });
  EXPECT_TRUE(read_text(scratch / "mixed") == wanted);  // no message of megabytes
}

TEST(FileWriter, HandsOverALargePieceFromWhereItLies) {
  // Bytes that nobody may read, for a file that does not look at them: a copy would end this program.
  constexpr std::size_t kSize = std::size_t{1} << 30;
  void* const pages = ::mmap(nullptr, kSize, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  ASSERT_NE(pages, MAP_FAILED);
  FileWriter writer("/dev/null");
  writer.write("small");
  writer.write(std::span(static_cast<const std::byte*>(pages), kSize));
  writer.finish();
  ::munmap(pages, kSize);
}

TEST(WriteFileAtomically, LeavesTheOldFileAndNothingElseWhenItFails) {
  const ScratchFolder scratch;
  write_text_atomically(scratch / "a", "old");
  const auto fail = [&] {
    write_file_atomically(scratch / "a", [](FileWriter& writer) {
      writer.write("new");
      throw std::runtime_error("broken");
    });
  };
  EXPECT_THROW(fail(), std::runtime_error);
  EXPECT_EQ(read_text(scratch / "a"), "old");
  EXPECT_EQ(entries(scratch / "."), 1U);
  write_text_atomically(scratch / "a", "new");
  EXPECT_EQ(read_text(scratch / "a"), "new");
}

TEST(WriteFileAtomically, NamesTheFolderThatIsMissing) {
  const ScratchFolder scratch;
  EXPECT_THAT([&] { write_text_atomically(scratch / "no" / "a", "x"); },
              ThrowsMessage<Error>(HasSubstr((scratch / "no").string())));
}

TEST(WriteFolderAtomically, ReplacesTheWholeFolder) {
  const ScratchFolder scratch;
  for (const std::string name : {"first", "second"}) {
    write_folder_atomically(scratch / "out", [&](const fs::path& folder) {
      write_text_atomically(folder / name, name);
      EXPECT_EQ(fs::exists(scratch / "out" / "first"), name == "second");  // the old one stays until the new is whole
    });
  }
  EXPECT_FALSE(fs::exists(scratch / "out" / "first"));
  EXPECT_EQ(read_text(scratch / "out" / "second"), "second");
  EXPECT_EQ(entries(scratch / "."), 1U);
}

TEST(WriteFolderAtomically, LeavesTheOldFolderWhenItFails) {
  const ScratchFolder scratch;
  const auto write = [&](const std::string& text, bool fail) {
    write_folder_atomically(scratch / "out", [&](const fs::path& folder) {
      write_text_atomically(folder / "a", text);
      if (fail) throw std::runtime_error("broken");
    });
  };
  write("old", false);
  EXPECT_THROW(write("new", true), std::runtime_error);
  EXPECT_EQ(read_text(scratch / "out" / "a"), "old");
  EXPECT_EQ(entries(scratch / "."), 1U);
}

TEST(WriteFolderAtomically, MakesTheFoldersAbove) {
  const ScratchFolder scratch;
  write_folder_atomically(scratch / "a" / "b" / "c",
                          [](const fs::path& folder) { write_text_atomically(folder / "x", "1"); });
  EXPECT_EQ(read_text(scratch / "a" / "b" / "c" / "x"), "1");
}

}  // namespace
}  // namespace gyre::file_test
