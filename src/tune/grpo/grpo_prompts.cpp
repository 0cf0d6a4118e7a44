#include "tune/grpo/grpo_prompts.hpp"

#include <algorithm>
#include <numeric>
#include <optional>
#include <set>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/hash.hpp"
#include "base/random.hpp"
#include "format/json_lines.hpp"
#include "format/json_object.hpp"
#include "text/conversation.hpp"
#include "text/examples.hpp"

namespace gyre {
namespace {

/// Turns lines into prompts of one model.
class PromptReader {
 public:
  PromptReader(const GrpoConfig& config, bool chat, const Checkpoint& checkpoint)
      : config_(config), checkpoint_(checkpoint) {
    if (chat) template_.emplace(checkpoint.chat_template());
  }

  [[nodiscard]] GrpoPrompt read(const JsonLine& line) const {
    GrpoPrompt prompt;
    prompt.columns = parse_json(line.text, line.where);
    prompt.line = line.number;
    const JsonObject object(prompt.columns, line.where);
    const bool talk = object.has("messages");
    if (talk == object.has(config_.prompt_key)) {
      throw Error("{}: it holds {} \"{}\" {} \"messages\"; one of them is the prompt", line.where,
                  talk ? "both" : "neither", config_.prompt_key, talk ? "and" : "nor");
    }
    prompt.text = talk ? prompt.columns.at("messages").dump() : object.text(config_.prompt_key);
    if (prompt.text.find_first_not_of(" \t\r\n") == std::string::npos) {
      throw Error("{}: \"{}\" is blank; leave the line out", line.where, config_.prompt_key);
    }
    prompt.tokens = talk || template_ ? chat_tokens(prompt, talk, line.where) : plain_tokens(prompt.text, line.where);
    prompt.group = split_value(prompt.columns, config_.split_key, line.where);
    if (prompt.group.empty()) prompt.group = prompt.text;
    const int context = checkpoint_.model.spec().context;
    if (prompt.tokens.empty() || static_cast<int>(prompt.tokens.size()) + config_.tokens > context) {
      throw Error(
          "{}: the prompt has {} tokens, and {} behind them (grpo.tokens) do not fit the context of {}; shorten "
          "it, or ask for fewer",
          line.where, prompt.tokens.size(), config_.tokens, context);
    }
    return prompt;
  }

 private:
  [[nodiscard]] std::vector<std::int32_t> plain_tokens(const std::string& text, const std::string& where) const {
    const Tokenizer& tokenizer = checkpoint_.language.tokenizer;
    std::vector<std::int32_t> tokens = tokenizer.prefix_tokens();
    const std::vector<std::int32_t> words = encoded(text, where);
    tokens.insert(tokens.end(), words.begin(), words.end());
    return tokens;
  }

  [[nodiscard]] std::vector<std::int32_t> chat_tokens(const GrpoPrompt& prompt, bool talk,
                                                      const std::string& where) const {
    if (!template_) throw Error("{}: a conversation needs a chat template, and grpo.chat is false", where);
    nlohmann::ordered_json messages = nlohmann::ordered_json::array();
    if (talk) {
      messages = nlohmann::ordered_json::parse(prompt.text);
    } else {
      messages.push_back({{"role", "user"}, {"content", prompt.text}});
    }
    const Conversation conversation = read_conversation(std::move(messages), where);
    return encoded(template_->render(conversation), where);
  }

  [[nodiscard]] std::vector<std::int32_t> encoded(const std::string& text, const std::string& where) const {
    try {
      return checkpoint_.language.tokenizer.encode(text);
    } catch (const Error& error) {
      throw Error("{}: {}", where, error.what());
    }
  }

  const GrpoConfig& config_;
  const Checkpoint& checkpoint_;
  std::optional<ChatTemplate> template_;
};

}  // namespace

GrpoPrompts read_grpo_prompts(const std::filesystem::path& file, const GrpoConfig& config, bool chat,
                              const Checkpoint& checkpoint) {
  const PromptReader reader(config, chat, checkpoint);
  std::vector<GrpoPrompt> all;
  for_each_json_line(file, [&](const JsonLine& line) { all.push_back(reader.read(line)); });
  if (all.empty()) throw Error("{}: no prompts; give JSON lines with \"{}\"", file.string(), config.prompt_key);
  std::vector<SplitPlace> places;
  for (const GrpoPrompt& prompt : all) places.push_back({prompt.group, 0});
  const std::vector<bool> held = config.validation_share > 0
                                     ? held_out(places, static_cast<double>(config.validation_share))
                                     : std::vector<bool>(all.size(), false);
  GrpoPrompts prompts;
  std::set<std::string> seen;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (!held[i]) {
      prompts.training.push_back(std::move(all[i]));
    } else if (seen.insert(all[i].text).second) {
      prompts.validation.push_back(std::move(all[i]));
    }
  }
  if (prompts.training.empty()) throw Error("{}: all prompts are held out; give more", file.string());
  prompts.sha256 = sha256_of_mapped(MappedFile(file).bytes());
  return prompts;
}

std::vector<std::size_t> prompts_of_step(std::size_t prompts, int a_step, int step, std::uint64_t seed) {
  std::vector<std::size_t> chosen;
  std::vector<std::size_t> order(prompts);
  std::uint64_t drawn = ~std::uint64_t{0};  // the pass that `order` is of
  for (int i = 0; i < a_step; ++i) {
    const std::uint64_t place =
        static_cast<std::uint64_t>(step - 1) * static_cast<std::uint64_t>(a_step) + static_cast<std::uint64_t>(i);
    if (const std::uint64_t pass = place / prompts; pass != drawn) {
      drawn = pass;
      std::iota(order.begin(), order.end(), std::size_t{0});
      Random random(combine_seeds(seed, pass));
      for (std::size_t k = prompts; k > 1; --k) std::swap(order[k - 1], order[random.below(k)]);
    }
    chosen.push_back(order[place % prompts]);
  }
  return chosen;
}

std::vector<bool> planning_tokens(const std::vector<std::int32_t>& tokens, const Tokenizer& tokenizer,
                                  const std::vector<std::string>& phrases) {
  std::vector<std::size_t> ends;  // of each token in the text
  std::string text;
  for (const std::int32_t token : tokens) {
    text += tokenizer.piece(token);
    ends.push_back(text.size());
  }
  std::vector<bool> planning(tokens.size(), false);
  for (const std::string& phrase : phrases) {
    for (std::size_t at = text.find(phrase); at != std::string::npos; at = text.find(phrase, at + 1)) {
      for (std::size_t i = 0; i < tokens.size(); ++i) {
        const std::size_t begin = i == 0 ? 0 : ends[i - 1];
        if (begin < at + phrase.size() && ends[i] > at) planning[i] = true;
      }
    }
  }
  return planning;
}

}  // namespace gyre
