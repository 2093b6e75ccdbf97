#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <thread>

#include "control/api/services.h"
#include "control/cli/backend.h"
#include "control/config/config.h"
#include "control/inspection/listener_switch.h"
#include "control/limits.h"

namespace soundgate {
namespace {

std::string user_name() {
  const passwd* entry = getpwuid(geteuid());
  return entry != nullptr ? entry->pw_name : "uid " + std::to_string(geteuid());
}

class StoreBackend : public Backend {
 public:
  StoreBackend(std::unique_ptr<Index> index, std::unique_ptr<DecisionStore> decisions,
               ModeRecord mode, const Config& config)
      : decoder_options_(config.decoder),
        index_(std::move(index)),
        decisions_(std::move(decisions)),
        mode_(*decisions_, std::move(mode), nullptr),
        probes_(*index_, config.probes_cpu_share),
        services_{*index_,
                  *decisions_,
                  files_,
                  probes_,
                  mode_,
                  config.fail_policy,
                  config.policy_version} {
    services_.skips = &skips_;
    services_.started = std::chrono::system_clock::now();
    add_routes(router_, services_);
  }

  Result<void> load() { return skips_.load(); }

  Result<void> start_decoders(size_t file_count) {
    const size_t cores = std::max(1u, std::thread::hardware_concurrency());
    DecoderPool::Options options = decoder_options_;
    options.worker_count = static_cast<int>(std::min(cores, file_count));
    streams_ = static_cast<int>(std::min<size_t>(
        file_count, static_cast<size_t>(options.worker_count) * kStreamsPerWorker));
    options.producer_parts.assign(static_cast<size_t>(streams_),
                                  FileDecoder::producer_part(options));
    auto pool = DecoderPool::start(options, listener_);
    if (!pool) return fail(ErrorCode::kUnavailable, "cannot start the decoders: " + pool.error());
    pool_ = std::move(*pool);
    files_.attach(*pool_, 0, streams_);
    probes_.attach(*pool_);
    services_.decoders = pool_.get();
    return {};
  }

  Result<ApiResponse> send(const BackendRequest& request) override {
    ApiRequest api;
    api.method = request.method;
    api.body = request.body;
    api.role = Role::kAdmin;  // who may open the store may do everything with it
    api.caller = user_name();
    if (const auto parsed = parse_target(target_of(request), api); !parsed) {
      return tl::unexpected(parsed.error());
    }
    return router_.handle(api);
  }
  int files_at_once() const override { return std::max(1, streams_); }

 private:
  const DecoderPool::Options decoder_options_;
  std::unique_ptr<Index> index_;
  std::unique_ptr<DecisionStore> decisions_;
  ModeSwitch mode_;
  FileDecoder files_{*index_};
  BankProbes probes_;
  SkipBook skips_{*decisions_, std::make_shared<Intake>()};
  ListenerSwitch listener_{nullptr, files_, nullptr};
  Services services_;
  Router router_;
  int streams_ = 0;
  std::unique_ptr<DecoderPool> pool_;  // last: it calls the listener until it is gone
};

Error with_hint(Error error, const std::string& store) {
  if (error.code == ErrorCode::kNotFound) {
    error.message += " (soundgate bank create NAME --store " + store + " makes one)";
  }
  return error;
}

}  // namespace

Result<std::unique_ptr<Backend>> make_store_backend(const std::string& store,
                                                    const StoreNeeds& needs) {
  const Config defaults;
  const Config& config = needs.config != nullptr ? *needs.config : defaults;
  auto index =
      lift(Index::open(store, {.create = needs.create,
                               .owner = "soundgate",
                               .false_positives_per_upload = config.false_positives_per_upload}));
  if (!index) return tl::unexpected(with_hint(index.error(), store));
  auto decisions = DecisionStore::open(store);
  if (!decisions) return tl::unexpected(decisions.error());
  auto mode = ModeSwitch::remembered(**decisions, Mode::kObserve);
  if (!mode) return tl::unexpected(mode.error());
  auto backend = std::make_unique<StoreBackend>(std::move(*index), std::move(*decisions),
                                                std::move(*mode), config);
  if (auto loaded = backend->load(); !loaded) return tl::unexpected(loaded.error());
  if (needs.file_count > 0) {
    if (auto started = backend->start_decoders(needs.file_count); !started) {
      return tl::unexpected(started.error());
    }
  }
  return std::unique_ptr<Backend>(std::move(backend));
}

}  // namespace soundgate
