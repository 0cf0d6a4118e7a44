#include "study/token_map.hpp"

#include <algorithm>

#include "study/measures/lyapunov.hpp"

namespace gyre {
namespace {

constexpr std::size_t kColumns = 32;  ///< of a Jacobian, made at once

/// The rows x + h v and x − h v, one pair a direction, at the end of `rows`.
void add_pair(const PathPoint& at, std::span<const double> direction, std::vector<float>& rows) {
  for (const double sign : {1.0, -1.0}) {
    for (std::size_t c = 0; c < direction.size(); ++c) {
      rows.push_back(static_cast<float>(static_cast<double>(at.state[c]) + sign * at.width * direction[c]));
    }
  }
}

/// (f(x + h v) − f(x − h v)) / 2h of pair j, channel c.
double derivative(std::span<const float> after, std::size_t hidden, std::size_t j, std::size_t c, double width) {
  const auto ahead = static_cast<double>(after[2 * j * hidden + c]);
  const auto behind = static_cast<double>(after[(2 * j + 1) * hidden + c]);
  return (ahead - behind) / (2 * width);
}

}  // namespace

TokenMap::TokenMap(Engine& engine, const Sequence& before, std::int32_t token, std::size_t group, std::size_t copies)
    : engine_(engine),
      group_(group),
      hidden_(static_cast<std::size_t>(engine.model().spec().hidden_size)),
      after_(copies * hidden_) {
  for (std::size_t i = 0; i < copies; ++i) {
    forks_.push_back(before.fork());
    enters_.emplace_back([this, i](const TracePoint& point) {
      if (point.group != static_cast<int>(group_) || point.loop != 0) return;
      const std::span<const float> mine = given_.subspan(i * hidden_, hidden_);
      std::copy(mine.begin(), mine.end(), point.states.begin());
    });
  }
  for (std::size_t i = 0; i < copies; ++i) {
    std::vector<Flight> one = engine.flights_of(forks_[i], {&token, 1});
    one.front().trace = &enters_[i];
    flights_.push_back(std::move(one.front()));
  }
  for (Flight& flight : flights_) {
    engine.stack().board(flight);
    here_.push_back(&flight);
  }
  while (here_.front()->group < group_) engine.stack().run(here_.front()->group, here_);
}

std::span<const float> TokenMap::step(std::span<const float> states) {
  engine_.stop().check();
  given_ = states;
  for (std::size_t i = 0; i < here_.size(); ++i) {
    const std::span<const float> mine = states.subspan(i * hidden_, hidden_);
    // Before its first loop a state is not there yet: the trace puts it in place.
    if (here_[i]->loop > 0) std::copy(mine.begin(), mine.end(), engine_.stack().state(*here_[i]).begin());
  }
  engine_.stack().run(group_, here_);
  for (std::size_t i = 0; i < here_.size(); ++i) {
    const std::span<const float> state = engine_.stack().state(*here_[i]);
    std::copy(state.begin(), state.end(), after_.begin() + static_cast<std::ptrdiff_t>(i * hidden_));
  }
  return after_;
}

std::vector<std::vector<double>> direction_growth(Engine& engine, const Sequence& before, std::int32_t token,
                                                  std::size_t group, std::span<const PathPoint> path,
                                                  const CarriedDirections& carried) {
  const std::size_t hidden = path.front().state.size();
  Directions directions(hidden, carried.count, carried.seed);
  std::vector<std::vector<double>> growth;
  std::vector<float> rows;
  for (int round = 0; round < carried.rounds; ++round) {
    growth.clear();
    TokenMap map(engine, before, token, group, 2 * directions.count());
    for (const PathPoint& at : path) {
      rows.clear();
      for (std::size_t j = 0; j < directions.count(); ++j) add_pair(at, directions.column(j), rows);
      const std::span<const float> after = map.step(rows);
      for (std::size_t j = 0; j < directions.count(); ++j) {
        for (std::size_t c = 0; c < hidden; ++c) directions.column(j)[c] = derivative(after, hidden, j, c, at.width);
      }
      growth.push_back(directions.orthonormalise());
    }
  }
  return growth;
}

std::vector<std::vector<double>> path_jacobians(Engine& engine, const Sequence& before, std::int32_t token,
                                                std::size_t group, std::span<const PathPoint> path) {
  const std::size_t hidden = path.front().state.size();
  std::vector<std::vector<double>> jacobians(path.size(), std::vector<double>(hidden * hidden));
  std::vector<float> rows;
  std::vector<double> axis(hidden, 0.0);
  for (std::size_t first = 0; first < hidden; first += kColumns) {
    const std::size_t columns = std::min(kColumns, hidden - first);
    TokenMap map(engine, before, token, group, 2 * columns);
    for (std::size_t k = 0; k < path.size(); ++k) {
      rows.clear();
      for (std::size_t j = 0; j < columns; ++j) {
        axis[first + j] = 1;
        add_pair(path[k], axis, rows);
        axis[first + j] = 0;
      }
      const std::span<const float> after = map.step(rows);
      for (std::size_t j = 0; j < columns; ++j) {
        for (std::size_t c = 0; c < hidden; ++c) {
          jacobians[k][c * hidden + first + j] = derivative(after, hidden, j, c, path[k].width);
        }
      }
    }
  }
  return jacobians;
}

}  // namespace gyre
