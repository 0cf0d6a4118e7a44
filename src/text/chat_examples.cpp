#include "text/chat_examples.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "base/error.hpp"
#include "format/json_lines.hpp"
#include "format/json_object.hpp"
#include "text/conversation.hpp"

namespace gyre {
namespace {

using OrderedJson = nlohmann::ordered_json;

/// Templates may show the date. This one, which Llama 3's show where no clock is: a text is the same on every day.
constexpr std::int64_t kClock = 1'721'952'000;  // 26 July 2024

bool is_assistant(const OrderedJson& message) { return message.at("role") == "assistant"; }

/// Null, an empty list or text.
bool is_empty(const OrderedJson& value) {
  return value.is_string() ? value.get_ref<const std::string&>().empty() : value.empty();
}

bool says_nothing(const OrderedJson& message) {
  if (const auto calls = message.find("tool_calls"); calls != message.end() && !calls->empty()) return false;
  const auto content = message.find("content");
  return content == message.end() || is_empty(*content);
}

void require_order(const OrderedJson& messages, const std::string& where) {
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const OrderedJson& message = messages[i];
    const std::string role = message.at("role").get<std::string>();
    if (i > 0 && (role == "system" || role == "developer")) {
      throw Error("{}: message {} is of the {}; it has to be the first", where, i, role);
    }
    if (!is_assistant(message)) continue;
    if (i == 0) throw Error("{}: the assistant speaks first; begin with what it answers", where);
    if (is_assistant(messages[i - 1])) {
      throw Error("{}: messages {} and {} are both of the assistant; make them one", where, i - 1, i);
    }
    if (messages[i - 1].at("role") == "system") {
      throw Error("{}: message {} answers the system message; put a turn of the user between", where, i);
    }
    if (says_nothing(message)) throw Error("{}: message {}, of the assistant, is empty; leave the line out", where, i);
  }
  if (!is_assistant(messages.back())) {
    throw Error("{}: the last message is of the {}; end with an answer of the assistant", where,
                messages.back().at("role").get<std::string>());
  }
}

/// Prompt and answer as two messages.
OrderedJson two_messages(const OrderedJson& line, const ExampleKeys& keys, const std::string& where) {
  const auto text = [&](const std::string& key) {
    const auto found = line.find(key);
    if (found == line.end()) throw Error("{}: neither \"messages\" nor the key \"{}\"", where, key);
    if (!found->is_string()) throw Error("{}: {} must be text, found {}", where, key, found->type_name());
    if (is_empty(*found)) throw Error("{}: {} is empty; give text, or leave the line out", where, key);
    return *found;
  };
  return OrderedJson::array({OrderedJson{{"role", "user"}, {"content", text(keys.prompt)}},
                             OrderedJson{{"role", "assistant"}, {"content", text(keys.answer)}}});
}

OrderedJson conversation_json(const OrderedJson& line, const ExampleKeys& keys, const std::string& where) {
  if (!line.is_object()) throw Error("{}: expected a JSON object, found {}", where, line.type_name());
  const bool chat = line.contains("messages");
  if (chat && (line.contains(keys.prompt) || line.contains(keys.answer))) {
    throw Error("{}: both \"messages\" and \"{}\"; keep one of them", where,
                line.contains(keys.prompt) ? keys.prompt : keys.answer);
  }
  OrderedJson made = {{"messages", chat ? line.at("messages") : two_messages(line, keys, where)}};
  for (const char* key : {"tools", "documents"}) {
    if (line.contains(key)) made[key] = line.at(key);
  }
  return made;
}

ChatExample chat_example_of(const JsonLine& line, const ExampleKeys& keys) {
  const OrderedJson json = parse_ordered_json(line.text, line.where);
  ChatExample example;
  example.conversation = read_conversation(conversation_json(json, keys, line.where), line.where);
  example.conversation.clock = kClock;
  const OrderedJson& messages = example.conversation.messages;
  require_order(messages, line.where);
  const auto first = std::find_if(messages.begin(), messages.end(), is_assistant);
  // What a template is given besides the messages is a part of the question.
  OrderedJson before(messages.begin(), first);
  before.push_back(example.conversation.tools);
  before.push_back(example.conversation.documents);
  example.prompt = before.dump();
  example.answer = OrderedJson(first, messages.end()).dump();
  example.group = split_value(json, keys.split, line.where);
  example.line = line.number;
  return example;
}

/// The text of the first `count` messages.
std::string render_first(const ChatExample& example, std::size_t count, bool goes_on, const ChatTemplate& chat,
                         const std::string& where) {
  Conversation part = example.conversation;
  const auto& messages = example.conversation.messages;
  part.messages = OrderedJson(messages.begin(), messages.begin() + static_cast<std::ptrdiff_t>(count));
  part.add_generation_prompt = goes_on;
  try {
    return chat.render(part);
  } catch (const Error& error) {
    throw Error("{}: {}", where, error.what());
  }
}

/// How many items two lists begin with alike.
template <typename Iterator>
std::size_t alike(const Iterator& a, const Iterator& a_end, const Iterator& b, const Iterator& b_end) {
  return static_cast<std::size_t>(std::mismatch(a, a_end, b, b_end).first - a);
}

/// The tokens around byte `at` of a text: those before `first` end there or earlier, those from `second` on begin there
/// or later.
struct Edge {
  std::size_t first = 0;
  std::size_t second = 0;
};

Edge edge_at(const std::string& text, std::size_t at, const std::vector<std::int32_t>& ids,
             const Tokenizer& tokenizer) {
  const std::string_view whole = text;
  const std::vector<std::int32_t> before = tokenizer.encode(whole.substr(0, at));
  const std::size_t common = alike(before.begin(), before.end(), ids.begin(), ids.end());
  if (common == before.size()) return {common, common};
  const std::vector<std::int32_t> after = tokenizer.encode(whole.substr(at));
  const std::size_t rest = alike(after.rbegin(), after.rend(), ids.rbegin(), ids.rend());
  return {common, std::max(common, ids.size() - rest)};
}

}  // namespace

