#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "serve/access.hpp"
#include "serve/engine_thread.hpp"
#include "serve/http_options.hpp"
#include "serve/served_model.hpp"

namespace gyre::serve {

/// Hears of what went wrong within.
using Log = std::function<void(std::string_view)>;

struct ServerOptions {
  HttpOptions http = {};
  EngineOptions engine = {};
  ApiKeys keys = {};
  Origins origins = {};
  std::chrono::seconds timeout{600};  ///< a request takes at most so long
  Log log = {};
  std::chrono::seconds drain{30};  ///< what is under way may take so long once the server goes down
};

/// Models behind an HTTP server that speaks OpenAI's API and some of llama.cpp's.
class Server {
 public:
  Server(std::vector<ServedModel> models, ServerOptions options);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Throws Error when it cannot listen. Clients are served until finish().
  void start();
  [[nodiscard]] int port() const;
  /// Takes nothing new, and returns when what is under way has been answered, or had its time.
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace gyre::serve
