// A reference with its fingerprint as one JSON object: what an export writes and an import takes.
//   content_id, title, metadata{}, duration (of the audio, in seconds), algorithm (Chromaprint's
//   number), fingerprint (compressed text, or an array of items), bass and treble (the same, of
//   these bands: fingerprint.h; as many items, both or neither), suppression (null or {reason,
//   until})
// All but fingerprint may be missing or null; so what `fpcalc -json` prints, with or without -raw,
// is one, too. Other keys are refused but for timestamp, which fpcalc adds to the parts of a file.
// Input: hostile; whatever is wrong is an error that names the key.
// Thread: any.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "control/error.h"
#include "index/index.h"

namespace soundgate {

struct ImportedReference {
  EnrollRequest request;  // with no bank; with no title where it is not told
  bool is_partial = false;
};

// What is not told is derived: the content id is the SHA-256 of the items (4 bytes each, little
// endian), in hex; the duration is what so many items take. Partial: the fingerprint ends more than
// 0.5 s and 1 % before the duration.
Result<ImportedReference> imported_reference(std::string_view text);

nlohmann::ordered_json exported_json(const ExportedReference& exported);

}  // namespace soundgate
