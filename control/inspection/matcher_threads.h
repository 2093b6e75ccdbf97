// Passes what the decoders say on to a few threads, so that an upload that takes long to match
// holds up no other one. What is said of one upload is passed on in order, by one thread at a time.
// Bounded: while kMatchItemsWaitingMax items wait, whoever brings more waits too.
// Thread: on_… from the pool's collector thread; `next` is called from the threads here.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "control/limits.h"
#include "fingerprint/decode/decoder_pool.h"

namespace soundgate {

class MatcherThreads : public DecodeListener {
 public:
  MatcherThreads(DecodeListener& next, size_t lcore_count, int thread_count,
                 size_t items_waiting_max = kMatchItemsWaitingMax);
  ~MatcherThreads() override;  // when nothing more comes: passes on what waits
  MatcherThreads(const MatcherThreads&) = delete;
  MatcherThreads& operator=(const MatcherThreads&) = delete;

  void on_items(uint64_t tag, uint32_t first_item, std::span<const Item> items) override;
  void on_view_items(uint64_t tag, int view, uint32_t first_item,
                     std::span<const Item> items) override;
  void on_end(uint64_t tag, const DecodeEnd& end) override;
  void on_again(uint64_t tag) override;

 private:
  struct Word {
    uint64_t tag = 0;
    int view = 0;  // fingerprint.h; 0: plain items
    uint32_t first_item = 0;
    std::vector<Item> items;
    std::optional<DecodeEnd> end;
    bool again = false;
  };
  // What waits for the upload in one slot, and whether a thread has it or is going to.
  struct Strand {
    std::vector<Word> words;
    bool taken = false;
  };

  void push(Word word);
  void run();
  void pass_on(const Word& word);

  DecodeListener& next_;
  const size_t items_waiting_max_;
  std::mutex mutex_;  // of what follows
  std::condition_variable work_, room_;
  std::vector<Strand> strands_;  // by lcore and slot
  std::deque<size_t> ready_;     // strands that have words and no thread
  size_t items_waiting_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace soundgate
