#include "control/json_pieces.h"

#include <string_view>
#include <utility>

namespace soundgate {
namespace {

bool is_blank(char c) { return std::string_view(" \t\r\n").find(c) != std::string_view::npos; }

// What may stand between objects: blanks, and what makes an array of them.
bool is_between(char c) { return is_blank(c) || c == '[' || c == ',' || c == ']'; }

}  // namespace

Result<std::optional<JsonPiece>> JsonPieces::next() {
  for (;;) {
    if (at_ == end_) {
      const auto bytes = source_.read(buffer_);
      if (!bytes) return tl::unexpected(bytes.error());
      at_ = 0;
      end_ = *bytes;
    }
    const bool within = place_ != Place::kBetween && place_ != Place::kLost;
    const bool at_end = end_ == 0;
    if (at_end && !within) return std::nullopt;
    const char c = at_end ? '\0' : static_cast<char>(buffer_[at_]);
    // Objects within objects are indented, or stand behind something.
    if (at_end || (place_ == Place::kInObject && line_is_empty_ && c == '{')) {
      give_up("the object breaks off");
      place_ = Place::kBetween;
      return std::exchange(piece_, {});
    }
    ++at_;
    const bool complete = take(c);
    note_line(c);
    if (complete) return std::exchange(piece_, {});
  }
}

bool JsonPieces::take(char c) {
  switch (place_) {
    case Place::kInObject:
      return take_in_object(c);
    case Place::kInString:
    case Place::kAfterBackslash:
      return take_in_string(c);
    case Place::kLost:
      return c == '{' && line_is_blank_ && take_between(c);
    case Place::kBetween:
      break;
  }
  return take_between(c);
}

bool JsonPieces::take_between(char c) {
  if (is_between(c)) return false;
  piece_.line = line_;
  if (c != '{') return give_up("there is no JSON object here");
  place_ = Place::kInObject;
  depth_ = 1;
  return keep(c);
}

bool JsonPieces::take_in_object(char c) {
  if (c == '"') place_ = Place::kInString;
  if (c == '{') ++depth_;
  if (c == '}') --depth_;
  if (depth_ == 0) place_ = Place::kBetween;
  return keep(c) || depth_ == 0;
}

bool JsonPieces::take_in_string(char c) {
  if (c == '\n') return give_up("the object breaks off within a text");
  const bool escaped = place_ == Place::kAfterBackslash;
  if (escaped || c == '\\') {
    place_ = escaped ? Place::kInString : Place::kAfterBackslash;
  } else if (c == '"') {
    place_ = Place::kInObject;
  }
  return keep(c);
}

bool JsonPieces::keep(char c) {
  if (piece_.text.size() >= bytes_max_) return give_up("the object is too large");
  piece_.text += c;
  return false;
}

bool JsonPieces::give_up(const char* problem) {
  piece_.text.clear();
  piece_.problem = problem;
  place_ = Place::kLost;
  return true;
}

void JsonPieces::note_line(char c) {
  if (c == '\n') {
    ++line_;
    line_is_empty_ = line_is_blank_ = true;
    return;
  }
  line_is_empty_ = false;
  line_is_blank_ = line_is_blank_ && is_blank(c);
}

}  // namespace soundgate
