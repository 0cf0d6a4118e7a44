#include "study/jobs.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <stdexcept>
#include <system_error>

#include "base/error.hpp"
#include "model_folder.hpp"

namespace gyre::jobs_test {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

TEST(RunOnThreads, RunsTheWorkOnceAThread) {
  std::atomic<int> runs = 0;
  run_on_threads(4, [&] { ++runs; });
  EXPECT_EQ(runs, 4);
  run_on_threads(1, [&] { ++runs; });
  EXPECT_EQ(runs, 5);
}

TEST(RunOnThreads, DoesWithoutThreadsThatCannotBeStarted) {
  for (const int given : {0, 1, 2}) {
    std::atomic<int> runs = 0;
    int started = 0;
    run_on_threads(
        5, [&] { ++runs; },
        [&](const std::function<void()>& work) {
          if (started == given)
            throw std::system_error(std::make_error_code(std::errc::resource_unavailable_try_again));
          ++started;
          return std::thread(work);
        });
    EXPECT_EQ(runs, given + 1);
  }
}

TEST(RunOnThreads, HandsOnAMistakeAfterAllHaveEnded) {
  std::atomic<int> ended = 0;
  EXPECT_THROW(run_on_threads(3,
                              [&] {
                                ++ended;
                                throw std::runtime_error("of the work");
                              }),
               std::runtime_error);
  EXPECT_EQ(ended, 3);
}

class Jobs : public ::testing::Test {
 protected:
  ModelFolder folder_;
  Model model_ = Model::load(folder_.path());
};

TEST_F(Jobs, RunOnceEach) {
  for (const int threads : {1, 3}) {
    std::vector<std::atomic<int>> runs(20);
    std::set<std::int64_t> told;
    run_jobs(
        model_, runs.size(), threads, {},
        [&](Engine& engine, std::size_t i) {
          EXPECT_EQ(engine.threads(), 1);
          ++runs[i];
        },
        [&](std::int64_t done, std::int64_t total) {
          EXPECT_EQ(total, 50);
          told.insert(done);
        },
        {30, 50});
    for (const std::atomic<int>& count : runs) EXPECT_EQ(count, 1);
    EXPECT_EQ(told.size(), 20U);
    EXPECT_EQ(*told.begin(), 31);
    EXPECT_EQ(*told.rbegin(), 50);
  }
}

TEST_F(Jobs, AreTakenInTheirOrder) {
  std::vector<std::size_t> order;
  run_jobs(model_, 4, 1, {}, [&](Engine&, std::size_t i) { order.push_back(i); }, {}, {});
  EXPECT_THAT(order, ElementsAre(0, 1, 2, 3));
}

TEST_F(Jobs, NoneIsTakenUpAfterAMistake) {
  std::vector<std::size_t> order;
  EXPECT_THROW(run_jobs(model_, 9, 1, {},
                        [&](Engine&, std::size_t i) {
                          order.push_back(i);
                          if (i == 2) throw std::runtime_error("of the third");
                        },
                        {}, {}),
               std::runtime_error);
  EXPECT_THAT(order, ElementsAre(0, 1, 2));
}

TEST_F(Jobs, NoneIsTakenUpOnceAStopIsRequested) {
  std::atomic<bool> flag = false;
  std::vector<std::size_t> order;
  const auto job = [&](Engine& engine, std::size_t i) {
    EXPECT_FALSE(engine.stop().requested());
    order.push_back(i);
    flag = i == 1;
  };
  EXPECT_THAT([&] { run_jobs(model_, 9, 1, Stop(flag), job, {}, {}); },
              ThrowsMessage<Error>(HasSubstr("interrupted; nothing was written")));
  EXPECT_THAT(order, ElementsAre(0, 1));
}

}  // namespace
}  // namespace gyre::jobs_test
