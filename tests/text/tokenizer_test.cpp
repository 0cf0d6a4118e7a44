#include "text/tokenizer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "text/merge_training.hpp"
#include "text/merges.hpp"
#include "text/split_pattern.hpp"
#include "text/utf8.hpp"

namespace gyre::tokenizer_test {
namespace {

using Tokens = std::vector<std::int32_t>;

const char* const kStory =
    "Round and round the rugged rock the ragged rascal ran. It's what they've said: we'll see 10, 100, 1000 turns.\n"
    "\u0395\u03bb\u03bb\u03ac\u03b4\u03b1, \u041c\u043e\u0441\u043a\u0432\u0430, \u6771\u4eac, \u6771\u4eac\u90fd.  ";

std::string random_text(std::mt19937& random, int length) {
  const std::vector<std::pair<char32_t, char32_t>> ranges = {{0x00, 0x7F},     {0x20, 0x7E},       {0x80, 0x7FF},
                                                             {0x300, 0x36F},   {0x2000, 0x206F},   {0x4E00, 0x9FFF},
                                                             {0xE000, 0xFFFF}, {0x1F300, 0x1F9FF}, {0x10000, 0x10FFFF}};
  std::string text;
  for (int i = 0; i < length; ++i) {
    const auto& [least, most] = ranges[random() % ranges.size()];
    append_utf8(text, least + static_cast<char32_t>(random() % (most - least + 1)));
  }
  return text;
}

template <typename Action>
std::string error_of(Action action) {
  try {
    static_cast<void>(action());
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Tokenizer, RoundTripsAnyTextOverBytes) {
  const Tokenizer bytes = Tokenizer::bytes();
  const Tokenizer trained = Tokenizer::train_bpe(kStory, 400);
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    const std::string text = random_text(random, static_cast<int>(random() % 60));
    EXPECT_EQ(bytes.decode(bytes.encode(text)), text);
    EXPECT_EQ(bytes.encode(text).size(), text.size());
    EXPECT_EQ(trained.decode(trained.encode(text)), text);
  }
}

TEST(Tokenizer, RoundTripsEmojiAndCombiningMarks) {
  const std::string text =
      "\U0001F468\u200D\U0001F469\u200D\U0001F467 \U0001F44D\U0001F3FD \U0001F1EB\U0001F1EE e\u0301";
  for (const Tokenizer& tokenizer :
       {Tokenizer::bytes(), Tokenizer::characters(text), Tokenizer::train_bpe(text, 300)}) {
    EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), text);
  }
}

TEST(Tokenizer, EmptyTextHasNoTokens) {
  EXPECT_TRUE(Tokenizer::bytes().encode("").empty());
  EXPECT_TRUE(Tokenizer::characters("a").encode("").empty());
  EXPECT_TRUE(Tokenizer::train_bpe("", 300).encode("").empty());
}

TEST(Tokenizer, BytesAreTrainingWithoutMerges) {
  const Tokenizer bytes = Tokenizer::bytes();
  const Tokenizer trained = Tokenizer::train_bpe(kStory, 256);
  ASSERT_EQ(bytes.size(), 256);
  ASSERT_EQ(trained.size(), 256);
  for (std::int32_t id = 0; id < 256; ++id) EXPECT_EQ(bytes.piece(id), trained.piece(id));
  EXPECT_EQ(bytes.encode("!\"a"), (Tokens{0, 1, 64})) << "the order of GPT-2";
}

TEST(Tokenizer, CharactersAreOrderedByCodePoint) {
  const Tokenizer tokenizer = Tokenizer::characters("b\U0001F44Da\u6771\na");
  EXPECT_EQ(tokenizer.size(), 5);
  EXPECT_EQ(tokenizer.encode("\nab\u6771\U0001F44D"), (Tokens{0, 1, 2, 3, 4}));
  EXPECT_EQ(tokenizer.piece(3), "\u6771");
}

TEST(Tokenizer, ACharacterOutsideTheVocabularyIsNamedWithItsOffset) {
  const Tokenizer tokenizer = Tokenizer::characters("abc");
  EXPECT_EQ(error_of([&] { return tokenizer.encode("ab\u00e9"); }),
            "the character \"\u00e9\" (U+00E9) at offset 2 is not in the vocabulary of 3 tokens; leave it out, or use "
            "another tokenizer");
  EXPECT_EQ(error_of([&] { return tokenizer.encode("a\n"); }).substr(0, 32), "the character U+000A at offset 1");
}

TEST(Tokenizer, RefusesTextThatIsNotUtf8) {
  const std::string expected = "text: byte 0xff at offset 1 is not UTF-8; give UTF-8 text";
  EXPECT_EQ(error_of([] { return Tokenizer::bytes().encode("a\xFF"); }), expected);
  EXPECT_THROW(Tokenizer::characters("a\xFF"), Error);
  EXPECT_THROW(Tokenizer::train_bpe("a\xFF", 300), Error);
}

