#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/module.hpp"
#include "base/progress.hpp"
#include "cli/checks.hpp"
#include "cli/commands.hpp"
#include "cli/measured.hpp"
#include "cli/options.hpp"
#include "model/language.hpp"
#include "study/json_numbers.hpp"
#include "study/layer_blocks.hpp"
#include "study/statistics_json.hpp"
#include "train/block_distillation.hpp"

namespace gyre::cli {
namespace {

constexpr std::size_t kSampledTokens = 512;

struct StudyBlocksRequest {
  RunOptions run;
  TextOptions text;
  int window = 0;
  int tokens = 4096;
  std::vector<int> blocks;  ///< empty: 1 to 4, as far as there are layers
  std::string by = "cka";
  int distil = 0;  ///< steps; 0: nothing is trained
};

std::vector<std::vector<Segment>> cuts_of(const StudyBlocksRequest& request, const LayerSimilarity& similarity) {
  const auto& matrix = request.by == "cka" ? similarity.cka : similarity.cosine;
  std::vector<std::vector<Segment>> cuts;
  std::vector<int> counts = request.blocks;
  for (int blocks = 1; request.blocks.empty() && blocks <= std::min(4, static_cast<int>(matrix.size())); ++blocks) {
    counts.push_back(blocks);
  }
  for (const int blocks : counts) {
    if (static_cast<std::size_t>(blocks) > matrix.size()) {
      throw Error("--blocks: {} blocks of a model of {} layers", blocks, matrix.size());
    }
    cuts.push_back(best_segments(matrix, static_cast<std::size_t>(blocks)));
  }
  return cuts;
}

nlohmann::json matrix_json(const std::vector<std::vector<double>>& rows) {
  nlohmann::json json = nlohmann::json::array();
  for (const std::vector<double>& row : rows) json.push_back(rounded_all(row));
  return json;
}

nlohmann::json cut_json(const BlockCut& cut) {
  nlohmann::json blocks = nlohmann::json::array();
  for (const Segment& block : cut.blocks) {
    blocks.push_back({{"first", block.first}, {"last", block.last}, {"representative", block.representative}});
  }
  nlohmann::json trained = nullptr;
  if (cut.trained) {
    trained = {{"cross_entropy", estimate_json(cut.trained->loss)},
               {"difference", estimate_json(cut.trained->difference)},
               {"minus_untrained", difference_json(cut.trained->gain)}};
  }
  return {{"blocks", std::move(blocks)},
          {"distilled", std::move(trained)},
          {"cross_entropy", estimate_json(cut.loss)},
          {"difference", estimate_json(cut.difference)},
          {"once_cross_entropy", estimate_json(cut.once_loss)},
          {"once_difference", estimate_json(cut.once_difference)}};
}

std::string estimate_text(const Estimate& estimate) {
  if (!std::isfinite(estimate.interval.low)) return fmt::format("{:+.4f} (of one window)", estimate.value);
  return fmt::format("{:+.4f} [{:+.4f}, {:+.4f}]", estimate.value, estimate.interval.low, estimate.interval.high);
}

std::string blocks_text(std::span<const Segment> blocks) {
  std::string text;
  for (const Segment& block : blocks) {
    text += text.empty() ? "" : ", ";
    text += block.first == block.last ? fmt::format("{}", block.first)
                                      : fmt::format("{}-{} by {}", block.first, block.last, block.representative);
  }
  return text;
}

void print_study(const BlockStudy& study) {
  fmt::print("the model: {:.4f} nats/token over {} tokens\n", study.loss.value, study.tokens);
  fmt::print("nats/token more, with 95 % interval over {} windows:\n", study.loss.units);
  for (const BlockCut& cut : study.cuts) {
    fmt::print("{:3} blocks  {}  (once each: {})  {}\n", cut.blocks.size(), estimate_text(cut.difference),
               estimate_text(cut.once_difference), blocks_text(cut.blocks));
    if (!cut.trained) continue;
    fmt::print("{:10}  {}  distilled, which changes {}\n", "", estimate_text(cut.trained->difference),
               estimate_text(cut.trained->gain));
  }
}

void check_distillation(const StudyBlocksRequest& request) {
  if (request.distil == 0 || request.text.split == "validation") return;
  throw Error("--distil: it trains on one part of the text and measures on the other; give --split validation");
}

/// Trains tied blocks on the training part of the text, by the module that `gyre train` loads.
class Distiller {
 public:
  Distiller(const StudyBlocksRequest& request, const Checkpoint& checkpoint, const EvaluationOptions& options)
      : request_(request), model_(checkpoint.model), options_(options) {
    prepare_torch_environment("study blocks --distil");
    void* const module = load_module("libgyre_train.so", "study blocks --distil");
    entry_ = reinterpret_cast<decltype(&gyre_distil_entry)>(
        module_function(module, "gyre_distil_entry", "study blocks --distil"));
    TextOptions training = request.text;
    training.split = "train";
    const MeasuredText text = measured_text(training, checkpoint.language.tokenizer, SIZE_MAX);
    windows_ = cut_windows(text, model_.spec(), {options.window, 0});
  }

