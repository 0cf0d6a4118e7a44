#include "serve/reply_reader.hpp"

#include <algorithm>
#include <utility>

#include "serve/api_error.hpp"

namespace gyre::serve {
namespace {

constexpr std::string_view kSpace = " \n\t\r";

/// The beginning of a call as far as it has come: {"name": "f", "arguments": {
struct Head {
  enum class Kind { open, other, read } kind = Kind::open;  ///< open: more has to come
  std::string name = {};
  std::size_t bytes = 0;  ///< before the first brace of the arguments
};

class HeadReader {
 public:
  explicit HeadReader(std::string_view text) : text_(text) {}

  Head read(std::string_view arguments) {
    Head head;
    const bool fits = word("{") && word("\"name\"") && word(":") && word("\"") && name(head.name) && word(",") &&
                      word(fmt::format("\"{}\"", arguments)) && word(":") && word("{");
    head.kind = fits ? Head::Kind::read : ended_ ? Head::Kind::open : Head::Kind::other;
    head.bytes = fits ? at_ - 1 : 0;
    return head;
  }

 private:
  /// The word behind white space.
  bool word(std::string_view expected) {
    at_ = std::min(text_.find_first_not_of(kSpace, at_), text_.size());
    const std::string_view there = text_.substr(at_, expected.size());
    ended_ = there.size() < expected.size() && expected.starts_with(there);
    at_ += expected.size();
    return there == expected;
  }
  /// Up to the quote that ends it; names have no escapes.
  bool name(std::string& found) {
    const std::size_t end = text_.find_first_of("\"\\", at_);
    ended_ = end == std::string_view::npos;
    if (ended_ || text_[end] == '\\') return false;
    found = text_.substr(at_, end - at_);
    at_ = end + 1;
    return true;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  bool ended_ = false;
};

/// How many bytes at the end of a text may be the beginning of `word`.
std::size_t begun(std::string_view text, std::string_view word) {
  std::size_t length = std::min(text.size(), word.size() - 1);
  while (length > 0 && !text.ends_with(word.substr(0, length))) --length;
  return length;
}

}  // namespace

std::vector<ReplyPart> ReplyReader::read(std::string_view more) {
  held_ += more;
  while (step()) continue;
  return std::exchange(parts_, {});
}

std::vector<ReplyPart> ReplyReader::finish() {
  if (at_ == At::head || at_ == At::whole) {
    at_ = At::whole;
    if (!read_whole(true)) say(held_.size());
  } else if (at_ == At::text) {
    const bool blank = calls_ > 0 && !said_ && held_.find_first_not_of(kSpace) == std::string::npos;
    if (!blank) say(held_.size());
  }
  return std::exchange(parts_, {});
}

/// Whether there may be more to tell of what is held.
bool ReplyReader::step() {
  switch (at_) {
    case At::text:
      return read_text();
    case At::head:
      return read_head();
    case At::arguments:
      return read_arguments();
    case At::tail:
      return read_tail();
    default:
      return read_whole(false);
  }
}

/// Text up to a tag. White space before it may belong to a call.
bool ReplyReader::read_text() {
  if (form_.bare()) {
    say(held_.size());
    return false;
  }
  const std::size_t tag = held_.find(form_.open);
  std::size_t sure = tag != std::string::npos ? tag : held_.size() - begun(held_, form_.open);
  while (sure > 0 && kSpace.find(held_[sure - 1]) != std::string_view::npos) --sure;
  if (calls_ > 0 && !said_) {
    const std::size_t space = std::min(held_.find_first_not_of(kSpace), sure);
    held_.erase(0, space);
    sure -= space;
  }
  say(sure);
  if (tag == std::string::npos) return false;
  at_ = At::head;
  return true;
}

bool ReplyReader::read_head() {
  if (form_.list) {
    at_ = At::whole;
    return true;
  }
  std::string_view text = held_;
  std::size_t before = 0;
  if (!form_.bare()) before = text.find(form_.open) + form_.open.size();
  const Head head = HeadReader(text.substr(before)).read(form_.arguments);
  if (head.kind == Head::Kind::open) return false;
  if (head.kind == Head::Kind::other || !names_.contains(head.name)) {
    at_ = form_.bare() && text[text.find_first_not_of(kSpace)] != '{' ? At::text : At::whole;
    return true;
  }
  begin_call(head.name);
  held_.erase(0, before + head.bytes);
  depth_ = 0;
  quoted_ = escaped_ = false;
  at_ = At::arguments;
  return true;
}

/// Up to the brace that closes the arguments.
bool ReplyReader::read_arguments() {
  std::size_t end = 0;
  bool closed = false;
  for (; end < held_.size() && !closed; ++end) {
    const char c = held_[end];
    if (quoted_) {
      quoted_ = escaped_ || c != '"';
      escaped_ = !escaped_ && c == '\\';
    } else if (c == '"') {
      quoted_ = true;
    } else if (c == '{' || c == '[') {
      ++depth_;
    } else if (c == '}' || c == ']') {
      closed = --depth_ == 0;
    }
  }
  if (end > 0) parts_.push_back({ReplyPart::Kind::arguments, held_.substr(0, end)});
  held_.erase(0, end);
  if (!closed) return false;
  parts_.push_back({ReplyPart::Kind::call_end, {}});
  at_ = At::tail;
  return true;
}

/// What closes the call is nobody's.
bool ReplyReader::read_tail() {
  if (form_.bare()) {
    held_.clear();
    return false;
  }
  const std::size_t close = held_.find(form_.close);
  if (close == std::string::npos) return false;
  held_.erase(0, close + form_.close.size());
  at_ = At::text;
  return true;
}

/// What is not written as most calls are is looked at when it is all there.
bool ReplyReader::read_whole(bool ended) {
  const std::size_t before = form_.bare() ? 0 : held_.find(form_.open) + form_.open.size();
  std::size_t close = form_.close.empty() ? std::string::npos : held_.find(form_.close, before);
  if (close == std::string::npos && !(ended && form_.close.empty())) return false;
  close = std::min(close, held_.size());
  const Json written = Json::parse(held_.begin() + static_cast<std::ptrdiff_t>(before),
                                   held_.begin() + static_cast<std::ptrdiff_t>(close), nullptr, false);
  const Json list = written.is_array() ? written : Json::array({written});
  const bool fit = !list.empty() && std::all_of(list.begin(), list.end(), [&](const Json& call) {
    return call.is_object() && call.contains("name") && call["name"].is_string() &&
           names_.contains(call["name"].get_ref<const std::string&>());
  });
  const std::size_t end = std::min(close + form_.close.size(), held_.size());
  at_ = At::text;
  if (!fit) {
    say(end);
    return !ended;
  }
  for (const Json& call : list) {
    begin_call(call["name"].get<std::string>());
    const Json given = call.contains(form_.arguments) ? call[form_.arguments] : Json(nullptr);
    std::string arguments = given.is_string() ? given.get<std::string>() : given.is_null() ? "{}" : dump(given);
    parts_.push_back({ReplyPart::Kind::arguments, std::move(arguments)});
    parts_.push_back({ReplyPart::Kind::call_end, {}});
  }
  held_.erase(0, end);
  return true;
}

void ReplyReader::say(std::size_t bytes) {
  if (bytes == 0) return;
  parts_.push_back({ReplyPart::Kind::text, held_.substr(0, bytes)});
  held_.erase(0, bytes);
  said_ = true;
}

void ReplyReader::begin_call(const std::string& name) {
  parts_.push_back({ReplyPart::Kind::call, name});
  ++calls_;
  said_ = false;
}

}  // namespace gyre::serve
