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

/// Rounds one row into the kv_row_bytes() bytes at `row`.
void write_kv_row(KvType type, std::span<const float> numbers, std::byte* row);
/// And back.
void read_kv_row(KvType type, const std::byte* row, std::span<float> numbers);

/// What attention reads of one head: rows of kv_row_bytes(), one after the other.
struct KvRows {
  KvType type = KvType::f32;
  const std::byte* keys = nullptr;
  const std::byte* values = nullptr;
};

}  // namespace gyre
