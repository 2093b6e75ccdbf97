#include "fingerprint/decode/host/collector.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace soundgate::decode {
namespace {

bool is_readable(int fd) {
  pollfd entry{fd, POLLIN, 0};
  return ::poll(&entry, 1, 0) == 1;
}

}  // namespace

Collector::Collector(std::string worker_path, std::chrono::milliseconds stall_max,
                     std::vector<std::unique_ptr<WorkerHost>> workers, DecodeListener& listener)
    : worker_path_(std::move(worker_path)),
      stall_max_(stall_max),
      workers_(std::move(workers)),
      listener_(listener),
      stop_event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

Collector::~Collector() {
  if (!thread_.joinable()) return;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t ignored = ::write(stop_event_.get(), &one, sizeof one);
  thread_.join();
}

tl::expected<void, std::string> Collector::start() {
  std::promise<tl::expected<void, std::string>> started;
  auto result = started.get_future();
  // The workers die with the thread that starts them, so this one starts the first ones, too.
  thread_ =
      std::thread([this, promise = std::move(started)]() mutable { run(std::move(promise)); });
  return result.get();
}

void Collector::run(std::promise<tl::expected<void, std::string>> started) {
  ::pthread_setname_np(::pthread_self(), "decoder-pool");
  auto result = start_workers();
  const bool succeeded = result.has_value();
  started.set_value(std::move(result));
  if (succeeded) work();
}

tl::expected<void, std::string> Collector::start_workers() {
  if (!stop_event_) return tl::unexpected(std::string("cannot make an event descriptor"));
  for (const auto& worker : workers_) {
    auto process = worker->prepare().and_then([&] { return WorkerProcess::start(worker_path_); });
    if (!process) return tl::unexpected(process.error());
    worker->attach(std::move(*process), Clock::now());
  }
  for (const auto& worker : workers_) {
    while (!worker->is_ready()) {
      if (is_readable(worker->pidfd())) {
        return tl::unexpected("the decoder " + worker_path_ +
                              " ended at its start: " + worker->bury());
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      worker->check_stall(Clock::now(), stall_max_);
    }
  }
  return {};
}

void Collector::work() {
  const Clock::time_point start = Clock::now();
  next_tick_ = start + kTick;
  first_spare_ = start + kFirstSpareAfter;
  while (wait()) {
    const Clock::time_point now = Clock::now();
    rounds_.fetch_add(1, std::memory_order_relaxed);
    for (const auto& worker : workers_) serve(*worker, now);
    if (now >= next_tick_) {
      for (const auto& worker : workers_) {
        worker->count_waiting();
        if (!worker->has_process()) continue;
        worker->check_stall(now, stall_max_);
        worker->check_silence(now, kSilenceStalls * stall_max_);  // it looks at every stream
        worker->check_cpu();
      }
      next_tick_ = now + kTick;
    }
    keep_spare(now);
  }
}

bool Collector::wait() {
  std::vector<pollfd> watched = {{stop_event_.get(), POLLIN, 0}};
  for (const auto& worker : workers_) {
    watched.push_back({worker->doorbell().fd(), POLLIN, 0});
    if (!worker->has_process()) continue;
    watched.push_back({worker->pidfd(), POLLIN, 0});
    watched.push_back({worker->socket(), POLLIN, 0});
  }
  if (spare_) watched.push_back({spare_->pidfd(), POLLIN, 0});
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
      time_to_next_step(Clock::now()) + std::chrono::milliseconds(1));
  ::poll(watched.data(), watched.size(), static_cast<int>(left.count()));
  return !(watched[0].revents & POLLIN);
}

Collector::Clock::duration Collector::time_to_next_step(Clock::time_point now) const {
  Clock::time_point next = next_tick_;
  if (std::ranges::any_of(workers_, [](const auto& worker) { return !worker->has_process(); })) {
    next = std::min(next, spare_ ? next_attach_ : std::max(next_attach_, next_spawn_));
  }
  if (!spare_) next = std::min(next, std::max(next_spawn_, first_spare_));
  return std::max(next - now, Clock::duration::zero());
}

void Collector::serve(WorkerHost& worker, Clock::time_point now) {
  worker.answer_questions(now);
  if (worker.has_process() && is_readable(worker.pidfd())) {
    const bool lived_long = now - worker.attached_at() > kHealthyLife;
    listener_.on_trouble("a decoder died: " + worker.bury());
    lived_long ? void(respawn_delay_ = kRespawnDelayMin) : delay_spawns(now);
  }
  if (worker.has_process()) {
    worker.drain();
  } else {
    replace(worker, now);
  }
}

void Collector::replace(WorkerHost& worker, Clock::time_point now) {
  if (now < next_attach_ || (!spare_ && now < next_spawn_)) return;
  if (auto prepared = worker.prepare(); !prepared) return give_up_for_now(prepared.error(), now);
  if (spare_) {
    worker.attach(std::move(*spare_), now);
    spare_.reset();
    return;
  }
  auto process = WorkerProcess::start(worker_path_);
  if (!process) return give_up_for_now(process.error(), now);
  worker.attach(std::move(*process), now);
}

// What is missing (descriptors, memory) may be there again later; until then the other workers get
// the new streams, and the streams of this one wait.
void Collector::give_up_for_now(const std::string& why, Clock::time_point now) {
  listener_.on_trouble(why);
  next_attach_ = now + kRespawnDelayMax;
}

void Collector::keep_spare(Clock::time_point now) {
  if (spare_ && is_readable(spare_->pidfd())) {
    spare_.reset();
    delay_spawns(now);
  }
  if (spare_ || now < next_spawn_ || now < first_spare_) return;
  if (auto process = WorkerProcess::start(worker_path_)) {
    spare_.emplace(std::move(*process));
  } else {
    delay_spawns(now);
  }
}

void Collector::delay_spawns(Clock::time_point now) {
  next_spawn_ = std::max(next_spawn_, now + respawn_delay_);
  respawn_delay_ = std::min(respawn_delay_ * 2, kRespawnDelayMax);
}

}  // namespace soundgate::decode
