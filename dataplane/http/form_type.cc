#include "dataplane/http/form_type.h"

#include <algorithm>

#include "dataplane/http/text.h"
#include "dataplane/limits.h"

namespace soundgate {
namespace {

constexpr std::string_view kName = "boundary";

// Outside of quotes, '=' and the like are not for all parsers a part of the value; those that do
// not take them refuse the request.
bool may_be_bare(char c) {
  return is_token_character(c) || std::string_view("=/:?").find(c) != std::string_view::npos;
}

// RFC 2046's bcharsnospace, and what some clients take besides.
bool may_be_quoted(char c) {
  return may_be_bare(c) || std::string_view("(),").find(c) != std::string_view::npos;
}

struct Parameter {
  std::string_view name;
  std::string_view value;
};

// Takes one parameter, without its semicolon, off the front. False where it is not clearly one.
bool take_parameter(std::string_view& rest, Parameter& parameter) {
  const size_t equals = rest.find('=');
  if (equals == std::string_view::npos) return false;
  parameter.name = rest.substr(0, equals);
  if (parameter.name.empty() || !std::ranges::all_of(parameter.name, is_token_character)) {
    return false;
  }
  rest.remove_prefix(equals + 1);
  const bool quoted = rest.starts_with('"');
  if (quoted) rest.remove_prefix(1);
  const auto end = std::ranges::find_if_not(rest, quoted ? may_be_quoted : may_be_bare);
  parameter.value = rest.substr(0, static_cast<size_t>(end - rest.begin()));
  rest.remove_prefix(parameter.value.size());
  if (quoted) {
    if (!rest.starts_with('"')) return false;  // an escape, a blank, or no end
    rest.remove_prefix(1);
  }
  rest = trimmed(rest);
  return !parameter.value.empty() && (rest.empty() || rest.starts_with(';'));
}

constexpr FormType kAmbiguousType{FormType::Kind::kAmbiguous, {}};

}  // namespace

FormType form_type(std::string_view value) {
  std::string_view rest = value;
  const std::string_view type = rest.substr(0, rest.find(';'));
  if (!same_ignoring_case(trimmed(type), "multipart/form-data")) return {};
  if (!contains_ignoring_case(value, kName)) return {};
  rest.remove_prefix(type.size());
  FormType form;
  while (!rest.empty()) {
    rest = trimmed(rest.substr(1));  // the semicolon
    if (rest.empty()) break;
    Parameter parameter;
    if (!take_parameter(rest, parameter)) return kAmbiguousType;
    if (same_ignoring_case(parameter.name, kName)) {
      if (!form.boundary.empty()) return kAmbiguousType;
      form = {FormType::Kind::kForm, parameter.value};
    } else if (contains_ignoring_case(parameter.name, kName) ||
               contains_ignoring_case(parameter.value, kName)) {
      return kAmbiguousType;  // for those who look for the word alone
    }
  }
  const bool fits = !form.boundary.empty() && form.boundary.size() <= kBoundaryBytesMax;
  return fits ? form : kAmbiguousType;
}

}  // namespace soundgate