std::vector<ChatExample> read_chat_examples(const std::filesystem::path& file, const ExampleKeys& keys) {
  std::vector<ChatExample> examples;
  for_each_json_line(file, [&](const JsonLine& line) { examples.push_back(chat_example_of(line, keys)); });
  if (examples.empty()) throw Error("{}: no examples", file.string());
  return examples;
}

ChatSplit split_chats(std::vector<ChatExample> examples, double share) {
  std::vector<SplitPlace> places;
  places.reserve(examples.size());
  for (const ChatExample& example : examples) {
    places.push_back({example.group.empty() ? example.prompt : example.group, 0});
  }
  const std::vector<bool> validates = held_out(places, share);
  std::set<std::pair<std::string, std::string>> seen;
  ChatSplit split;
  for (std::size_t i = 0; i < examples.size(); ++i) {
    if (!validates[i]) {
      split.training.push_back(std::move(examples[i]));
    } else if (seen.emplace(examples[i].prompt, examples[i].answer).second) {
      split.validation.push_back(std::move(examples[i]));
    }
  }
  return split;
}

LearnedText render_learned(const ChatExample& example, const ChatTemplate& chat, LearnedTurns turns,
                           std::string_view end_of_turn, const std::string& where) {
  const OrderedJson& messages = example.conversation.messages;
  LearnedText made{render_first(example, messages.size(), false, chat, where), {}};
  for (std::size_t i = 1; i < messages.size(); ++i) {
    const bool last = i + 1 == messages.size();
    if (!is_assistant(messages[i]) || (turns == LearnedTurns::last && !last)) continue;
    const std::string before = render_first(example, i, true, chat, where);
    const std::string with = last ? made.text : render_first(example, i + 1, false, chat, where);
    if (!with.starts_with(before)) {
      throw Error(
          "{}: the template writes message {} otherwise than it tells the assistant to begin, so where the answer "
          "begins "
          "cannot be told; use a template whose generation prompt is the beginning of a turn",
          where, i);
    }
    if (!made.text.starts_with(with)) {
      throw Error(
          "{}: the template writes message {} otherwise once more follows; set training.turns to \"last\", to learn "
          "the "
          "last turn alone",
          where, i);
    }
    ByteRange turn{before.size(), with.size()};
    const std::size_t ends = end_of_turn.empty() ? std::string::npos : std::string_view(with).rfind(end_of_turn);
    if (ends != std::string::npos && ends >= turn.begin) turn.end = ends + end_of_turn.size();
    made.learned.push_back(turn);
  }
  return made;
}

LearnedTokens encode_learned(const LearnedText& text, const Tokenizer& tokenizer) {
  LearnedTokens made{tokenizer.encode(text.text), {}, 0};
  made.learned.assign(made.ids.size(), false);
  for (const ByteRange& range : text.learned) {
    const Edge begin = edge_at(text.text, range.begin, made.ids, tokenizer);
    const Edge end = edge_at(text.text, range.end, made.ids, tokenizer);
    made.straddling += begin.second - begin.first + end.second - end.first;
    for (std::size_t i = begin.second; i < end.first; ++i) made.learned[i] = true;
  }
  return made;
}

}  // namespace gyre
