#include "control/config/config.h"

#include <grp.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <sstream>
#include <system_error>
#include <thread>

#include "control/config/toml_section.h"
#include "control/limits.h"
#include "dataplane/limits.h"

namespace soundgate {
namespace {

constexpr int64_t kHoldMsMax = 600000;
constexpr int64_t kSilenceMsMin = 1000;
constexpr int64_t kStallMsMin = DecoderPool::Options::kStallMin.count();
constexpr int64_t kTailBytesMax = 65536;
constexpr int64_t kResumableIdleSecondsMax = 7 * 86400;
constexpr int64_t kRefusedSecondsMax = 30 * 86400;
constexpr int64_t kKeepDaysMax = 3650;
constexpr int64_t kMibMax = int64_t{1} << 20;
constexpr int64_t kBodyBytesMinMax = int64_t{1} << 50;

constexpr size_t kFlowsConfigurableMin = 1024;

constexpr size_t kConfigBytesMax = 1 << 20;

// Group names come from wherever the machine keeps them: /etc/group, a directory service.
std::optional<unsigned> group_id(const std::string& name) {
  group entry{};
  group* found = nullptr;
  std::vector<char> texts(1 << 16);
  getgrnam_r(name.c_str(), &entry, texts.data(), texts.size(), &found);
  return found != nullptr ? std::optional<unsigned>(entry.gr_gid) : std::nullopt;
}

// Such a pattern would match no path, and what it was meant for would pass unseen.
bool can_match_a_path(const std::string& glob) {
  return glob.starts_with('/') || glob.starts_with('*');
}
// Hosts are compared without their port; IPv6 addresses keep their brackets.
bool can_match_a_host(const std::string& glob) {
  const size_t address_end = glob.starts_with('[') ? glob.find(']') : 0;
  return address_end != std::string::npos && glob.find_first_of(":/ ", address_end) == glob.npos;
}
// Source: RFC 9110 section 5.6.2.
bool is_header_name(const std::string& text) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return std::all_of(text.begin(), text.end(), [&](unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           kMarks.find(static_cast<char>(c)) != kMarks.npos;
  });
}

bool parse_mode(std::string_view text, Mode& mode) {
  if (text != "observe" && text != "enforce") return false;
  mode = text == "enforce" ? Mode::kEnforce : Mode::kObserve;
  return true;
}

bool parse_placement(std::string_view text, Placement& placement) {
  if (text != "inline" && text != "tap") return false;
  placement = text == "tap" ? Placement::kTap : Placement::kInline;
  return true;
}

bool parse_share_by(std::string_view text, ShareBy& share_by) {
  if (text != "connections" && text != "addresses") return false;
  share_by = text == "addresses" ? ShareBy::kAddresses : ShareBy::kConnection;
  return true;
}

bool parse_midstream(std::string_view text, MidstreamPolicy& policy) {
  if (text == "resync")
    policy = MidstreamPolicy::kResync;
  else if (text == "reset")
    policy = MidstreamPolicy::kReset;
  else if (text == "pass")
    policy = MidstreamPolicy::kPass;
  else
    return false;
  return true;
}

// Reads a file's tables in the order of deploy/soundgate.toml.
class Reader {
 public:
  Reader(const toml::table& root, TomlErrors& errors) : root_(root, "", errors), errors_(errors) {}

  Config read() {
    std::string store = config_.store.string();
    root_.text("store", store);
    config_.store = store;

    section("control", [&](TomlSection& s) { read_control(s); });
    read_dataplane();
    section("mode", [&](TomlSection& s) {
      s.word("default", "\"observe\" or \"enforce\"",
             [&](const std::string& word) { return parse_mode(word, config_.mode); });
    });
    section("headers", [&](TomlSection& s) { read_headers(s); });
    section("gate", [&](TomlSection& s) { read_gate(s); });
    section("block", [&](TomlSection& s) { read_block(s); });
    section("resumable", [&](TomlSection& s) { read_resumable(s); });
    section("tcp", [&](TomlSection& s) {
      s.word("midstream", "\"resync\", \"reset\" or \"pass\"",
             [&](const std::string& word) { return parse_midstream(word, packets_.midstream); });
    });
    section("watchdog", [&](TomlSection& s) { read_watchdog(s); });
    section("bypass", [&](TomlSection& s) { read_bypass(s); });
    read_fail_policy();
    section("decoder", [&](TomlSection& s) { read_decoder(s); });
    section("match", [&](TomlSection& s) {
      s.real("false_positives_per_upload", config_.false_positives_per_upload, 1e-12, 1e-2);
      s.boolean("early_verdict", config_.early_verdict);
      s.integer("threads", config_.match_threads, 1, kMatchThreadsMax);
    });
    section("index", [&](TomlSection& s) {
      s.integer("keep_days", config_.index_keep_days, 0, kKeepDaysMax);
    });
    section("probes", [&](TomlSection& s) {
      s.real("cpu_share", config_.probes_cpu_share, 0, ProbeSettings::kCpuShareMax);
    });
    section("decisions", [&](TomlSection& s) {
      s.integer("keep_items_days", config_.decisions.keep_items_days, 0, kKeepDaysMax);
      s.integer("keep_items_mib", config_.decisions.keep_items_mib, 0, kMibMax);
    });
    section("log", [&](TomlSection& s) { read_log(s); });
    root_.refuse_unknown();
    finish_dataplane();
    return config_;
  }

