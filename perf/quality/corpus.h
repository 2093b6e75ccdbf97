// What make_corpus.py made: its manifest, and the items of each row.
// Errors: std::runtime_error, with the file's name.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "fingerprint/fingerprint.h"

namespace soundgate::quality {

// A stretch of a reference inside an upload. Seconds.
struct Part {
  std::string reference;
  double reference_start = 0, reference_end = 0, upload_start = 0, upload_end = 0;
};

struct ProbeRun {
  int view;
  uint32_t first_item;
  std::vector<Item> items;
};

struct Row {
  std::string role;  // "reference", "distractor", "impostor", "upload"
  std::string kind;  // "whole", "mp3_32k", …
  std::string name;
  std::string family;  // of an upload of several families: all, with commas between
  std::vector<Part> parts;
  std::vector<Item> items, bass, treble;

  bool is_reference() const { return role == "reference" || role == "distractor"; }
};

// Of an upload that has probes; empty for others.
std::vector<ProbeRun> read_probes(const std::filesystem::path& directory, const Row& row);

std::vector<Row> read_corpus(const std::filesystem::path& directory);

Fingerprint fingerprint_of(const Row& row);

}  // namespace soundgate::quality
