#include "text/added_tokens.hpp"

#include <algorithm>
#include <utility>

namespace gyre {

AddedTokenFinder::AddedTokenFinder(const std::vector<AddedToken>& tokens) {
  for (const bool normalized : {false, true}) {
    Pass pass;
    bool any = false;
    for (const AddedToken& token : tokens) {
      if (token.normalized != normalized || token.content.empty()) continue;
      pass[static_cast<std::uint8_t>(token.content.front())].push_back({token.content, token.id});
      any = true;
    }
    for (std::vector<Known>& row : pass) {
      std::stable_sort(row.begin(), row.end(), [](const Known& left, const Known& right) {
        return left.content.size() > right.content.size();
      });
    }
    if (any) passes_.push_back(std::move(pass));
  }
}

std::vector<TextSection> AddedTokenFinder::split(std::string_view text) const {
  std::vector<TextSection> sections{{text, TextSection::kPlain}};
  for (const Pass& pass : passes_) {
    std::vector<TextSection> finer;
    for (const TextSection& section : sections) {
      if (section.token == TextSection::kPlain) {
        split_plain(pass, section.text, finer);
      } else {
        finer.push_back(section);
      }
    }
    sections = std::move(finer);
  }
  return sections;
}

void AddedTokenFinder::split_plain(const Pass& pass, std::string_view text, std::vector<TextSection>& sections) {
  std::size_t done = 0;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::vector<Known>& row = pass[static_cast<std::uint8_t>(text[at])];
    const std::string_view rest = text.substr(at);
    const auto found = row.empty() ? row.end() : std::find_if(row.begin(), row.end(), [&](const Known& known) {
      return rest.starts_with(known.content);
    });
    if (found == row.end()) {
      ++at;
      continue;
    }
    if (at > done) sections.push_back({text.substr(done, at - done), TextSection::kPlain});
    sections.push_back({rest.substr(0, found->content.size()), found->id});
    at += found->content.size();
    done = at;
  }
  if (done < text.size()) sections.push_back({text.substr(done), TextSection::kPlain});
}

}  // namespace gyre
