#include "tune/grpo/grpo_run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <numeric>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/random.hpp"
#include "train/checkpoint.hpp"

namespace gyre {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kDrawStream = 0x64726177ULL;
constexpr std::uint64_t kOrderStream = 0x6f72646572ULL;
constexpr int kKeptCheckpoints = 2;

double mean_of(std::span<const double> values) {
  return values.empty() ? 0 : std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double deviation_of(std::span<const double> values) {
  const double mean = mean_of(values);
  double sum = 0;
  for (const double value : values) sum += (value - mean) * (value - mean);
  return values.size() < 2 ? 0 : std::sqrt(sum / static_cast<double>(values.size() - 1));
}

double seconds_since(std::chrono::steady_clock::time_point began) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

std::vector<std::vector<std::int32_t>> tokens_of(std::span<const GrpoPrompt* const> prompts) {
  std::vector<std::vector<std::int32_t>> tokens;
  for (const GrpoPrompt* const prompt : prompts) tokens.push_back(prompt->tokens);
  return tokens;
}

/// The column that guards look for shared references in: of the first reward that compares texts; empty: there is none.
/// Short answers, which many prompts share, are no sign of anything.
std::string reference_column(const nlohmann::json& plan, std::span<const Reward> rewards) {
  for (std::size_t i = 0; i < rewards.size(); ++i) {
    const std::string kind = plan.at(i).value("kind", "");
    if (kind == "semantic" || kind == "rouge") return rewards[i].column;
  }
  return {};
}

}  // namespace

Drawing drawing_of(const GrpoPlan& plan, const ModelSpec& spec) {
  Drawing drawing;
  const GrpoConfig& config = plan.grpo;
  drawing.loops =
      config.loops.empty() ? spec.default_loops() : parse_loops(config.loops, spec, plan.where + ": grpo.loops");
  if (config.exit.empty()) return drawing;
  try {
    drawing.exit = parse_exit(config.exit);
    static_cast<void>(BoundedExit(*drawing.exit, ExitContext{spec, drawing.loops, {}}, config.seed));
  } catch (const Error& error) {
    throw Error("{}: grpo.{}", plan.where, error.what());
  }
  return drawing;
}

GrpoRun::GrpoRun(const GrpoRequest& request, const GrpoPlan& plan, const Language& language, Drawing drawing,
                 GrpoPrompts prompts, std::vector<Reward> rewards, Policy& policy, nlohmann::json settings,
                 const ProcessGroup& group)
    : request_(request),
      plan_(plan),
      config_(plan.grpo),
      language_(language),
      prompts_(std::move(prompts)),
      rewards_(std::move(rewards)),
      policy_(policy),
      group_(group),
      settings_(std::move(settings)),
      drawing_(std::move(drawing)),
      optimiser_(policy.learned(), config_) {}

void GrpoRun::resume(const fs::path& checkpoint) {
  step_ = read_learned(checkpoint, policy_.learned(), optimiser_);
  fmt::print(stderr, "resuming from {}\n", checkpoint.string());
}

bool GrpoRun::go() {
  hand_out();
  MetricsLog log;
  if (group_.first()) {
    log = MetricsLog(request_.out / "metrics.jsonl", request_.resume, step_, request_.json);
    completions_.emplace(request_.out / "completions.jsonl", request_.resume, step_, false);
    events_.emplace(request_.out / "events", step_);
  }
  const TrainingLoop loop{
      "grpo",        config_.steps, config_.evaluate_every, config_.checkpoint_every, {}, "tokens", "tok",
      request_.stop, &group_};
  if (group_.first() && step_ == 0 && !prompts_.validation.empty()) {
    Progress none("grpo", 0, "step");
    evaluate(0, none, log);
  }
  step_ = run_training(loop, step_, log, *this);
  return group_.first() ? finish() : step_ == config_.steps;
}

void GrpoRun::hand_out() {
  std::vector<torch::Tensor> tensors = optimiser_.state();
  for (const torch::Tensor& tensor : policy_.learned().tensors()) tensors.push_back(tensor);
  step_ = group_.hand_out(tensors, step_);
}

std::vector<const GrpoPrompt*> GrpoRun::chosen(int step, std::vector<std::size_t>& numbers) const {
  const std::vector<std::size_t> all =
      prompts_of_step(prompts_.training.size(), config_.prompts * group_.world(), step, config_.seed ^ kOrderStream);
  std::vector<const GrpoPrompt*> own;
  const auto [rank, world] = group_.share();
  for (auto i = static_cast<std::size_t>(rank); i < all.size(); i += static_cast<std::size_t>(world)) {
    own.push_back(&prompts_.training[all[i]]);
    numbers.push_back(i);
  }
  return own;
}

nlohmann::json GrpoRun::reward_row(const RewardTable& own) const {
  const std::vector<double> totals = group_.gathered(own.totals);
  nlohmann::json row = {{"reward", mean_of(totals)},
                        {"reward_deviation", deviation_of(totals)},
                        {"flat_groups", flat_groups(totals, static_cast<std::size_t>(config_.completions))}};
  for (std::size_t r = 0; r < own.names.size(); ++r) {
    row["rewards"][own.names[r]] = mean_of(group_.gathered(own.parts[r]));
  }
  return row;
}

nlohmann::json GrpoRun::averaged(nlohmann::json report) const {
  std::vector<double> own;
  for (const auto& value : report) own.push_back(value.get<double>());
  const std::vector<double> all = group_.gathered(own);
  std::size_t i = 0;
  for (auto& value : report) {
    double sum = 0;
    for (std::size_t at = i; at < all.size(); at += own.size()) sum += all[at];
    value = sum / group_.world();
    ++i;
  }
  return report;
}

bool GrpoRun::evaluate_alone() {
  MetricsLog log(request_.out / "metrics.jsonl", false, 0, request_.json);
  Progress progress("grpo", 0, "step");
  evaluate(0, progress, log);
  return true;
}

RolloutOptions GrpoRun::rollout_options() const {
  RolloutOptions options;
  options.completions = config_.completions;
  options.tokens = config_.tokens;
  options.sampling.temperature = config_.temperature;
  options.sampling.top_k = config_.top_k;
  options.sampling.top_p = config_.top_p;
  options.sampling.min_p = config_.min_p;
  options.loops = drawing_.loops;
  options.exit = drawing_.exit;
  options.end_tokens = language_.end_tokens;
  return options;
}

std::string GrpoRun::text_of(const Completion& completion) const {
  std::span<const std::int32_t> tokens = completion.tokens;
  if (!completion.truncated && !tokens.empty()) tokens = tokens.first(tokens.size() - 1);
  return language_.tokenizer.decode(tokens);
}

GrpoRun::Batch GrpoRun::drawn(std::vector<const GrpoPrompt*> prompts, const RolloutOptions& options,
                              RolloutCount& count) {
  Batch batch;
  batch.completions = draw_completions(policy_.engine(), tokens_of(prompts), options, count);
  for (const Completion& completion : batch.completions) {
    const GrpoPrompt& prompt = *prompts[completion.prompt];
    batch.items.push_back({prompt.text, text_of(completion), static_cast<int>(completion.tokens.size()),
                           completion.truncated, prompt.columns});
  }
  batch.table = judge(rewards_, batch.items);
  batch.prompts = std::move(prompts);
  return batch;
}

std::vector<LearnedCompletion> GrpoRun::lessons(const Batch& batch) const {
  const std::vector<double> advantages =
      group_advantages(batch.table.totals, static_cast<std::size_t>(config_.completions), config_.advantages);
  std::vector<LearnedCompletion> lessons;
  for (std::size_t i = 0; i < batch.completions.size(); ++i) {
    const Completion& completion = batch.completions[i];
    LearnedCompletion lesson{&batch.prompts[completion.prompt]->tokens, &completion,
                             std::vector<double>(completion.tokens.size(), advantages[i]),
                             !(config_.mask_truncated && completion.truncated)};
    if (config_.planning.weight > 0) {
      const std::vector<bool> planning =
          planning_tokens(completion.tokens, language_.tokenizer, config_.planning.phrases);
      for (std::size_t t = 0; t < planning.size(); ++t) {
        if (planning[t]) lesson.advantages[t] += static_cast<double>(config_.planning.weight) * std::abs(advantages[i]);
      }
    }
    lessons.push_back(std::move(lesson));
  }
  return lessons;
}

nlohmann::json GrpoRun::one_step(int step) {
  step_ = step;
  policy_.refresh();
  RolloutOptions options = rollout_options();
  std::vector<const GrpoPrompt*> prompts = chosen(step, options.numbers);
  options.sampling.seed = combine_seeds(config_.seed ^ kDrawStream, static_cast<std::uint64_t>(step));
  RolloutCount count;
  const auto began = std::chrono::steady_clock::now();
  const Batch batch = drawn(std::move(prompts), options, count);
  const double drawing = seconds_since(began);
  const std::vector<LearnedCompletion> learned = lessons(batch);
  const auto then = std::chrono::steady_clock::now();
  const LearningReport report =
      learn(policy_, optimiser_, learned, config_, drawing_.loops, drawing_.exit.has_value(), step, group_);
  const double learning = seconds_since(then);
  GuardReport guards = guards_.look(batch.items, batch.table.totals, reference_column(plan_.rewards, rewards_));
  if (config_.completions_every > 0 && step % config_.completions_every == 0) {
    Guards::probe(guards, rewards_, batch.items, options.sampling.seed);
    if (group_.first()) write_completions(step, batch, learned);
  }
  double loops = 0;
  for (const Completion& completion : batch.completions) loops += completion.loops;
  double tokens = 0;
  double all_loops = 0;
  const std::vector<double> drawn_by_all = group_.gathered(std::array{static_cast<double>(count.tokens), loops});
  for (std::size_t i = 0; i < drawn_by_all.size(); i += 2) {
    tokens += drawn_by_all[i];
    all_loops += drawn_by_all[i + 1];
  }
  nlohmann::json row = {{"step", step},
                        {"loss", report.loss},
                        {"kl", report.divergence},
                        {"clipped_share", report.clipped},
                        {"surprise_nats", report.surprise},
                        {"gradient_norm", report.gradient_norm},
                        {"learning_rate", learning_rate_at(config_, step)},
                        {"log_p_mismatch", report.mismatch},
                        {"tokens", static_cast<std::int64_t>(tokens)},
                        {"loops_per_token", tokens == 0 ? 0 : all_loops / tokens},
                        {"rollout_tokens_per_second", tokens / std::max(1e-9, count.seconds)},
                        {"rollout_seconds", drawing},
                        {"learning_seconds", learning},
                        {"guards", averaged(to_json(guards))}};
  row.update(reward_row(batch.table));
  if (group_.first()) show(row);
  return row;
}

void GrpoRun::show(const nlohmann::json& row) {
  const int step = row.at("step");
  for (const auto& [key, value] : row.items()) {
    if (value.is_number() && key != "step") events_->scalar("grpo/" + key, value, step);
    if (!value.is_object()) continue;
    for (const auto& [name, part] : value.items()) {
      if (part.is_number()) events_->scalar(fmt::format("{}/{}", key, name), part, step);
    }
  }
}

nlohmann::json GrpoRun::line_of(const Batch& batch, std::size_t i) const {
  const RewardItem& item = batch.items[i];
  nlohmann::json line = item.columns;  // so that what it was compared with stands beside it
  line["rewards"] = nlohmann::json::object();
  for (std::size_t r = 0; r < batch.table.names.size(); ++r) {
    line["rewards"][batch.table.names[r]] = batch.table.parts[r][i];
  }
  line.update({{"line", batch.prompts[batch.completions[i].prompt]->line},
               {"prompt", as_utf8(item.prompt)},
               {"completion", as_utf8(item.completion)},
               {"tokens", item.tokens},
               {"truncated", item.truncated},
               {"reward", batch.table.totals[i]}});
  return line;
}

void GrpoRun::write_completions(int step, const Batch& batch, const std::vector<LearnedCompletion>& lessons) {
  std::string shown;
  for (std::size_t i = 0; i < batch.items.size(); ++i) {
    const RewardItem& item = batch.items[i];
    nlohmann::json line = line_of(batch, i);
    line["step"] = step;
    line["advantage"] = lessons[i].advantages.empty() ? 0 : lessons[i].advantages.front();
    completions_->write(line);
    if (i == 0) shown = fmt::format("{}\n\n---\n\n{}", as_utf8(item.prompt), as_utf8(item.completion));
  }
  events_->text("completion", shown, step);
}

void GrpoRun::evaluate(int step, Progress& progress, MetricsLog& log) {
  if (prompts_.validation.empty() || config_.evaluate_prompts == 0) return;
  policy_.refresh();
  RolloutOptions options = rollout_options();
  options.completions = 1;
  options.sampling = SamplingOptions{};
  options.sampling.temperature = 0;
  constexpr std::size_t kTogether = 32;
  const std::size_t count = std::min(prompts_.validation.size(), static_cast<std::size_t>(config_.evaluate_prompts));
  std::vector<std::vector<double>> parts(rewards_.size());
  std::vector<double> totals;
  double tokens = 0;
  std::string lines;
  RolloutCount drawn_count;
  for (std::size_t begin = 0; begin < count; begin += kTogether) {
    std::vector<const GrpoPrompt*> some;
    for (std::size_t i = begin; i < std::min(count, begin + kTogether); ++i) some.push_back(&prompts_.validation[i]);
    const Batch batch = drawn(std::move(some), options, drawn_count);
    for (std::size_t r = 0; r < parts.size(); ++r) {
      parts[r].insert(parts[r].end(), batch.table.parts[r].begin(), batch.table.parts[r].end());
    }
    totals.insert(totals.end(), batch.table.totals.begin(), batch.table.totals.end());
    for (std::size_t i = 0; i < batch.items.size(); ++i) lines += line_of(batch, i).dump() + "\n";
    for (const Completion& completion : batch.completions) tokens += static_cast<double>(completion.tokens.size());
  }
  nlohmann::json row = {
      {"prompts", count}, {"reward", mean_of(totals)}, {"tokens", tokens / static_cast<double>(count)}};
  std::string text;
  for (std::size_t r = 0; r < parts.size(); ++r) {
    row["rewards"][rewards_[r].name] = mean_of(parts[r]);
    text += fmt::format("  {} {:.4f}", rewards_[r].name, mean_of(parts[r]));
  }
  write_text_atomically(request_.out / "held_out.jsonl", lines);
  progress.clear();
  fmt::print(stderr, "step {:5}  held-out reward {:.4f}{}  {:.0f} tokens\n", step, mean_of(totals), text,
             tokens / static_cast<double>(count));
  log.write({{"step", step}, {"validation", row}});
  if (events_) show({{"step", step}, {"validation", row.at("rewards")}, {"validation_reward", row.at("reward")}});
}

void GrpoRun::save_checkpoint(int step) {
  const fs::path all = request_.out / "checkpoints";
  write_learned(all / checkpoint_name(step), policy_.learned(), optimiser_, step, settings_);
  std::vector<fs::path> kept;
  for (const auto& entry : fs::directory_iterator(all)) kept.push_back(entry.path());
  std::sort(kept.begin(), kept.end());
  for (std::size_t i = 0; i + kKeptCheckpoints < kept.size(); ++i) fs::remove_all(kept[i]);
}

bool GrpoRun::finish() {
  if (step_ < config_.steps) {
    fmt::print(stderr, "stopped at step {}; the same command goes on from there when told to resume\n", step_);
    if (request_.json) fmt::print("{}\n", nlohmann::json{{"result", {{"stopped_at", step_}}}}.dump());
    return false;
  }
  fs::path out = request_.out / "model";
  if (policy_.adapter() != nullptr) {
    out = request_.out / "adapter";
    Adapter adapter = policy_.adapter()->values();
    adapter.weights_sha256 = policy_.weights_sha256();
    fs::remove_all(out);
    write_adapter(out, adapter);
  } else {
    write_model_folder(out, policy_.learner(), language_files(request_.model, language_), nlohmann::json::object(),
                       DType::f32);
  }
  fmt::print(stderr, "wrote {}\n", out.string());
  if (request_.json) {
    fmt::print("{}\n", nlohmann::json{{"result", {{"out", out.string()}, {"steps", step_}}}}.dump());
  }
  return true;
}

}  // namespace gyre
