#include "model/order.hpp"

#include <algorithm>
#include <optional>

#include "base/error.hpp"

namespace gyre {
namespace {

Group named_group(int first, int last, int loops) {
  Group group = plain_group(first == last ? fmt::format("layer {}", first) : fmt::format("layers {}-{}", first, last),
                            last - first + 1);
  group.loops = loops;
  return group;
}

/// Whether `order` goes on at `at` with `size` layers from `first` on, in turn.
bool has_block(std::span<const int> order, std::size_t at, int first, std::size_t size) {
  if (order.size() - at < size) return false;
  for (std::size_t i = 0; i < size; ++i) {
    if (order[at + i] != first + static_cast<int>(i)) return false;
  }
  return true;
}

/// Plain and looped groups, or nothing where the order is not made of them.
std::optional<std::vector<Group>> plain_and_looped(std::span<const int> order) {
  std::vector<Group> groups;
  int first = 0;  // layer of the stretch that begins here
  for (std::size_t at = 0; at < order.size();) {
    int next = first;  // layer that has not run yet
    while (at < order.size() && order[at] == next) ++next, ++at;
    const int again = at < order.size() ? order[at] : next;
    if (next == first || again < first || again > next) return {};
    if (again > first) groups.push_back(named_group(first, again - 1, 1));
    int loops = 1;
    const auto block = static_cast<std::size_t>(next) - static_cast<std::size_t>(again);
    for (; again < next && has_block(order, at, again, block); ++loops) at += block;
    if (again < next && loops == 1) return {};
    if (again < next) groups.push_back(named_group(again, next - 1, loops));
    first = next;
  }
  return groups;
}

}  // namespace

std::vector<Group> cut_order(std::span<const int> order, std::span<const Skip> skips, const std::string& where) {
  if (order.empty()) throw Error("{}: order is empty; name the layers in the order in which they run", where);
  if (skips.empty()) {
    if (auto groups = plain_and_looped(order)) return *std::move(groups);
  }
  Group group = plain_group("order", *std::max_element(order.begin(), order.end()) + 1);
  group.order.assign(order.begin(), order.end());
  group.skips.assign(skips.begin(), skips.end());
  return {group};
}

}  // namespace gyre
