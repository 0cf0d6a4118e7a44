#include "hub/http.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <exception>
#include <utility>

#include "base/error.hpp"
#include "hub/paths.hpp"

namespace gyre {
namespace {

constexpr int kMostRedirects = 10;
constexpr long kConnectSeconds = 30;
constexpr long kStalledSeconds = 60;
constexpr long kBufferBytes = 256L * 1024;
/// Bodies of redirects and errors are read so that the connection can be kept, up to this size.
constexpr std::size_t kMostDropped = std::size_t{64} * 1024;

struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using HeaderList = std::unique_ptr<curl_slist, FreeList>;

void append(HeaderList& list, const std::string& header) {
  curl_slist* longer = curl_slist_append(list.get(), header.c_str());
  if (longer == nullptr) throw std::bad_alloc();
  if (longer != list.get()) list.reset(longer);  // the first of the list, and so the same from the second on
}

std::string header_of(CURL* handle, const char* name) {
  curl_header* header = nullptr;
  return curl_easy_header(handle, name, 0, CURLH_HEADER, -1, &header) == CURLHE_OK ? header->value : std::string();
}

HttpAnswer answer_of(CURL* handle, const Url& url) {
  HttpAnswer answer;
  answer.url = url;
  long status = 0;
  curl_off_t length = -1;
  curl_off_t wait = 0;
  curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo(handle, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
  curl_easy_getinfo(handle, CURLINFO_RETRY_AFTER, &wait);
  answer.status = static_cast<int>(status);
  answer.content_length = length;
  answer.retry_after = std::chrono::seconds(std::max<curl_off_t>(wait, 0));
  answer.etag = header_of(handle, "ETag");
  answer.content_range = header_of(handle, "Content-Range");
  answer.link = header_of(handle, "Link");
  answer.location = header_of(handle, "Location");
  answer.error_code = header_of(handle, "X-Error-Code");
  return answer;
}

/// One request under way. curl is C: exceptions are kept until it has returned.
struct Transfer {
  CURL* handle;
  const Url& url;
  const BodyHandler& body;
  HttpAnswer answer;
  bool begun = false;
  std::size_t dropped = 0;
  std::exception_ptr failure;

  void begin() {
    if (std::exchange(begun, true)) return;
    answer = answer_of(handle, url);
    if (answer.success()) body.begin(answer);
  }

  bool take(std::span<const std::byte> bytes) {
    begin();
    if (answer.success()) {
      body.write(bytes);
      return true;
    }
    dropped += bytes.size();
    return dropped <= kMostDropped;
  }
};

std::size_t receive(char* data, std::size_t /*one*/, std::size_t count, void* context) {
  auto& transfer = *static_cast<Transfer*>(context);
  const std::size_t refused = count == 0 ? 1 : 0;
  try {
    return transfer.take(std::as_bytes(std::span(data, count))) ? count : refused;
  } catch (...) {
    transfer.failure = std::current_exception();
    return refused;
  }
}

int stop_when_requested(void* stop, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<const Stop*>(stop)->requested() ? 1 : 0;
}

}  // namespace

struct HttpClient::Connection {
  Connection() : handle(curl_easy_init()) {
    if (handle == nullptr) throw Error("libcurl cannot be started");
  }
  ~Connection() { curl_easy_cleanup(handle); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  CURL* handle;
};

HttpClient::HttpClient(Url endpoint, std::string token, Stop stop)
    : endpoint_(std::move(endpoint)),
      token_(std::move(token)),
      stop_(stop),
      connection_(std::make_unique<Connection>()) {}

HttpClient::~HttpClient() = default;

HttpAnswer HttpClient::get(const Url& url, const std::vector<std::string>& headers, const BodyHandler& body) {
  Url here = url;
  for (int hop = 0; hop <= kMostRedirects; ++hop) {
    HttpAnswer answer = get_once(here, headers, body);
    constexpr std::array kRedirects = {301, 302, 303, 307, 308};
    const bool redirect = std::find(kRedirects.begin(), kRedirects.end(), answer.status) != kRedirects.end();
    if (!redirect || answer.location.empty()) return answer;
    here = resolve_url(here, answer.location, fmt::format("a redirect by {}", here.host));
  }
  throw Error("{}: more than {} redirects; check HF_ENDPOINT", url.host, kMostRedirects);
}

HttpAnswer HttpClient::get_once(const Url& url, const std::vector<std::string>& headers, const BodyHandler& body) {
  CURL* handle = connection_->handle;
  curl_easy_reset(handle);  // options only: connections stay
  HeaderList list;
  for (const std::string& header : headers) append(list, header);
  if (has_token() && same_origin(url, endpoint_)) append(list, "Authorization: Bearer " + token_);
  std::array<char, CURL_ERROR_SIZE> detail{};
  Transfer transfer{handle, url, body, {}, false, 0, {}};
  curl_easy_setopt(handle, CURLOPT_URL, url.text.c_str());
  curl_easy_setopt(handle, CURLOPT_HTTPHEADER, list.get());
  curl_easy_setopt(handle, CURLOPT_USERAGENT, "gyre");
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(handle, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(handle, CURLOPT_SSL_VERIFYHOST, 2L);
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  curl_easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(handle, CURLOPT_LOW_SPEED_TIME, kStalledSeconds);
  curl_easy_setopt(handle, CURLOPT_BUFFERSIZE, kBufferBytes);
  curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, detail.data());
  curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, stop_when_requested);
  curl_easy_setopt(handle, CURLOPT_XFERINFODATA, &stop_);
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, receive);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, &transfer);
  // A proxy for the world is no way to this machine itself.
  if (url.loopback()) curl_easy_setopt(handle, CURLOPT_NOPROXY, "*");

  const CURLcode code = curl_easy_perform(handle);
  if (transfer.failure) std::rethrow_exception(transfer.failure);
  if (code != CURLE_OK && transfer.dropped <= kMostDropped) report(code, url, detail.data());
  answered_ = true;
  transfer.begin();
  return transfer.answer;
}

void HttpClient::report(int code, const Url& url, const std::string& detail) const {
  const auto failure = static_cast<CURLcode>(code);
  const std::string reason = printable(detail.empty() ? curl_easy_strerror(failure) : detail);
  require_still_wanted();
  switch (failure) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
      if (answered_) break;
      throw Error("{}: the name of this host cannot be looked up; check the network and HF_ENDPOINT", url.host);
    case CURLE_COULDNT_CONNECT:
      if (answered_) break;
      throw Error("{}: cannot connect to port {}; check the network and HF_ENDPOINT", url.host, url.port);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CERTPROBLEM:
      throw Error("{}: its certificate cannot be trusted ({}); check HF_ENDPOINT, the clock and ca-certificates",
                  url.host, reason);
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
      break;
    default:
      throw Error("{}: the request failed: {}", url.host, reason);
  }
  throw TransientFailure(fmt::format("{}: {}", url.host, reason));
}

}  // namespace gyre
