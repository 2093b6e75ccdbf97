#include "control/cli/verdict_text.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <set>

#include "control/cli/output.h"
#include "control/policy/fail_policy.h"
#include "control/text.h"

namespace soundgate {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kWhatColumns = 30;
constexpr size_t kExtentColumns = 21;
constexpr size_t kScoreColumns = 17;

std::string two_digits(double value) {  // ".93", "1.00"
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "%.2f", value);
  return text[0] == '0' ? text.data() + 1 : text.data();
}

std::string percent(double value) { return std::to_string(std::lround(value)) + " %"; }

const Json& child(const Json& object, const char* key) {
  static const Json kNull;
  const auto found = object.find(key);
  return found == object.end() ? kNull : *found;
}

std::string quoted_title(const Json& match) {
  return "“" + field(child(match, "asset"), "title") + "”";
}

std::string named_reason(const std::string& reason) {
  const std::string text(reason_text(reason));
  return text.empty() ? reason : reason + ": " + text;
}

// Why not all of it was heard. The verdict's own reason may be a match all the same.
std::string unheard_reason(const Json& verdict) {
  if (field(child(verdict, "coverage"), "mode") == "sparse") {
    return "a share of each stretch is decoded: decoder.coverage_share";
  }
  const std::string reason = field(verdict, "reason");
  if (reason != "match" && reason != "no_match") return named_reason(reason);
  const std::string outcome = field(child(verdict, "decode"), "outcome");
  return named_reason(outcome == "decoded" ? "decoder_lost" : outcome);
}

std::string seconds_text(double seconds) {  // "10 s", "9.7 s"
  std::array<char, 32> text{};
  const bool whole = std::abs(seconds - std::round(seconds)) < 0.05;
  std::snprintf(text.data(), text.size(), whole ? "%.0f s" : "%.1f s", seconds);
  return text.data();
}

std::string what_of(const Json& verdict) {
  const Json& matches = child(verdict, "matches");
  const std::string reason = field(verdict, "reason");
  if (!matches.empty() && reason == "match") {
    return shortened(field(matches[0], "bank") + "/" + quoted_title(matches[0]), kWhatColumns);
  }
  if (reason == "no_match") return "no match";
  return reason;
}

std::string extent_of(const Json& verdict) {
  const std::string whole = minutes_seconds(number_field(verdict, "query_file_duration_seconds"));
  const Json& matches = child(verdict, "matches");
  const bool unended = number_field(verdict, "query_file_duration_seconds") <= 0;
  if (!matches.empty()) {
    return "matched " + minutes_seconds(number_field(matches[0], "query_match_duration_seconds")) +
           (unended ? "" : " of " + whole);
  }
  const double heard = number_field(child(verdict, "coverage"), "decoded_seconds");
  return heard > 0 ? "heard   " + minutes_seconds(heard) + " of " + whole : "unheard";
}

std::string score_of(const Json& verdict) {
  const Json& matches = child(verdict, "matches");
  if (matches.empty()) return "";
  return "score " + two_digits(number_field(matches[0], "score")) + " (≥ " +
         two_digits(number_field(matches[0], "threshold")) + ")";
}

std::string request_sentence(const Json& verdict) {
  const Json& request = child(verdict, "request");
  std::string line = "Upload " + field(verdict, "upload_id") + ": " + field(request, "method") +
                     " " + word_or_quoted(field(request, "path"));
  const auto add = [&](const char* before, const char* key) {
    const std::string value = field(request, key);
    if (!value.empty()) line += before + word_or_quoted(value);
  };
  add(", file ", "file_name");
  add(" to ", "host");
  add(" from ", "client");
  add(", uploader ", "uploader");
  add(", request ", "request_id");
  const double parts = number_field(request, "parts");
  if (parts > 1) {
    line += ", in " + std::to_string(static_cast<int64_t>(parts)) + " parts over " +
            std::to_string(static_cast<int64_t>(number_field(request, "connections"))) +
            " connections";
  }
  return line + ", " + size_text(number_field(verdict, "bytes")) + ", on " +
         field(verdict, "time") + ".";
}

