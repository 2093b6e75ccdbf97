// Every command: its arguments, and the function that runs it. The parser knows how they are
// written; the functions know what they do.
// Each returns the exit code, or the error that becomes one line on stderr and an exit code.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "control/cli/invocation.h"
#include "control/error.h"

namespace soundgate {

struct ScanOptions {
  std::vector<std::string> paths;
  std::string fail_on;
};
Result<int> scan_files(const Invocation& invocation, const ScanOptions& options);

struct EnrollOptions {
  std::vector<std::string> paths;
  std::string bank, title, content_id, metadata, upload_id, fingerprints;
  bool overlaps = false;  // of fingerprints: look for them
};
Result<int> enroll_files(const Invocation& invocation, const EnrollOptions& options);
Result<int> enroll_fingerprints(const Invocation& invocation, const EnrollOptions& options);

struct BankOptions {
  std::string name, action, probes;
  std::optional<double> seconds_min;
  bool force = false;
};
Result<int> create_bank(const Invocation& invocation, const BankOptions& options);
Result<int> set_bank(const Invocation& invocation, const BankOptions& options);
Result<int> list_banks(const Invocation& invocation);
Result<int> pause_bank(const Invocation& invocation, const BankOptions& options);
Result<int> resume_bank(const Invocation& invocation, const BankOptions& options);
Result<int> delete_bank(const Invocation& invocation, const BankOptions& options);
Result<int> export_bank(const Invocation& invocation, const BankOptions& options);

struct ItemOptions {
  std::string bank, content_id, reason, until;
};
Result<int> list_items(const Invocation& invocation, const ItemOptions& options);
Result<int> show_item(const Invocation& invocation, const ItemOptions& options);
Result<int> remove_item(const Invocation& invocation, const ItemOptions& options);
Result<int> suppress_item(const Invocation& invocation, const ItemOptions& options);
Result<int> restore_item(const Invocation& invocation, const ItemOptions& options);

struct DecisionsOptions {
  std::string verdict, checked, since, request_id, limit, upload_id;
};
Result<int> list_decisions(const Invocation& invocation, const DecisionsOptions& options);
Result<int> show_decision(const Invocation& invocation, const DecisionsOptions& options);

struct ModeOptions {
  std::string mode, reason;
};
Result<int> show_status(const Invocation& invocation);
Result<int> set_mode(const Invocation& invocation, const ModeOptions& options);

struct UploadOptions {
  std::string upload_id;
};
Result<int> list_uploads(const Invocation& invocation);
Result<int> show_upload(const Invocation& invocation, const UploadOptions& options);
Result<int> release_upload(const Invocation& invocation, const UploadOptions& options);

struct TopOptions {
  bool once = false;
};
Result<int> show_top(const Invocation& invocation, const TopOptions& options);

struct DrainOptions {
  std::string reason;
  std::string wait;  // how long for uploads in flight; "": not at all
};
Result<int> drain(const Invocation& invocation, const DrainOptions& options);
Result<int> undrain(const Invocation& invocation);

Result<int> list_bypasses(const Invocation& invocation);

struct SkipOptions {
  std::string what, until, reason;
};
Result<int> add_skip(const Invocation& invocation, const SkipOptions& options);
Result<int> list_skips(const Invocation& invocation);
Result<int> remove_skip(const Invocation& invocation, const SkipOptions& options);

struct CaptureOptions {
  std::string client, upload_id, output, reason, capture_id;
  std::string until = "60s";
  uint64_t bytes_max = uint64_t{256} << 20;
  uint64_t frame_bytes_max = 2048;
  bool written = false;
};
Result<int> capture(const Invocation& invocation, const CaptureOptions& options);
Result<int> list_captures(const Invocation& invocation);
Result<int> stop_capture(const Invocation& invocation, const CaptureOptions& options);

struct IndexOptions {
  std::string to;
  bool dry_run = false;
};
Result<int> show_index(const Invocation& invocation);
Result<int> roll_back_index(const Invocation& invocation, const IndexOptions& options);
Result<int> verify_index(const Invocation& invocation);
Result<int> merge_index(const Invocation& invocation);

struct BackupOptions {
  std::string file;
  bool force = false;
};
Result<int> back_up(const Invocation& invocation, const BackupOptions& options);

Result<int> check_config(const Invocation& invocation, const std::string& file);

}  // namespace soundgate
