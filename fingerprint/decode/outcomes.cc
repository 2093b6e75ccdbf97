#include "fingerprint/decode/decoder_pool.h"

namespace soundgate {
namespace {

struct OutcomeText {
  std::string_view name;
  std::string_view text;
};

constexpr OutcomeText kOutcomes[] = {
#define OUTCOME(name, text, checked, action) {#name, text},
#include "fingerprint/decode/outcomes.def"
#undef OUTCOME
};

}  // namespace

std::string_view name(DecodeOutcome outcome) {
  return kOutcomes[static_cast<size_t>(outcome)].name;
}

std::string_view text(DecodeOutcome outcome) {
  return kOutcomes[static_cast<size_t>(outcome)].text;
}

}  // namespace soundgate
