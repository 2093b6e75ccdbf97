// soundgate top: what passes now, refreshed until Ctrl-C.
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <thread>

#include "control/cli/commands.h"
#include "control/cli/output.h"
#include "control/text.h"

namespace soundgate {
namespace {

using Json = nlohmann::ordered_json;

constexpr auto kPeriod = std::chrono::seconds(1);
constexpr size_t kUploadRowsMax = 500;
constexpr size_t kRequestColumns = 36;
constexpr int kRowsWithoutTerminal = 40;

struct Sample {
  Json status;
  Json uploads;
  std::chrono::steady_clock::time_point at;
};

Result<Sample> take_sample(Backend& backend) {
  auto status = backend.call({.method = "GET", .path = {"v1", "status"}});
  if (!status) return tl::unexpected(status.error());
  auto uploads = backend.call({.method = "GET", .path = {"v1", "uploads"}});
  if (!uploads) return tl::unexpected(uploads.error());
  return Sample{std::move(*status), std::move(uploads->at("uploads")),
                std::chrono::steady_clock::now()};
}

double at_path(const Json& object, const char* path) {
  const Json value = object.value(Json::json_pointer(path), Json());
  return value.is_number() ? value.get<double>() : 0;
}

// Of two samples: what a counter counts in a second.
class Rates {
 public:
  Rates(const Sample& before, const Sample& now)
      : before_(before),
        now_(now),
        seconds_(std::chrono::duration<double>(now.at - before.at).count()) {}

  double of(const char* path) const {
    const double change = at_path(now_.status, path) - at_path(before_.status, path);
    return seconds_ > 0 ? std::max(0.0, change) / seconds_ : 0;  // 0 after a restart
  }

 private:
  const Sample& before_;
  const Sample& now_;
  double seconds_;
};

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, value < 10 && value > 0 ? "%.1f" : "%.0f", value);
  return text;
}

std::string bits(double bytes_per_second) {
  const double megabits = bytes_per_second * 8 / 1e6;
  char text[32];
  std::snprintf(text, sizeof text, megabits >= 1000 ? "%.2f Gb/s" : "%.1f Mb/s",
                megabits >= 1000 ? megabits / 1000 : megabits);
  return text;
}

void line(std::vector<std::string>& screen, const char* label, const std::string& text) {
  screen.push_back(pad(label, 11) + text);
}

std::string state_text(const Json& status) {
  const Json drain = status.value("drain", Json());
  const bool draining = drain.is_object() && drain.value("draining", false);
  if (draining) return "DRAINING";
  if (!status.value("ready", false)) return "NOT READY: " + field(status, "not_ready");
  const std::string degraded = field(status, "degraded");
  return degraded.empty() ? "ready" : "ready (degraded: " + degraded + ")";
}

double longest_hold(const Json& uploads) {
  double longest = 0;
  for (const Json& upload : uploads) {
    longest = std::max(longest, number_field(upload, "held_seconds"));
  }
  return longest;
}

void add_totals(std::vector<std::string>& screen, const Sample& now, const Rates& rates) {
  const Json& status = now.status;
  screen.push_back("soundgate " + field(status, "version") + "   " +
                   field(status.at("mode"), "mode") + "   " + state_text(status) + "   up " +
                   short_duration(number_field(status, "uptime_seconds")));
  screen.emplace_back();
  const double held = at_path(status, "/uploads/held");
  line(
      screen, "uploads",
      number(at_path(status, "/uploads/in_flight")) + " in flight, " + number(held) + " held" +
          (held > 0 ? " (the longest for " + short_duration(longest_hold(now.uploads)) + ")" : "") +
          "; " + number(rates.of("/dataplane/uploads/begun")) + " begin a second");
  std::string verdicts;
  for (const auto* verdict : {"pass", "flag", "block"}) {
    const std::string path = std::string("/decisions/") + verdict;
    verdicts += (verdicts.empty() ? "" : ", ") + std::string(verdict) + " " +
                number(at_path(status, path.c_str())) + " (" + number(rates.of(path.c_str())) +
                " a second)";
  }
  line(screen, "decisions", verdicts);
  line(screen, "from",
       "clients " + bits(rates.of("/dataplane/client_port/received_bytes")) + ", " +
           number(rates.of("/dataplane/client_port/received_packets")) +
           " packets a second; origins " + bits(rates.of("/dataplane/origin_port/received_bytes")) +
           ", " + number(rates.of("/dataplane/origin_port/received_packets")));
  line(screen, "held back",
       size_text(at_path(status, "/dataplane/held/bytes")) + " in " +
           number(at_path(status, "/dataplane/held/packets")) + " packets; " +
           number(at_path(status, "/dataplane/flows/open")) + " connections");
  line(screen, "decoders",
       number(rates.of("/decoders/decoded_seconds")) + " seconds of audio a second, " +
           number(at_path(status, "/decoders/crashes")) + " crashes, " +
           number(at_path(status, "/decoders/timeouts")) + " timeouts");
}

