// Mistakes in a configuration are one line that says where; the documented sample says the truth.
#include "control/config/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace soundgate {
namespace {

using testing::HasSubstr;

class ConfigTest : public testing::Test {
 protected:
  tl::expected<Config, std::string> load(const std::string& text) {
    std::ofstream(file_) << text;
    return load_config(file_);
  }
  std::string error_of(const std::string& text) {
    const auto config = load(text);
    return config ? "accepted" : config.error().substr(file_.string().size());
  }
  ~ConfigTest() override { std::filesystem::remove(file_); }

  const std::filesystem::path file_ = std::filesystem::temp_directory_path() /
                                      ("config_test_" + std::to_string(getpid()) + ".toml");
};

TEST_F(ConfigTest, EmptyIsTheDefaults) {
  const auto config = load("");
  ASSERT_TRUE(config);
  EXPECT_FALSE(config->dataplane);
  EXPECT_EQ(config->mode, Mode::kObserve);
  EXPECT_EQ(config->decoder.worker_count, 2);
  EXPECT_EQ(config->probes_cpu_share, 0.15);
  EXPECT_EQ(config->false_positives_per_upload, 1e-6);
  EXPECT_TRUE(config->early_verdict);
  EXPECT_GE(config->match_threads, 2);
}

TEST_F(ConfigTest, SaysFileLineKeyAndWhat) {
  EXPECT_EQ(error_of("\n[gate]\nhold_max_ms = -5\n"),
            ":3: key gate.hold_max_ms: must be 1..600000, is -5");
  EXPECT_EQ(error_of("[gate]\nhold_max_ms = \"long\"\n"),
            ":2: key gate.hold_max_ms: must be a whole number, 1..600000");
  EXPECT_EQ(error_of("[block]\nstatus = 404\n"),
            ":2: key block.status: must be 403 or 451, is 404");
  EXPECT_EQ(error_of("[mode]\ndefault = \"strict\"\n"),
            ":2: key mode.default: must be \"observe\" or \"enforce\", is \"strict\"");
  EXPECT_EQ(error_of("store = \"\"\n"), ":1: key store: must be a text that is not empty");
  EXPECT_EQ(error_of("[[inspect]]\nports = [80, 70000]\n"),
            ":2: key inspect[0].ports: must be a list of port numbers, 1..65535");
  EXPECT_EQ(error_of("[[inspect]]\nmethods = [\"GET\"]\n"),
            ":2: key inspect[0].methods: must be \"PUT\", \"POST\" or \"PATCH\", is \"GET\"");
  EXPECT_EQ(error_of("[[inspect]]\nmethods = [\"PATCH\"]\n"), "accepted");
  EXPECT_EQ(error_of("[resumable]\nidle_seconds = 0\n"),
            ":2: key resumable.idle_seconds: must be 1..604800, is 0");
  EXPECT_EQ(error_of("[resumable]\nrefused_seconds = 2592001\n"),
            ":2: key resumable.refused_seconds: must be 1..2592000, is 2592001");
  EXPECT_EQ(error_of("[dataplane]\nclient_port = \"net_tap0\"\n"),
            ":1: key dataplane.origin_port: is missing: which DPDK device is it?");
  const std::string ports = "[dataplane]\nclient_port = \"net_tap0\"\norigin_port = \"net_tap1\"\n";
  EXPECT_EQ(error_of(ports + "queue_pairs = 2\nlcores = [2, 3]\n"), "accepted");
  EXPECT_EQ(error_of(ports + "queue_pairs = 17\n"),
            ":4: key dataplane.queue_pairs: must be 1..16, is 17");
  EXPECT_EQ(error_of(ports + "queue_pairs = 2\nshare_by = \"addresses\"\n"), "accepted");
  EXPECT_EQ(error_of(ports + "share_by = \"ports\"\n"),
            ":4: key dataplane.share_by: must be \"connections\" or \"addresses\", is \"ports\"");
  EXPECT_EQ(error_of(ports + "queue_pairs = 2\nlcores = [2]\n"),
            ":5: key dataplane.lcores: must be a CPU for each of dataplane.queue_pairs, 2, is 1");
  EXPECT_EQ(error_of(ports + "lcores = [-1]\n"),
            ":4: key dataplane.lcores: must be a list of CPUs, 0..1023");
  EXPECT_EQ(error_of(ports + "lcore = 1\nlcores = [2]\n"),
            ":4: key dataplane.lcore: must be left out where there is dataplane.lcores");
  EXPECT_EQ(error_of(ports + "mode = \"replay\"\n"),
            ":4: key dataplane.mode: must be \"inline\" or \"tap\", is \"replay\"");
  EXPECT_EQ(error_of("[dataplane]\nmode = \"tap\"\n"),
            ":1: key dataplane.tap_port: is missing: which DPDK device is it?");
  const std::string tap = "[dataplane]\nmode = \"tap\"\ntap_port = \"net_tap0\"\n";
  EXPECT_EQ(error_of(tap), "accepted");
  EXPECT_EQ(error_of(tap + "[mode]\ndefault = \"enforce\"\n"),
            ":4: key mode.default: must be \"observe\" where dataplane.mode is \"tap\"");
  EXPECT_EQ(error_of(ports + "flows = 10\n"),
            ":4: key dataplane.flows: must be 1024..4194304, is 10");
  EXPECT_EQ(error_of("[decoder]\nstall_max_ms = 500\n"),
            ":2: key decoder.stall_max_ms: must be 600..600000, is 500");
  EXPECT_EQ(error_of("[decoder]\ncoverage_share = 0\n"),
            ":2: key decoder.coverage_share: must be a number, 0.05..1, is 0");
  EXPECT_EQ(error_of("[decoder]\ncoverage_share = 0.25\ncoverage_period_seconds = 40\n"),
            "accepted");
  EXPECT_EQ(error_of("[match]\nearly_verdict = \"no\"\n"),
            ":2: key match.early_verdict: must be true or false");
  EXPECT_EQ(error_of("[match]\nearly_verdict = false\nthreads = 3\n"), "accepted");
  EXPECT_EQ(error_of("[match]\nthreads = 0\n"), ":2: key match.threads: must be 1..64, is 0");
  EXPECT_EQ(error_of("[match]\nfalse_positives_per_upload = 0.5\n"),
            ":2: key match.false_positives_per_upload: must be a number, 1e-12..0.01, is 0.5");
  EXPECT_EQ(error_of("[match]\nfalse_positives_per_upload = 1e-9\n"), "accepted");
  EXPECT_EQ(error_of("[probes]\ncpu_share = 4.5\n"),
            ":2: key probes.cpu_share: must be a number, 0..4, is 4.5");
  EXPECT_EQ(error_of("[probes]\ncpu_share = nan\n"),
            ":2: key probes.cpu_share: must be a number, 0..4, is nan");
  EXPECT_EQ(error_of("[probes]\ncpu_share = \"much\"\n"),
            ":2: key probes.cpu_share: must be a number, 0..4");
  EXPECT_EQ(error_of("[probes]\ncpu_share = 1\n"), "accepted");
  EXPECT_EQ(error_of("gate = 3\n"), ":1: key gate: must be a table, [gate]");
  EXPECT_EQ(error_of("inspect = 3\n"), ":1: key inspect: must be tables, [[inspect]]");
}

TEST_F(ConfigTest, RefusesWhatIsNotKnown) {
  EXPECT_EQ(error_of("[gate]\nhold_ms = 5\n"), ":2: key gate.hold_ms: there is no such key");
  EXPECT_EQ(error_of("[gates]\n"), ":1: key gates: there is no such key");
  EXPECT_EQ(error_of("[fail_policy]\nsunspots = \"flag\"\n"),
            ":2: key fail_policy.sunspots: there is no such key");
  EXPECT_EQ(error_of("[fail_policy]\ndecoded = \"block\"\n"),
            ":2: key fail_policy.decoded: there is no such key");
  EXPECT_EQ(error_of("[fail_policy]\noverload = \"drop\"\n"),
            ":2: key fail_policy.overload: must be \"pass\", \"flag\" or \"block\", is \"drop\"");
}

TEST_F(ConfigTest, RefusesWhatCouldNeverWork) {
  EXPECT_EQ(error_of("[[inspect]]\npaths = [\"upload/*\"]\n"),
            ":2: key inspect[0].paths: must be paths that begin with / or *, is \"upload/*\"");
  EXPECT_EQ(error_of("[[inspect]]\nhosts = [\"a.example:80\"]\n"),
            ":2: key inspect[0].hosts: must be hosts with no port, is \"a.example:80\"");
  EXPECT_EQ(error_of("[[inspect]]\nhosts = [\"[2001:db8::7]\", \"*.example\"]\n"), "accepted");
  EXPECT_EQ(error_of("[dataplane]\nclient_port = \"net_tap0\"\norigin_port = \"net_tap0\"\n"),
            ":3: key dataplane.origin_port: must be another device than client_port");
  EXPECT_EQ(error_of("[block]\nmessage = \"" + std::string(401, 'x') + "\"\n"),
            ":2: key block.message: must be at most 400 bytes, is 401");
  EXPECT_EQ(error_of("[headers]\nuploader = \"X Uploader\"\n"),
            ":2: key headers.uploader: must be the name of a header, is \"X Uploader\"");
  EXPECT_EQ(error_of("store = \"/a\\u0000b\"\n"),
            ":1: key store: must be a text without control characters");
}

TEST_F(ConfigTest, GroupsAreThoseOfTheMachine) {
  EXPECT_EQ(error_of("[control]\ncurators = [\"no-such-group\"]\n"),
            ":2: key control.curators: there is no group \"no-such-group\"");
  EXPECT_EQ(error_of("[control]\ngroup = \"no-such-group\"\n"),
            ":2: key control.group: there is no group \"no-such-group\"");
  const auto config = load("[control]\ngroup = \"root\"\nadmins = [\"root\"]\n");
  ASSERT_TRUE(config) << config.error();
  EXPECT_EQ(config->socket_group, 0u);
  EXPECT_EQ(config->role_groups.admins, std::vector<unsigned>{0});
}

TEST_F(ConfigTest, WhatIsQuotedMovesNoCursor) {
  EXPECT_EQ(error_of("\"a\\u001b[2J\" = 1\n"), ":1: key a\\x1b[2J: there is no such key");
  EXPECT_EQ(error_of("[mode]\ndefault = \"\\u001b\"\n"),
            ":2: key mode.default: must be \"observe\" or \"enforce\", is \"\\x1b\"");
}

TEST_F(ConfigTest, SyntaxAndMissingFiles) {
  EXPECT_THAT(error_of("store = \n"), HasSubstr(":1: "));
  const auto missing = load_config("/nonexistent/soundgate.toml");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error(),
            "cannot read the configuration /nonexistent/soundgate.toml: No such file or directory");
  EXPECT_FALSE(load_config("/etc"));
  const auto endless = load_config("/dev/zero");
  ASSERT_FALSE(endless);
  EXPECT_EQ(endless.error(), "cannot read the configuration /dev/zero: it is larger than 1 MiB");
}

