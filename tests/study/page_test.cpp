#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string_view>

#include "base/file.hpp"
#include "model_folder.hpp"
#include "study/study.hpp"

namespace gyre {
namespace {

using ::testing::IsEmpty;
using ::testing::StartsWith;

constexpr std::array<std::string_view, 4> kBrowsers = {"chromium", "chromium-browser", "google-chrome", "chrome"};

std::string installed_browser() {
  for (const std::string_view name : kBrowsers) {
    if (std::system(fmt::format("command -v {} >/dev/null 2>&1", name).c_str()) == 0) return std::string(name);
  }
  return {};
}

/// Shows pages side by side, and keeps what they report.
constexpr std::string_view kFrames = R"(<!DOCTYPE html><body><script>
const reports = [];
addEventListener('message', ({data}) => {
  reports.push(data);
  document.getElementById('reports').textContent = btoa(unescape(encodeURIComponent(JSON.stringify(reports))));
});
</script><pre id="reports"></pre>)";

/// Keeps the messages of mistakes; stands before everything else on the page.
constexpr std::string_view kWatch = R"(<head><script>
const mistakes = [];
addEventListener('error', event => mistakes.push(event.message));
</script>)";

/// Uses every control and points at every drawing, and writes down as JSON what the page has come to hold.
constexpr std::string_view kReport = R"(<script>
const all = (selector, parent = document) => [...parent.querySelectorAll(selector)];
const content = element => all('section').map(section => [section.id, {
  drawings: all('svg[role=img]', section).length,
  marks: all('.mark', section).length,
  broken: all('path, line, rect, text, image', section).filter(part => /NaN|undefined/.test(part.outerHTML)).length,
  notes: all('.note', section).length,
  cells: all('image', section).length,
  cards: all('.card', section).length,
}]);
const report = {page: location.pathname.split('/').pop(), first: Object.fromEntries(content())};
const pointAt = element => element.dispatchEvent(new PointerEvent('pointermove', {clientX: 300, clientY: 300}));
report.tips = 0;
for (const element of all('.hit')) {
  document.getElementById('tip').textContent = '';
  pointAt(element);
  if (document.getElementById('tip').textContent) ++report.tips;
  element.dispatchEvent(new PointerEvent('pointerleave'));
}
report.hits = all('.hit').length;
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
report.later = Object.fromEntries(content());
report.title = document.getElementById('title').textContent;
report.mistakes = mistakes;
parent.postMessage(report, '*');
</script></body>)";

std::string from_base64(std::string_view text) {
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
std::string reporting(std::string page) {
  page.replace(page.find("<head>"), 6, kWatch);
  page.replace(page.rfind("</body>"), 7, kReport);
  return page;
}

/// What kReport tells of each page by name, in one run of `browser`; null when the browser shows nothing.
std::map<std::string, nlohmann::json> shown(const std::string& browser,
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

/// A study of the paths of one random model, once or as several checkpoints of one training run.
nlohmann::json study_of(std::initializer_list<int> steps) {
  const ModelFolder folder;
  const Model model = Model::load(folder.path());
  const Tokenizer tokenizer = Tokenizer::characters(kTestCharacters);
  StudySubject subject{model.spec(), 1234, tokenizer, model.spec().default_loops(), {}, {}, "gyre 0", "gyre study"};
  subject.text = {{"file", "t.txt"}, {"window", 8}};
  subject.settings = nlohmann::json::object();
  DynamicsOptions options;
  options.loops = subject.loops;
  options.window = 8;
  options.trajectory_positions = {2, 6};
  std::vector<StudiedCheckpoint> checkpoints;
  for (const int step : steps) {
    options.seed = static_cast<std::uint64_t>(step);
    StudiedCheckpoint checkpoint{fmt::format("run/step-{:06}", step), step, std::string(64, 'a'), {}};
    checkpoint.dynamics = measure_dynamics(model, {{{3, 7, 1, 15, 0, 4, 9, 9, 2, 11, 5}}, {}}, options);
    checkpoints.push_back(std::move(checkpoint));
  }
  return study_json(subject, checkpoints);
}

void expect_no_mistake(const nlohmann::json& report) {
  EXPECT_THAT(report["mistakes"], IsEmpty());
  for (const char* const when : {"first", "later"}) {
    for (const auto& [id, section] : report[when].items()) {
      EXPECT_EQ(section["broken"], 0) << id;
      EXPECT_EQ(section["notes"], 0) << id;
    }
  }
}

void expect_every_figure(const nlohmann::json& first) {
  std::string sections;
  for (const auto& [id, section] : first.items()) sections += id + " ";
  EXPECT_EQ(sections, "acceleration cosine drift findings heat lens numbers steps training trajectory ");
  EXPECT_EQ(first["findings"]["cards"], 6);
  // The groups run 4 and 3 loops; a mark for each of them, or for each but the first where it takes two steps.
  EXPECT_EQ(first["steps"]["drawings"], 2);
  EXPECT_EQ(first["steps"]["marks"], 7);
  EXPECT_EQ(first["cosine"]["marks"], 5);
  EXPECT_EQ(first["acceleration"]["marks"], 10);
  // Both groups now and at both checkpoints.
  EXPECT_EQ(first["drift"]["marks"], 2 + 4);
  // Loss, entropy, divergence without the last loops, where it is 0, and flips from the second loop on.
  EXPECT_EQ(first["lens"]["drawings"], 4);
  EXPECT_EQ(first["lens"]["marks"], 7 + 7 + 5 + 5);
  EXPECT_EQ(first["trajectory"]["drawings"], 3);
  // All 1 + 4 + 3 + 1 states after a loop and the first one, and those of the loops once more, enlarged.
  EXPECT_EQ(first["trajectory"]["marks"], 10 + 7);
  EXPECT_EQ(first["heat"]["cells"], 2);
  EXPECT_EQ(first["training"]["drawings"], 4);
  EXPECT_EQ(first["training"]["marks"], 2 * 2 * 3 + 2);
}

// In one test, since to start a browser takes seconds.
TEST(StudyPageInABrowser, DrawsEveryFigureAndObeysItsControls) {
  const std::string browser = installed_browser();
  if (browser.empty()) GTEST_SKIP() << "there is no Chromium here";
  std::map<std::string, nlohmann::json> reports =
      shown(browser, {{"two.html", study_page(study_of({100, 200}))},
                      {"one.html", study_page(study_of({100}))},
                      {"none.html", study_page({{"model", {{"name", ""}}}})}});
  ASSERT_EQ(reports.size(), 3U);
  const nlohmann::json& two = reports["two.html"];
  expect_no_mistake(two);
  EXPECT_EQ(two["title"], "Latent dynamics of small");
  expect_every_figure(two["first"]);
  EXPECT_GT(two["hits"], 15);
  EXPECT_EQ(two["tips"], two["hits"]);
  // The first checkpoint, and of the groups the second alone.
  EXPECT_THAT(two["readout"].get<std::string>(), StartsWith("1 of 2: step 100, cross-entropy "));
  EXPECT_EQ(two["later"]["steps"]["marks"], 3);
  EXPECT_EQ(two["later"]["heat"]["cells"], 1);

  const nlohmann::json& one = reports["one.html"];
  expect_no_mistake(one);
  EXPECT_FALSE(one["first"].contains("training"));
  EXPECT_EQ(one["first"]["drift"]["marks"], 2);

  expect_no_mistake(reports["none.html"]);
  EXPECT_EQ(reports["none.html"]["title"], "No measurements");
}

}  // namespace
}  // namespace gyre
