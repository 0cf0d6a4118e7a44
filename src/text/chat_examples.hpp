#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/chat_template.hpp"
#include "text/examples.hpp"
#include "text/tokenizer.hpp"

namespace gyre {

/// A conversation to learn the assistant's turns of.
struct ChatExample {
  Conversation conversation;
  std::string prompt;  ///< the messages before the first answer, as JSON
  std::string answer;  ///< those from there on
  std::string group;   ///< as in Example
  int line = 0;
};

/// Reads JSON lines that hold a conversation ({"messages": […]}, with "tools" and "documents" where a template wants
/// them) or a prompt and its answer under the keys given, which are a turn of the user and one of the assistant. Other
/// keys are left to others. Throws Error naming the line: of a line that holds both or neither, whose assistant speaks
/// first, twice in a row, or says nothing, whose system message is not the first, or whose last message is not the
/// assistant's.
std::vector<ChatExample> read_chat_examples(const std::filesystem::path& file, const ExampleKeys& keys = {});

struct ChatSplit {
  std::vector<ChatExample> training;
  std::vector<ChatExample> validation;  ///< without repeats
};
/// As split_examples; without a key to split by, all that comes before the first answer decides.
ChatSplit split_chats(std::vector<ChatExample> examples, double share);

/// Which of the assistant's turns are learned.
enum class LearnedTurns : std::uint8_t { all, last };

struct ByteRange {
  std::size_t begin = 0;
  std::size_t end = 0;

  bool operator==(const ByteRange&) const = default;
};

/// A text, and the stretches of it that are to be learned, in order.
struct LearnedText {
  std::string text;
  std::vector<ByteRange> learned;
};

/// Writes a conversation by its template and finds the assistant's turns in it: one reaches from where the template
/// tells the assistant to go on to behind `end_of_turn`, or to where the turn ends when that is empty or not there.
/// The text up to a turn, and with it, must be how the whole text begins; throws Error with `where` when it is not (a
/// template that leaves out the thoughts of earlier turns, say): then the last turn alone may be.
LearnedText render_learned(const ChatExample& example, const ChatTemplate& chat, LearnedTurns turns,
                           std::string_view end_of_turn, const std::string& where);

/// The tokens of a text, and which of them are to be learned.
struct LearnedTokens {
  std::vector<std::int32_t> ids;
  std::vector<bool> learned;   ///< one an id
  std::size_t straddling = 0;  ///< tokens that hold characters of both sides of an edge of a stretch; never learned
};

/// Encodes the whole text once. The edge of a stretch lies behind the tokens of the text before it, when the whole
/// begins with them; otherwise some tokens straddle the edge, and are not learned: a prompt that ends there never ends
/// in them.
LearnedTokens encode_learned(const LearnedText& text, const Tokenizer& tokenizer);

}  // namespace gyre
