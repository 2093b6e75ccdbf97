// Resources that are followed, from the first of their parts to their end, and what is remembered
// of them: that they were blocked, or that nobody puts their parts together any more. Thread: the
// owning lcore; SharedResources is everybody's.  Memory: the tables'.
#pragma once

#include "dataplane/core.h"

namespace soundgate {

// The length of a resource as the sink is told it: -1 where nobody has said it yet.
int64_t as_body_bytes(uint64_t length);

class ResourceLife {
 public:
  explicit ResourceLife(Core& core) : core_(core) {}

  ResourceKeys keys_of(const RequestHead& head) const;
  // kNone where it is not followed here.
  uint16_t find(const ResourceKeys& keys);

  // An upload of the sink's begins. kNone where there is no room for it; it is reported then.
  uint16_t open(Flow& flow, const RequestHead& head, uint64_t length, bool partial);
  // That upload is over.
  void end(uint16_t index, GateOutcome outcome, DataplaneReason reason);
  // Likewise; parts that still come are looked at apart.
  void set_apart(uint16_t index, DataplaneReason reason);
  // Likewise, if no part is on its way.
  void drop_idle(uint16_t index, DataplaneReason reason);
  void drop(uint16_t index);

  void refuse_from_now_on(const ResourceKeys& keys, UploadKey upload, std::string_view upload_id);
  // The origin says where the resource of this upload is. It may have been blocked before.
  void name_refused(UploadKey upload, const ResourceKeys& keys);
  Tick known_until() const { return core_.now.tick + core_.config.resumable_idle; }
  void count_open();

  void on_timer();
  void shut_down(DataplaneReason reason);

 private:
  void make_room();

  Core& core_;
};

}  // namespace soundgate
