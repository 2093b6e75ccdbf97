// The grammar of the command line, all in one place. Source: control/README.md.
#include "control/cli/parser.h"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "control/cli/commands.h"
#include "control/cli/output.h"
#include "control/version.h"

namespace soundgate {
namespace {

constexpr int kExitUsage = 2;

// An empty value is most likely a variable that was not set. Taking it for the default would do
// something else than was meant: with --store the daemon's, with --fail-on never fail, with --until
// suppress for ever.
std::string refuse_empty(const std::string& text) {
  return text.empty() ? "must not be empty" : "";
}

// Adds commands to the parser; their options live as long as it does.
class Grammar {
 public:
  Grammar(CLI::App& app, Invocation& invocation) : app_(app), invocation_(invocation) {}

  void add_all() {
    add_global_options();
    add_scan();
    add_enroll();
    add_bank();
    add_item();
    add_index();
    add_decisions();
    add_daemon();
    add_traffic();
    add_capture();
    add_config();
  }

 private:
  // run: what the command does with the invocation and the group's options.
  template <class Options>
  CLI::App* add(CLI::App& group, const char* name, const char* help, const Options& options,
                Result<int> (*run)(const Invocation&, const Options&)) {
    CLI::App* command = group.add_subcommand(name, help);
    command->callback([this, &options, run] {
      invocation_.command = [this, &options, run] { return run(invocation_, options); };
    });
    return command;
  }
  CLI::App* add(CLI::App& group, const char* name, const char* help,
                Result<int> (*run)(const Invocation&)) {
    CLI::App* command = group.add_subcommand(name, help);
    command->callback(
        [this, run] { invocation_.command = [this, run] { return run(invocation_); }; });
    return command;
  }
  CLI::App& add_group(const char* name, const char* help) {
    CLI::App* group = app_.add_subcommand(name, help);
    group->require_subcommand(1);
    return *group;
  }

  static CLI::Option* add_text(CLI::App& command, const char* name, std::string& target,
                               const char* help) {
    return command.add_option(name, target, help)->check(refuse_empty, "");
  }

  void add_global_options() {
    app_.fallthrough();  // global options may stand after the command, too
    app_.require_subcommand(1);
    app_.set_version_flag("--version", std::string("soundgate ") + kVersion);
    auto* store =
        add_text(app_, "--store", invocation_.store, "Work on this store; no daemon may have it");
    add_text(app_, "--socket", invocation_.socket, "Talk to the daemon here")
        ->capture_default_str()
        ->excludes(store);
    add_text(app_, "--config", invocation_.config,
             "With --store: decode, match and judge as soundgated does with this configuration")
        ->needs(store);
    app_.add_flag("--json", invocation_.json, "JSON on stdout, an object a line");
    app_.add_flag("--quiet", invocation_.quiet, "No progress");
  }

  void add_scan() {
    CLI::App* command =
        add(app_, "scan", "Say what each file would be taken for", scan_, scan_files);
    command->add_option("FILE", scan_.paths, "Files, directories, - for standard input")
        ->check(refuse_empty, "")
        ->required();
    add_text(*command, "--fail-on", scan_.fail_on,
             "Exit 10 where a match asks for this action or a stricter one, 11 where "
             "something was left unchecked");
  }

  void add_enroll() {
    CLI::App* command = add(app_, "enroll", "Add references to a bank", enroll_, enroll_files);
    command->add_option("FILE", enroll_.paths, "Files, directories, - for standard input")
        ->check(refuse_empty, "");
    add_text(*command, "--bank", enroll_.bank, "Bank to add to")->required();
    add_text(*command, "--title", enroll_.title, "Default: the file's name");
    add_text(*command, "--content-id", enroll_.content_id, "Default: SHA-256 of the file's bytes");
    add_text(*command, "--metadata", enroll_.metadata, "A JSON object that verdicts carry along");
    add_text(*command, "--upload", enroll_.upload_id, "A recorded upload whose items are kept");
    auto* fingerprints = add_text(
        *command, "--fingerprints", enroll_.fingerprints,
        "A file of fingerprints instead (-: standard input): bank export's, fpcalc -json's");
    command->add_flag("--overlaps", enroll_.overlaps, "Say what fingerprints have stretches of")
        ->needs(fingerprints);
  }

