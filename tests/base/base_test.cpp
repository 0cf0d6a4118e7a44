#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <cmath>
#include <fstream>

#include "base/checked.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/hash.hpp"
#include "base/processors.hpp"
#include "base/progress.hpp"
#include "base/random.hpp"
#include "base/thread_pool.hpp"
#include "scratch_folder.hpp"

namespace gyre::base_test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

std::string sha256_of(std::string_view text) { return sha256(std::as_bytes(std::span(text.data(), text.size()))); }

TEST(Sha256, GivesTheKnownVectors) {
  EXPECT_EQ(sha256_of(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_of("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Sha256, OfAMappedFileIsThatOfItsBytes) {
  const ScratchFolder folder;
  std::string text(20'000'000, 'x');  // more than one piece, and no whole number of pages
  for (std::size_t i = 0; i < text.size(); i += 1000) text[i] = static_cast<char>('a' + i / 1000 % 26);
  std::ofstream(folder.path() / "file", std::ios::binary) << text;
  const MappedFile file(folder.path() / "file");
  EXPECT_EQ(sha256_of_mapped(file.bytes()), sha256_of(text));
  EXPECT_EQ(file.text(), text);  // the pages come back
}

TEST(ShareOf, CoversEveryItemExactlyOnceInMultiplesOfTheGrain) {
  for (std::size_t count = 0; count <= 100; ++count) {
    for (const std::size_t grain : {1U, 3U, 16U}) {
      for (int parts = 1; parts <= 9; ++parts) {
        std::size_t next = 0;
        for (int part = 0; part < parts; ++part) {
          const Share share = share_of(count, grain, part, parts);
          ASSERT_EQ(share.begin, next);
          ASSERT_LE(share.begin, share.end);
          ASSERT_TRUE(share.end % grain == 0 || share.end == count);
          next = share.end;
        }
        ASSERT_EQ(next, count);
      }
    }
  }
}

TEST(ThreadPool, SaysHowManyThreadsTheSystemStarts) {
  pthread_attr_t usual;
  ASSERT_EQ(pthread_getattr_default_np(&usual), 0);
  pthread_attr_t vast = usual;
  ASSERT_EQ(pthread_attr_setstacksize(&vast, std::size_t{1} << 48), 0);  // a stack that no address space can hold
  ASSERT_EQ(pthread_setattr_default_np(&vast), 0);
  EXPECT_THAT([] { ThreadPool pool(4); },
              ThrowsMessage<Error>(AllOf(HasSubstr("only 1 of 4 threads"), HasSubstr("fewer"))));
  ASSERT_EQ(pthread_setattr_default_np(&usual), 0);
  EXPECT_EQ(ThreadPool(4).size(), 4);
}

TEST(ThreadPool, AJobSeesWhatTheOneBeforeWroteWithManyMoreThreadsThanProcessors) {
  constexpr std::size_t kCount = 24;
  ThreadPool pool(kCount);
  std::vector<int> numbers(kCount);
  std::vector<int> neighbours(kCount);
  for (int round = 0; round < 200; ++round) {
    pool.share(kCount, [&](Share mine, int) {
      for (std::size_t i = mine.begin; i < mine.end; ++i) numbers[i] = round;
    });
    pool.share(kCount, [&](Share mine, int) {
      for (std::size_t i = mine.begin; i < mine.end; ++i) neighbours[i] = numbers[(i + 1) % kCount];
    });
    ASSERT_EQ(neighbours, std::vector<int>(kCount, round));
  }
}

TEST(ThreadPool, DealsOutEveryItemOnceWhateverThePieces) {
  for (const int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    for (const std::size_t count : {0, 1, 7, 64}) {
      for (const std::size_t grain : {1, 3}) {
        for (const int pieces : {1, threads, 3 * threads, 100}) {
          std::vector<std::atomic<int>> calls(count);
          std::atomic<int> wrong = 0;
          pool.share(count, grain, pieces, [&](Share piece, int thread) {
            if (thread < 0 || thread >= threads || piece.begin >= piece.end || piece.begin % grain != 0) ++wrong;
            for (std::size_t i = piece.begin; i < piece.end; ++i) ++calls[i];
          });
          EXPECT_EQ(wrong, 0);
          for (const auto& call : calls) {
            ASSERT_EQ(call, 1) << threads << " threads, " << count << " by " << grain << " in " << pieces;
          }
        }
      }
    }
  }
}

/// A thread that is stuck in a piece, as one is whose core another program took: with slices of its own that nobody
/// else may take, the job would never end.
TEST(ThreadPool, OthersDoWhatAThreadThatIsHeldUpHasNotBegun) {
  for (const int threads : {2, 5}) {
    ThreadPool pool(threads);
    const int pieces = 4 * threads;
    for (int round = 0; round < 50; ++round) {
      std::atomic<bool> held = false;
      std::atomic<int> done = 0;
      pool.share(static_cast<std::size_t>(pieces), 1, pieces, [&](Share, int) {
        if (!held.exchange(true)) {
          while (done != pieces - 1) std::this_thread::yield();
        }
        ++done;
      });
      ASSERT_EQ(done, pieces);
    }
  }
}

TEST(Processors, AreAtLeastOne) { EXPECT_GE(usable_processors(), 1); }

TEST(Processors, TheQuotaIsTheLeastOfTheGroupsAboveTheProcess) {
  const ScratchFolder scratch;
  const auto write = [&](const std::string& name, const std::string& text) {
    std::filesystem::create_directories((scratch / name).parent_path());
    std::ofstream(scratch / name) << text;
  };
  const auto quota = [&] { return processor_quota(scratch / "cgroup", scratch / "fs"); };
  EXPECT_EQ(quota(), std::nullopt);  // no such files
  write("cgroup", "0::/a/b\n");
  write("fs/a/b/cpu.max", "max 100000\n");
  EXPECT_EQ(quota(), std::nullopt);
  write("fs/a/cpu.max", "250000 100000\n");
  EXPECT_EQ(quota(), 2.5);
  write("fs/a/b/cpu.max", "400000 100000\n");
  EXPECT_EQ(quota(), 2.5);
  write("fs/a/b/cpu.max", "50000 100000\n");
  EXPECT_EQ(quota(), 0.5);
  // In a container the path may be the host's: the mount is the container's own group.
  write("cgroup", "0::/of/the/host\n");
  write("fs/cpu.max", "150000 100000\n");
  EXPECT_EQ(quota(), 1.5);
  // The first version: controllers by name, −1 for no quota.
  write("cgroup", "5:memory:/x\n4:cpu,cpuacct:/x\n");
  write("fs/cpu,cpuacct/x/cpu.cfs_quota_us", "-1\n");
  write("fs/cpu,cpuacct/x/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(quota(), std::nullopt);
  write("fs/cpu,cpuacct/x/cpu.cfs_quota_us", "300000\n");
  EXPECT_EQ(quota(), 3.0);
}

TEST(CheckedProduct, IsNothingWhereItWouldWrap) {
  EXPECT_EQ(checked_product({3, 5, 7}), std::size_t{105});
  EXPECT_EQ(checked_product({}), std::size_t{1});
  EXPECT_EQ(checked_product({std::size_t{1} << 32, std::size_t{1} << 31}), std::size_t{1} << 63);
  EXPECT_EQ(checked_product({std::size_t{1} << 32, std::size_t{1} << 32}), std::nullopt);
  EXPECT_EQ(checked_product({std::size_t{1} << 32, std::size_t{1} << 32, 0}), std::nullopt);
}

TEST(ThreadPool, RunsEveryPartOnceEveryTime) {
  for (const int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    ASSERT_EQ(pool.size(), threads);
    std::vector<std::atomic<int>> calls(static_cast<std::size_t>(threads));
    for (int round = 0; round < 300; ++round) {
      pool.run([&](int part) { ++calls[static_cast<std::size_t>(part)]; });
      for (const auto& count : calls) ASSERT_EQ(count, round + 1);
    }
  }
}

TEST(ThreadPool, EndsCleanlyWithoutWork) { EXPECT_EQ(ThreadPool(3).size(), 3); }

TEST(NormalAt, HasTheMomentsOfANormalDistribution) {
  constexpr int kDraws = 40000;
  double sum = 0;
  double squares = 0;
  double fourth = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double x = normal_at(9, static_cast<std::uint64_t>(i));
    sum += x;
    squares += x * x;
    fourth += x * x * x * x;
  }
  EXPECT_NEAR(sum / kDraws, 0, 5 / std::sqrt(kDraws));
  EXPECT_NEAR(squares / kDraws, 1, 5 * std::sqrt(2.0 / kDraws));
  EXPECT_NEAR(fourth / kDraws, 3, 5 * std::sqrt(96.0 / kDraws));
}

TEST(NormalAt, IsAFunctionOfSeedAndIndexAlone) {
  EXPECT_EQ(normal_at(1, 5), normal_at(1, 5));
  EXPECT_NE(normal_at(1, 5), normal_at(2, 5));
  EXPECT_NE(normal_at(1, 5), normal_at(1, 6));
}

TEST(Random, StaysInItsBoundsAndRepeatsWithItsSeed) {
  Random random(4);
  Random again(4);
  std::vector<int> counts(7);
  for (int i = 0; i < 7000; ++i) {
    const std::uint64_t value = random.below(7);
    ASSERT_LT(value, 7U);
    ASSERT_EQ(value, again.below(7));
    ++counts[value];
  }
  for (const int count : counts) EXPECT_NEAR(count, 1000, 5 * std::sqrt(1000 * 6.0 / 7));
  EXPECT_GT(unit_interval(0), 0);
  EXPECT_LT(unit_interval(UINT64_MAX), 1);
}

TEST(Random, PoissonHasMeanAndVarianceOfItsParameter) {
  Random random(5);
  constexpr int kDraws = 20000;
  double sum = 0;
  double squares = 0;
  for (int i = 0; i < kDraws; ++i) {
    const int value = random.poisson(3.5);
    sum += value;
    squares += value * value;
  }
  const double mean = sum / kDraws;
  EXPECT_NEAR(mean, 3.5, 5 * std::sqrt(3.5 / kDraws));
  EXPECT_NEAR(squares / kDraws - mean * mean, 3.5, 0.25);
}

TEST(Durations, AreWrittenForPeople) {
  EXPECT_EQ(describe_duration(12.4), "12 s");
  EXPECT_EQ(describe_duration(185), "3 min 05 s");
  EXPECT_EQ(describe_duration(3725), "1 h 02 min");
}

TEST(Progress, PrintsPlainLinesInAPipe) {
  testing::internal::CaptureStderr();
  {
    Progress progress("eval", 4, "windows");
    progress.update(0);
    progress.update(4, "loss 1.5");
  }
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_THAT(text, testing::StartsWith("eval 100 %"));
  EXPECT_THAT(text, testing::HasSubstr("loss 1.5\n"));
  EXPECT_THAT(text, testing::Not(testing::HasSubstr("\033")));
}

TEST(SystemMessage, SaysWhatTheNumberMeans) { EXPECT_EQ(system_message(2), "No such file or directory"); }

}  // namespace
}  // namespace gyre::base_test
