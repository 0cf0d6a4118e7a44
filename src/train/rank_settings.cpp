#include "train/rank_settings.hpp"

#include <fmt/format.h>

#include "base/error.hpp"
#include "train/run_settings.hpp"

namespace gyre {

void require_same_on_all_ranks(const ProcessGroup& group, const nlohmann::json& settings) {
  const nlohmann::json first = nlohmann::json::parse(group.of_first(settings.dump()));
  const std::vector<SettingChange> changes = changes_between(first, settings);
  const bool other = group.any(!changes.empty());
  std::string named;
  for (const SettingChange& change : changes) {
    named +=
        fmt::format("{}{} is {} there and {} here", named.empty() ? "" : ", ", change.key, change.before, change.now);
  }
  if (!named.empty()) {
    throw Error("rank {} is of another run than rank 0: {}; start all ranks with one config, data and model",
                group.rank(), named);
  }
  if (other) {
    throw Error(
        "rank {}: a rank has other settings than rank 0, and says which; start all ranks with one config, data "
        "and model",
        group.rank());
  }
}

}  // namespace gyre
