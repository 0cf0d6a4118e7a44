#include "format/safetensors.hpp"
#include "format/tensor_store.hpp"
#include "fuzz/targets.hpp"

namespace gyre::fuzz {
namespace {

/// A file with the tensor a.
constexpr std::string_view kShard(
    "\x38\0\0\0\0\0\0\0"
    R"({"a":{"dtype":"F16","shape":[1],"data_offsets":[0,2]}}  )"
    "ab",
    66);

void read_file(Bytes input) {
  const InputFolder folder;
  const Safetensors file(folder.add("model.safetensors", text_of(input)));
  read_tensors(file.tensors(), file.file_bytes());
  for (const auto& entry : file.unsupported()) {
    attempt([&] {
      static_cast<void>(file.at(entry.first));
      require(false, "a tensor of another type is not handed out");
    });
  }
}

void read_index(Bytes input) {
  const InputFolder folder;
  folder.add("model.safetensors.index.json", text_of(input));
  folder.add("model-1.safetensors", kShard);
  const TensorStore store = TensorStore::open(folder.path());
  require(store.tensors().size() == 1 && store.has("a"), "a store holds what its files hold");
}

}  // namespace

void safetensors(Bytes input) {
  attempt([&] { text_of(input).starts_with('{') ? read_index(input) : read_file(input); });
}

}  // namespace gyre::fuzz
