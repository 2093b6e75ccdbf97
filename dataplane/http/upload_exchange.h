// Requests about resumable uploads whose answers are read: where a resource is, how long it is, how
// far the origin has it. One a connection at a time; of others nothing is learnt.
// Thread: the owning lcore.  Memory: allocated once; without a free one nothing is learnt. Where
// all are taken, an answer that is awaited for long makes room.
#pragma once

#include <cstdint>
#include <vector>

#include "dataplane/clock.h"
#include "dataplane/http/fixed_string.h"
#include "dataplane/http/resource_name.h"
#include "dataplane/http/upload_headers.h"
#include "dataplane/limits.h"
#include "dataplane/upload.h"

namespace soundgate {

// The headers of an answer, while it is read.
class AnswerHeaders {
 public:
  void begin_name(std::string_view more);
  void append_value(std::string_view more);
  void clear();

  bool is_tus() const { return of(Field::kTusResumable).count > 0; }
  std::string_view location() const;
  // Whether there is one such header, with a number.
  bool offset(uint64_t& number) const { return number_of(Field::kOffset, number); }
  bool length(uint64_t& number) const { return number_of(Field::kLength, number); }

 private:
  enum class Field : uint8_t { kOther, kTusResumable, kOffset, kLength, kLocation };
  static constexpr size_t kFields = 4;
  struct Value {
    FixedString<kUploadHeaderBytesMax> text;
    int count = 0;
  };
  static Field field_named(std::string_view name);
  const Value& of(Field field) const { return values_[static_cast<size_t>(field) - 1]; }
  bool number_of(Field field, uint64_t& number) const;

  std::array<Value, kFields> values_;
  FixedString<kLocationBytesMax> location_;
  bool location_overflow_ = false;
  FixedString<kHeaderNameBytesMax> name_;
  bool in_value_ = false;
  Field field_ = Field::kOther;
};

struct UploadExchange {
  uint32_t flow = 0;
  Tick since{};
  uint32_t request = 0;  // its number on the connection
  UploadStep step = UploadStep::kNone;
  UploadRequest said;
  UploadKey upload{};  // that the request brought a part of
  bool brings_bytes = false;
  ResourceKeys keys;  // of its target
  FixedString<kLocationBytesMax> target;
  FixedString<kHeaderValueBytesMax> host;
  AnswerHeaders answer;
  unsigned status = 0;  // 0: not answered yet
};

class ExchangePool {
 public:
  static constexpr uint16_t kNone = 0xFFFF;

  explicit ExchangePool(size_t count);

  uint16_t take();  // kNone when all are taken
  void give(uint16_t index) { free_.push_back(index); }
  UploadExchange& operator[](uint16_t index) { return entries_[index]; }
  // One in use after the other, round and round; of a pool of which all are.
  uint16_t next_in_turn() { return static_cast<uint16_t>(++turn_ % entries_.size()); }
  size_t count() const { return entries_.size(); }
  size_t in_use() const { return entries_.size() - free_.size(); }

 private:
  std::vector<UploadExchange> entries_;
  std::vector<uint16_t> free_;
  size_t turn_ = 0;
};

}  // namespace soundgate
