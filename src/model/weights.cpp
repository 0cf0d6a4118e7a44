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
constexpr HeldType kHeld[] = {
    {"f32", WeightType::f32, DType::f32},           {"bf16", WeightType::bf16, DType::bf16},
    {"q8_0", WeightType::q8_0, DType::q8_0},        {"q4_0", WeightType::q4_0, DType::q4_0},
    {"ternary", WeightType::ternary, DType::tq2_0}, {"q4_1", WeightType::q4_1, DType::q4_1},
    {"q4_k", WeightType::q4_k, DType::q4_k},        {"q5_k", WeightType::q5_k, DType::q5_k},
    {"q6_k", WeightType::q6_k, DType::q6_k},        {"q5_0", WeightType::q5_0, DType::q5_0},
    {"q5_1", WeightType::q5_1, DType::q5_1},        {"iq4_nl", WeightType::iq4_nl, DType::iq4_nl},
};
static_assert(std::size(kHeld) == std::size(kWeightLayouts));

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

/// The rows of each type in turn, of neighbours of one type together; nothing where a part has a type without kernel.
std::vector<HeldRows> stored_rows(std::span<const TensorView> parts) {
  std::vector<HeldRows> held;
  std::size_t row = 0;
  for (const TensorView& part : parts) {
    const std::optional<WeightType> type = weight_type_of(part.dtype);
    if (!type) return {};
    const std::size_t end = row + part.rows();
    if (!held.empty() && held.back().type == *type) {
      held.back().rows.end = end;
    } else {
      held.push_back({{row, end}, *type});
    }
    row = end;
  }
  return held;
}

/// Whether kernels multiply such rows together: they read the same activations, and a panel is of one type.
bool go_together(std::span<const HeldRows> held) {
  return held.size() == 1 || std::all_of(held.begin(), held.end(), [](const HeldRows& part) {
           return is_coded(part.type) && part.rows.begin % kPanelRows == 0;
         });
}

/// The bytes of every row as files store it, in the types it is held in; `made` holds those that had to be made.
std::vector<const std::byte*> bytes_of_rows(const TensorSource& source, const std::string& name,
                                            std::span<const HeldRows> held_as, std::vector<std::byte>& made) {
  const std::size_t columns = columns_of(source, name);
  std::vector<const std::byte*> rows;
  const auto add = [&](std::span<const std::byte> bytes, WeightType type) {
    const std::size_t row_bytes = stored_row_bytes(type, columns);
    for (std::size_t at = 0; at < bytes.size(); at += row_bytes) rows.push_back(bytes.data() + at);
  };
  const auto parts = source.stored(name);
  const bool as_stored = parts && std::all_of(parts->begin(), parts->end(), [&](const TensorView& part) {
                           return held_as.size() > 1 || weight_type_of(part.dtype) == held_as.front().type;
                         });
  if (as_stored) {
    source.require_finite(name);
    for (const TensorView& part : *parts) {
      if (const std::optional<WeightType> type = weight_type_of(part.dtype)) add(part.bytes, *type);
    }
    return rows;
  }
  const WeightType type = held_as.front().type;
  made = encode(source.floats(name), held(type).stored);
  add(made, type);
  return rows;
}

/// Packs rows of one type, given by where each lies. What was read of the file is let go on the way: a table of
/// embeddings is not to be in memory twice.
PackedMatrix pack_rows(const TensorSource& source, std::span<const std::byte* const> rows, WeightType type,
                       std::size_t columns, WeightMemory& memory) {
  std::byte* const data = memory.allocate(packed_bytes(type, rows.size(), columns));
  const PackedMatrix matrix{type, rows.size(), columns, data};
  for (std::size_t p = 0; p < matrix.panels(); ++p) {
    std::array<const std::byte*, kPanelRows> panel{};
    const std::size_t first = p * kPanelRows;
    for (std::size_t r = 0; r < kPanelRows && first + r < rows.size(); ++r) panel[r] = rows[first + r];
    const std::size_t size = panel_bytes(type, columns);
    pack_panel(type, panel, columns, data + p * size);
    if ((p + 1) * size / kPiece > p * size / kPiece) source.release();
  }
  return matrix;
}

}  // namespace

WeightType parse_weight_type(const std::string& text, const std::string& flag) {
  std::vector<EnumName<WeightType>> names;
  for (const HeldType& row : kHeld) {
    if (storage_type(row.stored).is_written()) names.push_back({row.type, row.name});
  }
  return parse_enum<WeightType>(names, text, flag, "type of weights");
}

std::string weight_type_names() {
  std::string names;
  for (const HeldType& row : kHeld) {
    if (storage_type(row.stored).is_written()) names += (names.empty() ? "" : ", ") + std::string(row.name);
  }
  return names;
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

std::vector<HeldRows> held_rows(const TensorSource& source, const std::string& name, std::optional<WeightType> wanted) {
  const std::vector<HeldRows> widened = {{{0, static_cast<std::size_t>(source.shape(name).front())}, WeightType::f32}};
  std::vector<HeldRows> held_as;
  if (wanted) {
    held_as = {{widened.front().rows, *wanted}};
  } else if (const auto parts = source.stored(name)) {
    held_as = stored_rows(*parts);
  }
  const std::size_t columns = columns_of(source, name);
  const bool whole_blocks = std::all_of(held_as.begin(), held_as.end(), [&](const HeldRows& part) {
    return columns % block_size(held(part.type).stored) == 0;
  });
  return held_as.empty() || !whole_blocks || !go_together(held_as) ? widened : held_as;
}

PackedMatrix pack_matrix(const TensorSource& source, const std::string& name, RowRange range,
                         std::span<const HeldRows> held, WeightMemory& memory) {
  std::vector<std::byte> made;
  const std::vector<const std::byte*> rows = bytes_of_rows(source, name, held, made);
  source.release();  // all of it was read to see that it is finite
  const std::size_t columns = columns_of(source, name);
  std::vector<PackedMatrix> parts;
  for (const HeldRows& part : held) {
    const std::size_t begin = std::max(range.begin, part.rows.begin);
    const std::size_t end = std::min(range.end, part.rows.end);
    if (begin >= end) continue;
    if ((begin - range.begin) % kPanelRows != 0) {
      throw Error("{}: rows {} to {} of tensor {} change their type within a panel of {} rows; load it with --weights",
                  source.store().where(), range.begin, range.end, name, kPanelRows);
    }
    parts.push_back(pack_rows(source, std::span(rows).subspan(begin, end - begin), part.type, columns, memory));
  }
  if (parts.size() == 1) return parts.front();
  PackedMatrix matrix{parts.front().type, range.end - range.begin, columns, parts.front().data};
  const std::span<const PackedMatrix> kept = memory.keep(std::move(parts));
  matrix.parts = kept.data();
  matrix.part_count = kept.size();
  return matrix;
}

}  // namespace gyre
