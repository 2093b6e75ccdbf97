#include "dataplane/http/upload_exchange.h"

#include <strings.h>

#include <numeric>

#include "dataplane/http/inspect_rules.h"

namespace soundgate {

AnswerHeaders::Field AnswerHeaders::field_named(std::string_view name) {
  const auto is = [&](std::string_view known) {
    return name.size() == known.size() && strncasecmp(name.data(), known.data(), known.size()) == 0;
  };
  if (is("tus-resumable")) return Field::kTusResumable;
  if (is("upload-offset")) return Field::kOffset;
  if (is("upload-length")) return Field::kLength;
  if (is("location")) return Field::kLocation;
  return Field::kOther;
}

void AnswerHeaders::begin_name(std::string_view more) {
  if (in_value_) name_.clear();
  in_value_ = false;
  name_.append(more);  // what is too long is none of ours
}

void AnswerHeaders::append_value(std::string_view more) {
  if (!in_value_) {
    in_value_ = true;
    field_ = field_named(name_.view());
    if (field_ != Field::kOther) ++values_[static_cast<size_t>(field_) - 1].count;
  }
  if (field_ == Field::kLocation) {
    location_overflow_ = !location_.append(more) || location_overflow_;
  } else if (field_ != Field::kOther) {
    values_[static_cast<size_t>(field_) - 1].text.append(more);
  }
}

void AnswerHeaders::clear() { *this = AnswerHeaders(); }

std::string_view AnswerHeaders::location() const {
  const bool clear = of(Field::kLocation).count == 1 && !location_overflow_;
  return clear ? trimmed(location_.view()) : std::string_view();
}

bool AnswerHeaders::number_of(Field field, uint64_t& number) const {
  return of(field).count == 1 && parse_upload_number(trimmed(of(field).text.view()), number);
}

ExchangePool::ExchangePool(size_t count) : entries_(count), free_(count) {
  std::iota(free_.begin(), free_.end(), uint16_t{0});
}

uint16_t ExchangePool::take() {
  if (free_.empty()) return kNone;
  const uint16_t index = free_.back();
  free_.pop_back();
  entries_[index] = UploadExchange{};
  return index;
}

}  // namespace soundgate
