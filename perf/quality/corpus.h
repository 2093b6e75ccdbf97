// The fingerprints that make_variants.py made: its manifest, and the items of each row.
// Errors: std::runtime_error, with the file's name.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "fingerprint/fingerprint.h"

namespace soundgate::quality {

struct Row {
  std::string role;  // "reference", "other", "upload"
  std::string kind;  // "whole", "trim_15s", …
  std::string name;
  std::string reference;  // of uploads: what they were made of; otherwise "-"
  // Of uploads, in seconds: the stretch of the reference, and where in the upload it is.
  double reference_start = 0, reference_end = 0, query_start = 0, query_end = 0;
  std::vector<Item> items;
};

std::vector<Row> read_corpus(const std::filesystem::path& directory);

Fingerprint fingerprint_of(const Row& row);

}  // namespace soundgate::quality
