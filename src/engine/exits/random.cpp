#include "base/random.hpp"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/error.hpp"
#include "engine/exits/kinds.hpp"
#include "format/json_object.hpp"

namespace gyre {
namespace {

/// The control: depths dealt out from those that were measured, blind to the token. A token gets one vector of a table,
/// its depths in all groups of it, since depths of a real rule depend on one another; a function of seed and position.
class RandomExit : public ExitRule {
 public:
  RandomExit(std::vector<DepthVectors> tables, std::uint64_t seed) : tables_(std::move(tables)), seed_(seed) {}

  [[nodiscard]] ExitReads reads() const override { return {}; }

  void enter_group(int group, int position) override {
    depth_ = 0;
    for (std::size_t t = 0; t < tables_.size(); ++t) {
      const DepthVectors& table = tables_[t];
      const auto column = std::find(table.groups.begin(), table.groups.end(), group);
      if (column == table.groups.end()) continue;
      const std::uint64_t token = combine_seeds(combine_seeds(seed_, t), static_cast<std::uint64_t>(position));
      const std::vector<int>& depths = table.depths[draw(table, unit_interval(token))];
      depth_ = depths[static_cast<std::size_t>(column - table.groups.begin())];
    }
  }

  std::optional<std::string_view> leave_after(const LoopStep& step) override {
    if (depth_ == 0 || step.loop < depth_) return {};
    return "random";
  }

 private:
  /// The row of a table at `place` (0 to 1) of all its tokens.
  static std::size_t draw(const DepthVectors& table, double place) {
    double left = place * std::accumulate(table.counts.begin(), table.counts.end(), 0.0);
    std::size_t row = 0;
    for (; row + 1 < table.counts.size(); ++row) {
      left -= table.counts[row];
      if (left <= 0) break;
    }
    return row;
  }

  std::vector<DepthVectors> tables_;
  std::uint64_t seed_;
  int depth_ = 0;
};

/// One group by itself: counts of 1, 2, 3 … loops.
DepthVectors table_of(int group, const std::vector<double>& counts) {
  DepthVectors table{{group}, {}, {}};
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] <= 0) continue;
    table.depths.push_back({static_cast<int>(i) + 1});
    table.counts.push_back(counts[i]);
  }
  return table;
}

std::vector<double> parse_weights(const std::string& text) {
  std::vector<double> weights;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('/', begin), text.size());
    double weight = -1;
    const auto [stop, failure] = std::from_chars(text.data() + begin, text.data() + end, weight);
    if (failure != std::errc() || stop != text.data() + end || !(weight >= 0) || weight > 1e12) {
      throw Error("exit random:weights={}: give weights of 1, 2, 3 … loops as in 0/1/3/2", text);
    }
    weights.push_back(weight);
    begin = end + 1;
  }
  if (std::accumulate(weights.begin(), weights.end(), 0.0) <= 0) {
    throw Error("exit random:weights={}: all weights are zero", text);
  }
  return weights;
}

/// Tables of a file, and what they have to fit.
class TableFile {
 public:
  TableFile(std::string file, const ExitContext& context) : file_(std::move(file)), context_(context) {}

  /// As an evaluation writes them of a rule: depth_vectors, {"groups", "depths", "counts"}, or depths, a list of
  /// {"group", "counts"}, which says nothing of how groups depend on one another.
  [[nodiscard]] std::vector<DepthVectors> read() const {
    const nlohmann::json json = load_json(file_);
    std::vector<DepthVectors> tables;
    if (json.is_object()) tables.push_back(read_vectors(JsonObject(json, file_)));
    if (json.is_array()) {
      for (const nlohmann::json& item : json) tables.push_back(read_histogram(JsonObject(item, file_)));
    }
    if (tables.empty()) {
      throw Error("{}: expected a list of {{\"group\", \"counts\"}}, or {{\"groups\", \"depths\", \"counts\"}}", file_);
    }
    require_every_group(tables);
    return tables;
  }

 private:
  [[nodiscard]] int group_of(const nlohmann::json& value) const {
    const std::vector<int> looped = context_.spec.looped_groups();
    if (value.is_number_integer()) {
      const auto found = std::find(looped.begin(), looped.end(), value.get<std::int64_t>());
      if (found != looped.end()) return *found;
    }
    throw Error("{}: {} is no looped group of this model (gyre info shows them)", file_, value.dump());
  }

