#include "control/cli/invocation.h"

#include "control/cli/output.h"

namespace soundgate {

Result<std::unique_ptr<Backend>> Invocation::open(const StoreNeeds& needs) const {
  if (store.empty()) return make_socket_backend(socket);
  return make_store_backend(store, needs);
}

std::string Invocation::backend_options() const {
  if (!store.empty()) return " --store " + shell_quoted(store);
  return socket == Invocation().socket ? "" : " --socket " + shell_quoted(socket);
}

}  // namespace soundgate
