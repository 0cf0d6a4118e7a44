#include "base/progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace gyre {
namespace {

constexpr int kBarWidth = 24;
constexpr std::chrono::milliseconds kTerminalInterval{100};
constexpr std::chrono::seconds kPipeInterval{10};

std::string bar(double share) {
  const int filled = static_cast<int>(share * kBarWidth);
  std::string text;
  for (int i = 0; i < kBarWidth; ++i) text += i < filled ? "█" : "░";
  return text;
}

}  // namespace

std::string describe_duration(double seconds) {
  const auto whole = std::lround(seconds);
  if (whole >= 3600) return fmt::format("{} h {:02} min", whole / 3600, whole % 3600 / 60);
  if (whole >= 60) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} s", whole);
}

Progress::Progress(std::string title, std::int64_t total, std::string unit)
    : title_(std::move(title)),
      total_(total),
      unit_(std::move(unit)),
      terminal_(::isatty(STDERR_FILENO) == 1),
      start_(Clock::now()),
      last_shown_(start_) {}

Progress::~Progress() { clear(); }

void Progress::clear() {
  if (terminal_ && shown_) {
    fmt::print(stderr, "\r\033[K");
    std::fflush(stderr);
  }
  shown_ = false;
}

void Progress::update(std::int64_t done, std::string_view note) {
  const auto now = Clock::now();
  if (first_ < 0) {
    first_ = done;
    start_ = now;
    return;
  }
  const bool last = done >= total_;
  if (!last && now - last_shown_ < (terminal_ ? Clock::duration(kTerminalInterval) : Clock::duration(kPipeInterval))) {
    return;
  }
  last_shown_ = now;
  const double seconds = std::max(1e-9, std::chrono::duration<double>(now - start_).count());
  const double rate = static_cast<double>(done - first_) / seconds;
  const double share = total_ > 0 ? static_cast<double>(done) / static_cast<double>(total_) : 1.0;
  const std::string left = rate > 0 ? describe_duration(static_cast<double>(total_ - done) / rate) : "?";
  const std::string tail = fmt::format("{:3.0f} % {:.{}f} {}/s, {} left{}{}", 100 * share, rate, rate < 10 ? 1 : 0,
                                       unit_, left, note.empty() ? "" : ", ", note);
  if (terminal_) {
    fmt::print(stderr, "\r\033[K{} {} {}", title_, bar(share), tail);
    std::fflush(stderr);
  } else {
    fmt::print(stderr, "{} {}\n", title_, tail);
  }
  shown_ = true;
}

}  // namespace gyre