 private:
  template <class Read>
  void section(const std::string& key, const Read& read) {
    const toml::table* table = root_.section(key);
    if (table == nullptr) return;
    TomlSection section(*table, key + ".", errors_);
    read(section);
    section.refuse_unknown();
  }

  void read_control(TomlSection& s) {
    std::string socket = config_.socket.string();
    s.text("socket", socket);
    config_.socket = socket;
    s.integer("connections_max", config_.connections_max, 1, kConnectionsMax);
    std::string group;
    s.text("group", group);
    if (!group.empty()) config_.socket_group = known_group(s, "group", group);
    read_groups(s, "curators", config_.role_groups.curators);
    read_groups(s, "operators", config_.role_groups.operators);
    read_groups(s, "admins", config_.role_groups.admins);
  }

  unsigned known_group(TomlSection& s, const char* key, const std::string& name) {
    const auto id = group_id(name);
    if (!id) s.fail(key, *s.get(key), "there is no group \"" + name + "\"");
    return id.value_or(static_cast<unsigned>(-1));
  }

  void read_groups(TomlSection& s, const char* key, std::vector<unsigned>& target) {
    std::vector<std::string> names;
    s.texts(key, names);
    for (const std::string& name : names) target.push_back(known_group(s, key, name));
  }

  // Every text of a list must be one that can mean something.
  static void check_each(TomlSection& s, const char* key, const std::vector<std::string>& texts,
                         bool (*can)(const std::string&), const char* must) {
    for (const std::string& text : texts) {
      if (!can(text)) s.fail(key, *s.get(key), std::string(must) + ", is \"" + text + "\"");
    }
  }

  void read_headers(TomlSection& s) {
    s.text("request_id", packets_.request_id_header);
    s.text("uploader", packets_.uploader_header);
    for (const auto& [key, name] : {std::pair("request_id", packets_.request_id_header),
                                    std::pair("uploader", packets_.uploader_header)}) {
      check_each(s, key, {name}, is_header_name, "must be the name of a header");
    }
  }

  void read_dataplane() {
    section("dataplane", [&](TomlSection& s) {
      has_dataplane_ = true;
      s.texts("eal", packets_.eal_arguments);
      s.text("client_port", packets_.client_port);
      s.text("origin_port", packets_.origin_port);
      s.word("mode", "\"inline\" or \"tap\"",
             [&](const std::string& word) { return parse_placement(word, packets_.placement); });
      s.text("tap_port", packets_.tap_port);
      read_lcores(s);
      s.integer("flows", packets_.flows_max, kFlowsConfigurableMin, kFlowsConfigurableMax);
      const bool taps = packets_.placement == Placement::kTap;
      for (const auto* key : {"client_port", "origin_port", "tap_port"}) {
        const toml::node* table = root_.get("dataplane");
        const bool needed = taps == (std::string_view(key) == "tap_port");
        if (!needed || s.get(key) != nullptr) continue;
        s.fail(key, *table, "is missing: which DPDK device is it?");
      }
      if (packets_.client_port == packets_.origin_port && s.get("origin_port") != nullptr) {
        s.fail("origin_port", *s.get("origin_port"), "must be another device than client_port");
      }
    });
    const toml::array* rules = root_.array_of_tables("inspect");
    if (rules == nullptr) return;
    for (size_t i = 0; i < rules->size(); ++i) read_inspect(*rules->get(i)->as_table(), i);
  }

  void read_lcores(TomlSection& s) {
    s.integer("queue_pairs", packets_.lcore_count, 1, kLcoresMax);
    s.word("share_by", "\"connections\" or \"addresses\"",
           [&](const std::string& word) { return parse_share_by(word, packets_.share_by); });
    s.cpus("lcores", packets_.lcores);
    int lcore = -1;
    s.integer("lcore", lcore, -1, TomlSection::kCpuMax);
    const size_t count = packets_.lcores.size();
    if (lcore >= 0 && count > 0) {
      s.fail("lcore", *s.get("lcore"), "must be left out where there is dataplane.lcores");
    } else if (lcore >= 0) {
      packets_.lcores = {lcore};
    } else if (count > 0 && count != packets_.lcore_count) {
      s.fail("lcores", *s.get("lcores"),
             "must be a CPU for each of dataplane.queue_pairs, " +
                 std::to_string(packets_.lcore_count) + ", is " + std::to_string(count));
    }
  }