  void add_bank() {
    CLI::App& group = add_group("bank", "Sets of references, and what a match with one does");
    add_bank_settings(
        *add_named_bank(group, "create", "Make a bank (hold_review, off, 10 s)", create_bank));
    add_bank_settings(*add_named_bank(group, "set", "Change a bank's settings", set_bank));
    add(group, "list", "All banks", list_banks);
    add_named_bank(group, "pause", "Look for no matches with it", pause_bank);
    add_named_bank(group, "resume", "Look for matches again", resume_bank);
    add_named_bank(group, "export", "Its references as JSON lines, for enroll --fingerprints",
                   export_bank);
    add_named_bank(group, "delete", "Delete a bank", delete_bank)
        ->add_flag("--force", bank_.force, "Even if it has references");
  }

  CLI::App* add_named_bank(CLI::App& group, const char* name, const char* help,
                           Result<int> (*run)(const Invocation&, const BankOptions&)) {
    CLI::App* command = add(group, name, help, bank_, run);
    add_text(*command, "NAME", bank_.name, "Bank")->required();
    return command;
  }

  void add_bank_settings(CLI::App& command) {
    add_text(command, "--action", bank_.action,
             "allow, track, label, demote, hold_review or block");
    add_text(command, "--probes", bank_.probes, "off, near or wide");
    command.add_option("--min-seconds", bank_.seconds_min,
                       "Matched audio from which the action counts");
  }

  void add_item() {
    CLI::App& group = add_group("item", "The references of a bank");
    CLI::App* list = add(group, "list", "All references of a bank", item_, list_items);
    add_text(*list, "BANK", item_.bank, "Bank")->required();
    add_named_item(group, "show", "One reference", show_item);
    add_named_item(group, "remove", "Delete a reference", remove_item);
    CLI::App* suppress = add_named_item(group, "suppress",
                                        "Take a reference out of matching, at once", suppress_item);
    add_text(*suppress, "--reason", item_.reason, "Why")->required();
    add_text(*suppress, "--until", item_.until, "Until when: a time, or a span (7d)");
    add_named_item(group, "restore", "Let a suppressed reference match again", restore_item);
  }

  CLI::App* add_named_item(CLI::App& group, const char* name, const char* help,
                           Result<int> (*run)(const Invocation&, const ItemOptions&)) {
    CLI::App* command = add(group, name, help, item_, run);
    add_text(*command, "BANK", item_.bank, "Bank")->required();
    add_text(*command, "ID", item_.content_id, "Content id")->required();
    return command;
  }

  void add_index() {
    CLI::App& group = add_group("index", "What is searched: its versions, and its files");
    add(group, "status", "Versions, segments, and what is wrong with them", show_index);
    CLI::App* rollback = add(group, "rollback",
                             "Banks and references as they were in an earlier version; "
                             "suppressions stay",
                             index_, roll_back_index);
    add_text(*rollback, "--to", index_.to, "A version's number, a time, or an age (2h)")
        ->required();
    rollback->add_flag("--dry-run", index_.dry_run, "Only say what goes and what returns");
    add(group, "verify", "Read all there is on disk, and say what is damaged (exit 5)",
        verify_index);
    add(group, "merge", "Write all that is indexed into one file, now", merge_index);
    CLI::App* backup =
        add(app_, "backup", "A copy of the catalogue, while it is used", backup_, back_up);
    add_text(*backup, "FILE", backup_.file, "Where to")->required();
    backup->add_flag("--force", backup_.force, "Replace FILE");
  }

