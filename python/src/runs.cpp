#include "runs.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.hpp"

namespace gyre::python {
namespace {

api::SequenceOptions options_of(const RunOptions& run) {
  api::SequenceOptions options = run.sequence;
  options.rule = program_of(run.rule);
  return options;
}

/// A text with room for its tokens, as far as the model goes, unless it was told how much.
api::Sequence start(Opened& opened, const RunOptions& run, std::size_t tokens) {
  api::SequenceOptions options = options_of(run);
  api::Sequence text = opened.runner().start(options);
  if (options.context > 0 || tokens <= static_cast<std::size_t>(text.context())) return text;
  options.context = static_cast<int>(std::min(tokens, static_cast<std::size_t>(opened.model().context())));
  return opened.runner().start(options);
}

api::Hook hook_of(const Opened& opened, const HookPoints& points) {
  return python::hook_of(points, static_cast<std::size_t>(opened.model().hidden_size()));
}

bool exits(const RunOptions& run) {
  return run.rule.make || !(run.sequence.exit.empty() || run.sequence.exit == "fixed");
}

/// Appends tokens, each as deep as its exit lets it, and tells of every one's logits; returns loops [tokens, groups].
std::vector<std::int32_t> feed(Opened& opened, api::Sequence& text, std::span<const std::int32_t> tokens,
                               const RunOptions& run, const api::Hook& hook, const api::LogitsHook& hear,
                               std::vector<float>* last = nullptr) {
  std::vector<std::int32_t> loops;
  if (!exits(run)) {
    api::Step step = opened.runner().append(text, tokens, hook, hear);
    for (std::size_t t = 0; t < tokens.size(); ++t) {
      for (const int count : step.loops) loops.push_back(count);
    }
    if (last != nullptr) *last = std::move(step.logits);
    return loops;
  }
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    api::Step step = opened.runner().append(text, tokens.subspan(t, 1), hook);
    for (const int count : step.loops) loops.push_back(count);
    if (hear) hear(t, step.logits);
    if (last != nullptr) *last = std::move(step.logits);
  }
  return loops;
}

void require_tokens(const Tokens& tokens, std::size_t least) {
  if (tokens.shape(0) >= least) return;
  throw Error("tokens: {} are too few; give at least {}", tokens.shape(0), least);
}

}  // namespace

Written generate(const Model& model, const Tokens& prompt, const RunOptions& run, const api::GenerateOptions& options) {
  const Turn turn(*model);
  api::Runner& runner = model->runner();
  api::Sequence text = runner.start(options_of(run));
  api::GenerateOptions wanted = options;
  wanted.hook = hook_of(*model, run.hooks);
  Written written;
  written.groups = text.loops().size();
  written.generation = runner.generate(text, span_of(prompt), wanted,
                                       [&](const api::GeneratedToken& token) { written.tokens.push_back(token); });
  written.provenance = runner.provenance(text);
  return written;
}

Stream::Stream(Model model, const Tokens& prompt, const RunOptions& run, const api::GenerateOptions& options)
    : model_(std::move(model)) {
  const Turn turn(*model_);
  sequence_ = std::make_unique<api::Sequence>(model_->runner().start(options_of(run)));
  api::GenerateOptions wanted = options;
  wanted.hook = hook_of(*model_, run.hooks);
  writing_.emplace(model_->runner().write(*sequence_, span_of(prompt), wanted));
}

Stream::~Stream() = default;

std::optional<api::GeneratedToken> Stream::next() {
  const Turn turn(*model_);
  return writing_->next();
}

api::Generation Stream::result() const {
  const Turn turn(*model_);
  return writing_->result();
}

std::string Stream::provenance() const {
  const Turn turn(*model_);
  return model_->runner().provenance(*sequence_);
}

Logits logits(const Model& model, const Tokens& tokens, const RunOptions& run) {
  require_tokens(tokens, 1);
  const auto vocabulary = static_cast<std::size_t>(model->model().vocabulary_size());
  auto numbers = std::make_shared<std::vector<float>>(tokens.shape(0) * vocabulary);
  std::vector<std::int32_t> loops;
  {
    const Turn turn(*model);
    api::Sequence text = start(*model, run, tokens.shape(0));
    loops =
        feed(*model, text, span_of(tokens), run, hook_of(*model, run.hooks),
             [&](std::size_t first, std::span<const float> some) {
               std::copy(some.begin(), some.end(), numbers->begin() + static_cast<std::ptrdiff_t>(first * vocabulary));
             });
  }
  const std::size_t groups = loops.size() / tokens.shape(0);
  return {array_of<float>(std::move(numbers), {tokens.shape(0), vocabulary}),
          array_of(std::move(loops), {tokens.shape(0), groups})};
}

