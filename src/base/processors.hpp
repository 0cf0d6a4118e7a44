#pragma once

#include <filesystem>
#include <optional>

namespace gyre {

/// The processors that this process may keep busy: those of its affinity mask, or fewer where a control group (as
/// containers have) grants it less time, rounded up. At least 1.
int usable_processors();

/// Processors' worth of time that control groups grant: the least quota among the group that `membership`
/// (/proc/self/cgroup) names and those above it, below the mount `root` (/sys/fs/cgroup). Nothing without a quota.
std::optional<double> processor_quota(const std::filesystem::path& membership, const std::filesystem::path& root);

}  // namespace gyre
