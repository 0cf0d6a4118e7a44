#include "train/trainer.hpp"

#include <ATen/Parallel.h>
#include <torch/utils.h>

#include <optional>

#include "base/error.hpp"
#include "base/progress.hpp"
#include "model/checkpoint.hpp"
#include "model/language_files.hpp"
#include "train/checkpoint.hpp"
#include "train/chosen_parameters.hpp"
#include "train/device.hpp"
#include "train/prepared_data.hpp"
#include "train/process_group.hpp"
#include "train/rank_folder.hpp"
#include "train/rank_settings.hpp"
#include "train/run_settings.hpp"
#include "train/schedule.hpp"
#include "train/token_log_p.hpp"
#include "train/training_loop.hpp"
#include "train/weight_average.hpp"

namespace gyre {
namespace {

namespace fs = std::filesystem;
using torch::Tensor;

constexpr std::uint64_t kNoiseStream = 0x6e6f697365ULL;
constexpr std::uint64_t kDropoutStream = 0x64726f70ULL;

Tensor tensor_of(const std::vector<std::int64_t>& ids, const Batch& batch, const torch::Device& device) {
  return torch::tensor(ids, torch::kLong).view({batch.rows, batch.columns}).to(device);
}

/// A model and what of it, or beside it, learns.
struct Learner {
  TorchModel model;
  std::optional<TorchAdapter> adapter = {};
  std::optional<ChosenParameters> chosen = {};
};

/// Loop counts by name, at which the validation loss is measured. Throws Error naming what is no count.
std::vector<std::pair<std::string, std::vector<int>>> depths_of(const TrainingPlan& plan, const ModelSpec& spec) {
  std::vector<std::pair<std::string, std::vector<int>>> depths;
  for (const std::string& text : plan.training.evaluate_loops) {
    depths.emplace_back(text, parse_loops(text, spec, plan.where + ": training.evaluate_loops"));
  }
  depths.emplace_back("default", spec.default_loops());
  return depths;
}

/// One training run: the state that lives from step to step.
class Run : public TrainingTask {
 public:
  Run(const TrainRequest& request, const TrainingPlan& plan, FolderFiles language, TrainingData data,
      nlohmann::json settings, Learner learner, const torch::Device& device, const ProcessGroup& group)
      : request_(request),
        device_(device),
        group_(group),
        plan_(plan),
        config_(plan.training),
        language_(std::move(language)),
        data_(std::move(data)),
        settings_(std::move(settings)),
        model_(std::move(learner.model)),
        adapter_(std::move(learner.adapter)),
        spec_(model_.spec()),
        chosen_(std::move(learner.chosen)),
        optimiser_(learned(), config_),
        validation_(data_.validation_batches()),
        depths_(depths_of(plan, spec_)) {
    if (config_.ema > 0) average_.emplace(model_, config_.ema);
  }

  void resume(const fs::path& checkpoint) {
    step_ = learns_all() ? read_checkpoint(checkpoint, model_, optimiser_, average())
                         : read_learned(checkpoint, learned(), optimiser_);
    fmt::print(stderr, "resuming from {}\n", checkpoint.string());
  }

  bool go() {
    hand_out();
    MetricsLog log;
    if (group_.first()) {
      log = MetricsLog(request_.out / "metrics.jsonl", request_.resume, step_, request_.json);
      announce();
    }
    const TrainingLoop loop{"train",
                            config_.steps,
                            config_.evaluate_every,
                            config_.checkpoint_every,
                            config_.checkpoint_at,
                            "tokens",
                            "tok",
                            request_.stop,
                            &group_};
    step_ = run_training(loop, step_, log, *this);
    return group_.first() ? finish() : step_ == config_.steps;
  }

