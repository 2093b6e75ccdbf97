// The pool has one listener; uploads from the wire and files from the socket go different ways.
// Thread: the pool's collector thread.
#pragma once

#include "control/inspection/stream_tag.h"
#include "fingerprint/decode/decoder_pool.h"

namespace soundgate {

class ListenerSwitch : public DecodeListener {
 public:
  // uploads: null where there is no dataplane.
  ListenerSwitch(DecodeListener* uploads, DecodeListener& files)
      : uploads_(uploads), files_(files) {}

  void on_items(uint64_t tag, uint32_t first_item, std::span<const Item> items) override {
    if (DecodeListener* listener = listener_of(tag)) listener->on_items(tag, first_item, items);
  }
  void on_end(uint64_t tag, const DecodeEnd& end) override {
    if (DecodeListener* listener = listener_of(tag)) listener->on_end(tag, end);
  }

 private:
  DecodeListener* listener_of(uint64_t tag) { return is_control_stream(tag) ? &files_ : uploads_; }

  DecodeListener* uploads_;
  DecodeListener& files_;
};

}  // namespace soundgate
