// The files that a command is given: named one by one, in directories, or on standard input.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "control/byte_source.h"
#include "control/error.h"

namespace soundgate {

struct InputFile {
  std::string path;             // "-": standard input
  bool from_directory = false;  // found, not named
};

// Directories become their files, in name order, all levels; symlinks inside are not followed, and
// what is no file (a socket, …) is left out. What cannot be read is told on stderr and counted.
struct InputFiles {
  std::vector<InputFile> files;
  int unreadable_count = 0;
};
InputFiles list_files(const std::vector<std::string>& arguments);

// Error: "cannot open PATH: Permission denied".
Result<std::unique_ptr<ByteSource>> open_file(const std::string& path);

// The file's name; escaped where it is not UTF-8, for titles are text.
std::string title_of(const std::string& path);

// What the daemon says of a body, it says without knowing whose it is: with the path, if it lacks.
Error about_file(Error error, const std::string& path);

}  // namespace soundgate
