#include "engine/text_stream.hpp"

#include <algorithm>

namespace gyre {

std::string_view name_of(StopReason reason) {
  switch (reason) {
    case StopReason::length:
      return "length";
    case StopReason::context:
      return "context";
    case StopReason::stop_text:
      return "stop_text";
    case StopReason::end_token:
      return "end_token";
    case StopReason::interrupted:
      return "interrupted";
  }
  return "?";
}

std::optional<StopReason> TextStream::take(GeneratedToken token, bool room) {
  if (std::find(limits_.ends.begin(), limits_.ends.end(), token.token) != limits_.ends.end()) {
    return StopReason::end_token;
  }
  tokens_.push_back(token.token);
  const bool most = static_cast<int>(tokens_.size()) >= limits_.tokens;
  token.text = decoder_.push(token.token);
  if (most || !room) token.text += decoder_.flush();
  pending_text_ += token.text;
  pending_.push_back(std::move(token));
  if (holds_stop()) return StopReason::stop_text;
  if (most) return StopReason::length;
  if (!room) return StopReason::context;
  return std::nullopt;
}

bool TextStream::holds_stop() {
  std::size_t first = std::string::npos;
  for (const std::string& stop : limits_.stops) first = std::min(first, pending_text_.find(stop));
  if (first == std::string::npos) {
    release(pending_text_.size() - longest_possible_beginning());
    return false;
  }
  const std::size_t left = first - release(first);
  if (left > 0) {
    pending_.front().text.resize(left);  // the token in which the stop text begins keeps what stands before it
    release(left);
  }
  return true;
}

std::size_t TextStream::longest_possible_beginning() const {
  std::size_t longest = 0;
  for (const std::string& stop : limits_.stops) {
    for (std::size_t length = std::min(stop.size(), pending_text_.size()); length > longest; --length) {
      if (std::string_view(pending_text_).substr(pending_text_.size() - length) == stop.substr(0, length)) {
        longest = length;
      }
    }
  }
  return longest;
}

/// Hands out the whole tokens within the first `bytes` of the pending text; returns their bytes.
std::size_t TextStream::release(std::size_t bytes) {
  std::size_t released = 0;
  while (!pending_.empty() && released + pending_.front().text.size() <= bytes) {
    const GeneratedToken& token = pending_.front();
    released += token.text.size();
    text_ += token.text;
    pending_text_.erase(0, token.text.size());
    each_(token);
    pending_.pop_front();
  }
  return released;
}

}  // namespace gyre
