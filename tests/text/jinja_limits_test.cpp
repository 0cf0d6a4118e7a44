#include <gtest/gtest.h>

#include <string>

#include "base/error.hpp"
#include "text/chat_template.hpp"

// What a template may take: each limit gives one clear message, and nothing crashes or hangs.
namespace gyre::jinja_limits_test {
namespace {

std::string outcome(const std::string& source) {
  try {
    const ChatTemplate made(source, "", "", "t");
    return made.render(Conversation{});
  } catch (const Error& error) {
    return error.what();
  }
}

std::string repeated(const std::string& text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

bool says(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

TEST(JinjaLimits, EscapesThatEndWithTheTextAreRefused) {
  for (const char* escape : {"\\u", "\\uW", "\\x", "\\x4", "\\U0001F6"}) {
    EXPECT_TRUE(says(outcome(std::string("{{ 'a") + escape + "' }}"), "hexadecimal digits")) << escape;
  }
  const std::string large(44, '9');
  EXPECT_TRUE(says(outcome("{{ '{0[" + large + "]}'.format([1]) }}"), "larger than 127 bits"));
}

TEST(JinjaLimits, SourcesAreNestedOnlySoDeep) {
  EXPECT_EQ(outcome("{{ " + repeated("(", 40) + "1" + repeated(")", 40) + " }}"), "1");
  for (const auto& [open, close] :
       {std::pair("(", ")"), {"[", "]"}, {"not ", ""}, {"-", ""}, {"{1:", "}"}, {"x(", ")"}}) {
    const std::string deep = "{{ " + repeated(open, 5000) + "1" + repeated(close, 5000) + " }}";
    EXPECT_TRUE(says(outcome(deep), "nested deeper than 100")) << open << outcome(deep);
  }
  EXPECT_TRUE(
      says(outcome(repeated("{% if 1 %}", 5000) + repeated("{% endif %}", 5000)), "blocks are nested deeper than 100"));
  EXPECT_TRUE(says(outcome("{{ 1" + repeated(" if 1 else 1", 5000) + " }}"), "nested deeper than 100"));
}

TEST(JinjaLimits, ChainsAreOnlySoLong) {
  EXPECT_EQ(outcome("{{ 1" + repeated(" + 1", 300) + " }}"), "301");
  for (const char* link : {" + 1", " and 1", " or 1", ".x", "|abs", "[0]", "()", " if 1"}) {
    EXPECT_TRUE(says(outcome("{{ x" + repeated(link, 5000) + " }}"), "an expression is longer than 400 steps")) << link;
  }
  EXPECT_EQ(outcome("{{ 'a'" + repeated(" ~ 'b'", 5000) + " }}").size(), 5001U);
  EXPECT_EQ(outcome("{{ 1" + repeated(" < 2 > 1", 2000) + " }}"), "True");
}

TEST(JinjaLimits, CallsLieOnlySoDeepInOneAnother) {
  EXPECT_TRUE(says(outcome("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"), "levels deep in one another"));
  EXPECT_EQ(outcome("{% macro f(n) %}{% if n %}{{ f(n - 1) }}{% endif %}{{ n }}{% endmacro %}{{ f(30) }}").substr(0, 6),
            "012345");
}

TEST(JinjaLimits, StepsTextsAndListsEnd) {
  EXPECT_TRUE(says(outcome("{% for i in range(9999) %}{% for j in range(9999) %}{% endfor %}{% endfor %}"),
                   "more than 4000000 steps"));
  EXPECT_TRUE(
      says(outcome("{% set ns = namespace(x='ab') %}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}"),
           "a text of more than 4194304 bytes"));
  EXPECT_TRUE(says(outcome("{% for i in range(99999) %}{{ 'x' * 1000 }}{% endfor %}"), "more than 4194304 bytes"));
  EXPECT_TRUE(says(outcome("{{ 'x' * 100000000000000000000 }}"), "more than 4194304 bytes"));
  EXPECT_TRUE(says(outcome("{{ [1] * 10000000 }}"), "a list of more than 500000 items"));
  EXPECT_TRUE(says(outcome("{{ [1, 2] * 100000000000000000000000000000000 }}"), "a list of more than 500000 items"));
  EXPECT_TRUE(says(outcome("{{ range(100001) }}"), "the sandbox allows 100000 elements"));
  EXPECT_TRUE(says(outcome("{{ 'ab'.replace('', 'x' * 4000000) }}"), "more than 4194304 bytes"));
  EXPECT_TRUE(says(outcome("{{ ('x ' * 1000000).split() }}"), "a list of more than 500000 items"));
  EXPECT_TRUE(says(outcome("{{ 'a'.ljust(100000000) }}"), "more than 4194304 bytes"));
  EXPECT_TRUE(says(outcome("{{ '{:9999}{:99999}'.format(1, 2) }}"), "more than 4 digits"));
}

TEST(JinjaLimits, LongTextsAndSharedKeysCostWhatTheyTake) {
  const std::string long_text = "{% set a = 'a' * 2000000 %}{% set b = 'a' * 900000 ~ 'b' %}";
  EXPECT_EQ(outcome(long_text + "{{ b in a }}{{ a.find(b) }}{{ a.rfind('b' ~ a[:900000]) }}{{ (a ~ b).find(b) }}"),
            "False-1-12000000");
  for (const char* use :
       {"a|length", "a is string", "a.strip('b') is string", "a.startswith('b')", "a[5:6]", "a == b", "'b' in a"}) {
    EXPECT_TRUE(says(outcome(long_text + "{% for i in range(99999) %}{% if " + use + " %}{% endif %}{% endfor %}"),
                     "the template is stopped"))
        << use;
  }
  EXPECT_TRUE(
      says(outcome("{% set ns = namespace(x=(1,)) %}{% for i in range(60) %}{% set ns.x = (ns.x, ns.x) %}{% endfor %}"
                   "{{ {ns.x: 1} }}"),
           "more than 64 parts"));
  EXPECT_EQ(outcome("{{ {(1, (2, 'a')): 'x'}[(1, (2, 'a'))] }}"), "x");
}

TEST(JinjaLimits, ValuesLieOnlySoDeepInOneAnother) {
  EXPECT_TRUE(
      says(outcome("{% set ns = namespace(x=[]) %}{% for i in range(9999) %}{% set ns.x = [ns.x] %}{% endfor %}"),
           "nests lists and dicts deeper than 100"));
  EXPECT_TRUE(says(
      outcome("{% set ns = namespace(x={}) %}{% for i in range(9999) %}{% set ns.x = {'k': ns.x.get} %}{% endfor %}"),
      "nests lists and dicts deeper than 100"));
  EXPECT_TRUE(
      says(outcome("{% set ns = namespace(x=[]) %}{% for i in range(9999) %}{% set ns.x = ns.x|map('string')|reverse %}"
                   "{% set ns.x = cycler(ns.x) %}{% endfor %}"),
           "t: line 1"));
  // Lists that share their parts are small, but not what they print.
  EXPECT_TRUE(says(
      outcome(
          "{% set ns = namespace(x=[]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}"),
      "t: line 1: the template is stopped"));
  EXPECT_TRUE(says(outcome("{% set a = namespace(x=[]) %}{% set b = namespace(x=[]) %}{% for i in range(60) %}"
                           "{% set a.x = [a.x, a.x] %}{% set b.x = [b.x, b.x] %}{% endfor %}{{ a.x == b.x }}"),
                   "t: line 1: the template is stopped"));
}

TEST(JinjaLimits, WhatHoldsItselfIsLetGoAndNotPrinted) {
  EXPECT_TRUE(says(outcome("{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}"), "the template is stopped"));
  EXPECT_EQ(outcome("{% set ns = namespace() %}{% set ns.x = [ns] %}{{ ns.x[0].x[0] == ns }}"), "True");
  EXPECT_EQ(outcome("{% macro f() %}a{% endmacro %}{% set ns = namespace(f=f) %}{{ ns.f() }}"), "a");
  EXPECT_EQ(
      outcome("{% set ns = namespace() %}{% for i in [1, 2] %}{% set ns.l = loop %}{% endfor %}{{ ns.l.length }}"),
      "2");
}

TEST(JinjaLimits, NumbersEndWhere127BitsDo) {
  EXPECT_EQ(outcome("{{ 2 ** 126 }}"), "85070591730234615865843651857942052864");
  for (const char* large :
       {"2 ** 127", "2 ** 126 * 2", "2 ** 126 + 2 ** 126", "170141183460469231731687303715884105728",
        "-(2 ** 126) - 2 ** 126 - 1", "'170141183460469231731687303715884105728'|int"}) {
    EXPECT_TRUE(says(outcome(std::string("{{ ") + large + " }}"), "127 bits"))
        << large << outcome(std::string("{{ ") + large + " }}");
  }
  EXPECT_TRUE(says(
      outcome(
          "{{ [1][2 ** 126:] }}{{ [1, 2, 3][::2 ** 126] }}{{ [1, 2][-(2 ** 126):] }}{{ 'ab'[:2 ** 126:-(2 ** 126)] }}"),
      "[][1][1, 2]"));
}

}  // namespace
}  // namespace gyre::jinja_limits_test