  void read_inspect(const toml::table& table, size_t rule_index) {
    TomlSection s(table, "inspect[" + std::to_string(rule_index) + "].", errors_);
    InspectRule rule;
    s.port_numbers("ports", rule.ports);
    s.texts("hosts", rule.hosts);
    s.texts("paths", rule.paths);
    check_each(s, "hosts", rule.hosts, can_match_a_host, "must be hosts with no port");
    check_each(s, "paths", rule.paths, can_match_a_path, "must be paths that begin with / or *");
    s.texts("methods", rule.methods);
    for (const std::string& method : rule.methods) {
      if (method == "PUT" || method == "POST" || method == "PATCH") continue;
      s.fail("methods", *s.get("methods"),
             "must be \"PUT\", \"POST\" or \"PATCH\", is \"" + method + "\"");
    }
    s.integer("min_bytes", rule.body_bytes_min, 0, kBodyBytesMinMax);
    s.refuse_unknown();
    packets_.inspect.push_back(std::move(rule));
  }

  void read_gate(TomlSection& s) {
    int64_t hold_max_ms = packets_.hold_max.count();
    s.integer("hold_max_ms", hold_max_ms, 1, kHoldMsMax);
    packets_.hold_max = std::chrono::milliseconds(hold_max_ms);
    int64_t drain_ms_max = config_.drain_max.count();
    s.integer("drain_ms_max", drain_ms_max, 0, kHoldMsMax);
    config_.drain_max = std::chrono::milliseconds(drain_ms_max);
    s.integer("tail_bytes", packets_.tail_bytes, 1, kTailBytesMax);
  }

  void read_watchdog(TomlSection& s) {
    int64_t lcore_ms_max = config_.lcore_silence_max.count();
    int64_t thread_ms_max = config_.thread_silence_max.count();
    s.integer("lcore_ms_max", lcore_ms_max, kSilenceMsMin, kHoldMsMax);
    s.integer("thread_ms_max", thread_ms_max, kSilenceMsMin, kHoldMsMax);
    config_.lcore_silence_max = std::chrono::milliseconds(lcore_ms_max);
    config_.thread_silence_max = std::chrono::milliseconds(thread_ms_max);
  }

  void read_bypass(TomlSection& s) {
    std::string lock, journal;
    s.text("lock", lock);
    s.text("journal", journal);
    config_.bypass = {lock, journal};
    if (lock.empty() != journal.empty()) {
      const char* given = lock.empty() ? "journal" : "lock";
      s.fail(given, *s.get(given), "bypass.lock and bypass.journal go together");
    }
  }

  void read_resumable(TomlSection& s) {
    int64_t idle_seconds = packets_.resumable_idle.count();
    int64_t refused_seconds = packets_.refused_keep.count();
    s.integer("idle_seconds", idle_seconds, 1, kResumableIdleSecondsMax);
    s.integer("refused_seconds", refused_seconds, 1, kRefusedSecondsMax);
    packets_.resumable_idle = std::chrono::seconds(idle_seconds);
    packets_.refused_keep = std::chrono::seconds(refused_seconds);
  }

  void read_block(TomlSection& s) {
    s.integer("status", packets_.block_status, 403, 451);
    if (packets_.block_status != 403 && packets_.block_status != 451) {
      s.fail("status", *s.get("status"),
             "must be 403 or 451, is " + std::to_string(packets_.block_status));
    }
    s.text("message", packets_.block_message);
    if (packets_.block_message.size() > kBlockMessageBytesMax) {
      s.fail("message", *s.get("message"),
             "must be at most " + std::to_string(kBlockMessageBytesMax) + " bytes, is " +
                 std::to_string(packets_.block_message.size()));
    }
  }

  void read_fail_policy() {
    const toml::table* table = root_.section("fail_policy");
    if (table == nullptr) return;
    TomlSection s(*table, "fail_policy.", errors_);
    for (const std::string_view reason : FailPolicy::names()) {
      s.word(reason, "\"pass\", \"flag\" or \"block\"", [&](const std::string& word) {
        const auto action = parse_fail_action(word);
        return action && config_.fail_policy.set(reason, *action);
      });
    }
    s.refuse_unknown();
  }

