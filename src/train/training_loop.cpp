#include "train/training_loop.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/file.hpp"
#include "train/divergence.hpp"
#include "train/process_group.hpp"
#include "train/run_folder.hpp"

namespace gyre {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

bool checkpoint_due(const TrainingLoop& loop, int step) {
  const auto& at = loop.checkpoint_at;
  return step % loop.checkpoint_every == 0 || step == loop.steps || std::find(at.begin(), at.end(), step) != at.end();
}

void log_step(const TrainingLoop& loop, nlohmann::json row, double rate, MetricsLog& log) {
  row.erase(loop.counted);
  row[loop.counted + "_per_second"] = std::round(rate);
  log.write(row);
}

}  // namespace

MetricsLog::MetricsLog(fs::path file, bool resume, int step, bool print) : file_(std::move(file)), print_(print) {
  std::string kept;
  if (resume && fs::exists(file_)) {
    std::ifstream lines(file_);
    for (std::string line; std::getline(lines, line);) {
      const nlohmann::json row = nlohmann::json::parse(line, nullptr, false);
      if (!row.is_discarded() && row.value("step", 0) <= step) kept += line + "\n";
    }
  }
  write_text_atomically(file_, kept);
  out_.open(file_, std::ios::app);
}

void MetricsLog::write(const nlohmann::json& line) {
  if (file_.empty()) return;
  const std::string text = line.dump();
  out_ << text << '\n' << std::flush;
  if (!out_) throw Error("cannot write {}; free some space and resume", file_.string());
  if (print_) fmt::print("{}\n", text);
}

int run_training(const TrainingLoop& loop, int step, MetricsLog& log, TrainingTask& task) {
  const bool first = loop.group == nullptr || loop.group->first();
  const auto stopped = [&loop] {
    return loop.group == nullptr ? loop.stop.requested() : loop.group->any(loop.stop.requested());
  };
  Progress progress(loop.title, std::int64_t{loop.steps}, "step");
  auto last = Clock::now();
  if (first) progress.update(step);
  while (step < loop.steps && !stopped()) {
    ++step;
    const nlohmann::json row = task.one_step(step);
    if (!first) continue;
    const auto now = Clock::now();
    const double rate = static_cast<double>(row[loop.counted]) / std::chrono::duration<double>(now - last).count();
    last = now;
    progress.update(step, fmt::format("{:.0f} {}/s, loss {:.4f}", rate, loop.unit, row["loss"].get<double>()));
    log_step(loop, row, rate, log);
    if (step % loop.evaluate_every == 0 || step == loop.steps) {
      task.evaluate(step, progress, log);
      last = Clock::now();
    }
    if (checkpoint_due(loop, step)) {
      task.save_checkpoint(step);
      last = Clock::now();
    }
  }
  progress.clear();
  if (first && step < loop.steps) task.save_checkpoint(step);
  return step;
}

void require_finite_loss(double loss, int step) { require_finite(loss, "the loss", step); }

void make_run_folder(const fs::path& out, bool resume) {
  if (!resume && latest_checkpoint(out / "checkpoints")) {
    throw Error("{} already holds a run; resume it, or give another folder", out.string());
  }
  std::error_code failure;
  fs::create_directories(out / "checkpoints", failure);
  if (failure) throw Error("cannot make the folder {}: {}; give another folder", out.string(), failure.message());
  remove_unfinished(out);
  remove_unfinished(out / "checkpoints");
}

}  // namespace gyre
