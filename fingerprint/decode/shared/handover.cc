#include "fingerprint/decode/shared/handover.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace soundgate::decode {
namespace {

constexpr int kDescriptors = 2;

// One byte, and the descriptors beside it.
struct Message {
  char byte = 'w';
  iovec part{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(kDescriptors * sizeof(int))] = {};
  msghdr header{};

  Message() {
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
  }
};

}  // namespace

bool send_handover(int socket, int payload, int results) {
  Message message;
  cmsghdr* rights = CMSG_FIRSTHDR(&message.header);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(kDescriptors * sizeof(int));
  const int descriptors[kDescriptors] = {payload, results};
  std::memcpy(CMSG_DATA(rights), descriptors, sizeof descriptors);
  return ::sendmsg(socket, &message.header, MSG_NOSIGNAL | MSG_DONTWAIT) == 1;
}

bool receive_handover(int socket, Handover& handover) {
  Message message;
  ssize_t received;
  do {
    received = ::recvmsg(socket, &message.header, MSG_CMSG_CLOEXEC);
  } while (received < 0 && errno == EINTR);
  const cmsghdr* rights = received == 1 ? CMSG_FIRSTHDR(&message.header) : nullptr;
  if (!rights || rights->cmsg_len != CMSG_LEN(kDescriptors * sizeof(int))) return false;
  int descriptors[kDescriptors];
  std::memcpy(descriptors, CMSG_DATA(rights), sizeof descriptors);
  handover = {UniqueFd(descriptors[0]), UniqueFd(descriptors[1])};
  return true;
}

void call_host(int socket) {
  const char call = 'r';
  // It fails when the host has left many calls unread, and then it has been told.
  [[maybe_unused]] const ssize_t ignored = ::send(socket, &call, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

bool take_calls(int socket) {
  char calls[256];
  return ::recv(socket, calls, sizeof calls, MSG_DONTWAIT) != 0;
}

}  // namespace soundgate::decode
