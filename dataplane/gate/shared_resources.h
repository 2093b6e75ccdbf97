// What all lcores know of resources that are uploaded in parts: those that were created, and those
// whose parts are refused. The bytes of a resource are followed by one lcore, its owner.
// Thread: any; no call of an lcore's waits.  Memory: allocated once.
#pragma once

#include <algorithm>
#include <vector>

#include "dataplane/gate/shared_table.h"
#include "dataplane/tcp/sequence.h"
#include "dataplane/upload.h"

namespace soundgate {

struct CreatedResource {
  static constexpr uint32_t kNobody = UINT32_MAX;
  static constexpr uint32_t kApart = UINT32_MAX - 1;  // nobody puts its parts together any more
  uint64_t length = kNoOffset;                        // unknown where it is deferred
  uint32_t owner = kNobody;                           // the lcore that took its first part
  uint16_t partial = 0;                               // to be concatenated with others
  uint16_t disturbed = 0;  // parts came under another name that the origin may take for its
};

struct RefusedResource {
  UploadKey upload{};  // of which it was a part
  char upload_id[40] = {};
};
static_assert(sizeof RefusedResource::upload_id > GateDecision::kUploadIdBytes);

// Where uploads with parts are created, that is, where the origin has answered as tus does.
struct TusEndpoint {
  uint64_t seen = 1;
};

struct SharedResources {
  struct Sizes {
    size_t created = kCreatedMax;
    size_t refused = kRefusedMax;
    size_t endpoints = kEndpointsMax;
  };
  explicit SharedResources(const HashSeed& hash_seed) : SharedResources(hash_seed, Sizes()) {}
  SharedResources(const HashSeed& hash_seed, const Sizes& sizes)
      : seed(hash_seed),
        created(sizes.created),
        refused(sizes.refused),
        endpoints(sizes.endpoints) {}

  // Parts of these uploads' resources are let through again. Returns how many names were refused.
  // It looks at all of the table, once.
  size_t lift(std::vector<UploadKey> uploads) {
    std::ranges::sort(uploads);
    return refused.erase_all([&](const RefusedResource& resource) {
      return std::ranges::binary_search(uploads, resource.upload);
    });
  }

  const HashSeed seed;                   // of their names
  SharedTable<CreatedResource> created;  // by exact name, and by alias
  SharedTable<RefusedResource> refused;  // likewise
  SharedTable<TusEndpoint> endpoints;
};

}  // namespace soundgate
