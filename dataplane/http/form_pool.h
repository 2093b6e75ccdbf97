// The forms on their way over one lcore's connections: what is known of a body in parts while it is
// read. Fixed in number. Errors: take() is null when there is no room.
// Thread: the owning lcore.  Memory: allocated once.
#pragma once

#include <cstdint>
#include <vector>

#include "dataplane/flow/flow.h"
#include "dataplane/http/field_watch.h"
#include "dataplane/http/multipart_reader.h"
#include "dataplane/http/request_head.h"

namespace soundgate {

struct Form {
  MultipartReader reader;
  RequestHead head;  // of the request
  FieldWatch field;  // of the part in progress, where that is one
  bool in_field = false;
  bool holds = false;       // enforce mode when it began
  int64_t body_bytes = -1;  // -1: chunked
  // Offsets in the client's stream.
  uint64_t body_begin = 0;
  uint64_t delimiter = kNoOffset;  // of what may be the delimiter that ends the part
  uint64_t size_line = kNoOffset;  // of the next chunk's size, while that may be the last one's
};

class FormPool {
 public:
  explicit FormPool(size_t count);

  [[nodiscard]] Form* take(Flow& flow);
  void give_back(Flow& flow);

  // Null where the connection has none.
  Form* of(const Flow& flow) { return flow.form == Flow::kNoForm ? nullptr : &forms_[flow.form]; }
  size_t in_use() const { return forms_.size() - free_.size(); }

 private:
  std::vector<Form> forms_;
  std::vector<uint16_t> free_;
};

}  // namespace soundgate
