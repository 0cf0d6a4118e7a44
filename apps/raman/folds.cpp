#include "raman/folds.hpp"

#include <algorithm>
#include <cctype>
#include <map>

#include "base/error.hpp"
#include "base/random.hpp"
#include "format/json_object.hpp"
#include "raman/spectrum.hpp"

namespace gyre::raman {
namespace {

constexpr EnumName<Protocol> kProtocols[] = {
    {Protocol::spectra, "spectra"}, {Protocol::specimen, "specimen"}, {Protocol::mineral, "mineral"}};

}  // namespace

std::string_view name_of(Protocol protocol) { return gyre::name_of<Protocol>(kProtocols, protocol); }

Protocol parse_protocol(std::string_view name, std::string_view what) {
  for (const auto& row : kProtocols) {
    if (row.name == name) return row.value;
  }
  throw Error("{}: \"{}\" is no protocol; choose from spectra, specimen, mineral", what, name);
}

std::vector<int> assign_folds(std::span<const std::string> groups, int folds, std::uint64_t seed) {
  std::map<std::string, std::vector<std::size_t>> members;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    // A name that no group can have.
    members[groups[i].empty() ? fmt::format("\n{}", i) : groups[i]].push_back(i);
  }
  if (members.size() < static_cast<std::size_t>(folds)) {
    throw Error("{} folds need at least as many groups, and there are {}; give more spectra or fewer folds", folds,
                members.size());
  }
  struct Group {
    std::uint64_t order;
    const std::vector<std::size_t>* items;
  };
  std::vector<Group> dealt;
  for (const auto& member : members) dealt.push_back({combine_seeds(seed, dealt.size()), &member.second});
  std::sort(dealt.begin(), dealt.end(), [](const Group& a, const Group& b) {
    return a.items->size() != b.items->size() ? a.items->size() > b.items->size() : a.order < b.order;
  });
  std::vector<std::size_t> sizes(static_cast<std::size_t>(folds), 0);
  std::vector<int> fold(groups.size(), 0);
  for (const Group& group : dealt) {
    const auto least = std::min_element(sizes.begin(), sizes.end());
    *least += group.items->size();
    for (const std::size_t item : *group.items) fold[item] = static_cast<int>(least - sizes.begin());
  }
  return fold;
}

std::string specimen_of(std::string_view rruff_id) {
  const std::string_view id = trimmed(rruff_id.substr(0, rruff_id.find('_')));
  constexpr std::size_t kLength = 7;  // a letter and six digits, as RRUFF ids have; others may hold a dash of their own
  const auto digits = [&](std::size_t from, std::size_t to) {
    return std::all_of(id.begin() + static_cast<std::ptrdiff_t>(from), id.begin() + static_cast<std::ptrdiff_t>(to),
                       [](unsigned char c) { return std::isdigit(c) != 0; });
  };
  const bool analysis = id.size() > kLength + 1 && id[kLength] == '-' &&
                        std::isalpha(static_cast<unsigned char>(id[0])) != 0 && digits(1, kLength) &&
                        digits(kLength + 1, id.size());
  return std::string(id.substr(0, analysis ? kLength : id.size()));
}

}  // namespace gyre::raman
