#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/file.hpp"
#include "hub/hub_server.hpp"
#include "hub/pull.hpp"
#include "scratch_folder.hpp"

namespace gyre {

/// Pulls acme/tiny from a hub of the test's own into a folder of the test's own, with short waits.
class HubTest : public ::testing::Test {
 protected:
  HubTest() {
    request_.repository = parse_repository("acme/tiny");
    request_.folder = scratch_ / "model";
    request_.retries.first_wait = std::chrono::milliseconds(1);
    request_.retries.longest_wait = std::chrono::milliseconds(20);
  }

  PullResult pull_from(const std::string& scenario) {
    PullObserver observer;
    observer.notice = [this](const std::string& line) { notices_.push_back(line); };
    observer.progress = [this](std::int64_t done, std::int64_t total, const std::string&) {
      EXPECT_LE(done, total);
      last_done_ = done;
    };
    return pull({parse_url(server_.endpoint(scenario), "endpoint"), token_, scratch_.path()}, request_, observer);
  }

  /// The pull fails with one line that holds every text of `says`.
  void expect_refusal(const std::string& scenario, const std::vector<std::string>& says) {
    try {
      pull_from(scenario);
      ADD_FAILURE() << scenario << " was accepted";
    } catch (const Error& failure) {
      const std::string line = failure.what();
      for (const std::string& part : says) EXPECT_THAT(line, ::testing::HasSubstr(part)) << scenario;
      EXPECT_TRUE(std::none_of(line.begin(), line.end(), [](char c) { return c >= 0 && c < ' '; })) << line;
      EXPECT_LT(line.size(), 400U);
    }
  }

  [[nodiscard]] std::filesystem::path weights() const { return request_.folder / "model.safetensors"; }
  [[nodiscard]] std::filesystem::path part() const { return request_.folder / "model.safetensors.part"; }

  void expect_right_weights() const {
    EXPECT_TRUE(read_text(weights()) == served_weights());
    EXPECT_THAT(files(), ::testing::Not(::testing::Contains(::testing::HasSubstr(".part"))));
  }

  /// Files below the folder, sorted.
  [[nodiscard]] std::vector<std::string> files() const {
    std::vector<std::string> names;
    std::error_code none;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(request_.folder, none)) {
      if (entry.is_regular_file()) names.push_back(entry.path().lexically_relative(request_.folder).string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  /// The Range headers that the weights were asked for with; "" where there was none.
  [[nodiscard]] std::vector<std::string> ranges() const {
    std::vector<std::string> found;
    for (const nlohmann::json& record : server_.requests_for("/model.safetensors")) {
      found.push_back(record["headers"].value("Range", ""));
    }
    return found;
  }

  ScratchFolder scratch_;
  HubServer server_;
  PullRequest request_;
  std::string token_;
  std::vector<std::string> notices_;
  std::int64_t last_done_ = 0;
};

}  // namespace gyre