  nlohmann::json one_step(int step) override {
    step_ = step;
    const Batch batch = data_.training_batch(config_.seed, step_, group_.share());
    ForwardOptions options = options_for(sample_loops(spec_, config_, step_), batch, config_.dropout, group_.share());
    options.training = true;
    if (config_.dropout > 0 || plan_.adapter) {
      torch::manual_seed(combine_seeds(config_.seed ^ kDropoutStream, static_cast<std::uint64_t>(step_)));
    }
    const Tensor own_loss = loss(batch, options);
    double value = own_loss.item<double>();
    // Alone it ends here; a rank that ended by itself would leave the others waiting.
    if (group_.alone()) require_finite_loss(value, step_);
    own_loss.backward();
    group_.sum_gradients(learned(), {&value, 1});
    require_finite_loss(value, step_);
    const double rate = learning_rate_at(config_, step_);
    const double norm = optimiser_.update(learned(), rate, step_);
    if (average_) average_->update(model_, step_);
    return {{"step", step_},          {"loss", value},
            {"learning_rate", rate},  {"gradient_norm", norm},
            {"loops", options.loops}, {"tokens", batch.inputs.size() * static_cast<std::size_t>(group_.world())}};
  }

  void evaluate(int step, Progress& progress, MetricsLog& log) override {
    const torch::NoGradGuard no_gradient;
    nlohmann::json losses = nlohmann::json::object();
    std::string text;
    for (const auto& [name, loops] : depths_) {
      double sum = 0;
      double count = 0;
      int row = 0;
      for (const Batch& batch : validation_) {
        const auto targets = static_cast<double>(
            std::count_if(batch.targets.begin(), batch.targets.end(), [](std::int64_t t) { return t >= 0; }));
        sum += targets * loss(batch, options_for(loops, batch, 0.0F, {}, row)).item<double>();
        count += targets;
        // The noise of a row is that of its place in a batch of all ranks.
        row = (row + batch.rows) % (config_.batch * group_.world());
      }
      losses[name] = sum / count;
      text += fmt::format("  {} loops {:.4f}", name, sum / count);
    }
    // The weights of this step have not met a loss yet: a checkpoint of them waits for this one.
    require_finite_loss(losses["default"].get<double>(), step);
    progress.clear();
    fmt::print(stderr, "step {:6}  validation loss (nats/token){}\n", step, text);
    log.write({{"step", step}, {"validation", losses}});
  }

  void save_checkpoint(int step) override {
    const fs::path folder = request_.out / "checkpoints" / checkpoint_name(step);
    if (!learns_all()) return write_learned(folder, learned(), optimiser_, step, settings_);
    write_checkpoint(folder, model_, optimiser_, language_, plan_.json, step, settings_, average());
  }

 private:
  [[nodiscard]] bool learns_all() const { return !adapter_ && !chosen_; }
  [[nodiscard]] const Parameters& learned() const {
    if (adapter_) return *adapter_;
    if (chosen_) return *chosen_;
    return model_;
  }
  [[nodiscard]] const WeightAverage* average() const { return average_ ? &*average_ : nullptr; }

  /// All ranks go on from the numbers of the first, which may come from a checkpoint.
  void hand_out() {
    std::vector<Tensor> tensors = optimiser_.state();
    for (const Tensor& tensor : learned().tensors()) tensors.push_back(tensor);
    if (average_) {
      for (const Tensor& tensor : average_->tensors()) tensors.push_back(tensor);
    }
    step_ = group_.hand_out(tensors, step_);
  }

  void announce() {
    const std::int64_t parameters = model_.count();
    const std::int64_t learning = learned().count();
    // What is kept from step to step, and gradients.
    std::int64_t numbers = (average_ ? 2 : 1) * parameters + (adapter_ ? 2 : 1) * learning;
    for (const AdamW::Slot& slot : optimiser_.slots()) {
      numbers += slot.first.numel() + (slot.second.defined() ? slot.second.numel() : 0);
    }
    fmt::print(stderr,
               "{}: {} parameters, {} learn ({:.1f} MiB with gradients and optimiser, without activations), {} tokens "
               "of training "
               "text, {} steps of {} tokens, {}, {}{}\n",
               spec_.name, parameters, learns_all() ? "all" : std::to_string(learning),
               static_cast<double>(numbers) * sizeof(float) / 0x1p20, data_.training_tokens(), config_.steps,
               group_.world() * config_.batch * config_.sequence,
               device_.is_cpu() ? fmt::format("{} threads", at::get_num_threads()) : device_.str(),
               config_.precision == Precision::bf16 ? "bf16" : "f32",
               group_.alone() ? "" : fmt::format(", {} ranks", group_.world()));
  }

