#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <optional>

#include "base/error.hpp"
#include "text/capture_pattern.hpp"
#include "text/split_pattern.hpp"
#include "tune/rewards/kinds.hpp"

namespace gyre {
namespace {

enum class Compare { option, number, text };

constexpr EnumName<Compare> kCompares[] = {
    {Compare::option, "option"}, {Compare::number, "number"}, {Compare::text, "text"}};

std::string trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return std::string(text.substr(begin, text.find_last_not_of(kBlank) - begin + 1));
}

/// The letter that a text begins with and that stands alone, in upper case: of "(b) since …" B, of "Because" none.
std::optional<std::string> option_in(std::string_view text) {
  const std::size_t at = text.find_first_not_of(" \t\r\n([{*\"'");
  if (at == std::string_view::npos) return {};
  const auto letter = static_cast<unsigned char>(text[at]);
  if (std::isalpha(letter) == 0) return {};
  if (at + 1 < text.size()) {
    const auto next = static_cast<unsigned char>(text[at + 1]);
    if (std::isalnum(next) != 0 || next == '_' || next >= 0x80) return {};
  }
  return std::string(1, static_cast<char>(std::toupper(letter)));
}

/// A decimal number without what does not change it: 007.50 and +7,500e0 are no way to write it twice.
std::string plain_number(std::string number) {
  std::erase(number, ',');
  const bool negative = number.front() == '-';
  number.erase(0, number.find_first_not_of("+-"));
  number.erase(0, std::min(number.find_first_not_of('0'), number.size()));
  if (number.find('.') != std::string::npos) {
    number.erase(number.find_last_not_of('0') + 1);
    if (number.back() == '.') number.pop_back();
  }
  if (number.empty() || number.front() == '.') number.insert(0, 1, '0');
  return negative && number != "0" ? "-" + number : number;
}

/// The last number of a text, digit by digit: whether 0.1 is 0.10 is not for floating point to say.
std::optional<std::string> number_in(std::string_view text, const CapturePattern& numbers) {
  const std::vector<Capture> found = numbers.find_all(text);
  if (found.empty()) return {};
  return plain_number(std::string(text.substr(found.back().begin, found.back().end - found.back().begin)));
}

/// Where in a completion the answer stands, and how it is compared.
class AnswerCheck {
 public:
  explicit AnswerCheck(const RewardOptions& options)
      : column_(options.object.text("column", "answer")),
        compare_(options.object.choice<Compare>("compare", kCompares, Compare::option)),
        place_(place_of(options)) {
    if (compare_ != Compare::number && !place_) {
      throw Error("{}: say where the answer stands: \"after\" a text, in a \"tag\", or by a \"pattern\" with a group",
                  options.where);
    }
    if (place_ && place_->groups() != 1) {
      throw Error("{}: the pattern has {} groups; give it one, around the answer", options.where, place_->groups());
    }
  }

  [[nodiscard]] std::vector<double> operator()(std::span<const RewardItem> items) const {
    std::vector<double> rewards;
    for (std::size_t i = 0; i < items.size(); ++i) {
      const std::optional<std::string> wanted = read(as_utf8(column_text(items[i], column_, i)));
      if (!wanted) {
        throw ItemError(i,
                        fmt::format("has \"{}\" in the column \"{}\", which is no {}; mend it, or leave its line out",
                                    column_text(items[i], column_, i), column_,
                                    compare_ == Compare::number ? "number" : "letter of an option"));
      }
      const std::string completion = as_utf8(items[i].completion);
      const std::optional<std::string_view> said = find(completion);
      rewards.push_back(said && read(*said) == wanted ? 1 : 0);
    }
    return rewards;
  }

 private:
  static std::optional<CapturePattern> place_of(const RewardOptions& options) {
    std::optional<std::string> pattern;
    int given = 0;
    const auto take = [&](const char* key, auto make) {
      if (!options.object.has(key)) return;
      const std::string text = options.object.text(key);
      if (text.empty()) throw Error("{}: {} is empty; say where the answer stands, or remove it", options.where, key);
      pattern = make(text);
      ++given;
    };
    take("after", [](const std::string& text) { return quote_pattern(text) + "([^\\n]*)"; });
    take("tag", [](const std::string& tag) { return fmt::format("<{0}>((?m:.*?))</{0}>", quote_pattern(tag)); });
    take("pattern", [](const std::string& text) { return text; });
    if (given > 1) throw Error("{}: after, tag and pattern exclude one another; keep one", options.where);
    if (!pattern) return {};
    return CapturePattern(*pattern, options.where);
  }

  /// The last place that looks like an answer; the whole text where no place was asked for.
  [[nodiscard]] std::optional<std::string_view> find(std::string_view text) const {
    if (!place_) return text;
    const std::vector<Capture> found = place_->find_all(text);
    return found.empty() ? std::nullopt : found.back().groups[0];
  }

  [[nodiscard]] std::optional<std::string> read(std::string_view text) const {
    if (compare_ == Compare::option) return option_in(text);
    if (compare_ == Compare::number) return number_in(text, numbers_);
    return trimmed(text);
  }

  std::string column_;
  Compare compare_;
  std::optional<CapturePattern> place_;
  CapturePattern numbers_{R"((?<![\w.])[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?)", "the pattern of numbers"};
};

}  // namespace

RewardKind correct_reward() {
  return {"correct",
          "1 when the answer is that of a column (\"answer\"), else 0: the option, number or text behind `after`, in "
          "`tag`, or in the group of `pattern`; the last one counts. Of numbers, the last of the text will do",
          {"column", "compare", "after", "tag", "pattern"},
          [](const RewardOptions& options, const RewardTools&) -> RewardFunction { return AnswerCheck(options); },
          "answer"};
}

}  // namespace gyre
