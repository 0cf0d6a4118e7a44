#include "base/processors.hpp"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <string>
#include <thread>

namespace gyre {
namespace {

namespace fs = std::filesystem;

void keep_less(std::optional<double>& least, double quota) {
  if (!least || quota < *least) least = quota;
}

/// cpu.max of the second version: "QUOTA PERIOD", or "max PERIOD".
std::optional<double> unified_quota(const fs::path& group) {
  std::ifstream file(group / "cpu.max");
  double quota = 0;
  double period = 0;
  if (!(file >> quota >> period) || quota <= 0 || period <= 0) return {};
  return quota / period;
}

/// Of the first version, a number a file; −1 is no quota.
std::optional<double> legacy_quota(const fs::path& group) {
  std::ifstream quota_file(group / "cpu.cfs_quota_us");
  std::ifstream period_file(group / "cpu.cfs_period_us");
  double quota = 0;
  double period = 0;
  if (!(quota_file >> quota) || !(period_file >> period) || quota <= 0 || period <= 0) return {};
  return quota / period;
}

/// The least quota of a group and of those above it. In a container the group's path may be the host's, which is not
/// there: then the mount itself is the container's group.
template <typename Quota>
void keep_least(std::optional<double>& least, const fs::path& root, const std::string& group, const Quota& quota_of) {
  fs::path path = fs::path(group).relative_path();
  while (true) {
    if (const auto quota = quota_of(root / path)) keep_less(least, *quota);
    if (path.empty()) return;
    path = path.parent_path();
  }
}

bool is_among(const std::string& name, const std::string& comma_list) {
  return ("," + comma_list + ",").find("," + name + ",") != std::string::npos;
}

}  // namespace

std::optional<double> processor_quota(const fs::path& membership, const fs::path& root) {
  std::optional<double> least;
  std::ifstream lines(membership);
  for (std::string line; std::getline(lines, line);) {  // "ID:CONTROLLERS:PATH"; the second version has no controllers
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string group = line.substr(second + 1);
    if (controllers.empty()) keep_least(least, root, group, unified_quota);
    if (is_among("cpu", controllers)) keep_least(least, root / controllers, group, legacy_quota);
  }
  return least;
}

int usable_processors() {
  int count = static_cast<int>(std::thread::hardware_concurrency());
  cpu_set_t mask;
  CPU_ZERO(&mask);
  if (::sched_getaffinity(0, sizeof mask, &mask) == 0) count = CPU_COUNT(&mask);
  if (const auto quota = processor_quota("/proc/self/cgroup", "/sys/fs/cgroup")) {
    count = std::min(count, static_cast<int>(std::ceil(*quota)));
  }
  return std::max(1, count);
}

}  // namespace gyre
