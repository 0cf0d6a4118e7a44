#include <memory>
#include <string>
#include <unordered_map>

#include "base/error.hpp"
#include "engine/embedder.hpp"
#include "tune/rewards/kinds.hpp"

namespace gyre {
namespace {

using Vector = std::vector<float>;

bool is_blank(std::string_view text) { return text.find_first_not_of(" \t\r\n") == std::string_view::npos; }

/// Cosine of completion and reference in the space of an encoder (arXiv 2509.13081). References come again with every
/// pass over the data, so that their vectors are kept.
class SemanticScore {
 public:
  SemanticScore(Embed embed, std::string column) : embed_(std::move(embed)), column_(std::move(column)) {}

  std::vector<double> operator()(std::span<const RewardItem> items) {
    embed_references(items);
    std::vector<std::string> texts;
    for (const RewardItem& item : items) {
      if (!is_blank(item.completion)) texts.push_back(as_utf8(item.completion));
    }
    const std::vector<Vector> vectors = embed(texts);
    std::vector<double> rewards;
    std::size_t next = 0;
    for (std::size_t i = 0; i < items.size(); ++i) {
      // Nothing said means nothing, whatever an encoder makes of no words.
      if (is_blank(items[i].completion)) {
        rewards.push_back(0);
        continue;
      }
      const Vector& reference = references_.at(column_text(items[i], column_, i));
      if (vectors[next].size() != reference.size()) {
        throw Error("reward semantic: the encoder gave vectors of {} and of {} numbers", vectors[next].size(),
                    reference.size());
      }
      rewards.push_back(cosine(vectors[next++], reference));
    }
    return rewards;
  }

 private:
  void embed_references(std::span<const RewardItem> items) {
    std::vector<std::string> missing;
    std::unordered_map<std::string, Vector> added;
    for (std::size_t i = 0; i < items.size(); ++i) {
      const std::string& text = column_text(items[i], column_, i);
      if (is_blank(text)) throw ItemError(i, fmt::format("has a blank \"{}\"; leave its example out", column_));
      if (!references_.contains(text) && added.try_emplace(text).second) missing.push_back(text);
    }
    std::vector<Vector> vectors = embed(missing);
    for (std::size_t i = 0; i < missing.size(); ++i) added.at(missing[i]) = std::move(vectors[i]);
    references_.merge(added);
  }

  [[nodiscard]] std::vector<Vector> embed(const std::vector<std::string>& texts) const {
    if (texts.empty()) return {};
    std::vector<Vector> vectors = embed_(texts);
    if (vectors.size() != texts.size()) {
      throw Error("reward semantic: the encoder gave {} vectors for {} texts", vectors.size(), texts.size());
    }
    return vectors;
  }

  Embed embed_;
  std::string column_;
  std::unordered_map<std::string, Vector> references_;
};

}  // namespace

RewardKind semantic_reward() {
  return {"semantic",
          "cosine of completion and reference (column \"reference\") in the space of an encoder: -1 … 1",
          {"column"},
          [](const RewardOptions& options, const RewardTools& tools) -> RewardFunction {
            if (!tools.embed) throw Error("{}: the reward semantic needs an encoder; name one", options.where);
            const auto score = std::make_shared<SemanticScore>(tools.embed, options.object.text("column", "reference"));
            return [score](std::span<const RewardItem> items) { return (*score)(items); };
          },
          "reference",
          true};
}

}  // namespace gyre
