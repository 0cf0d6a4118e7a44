#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/stop.hpp"
#include "base/thread_pool.hpp"
#include "engine/flight.hpp"
#include "engine/layer.hpp"
#include "model/model.hpp"

namespace gyre {

/// What running a stack has cost so far.
struct PassCount {
  std::size_t passes = 0;  ///< of layers over their weights
  std::size_t rows = 0;    ///< rows that took part in them, summed
};

/// The groups of a model, run one loop at a time for tokens at any loop, of any sequence.
class Stack {
 public:
  Stack(const Model& model, ThreadPool& pool);

  /// Puts a token before the first group.
  void board(Flight& flight);
  [[nodiscard]] bool landed(const Flight& flight) const { return flight.group == model_.groups().size(); }

  /// Runs ONE loop of ONE group for the tokens that are there, asks their exits, and hands those that are done to the
  /// next group. Tokens of one sequence stand side by side in order of their positions, and none of them waits before
  /// another group. When it throws, the flights are where they were and may not go on.
  void run(std::size_t group, std::span<Flight* const> here);

  /// Boards tokens and takes them all through all groups. A pass ends with an Error between two loops once `stop` is
  /// requested.
  void fly(std::span<Flight> flights, const Stop& stop);

  /// The state with which a token waits before its group, or has landed, [hidden].
  [[nodiscard]] std::span<float> state(const Flight& flight) { return pool_.states[flight.row.index()]; }
  /// States [n, hidden] behind the final norm, where the model has one. Valid until the next call.
  std::span<const float> final_states(std::span<const float> states);
  /// Logits [n, vocabulary] of states [n, hidden], by the final norm and the head. Valid until the next call.
  std::span<const float> head(std::span<const float> states);
  [[nodiscard]] const PassCount& count() const { return count_; }
  /// Tells `sink` of all that matrices read from now on; empty: nobody.
  void observe_inputs(InputSink sink) { layers_.observe_inputs(std::move(sink)); }

  /// Gives back the room that passes took, which is that of the widest until now. Nothing may be on its way.
  void rest();

 private:
  /// Rows in one piece, as products read them; those of one run or of one look ahead.
  struct Workspace {
    std::vector<TokenRow> rows;
    std::vector<const Sequence*> texts;  ///< that they belong to
    std::vector<float> states;           ///< [n, hidden]
    std::vector<float> embedded;         ///< what layers mix into the states, [n, hidden]
    std::vector<float> handed;           ///< what the group was handed, [n, hidden]
    std::vector<float> fast;             ///< the states of the group's fast stack, [n, hidden]
    std::vector<float> joined;  ///< what a matrix or a norm reads: [state ; handed], [n, 2 hidden], or [n, hidden]
    std::vector<float> before;  ///< the states before the loop, where it reads them behind its layers
    std::vector<float> kept;    ///< what skips take back, [skips, n, hidden]
  };

  /// Layers in the order in which they run, and the skips between these runs.
  struct Runs {
    std::span<const Layer> layers;
    std::span<const int> order = {};  ///< empty: each layer once, in turn
    std::span<const Skip> skips = {};
    std::span<const SkipWeights> weights = {};  ///< of the skips

    [[nodiscard]] std::size_t count() const { return order.empty() ? layers.size() : order.size(); }
    [[nodiscard]] const Layer& layer(std::size_t run) const {
      return layers[order.empty() ? run : static_cast<std::size_t>(order[run])];
    }
  };

  template <typename Numbers>
  [[nodiscard]] auto row_of(Numbers& rows, std::size_t i) const {
    return std::span(rows).subspan(i * hidden_, hidden_);
  }
  /// Some rows of what is being run, one after the other.
  void take_rows(const std::vector<float>& from, std::span<const std::size_t> rows, std::vector<float>& out) const;
  void embed(const Flight& flight, std::span<float> state);
  void gather(std::size_t group, std::span<Flight* const> here);
  void enter(std::size_t group, const Flight& flight, std::size_t i, Workspace& work) const;
  void start_group(std::size_t group, Flight& flight, std::size_t i);
  void run_loop(std::size_t group, Workspace& work);
  void add_noise(std::size_t group, Workspace& work);
  void inject(std::size_t group, Workspace& work);
  void settle(std::size_t group, Workspace& work);
  void update(std::size_t group, Workspace& work);
  void run_layers(const Runs& runs, LayerPass first, Workspace& work, std::span<float> states);
  template <typename Work>
  void share_numbers(std::size_t count, const Work& work);
  void take_back(const Runs& runs, std::size_t run, const Workspace& work, std::span<float> states);
  void mix_embedding(const Layer& layer, const Workspace& work, std::span<float> states);
  void run_fast_stack(std::size_t group, Workspace& work);
  void trace(std::span<Flight* const> here, bool entering);
  void ask_exits(std::size_t group, std::span<Flight* const> here);
  void measure(Flight& flight, std::size_t i, bool since_check);
  void read_gates(std::size_t group, std::span<Flight* const> here);
  void ask_by_logits(std::size_t group, std::span<Flight* const> here, LoopStep::Readout how);
  void ask(std::size_t group, Flight& flight);
  void keep(std::size_t group, Flight& flight, std::size_t i);
  std::span<const float> read_out(std::size_t group, std::span<Flight* const> here, std::span<const std::size_t> rows,
                                  LoopStep::Readout how);
  void leave(std::size_t group, std::span<Flight* const> here);
  void take_out(std::size_t group, std::span<Flight* const> here);
  void apply_exit(std::size_t group, std::vector<float>& states);

  const Model& model_;
  ThreadPool& threads_;
  LayerRunner layers_;
  std::size_t hidden_;
  StatePool pool_;
  PassCount count_;

  Workspace work_;
  Workspace ahead_;                  ///< of unfinished states
  std::vector<std::size_t> asking_;  ///< rows whose gates, or logits, are wanted
  std::vector<std::size_t> going_;   ///< rows that leave the group
  std::vector<float> gates_;
  std::vector<LoopStep> seen_;  ///< of tokens that leave as one
  std::vector<float> leaving_;  ///< states on their way out of a group
  std::vector<float> normed_;
  std::vector<float> logits_;
};

}  // namespace gyre
