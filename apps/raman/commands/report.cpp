#include "raman/report.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "base/error.hpp"
#include "base/file.hpp"
#include "cli/checks.hpp"
#include "format/json_object.hpp"
#include "raman/commands/commands.hpp"

namespace gyre::raman {
namespace {

struct Request {
  std::string results;
  std::string out;
};

}  // namespace

void add_report(CLI::App& program) {
  auto request = std::make_shared<Request>();
  CLI::App* command = program.add_subcommand("report", "Write the page of a cross-validation anew");
  command->add_option("RESULTS", request->results, "results.json of gyre-raman cv")
      ->required()
      ->check(cli::some_text());
  command->add_option("--out", request->out, "The page (HTML)")->required()->check(cli::some_text());
  command->callback([request] {
    const nlohmann::json results = load_json(request->results);
    require_results(results, request->results);
    std::error_code unknown;
    if (std::filesystem::equivalent(request->results, request->out, unknown)) {
      throw Error("--out: {} is the file with the results; name another for the page", request->out);
    }
    write_text_atomically(request->out, report_page(results));
    fmt::print(stderr, "wrote {}\n", request->out);
  });
}

}  // namespace gyre::raman
