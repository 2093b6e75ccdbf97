// The pool has one listener; uploads from the wire and files from the socket go different ways, and
// troubles a third.
// Thread: the pool's collector thread.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "control/inspection/stream_tag.h"
#include "fingerprint/decode/decoder_pool.h"

namespace soundgate {

class ListenerSwitch : public DecodeListener {
 public:
  using OnTrouble = std::function<void(const std::string& what)>;
  // uploads: null where there is no dataplane.  on_trouble: null where nobody wants to know.
  ListenerSwitch(DecodeListener* uploads, DecodeListener& files, OnTrouble on_trouble)
      : uploads_(uploads), files_(files), on_trouble_(std::move(on_trouble)) {}

  void on_items(uint64_t tag, uint32_t first_item, std::span<const Item> items) override {
    if (DecodeListener* listener = listener_of(tag)) listener->on_items(tag, first_item, items);
  }
  void on_view_items(uint64_t tag, int view, uint32_t first_item,
                     std::span<const Item> items) override {
    DecodeListener* listener = listener_of(tag);
    if (listener) listener->on_view_items(tag, view, first_item, items);
  }
  void on_end(uint64_t tag, const DecodeEnd& end) override {
    if (DecodeListener* listener = listener_of(tag)) listener->on_end(tag, end);
  }
  void on_again(uint64_t tag) override {
    if (DecodeListener* listener = listener_of(tag)) listener->on_again(tag);
  }
  void on_trouble(const std::string& what) override {
    if (on_trouble_) on_trouble_(what);
  }

 private:
  DecodeListener* listener_of(uint64_t tag) { return is_control_stream(tag) ? &files_ : uploads_; }

  DecodeListener* uploads_;
  DecodeListener& files_;
  OnTrouble on_trouble_;
};

}  // namespace soundgate