  void add_decisions() {
    CLI::App& group = add_group("decisions", "What was decided on uploads, and why");
    CLI::App* list =
        add(group, "list", "The latest decisions, newest last", decisions_, list_decisions);
    add_text(*list, "--verdict", decisions_.verdict, "pass, flag or block");
    add_text(*list, "--checked", decisions_.checked, "full, partial or none");
    add_text(*list, "--since", decisions_.since, "A time, or an age (2h)");
    add_text(*list, "--request-id", decisions_.request_id, "Of this request");
    add_text(*list, "--limit", decisions_.limit, "The newest so many (1000)");
    CLI::App* show = add(group, "show", "One decision, in sentences, and how to undo it",
                         decisions_, show_decision);
    add_text(*show, "ID", decisions_.upload_id, "Upload id")->required();
  }

  void add_daemon() {
    add(app_, "status", "What Soundgate does and has", show_status);
    CLI::App* mode =
        add(app_, "mode", "Whether verdicts are enforced; remembered", mode_, set_mode);
    mode->add_option("MODE", mode_.mode, "observe or enforce")->required();
    add_text(*mode, "--reason", mode_.reason, "Why")->required();
    CLI::App& uploads = add_group("uploads", "Uploads in flight");
    add(uploads, "list", "All of them, oldest first", list_uploads);
    add_named_upload(uploads, "show", "What one is doing, and waits for", show_upload);
    add_named_upload(uploads, "release",
                     "Let one go without a verdict, or parts of a blocked one pass again",
                     release_upload);
  }

  void add_named_upload(CLI::App& group, const char* name, const char* help,
                        Result<int> (*run)(const Invocation&, const UploadOptions&)) {
    add_text(*add(group, name, help, upload_, run), "ID", upload_.upload_id, "Upload id")
        ->required();
  }

  void add_traffic() {
    add(app_, "top", "What passes now, until Ctrl-C", top_, show_top)
        ->add_flag("--once", top_.once, "Show it once");
    CLI::App* drain_command = add(
        app_, "drain", "Let new uploads pass unchecked, and those in flight finish", drain_, drain);
    add_text(*drain_command, "--reason", drain_.reason, "Why");
    add_text(*drain_command, "--wait", drain_.wait,
             "So long (30s) for uploads in flight; exit 6 where some are left");
    add(app_, "undrain", "Inspect new uploads again", undrain);
    CLI::App& bypass = add_group("bypass", "When packets went round Soundgate");
    add(bypass, "list", "The latest times, newest last", list_bypasses);
    CLI::App& skips = add_group("skip", "Clients and hosts that pass uninspected for a while");
    CLI::App* add_command = add(skips, "add", "Let one pass", skip_, add_skip);
    add_text(*add_command, "WHAT", skip_.what, "A network (192.0.2.0/24) or a host (*.example.org)")
        ->required();
    add_text(*add_command, "--for", skip_.until, "A span (2h), or a time; 30 days at most")
        ->required();
    add_text(*add_command, "--reason", skip_.reason, "Why");
    add(skips, "list", "Those in force", list_skips);
    add_text(*add(skips, "remove", "Inspect it again", skip_, remove_skip), "WHAT", skip_.what,
             "As skip list shows it")
        ->required();
  }