  [[nodiscard]] std::vector<double> counts_of(const JsonObject& object) const {
    std::vector<double> counts;
    for (const nlohmann::json& count : object.array("counts")) {
      if (!count.is_number() || !(count.get<double>() >= 0)) throw Error("{}: counts holds {}", file_, count.dump());
      counts.push_back(count.get<double>());
    }
    if (!(std::accumulate(counts.begin(), counts.end(), 0.0) > 0)) throw Error("{}: the counts are all zero", file_);
    return counts;
  }

  void require_depth(std::int64_t depth, int group) const {
    const int most = context_.loops[static_cast<std::size_t>(group)];
    if (depth >= 1 && depth <= most) return;
    throw Error("{}: a depth of {} in group {}, which runs 1 to {} loops; run more of them", file_, depth, group, most);
  }

  [[nodiscard]] DepthVectors read_histogram(const JsonObject& object) const {
    object.allow({"group", "counts"});
    DepthVectors table = table_of(group_of(object.integer("group", 0, 1 << 20)), counts_of(object));
    for (const std::vector<int>& depths : table.depths) require_depth(depths.front(), table.groups.front());
    return table;
  }

  [[nodiscard]] DepthVectors read_vectors(const JsonObject& object) const {
    object.allow({"groups", "depths", "counts"});
    DepthVectors table;
    for (const nlohmann::json& group : object.array("groups")) table.groups.push_back(group_of(group));
    for (const nlohmann::json& depths : object.array("depths")) {
      if (!depths.is_array() || depths.size() != table.groups.size()) {
        throw Error("{}: depths holds {}; give a depth for each of {} groups", file_, depths.dump(),
                    table.groups.size());
      }
      std::vector<int>& row = table.depths.emplace_back();
      for (std::size_t i = 0; i < depths.size(); ++i) {
        if (!depths[i].is_number_integer()) throw Error("{}: depths holds {}", file_, depths.dump());
        require_depth(depths[i].get<std::int64_t>(), table.groups[i]);
        row.push_back(depths[i].get<int>());
      }
    }
    table.counts = counts_of(object);
    if (table.counts.size() != table.depths.size()) {
      throw Error("{}: {} counts of {} depths; give one each", file_, table.counts.size(), table.depths.size());
    }
    return table;
  }

  /// A group without depths would silently run at full depth.
  void require_every_group(const std::vector<DepthVectors>& tables) const {
    for (const int group : context_.spec.looped_groups()) {
      if (context_.only && *context_.only != group) continue;
      std::ptrdiff_t times = 0;
      for (const DepthVectors& table : tables) times += std::count(table.groups.begin(), table.groups.end(), group);
      if (times != 1) throw Error("{}: group {} is there {} times; give its depths once", file_, group, times);
    }
  }

  std::string file_;
  const ExitContext& context_;
};

std::vector<DepthVectors> tables_from(ExitOptions& options, const ExitContext& context) {
  if (options.has("file")) return TableFile(options.text("file", {}), context).read();
  if (options.has("like")) {
    const auto earlier = static_cast<int>(context.measured.size());
    if (earlier == 0) throw Error("exit random:like: names an earlier rule of the same evaluation by its number");
    const int number = options.integer("like", {}, 1, earlier);
    return {context.measured[static_cast<std::size_t>(number - 1)]};
  }
  std::vector<DepthVectors> tables;
  const std::vector<double> weights = parse_weights(options.text("weights", {}));
  for (const int group : context.spec.looped_groups()) tables.push_back(table_of(group, weights));
  return tables;
}

}  // namespace

ExitKind random_exit() {
  return {"random",
          "control: depths dealt out from those measured, whatever the token",
          {{"weights", "weights of 1, 2, 3 … loops in every looped group by itself, as in 0/1/3/2"},
           {"file", "depths as an evaluation writes them: depth_vectors (groups together), or depths (each by itself)"},
           {"like", "in eval: the depths measured for the N-th rule of the same run, all groups of a token together"},
           {"seed", "of the draws (default 1)"}},
          [](ExitOptions& options, const ExitContext& context) -> std::unique_ptr<ExitRule> {
            std::vector<DepthVectors> tables = tables_from(options, context);
            const int seed = options.integer("seed", 1, 0, 1'000'000'000);
            const std::uint64_t stream = combine_seeds(static_cast<std::uint64_t>(seed), options.stream());
            return std::make_unique<RandomExit>(std::move(tables), stream);
          }};
}

}  // namespace gyre
