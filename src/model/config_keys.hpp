#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace gyre {

/// No size in a config.json is larger; what fits together is validate()'s to say.
inline constexpr int kMostSize = 1 << 24;

/// A key that changes what a model computes, where gyre has no switch for it: taken at the values that ask for what
/// gyre does, refused at others. Null stands for a key that is not there.
struct FixedKey {
  std::string_view key;
  std::string_view values;     ///< a JSON list: "[false]"; "[]" takes null alone
  std::string_view mend = {};  ///< what to do instead, for the message
};

/// Another name of a key that is read: where both are given they have to agree.
struct SecondName {
  std::string_view key;
  std::string_view first;
};

/// What is known of the keys of a published config.json. Any other key is refused by name: it may change what the model
/// computes.
struct ConfigKeys {
  std::vector<std::string_view> used;      ///< read by the family
  std::vector<std::string_view> harmless;  ///< change nothing when a model runs: notes, training, sampling
  std::vector<FixedKey> fixed;
  std::vector<SecondName> second_names;
};

/// The keys of both.
ConfigKeys operator+(ConfigKeys keys, const ConfigKeys& more);

/// Keys that files of any family carry: what transformers writes beside the model itself. Keys that begin with an
/// underscore or name a dropout change nothing either.
const ConfigKeys& common_keys();

/// Throws Error naming the first key that is neither among `keys` nor among the common ones, unless it is null and so
/// asks for nothing, or that has a value gyre does not do.
void require_known_keys(const nlohmann::json& config, const ConfigKeys& keys, std::string_view family,
                        const std::string& where);

}  // namespace gyre
