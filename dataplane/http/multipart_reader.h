// Splits the body of a form into its parts, one event at a time.
// Input: body bytes in order, in pieces of any size. Output: a Step, which says how much of the
// input was used, what of the current part's bytes it makes certain, and what was found at the end.
// The same bytes give the same parts, however they are cut.
// Errors: kNoForm (it does not begin like one), kAmbiguous (origins' parsers would not agree on
// where parts begin and end); no further bytes can be understood.
// Thread: the owning lcore.  Memory: none beside its own.
// Source: RFC 2046 section 5.1.1, RFC 7578; what is ambiguous: README, Forms.
#pragma once

#include <array>
#include <cstdint>

#include "dataplane/flow/bytes.h"
#include "dataplane/http/part_head.h"
#include "dataplane/limits.h"

namespace soundgate {

class MultipartReader {
 public:
  enum class Event : uint8_t {
    kMore,      // all input used, nothing has ended
    kPartHead,  // a part begins; part() says what is known of it
    kPartEnd,   // the line of the delimiter behind it is complete
    kNoForm,    // the data is all of the body so far
    kAmbiguous,
  };

  struct Step {
    size_t used = 0;
    Event event = Event::kMore;
    // The next bytes of the part, to be taken before the event: first those of earlier input that
    // might have been of a delimiter, then those of this input.
    Bytes earlier;
    Bytes data;
  };

  // boundary: 1..kBoundaryBytesMax bytes, without CR and LF.
  void begin(std::string_view boundary);

  // input: not empty.
  Step step(Bytes input);

  Bytes dash_boundary() const { return delimiter().subspan(2); }
  const PartHead& part() const { return part_; }
  uint32_t parts() const { return parts_; }  // begun so far
  // The last delimiter has come; only line breaks may follow.
  bool is_over() const { return state_ == State::kEpilogue; }
  // How many of the bytes used so far, the last ones, may be of the delimiter that ends the part.
  size_t held_bytes() const;
  // Those are a whole delimiter: some origins need no more of it.
  bool holds_delimiter() const { return state_ == State::kDelimiterLine; }

 private:
  enum class State : uint8_t {
    kStart,          // in front of the first delimiter
    kDelimiterLine,  // behind a boundary
    kHead,
    kData,
    kEpilogue,
    kFailed,
  };
  enum class Line : uint8_t { kBoundary, kDash, kReturn };  // what came last in it

  Step read_start(Bytes input);
  Step read_delimiter_line(Bytes input);
  Step read_head(Bytes input);
  Step read_data(Bytes input);
  Step read_epilogue(Bytes input);
  Step failed(size_t used, Event event);
  Step end_of_delimiter(size_t used, State next);
  bool end_of_head_line();
  void begin_data();
  bool is_stray_boundary(std::byte c);  // complete with this byte

  Bytes delimiter() const { return Bytes(delimiter_).first(delimiter_bytes_); }

  std::array<std::byte, kBoundaryBytesMax + 4> delimiter_;  // CR LF "--" boundary
  // How much of dash_boundary() may still be matched where its first n bytes were, and the next
  // was not (Knuth, Morris and Pratt): a boundary may begin with dashes.
  std::array<uint8_t, kBoundaryBytesMax + 3> fallback_;
  uint8_t delimiter_bytes_ = 0;
  State state_ = State::kFailed;
  Line line_ = Line::kBoundary;
  bool in_part_ = false;       // the delimiter line ends one
  bool after_return_ = false;  // in a head: the last byte was CR
  uint8_t begun_at_ = 0;       // kStart: the body begins with this much of the delimiter left out
  uint8_t matched_ = 0;        // of delimiter()
  uint8_t stray_matched_ = 0;  // of dash_boundary(), wherever it stands
  bool stray_begins_line_ = false;
  std::byte last_{};        // of the part
  uint8_t line_bytes_ = 0;  // of the delimiter's line behind the boundary
  size_t head_bytes_ = 0;   // of the part's head
  uint32_t parts_ = 0;
  FixedString<kPartLineBytesMax> head_line_;
  PartHead part_;
};

}  // namespace soundgate
