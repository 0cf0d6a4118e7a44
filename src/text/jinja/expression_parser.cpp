#include "text/jinja/expression_parser.hpp"

#include <array>

#include "text/jinja/filters.hpp"
#include "text/jinja/tests.hpp"

namespace gyre::jinja {
namespace {

using ExpressionKind = Expression::Kind;

/// Chains such as a + b + c lie in one another too; they may be longer than brackets may be deep.
constexpr int kLongestChain = 400;

ExpressionPtr make(ExpressionKind kind, int line) {
  auto made = std::make_unique<Expression>();
  made->kind = kind;
  made->line = line;
  return made;
}

bool is_constant_name(std::string_view name) {
  return name == "true" || name == "True" || name == "false" || name == "False" || name == "none" || name == "None";
}

Value constant_named(std::string_view name) {
  if (name == "none" || name == "None") return {};
  return Value::boolean(name == "true" || name == "True");
}

}  // namespace

/// One more bracket or operator inside another for as long as this lives.
class ExpressionParser::Nested {
 public:
  explicit Nested(ExpressionParser& parser) : depth_(parser.depth_) {
    if (depth_ >= kDeepestSource)
      parser.stream_.fail(fmt::format("expressions are nested deeper than {}", kDeepestSource));
    ++depth_;
  }
  ~Nested() { --depth_; }
  Nested(const Nested&) = delete;
  Nested& operator=(const Nested&) = delete;

