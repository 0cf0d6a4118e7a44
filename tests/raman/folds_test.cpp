#include "raman/folds.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/error.hpp"
#include "base/random.hpp"

namespace gyre::raman::folds_test {
namespace {

/// Groups of 1 … 6 items in mixed order.
std::vector<std::string> some_groups(int groups) {
  std::vector<std::string> names;
  Random random(11);
  for (int g = 0; g < groups; ++g) {
    for (std::uint64_t i = 0; i <= random.below(6); ++i) names.push_back("R" + std::to_string(g));
  }
  for (std::size_t i = names.size(); i > 1; --i) std::swap(names[i - 1], names[random.below(i)]);
  return names;
}

/// Whether some group stands on both sides of some fold: what must not be.
bool leaks(const std::vector<std::string>& groups, const std::vector<int>& folds) {
  std::map<std::string, std::set<int>> of_group;
  for (std::size_t i = 0; i < groups.size(); ++i) of_group[groups[i]].insert(folds[i]);
  return std::any_of(of_group.begin(), of_group.end(), [](const auto& row) { return row.second.size() > 1; });
}

TEST(Folds, KeepEachGroupOnOneSide) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const std::vector<std::string> groups = some_groups(200);
    const std::vector<int> folds = assign_folds(groups, 5, seed);
    EXPECT_FALSE(leaks(groups, folds)) << seed;
    // The check sees a leak where there is one.
    const std::vector<std::string> alone(groups.size());
    EXPECT_TRUE(leaks(groups, assign_folds(alone, 5, seed)));
  }
}

TEST(Folds, AreOfAboutTheSameSize) {
  const std::vector<int> folds = assign_folds(some_groups(200), 5, 1);
  std::vector<int> sizes(5, 0);
  for (const int fold : folds) ++sizes.at(static_cast<std::size_t>(fold));
  const auto [least, most] = std::minmax_element(sizes.begin(), sizes.end());
  EXPECT_LE(*most - *least, 1);
}

TEST(Folds, TakeLargeGroupsFirst) {
  // Five, three, two, two items: 5 | 3, then 2 to the smaller (5 | 5), then 2 to the first of equals.
  const std::vector<std::string> groups = {"c", "a", "a", "b", "a", "d", "b", "a", "c", "b", "a", "d"};
  const std::vector<int> folds = assign_folds(groups, 2, 1);
  const auto of = [&](const char* name) {
    return folds[static_cast<std::size_t>(std::find(groups.begin(), groups.end(), name) - groups.begin())];
  };
  EXPECT_EQ(of("a"), 0);
  EXPECT_EQ(of("b"), 1);
  EXPECT_EQ(std::count(folds.begin(), folds.end(), 0), 7);
  EXPECT_NE(of("c"), of("d"));
}

TEST(Folds, DependOnTheSeedAlone) {
  const std::vector<std::string> groups = some_groups(100);
  EXPECT_EQ(assign_folds(groups, 5, 3), assign_folds(groups, 5, 3));
  EXPECT_NE(assign_folds(groups, 5, 3), assign_folds(groups, 5, 4));
}

TEST(Folds, NeedEnoughGroups) {
  const std::vector<std::string> groups = {"a", "a", "b", "b"};
  EXPECT_THROW(assign_folds(groups, 3, 1), Error);
}

TEST(Specimen, IsTheIdWithoutItsPiece) {
  EXPECT_EQ(specimen_of("R060490_a"), "R060490");
  EXPECT_EQ(specimen_of(" R040031 "), "R040031");
  EXPECT_EQ(specimen_of("R040031-1"), "R040031");  // as infrared files have it
  EXPECT_EQ(specimen_of("R040031-12_a"), "R040031");
  for (const char* other : {"MZ-12", "R04003-1", "R040031-", "R040031-b", "R0400311-1", "9040031-1"}) {
    EXPECT_EQ(specimen_of(other), other);
  }
  EXPECT_EQ(specimen_of(""), "");
}

TEST(Protocol, IsReadByName) {
  EXPECT_EQ(parse_protocol("mineral", "--protocols"), Protocol::mineral);
  EXPECT_THROW(parse_protocol("minerals", "--protocols"), Error);
}

}  // namespace
}  // namespace gyre::raman::folds_test