TEST(Tokenizer, RefusesWrongSizesAndTokens) {
  EXPECT_EQ(error_of([] { return Tokenizer::train_bpe("text", 255); }),
            "vocab_size is 255; a byte-level vocabulary has at least 256 tokens");
  EXPECT_THROW(Tokenizer::characters(""), Error);
  const Tokenizer tokenizer = Tokenizer::bytes();
  EXPECT_EQ(error_of([&] {
              return tokenizer.decode(Tokens{1, 256});
            }),
            "token 256 is outside the vocabulary; its ids are 0 to 255");
  EXPECT_THROW(static_cast<void>(tokenizer.piece(-1)), Error);
}

TEST(Tokenizer, TrainingStopsWhenNoPairIsLeft) {
  const Tokenizer tokenizer = Tokenizer::train_bpe("abcd", 1000);
  EXPECT_EQ(tokenizer.size(), 256 + 3);
  EXPECT_EQ(tokenizer.encode("abcd"), (Tokens{258}));
}

/// Merging as it is defined: look at every pair, take the lowest rank, of equals the leftmost, and start again.
void merge_slowly(const std::vector<Merge>& merges, Tokens& tokens) {
  while (true) {
    std::size_t best_rank = merges.size();
    std::size_t best_at = 0;
    for (std::size_t at = 0; at + 1 < tokens.size(); ++at) {
      for (std::size_t rank = 0; rank < best_rank; ++rank) {
        if (merges[rank].left != tokens[at] || merges[rank].right != tokens[at + 1]) continue;
        best_rank = rank;
        best_at = at;
      }
    }
    if (best_rank == merges.size()) return;
    tokens[best_at] = merges[best_rank].result;
    tokens.erase(tokens.begin() + static_cast<std::ptrdiff_t>(best_at) + 1);
  }
}

TEST(MergeTable, AgreesWithMergingByDefinition) {
  std::mt19937 random(11);
  for (int round = 0; round < 300; ++round) {
    // Results may be any earlier or later token, so that merges can also bring back pairs of lower rank.
    std::map<std::pair<int, int>, int> chosen;
    for (int i = 0; i < 12; ++i) {
      chosen[{static_cast<int>(random() % 8), static_cast<int>(random() % 8)}] = static_cast<int>(random() % 8);
    }
    std::vector<Merge> merges;
    for (const auto& [pair, result] : chosen) merges.push_back({pair.first, pair.second, result});
    std::shuffle(merges.begin(), merges.end(), random);
    Tokens fast;
    for (std::size_t i = random() % 80; i > 0; --i) fast.push_back(static_cast<std::int32_t>(random() % 4));
    Tokens slow = fast;
    MergeTable(merges).apply(fast);
    merge_slowly(merges, slow);
    ASSERT_EQ(fast, slow) << "round " << round;
  }
}

TEST(MergeTraining, EachMergeIsTheMostFrequentPairOfItsTime) {
  std::mt19937 random(13);
  for (int round = 0; round < 30; ++round) {
    std::vector<std::string> texts;
    for (int i = 0; i < 40; ++i) {
      std::string& text = texts.emplace_back();
      for (std::size_t n = 1 + random() % 9; n > 0; --n) text.push_back(static_cast<char>('a' + random() % 3));
    }
    const std::vector<std::string_view> words(texts.begin(), texts.end());
    const std::vector<std::uint8_t> alphabet = {'a', 'b', 'c'};
    const TrainedMerges trained = train_merges(words, alphabet, 20);
    std::vector<Tokens> tokens;
    for (const std::string& text : texts) {
      for (Tokens& word = tokens.emplace_back(); const char letter : text) word.push_back(letter - 'a');
    }
    for (const Merge& merge : trained.merges) {
      std::map<std::pair<int, int>, int> counts;
      for (const Tokens& word : tokens) {
        for (std::size_t i = 1; i < word.size(); ++i) ++counts[{word[i - 1], word[i]}];
      }
      const auto best = std::max_element(
          counts.begin(), counts.end(), [](const auto& left, const auto& right) { return left.second < right.second; });
      ASSERT_EQ(std::pair(merge.left, merge.right), best->first) << "round " << round;
      for (Tokens& word : tokens) merge_slowly({merge}, word);
    }
  }
}

using Pieces = std::vector<std::string_view>;

Pieces pieces_of(const SplitPattern& pattern, std::string_view text) {
  Pieces pieces;
  pattern.split(text, pieces);
  return pieces;
}

TEST(SplitPattern, PiecesJoinToTheTextAndNoneIsEmpty) {
  std::mt19937 random(17);
  for (const std::string_view regex : {kGpt2Pattern, std::string_view("x*"), std::string_view(""),
                                       std::string_view("(?=a)"), std::string_view("b|(?<=a)")}) {
    const SplitPattern pattern(std::string(regex), "test");
    for (int round = 0; round < 50; ++round) {
      const std::string text = random_text(random, 30) + "aabxxa";
      std::string joined;
      for (const std::string_view piece : pieces_of(pattern, text)) {
        EXPECT_FALSE(piece.empty());
        joined += piece;
      }
      EXPECT_EQ(joined, text) << regex;
    }
  }
}

