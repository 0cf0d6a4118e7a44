#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "api/provenance.hpp"
#include "api/state.hpp"
#include "base/error.hpp"

namespace gyre::api {
namespace {

SamplingOptions sampling_of(const GenerateOptions& options) {
  return {.temperature = options.temperature,
          .top_k = options.top_k,
          .top_p = options.top_p,
          .min_p = options.min_p,
          .repetition_penalty = options.repetition_penalty,
          .bias = options.logit_bias,
          .seed = options.seed};
}

void check_sampling(const GenerateOptions& options, const Model::State& model) {
  const auto require = [&](bool fits, const char* field, const char* range) {
    if (!fits) throw Error("{}: this is no number {}", model.named(field), range);
  };
  require(options.tokens >= 1, "tokens", "of at least 1");
  require(options.temperature >= 0 && options.temperature <= 100, "temperature", "from 0 to 100");
  require(options.top_k >= 0, "top_k", "of at least 0");
  require(options.top_p >= 0 && options.top_p <= 1, "top_p", "from 0 to 1");
  require(options.min_p >= 0 && options.min_p <= 1, "min_p", "from 0 to 1");
  require(options.repetition_penalty >= 0.01F && options.repetition_penalty <= 100, "repetition_penalty",
          "from 0.01 to 100");
  for (const auto& [token, bias] : options.logit_bias) {
    if (token < 0 || token >= model.spec().vocab_size) {
      throw Error("{}: there is no token {} in a vocabulary of {}", model.named("logit_bias"), token,
                  model.spec().vocab_size);
    }
    require(std::isfinite(bias), "logit_bias", "that is finite");
  }
}

/// What the options mean for a sequence; what would change nothing is refused.
gyre::GenerateOptions options_of(const GenerateOptions& options, const Sequence::State& text) {
  const Model::State& model = *text.model;
  check_sampling(options, model);
  gyre::GenerateOptions inner;
  inner.tokens = options.tokens;
  inner.sampling = sampling_of(options);
  inner.stops = options.stop;
  if (!options.ignore_end) inner.end_tokens = model.checkpoint.language.end_tokens;
  inner.likeliest = options.logprobs;
  inner.prompt_exit = parse_prompt_exit(options.exit_prompt, model.named("exit_prompt"));
  inner.diffusion = text.diffusion;
  inner.trace = sink_of(options.hook);
  const auto refuse = [&](bool given, const char* field, const char* reason, const char* other) {
    if (given) throw Error("{}: {}; leave out {}", model.named(field), reason, model.named(other));
  };
  if (text.diffusion) {
    constexpr const char* kReason = "positions loop until they settle";
    refuse(inner.prompt_exit != PromptExit::last, "diffuse", kReason, "exit_prompt");
    refuse(!options.draft.empty(), "diffuse", kReason, "draft");
    refuse(options.logprobs >= 0, "diffuse", kReason, "logprobs");
    refuse(static_cast<bool>(options.hook), "diffuse", kReason, "hook");
  }
  if (!options.draft.empty()) {
    const bool exits = text.exit && text.exit_name() != "fixed";
    refuse(exits, "draft", "full depth verifies what is drafted", "exit");
    refuse(options.logprobs >= 0, "draft", "tokens come several at a time", "logprobs");
    refuse(inner.prompt_exit != PromptExit::last, "draft", "prompts run at full depth", "exit_prompt");
    refuse(static_cast<bool>(options.hook), "draft", "tokens come several at a time", "hook");
    inner.draft = parse_draft(options.draft, model.spec(), text.sequence.cache.loops(), model.named("draft"));
  }
  return inner;
}

void check_prompt(std::span<const std::int32_t> prompt, const Sequence::State& text, const std::string& name) {
  if (prompt.empty()) throw Error("{}: there are no tokens; give at least one", name);
  const int room = text.sequence.cache.context() - text.sequence.length;
  if (static_cast<int>(prompt.size()) > room) {
    throw Error("{}: {} tokens are more than the context of {}; shorten the prompt", name, prompt.size(), room);
  }
}

std::vector<std::string> texts_of(const std::vector<std::string_view>& views) { return {views.begin(), views.end()}; }

GeneratedToken outer(const gyre::GeneratedToken& token) {
  GeneratedToken result{.token = token.token,
                        .text = token.text,
                        .loops = token.depth.loops,
                        .reasons = texts_of(token.depth.reasons),
                        .loops_read = token.depth.read,
                        .milliseconds = token.milliseconds};
  for (const TokenProbability& one : token.probabilities) result.logprobs.push_back({one.token, one.log_probability});
  return result;
}

Generation outer(gyre::Generation&& result) {
  Generation all{.tokens = std::move(result.tokens),
                 .text = std::move(result.text),
                 .stop_reason = std::string(gyre::name_of(result.reason)),
                 .prefill_milliseconds = result.prefill_milliseconds,
                 .decode_milliseconds = result.decode_milliseconds,
                 .passes = result.decode_passes};
  for (TokenDepth& depth : result.prompt_depths) all.prompt_loops.push_back(std::move(depth.loops));
  all.draft = {result.draft.rounds, result.draft.drafted, result.draft.accepted, result.draft.plain};
  all.diffusion = {result.diffusion.steps, result.diffusion.positions};
  return all;
}

}  // namespace

void Runner::check(const Sequence& sequence, std::span<const std::int32_t> prompt,
                   const GenerateOptions& options) const {
  Sequence::State& text = *sequence.state_;
  state_->require_own(text);
  check_prompt(prompt, text, text.model->named("prompt"));
  const gyre::GenerateOptions inner = options_of(options, text);
  if (inner.draft) Speculator(state_->engine, text.sequence, *inner.draft, inner.sampling, 1);
  if (inner.diffusion) Diffuser(state_->engine, text.sequence, *inner.diffusion, 1);
}

TokenScore score(std::span<const float> logits, std::int32_t token) {
  if (token < 0 || static_cast<std::size_t>(token) >= logits.size()) {
    throw Error("token {} is outside the vocabulary of {}", token, logits.size());
  }
  // As the tokens of generated texts have it.
  const float logprob = probabilities_of(logits, token, 0).front().log_probability;
  return {logprob, static_cast<std::int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin())};
}

