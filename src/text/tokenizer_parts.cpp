#include "text/tokenizer_parts.hpp"

#include <nlohmann/json.hpp>

#include "base/error.hpp"

namespace gyre {

void read_stages(TokenizerParts& parts, const std::string& where) {
  parts.normalizer = Normalizer::read(nlohmann::json::parse(parts.stages.normalizer), where + ": normalizer");
  parts.pre_tokenizer =
      PreTokenizer::read(nlohmann::json::parse(parts.stages.pre_tokenizer), where + ": pre_tokenizer");
  if (parts.pre_tokenizer.byte_level() && parts.model == TokenizerModel::unigram) {
    throw Error("{}: pre_tokenizer: ByteLevel does not go with a Unigram model; it must be \"Metaspace\"", where);
  }
  parts.surrounding = read_post_processor(nlohmann::json::parse(parts.stages.post_processor),
                                          where + ": post_processor", parts.names.size());
  const std::string here = where + ": decoder";
  const nlohmann::json decoder = nlohmann::json::parse(parts.stages.decoder);
  const bool byte_level = parts.pre_tokenizer.byte_level();
  if (decoder.is_null()) {
    throw Error("{}: the type null does not fit the pre_tokenizer; it must be \"{}\"", here,
                byte_level ? "ByteLevel" : "Fuse");
  }
  parts.decoder = TokenDecoder::read(decoder, here);
  if (parts.decoder.byte_level() != byte_level) {
    throw Error("{}: the type {} does not fit the pre_tokenizer; {}", here, decoder.value("type", ""),
                byte_level ? "it must be \"ByteLevel\"" : "ByteLevel belongs to the pre_tokenizer ByteLevel");
  }
}

}  // namespace gyre
