#include "serve/reply_reader.hpp"

#include <algorithm>
#include <utility>

#include "serve/parameter_value.hpp"
#include "serve/white_space.hpp"

namespace gyre::serve {
namespace {

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
    at_ = std::min(text_.find_first_not_of(kWhiteSpace, at_), text_.size());
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

}  // namespace

std::vector<ReplyPart> ReplyReader::read(std::string_view more) {
  held_ += more;
  while (step()) continue;
  return std::exchange(parts_, {});
}

std::vector<ReplyPart> ReplyReader::finish() {
  if (form_.by_name() && at_ != At::text) {
    finish_named();
  } else if (at_ == At::head || at_ == At::whole) {
    at_ = At::whole;
    if (!read_whole(true)) say(held_.size());
  } else if (at_ == At::text) {
    const bool blank = calls_ > 0 && !said_ && held_.find_first_not_of(kWhiteSpace) == std::string::npos;
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
    case At::parameters:
      return read_parameters();
    case At::words:
      return read_words();
    case At::tail:
      return form_.by_name() ? read_named_tail() : read_tail();
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
  while (sure > 0 && kWhiteSpace.find(held_[sure - 1]) != std::string_view::npos) --sure;
  if (calls_ > 0 && !said_) {
    const std::size_t space = std::min(held_.find_first_not_of(kWhiteSpace), sure);
    held_.erase(0, space);
    sure -= space;
  }
  say(sure);
  if (tag == std::string::npos) return false;
  at_ = At::head;
  return true;
}

bool ReplyReader::read_head() {
  if (form_.by_name()) return read_named_head();
  if (form_.list) {
    at_ = At::whole;
    return true;
  }
  std::string_view text = held_;
  std::size_t before = 0;
  if (!form_.bare()) before = text.find(form_.open) + form_.open.size();
  const Head head = HeadReader(text.substr(before)).read(form_.arguments);
  if (head.kind == Head::Kind::open) return false;
  if (head.kind == Head::Kind::other || !functions_.contains(head.name)) {
    at_ = form_.bare() && text[text.find_first_not_of(kWhiteSpace)] != '{' ? At::text : At::whole;
    return true;
  }
  begin_call(head.name);
  held_.erase(0, before + head.bytes);
  extent_ = {};
  at_ = At::arguments;
  return true;
}

/// Up to the brace that closes the arguments.
bool ReplyReader::read_arguments() {
  const std::size_t end = extent_.take(held_);
  if (end > 0) parts_.push_back({ReplyPart::Kind::arguments, held_.substr(0, end)});
  held_.erase(0, end);
  if (!extent_.closed()) return false;
  end_call();
  return true;
}

bool ReplyReader::read_named_head() {
  const std::size_t before = held_.find(form_.open);
  const NamedHead head = read_first_head(form_.named, std::string_view(held_).substr(before));
  if (head.fit == Fit::open) return false;
  if (head.fit == Fit::no || !functions_.contains(head.name)) {
    say(before + form_.open.size());
    at_ = At::text;
    return true;
  }
  held_.erase(0, before);
  begin_named(head);
  return true;
}

/// The next of the arguments that are written apart, as a piece of JSON.
bool ReplyReader::read_parameters() {
  const Json& schema = functions_.find(called_)->second;
  const Parameter parameter = read_parameter(form_.named, schema, held_);
  if (parameter.fit == Fit::open) return false;
  if (parameter.fit == Fit::yes && !parameter.closes) {
    const std::string value = parameter.is_text ? "\"" : parameter_json(parameter, schema);
    parts_.push_back({ReplyPart::Kind::arguments,
                      fmt::format("{}{}: {}", parameters_ == 0 ? "{" : ", ", dump(Json(parameter.name)), value)});
    ++parameters_;
    held_.erase(0, parameter.end);
    if (parameter.is_text) at_ = At::words;
    return true;
  }
  parts_.push_back({ReplyPart::Kind::arguments, parameters_ == 0 ? "{}" : "}"});
  end_call();
  return true;
}

/// A text among those, as it comes.
bool ReplyReader::read_words() {
  const TextPiece piece = sure_text(form_.named.parameters, held_);
  const std::string quoted = dump(Json(held_.substr(0, piece.size)));
  std::string words = quoted.substr(1, quoted.size() - 2);
  if (piece.closes) words += '"';
  if (!words.empty()) parts_.push_back({ReplyPart::Kind::arguments, std::move(words)});
  held_.erase(0, piece.closes ? piece.end : piece.size);
  if (piece.closes) at_ = At::parameters;
  return piece.closes;
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

/// What closes the call, and a further one or what stands behind the last.
bool ReplyReader::read_named_tail() {
  const NamedForm& form = form_.named;
  const Found close = read_word(form.close, held_);
  if (close.fit == Fit::open) return false;
  const std::string_view behind = std::string_view(held_).substr(close.fit == Fit::yes ? close.end : 0);
  const NamedHead head = close.fit == Fit::yes ? read_further_head(form, behind) : NamedHead{};
  if (head.fit == Fit::yes && functions_.contains(head.name)) {
    held_.erase(0, held_.size() - behind.size());
    begin_named(head);
    return true;
  }
  const Found end = form.end.empty() ? Found{} : read_word(form.end, behind);
  if (end.fit != Fit::yes && (head.fit == Fit::open || end.fit == Fit::open)) return false;
  held_.erase(0, held_.size() - behind.size() + (end.fit == Fit::yes ? end.end : 0));
  at_ = At::text;
  return true;
}

/// A text that ends in a call leaves it open; one that ends before it is one stays text.
void ReplyReader::finish_named() {
  if (at_ == At::tail) {
    const NamedForm& form = form_.named;
    const Found close = read_word(form.close, held_);
    const bool closes = close.fit == Fit::open;
    if (closes || read_word(form.end, std::string_view(held_).substr(close.end)).fit == Fit::open) return;
    held_.erase(0, close.end);
    if (without_space(held_).empty()) return;
  }
  if (at_ == At::head || at_ == At::tail) say(held_.size());
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
           functions_.contains(call["name"].get_ref<const std::string&>());
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

/// `held_` begins with the head.
void ReplyReader::begin_named(const NamedHead& head) {
  begin_call(head.name);
  held_.erase(0, head.end);
  extent_ = {};
  called_ = head.name;
  parameters_ = 0;
  at_ = form_.named.apart() ? At::parameters : At::arguments;
}

void ReplyReader::end_call() {
  parts_.push_back({ReplyPart::Kind::call_end, {}});
  at_ = At::tail;
}

}  // namespace gyre::serve