TEST_F(ConfigTest, FailPolicyReachesBothRooms) {
  const auto config = load(
      "[fail_policy]\noverload = \"block\"\ndecoder_crash = \"pass\"\n"
      "[dataplane]\nclient_port = \"a\"\norigin_port = \"b\"\n");
  ASSERT_TRUE(config) << config.error();
  EXPECT_EQ(config->fail_policy.of(DataplaneReason::overload), FailAction::kBlock);
  EXPECT_EQ(config->fail_policy.of(DecodeOutcome::decoder_crash), FailAction::kPass);
  EXPECT_EQ(config->dataplane->fail_policy.at(static_cast<size_t>(DataplaneReason::overload)),
            FailAction::kBlock);
}

// deploy/soundgate.toml calls itself "every key with its default, or an example where there is
// none".
TEST_F(ConfigTest, TheSampleHoldsTheDefaults) {
  const auto sample = load_config(std::string(SOURCE_DIR) + "/deploy/soundgate.toml");
  ASSERT_TRUE(sample) << sample.error();
  const Config defaults;
  EXPECT_EQ(sample->store, defaults.store);
  EXPECT_EQ(sample->socket, defaults.socket);
  EXPECT_EQ(sample->connections_max, defaults.connections_max);
  EXPECT_EQ(sample->socket_group, defaults.socket_group);
  EXPECT_TRUE(sample->role_groups.curators.empty() && sample->role_groups.operators.empty() &&
              sample->role_groups.admins.empty());
  EXPECT_EQ(sample->mode, defaults.mode);
  EXPECT_EQ(sample->drain_max, defaults.drain_max);
  EXPECT_EQ(sample->lcore_silence_max, defaults.lcore_silence_max);
  EXPECT_EQ(sample->thread_silence_max, defaults.thread_silence_max);
  EXPECT_EQ(sample->bypass.lock, defaults.bypass.lock);
  EXPECT_EQ(sample->log_level, defaults.log_level);
  EXPECT_EQ(sample->decisions.keep_items_days, defaults.decisions.keep_items_days);
  EXPECT_EQ(sample->decisions.keep_items_mib, defaults.decisions.keep_items_mib);
  EXPECT_EQ(sample->decoder.worker_count, defaults.decoder.worker_count);
  EXPECT_EQ(sample->decoder.payload_bytes_per_worker, defaults.decoder.payload_bytes_per_worker);
  EXPECT_EQ(sample->decoder.spool_bytes_max, defaults.decoder.spool_bytes_max);
  EXPECT_EQ(sample->decoder.known_bytes_max, defaults.decoder.known_bytes_max);
  EXPECT_EQ(sample->decoder.stall_max, defaults.decoder.stall_max);
  EXPECT_EQ(sample->decoder.audio_seconds_max, defaults.decoder.audio_seconds_max);
  EXPECT_EQ(sample->fail_policy.dataplane_actions(), defaults.fail_policy.dataplane_actions());

  ASSERT_TRUE(sample->dataplane);
  const DataplaneConfig packets;
  EXPECT_EQ(sample->dataplane->lcores, packets.lcores);
  EXPECT_EQ(sample->dataplane->lcore_count, packets.lcore_count);
  EXPECT_EQ(sample->dataplane->placement, packets.placement);
  EXPECT_EQ(sample->dataplane->flows_max, packets.flows_max);
  EXPECT_EQ(sample->dataplane->request_id_header, packets.request_id_header);
  EXPECT_EQ(sample->dataplane->uploader_header, packets.uploader_header);
  EXPECT_EQ(sample->dataplane->hold_max, packets.hold_max);
  EXPECT_EQ(sample->dataplane->tail_bytes, packets.tail_bytes);
  EXPECT_EQ(sample->dataplane->block_status, packets.block_status);
  EXPECT_EQ(sample->dataplane->block_message, packets.block_message);
  EXPECT_EQ(sample->dataplane->midstream, packets.midstream);
  EXPECT_EQ(sample->dataplane->inspect.size(), 1u);
}

// An operator finds each reason, and what happens by default, in the sample.
TEST_F(ConfigTest, TheSampleNamesEveryReason) {
  std::ifstream file(std::string(SOURCE_DIR) + "/deploy/soundgate.toml");
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  for (const std::string_view reason : FailPolicy::names()) {
    EXPECT_NE(text.find("\n" + std::string(reason) + " = "), std::string::npos)
        << reason << " is missing in [fail_policy] of deploy/soundgate.toml";
    EXPECT_FALSE(reason_text(reason).empty()) << reason;
  }
}

}  // namespace
}  // namespace soundgate
