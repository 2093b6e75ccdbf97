// Which uploads in parts were blocked, so that their later parts are refused, and because of which
// references. When none of these blocks any more, the parts are let through again.
// Bounded: the oldest kRefusedUploadsMax are forgotten first; their parts stay refused until the
// dataplane forgets them.
// Thread: any.
#pragma once

#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "control/decisions/decision.h"

namespace soundgate {

class RefusedUploads {
 public:
  // Lets parts of these uploads through; false where none are refused any more. (All at once: it
  // looks at every refusal there is.)
  using Lift = std::function<bool(std::vector<UploadKey>)>;

  void attach(Lift lift);  // null: nobody refuses anything any more

  // A decision that blocked an upload in parts.
  void add(const Decision& decision, UploadKey key);

  // These block nothing from now on. Returns how many uploads that lifted.
  size_t lift_reference(std::string_view bank, std::string_view content_id);
  size_t lift_bank(std::string_view bank);
  // Whatever it was blocked for. False where no such upload is refused.
  bool release(std::string_view upload_id);

 private:
  struct Cause {
    std::string bank;
    std::string content_id;
  };
  struct Refused {
    std::string upload_id;
    UploadKey key{};
    std::vector<Cause> causes;
  };
  // Decisions that were made before that are recorded after it.
  struct Lifted {
    std::string bank;
    std::string content_id;  // "": all of the bank
    WallTime at{};
  };

  size_t lift(Lifted lifted);
  static bool concerns(const Lifted& lifted, const Cause& cause);

  std::mutex mutex_;  // of what follows
  Lift lift_;
  std::deque<Refused> refused_;
  std::deque<Lifted> lifted_;
};

}  // namespace soundgate