std::string connection_sentence(const Json& verdict) {
  const std::string outcome = field(child(verdict, "gate"), "outcome");
  const std::string reason = field(child(verdict, "gate"), "reason");
  const std::string why = reason.empty() ? "" : " (" + std::string(reason_text(reason)) + ")";
  if (outcome == "blocked") return "The client was refused, and the origin's connection was reset.";
  if (outcome == "blocked_unasked") {
    return "The client was refused without waiting for a verdict" + why + ".";
  }
  if (outcome == "aborted") return "The upload never became whole" + why + ".";
  if (outcome == "released") return "It was held until the verdict, and let through.";
  if (field(verdict, "mode") == "observe")
    return "It was let through: in observe mode nothing is held.";
  return "It was let through without waiting for a verdict" + why + ".";
}

// A block that was certain before the end; null where nothing was.
std::string early_sentence(const Json& early) {
  const std::string heard = minutes_seconds(number_field(early, "heard_seconds")) + " of audio (" +
                            size_text(number_field(early, "bytes")) + ")";
  if (early.value("stopped", false)) {
    return "After " + heard +
           " the block was certain, whatever might follow: it was stopped there.";
  }
  return "After " + heard +
         " the block was certain, whatever might follow: enforcing, Soundgate would have stopped "
         "it "
         "there.";
}

std::string heard_before(const Json& verdict) {
  const Json& decode = child(verdict, "decode");
  if (!decode.is_object() || !decode.value("exact", false)) return {};
  return field(decode, "exact_by") == "packets"
             ? ", when the same audio came before in another file"
             : ", when the same bytes came before";
}

std::string checked_sentence(const Json& verdict) {
  if (child(verdict, "early").is_object() && child(verdict, "early").value("stopped", false) &&
      child(verdict, "decode").is_null()) {
    return "What would have followed was not heard.";
  }
  const double whole = number_field(verdict, "query_file_duration_seconds");
  if (field(verdict, "checked") == "full") {
    return "All of its " + minutes_seconds(whole) + " was heard" + heard_before(verdict) + ".";
  }
  const double heard = number_field(child(verdict, "coverage"), "decoded_seconds");
  const std::string why = " (" + unheard_reason(verdict) + ").";
  if (heard <= 0) return "It was not checked" + why;
  const std::string of = whole > heard ? " of its " + minutes_seconds(whole) : " of it";
  return "Only " + minutes_seconds(heard) + of + " was heard" + why;
}

// What is not said here would read as if the whole upload had been compared.
std::string no_match_sentence(const Json& verdict) {
  if (field(verdict, "checked") == "full") return "Nothing in the index matched.";
  const double heard = number_field(child(verdict, "coverage"), "decoded_seconds");
  return heard > 0 ? "Nothing in the index matched what was heard of it."
                   : "Nothing of it was compared with the index.";
}

std::string match_sentence(const Json& match) {
  const double share = number_field(match, "query_match_percentage");  // 0: of a length not known
  return minutes_seconds(number_field(match, "query_match_duration_seconds")) + " of it " +
         (share > 0 ? "(" + percent(share) + ") " : "") + "is " + quoted_title(match) + ", bank " +
         field(match, "bank") + ", content id " + field(match, "bank_content_id") + ".";
}

std::string segment_sentence(const Json& segment) {
  const auto range = [&](const char* start, const char* end) {
    return minutes_seconds(number_field(segment, start)) + "–" +
           minutes_seconds(number_field(segment, end));
  };
  const double speed = number_field(segment, "audio_speed");
  const std::string at =
      std::abs(speed - 1) < 0.005 ? "" : ", at " + two_digits(speed) + " times its speed";
  return "  " + range("query_start", "query_end") + " of the upload is " +
         range("asset_start", "asset_end") + " of the reference" + at + ", score " +
         two_digits(number_field(segment, "score")) + ".";
}

std::string score_sentence(const Json& match) {
  return "  Best score " + two_digits(number_field(match, "score")) + ", where " +
         two_digits(number_field(match, "threshold")) + " counts as a match.";
}

std::string rule_sentence(const Json& match) {
  const double matched = number_field(match, "query_match_duration_seconds");
  const double least = number_field(match, "min_seconds");
  const std::string rule = "  Bank " + field(match, "bank") + " asks for " + seconds_text(least) +
                           " of matched audio, and there are " + seconds_text(matched) + ": ";
  const std::string action = field(match, "action");
  return matched < least ? rule + "too little for its action, so this counts as " + action + "."
                         : rule + "its action counts, " + action + ".";
}