Writing::Writing(std::unique_ptr<State> state) : state_(std::move(state)) {}
Writing::Writing(Writing&&) noexcept = default;
Writing::~Writing() = default;

std::optional<GeneratedToken> Writing::next() {
  const std::optional<gyre::GeneratedToken> token = state_->writer.next();
  if (!token) return {};
  return outer(*token);
}

Generation Writing::result() const { return outer(state_->writer.result()); }

Writing Runner::write(Sequence& sequence, std::span<const std::int32_t> prompt, const GenerateOptions& options) {
  if (!idle()) throw Error("other texts are under way; finish them first");
  check(sequence, prompt, options);
  Sequence::State& text = *sequence.state_;
  gyre::GenerateOptions inner = options_of(options, text);
  std::vector<BoundedExit> prompt_exits;
  if (text.exit && inner.prompt_exit == PromptExit::each) {
    for (std::size_t t = 0; t < prompt.size(); ++t) prompt_exits.push_back(text.make_exit());
    inner.prompt_exits = prompt_exits;
  }
  TextWriter writer(state_->engine, text.sequence, text.model->checkpoint.language.tokenizer, prompt, std::move(inner),
                    text.exit ? &*text.exit : nullptr);
  return Writing(std::make_unique<Writing::State>(Writing::State{std::move(prompt_exits), std::move(writer)}));
}

Generation Runner::generate(Sequence& sequence, std::span<const std::int32_t> prompt, const GenerateOptions& options,
                            const std::function<void(const GeneratedToken&)>& each) {
  Writing writing = write(sequence, prompt, options);
  while (const std::optional<GeneratedToken> token = writing.next()) {
    if (each) each(*token);
  }
  return writing.result();
}

std::string Runner::provenance(const Sequence& sequence) const {
  const Sequence::State& text = *sequence.state_;
  state_->require_own(text);
  const gyre::Sequence& inner = text.sequence;
  const RunSettings settings{.loops = inner.cache.loops(),
                             .kv = inner.cache.policy(),
                             .first_state = inner.start,
                             .test_noise = inner.test_noise,
                             .seed = inner.noise_seed,
                             .threads = state_->engine.threads()};
  nlohmann::json json = gyre::provenance(text.model->checkpoint.model, settings, text.model->digest());
  json["exit"] = text.exit_name();
  json["context"] = inner.cache.context();
  if (inner.whole_prompt) json["whole_prompt"] = true;
  return json.dump();
}

}  // namespace gyre::api
