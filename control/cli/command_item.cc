// soundgate item: list, show, remove, suppress, restore.
#include <nlohmann/json.hpp>

#include "control/cli/commands.h"
#include "control/cli/output.h"
#include "control/text.h"

namespace soundgate {
namespace {

using Json = nlohmann::ordered_json;

std::string suppression_text(const Json& item) {
  const Json suppression = item.value("suppression", Json());
  if (suppression.is_null()) return "live";
  const std::string until = field(suppression, "until");
  return "suppressed" + (until.empty() ? "" : " until " + until) + ": " +
         field(suppression, "reason");
}

void print_items(const Invocation& invocation, const Json& items) {
  Table table({"CONTENT ID", "TITLE", "LENGTH", "STATE"});
  for (const Json& item : items) {
    if (invocation.json) print_json(item);
    table.add({field(item, "content_id"), field(item, "title"),
               minutes_seconds(number_field(item, "duration_seconds")), suppression_text(item)});
  }
  if (!invocation.json) table.print();
}

void print_item(const Invocation& invocation, const Json& item) {
  if (invocation.json) return print_json(item);
  const auto line = [](const char* label, const std::string& value) {
    print_line(pad(label, 12) + value);
  };
  line("bank", field(item, "bank"));
  line("content id", field(item, "content_id"));
  line("title", "“" + field(item, "title") + "”");
  line("length", minutes_seconds(number_field(item, "duration_seconds")) + ", of which " +
                     minutes_seconds(number_field(item, "indexed_seconds")) +
                     " can be found again");
  line("enrolled", field(item, "enrolled"));
  line("metadata", field(item, "metadata"));
  line("state", suppression_text(item));
}

BackendRequest item_request(const char* method, const ItemOptions& options) {
  return {.method = method, .path = {"v1", "banks", options.bank, "items", options.content_id}};
}

Result<int> finish(const Invocation& invocation, const Result<Json>& item) {
  if (!item) return tl::unexpected(item.error());
  print_item(invocation, *item);
  return 0;
}

}  // namespace

Result<int> list_items(const Invocation& invocation, const ItemOptions& options) {
  auto backend = invocation.open();
  if (!backend) return tl::unexpected(backend.error());
  const auto items =
      (*backend)->call({.method = "GET", .path = {"v1", "banks", options.bank, "items"}});
  if (!items) return tl::unexpected(items.error());
  print_items(invocation, items->at("items"));
  return 0;
}

Result<int> show_item(const Invocation& invocation, const ItemOptions& options) {
  auto backend = invocation.open();
  if (!backend) return tl::unexpected(backend.error());
  return finish(invocation, (*backend)->call(item_request("GET", options)));
}

Result<int> remove_item(const Invocation& invocation, const ItemOptions& options) {
  auto backend = invocation.open();
  if (!backend) return tl::unexpected(backend.error());
  const auto removed = (*backend)->call(item_request("DELETE", options));
  if (!removed) return tl::unexpected(removed.error());
  if (invocation.json) {
    print_json(*removed);
  } else {
    print_line("removed " + escape_controls(options.bank + "/" + options.content_id));
  }
  return 0;
}

Result<int> suppress_item(const Invocation& invocation, const ItemOptions& options) {
  auto backend = invocation.open();
  if (!backend) return tl::unexpected(backend.error());
  BackendRequest request = item_request("PUT", options);
  request.path.emplace_back("suppression");
  Json body = {{"reason", options.reason}};
  if (!options.until.empty()) body["until"] = options.until;
  return finish(invocation, (*backend)->call(request, body));
}

Result<int> restore_item(const Invocation& invocation, const ItemOptions& options) {
  auto backend = invocation.open();
  if (!backend) return tl::unexpected(backend.error());
  BackendRequest request = item_request("DELETE", options);
  request.path.emplace_back("suppression");
  const auto item = (*backend)->call(request);
  if (!item || invocation.json || item->contains("title")) return finish(invocation, item);
  print_line("restored " + escape_controls(options.bank + "/" + options.content_id) +
             "; the reference itself was removed");
  return 0;
}

}  // namespace soundgate