// Whether the verdict was carried out, and if not, why.
std::string enforcement_text(const Json& verdict) {
  if (verdict.value("enforced", false)) return "enforced.";
  const bool blocks = field(verdict, "verdict") == "block";
  const std::string mode = field(verdict, "mode");
  if (mode == "observe") {
    return blocks ? "not enforced: Soundgate observed; enforcing, it would have refused it."
                  : "not enforced: Soundgate observed.";
  }
  const bool aborted = field(child(verdict, "gate"), "outcome") == "aborted";
  return aborted ? "not enforced: the upload had ended before."
                 : "not enforced (mode " + mode + ").";
}

std::string verdict_sentence(const Json& verdict) {
  std::string line = "Verdict: " + field(verdict, "verdict") + " (action " +
                     field(verdict, "action") + ", " + named_reason(field(verdict, "reason")) +
                     "), " + enforcement_text(verdict);
  const Json& timings = child(verdict, "timings");
  const double last_byte = number_field(timings, "last_byte");
  const double decided = number_field(timings, "verdict");
  if (last_byte > 0 && decided > 0) {
    line +=
        " It came " + short_duration(std::max(0.0, decided - last_byte)) + " after the last byte.";
  }
  return line;
}

// An id that starts with a dash would be taken for an option.
std::string suppress_command(const Json& verdict, const Json& match, const std::string& options) {
  const Json& id = child(match, "bank_content_id");
  const std::string raw = id.is_string() ? id.get<std::string>() : "";
  const std::string what = field(match, "bank") + " " + shell_quoted(raw);
  const std::string rest =
      " --reason 'false match in " + field(verdict, "upload_id") + "'" + options;
  const std::string command = "  soundgate item suppress";
  return raw.starts_with('-') ? command + rest + " -- " + what : command + " " + what + rest;
}

void add_undo(const Json& verdict, const std::string& options, std::vector<std::string>& lines) {
  if (field(verdict, "verdict") == "pass") return;
  if (field(verdict, "reason") != "match") {
    lines.push_back("To let such uploads pass unmarked: set fail_policy." +
                    field(verdict, "reason") +
                    " = \"pass\" in soundgated's configuration, and restart it.");
    return;
  }
  std::set<std::string> banks;
  lines.emplace_back("To undo, so that the same upload passes next time:");
  for (const Json& match : child(verdict, "matches")) {
    if (parse_action(field(match, "action")).value_or(Action::kBlock) < Action::kLabel) continue;
    const std::string bank = field(match, "bank");
    banks.insert(bank);
    lines.push_back(suppress_command(verdict, match, options));
  }
  lines.emplace_back(banks.size() == 1 ? "To let every match of this bank through:"
                                       : "To let every match of these banks through:");
  for (const std::string& bank : banks) {
    lines.push_back("  soundgate bank set " + bank + " --action track" + options);
  }
}

}  // namespace

std::string verdict_columns(const Json& verdict) {
  return pad(field(verdict, "verdict"), 5) + "  " + pad(what_of(verdict), kWhatColumns) + "  " +
         pad(extent_of(verdict), kExtentColumns) + "  " + pad(score_of(verdict), kScoreColumns);
}

std::vector<std::string> explain(const Json& verdict, const std::string& backend_options) {
  std::vector<std::string> lines = {request_sentence(verdict), verdict_sentence(verdict),
                                    connection_sentence(verdict)};
  if (child(verdict, "early").is_object()) lines.push_back(early_sentence(child(verdict, "early")));
  lines.push_back(checked_sentence(verdict));
  const Json& matches = child(verdict, "matches");
  if (matches.empty()) lines.push_back(no_match_sentence(verdict));
  if (!matches.empty() && field(verdict, "reason") != "match") {
    lines.emplace_back("What it matched did not decide:");
  }
  for (const Json& match : matches) {
    lines.push_back(match_sentence(match));
    for (const Json& segment : child(match, "segments")) lines.push_back(segment_sentence(segment));
    lines.push_back(score_sentence(match));
    lines.push_back(rule_sentence(match));
  }
  add_undo(verdict, backend_options, lines);
  return lines;
}

}  // namespace soundgate
