#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/progress.hpp"
#include "cli/checks.hpp"
#include "cli/commands.hpp"
#include "cli/documents.hpp"
#include "cli/measured.hpp"
#include "cli/options.hpp"
#include "model/number_types.hpp"
#include "study/exits/exit_training.hpp"

namespace gyre::cli {
namespace {

constexpr int kMostSamples = 1 << 24;

struct TrainExitRequest {
  RunOptions run;
  DocumentOptions documents;
  int window = 0;
  int samples = 16384;
  std::string kind = "drop";
  std::string decode = "coda";
  HeadTraining training;
  std::string out;
};

/// Beside the model: in its folder, or behind the name of its file.
std::string out_of(const TrainExitRequest& request) {
  if (!request.out.empty()) return request.out;
  const std::filesystem::path model(request.run.model);
  const bool folder = std::filesystem::is_directory(model);
  return folder ? (model / "exit-head.json").string() : model.string() + ".exit-head.json";
}

nlohmann::json number_json(const HeldOutNumber& number) {
  return {{"value", number.value}, {"interval_95", {number.interval.low, number.interval.high}}};
}

nlohmann::json held_out_json(const TrainedHead& trained) {
  nlohmann::json json = nlohmann::json::array();
  for (const HeldOutGroup& group : trained.held_out) {
    nlohmann::json bins = nlohmann::json::array();
    for (const HeldOutBin& bin : group.bins) {
      bins.push_back({{"rows", bin.rows}, {"predicted", bin.predicted}, {"realised", number_json(bin.realised)}});
    }
    json.push_back({{"group", group.group},
                    {"rows", group.rows},
                    {"explained", number_json(group.explained)},
                    {"explained_by_loop", number_json(group.explained_by_loop)},
                    {"explained_more", number_json(group.explained_more)},
                    {"gaining", group.gaining},
                    {"area", number_json(group.area)},
                    {"area_by_loop", number_json(group.area_by_loop)},
                    {"bins", std::move(bins)}});
  }
  return json;
}

nlohmann::json result_json(const TrainExitRequest& request, const Model& model, const Tokenizer& tokenizer,
                           const MeasuredText& text, const ExitSamples& samples, const EvaluationOptions& options,
                           const TrainedHead& trained) {
  nlohmann::json json = provenance(request.run, model);
  add_text(json, request.documents.text, text);
  add_prefix(json, tokenizer);
  json["paragraphs"] = request.documents.paragraphs;
  json["document_tokens"] =
      request.documents.document_tokens > 0 ? nlohmann::json(request.documents.document_tokens) : nullptr;
  json["window_tokens"] = options.window;
  json["kind"] = request.kind;
  json["decode"] = request.decode;
  json["ridge"] = request.training.penalty ? nlohmann::json(*request.training.penalty) : nullptr;
  json["ridge_of_groups"] = trained.penalties;
  json["gain_nats"] = request.training.gain;
  json["slope"] = request.training.kind == HeadKind::gate ? nlohmann::json(request.training.slope) : nullptr;
  json["text_tokens"] = samples.text_tokens;
  json["sampled_documents"] = trained.documents;
  json["tokens"] = trained.tokens;
  json["held_out_share"] = request.training.held_out;
  json["held_out_documents"] = trained.held_out_documents;
  json["held_out_tokens"] = trained.held_out_tokens;
  json["held_out"] = held_out_json(trained);
  json["intervals"] = {
      {"method", "bootstrap over held-out documents"}, {"resamples", kResamples}, {"seed", kResamplingSeed}};
  return json;
}

std::string shown(const HeldOutNumber& number) {
  return fmt::format("{:.4f} [{:.4f}, {:.4f}]", number.value, number.interval.low, number.interval.high);
}

void print_group(const HeldOutGroup& group, HeadKind kind) {
  fmt::print("group {}: {} loops of held-out tokens, {:.1f} % of which going on gains\n", group.group, group.rows,
             100 * group.gaining);
  fmt::print("  {:24} {:>26} {:>26} {:>26}\n", "", "head", "loop number alone", "difference");
  fmt::print("  {:24} {:>26} {:>26} {:>26}\n", kind == HeadKind::drop ? "R2" : "explained (KL)", shown(group.explained),
             shown(group.explained_by_loop), shown(group.explained_more));
  fmt::print("  {:24} {:>26} {:>26}\n", "area under ROC curve", shown(group.area), shown(group.area_by_loop));
  fmt::print("  {:24} {:>26}\n", "predicted", "came");
  for (const HeldOutBin& bin : group.bins) fmt::print("  {:<24.4f} {:>26}\n", bin.predicted, shown(bin.realised));
}

ExitHead head_of(const TrainExitRequest& request, const Model& model, const TrainedHead& trained) {
  ExitHead head;
  head.kind = request.training.kind;
  head.readout = parse_head_readout(request.decode, "--decode");
  head.model_sha256 = model.hash();
  head.weights = number_types(model).at("weights");
  head.stack = to_json(model.spec()).at("groups");
  head.groups = trained.groups;
  return head;
}

void run(TrainExitRequest request) {
  request.training.kind = parse_head_kind(request.kind, "--kind");
  request.training.seed = request.run.seed;
  const std::string out = out_of(request);
  check_out_file(out);
  const Checkpoint checkpoint = open_checkpoint(request.run);
  const Model& model = checkpoint.model;
  const Tokenizer& tokenizer = checkpoint.language.tokenizer;
  if (model.spec().looped_groups().empty()) {
    throw Error("--model: {} has no looped group, so no token can leave one; loop some of its layers with --loop",
                request.run.model);
  }
  const EvaluationOptions options = evaluation_options(request.run, request.window, model.spec());
  const MeasuredText text = documents_of(request.documents, tokenizer);
  ExitSamples samples;
  {
    Progress progress("train-exit", 1, "windows");
    samples = collect_exit_samples(model, text,
                                   {.run = options,
                                    .readout = parse_head_readout(request.decode, "--decode"),
                                    .tokens = static_cast<std::size_t>(request.samples)},
                                   [&](std::int64_t done, std::int64_t total) {
                                     progress.set_total(total);
                                     progress.update(done);
                                   });
  }
  const TrainedHead trained = train_head(samples, request.training);
  const nlohmann::json json = result_json(request, model, tokenizer, text, samples, options, trained);
  nlohmann::json file = json;
  file.erase("threads");  // nothing in it depends on them
  file.update(to_json(head_of(request, model, trained)));
  write_text_atomically(out, file.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  if (request.run.json) {
    print_json(json);
    return;
  }
  fmt::print("{} tokens of {} documents, {} tokens of {} others held out\n", trained.tokens,
             trained.documents - trained.held_out_documents, trained.held_out_tokens, trained.held_out_documents);
  for (const HeldOutGroup& group : trained.held_out) print_group(group, request.training.kind);
  fmt::print("file {}; use it as --exit head:file={}{}\n", out, out,
             request.training.kind == HeadKind::drop ? ",tau=0.01" : "");
}

void add_head_options(CLI::App& command, TrainExitRequest& request) {
  command
      .add_option("--kind", request.kind,
                  "What is learned: drop (the nats of the loss that all further loops save; ridge regression) or gate\n"
                  "(Ouro's: the probability that a token leaves; logistic regression)")
      ->check(known_to(parse_head_kind, "--kind"))
      ->capture_default_str();
  command
      .add_option("--decode", request.decode,
                  "How the loss of leaving after a loop is read: coda (every later group once, then the head), lens\n"
                  "(the head alone) or full (every later group at full depth)")
      ->check(known_to(parse_head_readout, "--decode"))
      ->capture_default_str();
  command.add_option("--samples", request.samples, "Draw documents at random until they have so many tokens")
      ->check(whole_number(1, kMostSamples))
      ->capture_default_str();
  command
      .add_option(
          "--ridge", request.training.penalty,
          "Penalty of the weights' squares (default: for each group, of 0.0001 to 100 what is best on a quarter\n"
          "of the documents learned of)")
      ->check(number(0, 1e6));
  command.add_option("--gain", request.training.gain, "Nats from which going on counts as a gain (Ouro's gamma)")
      ->check(number(0, 1000))
      ->capture_default_str();
  command.add_option("--slope", request.training.slope, "Of --kind gate: how sharp a label is there (Ouro's k)")
      ->check(number(1e-3, 1e6))
      ->capture_default_str();
  command.add_option("--held-out", request.training.held_out, "Share of the documents that nothing is learned of")
      ->check(number(0.01, 0.99))
      ->capture_default_str();
}

}  // namespace

void add_train_exit(CLI::App& program) {
  auto request = std::make_shared<TrainExitRequest>();
  CLI::App* command = program.add_subcommand(
      "train-exit", "Learn on a frozen model when to leave its loops, from the loss that leaving there would cost");
  add_run_options(*command, request->run);
  add_document_options(*command, request->documents);
  command->get_option("--text")->required();
  command
      ->add_option("--window", request->window,
                   "Positions of a document that share a context (default: the model's context, at most 1024)")
      ->check(whole_number(2, 1 << 20));
  add_head_options(*command, *request);
  command->add_option("--out", request->out, "File to write (default: exit-head.json beside the model)");
  command->footer(
      "The file is used as --exit head:file=FILE,tau=NATS, or head:file=FILE,threshold=SHARE of a gate, with the "
      "model\n"
      "and type of weights that it was trained on. docs/measures.md says what is learned and how it is tried.\n"
      "Examples:\n"
      "  gyre train-exit -m models/shakespeare --text input.txt --split train --document-tokens 256\n"
      "  gyre eval -m models/shakespeare --text input.txt --split validation \\\n"
      "    --exit head:file=models/shakespeare/exit-head.json,tau=0.01 --exit step:tau=0.2\n"
      "  gyre train-exit -m ouro --text articles --kind gate --decode lens --out ouro-gate.json --json");
  command->callback([request, command] {
    if (request->kind != "gate" && command->get_option("--slope")->count() > 0) {
      throw Error("--slope: it shapes the labels of --kind gate; leave it out");
    }
    run(*request);
  });
}

}  // namespace gyre::cli
