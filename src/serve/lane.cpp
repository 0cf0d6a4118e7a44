#include "serve/lane.hpp"

#include <algorithm>
#include <chrono>
#include <new>
#include <utility>

namespace gyre::serve {
namespace {

using Clock = std::chrono::steady_clock;

double seconds(Clock::duration time) { return std::chrono::duration<double>(time).count(); }

ApiError engine_failure(const std::string& what) { return {500, "server_error", what}; }

ApiError out_of_memory() {
  return {503, "server_error", "there is not enough memory for this request beside the others; ask for fewer tokens"};
}

}  // namespace

/// One of a request's texts as it runs.
struct Lane::Text {
  std::shared_ptr<Work> work;
  std::size_t choice;
  Sequence sequence;
  std::optional<BoundedExit> exit;
  Sampler sampler;
  TextStream stream;
  std::vector<std::int32_t> tokens;  ///< the prompt, and what was drawn behind it
  std::vector<std::vector<TokenProbability>> scores = {};
  int cached = 0;
  int format_state = 0;
  std::optional<LensTrace> lens = {};
  TraceSink trace = {};
  Clock::time_point started = Clock::now();
  Clock::time_point first = {};  ///< when its first token was drawn
  Clock::time_point last = {};   ///< and its last

  [[nodiscard]] const Generation& wanted() const { return work->wanted; }
  [[nodiscard]] const std::vector<std::int32_t>& prompt() const { return wanted().prompt_of(choice); }
  [[nodiscard]] bool scored() const { return wanted().prompt_logprobs >= 0; }
  [[nodiscard]] bool in_prompt() const { return sequence.length < static_cast<int>(prompt().size()); }
};

Lane::Lane(const ServedModel& model, const LaneOptions& options, Totals& totals)
    : model_(model),
      options_(options),
      totals_(totals),
      engine_(model.checkpoint.model, options.threads),
      scheduler_(engine_, options.schedule, options.chunk),
      prefixes_(options.prefix_bytes > 0 ? std::make_unique<PrefixCache>(options.prefix_bytes) : nullptr) {}

Lane::~Lane() = default;

void Lane::start(const std::shared_ptr<Work>& work) {
  const std::size_t choice = work->started++;
  try {
    begin(work, choice);
  } catch (const Error& failure) {
    give_up(work, engine_failure(failure.what()));
  } catch (const std::bad_alloc&) {
    give_up(work, out_of_memory());
  }
}

void Lane::begin(const std::shared_ptr<Work>& work, std::size_t choice) {
  const Generation& wanted = work->wanted;
  Sequence sequence = engine_.start(wanted.loops, model_.context, wanted.kv, wanted.noise_seed);
  std::optional<BoundedExit> exit;
  if (wanted.exit) exit.emplace(*wanted.exit, ExitContext{model_.spec(), wanted.loops, {}});
  const std::vector<std::int32_t>& prompt = wanted.prompt_of(choice);
  const auto tell = [ticket = work->ticket.get(), choice](const GeneratedToken& token) {
    ticket->post({choice, {}, token});
  };
  auto made = std::make_unique<Text>(Text{work, choice, std::move(sequence), std::move(exit),
                                          Sampler(wanted.sampling_of(choice)),
                                          TextStream(model_.tokenizer(), wanted.limits, tell), prompt});
  Text& text = *texts_.emplace(&made->sequence, std::move(made)).first->second;
  ++work->running;
  // What is scored has to run: what is kept of a text are its keys and values alone.
  if (prefixes_ && !text.scored()) {
    if (std::optional<Sequence> known = prefixes_->find(text.sequence, prompt)) text.sequence = std::move(*known);
  }
  text.cached = text.sequence.length;
  if (wanted.lens > 0) {
    text.lens.emplace(wanted.loops, model_.spec().hidden_size);
    text.trace = [&text](const TracePoint& point) { text.lens->hear(point); };
  }
  if (text.scored()) text.scores.resize(1);
  submit(text);
}

/// What comes next: the rest of the prompt, the last token of which obeys the exit by itself, or the token drawn last.
void Lane::submit(Text& text) {
  const auto done = static_cast<std::size_t>(text.sequence.length);
  Job job{&text.sequence, {text.tokens.begin() + text.sequence.length, text.tokens.end()}};
  if (text.exit && job.tokens.size() > 1) {
    job.tokens.pop_back();
    job.wants_logits = false;
  } else if (text.exit) {
    job.exit = &*text.exit;
  }
  if (text.lens && job.wants_logits) {
    text.lens->follow(static_cast<int>(text.tokens.size()) - 1);
    job.trace = &text.trace;
  }
  if (text.scored() && text.in_prompt()) {
    job.hear = [this, &text, done](std::size_t first, std::span<const float> logits) {
      const auto row = static_cast<std::size_t>(model_.spec().vocab_size);
      const std::vector<std::int32_t>& prompt = text.prompt();
      for (std::size_t i = 0; i * row < logits.size() && done + first + i + 1 < prompt.size(); ++i) {
        const auto known = logits.subspan(i * row, static_cast<std::size_t>(model_.vocabulary()));
        text.scores.push_back(probabilities_of(known, prompt[done + first + i + 1], text.wanted().prompt_logprobs));
      }
    };
  }
  scheduler_.submit(std::move(job));
}

void Lane::step() {
  try {
    const std::span<const Landed> landed = kept(scheduler_.step());
    for (const Landed& one : landed) {
      const auto text = texts_.find(one.sequence);
      if (text != texts_.end()) land(*text->second, one);  // else another of its request failed just now
    }
  } catch (const Error& failure) {
    fail_lost(engine_failure(failure.what()));
  } catch (const std::bad_alloc&) {
    fail_lost(out_of_memory());
  }
  ++totals_.steps;
  const auto passes = engine_.count().passes - std::exchange(passes_.passes, engine_.count().passes);
  const auto rows = engine_.count().rows - std::exchange(passes_.rows, engine_.count().rows);
  totals_.layer_passes += passes;
  totals_.layer_rows += rows;
  if (passes > 0) totals_.loop_width.add(static_cast<double>(rows) / static_cast<double>(passes));
}

/// What landed, where one of the texts asks the engine for a lens before another has drawn.
std::span<const Landed> Lane::kept(std::span<const Landed> landed) {
  const auto looks = [&](const Landed& one) {
    const auto text = texts_.find(one.sequence);
    return text != texts_.end() && text->second->lens;
  };
  if (std::none_of(landed.begin(), landed.end(), looks)) return landed;
  landed_.assign(landed.begin(), landed.end());
  logits_.clear();
  for (const Landed& one : landed) logits_.insert(logits_.end(), one.logits.begin(), one.logits.end());
  std::size_t done = 0;
  for (Landed& one : landed_) {
    one.logits = std::span(logits_).subspan(done, one.logits.size());
    done += one.logits.size();
  }
  return landed_;
}

void Lane::land(Text& text, const Landed& landed) {
  try {
    if (text.in_prompt()) {
      submit(text);
      return;
    }
    const int prompt = static_cast<int>(text.prompt().size());
    if (text.sequence.length == prompt) {
      totals_.prompt_tokens += static_cast<std::uint64_t>(prompt - text.cached);
      totals_.cached_tokens += static_cast<std::uint64_t>(text.cached);
      if (prefixes_) prefixes_->keep(text.sequence, text.prompt());
      if (text.scored()) text.work->ticket->post({text.choice, std::move(text.scores)});
      if (text.wanted().limits.tokens == 0) {
        end(text, StopReason::length);
        return;
      }
    }
    draw(text, landed);
  } catch (const UnspeakableFormat& failure) {
    fail(text, bad_request("", "{}", failure.what()));
  } catch (const Error& failure) {
    fail(text, engine_failure(failure.what()));
  } catch (const std::bad_alloc&) {
    fail(text, out_of_memory());
  }
}

/// The tokens that the format of a text lets come next; empty: all.
std::span<const std::uint8_t> Lane::allowed(const Text& text) {
  TokenMask* const format = text.wanted().format.get();
  if (format == nullptr) return {};
  if (!token_bytes_) token_bytes_ = std::make_unique<TokenBytes>(model_.tokenizer(), model_.vocabulary());
  return format->allowed(text.format_state, *token_bytes_);
}

void Lane::draw(Text& text, const Landed& landed) {
  const std::span<const float> logits = landed.logits.first(static_cast<std::size_t>(model_.vocabulary()));
  GeneratedToken token;
  token.token = text.sampler.draw(logits, text.tokens, allowed(text));
  token.depth = landed.depth;
  if (text.wanted().logprobs >= 0) {
    token.probabilities = probabilities_of(logits, token.token, text.wanted().logprobs);
  }
  if (text.lens) token.lens = text.lens->read(engine_, model_.vocabulary(), token.token, text.wanted().lens);
  count_token(text);
  totals_.count_depth(model_.name, token.depth, text.wanted().loops);
  const bool room = text.sequence.length < text.sequence.cache.context();
  std::optional<StopReason> reason = text.stream.take(token, room);
  if (TokenMask* const format = text.wanted().format.get(); format != nullptr && reason != StopReason::end_token) {
    text.format_state = format->after(text.format_state, token.token, *token_bytes_);
    // What is complete needs no end token, which some models have not got.
    if (reason != StopReason::stop_text && format->complete(text.format_state)) reason = StopReason::end_token;
  }
  const std::vector<std::int32_t>& ends = text.wanted().limits.ends;
  if (text.scored() && std::find(ends.begin(), ends.end(), token.token) != ends.end()) {
    // Whoever scores a prompt counts on one entry behind it, whatever it is.
    text.stream.finish();
    text.work->ticket->post({text.choice, {}, token});
  }
  if (reason) {
    end(text, *reason);
    return;
  }
  text.tokens.push_back(token.token);
  submit(text);
}

void Lane::end(Text& text, StopReason reason) {
  if (reason != StopReason::stop_text) text.stream.finish();
  if (prefixes_) prefixes_->keep(text.sequence, text.tokens);
  count_end(text, reason);
  const ChoiceEnd said{reason, static_cast<int>(text.stream.tokens().size()), text.cached};
  text.work->ticket->post({text.choice, {}, {}, said});
  remove(text);
}

void Lane::count_token(Text& text) {
  ++totals_.tokens;
  const Clock::time_point now = Clock::now();
  if (text.first == Clock::time_point()) {
    text.first = now;
    totals_.first_token.add(seconds(now - text.work->came));
    totals_.prompt_time.add(seconds(now - text.started));
  } else {
    totals_.token_time.add(seconds(now - text.last));
  }
  text.last = now;
}

void Lane::count_end(const Text& text, StopReason reason) {
  const bool stopped = reason == StopReason::stop_text || reason == StopReason::end_token;
  ++(stopped ? totals_.stopped : totals_.cut);
  const Clock::time_point now = Clock::now();
  totals_.text_time.add(seconds(now - text.work->came));
  if (text.first != Clock::time_point()) totals_.decode_time.add(seconds(now - text.first));
  totals_.prompt_length.add(static_cast<double>(text.prompt().size()));
  totals_.text_length.add(static_cast<double>(text.stream.tokens().size()));
}

LaneState Lane::state() const {
  LaneState state;
  for (const auto& [sequence, text] : texts_) {
    const std::span<const Flight> flights = scheduler_.flights(*sequence);
    state.texts.push_back({.choice = text->choice,
                           .prompt = static_cast<int>(text->prompt().size()),
                           .cached = text->cached,
                           .length = sequence->length,
                           .generated = static_cast<int>(text->stream.tokens().size()),
                           .kv_bytes = sequence->cache.bytes(),
                           .kv_pages = sequence->cache.pages(),
                           .flights = static_cast<int>(flights.size()),
                           .group = flights.empty() ? 0 : flights.front().group,
                           .loop = flights.empty() ? 0 : flights.front().loop});
  }
  if (prefixes_) state.kept = prefixes_->size();
  if (prefixes_) state.kept_bytes = prefixes_->bytes();
  return state;
}

void Lane::fail(const Text& text, const ApiError& error) {
  const std::shared_ptr<Work> work = text.work;  // which goes with its texts
  give_up(work, error);
}

void Lane::remove(const Text& text) {
  --text.work->running;
  scheduler_.cancel(text.sequence);
  texts_.erase(&text.sequence);
}

void Lane::drop(const Work& work) {
  for (auto at = texts_.begin(); at != texts_.end();) {
    const Text& text = *(at++)->second;  // which remove() ends
    if (text.work.get() == &work) remove(text);
  }
}

/// A pass that ended with an exception took its texts out of the schedule.
void Lane::fail_lost(const ApiError& error) {
  std::vector<std::shared_ptr<Work>> lost;
  bool none = true;
  for (const auto& [sequence, text] : texts_) {
    if (scheduler_.runs(*sequence)) continue;
    lost.push_back(text->work);
    none = false;
  }
  for (const auto& [sequence, text] : texts_) {
    if (none) lost.push_back(text->work);  // it was none of them: nobody can go on
  }
  for (const std::shared_ptr<Work>& work : lost) {
    give_up(work, error);
  }
}

void Lane::give_up(const std::shared_ptr<Work>& work, const ApiError& error) {
  ++totals_.failed;
  work->started = work->wanted.choices();  // no other of its texts gets a place
  work->ticket->fail(error);
  drop(*work);
}

}  // namespace gyre::serve
