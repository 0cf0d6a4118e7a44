#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gyre::raman {

/// What stays together in a cross-validation.
enum class Protocol {
  spectra,   ///< nothing: spectra of one specimen stand on both sides, which leaks
  specimen,  ///< the spectra of one RRUFF id
  mineral,   ///< the spectra of one mineral
};

std::string_view name_of(Protocol protocol);
/// Throws Error, naming `what`, for another name.
Protocol parse_protocol(std::string_view name, std::string_view what);

/// Fold 0 … folds - 1 of each item. Items of the same group share a fold; an empty group name stands for the item
/// alone. Groups are shuffled by `seed` and dealt, large ones first, to the fold that has the fewest items. Throws
/// Error when there are fewer groups than folds.
std::vector<int> assign_folds(std::span<const std::string> groups, int folds, std::uint64_t seed);

/// The specimen that an RRUFF id names: "R060490_a" and "R060490" are pieces of one, and "R060490-1" is a chemical
/// analysis of it, by which infrared files go.
std::string specimen_of(std::string_view rruff_id);

}  // namespace gyre::raman
