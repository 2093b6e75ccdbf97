#include "control/api/reference_json.h"

#include <nlohmann/json.hpp>

#include "control/text.h"

namespace soundgate {

using Json = nlohmann::ordered_json;

Json enrolled_json(const EnrollRequest& request, const EnrollResult& result) {
  return {{"bank", request.bank},
          {"content_id", request.content_id},
          {"title", request.title},
          {"replaced", result.replaced},
          {"duration_seconds", result.duration_seconds},
          {"indexed_seconds", result.indexed_seconds},
          {"warnings", result.warnings}};
}

Json suppression_json(const std::optional<Suppression>& suppression) {
  if (!suppression) return nullptr;
  const auto& until = suppression->until;
  return {{"reason", suppression->reason},
          {"until", until ? Json(iso8601(*until)) : Json(nullptr)}};
}

}  // namespace soundgate
