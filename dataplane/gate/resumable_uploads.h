// Resumable uploads (tus 1.0): the bodies of many requests, on many connections, are one upload of
// the sink's. Finds the resource of a part (ResourceLife), compares its bytes with what was seen of
// that one, says which part is the last, and refuses parts of resources that were blocked.
// What was seen first is what was inspected: bytes that come again must be the same, else the
// upload ends with the reason upload_conflict. What cannot be put together is apart: each part of
// it is an upload of its own, with the reason partial_upload.
// Thread: the owning lcore; SharedResources is everybody's.  Memory: the tables'.
// Source: tus.io/protocols/resumable-upload (1.0.0); README, "Resumable uploads".
#pragma once

#include "dataplane/core.h"
#include "dataplane/gate/refuser.h"
#include "dataplane/gate/resource_life.h"

namespace soundgate {

class ResumableUploads {
 public:
  ResumableUploads(Core& core, ResourceLife& life, Refuser& refuser)
      : core_(core), life_(life), refuser_(refuser) {}

  // What becomes of a request whose head has been read.
  enum class Way : uint8_t {
    kWhole,  // its body, if it has one, is an upload of its own
    kApart,  // likewise, and it is a part of something of which not all was seen
    kTaken,  // the flow has a part of a resource now, or it is being refused
  };

  // Whether its resource is followed here, or refused: what operators say of new uploads is not
  // about it.
  bool knows(const RequestHead& head);

  // Before any upload of this flow begins (make_way.h).
  [[nodiscard]] bool make_way(const Flow& flow);

  // For a request that is to be inspected. body_bytes: 0 none, -1 chunked.
  Way begin(Flow& flow, const RequestHead& head, const UploadRequest& request, int64_t body_bytes);

  // What it brings passes and is not looked at.
  void pass(const RequestHead& head, const UploadRequest& request);

  // How large the whole upload is, at least, that this request is about; -1 where that is not
  // known.
  int64_t whole_bytes(const RequestHead& head, const UploadRequest& request, int64_t body_bytes);

  // How long the body is at most, by what the request itself says of its resource; or kNoOffset.
  static uint64_t said_bytes(const UploadRequest& request);

  // A part that is apart: what it is named, should it be blocked, and where its resource ends.
  void name_part(Flow& flow, const RequestHead& head, const UploadRequest& request);

  // For a part's flow. Anything but kNone ends its upload.
  [[nodiscard]] DataplaneReason append(Flow& flow, Bytes body);
  // Whether its part has brought the last byte of the resource.
  bool is_whole(const Flow& flow);
  // In a chunk of so many bytes that begins here: no byte from the last one on may go.
  void mark_tail(Flow& flow, uint64_t chunk_bytes);
  // Whatever tail_bytes is: the last byte alone is held.
  void mark_tail_at_last_byte(Flow& flow);
  // The part's body has ended, or all of the resource is there. Afterwards its tail is held, or the
  // flow has no upload.
  void end_part(Flow& flow);
  // One of the ends has left; the resource stays. The flow has no upload afterwards.
  void leave_part(Flow& flow);

  // The slot of the part that a decision on a resource's upload is about. Where none is on its way,
  // it is done here: kNone.
  uint16_t decide(const GateDecision& decision);
  // Something that the origin may take for its resource was blocked while it was held.
  bool is_refused(const Upload& upload);
  // What passes is unchecked all the same: it is to be concatenated with others.
  bool is_partial(const Upload& upload);
  // The upload of a part's resource has passed, or was let go. The flow has no upload afterwards,
  // unless bytes of it come again that have to be compared.
  void release(Flow& flow, GateOutcome outcome, DataplaneReason reason);
  // It is blocked, and so is what still comes of its resource. (Of other uploads: nothing.)
  void block(Flow& flow, GateOutcome outcome, DataplaneReason reason, std::string_view upload_id);

 private:
  Way begin_part(Flow& flow, const RequestHead& head, const UploadRequest& request,
                 int64_t body_bytes);
  Way begin_creation(Flow& flow, const RequestHead& head, const UploadRequest& request,
                     int64_t body_bytes);
  Way begin_concatenation(Flow& flow, const RequestHead& head, const UploadRequest& request);
  Way begin_apart(Flow& flow, const ResourceKeys& keys);
  void distrust(const ResourceKeys& keys);
  bool refuse_if_blocked(Flow& flow, const ResourceKey& key);

  uint64_t known_length(const ResourceKeys& keys);  // kNoOffset where it is not known
  bool is_refused(const ResourceKeys& keys) const;
  uint16_t open_created(Flow& flow, const RequestHead& head, const ResourceKeys& keys);
  bool follow(uint16_t index, const UploadRequest& request);
  bool attach(Flow& flow, uint16_t index, int64_t body_bytes);
  uint64_t tail_of(const Flow& flow, const Resource& resource, int64_t body_bytes) const;
  void take_over(uint16_t index);

  Core& core_;
  ResourceLife& life_;
  Refuser& refuser_;
};

}  // namespace soundgate
