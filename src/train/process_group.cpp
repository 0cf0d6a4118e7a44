#include "train/process_group.hpp"

#include <fmt/format.h>
#include <torch/utils.h>

#include <algorithm>

#include "base/error.hpp"

#ifdef GYRE_HAS_GLOO
#define USE_C10D_GLOO
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#endif

namespace gyre {

using torch::Tensor;

#ifdef GYRE_HAS_GLOO

namespace {

/// Ranks are started together, so that one that is missing for longer has failed.
constexpr std::chrono::seconds kLongestStart{300};

/// The first line of what LibTorch or Gloo says: backtraces follow it.
std::string reason_of(const std::exception& failure) {
  const auto* const own = dynamic_cast<const c10::Error*>(&failure);
  const std::string text = own != nullptr ? own->what_without_backtrace() : failure.what();
  return text.substr(0, text.find('\n'));
}

bool is_loopback(const std::string& address) {
  return address == "localhost" || address == "::1" || address.starts_with("127.");
}

std::shared_ptr<gloo::transport::Device> device_of(const Ranks& ranks) {
  using Gloo = c10d::ProcessGroupGloo;
  if (!ranks.interface.empty()) return Gloo::createDeviceForInterface(ranks.interface);
  if (is_loopback(ranks.address)) return Gloo::createDeviceForHostname(ranks.address);
  return Gloo::createDefaultDevice();
}

}  // namespace

struct ProcessGroup::Connection {
  explicit Connection(const Ranks& ranks) {
    c10d::TCPStoreOptions meeting;
    meeting.port = static_cast<std::uint16_t>(ranks.port);
    meeting.isServer = ranks.rank == 0;
    meeting.numWorkers = static_cast<std::size_t>(ranks.world);
    meeting.timeout = std::min(ranks.timeout, kLongestStart);
    store = c10::make_intrusive<c10d::TCPStore>(ranks.address, meeting);
    auto options = c10d::ProcessGroupGloo::Options::create(ranks.timeout);
    options->devices.push_back(device_of(ranks));
    options->threads = 1;
    gloo = c10::make_intrusive<c10d::ProcessGroupGloo>(store, ranks.rank, ranks.world, options);
  }

  c10::intrusive_ptr<c10d::TCPStore> store;
  c10::intrusive_ptr<c10d::ProcessGroupGloo> gloo;
};

ProcessGroup::ProcessGroup(const Ranks& ranks) : ranks_(ranks) {
  if (alone()) return;
  try {
    connection_ = std::make_unique<Connection>(ranks);
  } catch (const std::exception& failure) {
    throw Error(
        "rank {} of {}: the ranks did not meet at {}:{} ({}); start all of them, with one address and a free "
        "port of the first one's machine",
        rank(), world(), ranks.address, ranks.port, reason_of(failure));
  }
}

namespace {

/// Waits for what the ranks do together.
template <typename Begin>
void together(const Ranks& ranks, const Begin& begin) {
  try {
    begin()->wait();
  } catch (const std::exception& failure) {
    throw Error(
        "rank {} of {}: another rank has ended or does not answer ({}), so that this one ends too; see what that "
        "one said, and resume all of them from the last checkpoint",
        ranks.rank, ranks.world, reason_of(failure));
  }
}

}  // namespace

void ProcessGroup::sum(Tensor tensor) const {
  std::vector<Tensor> tensors = {std::move(tensor)};
  together(ranks_, [&] { return connection_->gloo->allreduce(tensors); });
}

void ProcessGroup::broadcast(Tensor tensor) const {
  std::vector<Tensor> tensors = {std::move(tensor)};
  together(ranks_, [&] { return connection_->gloo->broadcast(tensors); });
}

#else

struct ProcessGroup::Connection {};

ProcessGroup::ProcessGroup(const Ranks& ranks) : ranks_(ranks) {
  if (alone()) return;
  throw Error(
      "this program was built without Gloo, so that one process trains alone; build it against a LibTorch with Gloo's "
      "headers (Debian: libtorch-dev and libgloo-dev)");
}

void ProcessGroup::sum(Tensor /*tensor*/) const {}
void ProcessGroup::broadcast(Tensor /*tensor*/) const {}

#endif

ProcessGroup::~ProcessGroup() = default;

bool ProcessGroup::any(bool here) const {
  if (alone()) return here;
  const Tensor flags = torch::full({1}, here ? 1.0 : 0.0, torch::kDouble);
  sum(flags);
  return flags.item<double>() > 0;
}

std::vector<double> ProcessGroup::gathered(std::span<const double> own) const {
  if (alone()) return {own.begin(), own.end()};
  std::vector<double> all(own.size() * static_cast<std::size_t>(world()), 0.0);
  std::copy(own.begin(), own.end(), all.begin() + static_cast<std::ptrdiff_t>(own.size()) * rank());
  // Every place is zero on all ranks but one.
  if (!all.empty()) sum(torch::from_blob(all.data(), {static_cast<std::int64_t>(all.size())}, torch::kDouble));
  return all;
}

std::string ProcessGroup::of_first(const std::string& own) const {
  if (alone()) return own;
  const Tensor size = torch::full({1}, static_cast<std::int64_t>(own.size()), torch::kLong);
  broadcast(size);
  std::string text = own;
  text.resize(static_cast<std::size_t>(size.item<std::int64_t>()));
  if (!text.empty()) {
    broadcast(torch::from_blob(text.data(), {static_cast<std::int64_t>(text.size())}, torch::kByte));
  }
  return text;
}

int ProcessGroup::hand_out(std::span<const Tensor> tensors, int step) const {
  if (alone()) return step;
  for (const Tensor& tensor : tensors) broadcast(tensor.detach());
  const Tensor number = torch::full({1}, step, torch::kLong);
  broadcast(number);
  return number.item<int>();
}

void ProcessGroup::sum_gradients(const Parameters& learned, std::span<double> numbers) const {
  if (alone()) return;
  std::vector<Tensor> gradients;
  std::vector<Tensor> pieces;
  for (const std::string& name : learned.names()) {
    const Tensor& gradient = learned.parameter(name).grad();
    if (!gradient.defined()) continue;
    gradients.push_back(gradient);
    pieces.push_back(gradient.flatten());
  }
  pieces.push_back(torch::tensor(std::vector<double>(numbers.begin(), numbers.end()), torch::kFloat));
  Tensor flat = torch::cat(pieces);
  pieces.clear();
  sum(flat);
  std::int64_t place = 0;
  for (Tensor& gradient : gradients) {
    gradient.copy_(flat.narrow(0, place, gradient.numel()).view(gradient.sizes()));
    place += gradient.numel();
  }
  for (double& number : numbers) number = flat[place++].item<double>();
}

}  // namespace gyre