  [[nodiscard]] ForwardOptions options_for(std::vector<int> loops, const Batch& batch, float dropout,
                                           const RowShare& share, int first_row = 0) const {
    ForwardOptions options{std::move(loops), config_.backprop_loops, config_.precision, dropout};
    if (!batch.documents.empty()) options.documents = tensor_of(batch.documents, batch, device_);
    options.adapter = adapter_ ? &*adapter_ : nullptr;
    options.share = share;
    for (int own = 0; own < batch.rows; ++own) {
      const int row = first_row + share.rank + share.world * own;  // of the whole batch
      options.noise_seeds.push_back(combine_seeds(
          config_.seed ^ kNoiseStream, static_cast<std::uint64_t>(step_) * 65536U + static_cast<std::uint64_t>(row)));
    }
    return options;
  }

  /// Mean cross-entropy (nats) of the targets that count; where ranks divide the batch, the part of it that these rows
  /// add.
  [[nodiscard]] Tensor loss(const Batch& batch, const ForwardOptions& options) const {
    const Tensor states = model_.states(tensor_of(batch.inputs, batch, device_), options);
    const Tensor targets = torch::tensor(batch.targets, torch::kLong).to(device_);
    // Only positions that carry loss are decoded: in the answers layout that is one in many.
    const Tensor counted = targets.ge(0).nonzero().squeeze(1);
    const Tensor flat = states.view({-1, spec_.hidden_size});
    const bool all = counted.numel() == targets.numel();
    constexpr std::int64_t kLogitsTogether = 1 << 26;  // 256 MiB of them: more than small vocabularies ever have
    const Tensor log_p = log_p_of(model_, all ? flat : flat.index_select(0, counted),
                                  all ? targets : targets.index_select(0, counted), config_.precision, kLogitsTogether);
    return -log_p.sum() / static_cast<double>(batch.counted);
  }

  bool finish() {
    if (step_ < config_.steps) {
      fmt::print(stderr, "stopped at step {}; the same command goes on from there when told to resume\n", step_);
      if (request_.json) print_result({{"stopped_at", step_}});
      return false;
    }
    const fs::path folder = request_.out / (adapter_ ? "adapter" : "model");
    if (adapter_) {
      Adapter adapter = adapter_->values();
      adapter.weights_sha256 = settings_.at("from_sha256");
      fs::remove_all(folder);
      write_adapter(folder, adapter);
    } else {
      write_model(folder);
    }
    fmt::print(stderr, "wrote {}\n", folder.string());
    if (request_.json) print_result({{adapter_ ? "adapter" : "model", folder.string()}, {"steps", step_}});
    return true;
  }

  void write_model(const fs::path& folder) const {
    write_model_folder(folder, model_, language_, plan_.json, config_.export_bf16 ? DType::bf16 : DType::f32,
                       average());
  }

  static void print_result(const nlohmann::json& result) {
    fmt::print("{}\n", nlohmann::json{{"result", result}}.dump());
  }

