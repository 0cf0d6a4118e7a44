#include "study/tasks/requests.hpp"

#include <algorithm>
#include <cstddef>

#include "base/error.hpp"
#include "text/unicode.hpp"
#include "text/utf8.hpp"

namespace gyre {
namespace {

std::vector<std::int32_t> with_prefix(const Tokenizer& tokenizer, std::string_view text) {
  std::vector<std::int32_t> tokens = tokenizer.prefix_tokens();
  const std::vector<std::int32_t> own = tokenizer.encode(text);
  tokens.insert(tokens.end(), own.begin(), own.end());
  return tokens;
}

/// Bytes of `text` before the blanks that end it.
std::size_t end_without_blanks(std::string_view text) {
  std::size_t end = 0;
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Step step = read_utf8(text.substr(at));
    at += step.length;
    if (!is_white_space(step.code_point)) end = at;
  }
  return end;
}

void drop(std::vector<std::int32_t>& tokens, std::size_t count) {
  tokens.erase(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(count));
}

}  // namespace

TaskRequest choice_request(const TaskChoice& choice, const Tokenizer& tokenizer, int window, const std::string& where) {
  const std::string context = choice.context.substr(0, end_without_blanks(choice.context));
  TaskRequest request;
  request.context = with_prefix(tokenizer, context);
  std::vector<std::int32_t> whole = with_prefix(tokenizer, choice.context + choice.continuation);
  if (request.context.empty()) throw Error("{}: nothing stands before the answer", where);
  drop(whole, std::min(whole.size(), request.context.size()));
  request.continuation = std::move(whole);
  if (request.continuation.empty()) {
    throw Error("{}: the answer \"{}\" has no tokens of its own behind its question", where, choice.continuation);
  }
  const auto room = static_cast<std::size_t>(window);
  if (request.continuation.size() > room) {
    throw Error("{}: an answer of {} tokens is longer than the window of {}", where, request.continuation.size(), room);
  }
  // The last token is never run: window tokens and one more.
  const std::size_t total = request.context.size() + request.continuation.size();
  request.dropped = total > room + 1 ? total - room - 1 : 0;
  drop(request.context, request.dropped);
  return request;
}

TaskRequest generation_request(const std::string& context, const Tokenizer& tokenizer, int window, int answer_tokens,
                               const std::string& where) {
  if (answer_tokens >= window) {
    throw Error("an answer of {} tokens leaves no room for a question in a window of {}", answer_tokens, window);
  }
  TaskRequest request{with_prefix(tokenizer, context), {}};
  if (request.context.empty()) throw Error("{}: there is no question", where);
  const auto room = static_cast<std::size_t>(window - answer_tokens);
  request.dropped = request.context.size() > room ? request.context.size() - room : 0;
  drop(request.context, request.dropped);
  return request;
}

}  // namespace gyre
