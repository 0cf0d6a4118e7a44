#include "tune/guards.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <utility>

#include "base/error.hpp"
#include "base/random.hpp"
#include "tune/words.hpp"

namespace gyre {
namespace {

constexpr std::size_t kGram = 4;

/// The words from each of the places where four begin.
std::vector<std::vector<std::string>> grams_of(const std::vector<std::string>& words) {
  std::vector<std::vector<std::string>> grams;
  for (std::size_t i = 0; i + kGram <= words.size(); ++i) {
    const auto begin = words.begin() + static_cast<std::ptrdiff_t>(i);
    grams.emplace_back(begin, begin + kGram);
  }
  return grams;
}

double share(std::size_t part, std::size_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

double mean_total(std::span<const Reward> rewards, std::span<const RewardItem> items) {
  const RewardTable table = judge(rewards, items);
  return std::accumulate(table.totals.begin(), table.totals.end(), 0.0) / static_cast<double>(items.size());
}

std::size_t shared_references(std::span<const RewardItem> items, const std::string& column) {
  std::map<std::string, std::set<std::string>> prompts;
  for (std::size_t i = 0; i < items.size(); ++i) prompts[column_text(items[i], column, i)].insert(items[i].prompt);
  return static_cast<std::size_t>(
      std::count_if(prompts.begin(), prompts.end(), [](const auto& entry) { return entry.second.size() > 1; }));
}

}  // namespace

double repeated_share(const std::vector<std::string>& words) {
  const auto grams = grams_of(words);
  const std::set<std::vector<std::string>> different(grams.begin(), grams.end());
  return share(grams.size() - different.size(), grams.size());
}

double copied_share(const std::vector<std::string>& words, const std::vector<std::string>& prompt) {
  const auto grams = grams_of(words);
  const auto of_prompt = grams_of(prompt);
  const std::set<std::vector<std::string>> known(of_prompt.begin(), of_prompt.end());
  const auto copied = std::count_if(grams.begin(), grams.end(), [&](const auto& gram) { return known.contains(gram); });
  return share(static_cast<std::size_t>(copied), grams.size());
}

std::size_t longest_common_run(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  std::vector<std::size_t> row(b.size() + 1, 0);  // of the run that ends with this word of a and word j - 1 of b
  std::size_t longest = 0;
  for (const std::string& word : a) {
    for (std::size_t j = b.size(); j > 0; --j) {
      row[j] = word == b[j - 1] ? row[j - 1] + 1 : 0;
      longest = std::max(longest, row[j]);
    }
  }
  return longest;
}

std::string shuffled_words(const std::string& text, std::uint64_t seed) {
  constexpr std::string_view kBlank = " \t\r\n";
  std::vector<std::string> words;
  for (std::size_t at = text.find_first_not_of(kBlank); at != std::string::npos;) {
    const std::size_t end = std::min(text.find_first_of(kBlank, at), text.size());
    words.push_back(text.substr(at, end - at));
    at = text.find_first_not_of(kBlank, end);
  }
  Random random(seed);
  for (std::size_t i = words.size(); i > 1; --i) std::swap(words[i - 1], words[random.below(i)]);
  std::string shuffled;
  for (const std::string& word : words) shuffled += (shuffled.empty() ? "" : " ") + word;
  return shuffled;
}

GuardReport Guards::look(std::span<const RewardItem> items, std::span<const double> totals, const std::string& column) {
  if (items.empty()) throw Error("the batch is empty; there is nothing to look at");
  GuardReport report;
  for (const RewardItem& item : items) {
    const std::vector<std::string> words = words_of(item.completion, WordRule::unicode);
    const std::vector<std::string> prompt = words_of(item.prompt, WordRule::unicode);
    report.repetition += repeated_share(words);
    report.copied += copied_share(words, prompt);
    report.longest_copied += share(longest_common_run(words, prompt), words.size());
    report.truncated += item.truncated ? 1 : 0;
    report.tokens += item.tokens;
  }
  const auto count = static_cast<double>(items.size());
  for (double* mean : {&report.repetition, &report.copied, &report.longest_copied, &report.truncated, &report.tokens}) {
    *mean /= count;
  }
  if (seen_ < first_batches_) {
    first_sum_ += report.tokens;
    ++seen_;
  }
  report.drift = first_sum_ > 0 ? report.tokens * seen_ / first_sum_ : 1;
  report.reward = std::accumulate(totals.begin(), totals.end(), 0.0) / count;
  if (!column.empty()) report.shared_references = shared_references(items, column);
  return report;
}

void Guards::probe(GuardReport& report, std::span<const Reward> rewards, std::span<const RewardItem> items,
                   std::uint64_t seed) {
  std::vector<RewardItem> others(items.begin(), items.end());
  for (std::size_t i = 0; i < others.size(); ++i) {
    others[i].completion = shuffled_words(items[i].completion, combine_seeds(seed, i));
  }
  report.of_shuffled = mean_total(rewards, others);
  for (RewardItem& item : others) {
    item.completion.clear();
    item.tokens = 0;
    item.truncated = false;
  }
  report.of_empty = mean_total(rewards, others);
}

nlohmann::json to_json(const GuardReport& report) {
  nlohmann::json json = {{"repetition", report.repetition},
                         {"copied", report.copied},
                         {"longest_copied", report.longest_copied},
                         {"truncated", report.truncated},
                         {"completion_tokens", report.tokens},
                         {"length_drift", report.drift},
                         {"shared_references", report.shared_references},
                         {"reward", report.reward}};
  if (report.of_empty) json["reward_of_empty"] = *report.of_empty;
  if (report.of_shuffled) json["reward_of_shuffled"] = *report.of_shuffled;
  return json;
}

}  // namespace gyre
