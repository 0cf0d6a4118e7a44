#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "base/error.hpp"
#include "text/chat_template.hpp"

// Every construct by itself, with the text that jinja2 gives, set as transformers sets it. compare_templates.py
// compares many more with jinja2 itself.
namespace gyre::jinja_test {
namespace {

using Json = nlohmann::ordered_json;

Json variables() {
  return Json::parse(R"({"x": "Hello World", "n": 7, "f": 2.5, "t": true, "nothing": null, "l": [3, 1, 2],
      "words": ["b", "A", "c", "a"], "d": {"b": 1, "a": [1, {"k": "v"}], "items": 5},
      "p": [{"name": "Bo", "age": 3, "in": {"x": [1, 2]}}, {"name": "al", "age": 5}, {"name": "Cy", "age": 3}]})");
}

std::string render(const std::string& source) {
  Conversation conversation;
  conversation.arguments = variables();
  conversation.clock = 1'700'000'000;
  return ChatTemplate(source, "<s>", "", "t").render(conversation);
}

/// The message of the error, which a template has to give.
std::string refusal(const std::string& source) {
  try {
    return "rendered: " + render(source);
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(Jinja, TagsTakeTheLineBreakBehindThemAndTheBlanksBefore) {
  EXPECT_EQ(render("a\n  {% if t %}\nb\n  {% endif %}\nc\n"), "a\nb\nc");
  EXPECT_EQ(render("a {% if t %} b {% endif %} c"), "a  b  c");
  EXPECT_EQ(render("  {{ n }}\n\n"), "  7\n");
  EXPECT_EQ(render("a \n {%- if t -%} \n b {%- endif %}\nc"), "abc");
  EXPECT_EQ(render("a\n  {%+ if t +%}\nb{% endif %}"), "a\n  \nb");
  EXPECT_EQ(render("a \n{{- n -}}\n b"), "a7b");
  EXPECT_EQ(render("a\n  {# note #}\nb{#- x -#} c"), "a\nbc");
  EXPECT_EQ(render("\n {% raw %}\n{{ x }} {% endraw %}\nb\r\nc"), "\n\n{{ x }} b\nc");
  EXPECT_EQ(render("{% if t %}\n  {% if t %}\nx{% endif %}{% endif %}"), "x");
}

TEST(Jinja, LiteralsAreThoseOfPython) {
  EXPECT_EQ(render(R"({{ 'a\n\t\\\'\x41\u00e9\q' "b" }})"), "a\n\t\\'A\u00e9\\qb");
  EXPECT_EQ(render("{{ 1_000 }} {{ 0x1F }} {{ 1e3 }} {{ 1e16 }} {{ 0.0001 }} {{ 0.00001 }} {{ 1.0 }} {{ 0.1 + 0.2 }}"),
            "1000 31 1000.0 1e+16 0.0001 1e-05 1.0 0.30000000000000004");
  EXPECT_EQ(render("{{ [1, 'a', (2,), {'k': \"it's\"}, none, true, 2.0, ()] }}"),
            "[1, 'a', (2,), {'k': \"it's\"}, None, True, 2.0, ()]");
  EXPECT_EQ(render(R"({{ ['a\n', '\x00', 'é', '\u200b'] }})"), "['a\\n', '\\x00', 'é', '\\u200b']");
  EXPECT_EQ(render("{{ 2 ** 100 }} {{ {1: 'a', true: 'b'} }}"), "1267650600228229401496703205376 {1: 'b'}");
}

TEST(Jinja, OperatorsBindAndCountAsInPython) {
  EXPECT_EQ(render("{{ 1 + 2 * 3 }} {{ 2 ** 3 ** 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ 7 / 2 }} {{ 6 / 2 }}"),
            "7 64 -4 2 -2 3.5 3.0");
  EXPECT_EQ(render("{{ -7.5 // 2 }} {{ -7.5 % 2 }} {{ 2 ** -1 }} {{ true + true }} {{ 5 - 3 - 1 }}"),
            "-4.0 0.5 0.5 2 1");
  EXPECT_EQ(render("{{ 'a' ~ 1 ~ none ~ 1.0 ~ missing }} {{ 'ab' * 2 }} {{ [1] + [2] }}"), "a1None1.0 abab [1, 2]");
  EXPECT_EQ(render("{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 1 == 1.0 }} {{ [1, 2] < [1, 3] }} {{ 'a' > 'B' }} {{ 2 >= 3 }}"),
            "True False True True True False");
  EXPECT_EQ(render("{{ 1 in l }} {{ 'or' not in x }} {{ 'b' in d }} {{ 9 in missing }} {{ not 1 in l }}"),
            "True False True False False");
  EXPECT_EQ(render("{{ nothing or n }} {{ '' and n }}| {{ not none }} {{ t and 0 }} {{ 'a' if nothing else 'b' }}"),
            "7 | True 0 b");
  EXPECT_EQ(render("{{ 'a' if nothing }}|{{ -n|abs }} {{ '%s=%05.1f' % ('k', 2.25) }}"), "|7 k=002.2");
}

TEST(Jinja, LookupsTakeAttributesOrItemsFirst) {
  EXPECT_EQ(render("{{ d.a[1].k }} {{ d.a.0 }} {{ d['items'] }} {{ d.items()|list|length }} {{ p[0].in.x[-1] }}"),
            "v 1 5 3 2");
  EXPECT_EQ(render("{{ l[9] }}|{{ d.missing }}|{{ nothing.x }}|{{ n[0] }}|{{ missing }}|{{ d[l] }}"), "|||||");
  EXPECT_EQ(render("{{ l[1:] }} {{ l[::-1] }} {{ l[-2:] }} {{ l[:9:2] }} {{ l[2:0:-1] }} {{ x[-5:-1] }} {{ x[::-3] }}"),
            "[1, 2] [2, 1, 3] [1, 2] [3, 2] [2, 1] Worl dooe");
  EXPECT_EQ(render("{{ 'añ日😀'[1] }} {{ 'añ日😀'[2:] }} {{ 'añ日😀'|length }} {{ range(9)[2:8:3] }}"),
            "ñ 日😀 4 range(2, 8, 3)");
  EXPECT_EQ(render("{{ l.append is defined }} {{ x.__class__ is defined }}"), "False False");
}

TEST(Jinja, LoopsKnowTheirPlace) {
  EXPECT_EQ(render("{% for i in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}"
                   "{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }} {% endfor %}"),
            "1032TrueFalse31 2121FalseFalse31 3210FalseTrue31 ");
  EXPECT_EQ(render("{% for i in l %}{{ loop.previtem }}<{{ i }}>{{ loop.nextitem }} {% endfor %}"), "<3>1 3<1>2 1<2> ");
  EXPECT_EQ(render("{% for i in range(4) %}{{ loop.cycle('a', 'b') }}{{ loop.changed(i // 2) }} {% endfor %}"),
            "aTrue bFalse aTrue bFalse ");
  EXPECT_EQ(render("{% for i in l if i > 1 %}{{ i }}{{ loop.length }}{% else %}none{% endfor %}"), "3222");
  EXPECT_EQ(
      render(
          "{% for i in [] %}x{% else %}none{% endfor %}{% for k, (a, b) in [(1, 'yz')] %}{{ k }}{{ b }}{% endfor %}"),
      "none1z");
  EXPECT_EQ(render("{% for i in l %}{% if i == 1 %}{% continue %}{% endif %}{{ i }}{% endfor %}"), "32");
  EXPECT_EQ(render("{% for i in l %}{% if i == 1 %}{% break %}{% endif %}{{ i }}{% endfor %}"), "3");
  EXPECT_EQ(render("{% for i in l %}{% for j in l %}{{ loop.index }}{% endfor %}{{ loop.index }} {% endfor %}"),
            "1231 1232 1233 ");
  EXPECT_EQ(render("{% for k in d %}{{ k }}{% endfor %}{% for c in 'añ' %}[{{ c }}]{% endfor %}"), "baitems[a][ñ]");
}

TEST(Jinja, WhatALoopSetsIsGoneButNamespacesStay) {
  EXPECT_EQ(render("{% set q = 0 %}{% for i in l %}{% set q = q + i %}{{ q }} {% endfor %}{{ q }}"), "3 1 2 0");
  EXPECT_EQ(render("{% if t %}{% set q = 2 %}{% endif %}{{ q }}"), "2");
  EXPECT_EQ(render("{% set ns = namespace(s=0, k='v') %}{% for i in l %}{% set ns.s = ns.s + i %}{% endfor %}{{ ns.s }}"
                   "{{ ns.k }}{{ ns['s'] }}{{ ns.none_such }}"),
            "6v6");
  EXPECT_EQ(render("{% set a, b = 1, 2 %}{% set q | upper %}a{{ b }}{% endset %}{{ a }}{{ q }}"), "1A2");
  EXPECT_EQ(render("{% with n = n + 1, m = n %}{{ n }}{{ m }}{% endwith %}{{ n }}"), "877");
  EXPECT_EQ(render("{% filter replace('a', 'b')|upper %}ax{% set q = 1 %}{% endfilter %}{{ q }}"), "BX");
  EXPECT_EQ(render("{% generation %}{% set q = 1 %}a{{ q }}{% endgeneration %}{{ q }}"), "a1");
}

TEST(Jinja, MacrosTakeArgumentsAndCallers) {
  EXPECT_EQ(
      render(
          "{% macro m(a, b=2, c=a) %}[{{ a }}{{ b }}{{ c }}]{% endmacro %}{{ m(1) }}{{ m(1, c=4) }}{{ m(b=3, a=5) }}"),
      "[121][124][535]");
  EXPECT_EQ(render("{% macro m(a) %}{{ a is defined }}{% endmacro %}{{ m() }}{% macro v() %}{{ varargs }}{{ kwargs }}"
                   "{% endmacro %}{{ v(1, *[2], z=3, **{'y': 4}) }}"),
            "False(1, 2){'z': 3, 'y': 4}");
  EXPECT_EQ(render("{% macro m() %}<{{ caller(n) }}>{% endmacro %}{% call(k) m() %}{{ k + 1 }}{% endcall %}"), "<8>");
  EXPECT_EQ(render("{% macro m(k) %}{{ k }}{% if k %}{{ m(k - 1) }}{% endif %}{% endmacro %}{{ m(3) }}"), "3210");
  EXPECT_EQ(render("{% macro m() %}{{ q }}{% set w = 1 %}{% endmacro %}{% set q = 5 %}{{ m() }}{{ w }}"), "5");
}

TEST(Jinja, GlobalsAreThoseOfTransformers) {
  EXPECT_EQ(render("{{ range(3)|list }}{{ range(5, 0, -2)|list }}{{ dict([('a', 1)], b=2) }}"),
            "[0, 1, 2][5, 3, 1]{'a': 1, 'b': 2}");
  EXPECT_EQ(render("{% set j = joiner() %}{{ j() }}a{{ j() }}b{% set c = cycler(1, 2) %}{{ c.next() }}{{ c.next() }}{{ "
                   "c.next() }}"),
            "a, b121");
  EXPECT_EQ(render("{{ bos_token }}{{ eos_token is defined }}{{ tools }}{{ add_generation_prompt }}"),
            "<s>FalseNoneTrue");
  EXPECT_EQ(render("{{ strftime_now('%Y') }}{{ strftime_now('%f%%%Z') }}"), "2023000000%");
}

TEST(Jinja, TestsTellKindsApart) {
  EXPECT_EQ(
      render("{{ x is string }}{{ n is number }}{{ t is number }}{{ t is integer }}{{ t is boolean }}{{ f is float }}"),
      "TrueTrueTrueFalseTrueTrue");
  EXPECT_EQ(
      render("{{ d is mapping }}{{ l is mapping }}{{ x is iterable }}{{ n is iterable }}{{ d.items() is sequence }}"),
      "TrueFalseTrueFalseFalse");
  EXPECT_EQ(render("{{ nothing is none }}{{ missing is none }}{{ nothing is defined }}{{ missing is not defined }}"),
            "TrueFalseTrueTrue");
  EXPECT_EQ(
      render("{{ 3 is odd }}{{ 4 is even }}{{ 9 is divisibleby 3 }}{{ 'a' is in 'ab' }}{{ 1 is lt 2 }}{{ 1 is ge 2 }}"),
      "TrueTrueTrueTrueTrueFalse");
  EXPECT_EQ(
      render("{{ 'Ab' is lower }}{{ 'AB' is upper }}{{ 1 is sameas true }}{{ 'upper' is filter }}{{ 'nope' is test }}"),
      "FalseTrueFalseTrueFalse");
}

TEST(Jinja, FiltersGiveWhatJinjaGives) {
  EXPECT_EQ(render("{{ '  a '|trim }}|{{ 'xax'|trim('x') }}|{{ x|upper }}|{{ 'a bC-d'|title }}|{{ 'aBC'|capitalize }}"),
            "a|a|HELLO WORLD|A Bc-D|Abc");
  EXPECT_EQ(render("{{ missing|default('d') }}{{ nothing|default('d') }}{{ ''|default('e', true) }}"), "dNonee");
  EXPECT_EQ(
      render("{{ l|join('-') }} {{ p|join(',', 'name') }} {{ x|replace('l', 'L', 2) }} {{ l|first }}{{ l|last }}"),
      "3-1-2 Bo,al,Cy HeLLo World 32");
  EXPECT_EQ(
      render(
          "{{ words|sort }}{{ words|sort(true, true) }}{{ p|sort(attribute='age,name')|map(attribute='name')|list }}"),
      "['A', 'a', 'b', 'c']['c', 'b', 'a', 'A']['Bo', 'Cy', 'al']");
  EXPECT_EQ(render("{{ {'b': 1, 'A': 2}|dictsort }}{{ {'b': 1, 'A': 2}|dictsort(by='value', reverse=true) }}"),
            "[('A', 2), ('b', 1)][('A', 2), ('b', 1)]");
  EXPECT_EQ(render("{{ p|selectattr('age', 'gt', 3)|map(attribute='name')|list }}{{ l|reject('odd')|list }}"
                   "{{ p|rejectattr('in')|list|length }}{{ words|map('upper')|unique|join }}"),
            "['al'][2]2BAC");
  EXPECT_EQ(render("{% set g = l|map('string') %}{{ g|list }}{{ g|list }}"), "['3', '1', '2'][]");
  EXPECT_EQ(render("{{ 2.5|round }}{{ 3.5|round }}{{ 2.675|round(2) }}{{ 42.51|round(1, 'ceil') }} {{ '42.7'|int }}{{ "
                   "'x'|int(5) }}"
                   "{{ '1f'|int(0, 16) }}{{ '1.5'|float }}{{ -3|abs }}"),
            "2.04.02.6742.6 425311.53");
  EXPECT_EQ(render("{{ l|sum }}{{ l|min }}{{ l|max }}{{ (p|max(attribute='age')).name }}{{ l|batch(2, 0)|list }}"),
            "613al[[3, 1], [2, 0]]");
  EXPECT_EQ(
      render(
          "{% for g in p|groupby('age') %}{{ g.grouper }}{{ g.list|length }} {% endfor %}{{ 'a\nb\n\nc'|indent(2) }}"),
      "32 51 a\n  b\n\n  c");
  EXPECT_EQ(
      render(
          "{{ '<a>'|e }}{{ '<'|safe + '<' }}{{ '%s-%d'|format('a', 3) }}{{ 'a b-c'|wordcount }}{{ 'ab'|center(4) }}|"),
      "&lt;a&gt;<&lt;a-33 ab |");
}

TEST(Jinja, JsonIsWrittenAsPythonWritesIt) {
  EXPECT_EQ(render("{{ d|tojson }}"), R"({"b": 1, "a": [1, {"k": "v"}], "items": 5})");
  EXPECT_EQ(render("{{ {'b': [], 'a': {}}|tojson(indent=2, sort_keys=true) }}"), "{\n  \"a\": {},\n  \"b\": []\n}");
  EXPECT_EQ(render("{{ [1, 1.0, none, true]|tojson(separators=(',', ':')) }}"), "[1,1.0,null,true]");
  EXPECT_EQ(render(R"({{ 'é😀<\n\x01"'|tojson }}{{ 'é😀'|tojson(ensure_ascii=true) }})"),
            R"("é😀<\n\u0001\"""\u00e9\ud83d\ude00")");
}

TEST(Jinja, MethodsOfTextAndDicts) {
  EXPECT_EQ(
      render("{{ 'a,b,c'.split(',', 1) }}{{ ' a  b '.split() }}{{ 'a-b-c'.rsplit('-', 1) }}{{ 'a-b'.partition('-') }}"),
      "['a', 'b,c']['a', 'b']['a-b', 'c']('a', '-', 'b')");
  EXPECT_EQ(render("{{ x.find('o') }}{{ x.rfind('o') }}{{ x.find('z') }}{{ x.count('l') }}{{ x.index('W') }}{{ "
                   "'ñb'.find('b') }}"),
            "47-1361");
  EXPECT_EQ(
      render(
          "{{ x.startswith('He') }}{{ x.endswith(('x', 'ld')) }}{{ x.removeprefix('Hello ') }}{{ 'xax'.strip('x') }}"),
      "TrueTrueWorlda");
  EXPECT_EQ(render("{{ '{0} {n:>4} {0!r}'.format('a', n=5) }}{{ ','.join(['a', 'b']) }}{{ 'a\nb'.splitlines() }}{{ "
                   "'7'.zfill(3) }}"),
            "a    5 'a'a,b['a', 'b']007");
  EXPECT_EQ(render("{{ d.get('z', 3) }}{{ d.get('z') }}{{ d.keys()|list }}{{ d.values()|first }}{{ l.index(1) }}{{ "
                   "l.count(9) }}"),
            "3None['b', 'a', 'items']110");
  EXPECT_EQ(render("{{ 'ß'.upper() }}{{ 'ΑΣ'.lower() }}{{ \"it's\".title() }}{{ '12'.isdigit() }}{{ 'a1'.isalpha() }}"),
            "SSαςIt'STrueFalse");
  EXPECT_EQ(render("{{ 'ᾳ ﬁ ŉ'.upper() }}|{{ 'ᾲ ﬁ ŉ ǆ'.title() }}"), "ΑΙ FI ʼN|Ὰͅ Fi ʼN ǅ");
}

TEST(Jinja, MistakesAreNamedWithTheirLine) {
  EXPECT_EQ(refusal("a\n{{ missing.x }}"), "t: line 2: 'missing' is undefined");
  EXPECT_EQ(refusal("{{ d.missing.x }}"), "t: line 1: 'dict object' has no attribute 'missing'");
  EXPECT_EQ(refusal("{{ 'a' + 1 }}"), "t: line 1: unsupported operand types for +: 'str' and 'int'");
  EXPECT_EQ(refusal("\n\n{% foo %}").substr(0, 43), "t: line 3: the tag \"foo\" is not known here;");
  EXPECT_EQ(refusal("{{ x|nope }}"), "t: line 1: the filter \"nope\" is not supported");
  EXPECT_EQ(refusal("{{ x is nope }}"), "t: line 1: the test \"nope\" is not supported");
  EXPECT_EQ(refusal("{{ nope(1) }}"), "t: line 1: 'nope' is undefined");
  EXPECT_EQ(refusal("{{ x.encode() }}"), "t: line 1: the attribute \"encode\" of str is not supported");
  EXPECT_EQ(refusal("{% for i in l recursive %}{% endfor %}"), "t: line 1: recursive loops are not supported");
  EXPECT_EQ(refusal("{{ l.append(1) }}"), "t: line 1: access to attribute 'append' of 'list' object is unsafe.");
  EXPECT_EQ(refusal("{{ lipsum() }}"),
            "t: line 1: the function \"lipsum\" is not supported: it gives another text every time");
  EXPECT_EQ(refusal("{{ l|map('string') }}"),
            "t: line 1: a generator is printed, which shows an address of memory; print what it holds");
  EXPECT_EQ(refusal("{% if t %}"), "t: line 1: the template ends before elif or else or endif");
  EXPECT_EQ(refusal("{{ (1 }}"), "t: line 1: unexpected \"}\"");
  EXPECT_EQ(refusal("{% set ns = {} %}{% set ns.a = 1 %}"),
            "t: line 1: cannot assign to an attribute of ns, which is no namespace");
  // What may never run is refused only when it does.
  EXPECT_EQ(render("{% if nothing %}{{ x|nope }}{{ x is nope }}{% endif %}{{ 1 if t else x|nope }}"), "1");
  EXPECT_EQ(refusal("{% if t %}{{ x|nope }}{% endif %}"), "t: line 1: the filter \"nope\" is not supported");
}

TEST(Jinja, WhatATemplateRaisesIsTheMessage) {
  EXPECT_EQ(refusal("{{ raise_exception('No ' ~ 'system\nrole') }}"),
            "t: the template refuses this conversation: No system role");
}

}  // namespace
}  // namespace gyre::jinja_test
