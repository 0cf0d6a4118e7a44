#include "engine/schedule.hpp"

#include <algorithm>

#include "base/enum_name.hpp"

namespace gyre {
namespace {

constexpr EnumName<Schedule> kSchedules[] = {{Schedule::lockstep, "lockstep"}, {Schedule::rows, "rows"}};

std::size_t index_in(std::span<const Waiting> groups, std::span<const Waiting>::iterator found) {
  return static_cast<std::size_t>(found - groups.begin());
}

}  // namespace

Schedule parse_schedule(const std::string& text, const std::string& flag) {
  return parse_enum<Schedule>(kSchedules, text, flag, "schedule");
}

std::string_view name_of(Schedule schedule) { return name_of<Schedule>(kSchedules, schedule); }

std::size_t next_group(Schedule schedule, std::span<const Waiting> groups, const ModelSpec& spec) {
  const auto earliest = std::find_if(groups.begin(), groups.end(), [](const Waiting& at) { return at.rows > 0; });
  if (schedule == Schedule::lockstep || spec.looped_groups().size() > 1) return index_in(groups, earliest);
  int most_runs = 0;
  for (const int loops : spec.default_loops()) most_runs += loops;
  const auto waits_less = [](const Waiting& a, const Waiting& b) { return a.patience < b.patience; };
  const auto longest = std::max_element(groups.begin(), groups.end(), waits_less);
  if (longest->patience > most_runs) return index_in(groups, longest);
  const auto has_fewer = [](const Waiting& a, const Waiting& b) { return a.rows < b.rows; };
  return index_in(groups, std::max_element(groups.begin(), groups.end(), has_fewer));
}

}  // namespace gyre
