#include "hub/pull.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/progress.hpp"
#include "cli/commands.hpp"
#include "cli/interrupt.hpp"

namespace gyre::cli {
namespace {

namespace fs = std::filesystem;

struct PullFlags {
  std::string model;
  std::string to;
  std::vector<std::string> include;
  bool json = false;
};

std::string describe_bytes(std::int64_t bytes) {
  const auto count = static_cast<double>(bytes);
  if (count >= 1e9) return fmt::format("{:.2f} GB", count / 1e9);
  if (count >= 1e6) return fmt::format("{:.1f} MB", count / 1e6);
  if (count >= 1e3) return fmt::format("{:.1f} kB", count / 1e3);
  return fmt::format("{} B", bytes);
}

/// The bar counts kilobytes, so that its rate can be read.
class PullProgress {
 public:
  [[nodiscard]] PullObserver observer() {
    return {[this](std::int64_t done, std::int64_t total, const std::string& path) {
              constexpr std::int64_t kKilo = 1000;
              if (!progress_) progress_.emplace("pull", (total + kKilo - 1) / kKilo, "kB");
              const std::int64_t shown = done == total ? (total + kKilo - 1) / kKilo : done / kKilo;
              progress_->update(shown, fmt::format("{} of {}, {}", describe_bytes(done), describe_bytes(total), path));
            },
            [this](const std::string& line) {
              if (progress_) progress_->clear();
              fmt::print(stderr, "pull: {}\n", line);
            }};
  }
  /// Takes the bar away before other lines are printed.
  void end() { progress_.reset(); }

 private:
  std::optional<Progress> progress_;
};

nlohmann::json to_json(const HubSettings& settings, const PullRequest& request, const PullResult& result) {
  nlohmann::json files = nlohmann::json::array();
  for (const PulledFile& pulled : result.files) {
    files.push_back({{"path", pulled.file.path},
                     {"bytes", pulled.file.size},
                     {name_of(pulled.file.digest.kind), pulled.file.digest.hex},
                     {"downloaded", pulled.downloaded}});
  }
  return {{"model", request.repository.full_name()},
          {"revision", request.repository.revision},
          {"commit", result.commit},
          {"endpoint", settings.endpoint.text},
          {"folder", request.folder.string()},
          {"files", files},
          {"bytes", result.total_bytes},
          {"bytes_downloaded", result.received_bytes}};
}

void run(const PullFlags& given) {
  PullRequest request;
  request.repository = parse_repository(given.model);
  const HubSettings settings = settings_from_environment();
  request.folder = given.to.empty() ? default_folder(settings.home, request.repository) : fs::path(given.to);
  request.include = given.include;
  request.retries.stop = interrupt();
  PullProgress progress;
  const PullResult result = pull(settings, request, progress.observer());
  progress.end();
  if (given.json) {
    fmt::print("{}\n", to_json(settings, request, result).dump(2));
    return;
  }
  fmt::print("{}@{}  (commit {})\n", request.repository.full_name(), request.repository.revision, result.commit);
  for (const PulledFile& pulled : result.files) {
    fmt::print("  {:>10}  {}{}\n", describe_bytes(pulled.file.size), pulled.file.path,
               pulled.downloaded ? "" : "  (there already)");
  }
  fmt::print("{} downloaded; the model is in {}\n", describe_bytes(result.received_bytes), request.folder.string());
}

}  // namespace

void add_pull(CLI::App& program) {
  auto request = std::make_shared<PullFlags>();
  CLI::App* command = program.add_subcommand("pull", "Download a model from a Hugging Face hub");
  command->add_option("model", request->model, "ORG/NAME, or ORG/NAME@REVISION (a branch, a tag or a commit)")
      ->required();
  command->add_option("--to", request->to, "Folder to put it in (default: gyre/ORG/NAME in HF_HOME)");
  command
      ->add_option("--include", request->include,
                   "Download the files that match this pattern and no others (may be given several times)")
      ->allow_extra_args(false);
  command->add_flag("--json", request->json, "Print the result as JSON");
  command->footer(
      "Every file is checked against the digest the hub lists and appears under its name when it is whole and right.\n"
      "Run again after a break, the command goes on where it stopped; what is there already is not downloaded again.\n"
      "Environment:\n"
      "  HF_TOKEN     token for private and gated models (else the file \"token\" in HF_HOME); sent to the hub alone\n"
      "  HF_HOME      where models are kept (default: ~/.cache/huggingface)\n"
      "  HF_ENDPOINT  another hub (default: https://huggingface.co)\n"
      "Examples:\n"
      "  gyre pull HuggingFaceTB/SmolLM2-135M\n"
      "  gyre pull HuggingFaceTB/SmolLM2-135M@main --to models/smollm2\n"
      "  gyre pull ORG/NAME --include '*.gguf' --json");
  command->callback([request] { run(*request); });
}

}  // namespace gyre::cli
