#pragma once

#include <chrono>
#include <cstddef>
#include <string>

namespace gyre::serve {

/// How long a client may take.
struct Patience {
  std::chrono::seconds request{30};  ///< to send the whole of a request, once it has begun
  std::chrono::seconds idle{60};     ///< between two requests
  std::chrono::seconds write{30};    ///< to take some of what it is sent
};

struct HttpOptions {
  std::string host = "127.0.0.1";
  int port = 8080;                   ///< 0: any that is free
  std::size_t most_body = 32 << 20;  ///< bytes
  std::size_t connections = 512;     ///< at a time; others wait to be taken
  Patience patience = {};
};

}  // namespace gyre::serve
