#include "fingerprint/decode/worker/polyphase.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <map>
#include <numbers>
#include <numeric>

#include "fingerprint/fingerprint.h"
#include "fingerprint/vector_clones.h"

namespace soundgate::decode {
namespace {

constexpr double kFilterSize = 16;
constexpr double kCutoff = 0.8;
constexpr double kKaiserBeta = 9;

constexpr int kRateHzMax = 192'000;
constexpr int kPlacesMax = 441;
constexpr size_t kRatesKept = 8;

int divisor_of(int sample_rate_hz) { return std::gcd(sample_rate_hz, kSampleRateHz); }

// Filters are filled up with zeros to whole vectors of the widest kind.
constexpr size_t kStep = 32;
constexpr double kTapScale = 32768;
// Sums of a filter's taps without their signs are below 2: no sum overflows 32 bits.
constexpr int kSumBits = 15 - kHeadroomBits;

}  // namespace

// The taps of each place, one after another; each filled up with zeros to whole steps.
class PolyphaseFilters {
 public:
  explicit PolyphaseFilters(int sample_rate_hz)
      : places_(static_cast<size_t>(kSampleRateHz / divisor_of(sample_rate_hz))),
        advance_(static_cast<size_t>(sample_rate_hz / divisor_of(sample_rate_hz))),
        factor_(std::min(kCutoff * kSampleRateHz / sample_rate_hz, 1.0)),
        taps_(static_cast<size_t>(std::ceil(kFilterSize / factor_))),
        steps_((taps_ + kStep - 1) / kStep),
        values_(places_ * steps_ * kStep) {
    for (size_t place = 0; place < places_; ++place) make(place);
  }

  // All streams of a rate have the same. Those of the rates that came last are kept: to make them
  // takes milliseconds.
  static std::shared_ptr<const PolyphaseFilters> of(int sample_rate_hz) {
    static std::map<int, std::weak_ptr<const PolyphaseFilters>> in_use;
    static std::deque<std::shared_ptr<const PolyphaseFilters>> kept;
    std::erase_if(in_use, [](const auto& entry) { return entry.second.expired(); });
    auto& entry = in_use[sample_rate_hz];
    auto filters = entry.lock();
    if (!filters) {
      entry = filters = std::make_shared<const PolyphaseFilters>(sample_rate_hz);
      kept.push_front(filters);
      if (kept.size() > kRatesKept) kept.pop_back();
    }
    return filters;
  }

  size_t places() const { return places_; }
  size_t advance() const { return advance_; }        // input samples for that many output samples
  size_t steps() const { return steps_; }            // of kStep taps, of each filter
  size_t before() const { return (taps_ - 1) / 2; }  // taps before the middle
  const int16_t* at(size_t place) const { return values_.data() + place * steps_ * kStep; }

 private:
  void make(size_t place) {
    int16_t* values = values_.data() + place * steps_ * kStep;
    const double middle =
        static_cast<double>(before()) + static_cast<double>(place) / static_cast<double>(places_);
    std::vector<double> taps(taps_);
    for (size_t i = 0; i < taps_; ++i) taps[i] = kernel(static_cast<double>(i) - middle);
    const double sum = std::accumulate(taps.begin(), taps.end(), 0.0);
    for (size_t i = 0; i < taps_; ++i) {
      const double scaled = std::min(kTapScale * taps[i] / sum, kTapScale - 1);
      values[i] = static_cast<int16_t>(std::lrint(scaled));
    }
  }

  // A low pass, at so many input samples from its middle.
  double kernel(double distance) const {
    const double x = std::numbers::pi * distance * factor_;
    const double w = 2 * distance / static_cast<double>(taps_);
    const double window = std::cyl_bessel_i(0, kKaiserBeta * std::sqrt(std::max(1 - w * w, 0.0)));
    return window * (x == 0 ? 1 : std::sin(x) / x);
  }

  size_t places_, advance_;
  double factor_;
  size_t taps_, steps_;
  std::vector<int16_t> values_;
};

namespace {

struct Walk {
  size_t next, place;
  size_t made = 0;
};

// As many samples as `input` has all of, to `output`, which has room for them; where it got to.
SOUNDGATE_VECTOR_CLONES Walk filter(const PolyphaseFilters& filters, std::span<const int16_t> input,
                                    Walk at, int16_t* output) {
  const size_t steps = filters.steps(), places = filters.places(), advance = filters.advance();
  while (at.next + steps * kStep <= input.size()) {
    const int16_t* samples = input.data() + at.next;
    const int16_t* taps = filters.at(at.place);
    int32_t sum = 1 << (kSumBits - 1);
    for (size_t i = 0; i < steps * kStep; ++i) sum += samples[i] * taps[i];
    *output++ = static_cast<int16_t>(std::clamp(sum >> kSumBits, INT16_MIN, INT16_MAX));
    ++at.made;
    at.place += advance;
    while (at.place >= places) {  // a division takes as long as four turns
      at.place -= places;
      ++at.next;
    }
  }
  return at;
}

}  // namespace

bool Polyphase::suits(int sample_rate_hz) {
  return sample_rate_hz > 0 && sample_rate_hz <= kRateHzMax &&
         kSampleRateHz / divisor_of(sample_rate_hz) <= kPlacesMax;
}

Polyphase::Polyphase(int sample_rate_hz, uint64_t first_sample)
    : filters_(PolyphaseFilters::of(sample_rate_hz)),
      input_(filters_->before()),
      first_made_((first_sample * filters_->places() + filters_->advance() - 1) /
                  filters_->advance()) {
  const uint64_t ahead = first_made_ * filters_->advance() - first_sample * filters_->places();
  next_ = ahead / filters_->places();
  place_ = ahead % filters_->places();
}

std::span<int16_t> Polyphase::append(size_t count) {
  const size_t used = std::min(next_, input_.size());
  input_.erase(input_.begin(), input_.begin() + static_cast<ptrdiff_t>(used));
  next_ -= used;
  input_.resize(input_.size() + count);
  return std::span(input_).last(count);
}

std::span<const int16_t> Polyphase::take() {
  const size_t made_max = input_.size() * filters_->places() / filters_->advance() + 1;
  output_.resize(std::max(output_.size(), made_max));
  const Walk end = filter(*filters_, input_, {next_, place_}, output_.data());
  next_ = end.next;
  place_ = end.place;
  return std::span(output_).first(end.made);
}

// Silence follows, up to where the last sample that there is lies in the middle of a filter.
std::span<const int16_t> Polyphase::flush() {
  std::ranges::fill(append(filters_->steps() * kStep - filters_->before() - 1), int16_t{0});
  return take();
}

}  // namespace soundgate::decode
