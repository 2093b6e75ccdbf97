#include "dataplane/gate/make_way.h"

#include <algorithm>
#include <tuple>

namespace soundgate {
namespace {

using Seconds = std::chrono::duration<double>;

// A window that has just begun says nothing yet: then the last one does. A refusal that waits for
// its turn waits for what its client has asked for before.
bool hardly_comes(const Core& core, const Upload& upload, uint64_t read_to) {
  if (upload.phase == UploadPhase::kTurnWait) {
    return core.now.tick - upload.began_refusing >= kRefusalAgeMin;
  }
  constexpr double kBytesPerSecondMin = kUploadPaceBytesMin / Seconds(kUploadPaceWindow).count();
  const Tick watched = core.now.tick - upload.window_began;
  const auto bytes = static_cast<double>(read_to - upload.window_from);
  const bool is_slow =
      watched >= kUploadSilenceForRoom && bytes < kBytesPerSecondMin * Seconds(watched).count();
  return is_slow || upload.slow || core.now.tick - upload.progress >= kUploadSilenceForRoom;
}

// Of two, the one with more of this gives way.
struct Claim {
  bool hardly_comes = false;
  size_t held_by_client = 0;
  Tick silent{};

  auto operator<=>(const Claim&) const = default;
};

// The open one that has been idle for longest; kNone where none has been for long enough.
uint16_t idle_resource(Core& core) {
  ResourceTable& resources = core.resources;
  uint16_t index = resources.longest_idle();
  for (size_t i = 0; i < kUploadsScannedForRoom && index != ResourceTable::kNone; ++i) {
    const Resource& resource = resources[index];
    if (core.now.tick - resource.idle_since < kUploadSilenceForRoom) break;
    if (resource.phase == ResourcePhase::kOpen && !resource.finished) return index;
    index = resources.next_idle(index);
  }
  return ResourceTable::kNone;
}

}  // namespace

bool make_way(Core& core, ResourceLife& resources, const Flow& flow) {
  const Scarce scarce = core.sink.scarce();
  Holdings& holdings = scarce == Scarce::kPlaces ? core.places : core.decoders;
  if (scarce == Scarce::kNothing) return true;
  const size_t own = holdings.of_client(flow.key);
  // Without a place nothing is known of an upload: there, the newcomer's own client gives one up.
  const size_t more_than_its_share = scarce == Scarce::kPlaces ? std::max<size_t>(own, 2) : own + 2;
  size_t most = 0;
  Upload* chosen = nullptr;
  Claim least;
  for (size_t i = std::min(kUploadsScannedForRoom, holdings.count()); i > 0; --i) {
    const uint16_t slot = holdings.next_in_turn();
    Upload& upload = core.uploads[slot];
    const uint64_t read_to = core.flows[upload.flow].client.parsed;
    const Claim claim{hardly_comes(core, upload, read_to), holdings.of_client_of(slot),
                      core.now.tick - upload.progress};
    most = std::max(most, claim.held_by_client);
    const bool may_end =
        upload.phase == UploadPhase::kReceiving || upload.phase == UploadPhase::kTurnWait;
    const bool may_give_way =
        may_end && (claim.hardly_comes || claim.held_by_client >= more_than_its_share);
    if (!may_give_way || (chosen && claim < least)) continue;
    chosen = &upload;
    least = claim;
  }
  const uint16_t idle = idle_resource(core);
  const bool is_idler =
      idle != ResourceTable::kNone &&
      !(least.hardly_comes && core.now.tick - core.resources[idle].idle_since < least.silent);
  if (is_idler) {
    resources.drop_idle(idle, DataplaneReason::gave_way);
    return true;
  }
  if (!chosen) return own < most || holdings.count() == 0;
  chosen->gives_way = true;
  const uint16_t slot = core.uploads.find(chosen->key);
  core.decoders.remove(slot);
  core.places.remove(slot);
  return true;
}

}  // namespace soundgate
