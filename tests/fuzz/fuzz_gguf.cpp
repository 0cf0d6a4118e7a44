#include <limits>

#include "format/gguf.hpp"
#include "fuzz/model_weights.hpp"
#include "fuzz/targets.hpp"

namespace gyre::fuzz {
namespace {

/// Asks for the value as everything it may be; all but one refuse.
void read_value(const Gguf& file, const std::string& key) {
  constexpr auto kLeast = std::numeric_limits<std::int64_t>::min();
  constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
  attempt([&] { static_cast<void>(file.text(key)); });
  attempt([&] { static_cast<void>(file.integer(key, kLeast, kMost)); });
  attempt([&] { static_cast<void>(file.number(key, -1e300, 1e300)); });
  attempt([&] { static_cast<void>(file.boolean(key)); });
  attempt([&] { static_cast<void>(file.strings(key)); });
  attempt([&] { static_cast<void>(file.numbers(key)); });
}

}  // namespace

void gguf(Bytes input) {
  const InputFolder folder;
  const std::filesystem::path path = folder.add("model.gguf", text_of(input));
  attempt([&] {
    const Gguf file(path);
    for (const std::string& key : file.keys()) read_value(file, key);
    read_tensors(file.tensors(), file.file_bytes().front());
  });
  attempt([&] { read_weights(Model::load(path)); });
}

}  // namespace gyre::fuzz
