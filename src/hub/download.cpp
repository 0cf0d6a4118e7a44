#include "hub/download.hpp"

#include <charconv>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "base/error.hpp"
#include "hub/digest.hpp"
#include "hub/part_file.hpp"

namespace gyre {
namespace {

/// The server sent something else than the listing says.
struct WrongContent : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// One file on its way. The digest follows the bytes as they are appended.
class Download {
 public:
  Download(const DownloadSource& source, const RemoteFile& file, const std::filesystem::path& target,
           const std::function<void(std::int64_t)>& progress)
      : source_(source),
        file_(file),
        progress_(progress),
        url_(file_url(source.client.endpoint(), source.repository, source.commit, file.path)),
        part_(target, file.digest.hex),
        digest_(digest_stream(file.digest.kind, file.size)),
        retries_(source.policy, source.notice) {
    if (part_.size() > file.size) part_.restart("");
    part_.read([this](std::span<const std::byte> bytes) {
      source_.client.require_still_wanted();
      digest_.update(bytes);
    });
    farthest_ = part_.size();
  }

  std::int64_t run() {
    try {
      receive();
    } catch (const WrongContent& wrong) {
      if (source_.notice) source_.notice(fmt::format("{}: {}; once more from the start", file_.path, wrong.what()));
      restart("");
      try {
        receive();
      } catch (const WrongContent& again) {
        part_.discard();
        throw Error("{}/{}: {}, twice; nothing was kept of it, try again later", source_.repository.full_name(),
                    file_.path, again.what());
      }
    }
    part_.publish();
    return received_;
  }

 private:
  /// Fills the part and checks it.
  void receive() {
    while (part_.size() < file_.size) {
      try {
        request();
      } catch (const TransientFailure& failure) {
        // A server that always drops at the same place makes no progress, however many bytes it sends.
        if (part_.size() > farthest_) {
          farthest_ = part_.size();
          retries_.progressed();
        }
        retries_.wait_after(failure);
      }
    }
    const std::string found = digest_.finish();
    if (found == file_.digest.hex) return;
    throw WrongContent(
        fmt::format("its {} is {}, the hub lists {}", name_of(file_.digest.kind), found, file_.digest.hex));
  }

  void request() {
    const std::int64_t start = part_.size();
    std::vector<std::string> headers;
    if (start > 0) {
      headers.push_back(fmt::format("Range: bytes={}-", start));
      if (!part_.etag().empty()) headers.push_back("If-Range: " + part_.etag());
    }
    BodyHandler body;
    body.begin = [&](const HttpAnswer& answer) { begin(answer, start); };
    body.write = [&](std::span<const std::byte> bytes) { append(bytes); };
    const HttpAnswer answer = source_.client.get(url_, headers, body);
    if (answer.status == 416 && start > 0) {
      restart("");
      throw TransientFailure(fmt::format("{}: the server cannot go on at byte {}", file_.path, start));
    }
    require_success(answer, source_.client, source_.repository);
    if (part_.size() < file_.size) {
      throw TransientFailure(
          fmt::format("{}: the answer ended at byte {} of {}", file_.path, part_.size(), file_.size));
    }
  }

  void begin(const HttpAnswer& answer, std::int64_t start) {
    if (answer.status == 206 && start > 0) {
      go_on(answer, start);
      return;
    }
    if (answer.status != 200) {
      throw TransientFailure(fmt::format("{}: HTTP {} where the whole file was asked for", file_.path, answer.status));
    }
    if (answer.content_length >= 0) require_length(answer.content_length);
    restart(answer.etag);
  }

  /// The server sends the rest of the file, if it is the rest of this file.
  void go_on(const HttpAnswer& answer, std::int64_t start) {
    ContentRange range;
    const bool right = parse_content_range(answer.content_range, range) && range.first == start;
    if (right && range.total >= 0) require_length(range.total);
    const bool changed = !part_.etag().empty() && !answer.etag.empty() && answer.etag != part_.etag();
    if (right && range.last < file_.size && !changed) return;
    restart("");
    throw TransientFailure(
        changed ? fmt::format("{}: it has changed on the server, from the start", file_.path)
                : fmt::format("{}: the server sent another range than byte {} onward", file_.path, start));
  }

  void require_length(std::int64_t length) const {
    if (length == file_.size) return;
    throw WrongContent(fmt::format("the server sends {} bytes, the hub lists {}", length, file_.size));
  }

  void append(std::span<const std::byte> bytes) {
    received_ += static_cast<std::int64_t>(bytes.size());
    if (static_cast<std::int64_t>(bytes.size()) > file_.size - part_.size()) {
      throw WrongContent(fmt::format("the server sends more than the {} bytes the hub lists", file_.size));
    }
    part_.append(bytes);
    digest_.update(bytes);
    if (progress_) progress_(part_.size());
  }

  void restart(const std::string& etag) {
    part_.restart(etag);
    digest_ = digest_stream(file_.digest.kind, file_.size);
  }

  const DownloadSource& source_;
  const RemoteFile& file_;
  const std::function<void(std::int64_t)>& progress_;
  Url url_;
  PartFile part_;
  HashStream digest_;
  Retries retries_;
  std::int64_t farthest_ = 0;
  std::int64_t received_ = 0;
};

bool take_number(std::string_view& text, std::int64_t& number) {
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc() || number < 0) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

bool take(std::string_view& text, std::string_view expected) {
  if (!text.starts_with(expected)) return false;
  text.remove_prefix(expected.size());
  return true;
}

}  // namespace

bool parse_content_range(const std::string& header, ContentRange& range) {
  std::string_view text = header;
  if (!take(text, "bytes ") || !take_number(text, range.first) || !take(text, "-") || !take_number(text, range.last) ||
      !take(text, "/") || range.last < range.first) {
    return false;
  }
  if (text == "*") {
    range.total = -1;
    return true;
  }
  return take_number(text, range.total) && text.empty() && range.last < range.total;
}

std::int64_t download(const DownloadSource& source, const RemoteFile& file, const std::filesystem::path& target,
                      const std::function<void(std::int64_t)>& progress) {
  return Download(source, file, target, progress).run();
}

}  // namespace gyre
