#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/merges.hpp"

namespace gyre {

/// A vocabulary grown by byte-pair training: pieces by id, and the merges that made those beyond the alphabet.
struct TrainedMerges {
  std::vector<std::string> pieces;
  std::vector<Merge> merges;
};

/// Learns merges from `words` (a text cut into words, in any order, with repeats). Starts from the 256 single bytes in
/// `alphabet` order and joins the most frequent pair, of equals that of the lowest ids, until there are `vocab_size`
/// pieces or no pair is left.
TrainedMerges train_merges(std::span<const std::string_view> words, std::span<const std::uint8_t> alphabet,
                           std::size_t vocab_size);

}  // namespace gyre
