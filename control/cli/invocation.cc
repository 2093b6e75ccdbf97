#include "control/cli/invocation.h"

#include "control/cli/output.h"
#include "control/config/config.h"

namespace soundgate {

Result<std::unique_ptr<Backend>> Invocation::open(StoreNeeds needs) const {
  if (store.empty()) return make_socket_backend(socket);
  if (config.empty()) return make_store_backend(store, needs);
  const auto loaded = load_config(config);
  if (!loaded) return fail(ErrorCode::kInvalid, loaded.error());
  needs.config = &*loaded;
  return make_store_backend(store, needs);
}

std::string Invocation::backend_options() const {
  if (!store.empty()) return " --store " + shell_quoted(store);
  return socket == Invocation().socket ? "" : " --socket " + shell_quoted(socket);
}

}  // namespace soundgate
