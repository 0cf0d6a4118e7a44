#include "raman/geocoder.hpp"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/error.hpp"
#include "base/file.hpp"
#include "format/json_object.hpp"
#include "raman/spectrum.hpp"

namespace gyre::raman {
namespace {

/// An answer with one place is a few kilobytes.
constexpr std::size_t kMostAnswerBytes = std::size_t{1} << 20;
/// How many beginnings of a locality are left out before it counts as not found.
constexpr int kMostShortenings = 4;

constexpr EnumName<GeocoderKind> kKinds[] = {{GeocoderKind::nominatim, "nominatim"}, {GeocoderKind::photon, "photon"}};

/// The country code in an answer; empty when the answer holds no place.
std::string code_in(const nlohmann::json& answer, GeocoderKind kind) {
  const auto text = [](const nlohmann::json& object, const char* key) -> std::string {
    return object.is_object() && object.contains(key) && object.at(key).is_string() ? object.at(key).get<std::string>()
                                                                                    : std::string();
  };
  std::string code;
  if (kind == GeocoderKind::nominatim && answer.is_array() && !answer.empty() && answer[0].contains("address")) {
    code = text(answer[0]["address"], "country_code");
  }
  if (kind == GeocoderKind::photon && answer.is_object() && answer.contains("features")) {
    const nlohmann::json& features = answer["features"];
    if (features.is_array() && !features.empty() && features[0].contains("properties")) {
      code = text(features[0]["properties"], "countrycode");
    }
  }
  const bool letters =
      code.size() == 2 && std::all_of(code.begin(), code.end(), [](unsigned char c) { return std::isalpha(c) != 0; });
  if (!letters) return {};
  std::transform(code.begin(), code.end(), code.begin(), [](unsigned char c) { return std::toupper(c); });
  return code;
}

}  // namespace

GeocoderSettings parse_geocoder(const std::string& text, const std::string& what) {
  GeocoderSettings settings;
  const std::size_t equals = text.find('=');
  const std::string name = text.substr(0, equals);
  for (const auto& row : kKinds) {
    if (equals == std::string::npos || row.name != name) continue;
    settings.kind = row.value;
    std::string address = text.substr(equals + 1);
    while (address.ends_with('/')) address.pop_back();
    settings.endpoint = parse_url(address, what);
    return settings;
  }
  throw Error("{}: \"{}\" is no geocoder; give nominatim=URL or photon=URL", what, text);
}

Geocoder::Geocoder(GeocoderSettings settings, Notice notice)
    : settings_(std::move(settings)),
      notice_(std::move(notice)),
      client_(settings_.endpoint, "", settings_.retries.stop) {
  if (settings_.cache.empty() || !std::filesystem::exists(settings_.cache)) return;
  const nlohmann::json stored = load_json(settings_.cache);
  try {
    answers_ = stored.get<std::map<std::string, std::string>>();
  } catch (const nlohmann::json::exception&) {
    throw Error("{}: it is no cache of a geocoder; remove it, or name another file", settings_.cache.string());
  }
}

Geocoder::~Geocoder() {
  try {
    save();
  } catch (const Error&) {  // NOLINT(bugprone-empty-catch): the answers can be asked for again
  }
}

void Geocoder::save() {
  if (!changed_ || settings_.cache.empty()) return;
  write_text_atomically(settings_.cache, nlohmann::json(answers_).dump(1) + "\n");
  changed_ = false;
}

std::string Geocoder::country_of(const std::string& locality) {
  std::string_view query = trimmed(locality);
  for (int shortened = 0; shortened <= kMostShortenings && !query.empty(); ++shortened) {
    std::string code = ask(std::string(query));
    if (!code.empty()) return code;
    const std::size_t comma = query.find(',');
    if (comma == std::string_view::npos) break;
    query = trimmed(query.substr(comma + 1));
  }
  return {};
}

std::string Geocoder::ask(const std::string& query) {
  const std::string key =
      fmt::format("{} {} {}", gyre::name_of<GeocoderKind>(kKinds, settings_.kind), settings_.endpoint.text, query);
  if (const auto known = answers_.find(key); known != answers_.end()) return known->second;
  Retries retries(settings_.retries, notice_);
  for (;;) {
    try {
      std::string code = ask_once(query);
      answers_[key] = code;
      changed_ = true;
      constexpr int kSaveEvery = 50;
      if (answers_.size() % kSaveEvery == 0) save();
      return code;
    } catch (const TransientFailure& failure) {
      retries.wait_after(failure);
    }
  }
}

std::string Geocoder::ask_once(const std::string& query) {
  wait_for_turn();
  const bool photon = settings_.kind == GeocoderKind::photon;
  const std::string address =
      fmt::format("{}{}{}{}", settings_.endpoint.text, photon ? "/api?q=" : "/search?q=", percent_encode(query),
                  photon ? "&limit=1" : "&format=jsonv2&addressdetails=1&limit=1");
  std::string body;
  BodyHandler handler;
  handler.write = [&](std::span<const std::byte> bytes) {
    if (body.size() + bytes.size() > kMostAnswerBytes) {
      throw Error("{}: the answer is larger than any geocoder gives; check --geocoder", settings_.endpoint.host);
    }
    body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  };
  ++requests_;
  const HttpAnswer answer = client_.get(parse_url(address, "--geocoder"), {"Accept: application/json"}, handler);
  if (answer.status == 429 || answer.status >= 500) {
    throw TransientFailure(fmt::format("{}: status {}", settings_.endpoint.host, answer.status), answer.retry_after);
  }
  if (!answer.success()) {
    throw Error("{}: the geocoder answers with status {}; check --geocoder", settings_.endpoint.host, answer.status);
  }
  const nlohmann::json json = nlohmann::json::parse(body, nullptr, false);
  if (json.is_discarded()) throw Error("{}: the answer is not JSON; check --geocoder", settings_.endpoint.host);
  return code_in(json, settings_.kind);
}

void Geocoder::wait_for_turn() {
  constexpr std::chrono::milliseconds kSlice{50};
  for (auto now = std::chrono::steady_clock::now(); now < next_; now = std::chrono::steady_clock::now()) {
    client_.require_still_wanted();
    std::this_thread::sleep_for(std::min<std::chrono::nanoseconds>(kSlice, next_ - now));
  }
  next_ = std::chrono::steady_clock::now() + settings_.interval;
}

}  // namespace gyre::raman
