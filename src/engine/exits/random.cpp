#include "base/random.hpp"

#include <charconv>
#include <numeric>

#include "base/error.hpp"
#include "engine/exits/kinds.hpp"
#include "format/json_object.hpp"

namespace gyre {
namespace {

/// The control: a depth drawn from a given histogram, blind to the token.
class RandomExit : public ExitRule {
 public:
  RandomExit(std::vector<DepthHistogram> histograms, std::uint64_t seed)
      : histograms_(std::move(histograms)), random_(seed) {}

  void enter_group(int group, int /*position*/) override {
    depth_ = 0;
    for (const DepthHistogram& histogram : histograms_) {
      if (histogram.group == group) depth_ = draw(histogram);
    }
  }

  std::optional<std::string_view> leave_after(const LoopStep& step) override {
    if (depth_ == 0 || step.loop < depth_) return {};
    return "random";
  }

 private:
  int draw(const DepthHistogram& histogram) {
    const double total = std::accumulate(histogram.counts.begin(), histogram.counts.end(), 0.0);
    double left = total * random_.uniform();
    int depth = 1;
    for (const double count : histogram.counts) {
      left -= count;
      if (left <= 0) break;
      ++depth;
    }
    return depth;
  }

  std::vector<DepthHistogram> histograms_;
  Random random_;
  int depth_ = 0;
};

std::vector<double> parse_weights(const std::string& text) {
  std::vector<double> weights;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('/', begin), text.size());
    double weight = -1;
    const auto [stop, failure] = std::from_chars(text.data() + begin, text.data() + end, weight);
    if (failure != std::errc() || stop != text.data() + end || !(weight >= 0) || weight > 1e12) {
      throw Error("--exit random:weights={}: give weights of 1, 2, 3 … loops as in 0/1/3/2", text);
    }
    weights.push_back(weight);
    begin = end + 1;
  }
  if (std::accumulate(weights.begin(), weights.end(), 0.0) <= 0) {
    throw Error("--exit random:weights={}: all weights are zero", text);
  }
  return weights;
}

/// A file as `gyre eval --json` writes the histograms of a rule: [{"group": 1, "counts": [0, 5, 9]}, …].
std::vector<DepthHistogram> read_histograms(const std::string& file) {
  const nlohmann::json json = load_json(file);
  if (!json.is_array()) throw Error("{}: expected a list of {{\"group\", \"counts\"}}", file);
  std::vector<DepthHistogram> histograms;
  for (const nlohmann::json& item : json) {
    const JsonObject object(item, file);
    DepthHistogram histogram{object.integer("group", 0, 1 << 20), {}};
    for (const nlohmann::json& count : object.array("counts")) {
      if (!count.is_number() || count.get<double>() < 0) throw Error("{}: counts holds {}", file, count.dump());
      histogram.counts.push_back(count.get<double>());
    }
    if (std::accumulate(histogram.counts.begin(), histogram.counts.end(), 0.0) <= 0) {
      throw Error("{}: the counts of group {} are all zero", file, histogram.group);
    }
    histograms.push_back(std::move(histogram));
  }
  return histograms;
}

std::vector<DepthHistogram> histograms_from(ExitOptions& options, const ExitContext& context) {
  if (options.has("file")) return read_histograms(options.text("file", {}));
  if (options.has("like")) {
    const auto earlier = static_cast<int>(context.measured.size());
    if (earlier == 0) throw Error("--exit random:like: names an earlier --exit of the same evaluation by its number");
    const int number = options.integer("like", {}, 1, earlier);
    return context.measured[static_cast<std::size_t>(number - 1)];
  }
  std::vector<DepthHistogram> histograms;
  const std::vector<double> weights = parse_weights(options.text("weights", {}));
  for (const int group : context.spec.looped_groups()) histograms.push_back({group, weights});
  return histograms;
}

}  // namespace

ExitKind random_exit() {
  return {"random",
          "control: depths drawn from a histogram, whatever the token",
          {{"weights", "weights of 1, 2, 3 … loops in every looped group, as in 0/1/3/2"},
           {"file", "JSON list of {\"group\", \"counts\"}, as eval --json writes it"},
           {"like", "in eval: the histogram measured for the N-th --exit of the same run"},
           {"seed", "of the draws (default 1)"}},
          [](ExitOptions& options, const ExitContext& context) -> std::unique_ptr<ExitRule> {
            std::vector<DepthHistogram> histograms = histograms_from(options, context);
            const int seed = options.integer("seed", 1, 0, 1'000'000'000);
            const std::uint64_t stream = combine_seeds(static_cast<std::uint64_t>(seed), options.stream());
            return std::make_unique<RandomExit>(std::move(histograms), stream);
          }};
}

}  // namespace gyre
