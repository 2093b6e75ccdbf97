#include "control/cli/enrolled_text.h"

#include <nlohmann/json.hpp>

#include "control/cli/output.h"
#include "control/text.h"

namespace soundgate {
namespace {

using Json = nlohmann::ordered_json;

std::string warnings_text(const Json& item) {
  std::string text;
  for (const Json& warning : item.value("warnings", Json::array())) {
    text += (text.empty() ? "  warning: " : ", ") + escape_controls(warning.get<std::string>());
  }
  return text;
}

}  // namespace

void print_enrolled(const Invocation& invocation, const std::string& path, const Json& item) {
  if (invocation.json) {
    Json line = {{"path", path}};
    line.update(item);
    print_json(line);
    return;
  }
  const bool replaced = item.value("replaced", false);
  const std::string line = field(item, "line");
  print_line(pad(replaced ? "replaced" : "enrolled", 8) + "  " + pad(field(item, "bank"), 12) +
             "  " + pad(minutes_seconds(number_field(item, "duration_seconds")), 7) + "  " +
             shortened(field(item, "content_id"), 16) + "  “" + field(item, "title") + "”  " +
             escape_controls(path) + (line.empty() ? "" : ":" + line) + warnings_text(item));
}

}  // namespace soundgate