  // The command itself captures; list and stop are about such commands.
  void add_capture() {
    CLI::App* command = app_.add_subcommand(
        "capture", "Write the packets of a client, or of an upload's connection, to a pcapng file");
    command->require_subcommand(0, 1);
    auto* client = add_text(*command, "--client", capture_.client,
                            "A network (192.0.2.0/24), an address, or ADDRESS:PORT");
    add_text(*command, "--upload", capture_.upload_id,
             "An upload in flight: its connection from now on, both ways, whatever follows on it")
        ->excludes(client);
    add_text(*command, "--output", capture_.output, "A new file, or - for standard output");
    add_text(*command, "--reason", capture_.reason, "Why; it is recorded, with your name");
    add_text(*command, "--for", capture_.until, "A span, or a time; 24 hours at most")
        ->capture_default_str();
    command->add_option("--max-bytes", capture_.bytes_max, "Of the file; it ends there (256M)")
        ->transform(CLI::AsSizeValue(false));
    command->add_option("--snap-length", capture_.frame_bytes_max,
                        "Bytes of each frame: 128 leaves what people sent out (2048: all)");
    command->add_flag("--written", capture_.written,
                      "Also what is sent on, as it is then; leave it out for soundgated --replay");
    add(*command, "list", "Those that were made, by whom and why, newest last", list_captures);
    add_text(*add(*command, "stop", "End one; its file is whole", capture_, stop_capture), "ID",
             capture_.capture_id, "As capture list shows it (the one that runs)");
    command->callback([this, command] {
      if (!command->get_subcommands().empty()) return;
      if (capture_.client.empty() && capture_.upload_id.empty()) {
        throw CLI::RequiredError("--client or --upload");
      }
      if (capture_.output.empty()) throw CLI::RequiredError("--output");
      if (capture_.reason.empty()) throw CLI::RequiredError("--reason");
      invocation_.command = [this] { return capture(invocation_, capture_); };
    });
  }

  void add_config() {
    CLI::App& group = add_group("config", "The daemon's configuration");
    add(group, "check", "Say whether a file is valid, and where it is not", config_file_,
        check_config)
        ->add_option("FILE", config_file_, "A configuration, in TOML")
        ->required();
  }

  CLI::App& app_;
  Invocation& invocation_;
  ScanOptions scan_;
  std::string upload_id_;
  EnrollOptions enroll_;
  BankOptions bank_;
  ItemOptions item_;
  IndexOptions index_;
  BackupOptions backup_;
  DecisionsOptions decisions_;
  ModeOptions mode_;
  UploadOptions upload_;
  TopOptions top_;
  DrainOptions drain_;
  SkipOptions skip_;
  CaptureOptions capture_;
  std::string config_file_;
};

bool takes_value(const std::string& argument) {
  if (argument == "--" || argument == "--json" || argument == "--quiet") return false;
  if (argument == "--once" || argument == "--overlaps" || argument == "--force" ||
      argument == "--dry-run" || argument == "--written")
    return false;
  return argument.starts_with("--") && argument.find('=') == std::string::npos;
}

// CLI11 takes a FILE of the shape [a,b] for a list, and would have us look for a and b: ./[a,b] is
// the same file. Other commands have no lists, and ids in brackets.
std::vector<std::string> with_names_in_brackets_kept(std::vector<std::string> arguments) {
  std::string command;
  for (size_t i = 0; i < arguments.size(); ++i) {
    std::string& argument = arguments[i];
    if (argument.starts_with('-') || (i > 0 && takes_value(arguments[i - 1]))) continue;
    if (command.empty()) command = argument;
    const bool names_files = command == "scan" || command == "enroll";
    const bool in_brackets = argument.starts_with('[') && argument.ends_with(']');
    if (names_files && in_brackets) argument.insert(0, "./");
  }
  return arguments;
}

}  // namespace

std::optional<int> parse_arguments(int argc, char** argv, Invocation& invocation) {
  // The command keeps references to the options: they live until the program ends.
  static CLI::App app("Soundgate: recognises audio uploads, and stops those it is told to",
                      "soundgate");
  static Grammar grammar(app, invocation);
  grammar.add_all();
  try {
    auto arguments = with_names_in_brackets_kept({argv + 1, argv + argc});
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
    app.parse(std::move(arguments));
    return {};
  } catch (const CLI::Success& success) {
    return app.exit(success);  // --help, --version
  } catch (const CLI::ParseError& error) {
    print_message(std::string(error.what()) + " (soundgate --help)");
    return kExitUsage;
  }
}

}  // namespace soundgate
