// Stand-ins for the rooms around control: an index that finds what it is told to, and decoders
// whose items and ends the test brings itself.
#pragma once

#include <cstdlib>
#include <map>
#include <vector>

#include "fingerprint/decode/decoder_pool.h"
#include "index/index.h"

namespace soundgate {

using ProbeItems = std::map<int, size_t>;  // view (fingerprint.h) → how many

class FakeSession : public MatchSession {
 public:
  FakeSession(const std::vector<Match>& matches, const std::vector<Match>& decisive,
              const bool& candidate, ProbeItems& probe_items)
      : matches_(matches), decisive_(decisive), candidate_(candidate), probe_items_(probe_items) {}
  void append(uint32_t, std::span<const Item> items) override { item_count_ += items.size(); }
  void append_view(int view, uint32_t, std::span<const Item> items) override {
    probe_items_[view] += items.size();
  }
  std::vector<Match> decisive(Action) override { return decisive_; }
  bool has_candidate() override { return candidate_; }
  std::vector<Match> finish() override { return item_count_ > 0 ? matches_ : std::vector<Match>(); }
  int64_t index_version() const override { return 7; }

 private:
  const std::vector<Match>& matches_;
  const std::vector<Match>& decisive_;
  const bool& candidate_;
  ProbeItems& probe_items_;
  size_t item_count_ = 0;
};

class FakeIndex : public Index {
 public:
  std::vector<Match> matches;      // what every upload with items matches
  std::vector<Match> decisive;     // what is certain of every upload, as soon as it has items
  bool candidate = false;          // whether there is one in every upload, likewise
  mutable ProbeItems probe_items;  // of all uploads
  std::vector<Bank> all_banks;

  std::unique_ptr<MatchSession> match() const override {
    return std::make_unique<FakeSession>(matches, decisive, candidate, probe_items);
  }
  IndexStatus status() const override {
    IndexStatus status;
    status.version = 7;
    return status;
  }

  IndexResult<void> create_bank(const Bank&) override { return none(); }
  IndexResult<void> set_bank(const Bank&) override { return none(); }
  IndexResult<void> delete_bank(std::string_view, bool) override { return none(); }
  IndexResult<Bank> bank(std::string_view) const override { return none(); }
  std::vector<Bank> banks() const override { return all_banks; }
  IndexResult<EnrollResult> enroll(const EnrollRequest&) override { return none(); }
  std::vector<IndexResult<EnrollResult>> enroll_all(
      std::span<const EnrollRequest> requests) override {
    return {requests.size(), none()};
  }
  IndexResult<std::optional<ExportedReference>> reference_after(std::string_view,
                                                                std::string_view) const override {
    return none();
  }
  IndexResult<std::vector<Reference>> references(std::string_view) const override { return none(); }
  IndexResult<Reference> reference(std::string_view, std::string_view) const override {
    return none();
  }
  IndexResult<void> remove(std::string_view, std::string_view) override { return none(); }
  IndexResult<void> suppress(std::string_view, std::string_view, const Suppression&) override {
    return none();
  }
  IndexResult<void> restore(std::string_view, std::string_view) override { return none(); }
  IndexResult<IndexUpkeep> upkeep() const override { return none(); }
  IndexResult<RollbackReport> rollback(const VersionOrTime&, bool) override { return none(); }
  IndexResult<VerifyReport> verify() override { return none(); }
  IndexResult<void> merge() override { return none(); }
  IndexResult<std::shared_ptr<std::FILE>> backup() const override { return none(); }
  void stop_long_work() override {}

 private:
  static tl::unexpected<IndexError> none() {
    return tl::unexpected(IndexError{IndexError::Kind::kNotFound, "the fake index holds nothing"});
  }
};

class FakePool : public DecoderPool {
 public:
  ProbeSettings probes;

  StreamProducer& producer(int) override { std::abort(); }
  void set_probes(const ProbeSettings& settings) override { probes = settings; }
  void set_coverage(const CoverageSettings&) override {}
  void look_closer(uint64_t) override {}
  Status status() const override { return {}; }
};

class FakeProducer : public StreamProducer {
 public:
  struct Stream {
    uint64_t tag = 0;
    int64_t bytes = 0;
    bool finished = false, cancelled = false;
    StreamCoding coding = StreamCoding::kNone;
  };
  bool refuses = false;            // no decoder has room
  size_t free_streams = 32;        // of 32
  Append answer = Append::kTaken;  // to append
  std::map<uint64_t, Stream> streams;

  tl::expected<StreamHandle, DecodeOutcome> begin(uint64_t tag, int64_t) override {
    if (refuses) return tl::unexpected(DecodeOutcome::decoder_overload);
    streams[++last_] = {.tag = tag};
    return StreamHandle{last_};
  }
  tl::expected<StreamHandle, DecodeOutcome> begin_unprobed(uint64_t tag, int64_t size) override {
    return begin(tag, size);
  }
  tl::expected<StreamHandle, DecodeOutcome> begin_coded(uint64_t tag, int64_t size,
                                                        StreamCoding coding) override {
    const auto handle = begin(tag, size);
    if (handle) last().coding = coding;
    return handle;
  }
  Append append(StreamHandle stream, std::span<const std::byte> bytes) override {
    if (answer == Append::kTaken) at(stream).bytes += static_cast<int64_t>(bytes.size());
    return answer;
  }
  void finish(StreamHandle stream) override { at(stream).finished = true; }
  void cancel(StreamHandle stream) override { at(stream).cancelled = true; }
  Room room() override { return {free_streams, 32}; }

  Stream& at(StreamHandle stream) { return streams.at(static_cast<uint64_t>(stream)); }
  Stream& last() { return streams.at(last_); }

 private:
  uint64_t last_ = 0;
};

}  // namespace soundgate
