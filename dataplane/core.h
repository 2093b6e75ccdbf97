// What the parts of one lcore's packet path share. No DPDK here: frames come and go as spans.
// Thread: the owning lcore; `mode` and `counters` are also used from outside.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "dataplane/clock.h"
#include "dataplane/counters.h"
#include "dataplane/dataplane.h"
#include "dataplane/flow/flow_table.h"
#include "dataplane/gate/holdings.h"
#include "dataplane/gate/intake.h"
#include "dataplane/gate/resource_table.h"
#include "dataplane/gate/shared_resources.h"
#include "dataplane/gate/upload_table.h"
#include "dataplane/http/form_pool.h"
#include "dataplane/http/head_pool.h"
#include "dataplane/http/inspect_rules.h"
#include "dataplane/http/upload_exchange.h"
#include "dataplane/limits.h"
#include "dataplane/port/packet_io.h"
#include "dataplane/tcp/buffer_pool.h"
#include "dataplane/tcp/segment_writer.h"

namespace soundgate {

// How much room there is; tests make do with less.
struct CoreSizes {
  size_t flows = kFlowsMax;
  size_t buffers = kBuffersMax;
  size_t heads = kHeadsMax;
  size_t forms = kFormsMax;
  size_t uploads = kUploadsMax;
  size_t exchanges = kExchangesMax;
  size_t resources = kResourcesMax;
  size_t seen_blocks = kSeenBlocksMax;
  SharedResources::Sizes shared = {};  // where it is the lcore's own
};

struct Core {
  Core(const DataplaneConfig& configuration, const HashSeed& seed, unsigned lcore_index,
       PacketIo& packet_io, UploadSink& upload_sink, const CoreSizes& sizes = {},
       SharedResources* shared_resources = nullptr)
      : config(configuration),
        rules(configuration.inspect),
        header_names{config.request_id_header, config.uploader_header},
        fail_policy(config.fail_policy.empty() ? default_fail_policy() : config.fail_policy),
        io(packet_io),
        sink(upload_sink),
        flows(sizes.flows, seed),
        buffers(sizes.buffers),
        heads(sizes.heads),
        forms(sizes.forms),
        uploads(sizes.uploads, lcore_index),
        decoders(sizes.uploads, seed),
        places(sizes.uploads, seed),
        waiting(sizes.resources, seed),
        index(lcore_index),
        exchanges(sizes.exchanges),
        resources(sizes.resources, sizes.seen_blocks, seed.second ^ seed.first >> 7),
        own_shared(shared_resources ? nullptr
                                    : std::make_unique<SharedResources>(seed, sizes.shared)),
        shared(shared_resources ? *shared_resources : *own_shared),
        mode(mirrored() ? Mode::kObserve : configuration.mode) {
    fail_policy.resize(kReasonCount, FailAction::kFlag);
  }
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  FailAction fail_action(DataplaneReason reason) const {
    return fail_policy[static_cast<size_t>(reason)];
  }
  // Whether a connection for which the table has no room is kept from opening.
  bool table_full_blocks() const {
    return enforcing() && fail_action(DataplaneReason::flow_table_full) == FailAction::kBlock;
  }
  // Packets are only seen, as copies: nothing can be held, sent or rewritten.
  bool mirrored() const { return config.placement != Placement::kInline; }
  bool enforcing() const { return mode.load(std::memory_order_relaxed) == Mode::kEnforce; }
  // Whether this connection may be held back: an upload, or form, keeps the mode that it began in.
  bool is_strict(const Flow& flow) {
    const Upload* upload = upload_of(flow);
    const Form* form = forms.of(flow);
    return upload ? upload->holds : form ? form->holds : enforcing();
  }
  Upload* upload_of(const Flow& flow) {
    return flow.upload == Flow::kNoUpload ? nullptr : &uploads[flow.upload];
  }

  const DataplaneConfig config;
  const InspectRules rules;
  const HeaderNames header_names;
  std::vector<FailAction> fail_policy;
  PacketIo& io;
  UploadSink& sink;
  FlowTable flows;
  BufferPool buffers;
  HeadPool heads;
  FormPool forms;
  UploadTable uploads;
  Holdings decoders;     // uploads whose bytes the sink takes
  Holdings places;       // those that it has been told of, and not of their end
  Holdings waiting;      // resources of which no part is on its way, and whose bytes it takes
  const unsigned index;  // of the lcore
  ExchangePool exchanges;
  ResourceTable resources;
  const std::unique_ptr<SharedResources> own_shared;  // where this lcore is the only one
  SharedResources& shared;
  SegmentWriter writer;
  CoreCounters counters;
  std::atomic<Mode> mode;
  Now now;
};

}  // namespace soundgate
