// The fields that scripts rely on: names, order, and that none is ever missing.
#include "control/decisions/verdict_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "control/text.h"

namespace soundgate {
namespace {

using Json = nlohmann::ordered_json;
using testing::ElementsAre;

std::vector<std::string> keys(const Json& object) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : object.items()) keys.push_back(key);
  return keys;
}

Decision sample() {
  Match match;
  match.bank.name = "spam";
  match.content_id = "id-1";
  match.title = "Title";
  match.metadata_json = R"({"artist":"A","isrc":"I"})";
  match.asset_duration_seconds = 100;
  match.score = 0.93;
  match.threshold = 0.38;
  match.query_match_seconds = 42;
  match.asset_match_seconds = 42;
  match.segments.push_back({1, 43, 10, 52, 1.0, 0.05, 0.93, 0.999});
  Decision decision;
  decision.upload_id = "01ABC";
  decision.time = from_epoch_seconds(1795339677.5);
  decision.mode = "enforce";
  decision.enforced = true;
  decision.verdict = {
      VerdictKind::kBlock, Action::kBlock, "match", Checked::kFull, {{match, Action::kBlock}}};
  decision.decode =
      DecodeEnd{.outcome = DecodeOutcome::decoded, .decoded_seconds = 84, .duration_seconds = 84};
  decision.first_byte = decision.time;
  return decision;
}

TEST(VerdictJson, HasEveryFieldInOrder) {
  const Json json = verdict_json(sample());
  EXPECT_THAT(keys(json), ElementsAre("upload_id", "time", "mode", "enforced", "request", "verdict",
                                      "action", "reason", "checked", "query_file_duration_seconds",
                                      "coverage", "matches", "index_version", "policy_version",
                                      "early", "decode", "gate", "bytes", "timings"));
  EXPECT_THAT(keys(json["request"]),
              ElementsAre("request_id", "method", "host", "path", "client", "uploader", "part",
                          "file_name", "resource", "parts", "connections"));
  EXPECT_THAT(keys(json["timings"]), ElementsAre("first_byte", "last_byte", "verdict", "released"));
  EXPECT_THAT(keys(json["matches"][0]),
              ElementsAre("asset", "bank", "bank_content_id", "score", "threshold",
                          "query_match_duration_seconds", "query_match_percentage",
                          "asset_match_duration_seconds", "asset_match_percentage", "segments",
                          "policy_id", "policy_version", "min_seconds", "action", "shadow"));
  EXPECT_THAT(keys(json["matches"][0]["segments"][0]),
              ElementsAre("query_start", "query_end", "asset_start", "asset_end", "audio_speed",
                          "score", "confidence"));
}

TEST(VerdictJson, SaysWhatAnUploadInPartsCameIn) {
  Decision decision = sample();
  EXPECT_TRUE(verdict_json(decision)["request"]["resource"].is_null());
  EXPECT_EQ(verdict_json(decision)["request"]["parts"], 1);
  decision.request.resource = "up.example/files/1";
  decision.request.parts = 7;
  decision.request.connections = 2;
  const Json request = verdict_json(decision)["request"];
  EXPECT_EQ(request["resource"], "up.example/files/1");
  EXPECT_EQ(request["parts"], 7);
  EXPECT_EQ(request["connections"], 2);
}

TEST(VerdictJson, Values) {
  const Json json = verdict_json(sample());
  EXPECT_EQ(json["time"], "2026-11-22T09:27:57.500Z");
  EXPECT_EQ(json["timings"]["first_byte"], 1795339677.5);
  EXPECT_TRUE(json["timings"]["released"].is_null());
  EXPECT_EQ(json["matches"][0]["asset"],
            Json::parse(R"({"id":"id-1","title":"Title","artist":"A","isrc":"I"})"));
  EXPECT_EQ(json["matches"][0]["query_match_percentage"], 50.0);
  EXPECT_EQ(json["matches"][0]["asset_match_percentage"], 42.0);
  EXPECT_EQ(json["coverage"]["share"], 1.0);
  EXPECT_TRUE(json["gate"].is_null());
  EXPECT_EQ(json["decode"],
            Json::parse(R"({"outcome":"decoded","format":null,"codec":null,"exact":false,
                            "exact_by":null})"));
}

TEST(VerdictJson, SaysWhatWasKnown) {
  Decision decision = sample();
  decision.decode->exact = true;
  EXPECT_EQ(verdict_json(decision)["decode"]["exact_by"], "bytes");
  decision.decode->exact_packets = true;
  EXPECT_EQ(verdict_json(decision)["decode"]["exact"], true);
  EXPECT_EQ(verdict_json(decision)["decode"]["exact_by"], "packets");
}

TEST(VerdictJson, MetadataDoesNotReplaceTheReferencesOwnNames) {
  Decision decision = sample();
  decision.verdict.matches[0].match.metadata_json = R"({"id":"x","title":7,"artist":"A"})";
  EXPECT_EQ(verdict_json(decision)["matches"][0]["asset"],
            Json::parse(R"({"id":"id-1","title":"Title","artist":"A"})"));
}

TEST(VerdictJson, HostileTextStaysJson) {
  Decision decision = sample();
  decision.request.path = "/a\xff\n\"\x1b";
  const std::string text = dump(verdict_json(decision));
  EXPECT_EQ(text.find('\n'), std::string::npos);
  EXPECT_TRUE(Json::accept(text));
}

TEST(VerdictJson, AnUploadNobodyDecoded) {
  Decision decision = sample();
  decision.decode.reset();
  decision.verdict.matches.clear();
  const Json json = verdict_json(decision);
  EXPECT_TRUE(json["decode"].is_null());
  EXPECT_EQ(json["coverage"]["mode"], "none");
}

TEST(VerdictJson, AnUploadOfWhichAShareWasDecoded) {
  Decision decision = sample();
  decision.decode->decoded_seconds = 10;
  decision.decode->skipped_seconds = 30;
  decision.decode->duration_seconds = 40;
  const Json json = verdict_json(decision);
  EXPECT_EQ(json["coverage"], Json::parse(R"({"mode":"sparse","decoded_seconds":10.0,
      "gap_seconds":0.0,"skipped_seconds":30.0,"share":0.25})"));
}

TEST(VerdictJson, AnUploadThatWasStopped) {
  Decision decision = sample();
  decision.early =
      EarlyVerdict{.at = decision.time, .heard_seconds = 14, .bytes = 9, .stopped = true};
  decision.decode.reset();
  const Json json = verdict_json(decision);
  EXPECT_EQ(json["early"], Json::parse(R"({"stopped":true,"time":1795339677.5,"heard_seconds":14.0,
                                           "bytes":9})"));
  EXPECT_EQ(json["coverage"]["mode"], "full");
  EXPECT_EQ(json["coverage"]["decoded_seconds"], 14.0);
  EXPECT_EQ(json["matches"][0]["query_match_percentage"], 0);  // of a length that nobody knows
}

TEST(ParseUntrusted, RefusesWhatIsNestedDeeply) {
  const auto nested = [](size_t depth) {
    return R"({"a":)" + std::string(depth - 1, '[') + std::string(depth - 1, ']') + "}";
  };
  EXPECT_TRUE(parse_untrusted(nested(64)).is_object());
  EXPECT_TRUE(parse_untrusted(nested(65)).is_discarded());
  EXPECT_TRUE(parse_untrusted(nested(100000)).is_discarded());
  EXPECT_TRUE(parse_untrusted(std::string(200000, '[')).is_discarded());
  EXPECT_TRUE(parse_untrusted("{").is_discarded());
}

}  // namespace
}  // namespace soundgate
