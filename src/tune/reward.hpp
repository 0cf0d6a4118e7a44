#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "format/json_object.hpp"

namespace gyre {

/// One completion to be judged.
struct RewardItem {
  std::string prompt;
  std::string completion;
  int tokens = 0;                                     ///< of the completion
  bool truncated = false;                             ///< it ended because it ran out of tokens
  nlohmann::json columns = nlohmann::json::object();  ///< of the example, for what a reward compares with
};

/// What one item of a batch lacks, for whoever knows the line that it came from.
class ItemError : public Error {
 public:
  ItemError(std::size_t item, std::string mistake)
      : Error("item {} of the batch {}", item, mistake), item_(item), mistake_(std::move(mistake)) {}

  [[nodiscard]] std::size_t item() const { return item_; }
  /// Reads on behind the name of the item: "has no text in …".
  [[nodiscard]] const std::string& mistake() const { return mistake_; }

 private:
  std::size_t item_;
  std::string mistake_;
};

/// Judges a batch of completions: one number each, in order.
using RewardFunction = std::function<std::vector<double>(std::span<const RewardItem>)>;

/// One part of the reward.
struct Reward {
  std::string name;  ///< in logs and messages
  double weight = 1;
  RewardFunction judge;
  std::string column = {};   ///< of the example that it compares with; empty: none
  bool asks_others = false;  ///< a program or an encoder judges
};

/// Vectors of texts, one a text, all of one size.
using Embed = std::function<std::vector<std::vector<float>>(std::span<const std::string>)>;

/// What rewards may ask for.
struct RewardTools {
  Embed embed;  ///< for the reward "semantic"; may be empty where none is named
};

/// The options of one reward of a config. `where` leads every message.
struct RewardOptions {
  JsonObject object;
  std::string where;
};

/// One kind of reward: its name in configs, what it does, its keys besides kind, name and weight, and how one is made.
struct RewardKind {
  std::string_view name;
  std::string_view help;
  std::vector<std::string_view> keys;
  RewardFunction (*make)(const RewardOptions& options, const RewardTools& tools);
  std::string_view column = {};  ///< what its key "column" is when it is not given
  bool asks_others = false;      ///< a program or an encoder judges, not gyre by itself
};

/// All kinds, one a file in rewards/.
const std::vector<RewardKind>& reward_kinds();

/// The rewards of a config: a list of objects {"kind": "rouge", "weight": 0.5, …}, each with a "name" (its kind unless
/// told otherwise) of its own. Throws Error with `where`, the place in the list and what is wrong.
std::vector<Reward> parse_rewards(const nlohmann::json& list, const std::string& where, const RewardTools& tools);

/// What a batch was given: by part, and the sum by weight.
struct RewardTable {
  std::vector<std::string> names;
  std::vector<std::vector<double>> parts;  ///< [rewards, items], without their weights
  std::vector<double> totals;              ///< an item
};

/// Throws Error naming reward and item when one is not finite, or when a reward judged another number of items.
RewardTable judge(std::span<const Reward> rewards, std::span<const RewardItem> items);

/// The text with U+FFFD for bytes that are no UTF-8, for readers that want it valid.
std::string as_utf8(std::string_view text);

/// The text in a column of an item. Throws ItemError naming the column when there is none, or it is empty.
const std::string& column_text(const RewardItem& item, const std::string& column, std::size_t number);

}  // namespace gyre