  const TrainRequest& request_;
  torch::Device device_;
  const ProcessGroup& group_;
  const TrainingPlan& plan_;
  TrainConfig config_;
  FolderFiles language_;  ///< of every model folder that is written
  TrainingData data_;
  nlohmann::json settings_;
  TorchModel model_;
  std::optional<TorchAdapter> adapter_;
  const ModelSpec& spec_;
  std::optional<ChosenParameters> chosen_;
  AdamW optimiser_;
  std::optional<WeightAverage> average_;
  std::vector<Batch> validation_;
  std::vector<std::pair<std::string, std::vector<int>>> depths_;
  int step_ = 0;
};

/// The same with the batch of all ranks together, which is what a run is known by: it may go on with another number of
/// them.
TrainConfig of_all_ranks(TrainConfig config, const ProcessGroup& group) {
  config.batch *= group.world();
  return config;
}

/// Throws Error when `checkpoint` is of another run than `settings`.
void require_own_checkpoint(const fs::path& checkpoint, const nlohmann::json& settings) {
  CheckpointState state = read_state(checkpoint);
  nlohmann::json now = settings;
  if (state.settings.is_null()) {
    const fs::path config = checkpoint / "config.json";
    state.settings = settings_of_config(load_json(config), config.string());
    now.erase("data_sha256");
    now.erase("tokenizer_sha256");
    fmt::print(stderr, "{} does not say of which data it is; its config.json is compared, the data are not\n",
               checkpoint.string());
  }
  state.settings["training"] = with_every_key(state.settings.value("training", nlohmann::json::object()));
  tell_changes(require_same_run(state.settings, now, checkpoint.string(), state.step));
}

std::optional<ChosenParameters> chosen_of(const TrainingPlan& plan, const TorchModel& model) {
  if (plan.training.trainable.empty()) return {};
  return ChosenParameters(model, plan.training.trainable, plan.where + ": training.trainable");
}

}  // namespace

bool train(const TrainRequest& request) {
  at::set_num_threads(threads_of(request.threads, request.ranks));
  const torch::Device device = training_device(request.device);
  if (!device.is_cpu() && request.ranks.world > 1) {
    throw Error(
        "--device {}: several processes (WORLD_SIZE is {}) train together on CPUs alone; start one, or leave the "
        "option out",
        request.device, request.ranks.world);
  }
  const ProcessGroup group(request.ranks);
  std::optional<Checkpoint> from;
  std::optional<ModelSpec> start;  // of what the run starts from
  if (!request.from.empty()) {
    from = Checkpoint::open(request.from);
    require_next_tokens(from->model);
    const std::optional<Retrofit> retrofit = load_retrofit(request.config);
    start = retrofit ? retrofitted(from->model, *retrofit, request.config.string() + ": retrofit") : from->model.spec();
  }
  TrainingPlan plan = load_plan(request.config, start ? &*start : nullptr);
  if (request.steps > 0) plan.training.steps = request.steps;
  const std::optional<fs::path> checkpoint =
      group.first() ? checkpoint_to_resume(request.out, request.resume) : std::nullopt;
  const SourceData source = read_source(request.data, plan.training);
  const Tokenizer tokenizer = from         ? from->language.tokenizer
                              : checkpoint ? Tokenizer::load(*checkpoint / "tokenizer.json")
                                           : make_tokenizer(plan.training, source);
  const ModelSpec spec = spec_of(plan, tokenizer.size());
  nlohmann::json settings = run_settings(spec, of_all_ranks(plan.training, group), source.digest, digest_of(tokenizer),
                                         from ? from->model.hash() : std::string());
  if (plan.adapter) settings["adapter"] = to_json(*plan.adapter);
  require_same_on_all_ranks(group, settings);
  if (checkpoint) require_own_checkpoint(*checkpoint, settings);
  std::optional<ChatTemplate> chat;
  if (from && plan.training.layout == DataLayout::chat) chat.emplace(from->chat_template());
  static_cast<void>(depths_of(plan, spec));
  FolderFiles language = from ? language_files(from->model.path(), from->language) : language_files(tokenizer);
  Learner learner{from ? TorchModel(spec, from->model) : TorchModel(spec, plan.training.seed)};
  if (plan.adapter) {
    learner.adapter = adapter_beside(learner.model, *plan.adapter, from->model.adaptable(), plan.training.seed);
  }
  learner.model.move_to(device);
  if (learner.adapter) learner.adapter->move_to(device);
  learner.chosen = chosen_of(plan, learner.model);
  from.reset();  // its memory is needed for what comes
  // A folder is made when there is something to write: behind whatever a user may have got wrong.
  if (group.first() && plan.training.layout == DataLayout::text) {
    make_run_folder(request.out, request.resume);
    tokenizer.save(request.out / "tokenizer.json");
  }
  const RankFolder folder(request.out, group);
  TrainingData data = encode_source(plan.training, source, tokenizer, folder.path(), chat ? &*chat : nullptr);
  if (group.first()) {
    for (const std::string& line : lines_of(data.report())) fmt::print(stderr, "{}\n", line);
    make_run_folder(request.out, request.resume);
  }
  Run run(request, plan, std::move(language), std::move(data), std::move(settings), std::move(learner), device, group);
  if (checkpoint) run.resume(*checkpoint);
  return run.go();
}

}  // namespace gyre

extern "C" bool gyre_train_entry(const gyre::TrainRequest& request) { return gyre::train(request); }
