#pragma once

#include <string>

#include "base/error.hpp"

namespace gyre {

/// What `make` gives. The mistakes it finds lead with `where`, which it does not know.
template <typename Make>
auto at_place(const std::string& where, const Make& make) {
  try {
    return make();
  } catch (const Error& failure) {
    throw Error("{}: {}", where, failure.what());
  }
}

}  // namespace gyre
