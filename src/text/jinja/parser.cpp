#include "text/jinja/parser.hpp"

#include <algorithm>
#include <array>

#include "text/jinja/expression_parser.hpp"

namespace gyre::jinja {
namespace {

/// Reads statements: text, {{ }} and {% %}.
class Parser {
 public:
  explicit Parser(std::string_view source) : stream_(tokens_of(source)), expressions_(stream_) {}

  Body run() {
    Body made = body({});
    if (!stream_.at(Token::Kind::end)) stream_.fail(fmt::format("unexpected {}", stream_.found()));
    return made;
  }

 private:
  using Kind = Statement::Kind;
  using Ends = std::initializer_list<std::string_view>;
  using StatementPtr = std::unique_ptr<Statement>;

  static StatementPtr make(Kind kind, int line) {
    auto made = std::make_unique<Statement>();
    made->kind = kind;
    made->line = line;
    return made;
  }

  /// Statements up to a tag among `ends`, whose name is the next token then; without ends, to the end of the template.
  Body body(Ends ends) {
    if (++depth_ > kDeepestSource) stream_.fail(fmt::format("blocks are nested deeper than {}", kDeepestSource));
    Body made;
    while (!stream_.at(Token::Kind::end)) {
      if (stream_.at(Token::Kind::data)) {
        made.push_back(make(Kind::text, stream_.line()));
        made.back()->text = stream_.next().text;
      } else if (stream_.at(Token::Kind::variable_begin)) {
        made.push_back(make(Kind::print, stream_.next().line));
        made.back()->expressions.push_back(expressions_.tuple());
        expressions_.require_known();
        stream_.expect(Token::Kind::variable_end, "\"}}\"");
      } else {
        stream_.expect(Token::Kind::block_begin, "a tag");
        const bool over = std::any_of(ends.begin(), ends.end(), [&](auto end) { return stream_.at_name(end); });
        if (over) break;
        made.push_back(statement());
        expressions_.require_known();
        stream_.expect(Token::Kind::block_end, "\"%}\"");
      }
    }
    if (ends.size() > 0 && stream_.at(Token::Kind::end)) {
      stream_.fail(fmt::format("the template ends before {}", fmt::join(ends, " or ")));
    }
    --depth_;
    return made;
  }

  /// The body behind a tag. With `branch` it may never run.
  Body body_behind_tag(Ends ends, bool branch = false) {
    expressions_.require_known();
    stream_.skip_sign(":");
    stream_.expect(Token::Kind::block_end, "\"%}\"");
    const bool outer = std::exchange(expressions_.in_branch, branch);
    Body made = body(ends);
    expressions_.in_branch = outer;
    return made;
  }

  StatementPtr statement() {
    using Reader = StatementPtr (Parser::*)();
    constexpr std::array<std::pair<std::string_view, Reader>, 11> kReaders = {{{"for", &Parser::loop},
                                                                               {"if", &Parser::conditional},
                                                                               {"set", &Parser::assign},
                                                                               {"with", &Parser::with},
                                                                               {"macro", &Parser::macro},
                                                                               {"call", &Parser::call},
                                                                               {"filter", &Parser::filter},
                                                                               {"print", &Parser::print},
                                                                               {"generation", &Parser::generation},
                                                                               {"break", &Parser::jump},
                                                                               {"continue", &Parser::jump}}};
    if (!stream_.at(Token::Kind::name))
      stream_.fail(fmt::format("expected the name of a tag, found {}", stream_.found()));
    const std::string& name = stream_.now().text;
    for (const auto& [tag, reader] : kReaders) {
      if (tag == name) return (this->*reader)();
    }
    stream_.fail(fmt::format(
        "the tag \"{}\" is not known here; for, if, set, with, macro, call, filter, print, generation, break, "
        "continue and raw are",
        name));
  }

  StatementPtr loop() {
    StatementPtr made = make(Kind::loop, stream_.next().line);
    made->expressions.push_back(expressions_.target(false));
    refuse_loop(*made->expressions.back(), 1);
    stream_.expect_name("in");
    made->expressions.push_back(expressions_.tuple(false));
    made->expressions.push_back(stream_.skip_name("if") ? expressions_.expression() : nullptr);
    if (stream_.at_name("recursive")) stream_.fail("recursive loops are not supported");
    ++loops_;
    ++breakable_;
    made->bodies.push_back(body_behind_tag({"endfor", "else"}));
    --breakable_;
    if (stream_.next().text == "else") {
      made->bodies.push_back(body_behind_tag({"endfor"}));
      stream_.next();
    }
    --loops_;
    return made;
  }

  StatementPtr conditional() {
    StatementPtr made = make(Kind::conditional, stream_.line());
    std::string word;
    do {
      stream_.next();
      const bool outer = std::exchange(expressions_.in_branch, true);
      made->expressions.push_back(expressions_.tuple(false));
      made->bodies.push_back(body_behind_tag({"elif", "else", "endif"}, true));
      expressions_.in_branch = outer;
      word = stream_.now().text;
    } while (word == "elif");
    stream_.next();
    if (word == "else") {
      made->bodies.push_back(body_behind_tag({"endif"}, true));
      stream_.next();
    }
    return made;
  }

