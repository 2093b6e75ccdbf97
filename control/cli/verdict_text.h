// A verdict in words: one line among others, or the whole story of one upload.
// Input: the verdict object (JSON), as scan and decisions give it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace soundgate {

// "block  spam/“Title”  matched 0:42 of 3:10  score .93 (≥ .38)", in columns that line up.
std::string verdict_columns(const nlohmann::ordered_json& verdict);

// What it was, what was found, why that verdict, what happened to the connection, how to undo it.
// backend_options: " --store DIR" or the like, for the commands to be complete.
std::vector<std::string> explain(const nlohmann::ordered_json& verdict,
                                 const std::string& backend_options);

}  // namespace soundgate
