// The version that the programs tell.
#pragma once

namespace soundgate {

inline constexpr const char* kVersion = SOUNDGATE_VERSION;  // set by CMake

}  // namespace soundgate
