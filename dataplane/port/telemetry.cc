#include "dataplane/port/telemetry.h"

#include <rte_telemetry.h>

#include <mutex>
#include <string>

namespace soundgate {
namespace {

// DPDK's callbacks take no context, and cannot be taken back.
std::mutex shown_mutex;
const Dataplane* shown = nullptr;

// Nothing to say is an empty object.
template <class Write>
int answer(rte_tel_data* data, const Write& write) {
  rte_tel_data_start_dict(data);
  const std::lock_guard lock(shown_mutex);
  if (shown != nullptr) write(shown->counters());
  return 0;
}

int counters_command(const char*, const char*, rte_tel_data* data) {
  return answer(data, [&](const DataplaneCounters& counters) {
    const auto add = [&](const char* name, uint64_t value) {
      rte_tel_data_add_dict_u64(data, name, value);
    };
    add("flows_open", counters.flows_open);
    add("flows_opened", counters.flows_opened);
    add("flows_midstream_open", counters.flows_midstream_open);
    add("uploads_begun", counters.uploads_begun);
    add("uploads_released", counters.uploads_released);
    add("uploads_blocked", counters.uploads_blocked);
    add("uploads_aborted", counters.uploads_aborted);
    add("packets_held", counters.packets_held);
    add("bytes_held", counters.bytes_held);
    add("bad_checksums", counters.bad_checksums);
    add("frames_cut", counters.frames_cut);
    add("conflicting_bytes", counters.conflicting_bytes);
    add("segments_refused", counters.segments_refused);
    add("packets_handed_over", counters.packets_handed_over);
    add("packets_not_handed_over", counters.packets_not_handed_over);
    add("frames_captured", counters.frames_captured);
    add("frames_not_captured", counters.frames_not_captured);
  });
}

int reasons_command(const char*, const char*, rte_tel_data* data) {
  return answer(data, [&](const DataplaneCounters& counters) {
    for (size_t i = 1; i < counters.reasons.size(); ++i) {
      const std::string reason(name(static_cast<DataplaneReason>(i)));
      rte_tel_data_add_dict_u64(data, reason.c_str(), counters.reasons[i]);
    }
  });
}

void add_port(rte_tel_data* data, const char* name, const DataplaneCounters::Port& counters) {
  rte_tel_data* port = rte_tel_data_alloc();
  if (port == nullptr) return;
  rte_tel_data_start_dict(port);
  rte_tel_data_add_dict_u64(port, "received_packets", counters.received_packets);
  rte_tel_data_add_dict_u64(port, "received_bytes", counters.received_bytes);
  rte_tel_data_add_dict_u64(port, "sent_packets", counters.sent_packets);
  rte_tel_data_add_dict_u64(port, "sent_bytes", counters.sent_bytes);
  rte_tel_data_add_dict_u64(port, "dropped_packets", counters.dropped_packets);
  rte_tel_data_add_dict_container(data, name, port, 0);
}

int ports_command(const char*, const char*, rte_tel_data* data) {
  return answer(data, [&](const DataplaneCounters& counters) {
    add_port(data, "client", counters.client);
    add_port(data, "origin", counters.origin);
  });
}

void register_commands() {
  rte_telemetry_register_cmd("/soundgate/counters", counters_command,
                             "What is counted on the packet path. No parameters");
  rte_telemetry_register_cmd("/soundgate/reasons", reasons_command,
                             "Uploads and streams not inspected whole, by reason. No parameters");
  rte_telemetry_register_cmd("/soundgate/ports", ports_command,
                             "Packets and bytes of both ports. No parameters");
}

}  // namespace

Telemetry::Telemetry(const Dataplane& dataplane) {
  static std::once_flag registered;
  std::call_once(registered, register_commands);
  const std::lock_guard lock(shown_mutex);
  shown = &dataplane;
}

Telemetry::~Telemetry() {
  const std::lock_guard lock(shown_mutex);
  shown = nullptr;
}

}  // namespace soundgate