void add_reasons(std::vector<std::string>& screen, const Json& status) {
  std::string text;
  const Json reasons = status.value(Json::json_pointer("/dataplane/reasons"), Json::object());
  for (const auto& [reason, times] : reasons.items()) {
    if (times != 0) text += (text.empty() ? "" : ", ") + reason + " " + times.dump();
  }
  if (!text.empty()) line(screen, "unchecked", text);
  const Json overload = status.value("overload", Json());
  if (overload.is_object()) {
    line(screen, "overload",
         "step " + field(overload, "step") + ", load " +
             number(100 * number_field(overload, "load")) + " %");
  }
}

// Those that are held first, then those that have sent the most.
void add_uploads(std::vector<std::string>& screen, const Json& uploads) {
  std::vector<const Json*> rows;
  for (const Json& upload : uploads) rows.push_back(&upload);
  std::ranges::stable_sort(rows, [](const Json* a, const Json* b) {
    const auto rank = [](const Json& upload) {
      return std::pair(number_field(upload, "held_seconds"), number_field(upload, "bytes"));
    };
    return rank(*a) > rank(*b);
  });
  rows.resize(std::min(rows.size(), kUploadRowsMax));
  screen.emplace_back();
  screen.push_back(pad("UPLOAD", 28) + pad("STATE", 11) + pad("BYTES", 10) + pad("HELD", 8) +
                   pad("CLIENT", 24) + "REQUEST");
  for (const Json* upload : rows) {
    const double held = number_field(*upload, "held_seconds");
    screen.push_back(
        pad(field(*upload, "upload_id"), 28) + pad(field(*upload, "state"), 11) +
        pad(size_text(number_field(*upload, "bytes")), 10) +
        pad(held > 0 ? short_duration(held) : "", 8) + pad(field(*upload, "client"), 24) +
        shortened(field(*upload, "method") + " " + field(*upload, "path"), kRequestColumns));
  }
}

std::vector<std::string> screen_of(const Sample& before, const Sample& now) {
  std::vector<std::string> screen;
  add_totals(screen, now, Rates(before, now));
  add_reasons(screen, now.status);
  add_uploads(screen, now.uploads);
  return screen;
}

void show(const std::vector<std::string>& screen, bool on_terminal) {
  winsize size{};
  const bool known = on_terminal && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;
  const auto rows =
      static_cast<size_t>(known && size.ws_row > 1 ? size.ws_row - 1 : kRowsWithoutTerminal);
  std::string text = on_terminal ? "\x1b[H\x1b[2J" : "";
  for (size_t i = 0; i < std::min(screen.size(), rows); ++i) {
    const std::string_view whole = screen[i];
    text += known && size.ws_col > 0 ? fitting_prefix(whole, size.ws_col) : whole;
    text += '\n';
  }
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

}  // namespace

Result<int> show_top(const Invocation& invocation, const TopOptions& options) {
  if (!invocation.store.empty()) {
    return fail(ErrorCode::kInvalid, "nothing passes a store: ask the daemon, with --socket");
  }
  const bool on_terminal = ::isatty(STDOUT_FILENO) == 1 && !options.once;
  if (!on_terminal && !options.once) {
    return fail(ErrorCode::kInvalid, "top is for a terminal; elsewhere, take top --once");
  }
  auto backend = invocation.open();
  if (!backend) return tl::unexpected(backend.error());
  auto before = take_sample(**backend);
  if (!before) return tl::unexpected(before.error());
  for (;;) {
    std::this_thread::sleep_for(kPeriod);
    auto now = take_sample(**backend);
    if (!now) return tl::unexpected(now.error());
    show(screen_of(*before, *now), on_terminal);
    if (options.once) return 0;
    before = std::move(now);
  }
}

}  // namespace soundgate
