#include "train/data_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "study/statistics.hpp"
#include "train/encoded_examples.hpp"

namespace gyre {
namespace {

using Texts = std::unordered_set<std::string_view>;

std::size_t shared(const Texts& a, const Texts& b) {
  return static_cast<std::size_t>(
      std::count_if(a.begin(), a.end(), [&](std::string_view text) { return b.contains(text); }));
}

nlohmann::json to_json(const PartReport& part) {
  return {{"examples", part.examples},
          {"tokens", part.tokens},
          {"learned_tokens", part.learned},
          {"lengths",
           {{"min", part.lengths.least},
            {"median", part.lengths.median},
            {"p95", part.lengths.p95},
            {"max", part.lengths.most}}},
          {"rows", part.rows},
          {"filled", part.filled},
          {"cut", part.cut},
          {"dropped", part.dropped},
          {"straddling_tokens", part.straddling}};
}

double share(std::size_t part, std::size_t whole) {
  return whole == 0 ? 0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

void add_part(std::string_view name, const PartReport& part, std::vector<std::string>& lines) {
  std::string line = fmt::format("{}: {} tokens", name, part.tokens);
  if (part.examples > 0) {
    line += fmt::format(" of {} examples (min {:.0f}, median {:.0f}, 95 % {:.0f}, max {:.0f}), {:.1f} % with loss",
                        part.examples, part.lengths.least, part.lengths.median, part.lengths.p95, part.lengths.most,
                        share(part.learned, part.tokens));
  }
  line += fmt::format("; {} rows, {:.1f} % filled", part.rows, 100 * part.filled);
  if (part.cut > 0) line += fmt::format("; {} cut", part.cut);
  if (part.dropped > 0) line += fmt::format("; {} dropped", part.dropped);
  if (part.straddling > 0) line += fmt::format("; {} tokens at the edges of turns not learned", part.straddling);
  lines.push_back(std::move(line));
}

}  // namespace

DataReport report_on(std::span<const ReadExample> examples) {
  DataReport report;
  report.read = examples.size();
  std::set<std::pair<std::string_view, std::string_view>> seen;
  std::unordered_map<std::string_view, int> answers;  // different ones, by prompt
  std::array<Texts, 2> groups;
  std::array<Texts, 2> prompts;
  for (const ReadExample& example : examples) {
    const bool is_new = seen.emplace(example.prompt, example.answer).second;
    if (is_new) ++answers[example.prompt];
    if (!is_new) ++report.repeated;
    groups[example.validates ? 1 : 0].insert(example.group);
    prompts[example.validates ? 1 : 0].insert(example.prompt);
  }
  report.contradicting = static_cast<std::size_t>(
      std::count_if(answers.begin(), answers.end(), [](const auto& prompt) { return prompt.second > 1; }));
  report.shared_groups = shared(groups[0], groups[1]);
  report.shared_prompts = shared(prompts[0], prompts[1]);
  return report;
}

PartReport report_on(const EncodedPart& part) {
  PartReport report;
  report.examples = part.examples.size();
  std::vector<double> lengths;
  lengths.reserve(part.examples.size());
  for (const AnswerExample& example : part.examples) {
    lengths.push_back(static_cast<double>(example.inputs.size()));
    report.tokens += example.inputs.size();
    report.learned += static_cast<std::size_t>(
        std::count_if(example.targets.begin(), example.targets.end(), [](std::int32_t t) { return t >= 0; }));
  }
  if (!lengths.empty()) {
    report.lengths = {quantile(lengths, 0), quantile(lengths, 0.5), quantile(lengths, 0.95), quantile(lengths, 1)};
  }
  report.cut = part.cut;
  report.dropped = part.dropped;
  report.straddling = part.straddling;
  return report;
}

void count_rows(PartReport& part, std::size_t rows, int sequence) {
  part.rows = rows;
  part.filled = rows == 0 ? 0 : static_cast<double>(part.tokens) / (static_cast<double>(rows) * sequence);
}

nlohmann::json to_json(const DataReport& report) {
  return {{"layout", report.layout},
          {"read", report.read},
          {"repeated", report.repeated},
          {"prompts_with_different_answers", report.contradicting},
          {"groups_on_both_sides", report.shared_groups},
          {"prompts_on_both_sides", report.shared_prompts},
          {"training", to_json(report.training)},
          {"validation", to_json(report.validation)}};
}

std::vector<std::string> lines_of(const DataReport& report) {
  std::vector<std::string> lines;
  std::string line = fmt::format("data: {} {} read", report.read, report.layout == "text" ? "texts" : "examples");
  if (report.layout != "text") {
    line += fmt::format("; {} repeated word for word, {} prompts with different answers, {} prompts on both sides",
                        report.repeated, report.contradicting, report.shared_prompts);
  } else if (report.repeated > 0) {
    line += fmt::format("; {} repeated word for word", report.repeated);
  }
  lines.push_back(std::move(line));
  add_part("training", report.training, lines);
  add_part("validation", report.validation, lines);
  return lines;
}

}  // namespace gyre
