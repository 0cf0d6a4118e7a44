#pragma once

#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "engine/diffuse.hpp"
#include "engine/generate.hpp"
#include "engine/prefix_cache.hpp"
#include "engine/scheduler.hpp"
#include "gyre/gyre.hpp"
#include "model/checkpoint.hpp"

namespace gyre::api {

// What the classes of gyre/gyre.hpp are made of.

/// An option as its user knows it: "kv_type", or "--kv-type".
std::string name_of(OptionNames names, std::string field);

struct Model::State {
  Checkpoint checkpoint;
  OptionNames names = OptionNames::fields;
  struct Digest {
    std::once_flag once;
    std::string text;
  };
  std::shared_ptr<Digest> known = std::make_shared<Digest>();

  /// Made when it is first wanted, and once.
  [[nodiscard]] const std::string& digest() const {
    std::call_once(known->once, [this] { known->text = checkpoint.model.hash(); });
    return known->text;
  }

  [[nodiscard]] const ModelSpec& spec() const { return checkpoint.model.spec(); }
  [[nodiscard]] std::string named(const char* field) const { return name_of(names, field); }
};

struct Sequence::State {
  gyre::Sequence sequence;
  std::shared_ptr<const Model::State> model;
  ExitChoice choice;
  ExitProgram rule;  ///< in place of `choice`, if it makes anything
  std::optional<BoundedExit> exit;
  std::optional<Diffusion> diffusion;

  [[nodiscard]] ExitContext context() const { return {model->spec(), sequence.cache.loops(), {}}; }
  [[nodiscard]] bool has_exit() const { return rule.make || !choice.text.empty(); }
  /// Another exit of the same kind.
  [[nodiscard]] BoundedExit make_exit() const;
  /// As results name it.
  [[nodiscard]] std::string exit_name() const;
};

struct Writing::State {
  std::vector<BoundedExit> prompt_exits;
  TextWriter writer;
};

/// A hook as the engine knows it, or nothing of an empty one.
TraceSink sink_of(Hook hook);

/// A rule that a program wrote, as the engine asks it. Throws Error when it reads what there is not in a model.
BoundedExit exit_of(const ExitProgram& program, const ModelSpec& spec);

struct Runner::State {
  std::shared_ptr<const Model::State> model;
  std::function<bool()> stop_when;
  Engine engine;
  Scheduler scheduler;
  struct Submitted {
    Sequence* handle;
    std::shared_ptr<Sequence::State> state;
    TraceSink trace;
    std::vector<std::int32_t> beginning = {};  ///< the whole text, if it is to be kept
  };
  std::map<const gyre::Sequence*, Submitted> submitted;
  std::unique_ptr<PrefixCache> prefixes;  ///< null: beginnings are not kept

  State(std::shared_ptr<const Model::State> opened, int threads, const RunnerOptions& options);

  /// Goes on from what is known of a fresh text; returns what is left of its tokens.
  std::vector<std::int32_t> behind_known(gyre::Sequence& sequence, std::vector<std::int32_t> tokens) const;
  void require_own(const Sequence::State& sequence) const;
};

}  // namespace gyre::api
