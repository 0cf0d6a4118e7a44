#include "study/measured_text.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "scratch_folder.hpp"
#include "study/tokenizer_with_prefix.hpp"
#include "text/corpus.hpp"

namespace gyre::measured_text_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::ThrowsMessage;

TEST(PartOfDocuments, IsCutAsOneTextWouldBe) {
  const std::vector<std::string> documents = {"abcd", "efgh", "ij"};
  EXPECT_EQ(part_of_documents(documents, TextPart::all, 0.5), documents);
  // Ten bytes: the last three validate.
  EXPECT_THAT(part_of_documents(documents, TextPart::training, 0.3), ElementsAre("abcd", "efg"));
  EXPECT_THAT(part_of_documents(documents, TextPart::validation, 0.3), ElementsAre("h", "ij"));
  EXPECT_THAT(part_of_documents(documents, TextPart::training, 0.2), ElementsAre("abcd", "efgh"));
  EXPECT_THAT(part_of_documents(documents, TextPart::validation, 0.2), ElementsAre("ij"));
  EXPECT_THAT(part_of_documents(documents, TextPart::validation, 1), ElementsAre("abcd", "efgh", "ij"));
}

TEST(PartOfDocuments, OfOneFileIsThatOfItsText) {
  const std::string text = "äöü and more of it";
  for (const double share : {0.1, 0.5, 0.9}) {
    const TextSplit split = split_text(text, share);
    EXPECT_THAT(part_of_documents({text}, TextPart::training, share), ElementsAre(split.training));
    EXPECT_THAT(part_of_documents({text}, TextPart::validation, share), ElementsAre(split.validation));
  }
}

TEST(PartOfDocuments, MayNotBeEmpty) {
  EXPECT_THAT([] { part_of_documents({"abc"}, TextPart::validation, 0); },
              ThrowsMessage<Error>(HasSubstr("the part validation")));
  EXPECT_THAT([] { part_of_documents({"abc"}, TextPart::training, 1); },
              ThrowsMessage<Error>(HasSubstr("the part train")));
}

TEST(TokeniseDocuments, TakesSoManyTokensAtMost) {
  const Tokenizer tokenizer = Tokenizer::characters("abcdef");
  const MeasuredText all = tokenise_documents({"abc", "de"}, tokenizer, 100);
  EXPECT_THAT(all.documents, ElementsAre(ElementsAre(0, 1, 2), ElementsAre(3, 4)));
  EXPECT_THAT(all.prefix, IsEmpty());
  EXPECT_EQ(all.size(), 5U);
  EXPECT_THAT(tokenise_documents({"abc", "de"}, tokenizer, 4).documents,
              ElementsAre(ElementsAre(0, 1, 2), ElementsAre(3)));
  EXPECT_THAT(tokenise_documents({"abc", "de"}, tokenizer, 3).documents, ElementsAre(ElementsAre(0, 1, 2)));
}

TEST(TokeniseDocuments, KnowsWhatBeginsATextAndTakesItNoSecondTime) {
  const Tokenizer tokenizer = tokenizer_with_prefix();
  const MeasuredText text = tokenise_documents({"ab", "<s>ab", "a<s>b", "<s><s>a"}, tokenizer, 100);
  EXPECT_THAT(text.prefix, ElementsAre(16));
  EXPECT_THAT(text.documents,
              ElementsAre(ElementsAre(1, 2), ElementsAre(1, 2), ElementsAre(1, 16, 2), ElementsAre(16, 1)));
}

TEST(ReadDocuments, AreTheFilesOfAFolderInTheOrderOfTheirPaths) {
  const ScratchFolder folder;
  write_text_atomically(folder / "b.txt", "second");
  write_text_atomically(folder / "a.txt", "first");
  write_text_atomically(folder / "empty.txt", "");
  write_text_atomically(folder / "c.md", "no text");
  EXPECT_THAT(read_documents(folder / "."), ElementsAre("first", "second"));
  EXPECT_EQ(read_corpus(folder / "."), "firstsecond");
  EXPECT_THAT(read_documents(folder / "c.md"), ElementsAre("no text"));
  EXPECT_THROW(read_documents(folder / "empty.txt"), Error);
}

}  // namespace
}  // namespace gyre::measured_text_test