  void read_decoder(TomlSection& s) {
    int64_t payload_mib = static_cast<int64_t>(config_.decoder.payload_bytes_per_worker >> 20);
    int64_t spool_mib = config_.decoder.spool_bytes_max >> 20;
    int64_t burst_kib = static_cast<int64_t>(config_.decoder.burst_bytes >> 10);
    int64_t known_mib = static_cast<int64_t>(config_.decoder.known_bytes_max >> 20);
    int64_t stall_max_ms = config_.decoder.stall_max.count();
    int64_t audio_seconds_max = static_cast<int64_t>(config_.decoder.audio_seconds_max);
    s.integer("workers", config_.decoder.worker_count, 1, 64);
    s.real("coverage_share", config_.coverage.share, CoverageSettings::kShareMin, 1);
    s.real("coverage_period_seconds", config_.coverage.period_seconds, CoverageSettings::kPeriodMin,
           CoverageSettings::kPeriodMax);
    s.integer("payload_mib", payload_mib, 8, 65536);
    s.integer("spool_mib", spool_mib, 0, 65536);
    s.integer("known_mib", known_mib, 0, 65536);
    s.integer("burst_kib", burst_kib, 0, 1 << 20);
    s.integer("stall_max_ms", stall_max_ms, kStallMsMin, kHoldMsMax);
    s.integer("audio_seconds_max", audio_seconds_max, 10, 86400);
    config_.decoder.payload_bytes_per_worker = static_cast<size_t>(payload_mib) << 20;
    config_.decoder.spool_bytes_max = spool_mib << 20;
    config_.decoder.burst_bytes = static_cast<size_t>(burst_kib) << 10;
    config_.decoder.known_bytes_max = static_cast<size_t>(known_mib) << 20;
    config_.decoder.stall_max = std::chrono::milliseconds(stall_max_ms);
    config_.decoder.audio_seconds_max = static_cast<double>(audio_seconds_max);
  }

  void read_log(TomlSection& s) {
    s.word("level", "\"debug\", \"info\", \"warn\" or \"error\"", [&](const std::string& word) {
      config_.log_level = word;
      return word == "debug" || word == "info" || word == "warn" || word == "error";
    });
  }

  void finish_dataplane() {
    if (!has_dataplane_) return;
    if (packets_.placement == Placement::kTap && config_.mode == Mode::kEnforce) {
      errors_.add(root_.get("mode")->source(),
                  "key mode.default: must be \"observe\" where dataplane.mode is \"tap\"");
    }
    packets_.mode = config_.mode;
    packets_.fail_policy = config_.fail_policy.dataplane_actions();
    config_.dataplane = packets_;
  }

  TomlSection root_;
  TomlErrors& errors_;
  Config config_;
  DataplaneConfig packets_;
  bool has_dataplane_ = false;
};

// Names what a file says: FNV-1a, 64 bits, in hex.
std::string text_version(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  std::ostringstream out;
  out << std::hex << hash;
  return out.str();
}

// A pipe is fine; a device that never ends is not.
tl::expected<std::string, std::string> read_file(const std::filesystem::path& file) {
  const auto failure = [&](const std::string& why) {
    return tl::unexpected("cannot read the configuration " + escape_controls(file.string()) + ": " +
                          why);
  };
  std::error_code unreachable;  // said when it is opened
  if (std::filesystem::is_directory(file, unreachable)) {
    return failure(std::make_error_code(std::errc::is_a_directory).message());
  }
  std::ifstream in(file, std::ios::binary);
  if (!in) return failure(std::generic_category().message(errno));
  std::string text(kConfigBytesMax + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad()) return failure(std::generic_category().message(errno));
  text.resize(static_cast<size_t>(in.gcount()));
  if (text.size() > kConfigBytesMax) return failure("it is larger than 1 MiB");
  return text;
}

}  // namespace

DecoderPool::Options default_decoder() {
  DecoderPool::Options options;
  options.known_bytes_max = size_t{256} << 20;
  return options;
}

tl::expected<void, std::string> replay_instead(Config& config, const std::string& capture_file) {
  if (!config.dataplane) {
    return tl::unexpected<std::string>(
        "the configuration has no [dataplane]: a replay uses its eal arguments");
  }
  DataplaneConfig& packets = *config.dataplane;
  packets.placement = Placement::kReplay;
  packets.capture_file = capture_file;
  packets.lcore_count = 1;
  packets.lcores.clear();
  return {};
}

int default_match_threads() {
  const unsigned cores = std::thread::hardware_concurrency();
  return static_cast<int>(std::clamp(cores / 2, 2U, 16U));
}

tl::expected<Config, std::string> load_config(const std::filesystem::path& file) {
  const auto text = read_file(file);
  if (!text) return tl::unexpected(text.error());
  TomlErrors errors(escape_controls(file.string()));
  const toml::parse_result parsed = toml::parse(*text, file.string());
  if (!parsed) {
    errors.add(parsed.error().source(), std::string(parsed.error().description()));
    return tl::unexpected(errors.message());
  }
  Config config = Reader(parsed.table(), errors).read();
  if (!errors.none()) return tl::unexpected(errors.message());
  config.policy_version = text_version(*text);
  return config;
}

}  // namespace soundgate
