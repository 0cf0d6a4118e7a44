#include "engine/kv_cache.hpp"

#include <gtest/gtest.h>

#include <map>

#include "base/random.hpp"
#include "model_folder.hpp"

namespace gyre::kv_cache_test {
namespace {

/// One looped group of one layer, two heads of four numbers.
ModelSpec one_group() {
  ModelSpec spec = small_spec();
  spec.groups = {spec.groups[1]};
  spec.groups[0].layers = 1;
  spec.groups[0].loops = 4;
  return spec;
}

/// A cache and, beside it, what every token wrote in every loop, number by number.
class Journal {
 public:
  explicit Journal(const std::string& policy, int loops = 4)
      : spec_(one_group()), cache_(spec_, {loops}, 100, parse_kv_policy(policy, "--kv")), loops_(loops) {}
  Journal(const Journal& other)
      : spec_(other.spec_), cache_(other.cache_.fork()), loops_(other.loops_), tokens_(other.tokens_) {}

  /// Tokens that go in together, each as deep as told.
  void add(const std::vector<int>& depths) {
    const std::size_t first = tokens_.size();
    for (const int depth : depths) tokens_.push_back({depth, {}});
    for (int loop = 0; loop < loops_; ++loop) {
      for (std::size_t t = 0; t < depths.size(); ++t) {
        if (depths[t] > loop) cache_.open(0, loop, static_cast<int>(t));
      }
      for (std::size_t t = 0; t < depths.size(); ++t) {
        if (depths[t] > loop) write(first + t, loop, static_cast<int>(t));
      }
      for (std::size_t t = 0; t < depths.size(); ++t) {
        if (depths[t] == loop + 1) cache_.leave(0, static_cast<int>(t), depths[t]);
      }
    }
    for (const int depth : depths) cache_.commit({&depth, 1});
  }

  /// A token that is written and never committed.
  void abandon(int depth) {
    for (int loop = 0; loop < depth; ++loop) {
      cache_.open(0, loop, 0);
      tokens_.push_back({depth, {}});
      write(tokens_.size() - 1, loop, 0);
      tokens_.pop_back();
    }
  }

  void truncate(int tokens) {
    cache_.truncate(tokens);
    tokens_.resize(static_cast<std::size_t>(tokens));
  }

  /// Whether a token in loop `loop` reads of every earlier one what the policy says.
  void expect_latest(int loop) const {
    const std::size_t slot = cache_.slot(0, 0, loop);
    ASSERT_EQ(cache_.next_entry(slot), static_cast<int>(tokens_.size()));
    for (std::size_t t = 0; t < tokens_.size(); ++t) {
      // The largest slot up to that of `loop` that the token wrote, and the last loop that wrote it.
      const KvPolicy& policy = cache_.policy();
      int last = 0;
      for (int k = 1; k < tokens_[t].depth; ++k) {
        if (policy.slot(k) <= policy.slot(loop) && policy.slot(k) >= policy.slot(last)) last = k;
      }
      for (std::size_t head = 0; head < 2; ++head) {
        std::vector<float> key(4);
        const KvPages pages = cache_.head(slot, head);
        read_kv_key(pages.type, pages.keys_of(t / kKvPage), t % kKvPage, key);
        std::vector<float> value(4);
        read_kv_row(pages.type, pages.value(t, kv_row_bytes(pages.type, 4)), value);
        const float wanted = tokens_[t].written.at(last) + static_cast<float>(head);
        ASSERT_EQ(key, std::vector<float>(4, wanted)) << "token " << t << " of " << tokens_.size() << ", loop " << loop;
        ASSERT_EQ(value, std::vector<float>(4, -wanted)) << "token " << t << ", loop " << loop;
      }
    }
  }
  void expect_latest() const {
    for (int loop = 0; loop < loops_; ++loop) ASSERT_NO_FATAL_FAILURE(expect_latest(loop));
  }

  [[nodiscard]] const KvCache& cache() const { return cache_; }
  [[nodiscard]] std::size_t page_bytes() const { return 2 * 2 * kv_page_bytes(KvType::f32, 4); }

 private:
  struct Token {
    int depth;
    std::map<int, float> written;  ///< by loop
  };

  void write(std::size_t token, int loop, int offset) {
    const float number = static_cast<float>(++writes_) * 2;
    tokens_[token].written[loop] = number;
    const std::size_t slot = cache_.slot(0, 0, loop);
    for (std::size_t head = 0; head < 2; ++head) {
      const std::vector<float> key(4, number + static_cast<float>(head));
      const std::vector<float> value(4, -number - static_cast<float>(head));
      cache_.write(slot, head, cache_.next_entry(slot) + offset, key.data(), value.data());
    }
  }

