// soundgate index: status, rollback, verify, merge.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "control/cli/commands.h"
#include "control/cli/output.h"
#include "control/text.h"

namespace soundgate {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kExitVerification = 5;

std::string count(const Json& object, const char* key) {
  return std::to_string(static_cast<long long>(number_field(object, key)));
}

void line(const char* label, const std::string& value) { print_line(pad(label, 12) + value); }

std::string or_never(const std::string& time) { return time.empty() ? "never" : time; }

void print_segments(const Json& segments) {
  Table table({"SEGMENT", "WINDOWS", "DEAD", "LISTS", "SIZE", "STATE"});
  for (const Json& segment : segments) {
    const std::string file = field(segment, "file");
    table.add({file.empty() ? "in memory" : file, count(segment, "windows"),
               count(segment, "dead_windows"), count(segment, "lists"),
               size_text(number_field(segment, "bytes")),
               segment.value("damaged", false) ? "damaged: it is being made again" : "sound"});
  }
  table.print();
}

void print_index(const Json& index) {
  const std::string made = field(index, "oldest_version_made");
  line("version", count(index, "version") + ", back to " + count(index, "oldest_version") +
                      (made.empty() ? "" : " of " + made));
  line("references", count(index, "references") + " in " + count(index, "banks") + " banks (" +
                         count(index, "suppressed") + " suppressed), " +
                         short_duration(number_field(index, "reference_seconds")) + " of audio; " +
                         count(index, "kept_references") + " that are gone are kept");
  if (number_field(index, "one_band_references") > 0) {
    line("", count(index, "one_band_references") +
                 " have one band of three, and are harder to find: enroll them by their audio");
  }
  line("windows", count(index, "windows") + ", and " + count(index, "dead_windows") + " dead");
  double bytes = 0;
  for (const Json& segment : index.at("segments")) bytes += number_field(segment, "bytes");
  line("size", "segments " + size_text(bytes) + ", catalogue " +
                   size_text(number_field(index, "catalogue_bytes")));
  line("merged", or_never(field(index, "merged")));
  const bool found = number_field(index, "verified_damage_count") > 0;
  line("verified",
       or_never(field(index, "verified")) +
           (found ? ": " + count(index, "verified_damage_count") + " places damaged" : ""));
  if (number_field(index, "unreadable") > 0) {
    line("unreadable", count(index, "unreadable") + " references could not be compared");
  }
  for (const Json& complaint : index.value("complaints", Json::array())) {
    line("", escape_controls(complaint.get<std::string>()));
  }
  print_segments(index.at("segments"));
}

Result<int> show(const Invocation& invocation, const Result<Json>& index) {
  if (!index) return tl::unexpected(index.error());
  if (invocation.json) {
    print_json(*index);
  } else {
    print_index(*index);
  }
  return 0;
}

// A bare number is a version. (As a time, it would be seconds since 1970.)
Json version_or_time(const std::string& to) {
  constexpr size_t kDigitsMax = 18;
  const bool is_number = to.size() <= kDigitsMax &&
                         std::ranges::all_of(to, [](char c) { return c >= '0' && c <= '9'; });
  return is_number ? Json(std::stoll(to)) : Json(to);
}

void print_banks(const Json& banks, const char* what) {
  for (const Json& bank : banks) {
    print_line(std::string(what) + "  bank " + field(bank, "name") + "  (" + field(bank, "action") +
               ", probes " + field(bank, "probes") + ", from " + field(bank, "min_seconds") + " s" +
               (bank.value("paused", false) ? ", paused" : "") + ")");
  }
}

void print_items(const Json& items, const char* what, double all) {
  for (const Json& item : items) {
    print_line(std::string(what) + "  " + field(item, "bank") + "/" + field(item, "content_id") +
               "  “" + field(item, "title") + "”");
  }
  const double more = all - static_cast<double>(items.size());
  if (more > 0) {
    print_line(std::string(what) + "  … and " + std::to_string(static_cast<long long>(more)) +
               " more");
  }
}

void print_rollback(const Json& report) {
  print_banks(report.at("banks_gone"), "goes   ");
  print_banks(report.at("banks_returned"), "returns");
  print_banks(report.at("banks_changed"), "changes");
  print_items(report.at("goes"), "goes   ", number_field(report, "goes_count"));
  print_items(report.at("returns"), "returns", number_field(report, "returns_count"));
  const bool dry_run = report.value("dry_run", false);
  print_line((dry_run ? "would roll back to version " : "rolled back to version ") +
             count(report, "to") + ": " + count(report, "goes_count") + " references go, " +
             count(report, "returns_count") + " return" +
             (dry_run ? "; now it is version " : "; it is version ") + count(report, "version"));
}

void print_verification(const Json& report) {
  for (const Json& damage : report.at("damage")) {
    print_line(field(damage, "where") + ": " + field(damage, "what"));
  }
  print_line("read " + count(report, "segments") + " segment files (" +
             size_text(number_field(report, "segment_bytes")) + ") and the items of " +
             count(report, "references") + " references: " +
             (number_field(report, "damage_count") > 0
                  ? count(report, "damage_count") + " places damaged, " +
                        count(report, "rebuilt_segments") + " segments made again"
                  : "all as it was written"));
}

}  // namespace

Result<int> show_index(const Invocation& invocation) {
  auto backend = invocation.open();
  if (!backend) return tl::unexpected(backend.error());
  return show(invocation, (*backend)->call({.method = "GET", .path = {"v1", "index"}}));
}

Result<int> roll_back_index(const Invocation& invocation, const IndexOptions& options) {
  auto backend = invocation.open();
  if (!backend) return tl::unexpected(backend.error());
  const auto report =
      (*backend)->call({.method = "POST", .path = {"v1", "index", "rollback"}, .takes_long = true},
                       {{"to", version_or_time(options.to)}, {"dry_run", options.dry_run}});
  if (!report) return tl::unexpected(report.error());
  if (invocation.json) {
    print_json(*report);
  } else {
    print_rollback(*report);
  }
  return 0;
}

Result<int> verify_index(const Invocation& invocation) {
  auto backend = invocation.open();
  if (!backend) return tl::unexpected(backend.error());
  const auto report =
      (*backend)->call({.method = "POST", .path = {"v1", "index", "verify"}, .takes_long = true});
  if (!report) return tl::unexpected(report.error());
  if (invocation.json) {
    print_json(*report);
  } else {
    print_verification(*report);
  }
  if (number_field(*report, "damage_count") == 0) return 0;
  print_message("the store is damaged in " + count(*report, "damage_count") + " places");
  return kExitVerification;
}

Result<int> merge_index(const Invocation& invocation) {
  auto backend = invocation.open();
  if (!backend) return tl::unexpected(backend.error());
  return show(
      invocation,
      (*backend)->call({.method = "POST", .path = {"v1", "index", "merge"}, .takes_long = true}));
}

}  // namespace soundgate
