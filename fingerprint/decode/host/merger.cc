#include "fingerprint/decode/host/merger.h"

#include <algorithm>
#include <ranges>
#include <utility>

namespace soundgate::decode {
namespace {

// How bad an end is: how much of the upload was heard, and what becomes of it. The same order as in
// outcomes.def.
enum class Checked : uint8_t { kNone, kPartial, kFull };
enum class Default : uint8_t { kBlock, kFlag, kPass };
using Worth = std::pair<Checked, Default>;
constexpr Worth kWorth[] = {
#define OUTCOME(name, text, checked, action) {Checked::checked, Default::action},
#include "fingerprint/decode/outcomes.def"
#undef OUTCOME
};
Worth worth(const DecodeEnd& end) { return kWorth[static_cast<size_t>(end.outcome)]; }

double audio_seconds(const DecodeEnd& end) {
  return end.decoded_seconds + end.gap_seconds + end.skipped_seconds;
}

// A first part that lives is looked at each kTick.
constexpr std::chrono::seconds kBeginSecondsMax{10};
// Behind the last item there is less than a hop, but what a container rounds.
constexpr double kTailSecondsMax = 1;

uint32_t period_end(uint32_t item) { return (item / kDivisionItems + 1) * kDivisionItems; }

}  // namespace

Merger::Upload& Merger::look_up(uint64_t id, const Division& part) {
  const auto found = uploads_.find(id);
  if (found != uploads_.end()) return found->second;
  forget_those_without_a_begin();
  Upload& upload = uploads_[id];
  upload.parts.resize(part.count);
  upload.since = Clock::now();
  return upload;
}

// The first part of these had ended when it was divided; its listener knows.
void Merger::forget_those_without_a_begin() {
  std::erase_if(uploads_, [now = Clock::now()](const auto& entry) {
    const Upload& upload = entry.second;
    return !upload.begun && now - upload.since > kBeginSecondsMax &&
           std::ranges::all_of(upload.parts | std::views::drop(1),
                               [](const Part& part) { return part.end.has_value(); });
  });
}

void Merger::begin(uint64_t id, const Division& part, uint64_t tag, const PerBand& told) {
  Upload& upload = look_up(id, part);
  upload.tag = tag;
  upload.begun = true;
  upload.next = upload.told = told;
}

void Merger::on_items(uint64_t id, const Division& part, int view, uint32_t first_item,
                      std::span<const Item> items) {
  Upload& upload = look_up(id, part);
  const auto band = static_cast<size_t>(band_of(view));
  upload.parts[part.index].runs[band].push_back({first_item, {items.begin(), items.end()}});
  settle(id);
}

void Merger::on_end(uint64_t id, const Division& part, const DecodeEnd& how) {
  look_up(id, part).parts[part.index].end = how;
  settle(id);
}

void Merger::on_cancelled(uint64_t id, const Division& part) {
  Upload& upload = look_up(id, part);
  upload.cancelled |= part.index == 0;
  upload.parts[part.index].end = DecodeEnd{.outcome = DecodeOutcome::decoder_lost};
  settle(id);
}

void Merger::settle(uint64_t id) {
  Upload& upload = uploads_.at(id);
  if (!upload.begun) return;
  for (const Band band : kAllBands) {
    while (tell_next(upload, band)) {
    }
  }
  if (!std::ranges::all_of(upload.parts, [](const Part& part) { return part.end.has_value(); })) {
    return;
  }
  if (!upload.cancelled) listener_.on_end(upload.tag, combined_end(upload));
  uploads_.erase(id);
}

// Of the worker whose turn it is, what comes next, up to the end of its turn; false: nothing yet.
bool Merger::tell_next(Upload& upload, Band band) {
  const auto index = static_cast<size_t>(band);
  uint32_t& next = upload.next[index];
  const uint32_t end =
      band == Band::kFull ? period_end(next) : std::min(period_end(next), upload.next[0]);
  if (next >= end || is_over(upload, band)) return false;

  const size_t owner = next / kDivisionItems % upload.parts.size();
  Runs& runs = upload.parts[owner].runs[index];
  while (!runs.empty() && runs.front().end() <= next) runs.pop_front();
  if (runs.empty() && !upload.parts[owner].end) return false;
  if (runs.empty() || runs.front().first_item >= end) {  // the rest of its turn is missing
    next = end;
    return true;
  }
  const Run& run = runs.front();
  const uint32_t first = std::max(run.first_item, next);
  const uint32_t last = std::min(run.end(), end);
  tell(upload, band, first, std::span(run.items).subspan(first - run.first_item, last - first));
  next = last;
  return true;
}

// Nobody has anything more of it.
bool Merger::is_over(const Upload& upload, Band band) {
  return std::ranges::all_of(upload.parts, [&](const Part& part) {
    const Runs& runs = part.runs[static_cast<size_t>(band)];
    return part.end &&
           (runs.empty() || runs.back().end() <= upload.next[static_cast<size_t>(band)]);
  });
}

void Merger::tell(Upload& upload, Band band, uint32_t first_item, std::span<const Item> items) {
  uint32_t& told = upload.told[static_cast<size_t>(band)];
  if (band == Band::kFull) upload.gap_items += first_item - told;
  told = first_item + static_cast<uint32_t>(items.size());
  if (upload.cancelled) return;
  if (band == Band::kFull) {
    listener_.on_items(upload.tag, first_item, items);
  } else {
    listener_.on_view_items(upload.tag, view_of(band), first_item, items);
  }
}

// The worst of the ends, and of the audio all that was told.
DecodeEnd Merger::combined_end(const Upload& upload) {
  DecodeEnd end = *upload.parts.front().end;
  double seconds = 0;
  for (const Part& part : upload.parts) {
    if (worth(*part.end) < worth(end)) end.outcome = part.end->outcome;
    end.duration_seconds = std::max(end.duration_seconds, part.end->duration_seconds);
    seconds = std::max(seconds, audio_seconds(*part.end));
  }
  double missing_seconds = upload.gap_items * kItemSeconds;
  const double tail_seconds = seconds - upload.told[0] * kItemSeconds - kItemSpanSeconds;
  if (tail_seconds > kTailSecondsMax) missing_seconds += tail_seconds;
  end.skipped_seconds = 0;
  end.gap_seconds = std::min(missing_seconds, seconds);
  end.decoded_seconds = seconds - end.gap_seconds;
  return end;
}

}  // namespace soundgate::decode
