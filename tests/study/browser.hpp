#pragma once

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/file.hpp"
#include "scratch_folder.hpp"

namespace gyre {

inline constexpr std::array<std::string_view, 4> kBrowsers = {"chromium", "chromium-browser", "google-chrome",
                                                              "chrome"};

/// Its name; empty where there is none.
inline std::string installed_browser() {
  for (const std::string_view name : kBrowsers) {
    if (std::system(fmt::format("command -v {} >/dev/null 2>&1", name).c_str()) == 0) return std::string(name);
  }
  return {};
}

/// Shows pages side by side, and keeps what they report.
inline constexpr std::string_view kFrames = R"(<!DOCTYPE html><body><script>
const reports = [];
addEventListener('message', ({data}) => {
  reports.push(data);
  document.getElementById('reports').textContent = btoa(unescape(encodeURIComponent(JSON.stringify(reports))));
});
</script><pre id="reports"></pre>)";

/// Keeps the messages of mistakes; stands before everything else on the page.
inline constexpr std::string_view kWatch = R"(<head><script>
const mistakes = [];
addEventListener('error', event => mistakes.push(event.message));
</script>)";

/// Uses every control and points at every drawing, and writes down as JSON what the page has come to hold.
inline constexpr std::string_view kReport = R"(<script>
const all = (selector, parent = document) => [...parent.querySelectorAll(selector)];
const content = element => all('section').map(section => [section.id, {
  drawings: all('svg[role=img]', section).length,
  marks: all('.mark', section).length,
  whiskers: all('.whisker', section).length,
  rows: all('tbody tr', section).length,
  broken: all('path, line, rect, text, image', section).filter(part => /NaN|undefined/.test(part.outerHTML)).length,
  notes: all('.note', section).length,
  cells: all('image', section).length,
  cards: all('.card .verdict', section).map(verdict => verdict.textContent[0]).join(''),
}]);
const report = {page: location.pathname.split('/').pop(), first: Object.fromEntries(content())};
const pointAt = element => element.dispatchEvent(new PointerEvent('pointermove', {clientX: 300, clientY: 300}));
report.tips = 0;
const pointed = all('.hit, .interval, .strip .side');
for (const element of pointed) {
  document.getElementById('tip').textContent = '';
  pointAt(element);
  if (document.getElementById('tip').textContent) ++report.tips;
  element.dispatchEvent(new PointerEvent('pointerleave'));
}
report.hits = pointed.length;
all('.controls button').forEach((button, i) => all('.controls button')[i].click());
for (const select of all('select')) {
  select.value = '1';
  select.dispatchEvent(new Event('change'));
}
const slider = document.getElementById('checkpoint');
if (slider) {
  slider.value = 0;
  slider.dispatchEvent(new Event('input'));
  report.readout = document.getElementById('readout').textContent;
  all('#toggles button')[0].click();
}
const costs = all('#costs button');
if (costs.length) {
  costs[2].click();
  all('#numbers th button')[1].click();
  all('#numbers th button')[1].click();
}
report.rows = all('#numbers tbody tr').map(row => row.querySelector('td').textContent);
report.verdicts = all('#verdicts tbody tr').map(row => row.textContent);
report.warnings = all('#warnings li').map(item => item.textContent);
report.later = Object.fromEntries(content());
report.title = document.getElementById('title').textContent;
report.mistakes = mistakes;
parent.postMessage(report, '*');
</script></body>)";

inline std::string from_base64(std::string_view text) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const std::size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) break;
    bits = bits << 6 | static_cast<std::uint32_t>(digit);
    count += 6;
    if (count >= 8) bytes += static_cast<char>(bits >> (count -= 8) & 0xFF);
  }
  return bytes;
}

/// The page with what the test adds to it.
inline std::string reporting(std::string page) {
  page.replace(page.find("<head>"), 6, kWatch);
  page.replace(page.rfind("</body>"), 7, kReport);
  return page;
}

/// What kReport tells of each page by name, in one run of `browser`; null when the browser shows nothing.
inline std::map<std::string, nlohmann::json> shown(const std::string& browser,
                                                   const std::map<std::string, std::string>& pages) {
  const ScratchFolder scratch;
  std::string frames(kFrames);
  for (const auto& [name, page] : pages) {
    write_text_atomically(scratch / name, reporting(page));
    frames += fmt::format("<iframe src=\"{}\" width=\"1280\" height=\"2000\"></iframe>", name);
  }
  write_text_atomically(scratch / "frames.html", frames);
  const std::string command = fmt::format(
      "timeout 120 {} --headless --no-sandbox --disable-gpu --window-size=1400,9000 --user-data-dir={} "
      "--virtual-time-budget=60000 --dump-dom {} 2>/dev/null",
      browser, (scratch / "profile").string(), (scratch / "frames.html").string());
  std::string dom;
  std::FILE* const pipe = ::popen(command.c_str(), "r");
  std::array<char, 65536> buffer{};
  for (std::size_t got = 1; got > 0;) {
    got = std::fread(buffer.data(), 1, buffer.size(), pipe);
    dom.append(buffer.data(), got);
  }
  ::pclose(pipe);
  std::map<std::string, nlohmann::json> reports;
  constexpr std::string_view kBegin = "<pre id=\"reports\">";
  const std::size_t at = dom.find(kBegin);
  if (at == std::string::npos) return reports;
  const std::string json = from_base64(std::string_view(dom).substr(at + kBegin.size()));
  for (const nlohmann::json& report : nlohmann::json::parse(json, nullptr, false)) {
    reports[report["page"].get<std::string>()] = report;
  }
  return reports;
}

}  // namespace gyre