std::pair<nb::object, nb::object> logprobs(const Model& model, const Tokens& tokens, const RunOptions& run) {
  require_tokens(tokens, 2);
  const std::span<const std::int32_t> all = span_of(tokens);
  const auto vocabulary = static_cast<std::size_t>(model->model().vocabulary_size());
  std::vector<float> values(all.size() - 1);
  std::vector<std::int32_t> likeliest(all.size() - 1);
  {
    const Turn turn(*model);
    // The last token is one that the logits before it may be asked about, and need not run.
    api::Sequence text = start(*model, run, all.size());
    feed(*model, text, all.first(all.size() - 1), run, hook_of(*model, run.hooks),
         [&](std::size_t first, std::span<const float> some) {
           for (std::size_t i = 0; i < some.size() / vocabulary; ++i) {
             const api::TokenScore score = api::score(some.subspan(i * vocabulary, vocabulary), all[first + i + 1]);
             values[first + i] = score.logprob;
             likeliest[first + i] = score.likeliest;
           }
         });
  }
  const std::size_t count = all.size() - 1;
  return {array_of(std::move(values), {count}), array_of(std::move(likeliest), {count})};
}

namespace {

using Score = std::pair<double, bool>;

void add(Score& score, std::span<const float> logits, std::int32_t token) {
  const api::TokenScore one = api::score(logits, token);
  score.first += static_cast<double>(one.logprob);
  score.second = score.second && one.likeliest == token;
}

/// Positions that a question may take.
std::size_t room_of(const Question& question) {
  std::size_t longest = 0;
  for (const auto& tokens : question.continuations) longest = std::max(longest, tokens.size());
  return question.context.size() + longest;
}

/// Texts that run together: none is left under way when one throws.
class Together {
 public:
  explicit Together(api::Runner& runner) : runner_(runner) {}
  Together(const Together&) = delete;
  Together& operator=(const Together&) = delete;
  ~Together() {
    for (const api::Sequence* const text : running_) runner_.cancel(*text);
  }

  void submit(api::Sequence& text, std::span<const std::int32_t> tokens, api::LogitsHook hear) {
    runner_.submit(text, {tokens.begin(), tokens.end()}, {}, std::move(hear));
    running_.push_back(&text);
  }

  /// All of them to their ends.
  template <typename Each>
  void finish(const Each& each) {
    while (!runner_.idle()) {
      for (const api::Step& step : runner_.step()) {
        std::erase(running_, step.sequence);
        each(step);
      }
    }
  }

 private:
  api::Runner& runner_;
  std::vector<const api::Sequence*> running_;
};

/// A continuation under way.
struct Asked {
  std::span<const std::int32_t> tokens;
  Score* score;
  std::unique_ptr<api::Sequence> text;
};

/// Takes the logits of tokens that go in, behind which the tokens of a continuation from its second on stand.
api::LogitsHook counting(Score& score, std::span<const std::int32_t> tokens, std::size_t vocabulary) {
  return [&score, tokens, vocabulary](std::size_t first, std::span<const float> some) {
    for (std::size_t i = 0; i < some.size() / vocabulary; ++i) {
      add(score, some.subspan(i * vocabulary, vocabulary), tokens[first + i + 1]);
    }
  };
}

using Scores = std::vector<std::vector<Score>>;

/// One question after the other: where every token is a pass of its own, or somebody hears of states.
void score_in_turn(Opened& opened, const std::vector<Question>& questions, const RunOptions& run, Scores& result) {
  const auto vocabulary = static_cast<std::size_t>(opened.model().vocabulary_size());
  const api::Hook hook = hook_of(opened, run.hooks);
  for (std::size_t q = 0; q < questions.size(); ++q) {
    api::Sequence context = start(opened, run, room_of(questions[q]));
    std::vector<float> last;
    feed(opened, context, questions[q].context, run, hook, {}, &last);
    for (std::size_t c = 0; c < questions[q].continuations.size(); ++c) {
      const std::span<const std::int32_t> tokens = questions[q].continuations[c];
      add(result[q][c], last, tokens.front());
      if (tokens.size() == 1) continue;
      api::Sequence text = context.fork();
      feed(opened, text, tokens.first(tokens.size() - 1), run, hook, counting(result[q][c], tokens, vocabulary));
    }
  }
}

/// All contexts, then all continuations: they share passes over the weights.
void score_together(Opened& opened, const std::vector<Question>& questions, const RunOptions& run, Scores& result) {
  const auto vocabulary = static_cast<std::size_t>(opened.model().vocabulary_size());
  std::vector<std::unique_ptr<api::Sequence>> contexts;
  std::vector<Asked> asked;
  Together together(opened.runner());
  for (const Question& question : questions) {
    contexts.push_back(std::make_unique<api::Sequence>(start(opened, run, room_of(question))));
    together.submit(*contexts.back(), question.context, {});
  }
  together.finish([&](const api::Step& step) {
    const auto place = std::find_if(contexts.begin(), contexts.end(),
                                    [&](const auto& context) { return context.get() == step.sequence; });
    const auto q = static_cast<std::size_t>(place - contexts.begin());
    for (std::size_t c = 0; c < questions[q].continuations.size(); ++c) {
      const std::span<const std::int32_t> tokens = questions[q].continuations[c];
      add(result[q][c], step.logits, tokens.front());
      if (tokens.size() == 1) continue;
      asked.push_back({tokens, &result[q][c], std::make_unique<api::Sequence>(contexts[q]->fork())});
    }
  });
  for (const Asked& one : asked) {
    together.submit(*one.text, one.tokens.first(one.tokens.size() - 1), counting(*one.score, one.tokens, vocabulary));
  }
  together.finish([](const api::Step&) {});
}

}  // namespace

