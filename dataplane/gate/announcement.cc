#include "dataplane/gate/announcement.h"

#include <arpa/inet.h>

#include <array>
#include <cstdio>

namespace soundgate {
namespace {

// "192.0.2.7:49152", "[2001:db8::7]:49152".
class EndpointText {
 public:
  explicit EndpointText(const FlowKey& key) {
    char address[INET6_ADDRSTRLEN] = "";
    inet_ntop(key.ipv6 ? AF_INET6 : AF_INET, key.client.data(), address, sizeof address);
    const char* format = key.ipv6 ? "[%s]:%u" : "%s:%u";
    std::snprintf(text_.data(), text_.size(), format, address, unsigned{key.client_port});
  }
  std::string_view view() const { return text_.data(); }

 private:
  std::array<char, INET6_ADDRSTRLEN + 9> text_{};
};

Counter& counter_of(CoreCounters& counters, GateOutcome outcome) {
  switch (outcome) {
    case GateOutcome::kBlocked:
    case GateOutcome::kBlockedUnasked:
      return counters.uploads_blocked;
    case GateOutcome::kAborted:
      return counters.uploads_aborted;
    case GateOutcome::kReleased:
    case GateOutcome::kReleasedUnasked:
      break;
  }
  return counters.uploads_released;
}

}  // namespace

SinkResult announce(Core& core, const Flow& flow, const RequestHead& head, const UploadFacts& facts,
                    UploadKey key) {
  core.counters.uploads_begun.add();
  const EndpointText client(flow.key);
  std::array<char, kResourceTextBytesMax> resource;
  UploadStart start;
  start.key = key;
  start.mode = facts.holds ? Mode::kEnforce : Mode::kObserve;
  start.first_byte = flow.request_began;
  start.method = flow.requests.method_name();
  start.host = trimmed(head.host.view());
  start.path = head.target.view().substr(0, head.target.view().find('?'));
  start.client = client.view();
  start.request_id = trimmed(head.request_id.view());
  start.uploader = trimmed(head.uploader.view());
  start.content_type = trimmed(head.content_type.view());
  if (facts.of_resource)
    start.resource = resource_text(head.target.view(), head.host.view(), resource);
  start.body_bytes = facts.body_bytes;
  start.coding = facts.coding;
  start.may_decode = facts.may_decode;
  if (facts.form) {
    start.first_byte = core.now.wall;
    start.content_type = facts.form->part().content_type.view();
    start.part = facts.form->parts();
    start.file_name = facts.form->part().file_name.view();
  }
  return core.sink.begin(start);
}

void report_closed(Core& core, const GateReport& report) {
  counter_of(core.counters, report.outcome).add();
  core.sink.gate_closed(report);
}

}  // namespace soundgate
