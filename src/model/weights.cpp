#include "model/weights.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <new>

#include "base/enum_name.hpp"
#include "base/error.hpp"
#include "format/block_formats.hpp"
#include "format/storage_types.hpp"

namespace gyre {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::size_t kPiece = 8 * kHugePage;

/// Types of weights, by name and by how files store them.
struct HeldType {
  std::string_view name;
  WeightType type;
  DType stored;
};
constexpr HeldType kHeld[] = {{"f32", WeightType::f32, DType::f32},           {"bf16", WeightType::bf16, DType::bf16},
                              {"q8_0", WeightType::q8_0, DType::q8_0},        {"q4_0", WeightType::q4_0, DType::q4_0},
                              {"ternary", WeightType::ternary, DType::tq2_0}, {"q4_1", WeightType::q4_1, DType::q4_1}};

const HeldType& held(WeightType type) {
  return *std::find_if(std::begin(kHeld), std::end(kHeld), [&](const HeldType& row) { return row.type == type; });
}

/// Nothing: the kernels do not multiply by numbers stored so.
std::optional<WeightType> weight_type_of(DType dtype) {
  for (const HeldType& row : kHeld) {
    if (row.stored == dtype) return row.type;
  }
  return {};
}

std::size_t columns_of(const TensorSource& source, const std::string& name) {
  return static_cast<std::size_t>(source.shape(name).back());
}

/// The type that all parts are stored in, where they can be packed as they are.
std::optional<WeightType> common_type(std::span<const TensorView> parts) {
  const DType first = parts.front().dtype;
  const bool same =
      std::all_of(parts.begin(), parts.end(), [&](const TensorView& part) { return part.dtype == first; });
  return same ? weight_type_of(first) : std::nullopt;
}

/// The bytes of every row as files store it, in `type`; `made` holds those that had to be made.
std::vector<const std::byte*> rows_of(const TensorSource& source, const std::string& name, WeightType type,
                                      std::vector<std::byte>& made) {
  const std::size_t row_bytes = stored_row_bytes(type, columns_of(source, name));
  std::vector<const std::byte*> rows;
  const auto add = [&](std::span<const std::byte> bytes) {
    for (std::size_t at = 0; at < bytes.size(); at += row_bytes) rows.push_back(bytes.data() + at);
  };
  const auto parts = source.stored(name);
  if (parts && common_type(*parts) == type) {
    source.require_finite(name);
    for (const TensorView& part : *parts) add(part.bytes);
    return rows;
  }
  made = encode(source.floats(name), held(type).stored);
  add(made);
  return rows;
}

}  // namespace

WeightType parse_weight_type(const std::string& text, const std::string& flag) {
  std::vector<EnumName<WeightType>> names;
  for (const HeldType& row : kHeld) {
    if (storage_type(row.stored).is_written()) names.push_back({row.type, row.name});
  }
  return parse_enum<WeightType>(names, text, flag, "type of weights");
}

std::string_view name_of(WeightType type) { return held(type).name; }

void WeightMemory::Unmap::operator()(std::byte* memory) const { munmap(memory, size); }

std::byte* WeightMemory::allocate(std::size_t bytes) {
  bytes = (bytes + 63) / 64 * 64;
  if (bytes > left_ || pieces_.empty()) {
    const std::size_t size = (std::max(bytes, kPiece) + kHugePage - 1) / kHugePage * kHugePage;
    // One huge page more than needed, so that the piece can begin on the border of one.
    void* const memory = mmap(nullptr, size + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    pieces_.emplace_back(static_cast<std::byte*>(memory), Unmap{size + kHugePage});
    const auto address = reinterpret_cast<std::uintptr_t>(memory);
    free_ = pieces_.back().get() + (kHugePage - address % kHugePage) % kHugePage;
    left_ = size;
    madvise(free_, size, MADV_HUGEPAGE);
    spans_.emplace_back(free_, 0);
  }
  std::byte* const given = free_;
  free_ += bytes;
  left_ -= bytes;
  spans_.back() = {spans_.back().data(), spans_.back().size() + bytes};
  allocated_ += bytes;
  return given;
}

WeightType held_type(const TensorSource& source, const std::string& name, std::optional<WeightType> wanted) {
  std::optional<WeightType> type = wanted;
  if (const auto parts = source.stored(name); !type && parts) type = common_type(*parts);
  if (!type) return WeightType::f32;
  return columns_of(source, name) % block_size(held(*type).stored) == 0 ? *type : WeightType::f32;
}

PackedMatrix pack_matrix(const TensorSource& source, const std::string& name, RowRange range, WeightType type,
                         WeightMemory& memory) {
  std::vector<std::byte> made;
  const std::vector<const std::byte*> all = rows_of(source, name, type, made);
  const std::span<const std::byte* const> rows = std::span(all).subspan(range.begin, range.end - range.begin);
  const std::size_t columns = columns_of(source, name);
  std::byte* const data = memory.allocate(packed_bytes(type, rows.size(), columns));
  const PackedMatrix matrix{type, rows.size(), columns, data};
  for (std::size_t p = 0; p < matrix.panels(); ++p) {
    std::array<const std::byte*, kPanelRows> panel{};
    const std::size_t first = p * kPanelRows;
    for (std::size_t r = 0; r < kPanelRows && first + r < rows.size(); ++r) panel[r] = rows[first + r];
    pack_panel(type, panel, columns, data + p * panel_bytes(type, columns));
  }
  return matrix;
}

}  // namespace gyre