std::vector<std::vector<Score>> scores(const Model& model, const std::vector<Question>& questions,
                                       const RunOptions& run) {
  const Turn turn(*model);
  Scores result;
  for (const Question& question : questions) result.emplace_back(question.continuations.size(), Score(0.0, true));
  if (exits(run) || !run.hooks.empty()) {
    score_in_turn(*model, questions, run, result);
  } else {
    score_together(*model, questions, run, result);
  }
  return result;
}

Trace trace(const Model& model, const Tokens& tokens, const std::vector<TracedGroup>& groups, const RunOptions& run) {
  require_tokens(tokens, 1);
  const std::size_t count = tokens.shape(0);
  const auto hidden = static_cast<std::size_t>(model->model().hidden_size());
  std::vector<std::shared_ptr<std::vector<float>>> states;
  for (const TracedGroup& group : groups) {
    states.push_back(std::make_shared<std::vector<float>>(group.loops.size() * count * hidden,
                                                          std::numeric_limits<float>::quiet_NaN()));
  }
  const auto keep = [&](const api::LoopStates& at) {
    for (std::size_t g = 0; g < groups.size(); ++g) {
      if (groups[g].group != at.group) continue;
      const auto place = std::find(groups[g].loops.begin(), groups[g].loops.end(), at.loop);
      if (place == groups[g].loops.end()) continue;
      const auto row =
          static_cast<std::size_t>(place - groups[g].loops.begin()) * count + static_cast<std::size_t>(at.position);
      std::copy(at.states.begin(), at.states.end(), states[g]->begin() + static_cast<std::ptrdiff_t>(row * hidden));
    }
  };
  std::vector<std::int32_t> loops;
  std::vector<float> last;
  {
    const Turn turn(*model);
    const api::Hook hook = hook_of(*model, run.hooks);
    api::Sequence text = start(*model, run, count);
    // What is traced is what the next loop starts from.
    const api::Hook both = [&](const api::LoopStates& at) {
      if (hook) hook(at);
      keep(at);
    };
    loops = feed(*model, text, span_of(tokens), run, both, {}, &last);
  }
  Trace result;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    result.states.push_back(
        array_of<float, const float>(std::move(states[g]), {groups[g].loops.size(), count, hidden}));
  }
  const std::size_t columns = loops.size() / count;
  result.loops = array_of(std::move(loops), {count, columns});
  const std::size_t vocabulary = last.size();
  result.logits = array_of(std::move(last), {vocabulary});
  return result;
}

nb::object lens(const Model& model, const Floats<2>& states) {
  std::vector<float> numbers;
  {
    const Turn turn(*model);
    numbers = model->runner().lens({states.data(), states.size()});
  }
  const std::size_t rows = states.shape(0);
  const std::size_t vocabulary = numbers.size() / rows;
  return array_of(std::move(numbers), {rows, vocabulary});
}

nb::object embed(const Model& model, const std::vector<std::string>& texts, const api::EmbedderOptions& options) {
  std::vector<float> numbers;
  {
    const Turn turn(*model);
    numbers = model->embedder(options).embed(texts);
  }
  const std::size_t hidden = numbers.size() / texts.size();
  return array_of(std::move(numbers), {texts.size(), hidden});
}

Text::Text(Model model, const RunOptions& run) : model_(std::move(model)) {
  const Turn turn(*model_);
  sequence_ = std::make_unique<api::Sequence>(model_->runner().start(options_of(run)));
}

Text::Text(Model model, api::Sequence sequence)
    : model_(std::move(model)), sequence_(std::make_unique<api::Sequence>(std::move(sequence))) {}

Text::~Text() = default;

Text::Appended Text::append(const Tokens& tokens, const HookPoints& hooks) {
  api::Step step;
  {
    const Turn turn(*model_);
    step = model_->runner().append(*sequence_, span_of(tokens), hook_of(*model_, hooks));
  }
  const std::size_t vocabulary = step.logits.size();
  return {array_of(std::move(step.logits), {vocabulary}), std::move(step.loops), std::move(step.reasons)};
}

std::unique_ptr<Text> Text::fork() const {
  const Turn turn(*model_);
  return std::unique_ptr<Text>(new Text(model_, sequence_->fork()));
}

void Text::truncate(int tokens) {
  const Turn turn(*model_);
  sequence_->truncate(tokens);
}

}  // namespace gyre::python
