#pragma once

#include <stdlib.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <system_error>

#include "model/spec.hpp"

namespace gyre {

/// A new folder that is removed with the object; no two processes get the same one.
class Scratch {
 public:
  Scratch() {
    std::string name = (std::filesystem::temp_directory_path() / "gyre-train-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::system_error(errno, std::generic_category(), name);
    path_ = name;
  }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

/// A small model of a plain group and a looped one.
inline ModelSpec small_spec() {
  ModelSpec spec;
  spec.name = "small";
  spec.vocab_size = 11;
  spec.context = 16;
  spec.hidden_size = 12;
  spec.heads = 2;
  spec.kv_heads = 1;
  spec.head_size = 6;
  spec.ffn_size = 13;
  spec.groups = {{"prelude", 1, 1, Injection::none, FirstState::carried, 1.0F},
                 {"loop", 1, 3, Injection::none, FirstState::carried, 1.0F}};
  return spec;
}

}  // namespace gyre
