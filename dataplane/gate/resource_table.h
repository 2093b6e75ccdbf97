// The resources of which one lcore follows the parts. Fixed in number: the one that has been idle
// for the longest makes room.
// Thread: the owning lcore.  Memory: allocated once; the bytes that are kept are lent by a pool.
#pragma once

#include <cstdint>
#include <vector>

#include "dataplane/clock.h"
#include "dataplane/gate/seen_bytes.h"
#include "dataplane/http/resource_name.h"
#include "dataplane/tcp/sequence.h"
#include "dataplane/upload.h"

namespace soundgate {

enum class ResourcePhase : uint8_t {
  kFree,
  kOpen,      // an upload of the sink's: its parts are put together
  kReleased,  // whole, and let through: parts that come again must be the same
};

struct Resource {
  static constexpr uint16_t kNone = 0xFFFF;

  ResourceKeys keys;  // unset as long as the origin has not said where it is
  UploadKey upload{};
  ResourcePhase phase = ResourcePhase::kFree;
  bool holds = false;     // enforce mode, when it began
  bool wanted = false;    // the sink takes more bytes
  bool finished = false;  // the sink has all of it
  bool partial = false;   // it is to be concatenated with others
  uint64_t length = kNoOffset;
  uint64_t rejected_from = kNoOffset;  // the origin said that it did not take what begins here
  uint16_t slot = kNone;               // of the upload table: the part that is on its way
  uint32_t parts = 0;
  uint32_t connections = 0;
  uint64_t last_connection = 0;
  SeenBytes seen;

  bool is_whole() const { return phase != ResourcePhase::kOpen || finished; }

  // Where it is in the table.
  Tick idle_since{};
  uint16_t chain = kNone;
  uint16_t older = kNone;
  uint16_t newer = kNone;
  bool is_idle = false;
};

class ResourceTable {
 public:
  static constexpr uint16_t kNone = Resource::kNone;
  // Of an upload's key: the low bits name a resource.
  static constexpr uint64_t kKeyBit = 0x8000;

  ResourceTable(size_t count, size_t seen_blocks, uint64_t secret);

  // By any name that the origin was heard to use; kNone where there is none.
  uint16_t find(const ResourceKey& key);
  uint16_t find(UploadKey upload) const;

  uint16_t take();  // a fresh one, not idle; kNone when all are taken
  void give(uint16_t index);
  void name(uint16_t index, const ResourceKeys& keys);  // replaces whoever had that name

  void set_idle(uint16_t index, Tick now);
  void set_busy(uint16_t index);
  // kNone where none is idle.
  uint16_t longest_idle() const { return oldest_; }
  // The next one that has been idle for less.
  uint16_t next_idle(uint16_t index) const { return resources_[index].newer; }
  size_t open_idle_count() const { return open_idle_; }
  void set_phase(uint16_t index, ResourcePhase phase);

  Resource& operator[](uint16_t index) { return resources_[index]; }
  SeenPool& seen_pool() { return seen_pool_; }
  size_t count() const { return resources_.size(); }
  size_t in_use() const { return resources_.size() - free_.size(); }

 private:
  uint16_t& bucket_of(const ResourceKey& key) { return buckets_[key.first >> 1 & mask_]; }
  void unlink_name(uint16_t index);
  bool is_open_idle(const Resource& resource) const {
    return resource.is_idle && resource.phase == ResourcePhase::kOpen;
  }

  std::vector<Resource> resources_;
  std::vector<uint16_t> free_;
  std::vector<uint16_t> buckets_;  // by exact name
  size_t mask_;
  uint16_t oldest_ = kNone;
  uint16_t newest_ = kNone;
  size_t open_idle_ = 0;
  SeenPool seen_pool_;
};

}  // namespace soundgate
