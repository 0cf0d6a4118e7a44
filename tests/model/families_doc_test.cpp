#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <set>
#include <string>

#include "base/file.hpp"
#include "model/families.hpp"

namespace gyre::families_doc_test {
namespace {

/// docs/families.md names every family that the program reads, and no other.
TEST(FamiliesPage, NamesEveryFamilyAndNoOther) {
  const std::string page = read_text(GYRE_TEST_DIR "/../docs/families.md");
  std::set<std::string> named;
  // Rows of the table: name, weights, licence, family, state.
  const std::regex row(R"(\n\|[^|\n]*\|[^|\n]*\|[^|\n]*\| `([a-z0-9_]+)` \|)");
  for (auto found = std::sregex_iterator(page.begin(), page.end(), row); found != std::sregex_iterator(); ++found) {
    named.insert((*found)[1]);
  }
  std::set<std::string> known;
  for (const Family& family : families()) known.emplace(family.name);
  EXPECT_EQ(named, known);
}

}  // namespace
}  // namespace gyre::families_doc_test
