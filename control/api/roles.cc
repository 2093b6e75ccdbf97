#include "control/api/roles.h"

#include <algorithm>

namespace soundgate {
namespace {

bool is_one_of(const UnixPeer& peer, const std::vector<unsigned>& groups) {
  return std::find_first_of(peer.groups.begin(), peer.groups.end(), groups.begin(), groups.end()) !=
         peer.groups.end();
}

}  // namespace

Role role_of(const UnixPeer& peer, const RoleGroups& groups, unsigned own_uid) {
  if (peer.uid == 0 || peer.uid == own_uid || is_one_of(peer, groups.admins)) return Role::kAdmin;
  if (is_one_of(peer, groups.operators)) return Role::kOperator;
  return is_one_of(peer, groups.curators) ? Role::kCurator : Role::kViewer;
}

}  // namespace soundgate
