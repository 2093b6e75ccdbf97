#include "control/inspection/matcher_threads.h"

#include <pthread.h>

#include <utility>

#include "control/inspection/stream_tag.h"

namespace soundgate {

MatcherThreads::MatcherThreads(DecodeListener& next, size_t lcore_count, int thread_count,
                               size_t items_waiting_max)
    : next_(next),
      items_waiting_max_(items_waiting_max),
      strands_(lcore_count * kUploadSlotsPerLcore) {
  for (int i = 0; i < thread_count; ++i) {
    threads_.emplace_back([this] {
      ::pthread_setname_np(::pthread_self(), "sg-match");
      run();
    });
  }
}

MatcherThreads::~MatcherThreads() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void MatcherThreads::on_items(uint64_t tag, uint32_t first_item, std::span<const Item> items) {
  push({tag, 0, first_item, {items.begin(), items.end()}, {}, false});
}

void MatcherThreads::on_view_items(uint64_t tag, int view, uint32_t first_item,
                                   std::span<const Item> items) {
  push({tag, view, first_item, {items.begin(), items.end()}, {}, false});
}

void MatcherThreads::on_end(uint64_t tag, const DecodeEnd& end) {
  push({tag, 0, 0, {}, end, false});
}

void MatcherThreads::on_again(uint64_t tag) { push({tag, 0, 0, {}, {}, true}); }

void MatcherThreads::push(Word word) {
  const size_t index = lcore_of(word.tag) * kUploadSlotsPerLcore + slot_of(word.tag);
  if (slot_of(word.tag) >= kUploadSlotsPerLcore || index >= strands_.size()) return;
  bool ready = false;
  {
    std::unique_lock lock(mutex_);
    room_.wait(lock, [&] { return items_waiting_ < items_waiting_max_; });
    items_waiting_ += word.items.size();
    Strand& strand = strands_[index];
    strand.words.push_back(std::move(word));
    ready = !std::exchange(strand.taken, true);
    if (ready) ready_.push_back(index);
  }
  if (ready) work_.notify_one();
}

void MatcherThreads::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    work_.wait(lock, [&] { return stopping_ || !ready_.empty(); });
    if (ready_.empty()) return;
    const size_t index = ready_.front();
    ready_.pop_front();
    const std::vector<Word> words = std::exchange(strands_[index].words, {});
    lock.unlock();
    size_t items = 0;
    for (const Word& word : words) {
      pass_on(word);
      items += word.items.size();
    }
    lock.lock();
    items_waiting_ -= items;
    if (strands_[index].words.empty()) {
      strands_[index].taken = false;
    } else {
      ready_.push_back(index);  // behind the others, and we are awake to take it
    }
    room_.notify_one();
  }
}

void MatcherThreads::pass_on(const Word& word) {
  if (word.again) {
    next_.on_again(word.tag);
  } else if (word.end) {
    next_.on_end(word.tag, *word.end);
  } else if (word.view == 0) {
    next_.on_items(word.tag, word.first_item, word.items);
  } else {
    next_.on_view_items(word.tag, word.view, word.first_item, word.items);
  }
}

}  // namespace soundgate
