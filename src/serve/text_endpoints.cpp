#include <algorithm>
#include <memory>

#include "serve/endpoints.hpp"
#include "serve/http_server.hpp"
#include "serve/ids.hpp"
#include "serve/native_answer.hpp"
#include "serve/responses_answer.hpp"
#include "serve/text_answer.hpp"

namespace gyre::serve {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

/// How often somebody who waits for the engine looks whether the client is still there.
constexpr milliseconds kLookAtClient{25};
/// A stream without news says so much, or somebody on the way closes it.
constexpr std::chrono::seconds kPing{15};

/// A request whose texts are being written. When it goes before they are all there, they are cancelled.
class Pending {
 public:
  /// `make` makes the form of its answer.
  template <typename Make>
  Pending(const Service& service, TextRequest request, const Make& make)
      : service_(service),
        request_(std::move(request)),
        answer_(make(request_, service.models[request_.generation.model])),
        end_(Clock::now() + service.timeout),
        ticket_(service.engine.submit(request_.generation)) {}
  ~Pending() {
    if (!answer_->complete()) service_.engine.cancel(*ticket_);
  }
  Pending(const Pending&) = delete;
  Pending& operator=(const Pending&) = delete;

  [[nodiscard]] bool streams() const { return request_.stream; }
  [[nodiscard]] Answer& answer() { return *answer_; }

  /// The next event; nothing when there is none yet. Throws ApiError when the request failed or had its time.
  std::optional<ChoiceEvent> wait(milliseconds patience) {
    std::optional<ChoiceEvent> event = ticket_->wait(patience);
    if (event || Clock::now() < end_) return event;
    throw ApiError(504, "timeout_error",
                   fmt::format("the request took more than {} s, which is all it may; ask for fewer tokens",
                               service_.timeout.count()));
  }

 private:
  const Service& service_;
  TextRequest request_;
  std::unique_ptr<Answer> answer_;
  Clock::time_point end_;
  std::shared_ptr<Ticket> ticket_;
};

void append_data(std::string& text, const Json& json, const Answer& answer) {
  if (answer.names_events()) text += fmt::format("event: {}\n", json.at("type").get<std::string>());
  text += fmt::format("data: {}\n\n", dump(json));
}

/// Everything that is there, once there is something; empty when nothing came within `patience`.
std::string news(Pending& pending, milliseconds patience) {
  std::string text;
  for (auto event = pending.wait(patience); event; event = pending.wait(milliseconds(0))) {
    for (const Json& chunk : pending.answer().chunks(*event)) append_data(text, chunk, pending.answer());
    if (pending.answer().complete()) break;
  }
  return text;
}

/// False when the client is gone.
bool send_stream(Pending& pending, const httplib::DataSink& sink, const std::function<bool()>& client_is_there) {
  const auto send = [&](const std::string& text) { return text.empty() || sink.write(text.data(), text.size()); };
  std::string text;
  for (const Json& chunk : pending.answer().opening()) append_data(text, chunk, pending.answer());
  Clock::time_point last = Clock::now();
  try {
    while (!pending.answer().complete()) {
      if (!send(text)) return false;
      if (!text.empty()) last = Clock::now();
      text = news(pending, kLookAtClient);
      if (!text.empty()) continue;
      if (!client_is_there()) return false;
      if (Clock::now() - last > kPing) text = ": ping\n\n";
    }
    for (const std::string& line : pending.answer().closing()) text += fmt::format("data: {}\n\n", line);
  } catch (const ApiError& error) {
    append_data(text, pending.answer().failure(error), pending.answer());
  }
  return send(text);
}

void stream(const std::shared_ptr<Pending>& pending, Exchange& exchange) {
  httplib::Response& response = exchange.response;
  response.set_header("Cache-Control", "no-cache");
  response.set_header("X-Accel-Buffering", "no");  // nginx would collect it
  const auto is_there = [&request = exchange.request] { return client_is_there(request); };
  const auto provide = [pending, is_there](std::size_t /*offset*/, httplib::DataSink& sink) {
    if (!send_stream(*pending, sink, is_there)) return false;
    sink.done();
    return true;
  };
  if (exchange.request.version == "HTTP/1.0") {  // knows no chunks
    leave_unread(exchange.request, response);
    response.set_content_provider("text/event-stream", provide);
  } else {
    response.set_chunked_content_provider("text/event-stream", provide);
  }
}

void answer_whole(Pending& pending, Exchange& exchange) {
  Clock::time_point look = Clock::now() + kLookAtClient;
  while (!pending.answer().complete()) {
    if (const std::optional<ChoiceEvent> event = pending.wait(kLookAtClient)) pending.answer().collect(*event);
    if (Clock::now() < look) continue;
    look = Clock::now() + kLookAtClient;
    if (!client_is_there(exchange.request)) {
      exchange.response.status = 499;  // nobody sees it
      return;
    }
  }
  send_json(exchange.response, pending.answer().whole());
}

/// Places are shared out among keys, or where nobody brings one among addresses.
std::string client_of(const httplib::Request& request) {
  const std::string key = request.get_header_value("Authorization");
  return key.empty() ? request.remote_addr : key;
}

template <typename Make>
void answer(const Service& service, Exchange& exchange, TextRequest request, const Make& make) {
  request.generation.client = client_of(exchange.request);
  const auto pending = std::make_shared<Pending>(service, std::move(request), make);
  if (pending->streams()) {
    stream(pending, exchange);
  } else {
    answer_whole(*pending, exchange);
  }
}

auto form_of(TextAnswer::Form form, std::string_view prefix) {
  return [form, prefix](const TextRequest& request, const ServedModel& model) {
    return std::make_unique<TextAnswer>(request, model, form, new_id(prefix), seconds_since_1970());
  };
}

}  // namespace

void complete(const Service& service, Exchange& exchange) {
  answer(service, exchange, read_completion_request(exchange.body, service.models, service.formats),
         form_of(TextAnswer::Form::completion, "cmpl-"));
}

void complete_chat(const Service& service, Exchange& exchange) {
  answer(service, exchange, read_chat_request(exchange.body, service.models, service.formats),
         form_of(TextAnswer::Form::chat, "chatcmpl-"));
}

void respond(const Service& service, Exchange& exchange) {
  answer(service, exchange, read_responses_request(exchange.body, service.models, service.formats),
         [&](const TextRequest& request, const ServedModel& model) {
           return std::make_unique<ResponsesAnswer>(request, model, exchange.body, new_id("resp_"),
                                                    seconds_since_1970());
         });
}

void complete_natively(const Service& service, Exchange& exchange) {
  answer(service, exchange, read_native_request(exchange.body, service.models, service.formats),
         [](const TextRequest& request, const ServedModel& model) {
           return std::make_unique<NativeAnswer>(request, model);
         });
}

}  // namespace gyre::serve