  StatementPtr assign() {
    StatementPtr made = make(Kind::assign, stream_.next().line);
    made->expressions.push_back(expressions_.target(true));
    refuse_loop(*made->expressions.back(), loops_);
    if (stream_.skip_sign("=")) {
      made->expressions.push_back(expressions_.tuple());
      return made;
    }
    made->kind = Kind::assign_block;
    made->expressions.push_back(stream_.at_sign("|") ? expressions_.filters(nullptr, false) : nullptr);
    made->bodies.push_back(body_behind_tag({"endset"}));
    stream_.next();
    return made;
  }

  /// In a loop the name loop is the loop's own.
  void refuse_loop(const Expression& target, int loops) const {
    if (loops > 0 && target.kind == Expression::Kind::name && target.name == "loop") {
      stream_.fail("the name loop cannot be assigned to in a loop");
    }
    for (const ExpressionPtr& part : target.parts) refuse_loop(*part, loops);
  }

  StatementPtr with() {
    StatementPtr made = make(Kind::with, stream_.next().line);
    while (!stream_.at(Token::Kind::block_end)) {
      if (!made->expressions.empty()) stream_.expect_sign(",");
      made->expressions.push_back(expressions_.target(false));
      stream_.expect_sign("=");
      made->expressions.push_back(expressions_.expression());
    }
    made->bodies.push_back(body_behind_tag({"endwith"}));
    stream_.next();
    return made;
  }

  std::vector<Parameter> parameters() {
    std::vector<Parameter> made;
    stream_.expect_sign("(");
    while (!stream_.at_sign(")")) {
      if (!made.empty()) stream_.expect_sign(",");
      const bool after_default = !made.empty() && made.back().otherwise;
      made.push_back({expressions_.target_name(), nullptr});
      if (stream_.skip_sign("=")) {
        made.back().otherwise = expressions_.expression();
      } else if (after_default) {
        stream_.fail(fmt::format("the parameter \"{}\" needs a default, as the one before it has", made.back().name));
      }
      for (std::size_t i = 0; i + 1 < made.size(); ++i) {
        if (made[i].name == made.back().name)
          stream_.fail(fmt::format("the parameter \"{}\" is there twice", made[i].name));
      }
    }
    stream_.expect_sign(")");
    return made;
  }

  /// The body of a macro or call block, up to `end`. Jumps cannot leave it.
  std::shared_ptr<MacroSource> macro_source(std::string name, std::vector<Parameter> parameters, std::string_view end) {
    auto made = std::make_shared<MacroSource>();
    made->name = std::move(name);
    made->parameters = std::move(parameters);
    expressions_.special_names.emplace_back();
    const int outer = std::exchange(breakable_, 0);
    made->body = body_behind_tag({end});
    breakable_ = outer;
    const SpecialNames read = expressions_.special_names.back();
    expressions_.special_names.pop_back();
    stream_.next();
    const auto is_parameter = [&](std::string_view special) {
      const auto& all = made->parameters;
      return std::any_of(all.begin(), all.end(), [&](const Parameter& one) { return one.name == special; });
    };
    made->reads_caller = read.caller;
    made->reads_named = read.named && !is_parameter("kwargs");
    made->reads_values = read.values && !is_parameter("varargs");
    for (const Parameter& parameter : made->parameters) {
      if (read.caller && parameter.name == "caller" && !parameter.otherwise) {
        stream_.fail("the parameter \"caller\" of a macro needs a default");
      }
    }
    return made;
  }

  StatementPtr macro() {
    StatementPtr made = make(Kind::macro, stream_.next().line);
    std::string name = expressions_.target_name();
    std::vector<Parameter> all = parameters();
    made->macro = macro_source(std::move(name), std::move(all), "endmacro");
    return made;
  }

  StatementPtr call() {
    StatementPtr made = make(Kind::call, stream_.next().line);
    std::vector<Parameter> all;
    if (stream_.at_sign("(")) all = parameters();
    made->expressions.push_back(expressions_.expression());
    if (made->expressions.back()->kind != Expression::Kind::call) stream_.fail("a call block needs a call");
    made->macro = macro_source("", std::move(all), "endcall");
    return made;
  }

  StatementPtr generation() {
    StatementPtr made = make(Kind::generation, stream_.next().line);
    made->macro = macro_source("", {}, "endgeneration");
    return made;
  }

  StatementPtr filter() {
    StatementPtr made = make(Kind::filter, stream_.next().line);
    made->expressions.push_back(expressions_.filters(nullptr, true));
    made->bodies.push_back(body_behind_tag({"endfilter"}));
    stream_.next();
    return made;
  }

  StatementPtr print() {
    StatementPtr made = make(Kind::print, stream_.next().line);
    while (!stream_.at(Token::Kind::block_end)) {
      if (!made->expressions.empty()) stream_.expect_sign(",");
      made->expressions.push_back(expressions_.expression());
    }
    return made;
  }

  StatementPtr jump() {
    const Token& token = stream_.next();
    if (breakable_ == 0) stream_.fail(fmt::format("\"{}\" stands outside a loop", token.text));
    return make(token.text == "break" ? Kind::leave_loop : Kind::next_in_loop, token.line);
  }

  TokenStream stream_;
  ExpressionParser expressions_;
  int depth_ = 0;
  int loops_ = 0;
  int breakable_ = 0;  // of these, those that a jump from here can leave
};

}  // namespace

Body parse(std::string_view source) { return Parser(source).run(); }

}  // namespace gyre::jinja