  ModelSpec spec_;
  KvCache cache_;
  int loops_;
  std::vector<Token> tokens_;
  int writes_ = 0;
};

TEST(KvCache, ReadsOfEveryTokenItsLatestLoopWhateverDepthsComeTogether) {
  for (const char* policy : {"latest", "last", "latest:ring=2", "latest:ring=3", "latest:run=2", "latest:anchor=1"}) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      SCOPED_TRACE(fmt::format("{}, seed {}", policy, seed));
      Random random(seed);
      const auto depth = [&] { return 1 + static_cast<int>(random.below(4)); };
      Journal journal(policy);
      std::vector<Journal> forks;
      for (int step = 0; step < 25; ++step) {
        switch (random.below(6)) {
          case 0: {
            std::vector<int> depths(1 + random.below(20));
            for (int& one : depths) one = depth();
            if (journal.cache().size() + 20 < 100) journal.add(depths);
            break;
          }
          case 1:
            journal.abandon(depth());
            break;
          case 2:
            journal.truncate(static_cast<int>(random.below(static_cast<std::uint64_t>(journal.cache().size()) + 1)));
            break;
          case 3:
            forks.emplace_back(journal);
            break;
          default:
            if (journal.cache().size() < 100) journal.add({depth()});
        }
        ASSERT_NO_FATAL_FAILURE(journal.expect_latest());
        for (Journal& fork : forks) ASSERT_NO_FATAL_FAILURE(fork.expect_latest());
        if (!forks.empty() && random.below(2) == 0 && forks.front().cache().size() < 100) forks.front().add({depth()});
      }
    }
  }
}

TEST(KvCache, TakesNoMemoryForLoopsThatNoTokenOfAPageRan) {
  Journal shallow("latest");
  Journal deep("latest");
  Journal mixed("latest");
  for (std::size_t t = 0; t < 2 * kKvPage; ++t) {
    shallow.add({1});
    deep.add({4});
    mixed.add({t == 3 ? 3 : 1});  // one token of the first page
  }
  EXPECT_EQ(shallow.cache().bytes(), 2 * shallow.page_bytes());
  EXPECT_EQ(deep.cache().bytes(), 8 * deep.page_bytes());
  EXPECT_EQ(deep.cache().bytes(), deep.cache().bytes_per_token() * 2 * kKvPage);
  EXPECT_EQ(mixed.cache().bytes(), 4 * mixed.page_bytes());
}

TEST(KvCache, ForksShareWhatTheyHaveInCommon) {
  Journal journal("latest");
  journal.add(std::vector<int>(kKvPage + 5, 2));
  const Journal fork(journal);
  for (const std::size_t head : {0, 1}) {
    EXPECT_EQ(fork.cache().head(0, head).pages[0], journal.cache().head(0, head).pages[0]);
    EXPECT_EQ(fork.cache().head(0, head).pages[1], journal.cache().head(0, head).pages[1]);
  }
  journal.add({2});
  EXPECT_EQ(fork.cache().head(0, 0).pages[0], journal.cache().head(0, 0).pages[0]);
  EXPECT_NE(fork.cache().head(0, 0).pages[1], journal.cache().head(0, 0).pages[1]);  // written to since
  EXPECT_EQ(fork.cache().size(), static_cast<int>(kKvPage) + 5);
}

TEST(KvCache, UnderFullKnowsInEverySlotThoseThatRanItAfterTruncation) {
  Journal journal("full");
  for (const int depth : {4, 1, 3, 2, 4}) journal.add({depth});
  const auto known = [&] {
    std::vector<int> entries;
    for (std::size_t slot = 0; slot < 4; ++slot) entries.push_back(journal.cache().next_entry(slot));
    return entries;
  };
  EXPECT_EQ(known(), (std::vector<int>{5, 4, 3, 2}));
  journal.truncate(3);
  EXPECT_EQ(known(), (std::vector<int>{3, 2, 2, 1}));
  journal.truncate(7);  // nothing is there
  EXPECT_EQ(journal.cache().size(), 3);
}

TEST(KvCache, UnderAllOrLastForgetsTheShallowTokenThatIsCutOff) {
  Journal journal("all_or_last");
  journal.add({4});
  journal.add({2});
  EXPECT_EQ(journal.cache().slot(0, 0, 3), 4U);  // the slot of last loops, behind those of the loops
  journal.truncate(1);
  EXPECT_EQ(journal.cache().slot(0, 0, 3), 3U);
}

}  // namespace
}  // namespace gyre::kv_cache_test
