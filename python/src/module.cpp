#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include "base/error.hpp"
#include "runs.hpp"

// What Python's side of the package (gyre/*.py) stands on: the public C++ API as it is, with arrays in place of spans.

namespace gyre::python {
namespace {

using namespace nb::literals;

nb::tuple tuple_of(const std::vector<int>& numbers) { return nb::tuple(nb::cast(numbers)); }

/// Rows of `groups` numbers.
nb::object loops_of(const std::vector<api::GeneratedToken>& tokens, std::size_t groups) {
  std::vector<std::int32_t> loops;
  for (const api::GeneratedToken& token : tokens) loops.insert(loops.end(), token.loops.begin(), token.loops.end());
  return array_of(std::move(loops), {tokens.size(), groups});
}

/// Of the tokens themselves; nothing where they were not wanted.
nb::object logprobs_of(const std::vector<api::GeneratedToken>& tokens) {
  std::vector<float> values;
  for (const api::GeneratedToken& token : tokens) {
    if (token.logprobs.empty()) return nb::none();
    values.push_back(token.logprobs.front().logprob);
  }
  const std::size_t count = values.size();
  return array_of(std::move(values), {count});
}

nb::object own_logprob(const api::GeneratedToken& token) {
  if (token.logprobs.empty()) return nb::none();
  return nb::cast(token.logprobs.front().logprob);
}

nb::list top_logprobs(const api::GeneratedToken& token) {
  nb::list top;
  for (std::size_t i = 1; i < token.logprobs.size(); ++i) {
    top.append(nb::make_tuple(token.logprobs[i].token, token.logprobs[i].logprob));
  }
  return top;
}

void bind_options(nb::module_& m) {
  nb::class_<api::OpenOptions>(m, "OpenOptions")
      .def(nb::init<>())
      .def_rw("weights", &api::OpenOptions::weights)
      .def_rw("adapter", &api::OpenOptions::adapter)
      .def_rw("loop", &api::OpenOptions::loop)
      .def_rw("damping", &api::OpenOptions::damping);
  nb::class_<api::SequenceOptions>(m, "SequenceOptions")
      .def(nb::init<>())
      .def_rw("loops", &api::SequenceOptions::loops)
      .def_rw("context", &api::SequenceOptions::context)
      .def_rw("exit", &api::SequenceOptions::exit)
      .def_rw("kv", &api::SequenceOptions::kv)
      .def_rw("kv_type", &api::SequenceOptions::kv_type)
      .def_rw("first_state", &api::SequenceOptions::first_state)
      .def_rw("seed", &api::SequenceOptions::seed)
      .def_rw("test_noise", &api::SequenceOptions::test_noise)
      .def_rw("whole_prompt", &api::SequenceOptions::whole_prompt)
      .def_rw("diffuse", &api::SequenceOptions::diffuse);
  nb::class_<api::GenerateOptions>(m, "GenerateOptions")
      .def(nb::init<>())
      .def_rw("tokens", &api::GenerateOptions::tokens)
      .def_rw("temperature", &api::GenerateOptions::temperature)
      .def_rw("top_k", &api::GenerateOptions::top_k)
      .def_rw("top_p", &api::GenerateOptions::top_p)
      .def_rw("min_p", &api::GenerateOptions::min_p)
      .def_rw("repetition_penalty", &api::GenerateOptions::repetition_penalty)
      .def_rw("logit_bias", &api::GenerateOptions::logit_bias)
      .def_rw("seed", &api::GenerateOptions::seed)
      .def_rw("stop", &api::GenerateOptions::stop)
      .def_rw("ignore_end", &api::GenerateOptions::ignore_end)
      .def_rw("logprobs", &api::GenerateOptions::logprobs)
      .def_rw("exit_prompt", &api::GenerateOptions::exit_prompt)
      .def_rw("draft", &api::GenerateOptions::draft);
  nb::class_<RunOptions>(m, "RunOptions")
      .def(nb::init<>())
      .def_rw("sequence", &RunOptions::sequence)
      .def(
          "set_rule",
          [](RunOptions& run, const std::string& name, bool norms, bool state, bool gate, const std::string& logits,
             nb::object make) {
            run.rule = {name, {.norms = norms, .state = state, .gate = gate, .logits = logits}, hold(std::move(make))};
          },
          "name"_a, "norms"_a, "state"_a, "gate"_a, "logits"_a, "make"_a)
      .def(
          "add_hook",
          [](RunOptions& run, int group, int loop, nb::object function) {
            run.hooks.push_back({group, loop, hold(std::move(function))});
          },
          "group"_a, "loop"_a, "function"_a);
}

void bind_results(nb::module_& m) {
  nb::class_<api::GeneratedToken>(m, "Token", "A token of a text that is being written.")
      .def_ro("token", &api::GeneratedToken::token, "Its id.")
      .def_ro("text", &api::GeneratedToken::text, "Whole characters that it completed; may be empty.")
      .def_prop_ro(
          "loops", [](const api::GeneratedToken& token) { return tuple_of(token.loops); },
          "Loops of each group, of the pass that chose it.", nb::sig("def loops(self) -> tuple[int, ...]"))
      .def_prop_ro(
          "loops_read", [](const api::GeneratedToken& token) { return tuple_of(token.loops_read); },
          "The loop of each group whose state was read, where that is another than the last; else empty.",
          nb::sig("def loops_read(self) -> tuple[int, ...]"))
      .def_prop_ro(
          "reasons", [](const api::GeneratedToken& token) { return nb::tuple(nb::cast(token.reasons)); },
          "Why that pass left each group: the rule's word, \"end\", or empty.",
          nb::sig("def reasons(self) -> tuple[str, ...]"))
      .def_prop_ro("logprob", own_logprob, "Natural log-probability before sampling; None unless logprobs were asked.",
                   nb::sig("def logprob(self) -> float | None"))
      .def_prop_ro("top_logprobs", top_logprobs, "The likeliest tokens as (id, logprob), if they were asked for.",
                   nb::sig("def top_logprobs(self) -> list[tuple[int, float]]"))
      .def_ro("milliseconds", &api::GeneratedToken::milliseconds)
      .def("__repr__", [](const api::GeneratedToken& token) {
        return nb::str("Token({}, {!r}, loops={})").format(token.token, token.text, tuple_of(token.loops));
      });
  nb::class_<api::Generation>(m, "Generation")
      .def_ro("tokens", &api::Generation::tokens)
      .def_ro("text", &api::Generation::text)
      .def_ro("stop_reason", &api::Generation::stop_reason)
      .def_ro("prompt_loops", &api::Generation::prompt_loops)
      .def_ro("prefill_milliseconds", &api::Generation::prefill_milliseconds)
      .def_ro("decode_milliseconds", &api::Generation::decode_milliseconds)
      .def_ro("passes", &api::Generation::passes);
  nb::class_<Written>(m, "Written")
      .def_ro("generation", &Written::generation)
      .def_ro("provenance", &Written::provenance)
      .def_prop_ro(
          "loops", [](const Written& all) { return loops_of(all.tokens, all.groups); },
          nb::sig("def loops(self) -> numpy.typing.NDArray[numpy.int32]"))
      .def_prop_ro(
          "logprobs", [](const Written& all) { return logprobs_of(all.tokens); },
          nb::sig("def logprobs(self) -> numpy.typing.NDArray[numpy.float32] | None"))
      .def_prop_ro(
          "top_logprobs",
          [](const Written& all) {
            nb::list rows;
            for (const api::GeneratedToken& token : all.tokens) rows.append(top_logprobs(token));
            return rows;
          },
          nb::sig("def top_logprobs(self) -> list[list[tuple[int, float]]]"))
      .def_prop_ro(
          "reasons",
          [](const Written& all) {
            nb::list rows;
            for (const api::GeneratedToken& token : all.tokens) {
              rows.append(nb::tuple(nb::cast(token.reasons)));
            }
            return rows;
          },
          nb::sig("def reasons(self) -> list[tuple[str, ...]]"))
      .def_prop_ro(
          "milliseconds",
          [](const Written& all) {
            std::vector<double> times;
            for (const api::GeneratedToken& token : all.tokens) times.push_back(token.milliseconds);
            const std::size_t count = times.size();
            return array_of(std::move(times), {count});
          },
          nb::sig("def milliseconds(self) -> numpy.typing.NDArray[numpy.float64]"));
}

void bind_running(nb::module_& m) {
  nb::class_<Stream>(m, "Stream")
      .def(nb::init<Model, const Tokens&, const RunOptions&, const api::GenerateOptions&>())
      .def("next", &Stream::next)
      .def("result", &Stream::result)
      .def("provenance", &Stream::provenance);
  nb::class_<Text>(m, "Text")
      .def(nb::init<Model, const RunOptions&>())
      .def(
          "append",
          [](Text& text, const Tokens& tokens, const RunOptions& run) {
            Text::Appended done = text.append(tokens, run.hooks);
            return nb::make_tuple(done.logits, tuple_of(done.loops), nb::tuple(nb::cast(done.reasons)));
          },
          nb::sig("def append(self, tokens: numpy.typing.NDArray[numpy.int32], run: RunOptions, /) -> "
                  "tuple[numpy.typing.NDArray[numpy.float32], tuple[int, ...], tuple[str, ...]]"))
      .def("fork", &Text::fork)
      .def("truncate", &Text::truncate)
      .def_prop_ro("length", [](const Text& text) { return text.sequence().length(); })
      .def_prop_ro("context", [](const Text& text) { return text.sequence().context(); })
      .def_prop_ro("bytes", [](const Text& text) { return text.sequence().bytes(); })
      .def_prop_ro(
          "loops", [](const Text& text) { return tuple_of(text.sequence().loops()); },
          nb::sig("def loops(self) -> tuple[int, ...]"));

  nb::class_<ExitStep>(
      m, "ExitStep",
      "What an exit rule sees of one token after a loop of one group: x(k) is the state after k loops, "
      "step k is x(k) - x(k-1).")
      .def_prop_ro(
          "group", [](const ExitStep& step) { return step.numbers().group; }, "Number of the group.")
      .def_prop_ro(
          "loop", [](const ExitStep& step) { return step.numbers().loop; }, "Loops done in it: k, from 1.")
      .def_prop_ro(
          "position", [](const ExitStep& step) { return step.numbers().position; }, "Of the token in its text.")
      .def_prop_ro(
          "state_norm", [](const ExitStep& step) { return step.numbers().state_norm; }, "|x(k)|")
      .def_prop_ro(
          "previous_state_norm", [](const ExitStep& step) { return step.numbers().previous_state_norm; }, "|x(k-1)|")
      .def_prop_ro(
          "step_norm", [](const ExitStep& step) { return step.numbers().step_norm; }, "|step k|")
      .def_prop_ro(
          "first_step_norm", [](const ExitStep& step) { return step.numbers().first_step_norm; }, "|step 1|")
      .def_prop_ro(
          "previous_step_norm", [](const ExitStep& step) { return step.numbers().previous_step_norm; },
          "|step k-1|, from loop 2 on")
      .def_prop_ro(
          "acceleration", [](const ExitStep& step) { return step.numbers().acceleration; },
          "|step k - step k-1|, from loop 2 on")
      .def_prop_ro(
          "gate", [](const ExitStep& step) { return step.numbers().gate; }, "Of a group that has one.")
      .def_prop_ro("state", &ExitStep::state, "x(k), float32 [hidden]: a copy, to be had while the rule is asked.",
                   nb::sig("def state(self) -> numpy.typing.NDArray[numpy.float32]"))
      .def_prop_ro("logits", &ExitStep::logits,
                   "Of x(k), float32 [vocabulary]: a copy, to be had while the rule is asked.",
                   nb::sig("def logits(self) -> numpy.typing.NDArray[numpy.float32]"));
}

void bind_model(nb::module_& m) {
  nb::class_<Opened>(m, "Opened")
      .def("__init__",
           [](Opened* self, const std::string& path, const api::OpenOptions& options, int threads) {
             const nb::gil_scoped_release released;
             new (self) Opened(path, options, threads);
           })
      .def("close", &Opened::close)
      .def_prop_ro("closed", &Opened::closed)
      .def("require_usable", &Opened::require_usable)
      .def_prop_ro("spec_json", [](const Opened& opened) { return opened.model().spec_json(); })
      .def_prop_ro("digest", [](const Opened& opened) { return opened.model().digest(); })
      .def_prop_ro("family", [](const Opened& opened) { return opened.model().family(); })
      .def_prop_ro("notes", [](const Opened& opened) { return opened.model().notes(); })
      .def_prop_ro("vocabulary_size", [](const Opened& opened) { return opened.model().vocabulary_size(); })
      .def_prop_ro("hidden_size", [](const Opened& opened) { return opened.model().hidden_size(); })
      .def_prop_ro("context", [](const Opened& opened) { return opened.model().context(); })
      .def_prop_ro("default_loops", [](const Opened& opened) { return opened.model().default_loops(); })
      .def_prop_ro("end_tokens", [](const Opened& opened) { return opened.model().end_tokens(); })
      .def("loops", [](const Opened& opened, const std::string& text) { return opened.model().loops(text); })
      .def("encode", [](const Opened& opened, const std::string& text) { return opened.model().encode(text); })
      .def("encode_further",
           [](const Opened& opened, const std::string& text) { return opened.model().encode_further(text); })
      .def("decode",
           [](const Opened& opened, const Tokens& tokens) {
             const std::string text = opened.model().decode(span_of(tokens));
             return nb::bytes(text.data(), text.size());
           })
      .def("token_name", [](const Opened& opened, std::int32_t token) { return opened.model().token_name(token); })
      .def("render_chat", [](const Opened& opened, const std::string& talk,
                             const std::string& arguments) { return opened.model().render_chat(talk, arguments); })
      .def("encode_chat", [](const Opened& opened, const std::string& talk, const std::string& arguments) {
        return opened.model().encode_chat(talk, arguments);
      });
  m.def("generate", &generate);
  m.def(
      "logits",
      [](const Model& model, const Tokens& tokens, const RunOptions& run) {
        const Logits all = logits(model, tokens, run);
        return nb::make_tuple(all.logits, all.loops);
      },
      nb::sig("def logits(model: Opened, tokens: numpy.typing.NDArray[numpy.int32], run: RunOptions, /) -> "
              "tuple[numpy.typing.NDArray[numpy.float32], numpy.typing.NDArray[numpy.int32]]"));
  m.def("logprobs", &logprobs,
        nb::sig("def logprobs(model: Opened, tokens: numpy.typing.NDArray[numpy.int32], run: RunOptions, /) -> "
                "tuple[numpy.typing.NDArray[numpy.float32], numpy.typing.NDArray[numpy.int32]]"));
  m.def("scores",
        [](const Model& model,
           const std::vector<std::pair<std::vector<std::int32_t>, std::vector<std::vector<std::int32_t>>>>& all,
           const RunOptions& run) {
          std::vector<Question> questions;
          for (const auto& one : all) questions.push_back({one.first, one.second});
          return scores(model, questions, run);
        });
  m.def(
      "trace",
      [](const Model& model, const Tokens& tokens, const std::vector<std::pair<int, std::vector<int>>>& groups,
         const RunOptions& run) {
        std::vector<TracedGroup> wanted;
        for (const auto& one : groups) wanted.push_back({one.first, one.second});
        Trace all = trace(model, tokens, wanted, run);
        nb::list states;
        for (nb::object& one : all.states) states.append(one);
        return nb::make_tuple(states, all.loops, all.logits);
      },
      nb::sig("def trace(model: Opened, tokens: numpy.typing.NDArray[numpy.int32], groups: Sequence[tuple[int, "
              "Sequence[int]]], run: RunOptions, /) -> tuple[list[numpy.typing.NDArray[numpy.float32]], "
              "numpy.typing.NDArray[numpy.int32], numpy.typing.NDArray[numpy.float32]]"));
  m.def("lens", &lens,
        nb::sig("def lens(model: Opened, states: numpy.typing.NDArray[numpy.float32], /) -> "
                "numpy.typing.NDArray[numpy.float32]"));
  m.def(
      "embed",
      [](const Model& model, const std::vector<std::string>& texts, const std::string& pooling,
         std::optional<bool> normalize, int most_tokens) {
        return embed(model, texts, {.pooling = pooling, .normalize = normalize, .most_tokens = most_tokens});
      },
      nb::sig("def embed(model: Opened, texts: Sequence[str], pooling: str, normalize: bool | None, most_tokens: int, "
              "/) -> numpy.typing.NDArray[numpy.float32]"));
  m.def("require_exact_arithmetic", &api::require_exact_arithmetic);
}

}  // namespace
}  // namespace gyre::python

NB_MODULE(_gyre, m) {
  namespace nb = nanobind;
  const nb::object error = nb::exception<gyre::Error>(m, "Error");
  error.attr("__doc__") =
      "A mistake that you can mend, in one line: what is wrong, where, and the mend. The words are those of the "
      "command line.";
  gyre::python::bind_options(m);
  gyre::python::bind_results(m);
  gyre::python::bind_running(m);
  gyre::python::bind_model(m);
}
