#include "dataplane/http/multipart_reader.h"

#include <algorithm>
#include <cassert>

namespace soundgate {
namespace {

constexpr std::byte kReturn{'\r'};
constexpr std::byte kLineFeed{'\n'};
constexpr std::byte kDash{'-'};

bool is_line_break(std::byte c) { return c == kReturn || c == kLineFeed; }

// Where the first byte is with which a delimiter, or a stray boundary, may begin.
size_t quiet_bytes(Bytes input) {
  const auto found =
      std::ranges::find_if(input, [](std::byte c) { return c == kReturn || c == kDash; });
  return static_cast<size_t>(found - input.begin());
}

}  // namespace

void MultipartReader::begin(std::string_view boundary) {
  assert(!boundary.empty() && boundary.size() <= kBoundaryBytesMax);
  *this = MultipartReader();
  constexpr std::string_view kOpening = "\r\n--";
  std::ranges::copy(std::as_bytes(std::span(kOpening)), delimiter_.begin());
  std::ranges::copy(std::as_bytes(std::span(boundary)), delimiter_.begin() + kOpening.size());
  delimiter_bytes_ = static_cast<uint8_t>(kOpening.size() + boundary.size());
  const Bytes text = dash_boundary();
  fallback_[0] = fallback_[1] = 0;
  for (uint8_t at = 1, length = 0; at < text.size(); ++at) {
    while (length > 0 && text[at] != text[length]) length = fallback_[length];
    if (text[at] == text[length]) ++length;
    fallback_[at + 1u] = length;
  }
  state_ = State::kStart;
}

size_t MultipartReader::held_bytes() const {
  switch (state_) {
    case State::kStart:
      return matched_ - size_t{begun_at_};
    case State::kData:
      return matched_;
    case State::kDelimiterLine:
      return in_part_ ? size_t{delimiter_bytes_} + line_bytes_ : 0;
    case State::kHead:
    case State::kEpilogue:
    case State::kFailed:
      break;
  }
  return 0;
}

MultipartReader::Step MultipartReader::step(Bytes input) {
  switch (state_) {
    case State::kStart:
      return read_start(input);
    case State::kDelimiterLine:
      return read_delimiter_line(input);
    case State::kHead:
      return read_head(input);
    case State::kData:
      return read_data(input);
    case State::kEpilogue:
      return read_epilogue(input);
    case State::kFailed:
      break;
  }
  return {input.size(), Event::kMore, {}, {}};
}

// What stands in front of the first delimiter (a preamble) is skipped by some and stored by others,
// and no client sends any: such a body is not taken for a form. An empty line may stand there.
MultipartReader::Step MultipartReader::read_start(Bytes input) {
  const uint8_t before = matched_;
  size_t used = 0;
  if (before == 0 && input.front() == kDash) begun_at_ = matched_ = 2;
  while (used < input.size() && matched_ < delimiter_bytes_) {
    if (input[used] != delimiter_[matched_]) {
      const uint8_t skipped = before == 0 ? 0 : begun_at_;
      Step step = failed(input.size(), Event::kNoForm);
      step.earlier = delimiter().subspan(skipped, before - size_t{skipped});
      step.data = input;
      return step;
    }
    ++matched_;
    ++used;
  }
  if (matched_ == delimiter_bytes_) {
    state_ = State::kDelimiterLine;
    matched_ = 0;
  }
  return {used, Event::kMore, {}, {}};
}

// Blanks behind the boundary are padding for some and make it none for others; some take a bare LF
// for the line's end, some any text for padding.
MultipartReader::Step MultipartReader::read_delimiter_line(Bytes input) {
  for (size_t used = 0; used < input.size();) {
    const std::byte c = input[used++];
    ++line_bytes_;
    if (line_ == Line::kBoundary && (c == kDash || c == kReturn)) {
      line_ = c == kDash ? Line::kDash : Line::kReturn;
    } else if (line_ == Line::kDash && c == kDash) {
      return end_of_delimiter(used, State::kEpilogue);
    } else if (line_ == Line::kReturn && c == kLineFeed) {
      return end_of_delimiter(used, State::kHead);
    } else {
      return failed(used, Event::kAmbiguous);
    }
  }
  return {input.size(), Event::kMore, {}, {}};
}

MultipartReader::Step MultipartReader::end_of_delimiter(size_t used, State next) {
  const Event event = in_part_ ? Event::kPartEnd : Event::kMore;
  state_ = next;
  in_part_ = false;
  line_ = Line::kBoundary;
  line_bytes_ = 0;
  head_bytes_ = 0;
  head_line_.clear();
  after_return_ = false;
  part_.clear();
  return {used, event, {}, {}};
}

MultipartReader::Step MultipartReader::read_head(Bytes input) {
  for (size_t used = 0; used < input.size();) {
    const std::byte c = input[used++];
    if (++head_bytes_ > kPartHeadBytesMax || after_return_ != (c == kLineFeed)) {
      return failed(used, Event::kAmbiguous);
    }
    if (c == kReturn) {
      after_return_ = true;
    } else if (!after_return_) {
      if (!head_line_.append({reinterpret_cast<const char*>(&c), 1})) {
        return failed(used, Event::kAmbiguous);
      }
    } else if (head_line_.empty()) {
      begin_data();
      return {used, Event::kPartHead, {}, {}};
    } else if (!end_of_head_line()) {
      return failed(used, Event::kAmbiguous);
    }
  }
  return {input.size(), Event::kMore, {}, {}};
}

bool MultipartReader::end_of_head_line() {
  after_return_ = false;
  const bool is_clear = part_.take_line(head_line_.view());
  head_line_.clear();
  return is_clear;
}

void MultipartReader::begin_data() {
  state_ = State::kData;
  in_part_ = true;
  ++parts_;
  matched_ = stray_matched_ = 0;
  stray_begins_line_ = false;
  last_ = kLineFeed;
}

MultipartReader::Step MultipartReader::read_data(Bytes input) {
  const uint8_t before = matched_;
  bool continues = before > 0;  // what was held when this input came may still be a delimiter
  size_t used = 0;
  bool is_stray = false;
  while (used < input.size() && matched_ < delimiter_bytes_ && !is_stray) {
    if (matched_ == 0 && stray_matched_ == 0) {
      const size_t quiet = quiet_bytes(input.subspan(used));
      if (quiet > 0) last_ = input[used + quiet - 1];
      used += quiet;
      if (used == input.size()) break;
    }
    const std::byte c = input[used++];
    if (c == delimiter_[matched_]) {
      ++matched_;
    } else {
      continues = false;
      matched_ = c == kReturn ? 1 : 0;  // CR stands nowhere else in it
    }
    is_stray = is_stray_boundary(c);
    last_ = c;
  }
  Step step = {used, Event::kMore, {}, {}};
  if (!continues) {
    step.earlier = delimiter().first(before);
    step.data = input.first(used - matched_);
  }
  if (is_stray) {
    state_ = State::kFailed;
    step.event = Event::kAmbiguous;
  } else if (matched_ == delimiter_bytes_) {
    state_ = State::kDelimiterLine;
  }
  return step;
}

// A boundary that is not behind CR LF ends the part for some: PHP and Go take LF alone, Python CR
// alone, and simple parsers look for it anywhere. Only a short one comes about by chance.
bool MultipartReader::is_stray_boundary(std::byte c) {
  const Bytes text = dash_boundary();
  const uint8_t before = stray_matched_;
  if (stray_matched_ == text.size()) stray_matched_ = fallback_[stray_matched_];
  while (stray_matched_ > 0 && c != text[stray_matched_]) {
    stray_matched_ = fallback_[stray_matched_];
  }
  if (c == text[stray_matched_]) ++stray_matched_;
  if (stray_matched_ == 1) {
    stray_begins_line_ = is_line_break(last_);
  } else if (stray_matched_ != before + 1) {
    stray_begins_line_ = false;  // what stands in front of it is a part of the boundary
  }
  const bool is_whole = stray_matched_ == text.size();
  const bool is_clean = matched_ == delimiter_bytes_;
  return is_whole && !is_clean && (stray_begins_line_ || text.size() >= kStrayBoundaryBytesMin);
}

MultipartReader::Step MultipartReader::read_epilogue(Bytes input) {
  const auto odd = std::ranges::find_if_not(input, is_line_break);
  if (odd == input.end()) return {input.size(), Event::kMore, {}, {}};
  return failed(static_cast<size_t>(odd - input.begin()) + 1, Event::kAmbiguous);
}

MultipartReader::Step MultipartReader::failed(size_t used, Event event) {
  state_ = State::kFailed;
  return {used, event, {}, {}};
}

}  // namespace soundgate
