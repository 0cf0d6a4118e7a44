#include "raman/geocoder.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/file.hpp"
#include "scratch_folder.hpp"

namespace gyre::raman::geocoder_test {
namespace {

using testing::HasSubstr;

/// geocoder_server.py as a child process, which ends with the object and also when the test dies.
class Server {
 public:
  explicit Server(const std::string& log) {
    std::array<int, 2> in{};
    std::array<int, 2> out{};
    if (::pipe2(in.data(), O_CLOEXEC) != 0 || ::pipe2(out.data(), O_CLOEXEC) != 0) return;
    const std::string script = std::string(GYRE_TEST_DIR) + "/raman/geocoder_server.py";
    child_ = ::fork();
    if (child_ == 0) {
      ::dup2(in[0], STDIN_FILENO);
      ::dup2(out[1], STDOUT_FILENO);
      ::execlp("python3", "python3", script.c_str(), log.c_str(), nullptr);
      ::_exit(127);
    }
    ::close(in[0]);
    ::close(out[1]);
    stdin_ = in[1];
    std::FILE* answer = ::fdopen(out[0], "r");
    if (std::fscanf(answer, "%d", &port_) != 1) port_ = 0;
    std::fclose(answer);
  }
  ~Server() {
    ::close(stdin_);
    ::kill(child_, SIGTERM);
    ::waitpid(child_, nullptr, 0);
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  [[nodiscard]] int port() const { return port_; }

 private:
  pid_t child_ = -1;
  int stdin_ = -1;
  int port_ = 0;
};

class Geocoding : public testing::Test {
 protected:
  Geocoding() : server_(scratch_ / "log") { EXPECT_GT(server_.port(), 0) << "is python3 installed?"; }

  [[nodiscard]] GeocoderSettings settings(const std::string& kind, const std::string& scenario) const {
    GeocoderSettings settings =
        parse_geocoder(fmt::format("{}=http://127.0.0.1:{}/{}/", kind, server_.port(), scenario), "--geocoder");
    settings.interval = std::chrono::milliseconds(0);
    settings.retries.first_wait = std::chrono::milliseconds(1);
    settings.retries.longest_wait = std::chrono::milliseconds(5);
    return settings;
  }

  [[nodiscard]] std::vector<nlohmann::json> requests() const {
    std::vector<nlohmann::json> rows;
    std::ifstream log(scratch_ / "log");
    for (std::string line; std::getline(log, line);) rows.push_back(nlohmann::json::parse(line));
    return rows;
  }

  [[nodiscard]] std::string failure(const std::string& scenario) const {
    try {
      Geocoder(settings("nominatim", scenario), {}).country_of("Norway");
    } catch (const Error& error) {
      return error.what();
    }
    return "answered";
  }

  ScratchFolder scratch_;
  Server server_;
};

TEST_F(Geocoding, SpeaksBothProtocols) {
  EXPECT_EQ(Geocoder(settings("nominatim", "plain"), {}).country_of("Atlantis, Peru"), "PE");
  EXPECT_EQ(Geocoder(settings("photon", "plain"), {}).country_of("Atlantis, Peru"), "PE");
  ASSERT_EQ(requests().size(), 2U);
  EXPECT_EQ(requests()[0]["path"], "/plain/search");
  EXPECT_EQ(requests()[1]["path"], "/plain/api");
}

TEST_F(Geocoding, LeavesOutFirstPartsUntilThePlaceIsFound) {
  Geocoder geocoder(settings("nominatim", "plain"), {});
  EXPECT_EQ(geocoder.country_of("Old mine, Nowhere, Norway"), "NO");
  EXPECT_EQ(geocoder.requests(), 3);
  EXPECT_EQ(geocoder.country_of("a, b, c, d, e, f, g, Norway"), "");
}

TEST_F(Geocoding, AsksNothingTwiceAlsoInALaterRun) {
  GeocoderSettings kept = settings("nominatim", "plain");
  kept.cache = scratch_ / "cache.json";
  {
    Geocoder geocoder(kept, {});
    geocoder.country_of("Norway");
    geocoder.country_of("Norway");
    EXPECT_EQ(geocoder.country_of("Lost city"), "");
    EXPECT_EQ(geocoder.requests(), 2);
  }
  Geocoder later(kept, {});
  EXPECT_EQ(later.country_of("Norway"), "NO");
  EXPECT_EQ(later.country_of("Lost city"), "");
  EXPECT_EQ(later.requests(), 0);
}

TEST_F(Geocoding, KeepsItsDistance) {
  GeocoderSettings slow = settings("nominatim", "plain");
  slow.interval = std::chrono::milliseconds(120);
  Geocoder geocoder(slow, {});
  // A bound from below, which holds however busy the machine is.
  const auto start = std::chrono::steady_clock::now();
  geocoder.country_of("Norway");
  geocoder.country_of("Atlantis, Peru");
  EXPECT_GE(std::chrono::steady_clock::now() - start, slow.interval);
  EXPECT_EQ(requests().size(), 2U);
}

TEST_F(Geocoding, TriesAgainWhenTheServerIsBusy) {
  std::vector<std::string> notices;
  Geocoder geocoder(settings("nominatim", "busy"), [&](const std::string& line) { notices.push_back(line); });
  EXPECT_EQ(geocoder.country_of("Norway"), "NO");
  EXPECT_EQ(notices.size(), 2U);
  EXPECT_THAT(notices[0], HasSubstr("429"));
}

TEST_F(Geocoding, SaysWhatIsWrongWithAnAnswer) {
  EXPECT_THAT(failure("broken"), HasSubstr("not JSON"));
  EXPECT_THAT(failure("refuses"), HasSubstr("403"));
  EXPECT_THAT(failure("huge"), HasSubstr("larger"));
  EXPECT_EQ(failure("strange"), "answered");
}

TEST_F(Geocoding, RefusesWrongSettings) {
  EXPECT_THROW(parse_geocoder("google=https://example.org", "--geocoder"), Error);
  EXPECT_THROW(parse_geocoder("nominatim", "--geocoder"), Error);
  GeocoderSettings kept = settings("nominatim", "plain");
  kept.cache = scratch_ / "cache.json";
  std::ofstream(kept.cache) << "[1]";
  EXPECT_THROW(Geocoder(kept, {}), Error);
}

}  // namespace
}  // namespace gyre::raman::geocoder_test