 private:
  int& depth_;
};

ExpressionPtr ExpressionParser::finish(ExpressionPtr made) const {
  const auto look = [&](const ExpressionPtr& part) {
    if (part) made->depth = std::max(made->depth, part->depth + 1);
  };
  for (const ExpressionPtr& part : made->parts) look(part);
  for (const ExpressionPtr& part : made->arguments.values) look(part);
  for (const auto& [name, part] : made->arguments.named) look(part);
  look(made->arguments.more_values);
  look(made->arguments.more_named);
  if (made->depth > kLongestChain) stream_.fail(fmt::format("an expression is longer than {} steps", kLongestChain));
  return made;
}

void ExpressionParser::require_known() const {
  if (!unknown_.empty()) throw SourceFailure(unknown_.front());
}

void ExpressionParser::note_unknown(int line, const std::string& message) {
  if (!in_branch) unknown_.emplace_back(line, message);
}

ExpressionPtr ExpressionParser::binary(ExpressionKind kind, ExpressionPtr left, ExpressionPtr right, int line) const {
  ExpressionPtr made = make(kind, line);
  made->parts.push_back(std::move(left));
  made->parts.push_back(std::move(right));
  return finish(std::move(made));
}

ExpressionPtr ExpressionParser::expression(bool with_choice) {
  const Nested nested(*this);
  const std::size_t known = unknown_.size();
  ExpressionPtr made = either();
  while (with_choice && stream_.at_name("if")) {
    const int line = stream_.next().line;
    ExpressionPtr condition = either();
    ExpressionPtr otherwise = stream_.skip_name("else") ? expression() : nullptr;
    made = binary(ExpressionKind::choice, std::move(condition), std::move(made), line);
    made->parts.push_back(std::move(otherwise));
    made = finish(std::move(made));
    unknown_.erase(unknown_.begin() + static_cast<std::ptrdiff_t>(known), unknown_.end());  // a choice is a branch
  }
  return made;
}

ExpressionPtr ExpressionParser::either() {
  ExpressionPtr made = both();
  while (stream_.at_name("or")) {
    const int line = stream_.next().line;
    made = binary(ExpressionKind::either, std::move(made), both(), line);
  }
  return made;
}

ExpressionPtr ExpressionParser::both() {
  ExpressionPtr made = negation();
  while (stream_.at_name("and")) {
    const int line = stream_.next().line;
    made = binary(ExpressionKind::both, std::move(made), negation(), line);
  }
  return made;
}

ExpressionPtr ExpressionParser::negation() {
  if (!stream_.at_name("not")) return comparison();
  const Nested nested(*this);
  ExpressionPtr made = make(ExpressionKind::logical_not, stream_.next().line);
  made->parts.push_back(negation());
  return finish(std::move(made));
}

ExpressionPtr ExpressionParser::comparison() {
  constexpr std::array<std::pair<std::string_view, Comparison>, 6> kSigns = {{{"==", Comparison::equal},
                                                                              {"!=", Comparison::not_equal},
                                                                              {"<", Comparison::less},
                                                                              {"<=", Comparison::less_equal},
                                                                              {">", Comparison::greater},
                                                                              {">=", Comparison::greater_equal}}};
  ExpressionPtr first = sum();
  ExpressionPtr made;
  while (true) {
    const int line = stream_.line();
    const auto sign =
        std::find_if(kSigns.begin(), kSigns.end(), [&](const auto& row) { return stream_.at_sign(row.first); });
    Comparison comparison = Comparison::in;
    if (sign != kSigns.end()) {
      comparison = sign->second;
      stream_.next();
    } else if (stream_.at_name("not") && stream_.ahead().kind == Token::Kind::name && stream_.ahead().text == "in") {
      stream_.next();
      stream_.next();
      comparison = Comparison::not_in;
    } else if (!stream_.skip_name("in")) {
      break;
    }
    if (!made) {
      made = make(ExpressionKind::compare, line);
      made->parts.push_back(std::move(first));
    }
    made->comparisons.push_back(comparison);
    made->parts.push_back(sum());
  }
  return made ? finish(std::move(made)) : std::move(first);
}

ExpressionPtr ExpressionParser::sum() {
  ExpressionPtr made = concatenation();
  while (stream_.at_sign("+") || stream_.at_sign("-")) {
    const Token& sign = stream_.next();
    const Operation operation = sign.text == "+" ? Operation::add : Operation::subtract;
    made = binary(ExpressionKind::arithmetic, std::move(made), concatenation(), sign.line);
    made->operation = operation;
  }
  return made;
}

ExpressionPtr ExpressionParser::concatenation() {
  ExpressionPtr first = product();
  if (!stream_.at_sign("~")) return first;
  ExpressionPtr made = make(ExpressionKind::concatenate, stream_.line());
  made->parts.push_back(std::move(first));
  while (stream_.skip_sign("~")) made->parts.push_back(product());
  return finish(std::move(made));
}

ExpressionPtr ExpressionParser::product() {
  constexpr std::array<std::pair<std::string_view, Operation>, 4> kSigns = {{{"*", Operation::multiply},
                                                                             {"/", Operation::divide},
                                                                             {"//", Operation::floor_divide},
                                                                             {"%", Operation::modulo}}};
  ExpressionPtr made = power();
  while (true) {
    const auto sign =
        std::find_if(kSigns.begin(), kSigns.end(), [&](const auto& row) { return stream_.at_sign(row.first); });
    if (sign == kSigns.end()) return made;
    const int line = stream_.next().line;
    made = binary(ExpressionKind::arithmetic, std::move(made), power(), line);
    made->operation = sign->second;
  }
}

/// Unlike Python, Jinja takes 2 ** 3 ** 2 from the left.
ExpressionPtr ExpressionParser::power() {
  ExpressionPtr made = unary(true);
  while (stream_.at_sign("**")) {
    const int line = stream_.next().line;
    made = binary(ExpressionKind::arithmetic, std::move(made), unary(true), line);
    made->operation = Operation::power;
  }
  return made;
}

ExpressionPtr ExpressionParser::unary(bool with_filters) {
  ExpressionPtr made;
  if (stream_.at_sign("-") || stream_.at_sign("+")) {
    const Nested nested(*this);
    const Token& sign = stream_.next();
    made = make(sign.text == "-" ? ExpressionKind::negative : ExpressionKind::positive, sign.line);
    made->parts.push_back(unary(false));
    made = finish(std::move(made));
  } else {
    made = primary(false);
  }
  made = postfix(std::move(made));
  return with_filters ? filtered(std::move(made)) : std::move(made);
}

ExpressionPtr ExpressionParser::name(bool with_attributes) {
  const Token token = stream_.next();
  if (is_constant_name(token.text)) {
    ExpressionPtr made = make(ExpressionKind::constant, token.line);
    made->value = constant_named(token.text);
    made->name = token.text;
    return made;
  }
  for (SpecialNames& macro : special_names) {
    macro.caller = macro.caller || token.text == "caller";
    macro.named = macro.named || token.text == "kwargs";
    macro.values = macro.values || token.text == "varargs";
  }
  ExpressionPtr made = make(ExpressionKind::name, token.line);
  made->name = token.text;
  if (with_attributes && stream_.skip_sign(".")) {
    made->kind = ExpressionKind::namespace_attribute;
    made->attribute = stream_.expect(Token::Kind::name, "the name of an attribute").text;
  }
  return made;
}

ExpressionPtr ExpressionParser::primary(bool with_attributes) {
  const int line = stream_.line();
  if (stream_.at(Token::Kind::name)) return name(with_attributes);
  if (stream_.at(Token::Kind::text)) {
    std::string text;
    while (stream_.at(Token::Kind::text)) text += stream_.next().text;  // neighbours are one
    ExpressionPtr made = make(ExpressionKind::constant, line);
    made->value = Value::text(std::move(text));
    return made;
  }
  if (stream_.at(Token::Kind::integer) || stream_.at(Token::Kind::real)) {
    ExpressionPtr made = make(ExpressionKind::constant, line);
    made->value = stream_.next().number;
    return made;
  }
  if (stream_.skip_sign("(")) {
    ExpressionPtr made = elements(false, true, true, false);
    stream_.expect_sign(")");
    return made;
  }
  if (stream_.at_sign("[")) return list();
  if (stream_.at_sign("{")) return dict();
  stream_.fail(fmt::format("expected an expression, found {}", stream_.found()));
}

ExpressionPtr ExpressionParser::list() {
  ExpressionPtr made = make(ExpressionKind::list, stream_.next().line);
  while (!stream_.at_sign("]")) {
    if (!made->parts.empty()) stream_.expect_sign(",");
    if (stream_.at_sign("]")) break;
    made->parts.push_back(expression());
  }
  stream_.expect_sign("]");
  return finish(std::move(made));
}

ExpressionPtr ExpressionParser::dict() {
  ExpressionPtr made = make(ExpressionKind::dict, stream_.next().line);
  while (!stream_.at_sign("}")) {
    if (!made->parts.empty()) stream_.expect_sign(",");
    if (stream_.at_sign("}")) break;
    made->parts.push_back(expression());
    stream_.expect_sign(":");
    made->parts.push_back(expression());
  }
  stream_.expect_sign("}");
  return finish(std::move(made));
}

ExpressionPtr ExpressionParser::elements(bool names_only, bool with_choice, bool parenthesized, bool with_attributes) {
  const Nested nested(*this);
  std::vector<ExpressionPtr> parts;
  const int line = stream_.line();
  bool is_tuple = false;
  while (true) {
    if (!parts.empty()) stream_.expect_sign(",");
    if (stream_.at(Token::Kind::variable_end) || stream_.at(Token::Kind::block_end) || stream_.at_sign(")")) break;
    parts.push_back(names_only ? primary(with_attributes) : expression(with_choice));
    if (!stream_.at_sign(",")) break;
    is_tuple = true;
  }
  if (!is_tuple && !parts.empty()) return std::move(parts.front());
  if (!is_tuple && !parenthesized) stream_.fail(fmt::format("expected an expression, found {}", stream_.found()));
  ExpressionPtr made = make(ExpressionKind::tuple, line);
  made->parts = std::move(parts);
  return finish(std::move(made));
}

ExpressionPtr ExpressionParser::tuple(bool with_choice) { return elements(false, with_choice, false, false); }

ExpressionPtr ExpressionParser::target(bool with_attributes) {
  ExpressionPtr made = elements(true, true, false, with_attributes);
  require_target(*made);
  return made;
}

std::string ExpressionParser::target_name() {
  const Token& token = stream_.expect(Token::Kind::name, "a name");
  if (is_constant_name(token.text)) stream_.fail(fmt::format("\"{}\" cannot be assigned to", token.text));
  return token.text;
}

void ExpressionParser::require_target(const Expression& made) const {
  if (made.kind == ExpressionKind::name || made.kind == ExpressionKind::namespace_attribute) return;
  if (made.kind != ExpressionKind::tuple) stream_.fail("only names and attributes of namespaces can be assigned to");
  for (const ExpressionPtr& part : made.parts) require_target(*part);
}

ExpressionPtr ExpressionParser::postfix(ExpressionPtr inner) {
  while (true) {
    if (stream_.at_sign(".") || stream_.at_sign("[")) {
      inner = subscript(std::move(inner));
    } else if (stream_.at_sign("(")) {
      inner = call(std::move(inner));
    } else {
      return inner;
    }
  }
}

ExpressionPtr ExpressionParser::filtered(ExpressionPtr inner) {
  while (true) {
    if (stream_.at_sign("|")) {
      inner = filters(std::move(inner), false);
    } else if (stream_.at_name("is")) {
      inner = test(std::move(inner));
    } else if (stream_.at_sign("(")) {
      inner = call(std::move(inner));
    } else {
      return inner;
    }
  }
}

ExpressionPtr ExpressionParser::subscript(ExpressionPtr inner) {
  const Token& sign = stream_.next();
  const int line = sign.line;
  if (sign.text == "[") return bracketed(std::move(inner), line);
  if (stream_.at(Token::Kind::integer)) {
    ExpressionPtr index = make(ExpressionKind::constant, line);
    index->value = stream_.next().number;
    return binary(ExpressionKind::item, std::move(inner), std::move(index), line);
  }
  ExpressionPtr made = make(ExpressionKind::attribute, line);
  made->name = stream_.expect(Token::Kind::name, "the name or number of an attribute").text;
  made->parts.push_back(std::move(inner));
  return finish(std::move(made));
}

/// What follows an opening bracket: an index, a slice, or several indices, which make a tuple.
ExpressionPtr ExpressionParser::bracketed(ExpressionPtr inner, int line) {
  if (stream_.at_sign(":")) return slice_of(std::move(inner), nullptr, line);
  std::vector<ExpressionPtr> parts;
  while (!stream_.at_sign("]")) {
    if (!parts.empty()) stream_.expect_sign(",");
    parts.push_back(expression());
    if (!stream_.at_sign(":")) continue;
    if (parts.size() > 1) stream_.fail("a slice among several indices is not supported");
    return slice_of(std::move(inner), std::move(parts.front()), line);
  }
  stream_.expect_sign("]");
  if (parts.size() == 1) return binary(ExpressionKind::item, std::move(inner), std::move(parts.front()), line);
  ExpressionPtr index = make(ExpressionKind::tuple, line);
  index->parts = std::move(parts);
  return binary(ExpressionKind::item, std::move(inner), finish(std::move(index)), line);
}

ExpressionPtr ExpressionParser::slice_of(ExpressionPtr inner, ExpressionPtr first, int line) {
  stream_.expect_sign(":");
  ExpressionPtr made = make(ExpressionKind::slice, line);
  made->parts.push_back(std::move(inner));
  made->parts.push_back(std::move(first));
  const auto bound = [&] { return stream_.at_sign(":") || stream_.at_sign("]") ? nullptr : expression(); };
  made->parts.push_back(bound());
  made->parts.push_back(stream_.skip_sign(":") ? bound() : nullptr);
  stream_.expect_sign("]");
  return finish(std::move(made));
}

CallArguments ExpressionParser::arguments() {
  CallArguments made;
  const auto require = [&](bool fits) {
    if (!fits) stream_.fail("the arguments of a call are out of order");
  };
  stream_.expect_sign("(");
  bool first = true;
  while (!stream_.at_sign(")")) {
    if (!std::exchange(first, false)) stream_.expect_sign(",");
    if (stream_.at_sign(")")) break;
    if (stream_.skip_sign("*")) {
      require(!made.more_values && !made.more_named);
      made.more_values = expression();
    } else if (stream_.skip_sign("**")) {
      require(!made.more_named);
      made.more_named = expression();
    } else if (stream_.at(Token::Kind::name) && stream_.ahead().kind == Token::Kind::sign &&
               stream_.ahead().text == "=") {
      require(!made.more_named);
      std::string key = stream_.next().text;
      stream_.next();
      for (const auto& [name, value] : made.named) {
        if (name == key) stream_.fail(fmt::format("the argument \"{}\" is given twice", key));
      }
      made.named.emplace_back(std::move(key), expression());
    } else {
      require(!made.more_values && !made.more_named && made.named.empty());
      made.values.push_back(expression());
    }
  }
  stream_.expect_sign(")");
  return made;
}

ExpressionPtr ExpressionParser::call(ExpressionPtr inner) {
  ExpressionPtr made = make(ExpressionKind::call, stream_.line());
  made->parts.push_back(std::move(inner));
  made->arguments = arguments();
  return finish(std::move(made));
}

std::string ExpressionParser::dotted_name() {
  std::string name = stream_.expect(Token::Kind::name, "a name").text;
  while (stream_.skip_sign(".")) name += "." + stream_.expect(Token::Kind::name, "a name").text;
  return name;
}

ExpressionPtr ExpressionParser::filters(ExpressionPtr input, bool first) {
  while (first || stream_.skip_sign("|")) {
    first = false;
    ExpressionPtr made = make(ExpressionKind::filter, stream_.line());
    made->name = dotted_name();
    if (find_filter(made->name) == nullptr) note_unknown(made->line, unknown_filter(made->name));
    if (stream_.at_sign("(")) made->arguments = arguments();
    made->parts.push_back(std::move(input));
    input = finish(std::move(made));
  }
  return input;
}

ExpressionPtr ExpressionParser::test(ExpressionPtr inner) {
  const int line = stream_.next().line;
  const bool negated = stream_.skip_name("not");
  ExpressionPtr made = make(ExpressionKind::test, line);
  made->name = dotted_name();
  if (find_test(made->name) == nullptr) note_unknown(line, unknown_test(made->name));
  made->parts.push_back(std::move(inner));
  const bool word =
      stream_.at(Token::Kind::name) && !stream_.at_name("else") && !stream_.at_name("or") && !stream_.at_name("and");
  if (stream_.at_sign("(")) {
    made->arguments = arguments();
  } else if (word || stream_.at(Token::Kind::text) || stream_.at(Token::Kind::integer) ||
             stream_.at(Token::Kind::real) || stream_.at_sign("[") || stream_.at_sign("{")) {
    if (stream_.at_name("is")) stream_.fail("tests cannot be chained with \"is\"");
    made->arguments.values.push_back(postfix(primary(false)));
  }
  made = finish(std::move(made));
  if (!negated) return made;
  ExpressionPtr negation = make(ExpressionKind::logical_not, line);
  negation->parts.push_back(std::move(made));
  return finish(std::move(negation));
}

}  // namespace gyre::jinja
