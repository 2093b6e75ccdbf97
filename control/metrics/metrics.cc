#include "control/metrics/metrics.h"

#include "control/metrics/prometheus_text.h"
#include "control/policy/fail_policy.h"
#include "control/text.h"
#include "control/version.h"

namespace soundgate {
namespace {

double number(uint64_t count) { return static_cast<double>(count); }
double number(int64_t count) { return static_cast<double>(count); }

void write_ports(PrometheusText& out, const DataplaneCounters& counters) {
  struct Family {
    const char* name;
    const char* help;
    uint64_t DataplaneCounters::Port::*count;
  };
  constexpr Family kFamilies[] = {
      {"port_received_packets_total", "Packets received.",
       &DataplaneCounters::Port::received_packets},
      {"port_received_bytes_total", "Bytes received.", &DataplaneCounters::Port::received_bytes},
      {"port_sent_packets_total", "Packets sent.", &DataplaneCounters::Port::sent_packets},
      {"port_sent_bytes_total", "Bytes sent.", &DataplaneCounters::Port::sent_bytes},
      {"port_dropped_packets_total", "Packets dropped.", &DataplaneCounters::Port::dropped_packets},
  };
  for (const Family& family : kFamilies) {
    out.family(family.name, "counter", family.help);
    out.sample(number(counters.client.*family.count), {{"port", "client"}});
    out.sample(number(counters.origin.*family.count), {{"port", "origin"}});
  }
}

void write_dataplane(PrometheusText& out, const DataplaneCounters& counters) {
  write_ports(out, counters);
  out.single("flows_open", "gauge", "TCP connections followed now.", number(counters.flows_open));
  out.single("flows_opened_total", "counter", "TCP connections followed.",
             number(counters.flows_opened));
  out.single("flows_midstream_open", "gauge", "Connections older than Soundgate that still pass.",
             number(counters.flows_midstream_open));
  out.single("flows_evicted_total", "counter", "Open connections that made room for others.",
             number(counters.flows_evicted));
  out.single("segments_refused_total", "counter", "Segments dropped: no room, or no sense in them.",
             number(counters.segments_refused));
  out.single("bad_checksums_total", "counter", "Segments dropped for their checksum.",
             number(counters.bad_checksums));
  out.single("conflicting_bytes_total", "counter",
             "Bytes sent again that differed, and were rewritten.",
             number(counters.conflicting_bytes));
  out.single("packets_held", "gauge", "Packets held at the gate now.",
             number(counters.packets_held));
  out.single("bytes_held", "gauge", "Bytes held at the gate now.", number(counters.bytes_held));
  out.single("bad_checksums_total", "counter", "Segments dropped for their checksum.",
             number(counters.bad_checksums));
  out.single("frames_cut_total", "counter", "Frames of IP packets that are longer.",
             number(counters.frames_cut));
  out.single("segments_refused_total", "counter", "Segments dropped for want of room or sense.",
             number(counters.segments_refused));
  out.family("lcore_handover_packets_total", "counter", "Packets handed from lcore to lcore.");
  out.sample(number(counters.packets_handed_over), {{"taken", "true"}});
  out.sample(number(counters.packets_not_handed_over), {{"taken", "false"}});
  out.single("put_off_segments_total", "counter",
             "Segments dropped to slow the senders of uploads down.",
             number(counters.segments_put_off));
  out.family("captured_frames_total", "counter", "Frames that operators captured.");
  out.sample(number(counters.frames_captured), {{"taken", "true"}});
  out.sample(number(counters.frames_not_captured), {{"taken", "false"}});
  out.family("gate_uploads_total", "counter", "Uploads by how they left the gate.");
  out.sample(number(counters.uploads_released), {{"outcome", "released"}});
  out.sample(number(counters.uploads_blocked), {{"outcome", "blocked"}});
  out.sample(number(counters.uploads_aborted), {{"outcome", "aborted"}});
  out.single("resumable_uploads_open", "gauge", "Uploads in parts that are followed now.",
             number(counters.resources_open));
  out.single("parts_refused_total", "counter", "Parts of uploads that had been blocked.",
             number(counters.parts_refused));
  out.family("dataplane_reasons_total", "counter", "Uploads and streams not inspected whole.");
  for (size_t i = 1; i < counters.reasons.size(); ++i) {
    out.sample(number(counters.reasons[i]),
               {{"reason", reason_name(static_cast<DataplaneReason>(i))}});
  }
}

void write_verdicts(PrometheusText& out, const RecorderCounters& counters) {
  out.family("verdicts_total", "counter", "Verdicts on uploads since the start.");
  for (size_t verdict = 0; verdict < counters.verdicts.size(); ++verdict) {
    for (size_t checked = 0; checked < counters.verdicts[verdict].size(); ++checked) {
      out.sample(number(counters.verdicts[verdict][checked]),
                 {{"verdict", name(static_cast<VerdictKind>(verdict))},
                  {"checked", name(static_cast<Checked>(checked))}});
    }
  }
  out.family("early_verdicts_total", "counter",
             "Blocks that were certain before all of the upload had come.");
  out.sample(number(counters.early_stopped), {{"stopped", "true"}});
  out.sample(number(counters.early_observed), {{"stopped", "false"}});
  out.single("early_spared_bytes_total", "counter",
             "Bytes that uploads still had to send when they were stopped.",
             number(counters.early_spared_bytes));
  out.single("uploads_in_flight", "gauge", "Uploads that have not left yet.",
             number(counters.uploads_in_flight));
  out.single("uploads_held", "gauge", "Uploads whose tail is held now.", number(counters.held));
  out.single("uploads_unrecorded_total", "counter", "Uploads for which there was no slot.",
             number(counters.unrecorded));
  out.single("decide_seconds_sum", "counter",
             "Seconds from the last byte to the verdict, added up.", counters.decide_seconds_sum);
  out.single("decide_seconds_count", "counter", "Uploads that decide_seconds_sum adds up.",
             number(counters.decide_count));
}

void write_decoders(PrometheusText& out, const DecoderPool::Status& status) {
  uint64_t restarts = 0;
  int streams = 0;
  for (const DecoderPool::Worker& worker : status.workers) {
    restarts += worker.restarts;
    streams += worker.streams;
  }
  out.single("decoder_workers", "gauge", "Decoder processes.", number(status.workers.size()));
  out.single("decoder_streams", "gauge", "Streams in the decoders now.", streams);
  out.single("decoder_restarts_total", "counter", "Decoder processes replaced.", number(restarts));
  out.single("decoder_streams_begun_total", "counter", "Streams begun.",
             number(status.streams_begun));
  out.single("decoder_streams_ended_total", "counter", "Streams ended.",
             number(status.streams_ended));
  out.single("decoder_crashes_total", "counter", "Decoders that crashed.", number(status.crashes));
  out.single("decoder_timeouts_total", "counter", "Decoders that hung.", number(status.timeouts));
  out.single("decoder_resumed_total", "counter", "Streams resumed elsewhere.",
             number(status.resumed));
  out.single("decoder_divided_total", "counter", "Streams that several decoders shared.",
             number(status.divided));
  out.single("decoded_audio_seconds_total", "counter", "Audio decoded.", status.decoded_seconds);
  out.single("probe_items_total", "counter", "Fingerprint items made of audio at other speeds.",
             number(status.probe_items));
}

void write_exact(PrometheusText& out, const DecoderPool::Status& status) {
  out.single("known_uploads", "gauge", "Uploads whose bytes would be known.", number(status.known));
  out.single("known_bytes", "gauge", "What their items take.", number(status.known_bytes));
  out.single("recognised_total", "counter", "Streams whose bytes were known.",
             number(status.recognised));
  out.single("recognised_by_packets_total", "counter",
             "Of them, those whose packets were known, in other bytes.",
             number(status.recognised_by_packets));
  out.single("packets_put_off_total", "counter", "Times that known packets were not decoded yet.",
             number(status.packets_put_off));
  out.single("packets_caught_up_total", "counter",
             "Of them, those that had to be decoded after all.", number(status.packets_caught_up));
  out.single("put_off_total", "counter", "Times that decoding was put off.",
             number(status.put_off));
  out.single("caught_up_total", "counter", "Of them, those that had to be decoded after all.",
             number(status.caught_up));
  out.family("known_again_total", "counter", "Known uploads that were decoded once more.");
  out.sample(number(status.confirmed), {{"items", "same"}});
  out.sample(number(status.contradicted), {{"items", "other"}});
}

void write_index(PrometheusText& out, const IndexStatus& status) {
  out.single("index_version", "gauge", "Version of the index.", number(status.version));
  out.single("index_banks", "gauge", "Banks.", number(status.bank_count));
  out.single("index_references", "gauge", "References.", number(status.reference_count));
  out.single("index_suppressed", "gauge", "References out of matching.",
             number(status.suppressed_count));
  out.single("index_windows", "gauge", "Windows that can be found.", number(status.window_count));
  out.single("index_segments", "gauge", "Segments.", number(status.segment_count));
  out.single("index_unreadable_total", "counter", "Items that a match wanted and could not read.",
             number(status.unreadable_count));
  out.single("index_complaints_total", "counter", "Segments that were damaged or not written.",
             number(status.complaint_count));
}

void write_overload(PrometheusText& out, const OverloadControl::Status& status) {
  out.single("overload_load", "gauge", "Share of the payload memory that waits for a decoder.",
             status.load);
  out.single("overload_step", "gauge",
             "0 none, 1 short_probes, 2 sparse, 3 back_pressure, 4 fail_policy.",
             static_cast<double>(status.step));
  out.family("overload_steps_total", "counter", "Times that a step of the ladder was taken.");
  for (size_t i = 1; i < kOverloadStepCount; ++i) {
    out.sample(number(status.entered.at(i)), {{"step", name(static_cast<OverloadStep>(i))}});
  }
}

void write_switches(PrometheusText& out, const Services& services) {
  out.single("ready", "gauge", "1: uploads are inspected (/readyz).",
             why_not_ready(services).empty() ? 1 : 0);
  out.single(
      "degraded", "gauge", "1: they are, but the index lacks something (/readyz?strict=1).",
      why_degraded(services.index.status(), std::chrono::steady_clock::now()).empty() ? 0 : 1);
  if (services.watchdog != nullptr) {
    out.single("stuck_parts", "gauge", "Threads that show no progress: to be 0.",
               number(services.watchdog->stuck().size()));
  }
  if (services.drain != nullptr) {
    out.single("draining", "gauge", "1: new uploads pass unchecked, an operator drains.",
               services.drain->current().draining ? 1 : 0);
  }
  if (services.skips != nullptr) {
    out.single("skips", "gauge", "Clients and hosts that pass uninspected for a while.",
               number(services.skips->in_force().size()));
  }
  if (services.bypass != nullptr) {
    out.single("bypass_watched", "gauge",
               "1: packets go round where soundgated ends, 0: nothing would see to it.",
               services.bypass->is_watched() ? 1 : 0);
    const auto latest = services.decisions.bypasses(1);
    const bool ended = latest && !latest->empty() && latest->back().ended;
    out.single("bypass_last_end_timestamp_seconds", "gauge",
               "When packets last went round, 0: never.",
               ended ? epoch_seconds(*latest->back().ended) : 0);
  }
}

}  // namespace

std::string metrics_text(const Services& services) {
  PrometheusText out;
  out.family("build_info", "gauge", "Version of Soundgate.");
  out.sample(1, {{"version", kVersion}});
  const bool enforce = services.mode.current().mode == Mode::kEnforce;
  out.single("mode_enforce", "gauge", "1: verdicts are enforced, 0: observed.", enforce ? 1 : 0);
  write_switches(out, services);
  if (services.overload != nullptr) write_overload(out, services.overload->status());
  if (services.dataplane != nullptr) write_dataplane(out, services.dataplane->counters());
  if (services.recorder != nullptr) write_verdicts(out, services.recorder->counters());
  if (services.decoders != nullptr) {
    write_decoders(out, services.decoders->status());
    write_exact(out, services.decoders->status());
  }
  write_index(out, services.index.status());
  return out.take();
}

}  // namespace soundgate
