#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <set>
#include <utility>

#include "base/random.hpp"
#include "raman/cross_validation.hpp"
#include "raman/ensemble.hpp"
#include "raman/origin_model.hpp"
#include "raman/pretraining.hpp"

namespace gyre::raman {
namespace {

constexpr std::uint64_t kRerankStream = 0x72616e6bULL;
constexpr std::uint64_t kInnerStream = 0x696e6e6572ULL;

/// Networks of the config's number trained on these examples, and pretrained on `more` as well (null: on them alone),
/// as one.
std::unique_ptr<Classifier> fit_networks(const OriginRequest& request, const RetrievalConfig& retrieval,
                                         const Examples& examples, const Examples* more, const std::string& name,
                                         std::uint64_t seed) {
  std::vector<std::unique_ptr<Classifier>> members;
  for (int m = 0; m < retrieval.ensemble; ++m) {
    const std::string own = m == 0 ? name : fmt::format("{}-{}", name, m);
    auto member = request.backend.fit(
        {request.config, request.where, examples, request.folder / own, fmt::format("{}, {}", request.title, own),
         m == 0 ? seed : combine_seeds(seed, static_cast<std::uint64_t>(m)), request.threads, request.stop, more});
    if (!member) return nullptr;
    members.push_back(std::move(member));
  }
  if (members.size() == 1) return std::move(members.front());
  return std::make_unique<Ensemble>(std::move(members), examples.points);
}

/// The networks of an inner fold, which have seen nothing of the stones that it holds out, in pretraining neither.
std::unique_ptr<Classifier> fit_inner(const OriginRequest& request, const RetrievalConfig& retrieval,
                                      const FoldSplit& split, int fold) {
  std::optional<Examples> more;
  if (request.more != nullptr) {
    const Protocol together = request.protocol == Protocol::mineral ? Protocol::mineral : Protocol::specimen;
    more = request.more->subset(may_pretrain(*request.more, request.examples.subset(split.test), together));
  }
  return fit_networks(request, retrieval, request.examples.subset(split.training), more ? &*more : nullptr,
                      fmt::format("inner-{}", fold),
                      combine_seeds(request.seed ^ kInnerStream, static_cast<std::uint64_t>(fold)));
}

/// The examples that an inner fold held out, as queries to all others.
struct HeldOutSide {
  std::vector<std::size_t> items;
  std::vector<int> truth;
  Library library;  ///< all examples, in the eyes of a network that has not seen the items
  Queries queries;
  std::vector<float> logits;
};

HeldOutSide held_out_side(const Examples& examples, const Classifier& network, std::vector<std::size_t> items) {
  const Examples held_out = examples.subset(items);
  return {items, held_out.labels, Library(examples, network.embeddings(examples.inputs)),
          queries_of(held_out, network.embeddings(held_out.inputs), items), network.logits(held_out.inputs)};
}

/// Whether nothing of its specimen is in sight of each item.
std::vector<bool> alone(const HeldOutSide& side, Protocol protocol) {
  const Examples& examples = side.library.examples();
  std::vector<bool> out;
  for (const std::size_t item : side.items) {
    const Visibility visibility(side.library, protocol, item);
    bool found = false;
    for (std::size_t r = 0; r < examples.size() && !found; ++r) {
      found = examples.specimen[item] >= 0 && examples.specimen[r] == examples.specimen[item] && visibility.sees(r);
    }
    out.push_back(!found);
  }
  return out;
}

/// Evidence on all examples, each from the side that held it out.
struct Pool {
  Evidence evidence;
  std::vector<std::size_t> items;  ///< the example of each row
  std::vector<int> truth;
  std::vector<int> fold;  ///< the inner fold of each row
  std::vector<bool> alone;
};

void append(Pool& pool, const HeldOutSide& side, const Evidence& evidence, const std::vector<bool>& alone_rows,
            int fold) {
  const auto move_behind = [](auto& all, const auto& more) { all.insert(all.end(), more.begin(), more.end()); };
  pool.evidence.candidates.each = evidence.candidates.each;
  move_behind(pool.evidence.candidates.spectra, evidence.candidates.spectra);
  move_behind(pool.evidence.candidates.features, evidence.candidates.features);
  move_behind(pool.evidence.candidates.same, evidence.candidates.same);
  pool.evidence.opinions.classes = evidence.opinions.classes;
  pool.evidence.opinions.parts = evidence.opinions.parts;
  move_behind(pool.evidence.opinions.values, evidence.opinions.values);
  move_behind(pool.evidence.familiarity, evidence.familiarity);
  move_behind(pool.items, side.items);
  move_behind(pool.truth, side.truth);
  move_behind(pool.alone, alone_rows);
  pool.fold.resize(pool.items.size(), fold);
}

std::vector<std::size_t> rows_where(std::size_t count, const auto& wanted) {
  std::vector<std::size_t> rows;
  for (std::size_t i = 0; i < count; ++i) {
    if (wanted(i)) rows.push_back(i);
  }
  return rows;
}

/// The likeness of the nearest spectrum that best parts queries whose mineral is in sight from others (Youden's index);
/// kHidden when all are of one kind, or when either side of it has too few to calibrate sets with.
double familiar_from(const Pool& pool, const Examples& examples, Protocol protocol) {
  constexpr std::size_t kFewest = 100;
  std::vector<std::pair<double, bool>> rows;
  double seen = 0;
  for (std::size_t i = 0; i < pool.items.size(); ++i) {
    const std::size_t item = pool.items[i];
    bool found = false;
    for (std::size_t r = 0; r < examples.size() && !found && protocol != Protocol::mineral; ++r) {
      const bool hidden = r == item || (protocol == Protocol::specimen && examples.specimen[item] >= 0 &&
                                        examples.specimen[r] == examples.specimen[item]);
      found = !hidden && examples.mineral[item] >= 0 && examples.mineral[r] == examples.mineral[item];
    }
    rows.emplace_back(pool.evidence.familiarity[i], found);
    seen += found ? 1 : 0;
  }
  const double unseen = static_cast<double>(rows.size()) - seen;
  if (seen == 0 || unseen == 0) return kHidden;
  std::sort(rows.begin(), rows.end());
  double best = 0;
  double from = kHidden;
  double below = 0;  // unseen minus seen, as shares, among those less alike
  for (std::size_t i = 0; i + kFewest <= rows.size(); ++i) {
    if (i >= kFewest && below > best) {
      best = below;
      from = rows[i].first;
    }
    below += rows[i].second ? -1 / seen : 1 / unseen;
  }
  return from;
}

/// What all but one in a hundred reach.
double low_quantile(std::vector<double> values) {
  constexpr std::size_t kOneIn = 100;
  const auto rank = static_cast<std::ptrdiff_t>(values.size() / kOneIn);
  std::nth_element(values.begin(), values.begin() + rank, values.end());
  return values[static_cast<std::size_t>(rank)];
}

/// Fits re-ranker and temperature. What calibrates comes from re-rankers that have not seen the inner fold.
Mixing fit_mixing(const Pool& pool, const Fitted& fitted, const Examples& examples, std::size_t width, int folds,
                  std::uint64_t seed) {
  const Candidates& candidates = pool.evidence.candidates;
  const std::size_t count = pool.items.size();
  Mixing mixing;
  std::vector<double> shares = mixing.reranker.shares(candidates);
  const bool any = std::any_of(candidates.same.begin(), candidates.same.end(), [](std::uint8_t s) { return s != 0; });
  if (any) {
    for (int fold = 0; fold < folds; ++fold) {
      const auto rows = rows_where(count, [&](std::size_t i) { return pool.fold[i] != fold; });
      const Reranker part =
          Reranker::fit(candidates, rows, width, combine_seeds(seed, static_cast<std::uint64_t>(fold)));
      const std::vector<double> all = part.shares(candidates);
      for (std::size_t i = 0; i < all.size(); ++i) {
        if (pool.fold[i / (candidates.each + 1)] == fold) shares[i] = all[i];
      }
    }
    const auto rows = rows_where(count, [](std::size_t) { return true; });
    mixing.reranker = Reranker::fit(candidates, rows, width, combine_seeds(seed, static_cast<std::uint64_t>(folds)));
  }
  const Probabilities mixed = mix_evidence(pool.evidence, shares, fitted.voices, examples.labels);
  mixing.temperature = fit_temperature(mixed, pool.truth);
  const Probabilities calibrated = at_temperature(mixed, mixing.temperature);
  mixing.held_out.accuracy = measure(calibrated, pool.truth).accuracy;
  for (std::size_t i = 0; i < count; ++i) {
    mixing.held_out.of_truth.push_back(calibrated.row(i)[static_cast<std::size_t>(pool.truth[i])]);
    mixing.held_out.familiar.push_back(pool.evidence.familiarity[i] >= fitted.familiar_from ? 1 : 0);
  }
  return mixing;
}

Fitted fit_mixtures(const std::vector<HeldOutSide>& sides, const OriginRequest& request,
                    const RetrievalConfig& retrieval) {
  Fitted fitted;
  fitted.protocol = request.protocol;
  fitted.candidates = retrieval.candidates;
  WidthLosses losses;
  std::vector<std::vector<bool>> alone_rows;
  for (const HeldOutSide& side : sides) {
    alone_rows.push_back(alone(side, request.protocol));
    losses.add(side.library, side.queries, request.protocol, alone_rows.back(), side.truth);
  }
  fitted.widths = losses.best();
  Pool pool;
  for (std::size_t k = 0; k < sides.size(); ++k) {
    const HeldOutSide& side = sides[k];
    append(pool, side,
           gather_evidence(side.library, side.queries, request.protocol, side.logits,
                           static_cast<std::size_t>(retrieval.candidates), fitted.widths),
           alone_rows[k], static_cast<int>(k));
  }
  // The opinions count where no spectrum of the specimen is in the library.
  auto strangers = rows_where(pool.items.size(), [&](std::size_t i) { return pool.alone[i]; });
  fitted.voices = fit_log_linear(pool.evidence.opinions, pool.truth, strangers);
  const std::vector<double> network_alone = {1, 0, 0, 0};
  fitted.network_temperature = fit_temperature(mix_log_linear(pool.evidence.opinions, network_alone), pool.truth);
  fitted.novel_below = low_quantile(pool.evidence.familiarity);
  fitted.familiar_from = familiar_from(pool, request.examples, request.protocol);
  const std::uint64_t seed = request.seed ^ kRerankStream;
  const auto folds = static_cast<int>(sides.size());
  fitted.plain = fit_mixing(pool, fitted, request.examples, kShapeFeatures, folds, seed);
  fitted.measured = fit_mixing(pool, fitted, request.examples, kPairFeatures, folds, seed);
  return fitted;
}

}  // namespace

std::vector<int> inner_folds(const Examples& examples, Protocol protocol, int folds, std::uint64_t seed) {
  const std::vector<int>& numbers = protocol == Protocol::mineral ? examples.mineral : examples.specimen;
  std::vector<std::string> groups;
  for (const int number : numbers) groups.push_back(number < 0 ? "" : fmt::format("{}", number));
  return assign_folds(groups, folds, seed);
}

std::unique_ptr<OriginModel> fit_origin(const OriginRequest& request) {
  const nlohmann::json empty = nlohmann::json::object();
  const bool given = request.config.contains("retrieval");
  const RetrievalConfig retrieval =
      parse_retrieval(given ? request.config.at("retrieval") : empty, request.where + ": retrieval");
  const std::vector<int> folds =
      inner_folds(request.examples, request.protocol, retrieval.inner_folds, combine_seeds(request.seed, kInnerStream));
  std::vector<HeldOutSide> sides;
  for (int k = 0; k < retrieval.inner_folds; ++k) {
    FoldSplit split = split_fold(folds, k);
    const auto network = fit_inner(request, retrieval, split, k);
    if (!network) return nullptr;
    sides.push_back(held_out_side(request.examples, *network, std::move(split.test)));
  }
  auto network = fit_networks(request, retrieval, request.examples, request.more, "fit", request.seed);
  if (!network) return nullptr;
  Fitted fitted = fit_mixtures(sides, request, retrieval);
  sides.clear();
  std::vector<float> embeddings = network->embeddings(request.examples.inputs);
  return std::make_unique<OriginModel>(std::move(network), request.examples, std::move(embeddings), std::move(fitted));
}

}  // namespace gyre::raman
