#include "dataplane/gate/make_way.h"

#include <algorithm>

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

// Of those that are looked at, the one that gives way.
class Choice {
 public:
  // For a newcomer whose client has so many.
  Choice(size_t own, size_t more_than_its_share)
      : own_(own), more_than_its_share_(more_than_its_share) {}

  void look_at(uint16_t index, bool is_resource, bool may_end, const Claim& claim) {
    most_ = std::max(most_, claim.held_by_client);
    const bool too_many = claim.held_by_client >= more_than_its_share_;
    if (!may_end || (!claim.hardly_comes && !too_many) || (any_ && claim < claim_)) return;
    any_ = true;
    index_ = index;
    is_resource_ = is_resource;
    claim_ = claim;
  }

  bool any() const { return any_; }
  bool is_resource() const { return is_resource_; }
  uint16_t index() const { return index_; }
  bool newcomer_has_most() const { return most_ > 0 && own_ >= most_; }

 private:
  const size_t own_;
  const size_t more_than_its_share_;
  size_t most_ = 0;
  bool any_ = false;
  bool is_resource_ = false;
  uint16_t index_ = 0;  // of an upload's slot, or of a resource
  Claim claim_;
};

// How many this client has, of either kind.
size_t held_by(const Core& core, const Holdings& holdings, uint16_t client) {
  return holdings.held_by(client) + core.waiting.held_by(client);
}

void look_at_uploads(Core& core, Holdings& holdings, Choice& choice) {
  for (size_t i = std::min(kUploadsScannedForRoom, holdings.count()); i > 0; --i) {
    const uint16_t slot = holdings.next_in_turn();
    const Upload& upload = core.uploads[slot];
    const uint64_t read_to = core.flows[upload.flow].client.parsed;
    const bool may_end =
        upload.phase == UploadPhase::kReceiving || upload.phase == UploadPhase::kTurnWait;
    choice.look_at(
        slot, false, may_end,
        {hardly_comes(core, upload, read_to), held_by(core, holdings, holdings.client_of(slot)),
         core.now.tick - upload.progress});
  }
}

void look_at_resources(Core& core, const Holdings& holdings, Choice& choice) {
  for (size_t i = std::min(kUploadsScannedForRoom, core.waiting.count()); i > 0; --i) {
    const uint16_t index = core.waiting.next_in_turn();
    const Tick idle = core.now.tick - core.resources[index].idle_since;
    choice.look_at(index, true, true,
                   {idle >= kUploadSilenceForRoom,
                    held_by(core, holdings, core.waiting.client_of(index)), idle});
  }
}

}  // namespace

bool make_way(Core& core, ResourceLife& resources, const Flow& flow) {
  const Scarce scarce = core.sink.scarce();
  if (scarce == Scarce::kNothing) return true;
  Holdings& holdings = scarce == Scarce::kPlaces ? core.places : core.decoders;
  const size_t own = held_by(core, holdings, holdings.client_of(flow.key));
  // Without a place nothing is known of an upload: there, the newcomer's own client gives one up.
  Choice choice(own, scarce == Scarce::kPlaces ? std::max<size_t>(own, 2) : own + 2);
  look_at_uploads(core, holdings, choice);
  look_at_resources(core, holdings, choice);
  if (!choice.any()) return !choice.newcomer_has_most();
  if (choice.is_resource()) {
    resources.drop_idle(choice.index(), DataplaneReason::gave_way);
    return true;
  }
  core.uploads[choice.index()].gives_way = true;
  core.decoders.remove(choice.index());
  core.places.remove(choice.index());
  return true;
}

}  // namespace soundgate
