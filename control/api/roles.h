// Who may do what over the socket, from what the kernel says of the process at its other end.
// Root and the daemon's own user may do everything, members of the groups what their role may, and
// whoever else the socket's rights let in may look.
// Thread: any.
#pragma once

#include <vector>

#include "control/api/router.h"
#include "control/api/unix_stream.h"

namespace soundgate {

// Group ids. Each role may do what those before it may.
struct RoleGroups {
  std::vector<unsigned> curators;   // enrol, remove, suppress, restore; make and change banks
  std::vector<unsigned> operators;  // and switch the mode
  std::vector<unsigned> admins;     // and delete banks
};

Role role_of(const UnixPeer& peer, const RoleGroups& groups, unsigned own_uid);

}  // namespace soundgate
