// Cuts text from outside into the JSON objects that it holds, one after the other: one a line,
// several on a line, one over several lines, or as the elements of an array. Output: each object's
// text, not parsed yet, with the line that it starts on; or what is wrong there.
//   An object that breaks off (where a line ends within a string, where a line begins with '{', at
//   the end of it all) takes no other with it.
// Errors: the source's.
// Bounds: at most bytes_max of one object are kept.
// Thread: one at a time.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "control/byte_source.h"
#include "control/error.h"

namespace soundgate {

struct JsonPiece {
  int64_t line = 0;
  std::string text;     // of an object, from '{' to '}'
  std::string problem;  // "": there is none; else there is no text
};

class JsonPieces {
 public:
  JsonPieces(ByteSource& source, size_t bytes_max, int64_t first_line = 1)
      : source_(source), bytes_max_(bytes_max), line_(first_line) {}

  Result<std::optional<JsonPiece>> next();  // nothing at the end

 private:
  // kLost: behind something broken, until a line opens an object.
  enum class Place : uint8_t { kBetween, kInObject, kInString, kAfterBackslash, kLost };

  // These say whether the piece is complete with this byte.
  bool take(char c);
  bool take_between(char c);
  bool take_in_object(char c);
  bool take_in_string(char c);
  bool keep(char c);
  bool give_up(const char* problem);

  void note_line(char c);

  ByteSource& source_;
  const size_t bytes_max_;
  std::array<std::byte, 65536> buffer_{};
  size_t at_ = 0, end_ = 0;

  Place place_ = Place::kBetween;
  JsonPiece piece_;
  size_t depth_ = 0;  // of braces
  int64_t line_;
  bool line_is_empty_ = true, line_is_blank_ = true;  // so far
};

}  // namespace soundgate
