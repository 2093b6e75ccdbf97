#include "dataplane/http/form_pool.h"

#include <numeric>

namespace soundgate {

FormPool::FormPool(size_t count) : forms_(count), free_(count) {
  std::iota(free_.begin(), free_.end(), uint16_t{0});
}

Form* FormPool::take(Flow& flow) {
  if (free_.empty()) return nullptr;
  flow.form = free_.back();
  free_.pop_back();
  return &(forms_[flow.form] = Form());
}

void FormPool::give_back(Flow& flow) {
  if (flow.form == Flow::kNoForm) return;
  free_.push_back(flow.form);  // never beyond its capacity: it held them all
  flow.form = Flow::kNoForm;
}

}  // namespace soundgate
