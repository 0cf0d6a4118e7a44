#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "engine/token_mask.hpp"

namespace gyre::serve {

/// Formats that requests asked for lately, with what was worked out for them: most ask for one again and again. The
/// engine's thread alone asks the masks themselves.
class FormatCache {
 public:
  /// That of `key`, which says all that it depends on, or what `make` makes.
  template <typename Make>
  std::shared_ptr<TokenMask> get(const std::string& key, const Make& make) {
    {
      const std::lock_guard lock(mutex_);
      for (auto at = known_.begin(); at != known_.end(); ++at) {
        if (at->first != key) continue;
        known_.splice(known_.begin(), known_, at);
        return at->second;
      }
    }
    std::shared_ptr<TokenMask> made = make();
    const std::lock_guard lock(mutex_);
    known_.emplace_front(key, made);
    if (known_.size() > kMost) known_.pop_back();
    return made;
  }

 private:
  static constexpr std::size_t kMost = 16;

  std::mutex mutex_;
  std::list<std::pair<std::string, std::shared_ptr<TokenMask>>> known_;
};

}  // namespace gyre::serve
