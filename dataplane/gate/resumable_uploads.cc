#include "dataplane/gate/resumable_uploads.h"

#include <algorithm>
#include <array>

#include "dataplane/gate/make_way.h"
#include "dataplane/gate/upload_gate.h"

namespace soundgate {
namespace {

constexpr uint16_t kNone = ResourceTable::kNone;

// A part that begins here says that what the origin has is all. Whether it has a body as well
// changes nothing: there is no room for it.
bool completes_with_head(const Resource& resource) {
  return resource.phase == ResourcePhase::kOpen && resource.length == resource.seen.end() &&
         resource.seen.position() == resource.length;
}

}  // namespace

// ---- Requests ----

uint64_t ResumableUploads::known_length(const ResourceKeys& keys) {
  if (const uint16_t index = life_.find(keys); index != kNone) {
    return core_.resources[index].length;
  }
  for (const ResourceKey& key : {keys.exact, keys.plain, keys.alias}) {
    const auto created = core_.shared.created.find(key, core_.now.tick);
    if (created && created->length != kNoOffset) return created->length;
  }
  return kNoOffset;
}

// The origin may never have taken a length that was said: nothing is smaller than what comes of it.
int64_t ResumableUploads::whole_bytes(const RequestHead& head, const UploadRequest& request,
                                      int64_t body_bytes) {
  const bool is_part = request.step == UploadStep::kPart;
  if ((!is_part && request.step != UploadStep::kCreation) || body_bytes < 0) return -1;
  const uint64_t known = is_part ? known_length(life_.keys_of(head)) : request.length;
  if (known == kNoOffset) return -1;
  const uint64_t said = request.length == kNoOffset ? 0 : request.length;
  const uint64_t end = (is_part ? request.offset : 0) + static_cast<uint64_t>(body_bytes);
  return as_body_bytes(std::max({known, said, end}));
}

bool ResumableUploads::knows(const RequestHead& head) {
  const ResourceKeys keys = life_.keys_of(head);
  return life_.find(keys) != kNone || is_refused(keys);
}

void ResumableUploads::pass(const RequestHead& head, const UploadRequest& request) {
  if (request.step == UploadStep::kPart) distrust(life_.keys_of(head));
}

ResumableUploads::Way ResumableUploads::begin(Flow& flow, const RequestHead& head,
                                              const UploadRequest& request, int64_t body_bytes) {
  switch (request.step) {
    case UploadStep::kNone:
    case UploadStep::kStatus:
    case UploadStep::kTermination:
    case UploadStep::kAmbiguous:
      break;
    case UploadStep::kCreation:
      return begin_creation(flow, head, request, body_bytes);
    case UploadStep::kPart:
      return begin_part(flow, head, request, body_bytes);
    case UploadStep::kConcatenation:
      return begin_concatenation(flow, head, request);
    case UploadStep::kPiece:
      return Way::kApart;
  }
  return Way::kWhole;
}

// All of a resource in the request that creates it is an upload like any other. Of less than that,
// we have to know that the origin knows tus: another would take the body for all there is.
ResumableUploads::Way ResumableUploads::begin_creation(Flow& flow, const RequestHead& head,
                                                       const UploadRequest& request,
                                                       int64_t body_bytes) {
  if (body_bytes == 0) return Way::kWhole;
  const bool all = body_bytes > 0 && static_cast<uint64_t>(body_bytes) == request.length;
  if (request.partial) return Way::kApart;
  if (all || !request.is_tus_body) return Way::kWhole;
  const bool is_tus = head.upload.has(UploadHeaders::Field::kTusResumable) &&
                      core_.shared.endpoints.find(life_.keys_of(head).plain, core_.now.tick) &&
                      flow.exchange != Flow::kNoExchange;
  const uint16_t index = is_tus ? life_.open(flow, head, request.length, false) : kNone;
  if (index == kNone || !follow(index, {.step = UploadStep::kPart, .offset = 0, .resources = {}}) ||
      !attach(flow, index, body_bytes)) {
    return Way::kApart;
  }
  return Way::kTaken;
}

ResumableUploads::Way ResumableUploads::begin_part(Flow& flow, const RequestHead& head,
                                                   const UploadRequest& request,
                                                   int64_t body_bytes) {
  const ResourceKeys keys = life_.keys_of(head);
  for (const ResourceKey& key : {keys.exact, keys.plain, keys.query_alias}) {
    if (refuse_if_blocked(flow, key)) return Way::kTaken;
  }
  uint16_t index = life_.find(keys);
  if (index != kNone) take_over(index);
  if (index == kNone && request.offset == 0 && body_bytes != 0) {
    index = open_created(flow, head, keys);
  }
  if (index == kNone || !follow(index, request)) return begin_apart(flow, keys);
  const bool completes = completes_with_head(core_.resources[index]);
  if (body_bytes == 0 && !completes) return Way::kWhole;
  if (!attach(flow, index, body_bytes)) return begin_apart(flow, keys);
  if (completes) end_part(flow);
  return Way::kTaken;
}

// Nobody puts these parts together, from now on.
ResumableUploads::Way ResumableUploads::begin_apart(Flow& flow, const ResourceKeys& keys) {
  if (refuse_if_blocked(flow, keys.alias)) return Way::kTaken;
  distrust(keys);
  return Way::kApart;
}

// Where such bytes may be of a resource that is followed, on another lcore or by another name, what
// was seen of that one is not all.
void ResumableUploads::distrust(const ResourceKeys& keys) {
  auto& created = core_.shared.created;
  const auto disturb = [](CreatedResource& resource) {
    resource.disturbed = 1;
    return true;
  };
  for (const ResourceKey& key : {keys.exact, keys.plain, keys.alias, keys.query_alias}) {
    if (!key.is_set() || created.update(key, core_.now.tick, disturb)) continue;
    created.put(key, {.owner = CreatedResource::kApart, .disturbed = 1}, core_.now.tick,
                life_.known_until());
  }
}

ResumableUploads::Way ResumableUploads::begin_concatenation(Flow& flow, const RequestHead& head,
                                                            const UploadRequest& request) {
  std::string_view rest = request.resources;
  while (!(rest = trimmed(rest)).empty()) {
    const std::string_view one = rest.substr(0, rest.find_first_of(" \t"));
    rest.remove_prefix(one.size());
    std::array<char, kConcatenationBytesMax + kTargetBytesMax> space;
    const std::string_view target = resolve_location(one, head.target.view(), space);
    const ResourceKeys keys = resource_keys(target, head.host.view(), core_.shared.seed);
    for (const ResourceKey& key : {keys.exact, keys.plain, keys.alias, keys.query_alias}) {
      if (refuse_if_blocked(flow, key)) return Way::kTaken;
    }
  }
  return Way::kWhole;
}

bool ResumableUploads::refuse_if_blocked(Flow& flow, const ResourceKey& key) {
  if (!core_.enforcing() || !key.is_set()) return false;
  const auto refused = core_.shared.refused.find(key, core_.now.tick);
  if (!refused) return false;
  core_.counters.parts_refused.add();
  refuser_.refuse_request(flow, flow.requests.heads() - 1, GateOutcome::kBlocked,
                          DataplaneReason::kNone, refused->upload_id);
  return true;
}

// The origin may take less of it than it says, and have the last byte of the resource before it
// ends.
void ResumableUploads::name_part(Flow& flow, const RequestHead& head,
                                 const UploadRequest& request) {
  Upload* upload = core_.upload_of(flow);
  if (!upload || upload->phase != UploadPhase::kReceiving) return;
  const bool is_part = request.step == UploadStep::kPart;
  if (!is_part && !request.is_tus_body) return;
  const uint64_t said = said_bytes(request);
  uint64_t known = kNoOffset;
  if (is_part) {
    upload->keys = life_.keys_of(head);
    const uint64_t length = known_length(upload->keys);
    if (length != kNoOffset && length > request.offset) known = length - request.offset;
  }
  upload->left = std::min(known, said);
  upload->left_is_said = said <= known;
  if (upload->left == kNoOffset || upload->tail == kNoOffset) return;
  upload->tail = std::min(upload->tail, flow.client.parsed + upload->left - 1);
}

uint64_t ResumableUploads::said_bytes(const UploadRequest& request) {
  const uint64_t begin = request.step == UploadStep::kPart ? request.offset : 0;
  const bool says = request.length != kNoOffset && request.length > begin;
  return says ? request.length - begin : kNoOffset;
}

// ---- Parts ----

// Of a resource that the origin has made, and of which nobody has seen a byte.
uint16_t ResumableUploads::open_created(Flow& flow, const RequestHead& head,
                                        const ResourceKeys& keys) {
  CreatedResource mine;
  const auto claim = [&](const ResourceKey& key) {
    return core_.shared.created.update(key, core_.now.tick, [&](CreatedResource& created) {
      if (created.owner != CreatedResource::kNobody) return false;
      created.owner = core_.index;
      mine = created;
      return true;
    });
  };
  for (const ResourceKey& key : {keys.exact, keys.plain}) {
    if (!claim(key)) continue;
    // Another name of the same may have been first.
    if (keys.alias.is_set() && keys.alias != key && !claim(keys.alias)) return kNone;
    const uint16_t index = life_.open(flow, head, mine.length, mine.partial != 0);
    if (index != kNone)
      core_.resources.name(index, {key, keys.plain, keys.alias, keys.query_alias});
    return index;
  }
  return kNone;
}

// Whether the part continues what was seen.
bool ResumableUploads::follow(uint16_t index, const UploadRequest& request) {
  Resource& resource = core_.resources[index];
  const auto is_disturbed = [&](const ResourceKey& key) {
    const auto known = core_.shared.created.find(key, core_.now.tick);
    return key.is_set() && known && known->disturbed != 0;
  };
  const bool disturbed = is_disturbed(resource.keys.exact) || is_disturbed(resource.keys.alias);
  const bool other_length = request.length != kNoOffset && resource.length != kNoOffset &&
                            request.length != resource.length;
  const bool too_short = request.length != kNoOffset && request.length < resource.seen.end();
  // What the origin did not take it does not have, so nothing can follow it.
  const bool follows_rejected = request.offset > resource.rejected_from;
  if (disturbed || other_length || too_short || follows_rejected ||
      !resource.seen.go_to(request.offset)) {
    life_.set_apart(index, DataplaneReason::partial_upload);
    return false;
  }
  resource.rejected_from = kNoOffset;
  if (request.length != kNoOffset) resource.length = request.length;
  return true;
}

bool ResumableUploads::make_way(const Flow& flow) {
  return soundgate::make_way(core_, life_, flow);
}

bool ResumableUploads::attach(Flow& flow, uint16_t index, int64_t body_bytes) {
  const uint16_t slot = core_.uploads.take();
  if (slot == UploadTable::kNone) {
    core_.counters.count(DataplaneReason::overload);
    life_.set_apart(index, DataplaneReason::overload);
    return false;
  }
  Resource& resource = core_.resources[index];
  core_.resources.set_busy(index);
  core_.waiting.remove(index);
  resource.slot = slot;
  ++resource.parts;
  const uint64_t connection = hash(flow.key, core_.shared.seed) ^ flow.client.first;
  if (connection != resource.last_connection) ++resource.connections;
  resource.last_connection = connection;
  flow.upload = slot;
  Upload& upload = core_.uploads[slot];
  upload.flow = core_.flows.index_of(flow);
  upload.request = flow.requests.heads() - 1;
  upload.phase = UploadPhase::kReceiving;
  upload.holds = resource.holds;
  upload.wanted = resource.wanted;
  upload.progress = core_.now.tick;
  upload.watch_pace_from(flow.client.parsed, core_.now.tick);
  upload.resource = index;
  if (!resource.is_whole()) core_.places.add(slot, flow.key);
  if (!resource.is_whole() && resource.wanted) core_.decoders.add(slot, flow.key);
  if (flow.requests.chunked()) {
    upload.chunk_limit = upload.chunk_line = flow.client.parsed;
  } else {
    upload.tail = tail_of(flow, resource, body_bytes);
  }
  if (completes_with_head(resource)) upload.tail = flow.client.parsed - 1;
  const bool watched = flow.exchange != Flow::kNoExchange &&
                       core_.exchanges[flow.exchange].request == upload.request;
  if (watched) core_.exchanges[flow.exchange].upload = resource.upload;
  life_.count_open();
  return true;
}

// Of a part that does not bring the last byte: its own end. Segments that come out of order go on
// before they are read: so the last byte waits also where it has only to be compared.
uint64_t ResumableUploads::tail_of(const Flow& flow, const Resource& resource,
                                   int64_t body_bytes) const {
  const uint64_t begin = flow.client.parsed;
  const uint64_t body_end = begin + static_cast<uint64_t>(body_bytes);
  if (resource.length == kNoOffset) return body_end;
  const uint64_t position = resource.seen.position();
  const uint64_t left = resource.length - std::min(resource.length, position);
  if (left == 0 || left > static_cast<uint64_t>(body_bytes)) return body_end;
  const auto tail_bytes = static_cast<uint64_t>(std::max<int64_t>(core_.config.tail_bytes, 1));
  return begin + left - std::min(tail_bytes, left);
}

void ResumableUploads::mark_tail(Flow& flow, uint64_t chunk_bytes) {
  const Resource& resource = core_.resources[core_.uploads[flow.upload].resource];
  if (resource.length == kNoOffset) return;
  const uint64_t left = resource.length - std::min(resource.length, resource.seen.position());
  if (left > 0 && left <= chunk_bytes) mark_tail_at_last_byte(flow);
}

void ResumableUploads::mark_tail_at_last_byte(Flow& flow) {
  Upload& upload = core_.uploads[flow.upload];
  const Resource& resource = core_.resources[upload.resource];
  if (resource.length == kNoOffset || resource.seen.position() >= resource.length) return;
  upload.tail = flow.client.parsed + (resource.length - resource.seen.position()) - 1;
}

// The client comes back while its last connection still seems to be there: that one is over.
void ResumableUploads::take_over(uint16_t index) {
  const Resource& resource = core_.resources[index];
  if (resource.slot == kNone) return;
  Flow& flow = core_.flows[core_.uploads[resource.slot].flow];
  const bool strict = resource.holds;
  leave_part(flow);
  if (strict) refuser_.reset_both(flow);
}

DataplaneReason ResumableUploads::append(Flow& flow, Bytes body) {
  Upload& upload = core_.uploads[flow.upload];
  Resource& resource = core_.resources[upload.resource];
  const uint64_t left = resource.length - std::min(resource.length, resource.seen.position());
  body = body.first(std::min<uint64_t>(body.size(), left));
  const auto fresh = resource.seen.take(core_.resources.seen_pool(), body);
  if (!fresh) return DataplaneReason::upload_conflict;
  const bool wanted = resource.wanted && resource.phase == ResourcePhase::kOpen;
  if (fresh->empty() || !wanted) return DataplaneReason::kNone;
  const SinkResult result = core_.sink.append(resource.upload, *fresh);
  if (result == SinkResult::kEnough) {
    resource.wanted = upload.wanted = false;
    core_.decoders.remove(flow.upload);
  }
  return result == SinkResult::kOverload ? DataplaneReason::overload : DataplaneReason::kNone;
}

bool ResumableUploads::is_whole(const Flow& flow) {
  const Resource& resource = core_.resources[core_.uploads[flow.upload].resource];
  return resource.length != kNoOffset && resource.seen.position() == resource.length;
}

void ResumableUploads::end_part(Flow& flow) {
  Upload& upload = core_.uploads[flow.upload];
  const uint16_t index = upload.resource;
  Resource& resource = core_.resources[index];
  if (!is_whole(flow) || resource.phase != ResourcePhase::kOpen) {
    leave_part(flow);
    return;
  }
  if (!resource.finished) {
    resource.finished = true;
    core_.sink.finish(resource.upload, core_.now.wall);
    core_.decoders.remove(flow.upload);
  }
  if (resource.holds) {
    upload.phase = UploadPhase::kComplete;
    return;
  }
  const auto reason = resource.partial ? DataplaneReason::partial_upload : DataplaneReason::kNone;
  if (resource.partial) core_.counters.count(reason);
  release(flow, GateOutcome::kReleasedUnasked, reason);
}

void ResumableUploads::leave_part(Flow& flow) { free_slot(core_, flow); }

// ---- Decisions ----

uint16_t ResumableUploads::decide(const GateDecision& decision) {
  const uint16_t index = core_.resources.find(decision.key);
  if (index == kNone) return UploadTable::kNone;
  const Resource& resource = core_.resources[index];
  if (resource.phase != ResourcePhase::kOpen || !resource.holds) return UploadTable::kNone;
  if (resource.slot != kNone) return resource.slot;
  if (decision.unchecked != DataplaneReason::kNone) {
    core_.counters.count(decision.unchecked);
    life_.end(index, GateOutcome::kReleasedUnasked, decision.unchecked);
    return UploadTable::kNone;
  }
  const auto reason = !decision.block && resource.partial ? DataplaneReason::partial_upload
                                                          : DataplaneReason::kNone;
  const bool fails = reason != DataplaneReason::kNone;
  if (fails) core_.counters.count(reason);
  const bool blocks = decision.block || (fails && core_.fail_action(reason) == FailAction::kBlock);
  if (blocks) life_.refuse_from_now_on(resource.keys, resource.upload, decision.upload_id);
  const GateOutcome outcome =
      fails    ? blocks ? GateOutcome::kBlockedUnasked : GateOutcome::kReleasedUnasked
      : blocks ? GateOutcome::kBlocked
               : GateOutcome::kReleased;
  life_.end(index, outcome, reason);
  return UploadTable::kNone;
}

bool ResumableUploads::is_refused(const Upload& upload) {
  const bool follows = upload.resource != UploadTable::kNoResource;
  return is_refused(follows ? core_.resources[upload.resource].keys : upload.keys);
}

bool ResumableUploads::is_refused(const ResourceKeys& keys) const {
  const std::array all{keys.exact, keys.plain, keys.alias, keys.query_alias};
  return std::ranges::any_of(all, [&](const ResourceKey& key) {
    return key.is_set() && core_.shared.refused.find(key, core_.now.tick);
  });
}

bool ResumableUploads::is_partial(const Upload& upload) {
  return upload.resource != UploadTable::kNoResource && core_.resources[upload.resource].partial;
}

void ResumableUploads::release(Flow& flow, GateOutcome outcome, DataplaneReason reason) {
  Upload& upload = core_.uploads[flow.upload];
  const uint16_t index = upload.resource;
  Resource& resource = core_.resources[index];
  // After bytes that differ, nothing can be compared any more.
  if (reason == DataplaneReason::upload_conflict) resource.finished = false;
  const bool stays = resource.finished && upload.phase == UploadPhase::kReceiving &&
                     reason == DataplaneReason::kNone && resource.keys.exact.is_set();
  if (!stays) leave_part(flow);
  life_.end(index, outcome, reason);
}

void ResumableUploads::block(Flow& flow, GateOutcome outcome, DataplaneReason reason,
                             std::string_view upload_id) {
  Upload& upload = core_.uploads[flow.upload];
  if (upload.resource == UploadTable::kNoResource) {
    if (upload.keys.exact.is_set()) life_.refuse_from_now_on(upload.keys, upload.key, upload_id);
    return;
  }
  const uint16_t index = upload.resource;
  upload.resource = UploadTable::kNoResource;
  const Resource& resource = core_.resources[index];
  life_.refuse_from_now_on(resource.keys, resource.upload, upload_id);
  life_.end(index, outcome, reason);
}

}  // namespace soundgate
