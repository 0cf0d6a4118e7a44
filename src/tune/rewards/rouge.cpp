#include "tune/rewards/kinds.hpp"
#include "tune/words.hpp"

namespace gyre {
namespace {

enum class RougeMeasure { f1, precision, recall };

constexpr EnumName<RougeMeasure> kMeasures[] = {
    {RougeMeasure::f1, "f1"}, {RougeMeasure::precision, "precision"}, {RougeMeasure::recall, "recall"}};
constexpr EnumName<WordRule> kWordRules[] = {{WordRule::rouge_score, "rouge_score"}, {WordRule::unicode, "unicode"}};

/// ROUGE-L (Lin 2004): of the longest common subsequence of words, its share of the completion (precision), of the
/// reference (recall), or their harmonic mean.
double rouge_l(const std::vector<std::string>& completion, const std::vector<std::string>& reference,
               RougeMeasure measure) {
  if (completion.empty() || reference.empty()) return 0;
  const auto common = static_cast<double>(longest_common_subsequence(completion, reference));
  const double precision = common / static_cast<double>(completion.size());
  const double recall = common / static_cast<double>(reference.size());
  if (measure == RougeMeasure::precision) return precision;
  if (measure == RougeMeasure::recall) return recall;
  return common == 0 ? 0 : 2 * precision * recall / (precision + recall);
}

}  // namespace

RewardKind rouge_reward() {
  return {"rouge",
          "ROUGE-L with a reference (column \"reference\" unless told otherwise): 0 … 1",
          {"column", "measure", "tokenizer"},
          [](const RewardOptions& options, const RewardTools&) -> RewardFunction {
            const std::string column = options.object.text("column", "reference");
            const auto measure = options.object.choice<RougeMeasure>("measure", kMeasures, RougeMeasure::f1);
            const auto rule = options.object.choice<WordRule>("tokenizer", kWordRules, WordRule::rouge_score);
            return [=](std::span<const RewardItem> items) {
              std::vector<double> rewards;
              for (std::size_t i = 0; i < items.size(); ++i) {
                rewards.push_back(rouge_l(words_of(items[i].completion, rule),
                                          words_of(column_text(items[i], column, i), rule), measure));
              }
              return rewards;
            };
          },
          "reference"};
}

}  // namespace gyre
