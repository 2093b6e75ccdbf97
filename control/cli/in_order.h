// Does a list of jobs on a few threads and hands over their results in the order of the list.
// Bounded: at most window results wait for the one whose turn it is.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace soundgate {

// work(i) runs on any thread, consume(i, result) on the caller's.
template <class Output, class Work, class Consume>
void run_in_order(size_t job_count, size_t thread_count, const Work& work, const Consume& consume) {
  const size_t window = 8 * thread_count;
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::optional<Output>> results(job_count);
  size_t next = 0;
  size_t consumed = 0;

  const auto run = [&] {
    for (;;) {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return next >= job_count || next < consumed + window; });
      if (next >= job_count) return;
      const size_t job = next++;
      lock.unlock();
      Output result = work(job);
      lock.lock();
      results[job] = std::move(result);
      changed.notify_all();
    }
  };
  std::vector<std::jthread> threads;
  for (size_t i = 0; i < std::min(thread_count, job_count); ++i) threads.emplace_back(run);
  for (size_t job = 0; job < job_count; ++job) {
    std::optional<Output> result;
    {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return results[job].has_value(); });
      result.swap(results[job]);
      ++consumed;
    }
    changed.notify_all();
    consume(job, std::move(*result));
  }
}

}  // namespace soundgate
