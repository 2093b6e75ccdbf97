#include "dataplane/gate/resource_life.h"

#include "dataplane/gate/announcement.h"
#include "dataplane/gate/make_way.h"

namespace soundgate {
namespace {

constexpr uint16_t kNone = ResourceTable::kNone;

// Of a resource that was blocked before the origin has said where it is. (Those of names are odd.)
ResourceKey key_without_name(UploadKey upload) {
  return {uint64_t{1} << 63, static_cast<uint64_t>(upload)};
}

}  // namespace

int64_t as_body_bytes(uint64_t length) {
  return length == kNoOffset ? -1 : static_cast<int64_t>(length);
}

ResourceKeys ResourceLife::keys_of(const RequestHead& head) const {
  return resource_keys(head.target.view(), head.host.view(), core_.shared.seed);
}

uint16_t ResourceLife::find(const ResourceKeys& keys) {
  const uint16_t index = core_.resources.find(keys.exact);
  return index != kNone ? index : core_.resources.find(keys.plain);
}

uint16_t ResourceLife::open(Flow& flow, const RequestHead& head, uint64_t length, bool partial) {
  make_room();
  const bool may_decode = make_way(core_, *this, flow);
  const uint16_t index = core_.resources.take();
  if (index == kNone) return kNone;
  Resource& resource = core_.resources[index];
  resource.upload = core_.uploads.next_key(static_cast<uint16_t>(ResourceTable::kKeyBit | index));
  resource.holds = core_.enforcing();
  resource.length = length;
  resource.partial = partial;
  core_.resources.set_phase(index, ResourcePhase::kOpen);
  const SinkResult result = announce(core_, flow, head,
                                     {.body_bytes = as_body_bytes(length),
                                      .holds = resource.holds,
                                      .of_resource = true,
                                      .may_decode = may_decode},
                                     resource.upload);
  resource.wanted = result == SinkResult::kTaken;
  if (result != SinkResult::kOverload) return index;
  core_.counters.count(DataplaneReason::overload);
  end(index, GateOutcome::kReleasedUnasked, DataplaneReason::overload);
  return kNone;
}

// What passed whole stays known, so that parts which come again can be compared.
void ResourceLife::end(uint16_t index, GateOutcome outcome, DataplaneReason reason) {
  Resource& resource = core_.resources[index];
  if (resource.phase == ResourcePhase::kOpen) {
    report_closed(core_, {resource.upload, outcome, reason, core_.now.wall, resource.parts,
                          resource.connections});
  }
  core_.waiting.remove(index);
  if (resource.slot != Resource::kNone) {  // its part may stay: to be compared, or refused
    core_.decoders.remove(resource.slot);
    core_.places.remove(resource.slot);
  }
  const bool passed = outcome == GateOutcome::kReleased || outcome == GateOutcome::kReleasedUnasked;
  const bool may_come_again = passed && resource.finished && resource.keys.exact.is_set();
  if (may_come_again) {
    core_.resources.set_phase(index, ResourcePhase::kReleased);
  } else {
    drop(index);
  }
  count_open();
}

void ResourceLife::refuse_from_now_on(const ResourceKeys& keys, UploadKey upload,
                                      std::string_view upload_id) {
  RefusedResource refused{.upload = upload};
  upload_id.copy(refused.upload_id, GateDecision::kUploadIdBytes);
  // Whoever is blocked for a reason, and no verdict, can be as often as he likes: what has a
  // verdict is not pushed out of the table by that.
  const Tick keep = core_.config.refused_keep;
  const Tick until = core_.now.tick + (upload_id.empty() ? keep / kUnaskedRefusalShare : keep);
  const ResourceKey first = keys.exact.is_set() ? keys.exact : key_without_name(upload);
  for (const ResourceKey& key : {first, keys.alias}) {
    if (key.is_set()) core_.shared.refused.put(key, refused, core_.now.tick, until);
  }
}

void ResourceLife::name_refused(UploadKey upload, const ResourceKeys& keys) {
  const auto refused = core_.shared.refused.find(key_without_name(upload), core_.now.tick);
  if (refused) refuse_from_now_on(keys, upload, refused->upload_id);
}

void ResourceLife::set_apart(uint16_t index, DataplaneReason reason) {
  if (core_.resources[index].phase == ResourcePhase::kOpen) {
    core_.counters.count(reason);
    end(index, GateOutcome::kAborted, reason);
  } else {
    drop(index);
  }
}

// Parts that still come of it are looked at apart.
void ResourceLife::drop(uint16_t index) {
  const ResourceKeys keys = core_.resources[index].keys;
  const uint64_t length = core_.resources[index].length;
  if (keys.exact.is_set()) {
    core_.shared.created.put(keys.exact, {.length = length, .owner = CreatedResource::kApart},
                             core_.now.tick, known_until());
  }
  core_.resources.give(index);
}

void ResourceLife::drop_idle(uint16_t index, DataplaneReason reason) {
  if (core_.resources[index].slot == kNone) set_apart(index, reason);
}

// The ones that have been idle for the longest go: first of those that take room in a decoder.
void ResourceLife::make_room() {
  uint16_t index = core_.resources.longest_idle();
  while (index != kNone && core_.resources.open_idle_count() >= kResourcesOpenIdleMax) {
    const uint16_t next = core_.resources.next_idle(index);
    if (core_.resources[index].phase == ResourcePhase::kOpen) {
      drop_idle(index, DataplaneReason::overload);
    }
    index = next;
  }
  const bool full = core_.resources.in_use() == core_.resources.count();
  if (full && core_.resources.longest_idle() != kNone) {
    drop_idle(core_.resources.longest_idle(), DataplaneReason::overload);
  }
}

void ResourceLife::count_open() { core_.counters.resources_open.set(core_.resources.in_use()); }

void ResourceLife::on_timer() {
  for (size_t count = 0; count < kResourcesExpiredPerTick; ++count) {
    const uint16_t index = core_.resources.longest_idle();
    if (index == kNone) return;
    const Tick idle = core_.now.tick - core_.resources[index].idle_since;
    if (idle < core_.config.resumable_idle) return;
    drop_idle(index, DataplaneReason::client_gone);
    count_open();
  }
}

void ResourceLife::shut_down(DataplaneReason reason) {
  for (uint16_t index; (index = core_.resources.longest_idle()) != kNone;) {
    drop_idle(index, reason);
  }
  count_open();
}

}  // namespace soundgate
