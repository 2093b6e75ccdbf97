// A table that all lcores read and write, and that nobody waits for. Bounded: each key has
// kSharedWays places; where they are taken, what would expire first makes room.
// Errors: put() and update() are false where others were writing in all of its places just then;
//   find() sees nothing where an entry was being written each time it looked.
// Thread: any.  Memory: allocated once.  An entry is a seqlock whose writers do not wait.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstring>
#include <optional>
#include <type_traits>
#include <vector>

#include "dataplane/clock.h"
#include "dataplane/http/resource_name.h"
#include "dataplane/limits.h"

namespace soundgate {

template <class Value>
class SharedTable {
  static_assert(std::is_trivially_copyable_v<Value> && sizeof(Value) % sizeof(uint64_t) == 0);

 public:
  explicit SharedTable(size_t count)
      : buckets_(std::bit_ceil(count / kSharedWays)), mask_(buckets_.size() - 1) {}

  std::optional<Value> find(const ResourceKey& key, Tick now) const {
    for (const Entry& entry : bucket(key)) {
      const auto record = entry.read();
      if (record && record->key == key && record->until > now) return record->value;
    }
    return std::nullopt;
  }

  bool put(const ResourceKey& key, const Value& value, Tick now, Tick until) {
    Bucket& places = bucket(key);
    if (replace(places, [&](const Record& record) { return record.key == key; },
                {key, until, value})) {
      return true;
    }
    for (size_t tries = 0; tries < kSharedWays; ++tries) {
      const auto oldest = std::ranges::min_element(places, {}, [&](const Entry& entry) {
        const auto record = entry.read();
        return !record ? Tick::max() : record->until <= now ? Tick::min() : record->until;
      });
      if (oldest->write({key, until, value}, [](const Record&) { return true; })) return true;
    }
    return false;
  }

  // change(value) is called for the entry of this key, if there is one, and says whether to write.
  template <class Change>
  bool update(const ResourceKey& key, Tick now, Change change) {
    for (Entry& entry : bucket(key)) {
      auto record = entry.read();
      if (!record || record->key != key || record->until <= now) continue;
      const Value before = record->value;
      if (!change(record->value)) return false;
      return entry.write(*record, [&](const Record& current) {
        return current.key == key && std::memcmp(&current.value, &before, sizeof before) == 0;
      });
    }
    return false;
  }

  void erase(const ResourceKey& key) {
    replace(
        bucket(key), [&](const Record& record) { return record.key == key; }, Record{});
  }

  // Of all entries that are like this. Returns how many. For other threads than lcores: it tries
  // again where an lcore is writing.
  template <class IsLike>
  size_t erase_all(IsLike is_like) {
    size_t count = 0;
    for (Bucket& places : buckets_) {
      for (Entry& entry : places) {
        for (auto record = entry.read(); !record || is_like(record->value); record = entry.read()) {
          if (record && !record->key.is_set()) break;
          const bool erased =
              record && entry.write({}, [&](const Record& now) { return now.key == record->key; });
          if (erased) ++count;
        }
      }
    }
    return count;
  }

 private:
  struct Record {
    ResourceKey key;
    Tick until = Tick::min();
    Value value{};
  };
  static constexpr size_t kWords = sizeof(Record) / sizeof(uint64_t);

  class Entry {
   public:
    std::optional<Record> read() const {
      for (int tries = 0; tries < kSharedReadsMax; ++tries) {
        const uint32_t before = sequence_.load(std::memory_order_acquire);
        if ((before & 1) != 0) continue;
        const Record record = copy();
        std::atomic_thread_fence(std::memory_order_acquire);
        if (sequence_.load(std::memory_order_relaxed) == before) return record;
      }
      return std::nullopt;
    }

    // Unless somebody else is writing, or what is there now is not what it may replace.
    template <class MayReplace>
    bool write(const Record& record, MayReplace may_replace) {
      uint32_t before = sequence_.load(std::memory_order_relaxed);
      if ((before & 1) != 0 ||
          !sequence_.compare_exchange_strong(before, before + 1, std::memory_order_acquire)) {
        return false;
      }
      std::atomic_thread_fence(std::memory_order_release);
      const bool replaces = may_replace(copy());
      if (replaces) {
        std::array<uint64_t, kWords> words;
        std::memcpy(words.data(), &record, sizeof record);
        for (size_t i = 0; i < kWords; ++i) words_[i].store(words[i], std::memory_order_relaxed);
      }
      sequence_.store(before + 2, std::memory_order_release);
      return replaces;
    }

   private:
    Record copy() const {
      std::array<uint64_t, kWords> words;
      for (size_t i = 0; i < kWords; ++i) words[i] = words_[i].load(std::memory_order_relaxed);
      return std::bit_cast<Record>(words);
    }

    std::atomic<uint32_t> sequence_{0};
    std::array<std::atomic<uint64_t>, kWords> words_{};
  };
  using Bucket = std::array<Entry, kSharedWays>;

  template <class IsLike>
  static bool replace(Bucket& places, IsLike is_like, const Record& with) {
    return std::ranges::any_of(places, [&](Entry& entry) {
      const auto record = entry.read();
      return record && is_like(*record) && entry.write(with, is_like);
    });
  }

  Bucket& bucket(const ResourceKey& key) { return buckets_[key.second & mask_]; }
  const Bucket& bucket(const ResourceKey& key) const { return buckets_[key.second & mask_]; }

  std::vector<Bucket> buckets_;
  size_t mask_;
};

}  // namespace soundgate
