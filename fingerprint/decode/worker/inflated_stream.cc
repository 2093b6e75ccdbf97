#include "fingerprint/decode/worker/inflated_stream.h"

#include <algorithm>
#include <array>
#include <new>
#include <optional>
#include <utility>

namespace soundgate::decode {
namespace {

// Of all streams of this worker, which has one thread.
size_t kept_by_worker = 0;

// By the first two bytes. Some origins take either where either is announced.
std::optional<Inflater::Format> format_of(std::span<const uint8_t, 2> start) {
  if (start[0] == 0x1f && start[1] == 0x8b) return Inflater::Format::kGzip;
  constexpr unsigned kDeflate = 8;  // the method, in both formats
  const bool is_zlib =
      (start[0] & 0xfU) == kDeflate && start[0] >> 4 <= 7 && (start[0] * 256U + start[1]) % 31 == 0;
  if (is_zlib) return Inflater::Format::kZlib;
  return std::nullopt;
}

}  // namespace

InflatedStream::~InflatedStream() {
  while (!pieces_.empty()) drop_front();
}

ByteSource::Result InflatedStream::read(uint64_t position, std::span<uint8_t> to) {
  try {
    if (!has_begun_) {
      if (const State state = begin(); state != State::kBytes) return {state, 0};
    }
    if (is_plain_) return coded_.read(position, to);
    if (position < kept_from_) return {State::kStopped, 0};
    while (position >= inflated_bytes_) {
      if (const State state = inflate_more(); state != State::kBytes) return {state, 0};
    }
  } catch (const std::bad_alloc&) {
    return {State::kNoRoom, 0};
  }
  const uint64_t offset = position - kept_from_;
  const Piece& piece = pieces_[offset / kPieceBytes];
  const size_t from = offset % kPieceBytes;
  const size_t count = std::min(to.size(), piece.size() - from);
  std::copy_n(piece.begin() + static_cast<std::ptrdiff_t>(from), count, to.begin());
  return {State::kBytes, count};
}

// Raw deflate, which some send for "deflate", has nothing to be recognised by; it is not inflated.
ByteSource::State InflatedStream::begin() {
  std::array<uint8_t, 2> start{};
  for (size_t filled = 0; filled < start.size();) {
    const auto result = coded_.read(filled, std::span(start).subspan(filled));
    if (result.state == State::kEnd) break;
    if (result.state != State::kBytes) return result.state;
    filled += result.bytes;
  }
  has_begun_ = true;
  const auto format = format_of(start);
  is_plain_ = !format && coding_ == StreamCoding::kGzip;
  if (!format && !is_plain_) coding_ = StreamCoding::kNone;  // nothing can be made of it
  if (format) inflater_ = std::make_unique<Inflater>(*format);
  return State::kBytes;
}

ByteSource::State InflatedStream::inflate_more() {
  coded_.checkpoint();
  if (!inflater_ || inflater_->is_bad()) return State::kBroken;
  if (is_out_of_proportion()) return State::kBroken;
  if (input_used_ == input_.size()) {
    if (const State state = read_coded(); state != State::kBytes) return state;
  }
  Piece* piece = room();
  if (!piece) return State::kNoRoom;
  const size_t before = piece->size();
  piece->resize(kPieceBytes);
  const auto step =
      inflater_->inflate(std::span(input_).subspan(input_used_), std::span(*piece).subspan(before));
  piece->resize(before + step.made);
  input_used_ += step.used;
  inflated_bytes_ += step.made;
  return State::kBytes;  // also where it is bad from here on: what was made does not depend on
                         // pieces
}

// More than audio can be packed to; or less than what it is packed in, where something hides in
// what is not inflated.
bool InflatedStream::is_out_of_proportion() const {
  return inflated_bytes_ > kInflateAlwaysBytes + coded_bytes_ * kInflateRatioMax ||
         coded_bytes_ > kCodedAlwaysBytes + inflated_bytes_ + inflated_bytes_ / 16;
}

// What is cut short is broken.
ByteSource::State InflatedStream::read_coded() {
  input_.resize(kPieceBytes);
  input_used_ = 0;
  const auto result = coded_.read(coded_bytes_, input_);
  input_.resize(result.state == State::kBytes ? result.bytes : 0);
  switch (result.state) {
    case State::kBytes:
      coded_bytes_ += result.bytes;
      coded_.consumed(coded_bytes_);
      break;
    case State::kEnd:
      return inflater_->is_at_end() ? State::kEnd : State::kBroken;
    case State::kEvicted:
      return State::kStopped;  // what follows a gap cannot be inflated
    case State::kNotYet:
    case State::kStopped:
    case State::kNoRoom:
    case State::kBroken:
      break;
  }
  return result.state;
}

// A piece that has some. Null where too much is kept.
InflatedStream::Piece* InflatedStream::room() {
  if (!pieces_.empty() && pieces_.back().size() < kPieceBytes) return &pieces_.back();
  consumed(needed_from_);
  const bool is_full = pieces_.size() * kPieceBytes >= kInflatedKeptBytesMax ||
                       kept_by_worker >= kInflatedWorkerBytesMax;
  if (is_full) return nullptr;
  Piece fresh;
  fresh.reserve(kPieceBytes);
  pieces_.push_back(std::move(fresh));
  kept_by_worker += kPieceBytes;
  return &pieces_.back();
}

void InflatedStream::consumed(uint64_t position) {
  if (is_plain_) {
    coded_.consumed(position);
    return;
  }
  needed_from_ = std::max(needed_from_, position);
  while (!pieces_.empty() && pieces_.front().size() == kPieceBytes &&
         kept_from_ + kPieceBytes <= needed_from_) {
    drop_front();
  }
}

void InflatedStream::drop_front() {
  kept_from_ += pieces_.front().size();
  pieces_.pop_front();
  kept_by_worker -= kPieceBytes;
}

}  // namespace soundgate::decode
