#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace gyre {

/// How keys and values are kept.
enum class KvType {
  f32,
  bf16,
  q8_0,  ///< signed bytes, every run of kKvRun of a row with a scale of its own
};

/// Throws Error naming `flag`.
KvType parse_kv_type(const std::string& text, const std::string& flag);
/// "f32", "bf16", "q8_0".
std::string_view name_of(KvType type);

/// Numbers of a row that share a scale.
inline constexpr std::size_t kKvRun = 32;

/// Bytes of the signed bytes of a q8_0 row; its scales (floats) stand behind them.
constexpr std::size_t kv_code_bytes(std::size_t head_size) { return (head_size + 3) / 4 * 4; }

/// Bytes of one row: the key or the value of one head at one position. A multiple of 4.
constexpr std::size_t kv_row_bytes(KvType type, std::size_t head_size) {
  switch (type) {
    case KvType::f32:
      return 4 * head_size;
    case KvType::bf16:
      return (2 * head_size + 3) / 4 * 4;
    case KvType::q8_0:
      return kv_code_bytes(head_size) + (head_size + kKvRun - 1) / kKvRun * sizeof(float);
  }
  return 0;
}

/// Keys and values are kept in pages of so many entries.
inline constexpr std::size_t kKvPage = 16;

/// Bytes of the keys, or of the values, of one head in a page.
constexpr std::size_t kv_page_bytes(KvType type, std::size_t head_size) {
  return kKvPage * kv_row_bytes(type, head_size);
}

/// Rounds one row, a value, into the kv_row_bytes() bytes at `row`.
void write_kv_row(KvType type, std::span<const float> numbers, std::byte* row);
/// And back.
void read_kv_row(KvType type, const std::byte* row, std::span<float> numbers);

// The keys of a page lie number by number, number i of all its keys side by side (behind them, in q8_0, the scales of
// each run likewise), so that a register holds as many keys as it has lanes and every score is summed in the order of
// its numbers, however many queries there are.

/// Rounds a key into its `place` among the keys of a page.
void write_kv_key(KvType type, std::span<const float> numbers, std::byte* keys, std::size_t place);
/// And back.
void read_kv_key(KvType type, const std::byte* keys, std::size_t place, std::span<float> numbers);
/// A key of one page into the same place of another.
void copy_kv_key(KvType type, std::size_t head_size, const std::byte* from, std::byte* to, std::size_t place);

/// What attention reads of one head: pages of kKvPage entries, in each of which the head's keys and values (rows of
/// kv_row_bytes()) lie at the same place.
struct KvPages {
  KvType type = KvType::f32;
  const std::byte* const* pages = nullptr;
  std::size_t keys = 0;    ///< bytes from the beginning of a page
  std::size_t values = 0;  ///< likewise
  std::size_t window = 0;  ///< the last positions that a query sees; 0: all
  std::size_t growth = 1;  ///< positions that each further query sees more; 0: all see the same ones, of no window

  /// The first position that a query sees which sees none behind `count`.
  [[nodiscard]] std::size_t first_seen(std::size_t count) const {
    return window == 0 || count <= window ? 0 : count - window;
  }
  /// Without the pages that such a query, and any behind it, does not see; `count` becomes that of the rest.
  [[nodiscard]] KvPages from_first_seen(std::size_t& count) const {
    KvPages rest = *this;
    const std::size_t left_out = first_seen(count) / kKvPage;
    rest.pages += left_out;
    count -= left_out * kKvPage;
    return rest;
  }

  [[nodiscard]] const std::byte* keys_of(std::size_t page) const { return pages[page] + keys; }
  [[nodiscard]] const std::byte* value(std::size_t entry, std::size_t row_bytes) const {
    return pages[entry / kKvPage] + values + entry % kKvPage * row_bytes;
  }
};

}  // namespace gyre
