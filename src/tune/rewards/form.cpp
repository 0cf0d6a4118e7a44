#include <fmt/format.h>

#include "base/error.hpp"
#include "text/capture_pattern.hpp"
#include "text/split_pattern.hpp"
#include "tune/rewards/kinds.hpp"

namespace gyre {
namespace {

/// A part that a completion should have: a pattern, and of a tag the two marks, of which there may be no more.
struct Part {
  CapturePattern whole;
  std::vector<CapturePattern> marks;
};

std::vector<std::string> texts_of(const RewardOptions& options, const char* key) {
  std::vector<std::string> texts;
  for (const nlohmann::json& text : options.object.array(key)) {
    if (!text.is_string() || text.get_ref<const std::string&>().empty()) {
      throw Error("{}: {} holds {}; give texts that are not empty", options.where, key, text.dump());
    }
    texts.push_back(text.get<std::string>());
  }
  if (texts.empty()) throw Error("{}: {} is empty; name at least one part", options.where, key);
  return texts;
}

std::vector<Part> parts_of(const RewardOptions& options) {
  if (options.object.has("tags") == options.object.has("patterns")) {
    throw Error("{}: give either \"tags\" or \"patterns\", the parts a completion should have", options.where);
  }
  std::vector<Part> parts;
  if (options.object.has("patterns")) {
    for (const std::string& pattern : texts_of(options, "patterns")) {
      parts.push_back({CapturePattern(pattern, options.where), {}});
    }
    return parts;
  }
  for (const std::string& tag : texts_of(options, "tags")) {
    const std::string open = fmt::format("<{}>", quote_pattern(tag));
    const std::string close = fmt::format("</{}>", quote_pattern(tag));
    parts.push_back({CapturePattern(fmt::format("{}(?m:.*?){}", open, close), options.where),
                     {CapturePattern(open, options.where), CapturePattern(close, options.where)}});
  }
  return parts;
}

/// The share of the parts that are there once, and behind the right one before.
double form_of(const std::string& text, std::span<const Part> parts) {
  double right = 0;
  std::size_t behind = 0;
  for (const Part& part : parts) {
    const std::vector<Capture> found = part.whole.find_all(text);
    bool once = found.size() == 1 && found[0].begin >= behind;
    for (const CapturePattern& mark : part.marks) once = once && mark.find_all(text).size() == 1;
    if (!once) continue;
    ++right;
    behind = found[0].end;
  }
  return right / static_cast<double>(parts.size());
}

}  // namespace

RewardKind form_reward() {
  return {"form",
          "share of the parts (`tags` such as [\"think\", \"answer\"], or regular `patterns`) that are there once and "
          "in order",
          {"tags", "patterns"},
          [](const RewardOptions& options, const RewardTools&) -> RewardFunction {
            return [parts = parts_of(options)](std::span<const RewardItem> items) {
              std::vector<double> rewards;
              for (const RewardItem& item : items) rewards.push_back(form_of(as_utf8(item.completion), parts));
              return rewards;
            };
          }};
}

}  // namespace gyre