  [[nodiscard]] std::vector<double> operator()(std::span<const Segment> blocks,
                                               std::span<const Window> measured) const {
    std::vector<double> losses;
    entry_({model_, blocks, windows_, measured, request_.distil, options_.seed, options_.threads, options_.stop},
           losses);
    return losses;
  }

 private:
  const StudyBlocksRequest& request_;
  const Model& model_;
  const EvaluationOptions& options_;
  std::vector<Window> windows_;
  decltype(&gyre_distil_entry) entry_ = nullptr;
};

void run(const StudyBlocksRequest& request) {
  check_distillation(request);
  Checkpoint checkpoint = open_checkpoint(request.run);
  nlohmann::json json = provenance(request.run, checkpoint.model);
  cut_layers(checkpoint.model);
  const Tokenizer& tokenizer = checkpoint.language.tokenizer;
  const auto most = static_cast<std::size_t>(request.tokens) + (tokenizer.prefix_tokens().empty() ? 1 : 0);
  const MeasuredText text = measured_text(request.text, tokenizer, most);
  const EvaluationOptions options = evaluation_options(request.run, request.window, checkpoint.model.spec());
  BlockTrainer trainer;
  if (request.distil > 0) trainer = Distiller(request, checkpoint, options);
  const LayerSimilarity similarity = layer_similarity(checkpoint.model, text, options, kSampledTokens);
  Progress progress("study blocks", 0, "windows");
  const auto show = [&](std::int64_t done, std::int64_t total) {
    progress.set_total(total);
    progress.update(done);
  };
  const BlockStudy study = measure_blocks(checkpoint.model, text, cuts_of(request, similarity), options, show, trainer);
  if (!request.run.json) return print_study(study);
  add_text(json, request.text, text);
  add_prefix(json, tokenizer);
  json["window"] = options.window;
  json["tokens"] = study.tokens;
  json["by"] = request.by;
  json["distil_steps"] = request.distil > 0 ? nlohmann::json(request.distil) : nlohmann::json(nullptr);
  json["sampled_tokens"] = similarity.tokens;
  json["cka"] = matrix_json(similarity.cka);
  json["cosine"] = matrix_json(similarity.cosine);
  json["cross_entropy"] = estimate_json(study.loss);
  json["cuts"] = nlohmann::json::array();
  for (const BlockCut& cut : study.cuts) json["cuts"].push_back(cut_json(cut));
  print_json(json);
}

}  // namespace

void add_study_blocks(CLI::App& study) {
  auto request = std::make_shared<StudyBlocksRequest>();
  CLI::App* command =
      study.add_subcommand("blocks", "How a plain model's layers fall into blocks, and what tied blocks would lose");
  add_run_options(*command, request->run);
  // What only speaks of loops has nothing to say of a model without any.
  for (const char* option : {"--loop", "--damping", "--loops", "--kv", "--first-state"}) {
    command->remove_option(command->get_option(option));
  }
  add_text_options(*command, request->text);
  command->get_option("--text")->required();
  command->add_option("--tokens", request->tokens, "Tokens to measure")
      ->check(whole_number(2, 1 << 24))
      ->capture_default_str();
  command
      ->add_option("--window", request->window,
                   "Positions that share a context (default: the model's context, at most 1024)")
      ->check(whole_number(2, 1 << 20));
  command
      ->add_option("--blocks", request->blocks,
                   "Numbers of blocks to cut the layers into, as in 2,4,6 (default: 1,2,3,4)")
      ->delimiter(',')
      ->check(whole_number(1, 1 << 16));
  command->add_option("--by", request->by, "What layers are cut by: cka or cosine of the states behind them")
      ->check(CLI::IsMember({"cka", "cosine"}))
      ->capture_default_str();
  command
      ->add_option("--distil", request->distil,
                   "Also train each tied block for so many steps to hand on the states of its own layers, on the\n"
                   "training part of the text; needs --split validation")
      ->check(whole_number(1, 1 << 20));
  command->footer(
      "Every layer of a block is replaced by the layer most like the others of it, run as often as the block has\n"
      "layers (and, beside it, once); nothing is trained but with --distil.\n"
      "Examples:\n"
      "  gyre study blocks -m models/plain --text input.txt --split validation --blocks 2,4\n"
      "  gyre study blocks -m models/plain --text input.txt --split validation --blocks 4 --distil 200");
  command->callback([request] { run(*request); });
}

}  // namespace gyre::cli
