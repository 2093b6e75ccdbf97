#include "dataplane/gate/resource_answers.h"

#include <algorithm>
#include <array>

namespace soundgate {
namespace {

constexpr uint16_t kNone = ResourceTable::kNone;

bool is_good(unsigned status) { return status / 100 == 2; }

// tusd and @tus/server say 400 also to a request that another one has interrupted, and keep what
// came. They say it to one they do not understand, too, and keep nothing.
bool may_have_stored(const UploadExchange& exchange) {
  return exchange.status == 400 && exchange.said.is_tus_body && exchange.said.length == kNoOffset;
}

}  // namespace

void ResourceAnswers::watch(Flow& flow, const RequestHead& head, const UploadRequest& request,
                            bool brings_bytes) {
  const bool tells = request.step == UploadStep::kCreation || request.step == UploadStep::kPart ||
                     request.step == UploadStep::kStatus ||
                     request.step == UploadStep::kTermination;
  if (!tells || flow.exchange != Flow::kNoExchange) return;
  if (head.target.view().size() > kLocationBytesMax) return;
  flow.exchange = take(request.step);
  if (flow.exchange == Flow::kNoExchange) return;
  UploadExchange& exchange = core_.exchanges[flow.exchange];
  exchange.flow = core_.flows.index_of(flow);
  exchange.since = core_.now.tick;
  exchange.request = flow.requests.heads() - 1;
  exchange.step = request.step;
  exchange.said = request;
  exchange.brings_bytes = brings_bytes;
  exchange.keys = life_.keys_of(head);
  exchange.target.append(head.target.view());
  exchange.host.append(head.host.view());
}

// A part says little, and takes long. A client may keep its answer from coming for ever.
uint16_t ResourceAnswers::take(UploadStep step) {
  ExchangePool& pool = core_.exchanges;
  const size_t reserve =
      step == UploadStep::kPart ? pool.count() / kExchangesReserveShare : size_t{0};
  if (pool.in_use() < pool.count() - reserve) return pool.take();
  if (pool.in_use() < pool.count()) return ExchangePool::kNone;
  for (size_t count = 0; count < kExchangesScannedForRoom; ++count) {
    const uint16_t index = pool.next_in_turn();
    if (core_.now.tick - pool[index].since < kAnswerAgeForRoom) continue;
    core_.flows[pool[index].flow].exchange = Flow::kNoExchange;
    pool.give(index);
    return pool.take();
  }
  return ExchangePool::kNone;
}

void ResourceAnswers::on_answer(Flow& flow) {
  const uint16_t slot = flow.exchange;
  flow.exchange = Flow::kNoExchange;
  const UploadExchange& exchange = core_.exchanges[slot];
  switch (exchange.step) {
    case UploadStep::kCreation:
      learn_created(exchange);
      break;
    case UploadStep::kPart:
      learn_part(exchange);
      break;
    case UploadStep::kStatus:
      learn_status(exchange);
      break;
    default:
      learn_terminated(exchange);
  }
  core_.exchanges.give(slot);
  life_.count_open();
}

void ResourceAnswers::learn_created(const UploadExchange& exchange) {
  std::array<char, 2 * kLocationBytesMax> space;
  const std::string_view target =
      resolve_location(exchange.answer.location(), exchange.target.view(), space);
  const uint16_t index = core_.resources.find(exchange.upload);
  if (!is_good(exchange.status) || !exchange.answer.is_tus() || target.empty()) {
    if (index != kNone) life_.drop_idle(index, DataplaneReason::origin_gone);
    return;
  }
  auto& shared = core_.shared;
  const Tick now = core_.now.tick;
  shared.endpoints.put(exchange.keys.plain, {}, now, life_.known_until());
  const ResourceKeys there = resource_keys(target, exchange.host.view(), shared.seed);
  // Behind a proxy, what the origin calls itself is not what requests call it. Of two names only
  // one is followed, so it must be possible to tell that they mean the same.
  const ResourceKeys here = resource_keys(without_host(target), exchange.host.view(), shared.seed);
  const ResourceKeys& keys = here.alias.is_set() ? here : there;
  life_.name_refused(exchange.upload, keys);
  uint64_t offset = 0;
  const bool says_offset = exchange.answer.offset(offset);
  // What it brought was looked at apart, unless the origin has left it.
  const bool was_apart = index == kNone && exchange.brings_bytes && (!says_offset || offset > 0);
  const CreatedResource created{.length = exchange.said.length,
                                .owner = index != kNone ? core_.index
                                         : was_apart    ? CreatedResource::kApart
                                                        : CreatedResource::kNobody,
                                .partial = exchange.said.partial,
                                .disturbed = 0};
  // Of one that is known already, more may have been seen.
  if (!shared.created.find(here.exact, now) && !shared.created.find(there.exact, now)) {
    shared.created.put(there.exact, created, now, life_.known_until());
    if (keys.exact != there.exact) {
      shared.created.put(keys.exact, created, now, life_.known_until());
    }
    if (keys.alias.is_set() && keys.alias != keys.exact) {
      shared.created.put(keys.alias, created, now, life_.known_until());
    }
  }
  if (index == kNone) return;
  core_.resources.name(index, keys);
  if (says_offset) learn_stored(index, offset);
}

void ResourceAnswers::learn_part(const UploadExchange& exchange) {
  const uint16_t index = core_.resources.find(exchange.upload);
  if (index == kNone) return;
  uint64_t offset = 0;
  if (!exchange.answer.is_tus()) return;  // a server's own word on a request that was cut off, say
  if (is_good(exchange.status) && exchange.answer.offset(offset)) {
    learn_stored(index, offset);
  } else if (exchange.status / 100 == 4 && !may_have_stored(exchange)) {
    Resource& resource = core_.resources[index];
    resource.rejected_from = std::min(resource.rejected_from, exchange.said.offset);
  }
}

void ResourceAnswers::learn_status(const UploadExchange& exchange) {
  uint64_t offset = 0;
  uint64_t length = kNoOffset;
  const AnswerHeaders& answer = exchange.answer;
  if (!is_good(exchange.status) || !answer.is_tus() || !answer.offset(offset)) return;
  if (!answer.length(length)) length = kNoOffset;
  const uint16_t index = life_.find(exchange.keys);
  if (index != kNone) {
    Resource& resource = core_.resources[index];
    const bool other =
        length != kNoOffset && resource.length != kNoOffset && length != resource.length;
    if (other && resource.slot == kNone) {
      life_.set_apart(index, DataplaneReason::partial_upload);
      return;
    }
    if (resource.length == kNoOffset) resource.length = length;
    learn_stored(index, offset);
    return;
  }
  auto& created = core_.shared.created;
  const Tick now = core_.now.tick;
  // By another name it may be one that is known.
  const ResourceKeys& keys = exchange.keys;
  const bool known = created.find(keys.exact, now) || created.find(keys.plain, now) ||
                     (keys.alias.is_set() && created.find(keys.alias, now));
  if (known) return;
  if (offset != 0) {  // nobody has seen its beginning
    created.put(keys.exact, {.length = length, .owner = CreatedResource::kApart}, now,
                life_.known_until());
    return;
  }
  created.put(keys.exact, {.length = length}, now, life_.known_until());
  if (keys.alias.is_set()) created.put(keys.alias, {.length = length}, now, life_.known_until());
}

void ResourceAnswers::learn_stored(uint16_t index, uint64_t offset) {
  Resource& resource = core_.resources[index];
  if (offset > resource.seen.end()) {  // it has bytes that nobody here has seen
    if (resource.slot == kNone) life_.set_apart(index, DataplaneReason::partial_upload);
    return;
  }
  // What a part on its way brings again is still to be compared.
  const bool compares = resource.slot != kNone && offset > resource.seen.position();
  if (!compares) resource.seen.confirm(core_.resources.seen_pool(), offset);
  const bool over = resource.phase == ResourcePhase::kReleased && offset == resource.length &&
                    resource.slot == kNone;
  if (over) life_.drop(index);
}

void ResourceAnswers::learn_terminated(const UploadExchange& exchange) {
  const uint16_t index = life_.find(exchange.keys);
  if (index == kNone || !is_good(exchange.status) || !exchange.answer.is_tus()) return;
  life_.drop_idle(index, DataplaneReason::client_gone);
}

}  // namespace soundgate
