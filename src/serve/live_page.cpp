#include "serve/live_page.hpp"

#include <array>
#include <cstddef>
#include <random>
#include <utility>

#include "serve/endpoints.hpp"
#include "study/html_page.hpp"

extern "C" {
// Put into the program by the build (cmake/embed.cmake).
extern const char gyre_live_page[];  // NOLINT(modernize-avoid-c-arrays)
extern const std::size_t gyre_live_page_size;
}

namespace gyre::serve {
namespace {

std::string new_nonce() {
  std::random_device device;
  std::string nonce;
  for (int i = 0; i < 4; ++i) nonce += fmt::format("{:08x}", static_cast<std::uint32_t>(device()));
  return nonce;
}

}  // namespace

std::string live_page(std::string_view nonce) {
  const std::array<std::pair<std::string_view, std::string_view>, 3> values = {
      {{"GYRE_STYLE_NONCE", nonce}, {"GYRE_SCRIPT_NONCE", nonce}, {"/*GYRE_D3*/", embedded_d3()}}};
  return filled_page(std::string_view(gyre_live_page, gyre_live_page_size), values);
}

std::string content_policy(std::string_view nonce) {
  return fmt::format(
      "default-src 'none'; script-src 'nonce-{0}'; style-src 'nonce-{0}'; connect-src 'self'; img-src data:; base-uri "
      "'none'; "
      "form-action 'none'; frame-ancestors 'none'",
      nonce);
}

void show_page(const Service& /*service*/, Exchange& exchange) {
  const std::string nonce = new_nonce();
  httplib::Response& response = exchange.response;
  response.set_header("Content-Security-Policy", content_policy(nonce));
  response.set_header("X-Content-Type-Options", "nosniff");
  response.set_header("Referrer-Policy", "no-referrer");
  response.set_header("Cache-Control", "no-store");  // the nonce is for this once
  response.status = 200;
  response.set_content(live_page(nonce), "text/html; charset=utf-8");
}

}  // namespace gyre::serve