TEST(SplitPattern, CutsWordsAsGpt2Does) {
  const SplitPattern pattern(std::string(kGpt2Pattern), "test");
  const Pieces expected{"It", "'s", " ", " 10", " caf\u00e9s", "!?", "\n\n", " end", " "};
  EXPECT_EQ(pieces_of(pattern, "It's  10 caf\u00e9s!?\n\n end "), expected);
}

TEST(SplitPattern, BehaviorsSayWhatBecomesOfMatches) {
  const auto cut = [](SplitBehavior behavior, bool invert) {
    return pieces_of(SplitPattern("-", "test", behavior, invert), "-a--b");
  };
  EXPECT_EQ(cut(SplitBehavior::isolated, false), (Pieces{"-", "a", "-", "-", "b"}));
  EXPECT_EQ(cut(SplitBehavior::removed, false), (Pieces{"a", "b"}));
  EXPECT_EQ(cut(SplitBehavior::removed, true), (Pieces{"-", "-", "-"}));
  EXPECT_EQ(cut(SplitBehavior::contiguous, false), (Pieces{"-", "a", "--", "b"}));
  EXPECT_EQ(cut(SplitBehavior::merged_with_previous, false), (Pieces{"-", "a-", "-", "b"}));
  EXPECT_EQ(cut(SplitBehavior::merged_with_next, false), (Pieces{"-a", "-", "-b"}));
}

TEST(SplitPattern, AFormerSpaceIsNoSpace) {
  EXPECT_EQ(pieces_of(SplitPattern(R"([^\s]+|\s)", "test"), "a\u180Eb c"), (Pieces{"a\u180Eb", " ", "c"}));
}

TEST(SplitPattern, ReadsTheDialectOfOniguruma) {
  EXPECT_EQ(pieces_of(SplitPattern("[a-z&&[^b]]+", "test"), "xbbay"), (Pieces{"x", "bb", "ay"}));
  EXPECT_EQ(pieces_of(SplitPattern("a{,2}b", "test"), "aaab"), (Pieces{"a", "aab"}));
  EXPECT_EQ(pieces_of(SplitPattern(R"(\u65e5+)", "test"), "日日x"), (Pieces{"日日", "x"}));
  EXPECT_EQ(pieces_of(SplitPattern(R"(\p{Han})", "test"), "日、a"), (Pieces{"日", "、a"}));
  EXPECT_EQ(pieces_of(SplitPattern("[[:punct:]]", "test"), "a$b!"), (Pieces{"a", "$", "b", "!"}));
  EXPECT_EQ(pieces_of(SplitPattern("[^[:^punct:]]", "test"), "a$b!"), (Pieces{"a", "$", "b", "!"}));
  EXPECT_EQ(pieces_of(SplitPattern(R"(\R*)", "test"), "a\nb\r\n\nc"), (Pieces{"a", "\n", "b", "\r\n\n", "c"}));
  EXPECT_EQ(pieces_of(SplitPattern(R"(\\R[\R])", "test"), "x\\RRy"), (Pieces{"x", "\\RR", "y"}));
  EXPECT_EQ(error_of([] { return SplitPattern("a(", "here"); }),
            "here: the pattern does not compile: end pattern with unmatched parenthesis");
}

TEST(SplitPattern, AMatchIsFoundHoweverFarItIsAndHoweverOftenTheSearchGoesBack) {
  const std::string far(100'000, 'x');
  EXPECT_EQ(pieces_of(SplitPattern("ab", "test"), far + "ab" + far), (Pieces{far, "ab", far}));
  const std::string spaces(30'000, ' ');
  EXPECT_EQ(pieces_of(SplitPattern(R"(\s*\n|\s+)", "test"), "a" + spaces + "b"), (Pieces{"a", spaces, "b"}));
  EXPECT_EQ(pieces_of(SplitPattern("\u00e9+$", "test"), far + "\u00e9\u00e9"), (Pieces{far, "\u00e9\u00e9"}));
}

TEST(SplitPattern, WhereASearchBeganIsTheStartOfTheText) {
  const std::string far(3000, 'x');
  EXPECT_EQ(pieces_of(SplitPattern(R"(\Gx|b)", "test"), "a" + far + "b"), (Pieces{"a" + far, "b"}));
}

TEST(SplitPattern, AMatchOfNothingCutsButNotRightBehindAnother) {
  EXPECT_EQ(pieces_of(SplitPattern("x*", "test"), "axxb"), (Pieces{"a", "xx", "b"}));
  // At the end too, where it joins nothing but parts what is merged.
  EXPECT_EQ(pieces_of(SplitPattern("(?=b)", "test", SplitBehavior::merged_with_previous), "abab"),
            (Pieces{"a", "ba", "b"}));
}

TEST(SplitPattern, APatternThatNeverEndsIsAnError) {
  const SplitPattern pattern("(?:a|aa)+bc", "test");
  const std::string text(200, 'a');
  EXPECT_THROW(static_cast<void>(pieces_of(pattern, text + "b bc")), Error);
}

}  // namespace
}  // namespace gyre::tokenizer_test
