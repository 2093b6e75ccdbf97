#include "deploy/bypass/netlink.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cassert>
#include <cerrno>

namespace soundgate::bypass {
namespace {

constexpr timeval kAnswerTimeMax{2, 0};

// The error number in the answer.
int read_answer(int fd) {
  alignas(NLMSG_ALIGNTO) std::array<char, 8192> answer;
  const ssize_t bytes = ::recv(fd, answer.data(), answer.size(), 0);
  if (bytes < static_cast<ssize_t>(NLMSG_LENGTH(sizeof(nlmsgerr)))) return -1;
  const auto* header = reinterpret_cast<const nlmsghdr*>(answer.data());
  if (header->nlmsg_type != NLMSG_ERROR) return -1;
  return -static_cast<const nlmsgerr*>(NLMSG_DATA(header))->error;
}

}  // namespace

LinkRequest::LinkRequest(uint16_t type, uint16_t flags) {
  header().nlmsg_len = NLMSG_LENGTH(sizeof(ifinfomsg));
  header().nlmsg_type = type;
  header().nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
}

void LinkRequest::add(uint16_t type, std::string_view text) {
  const std::string with_end(text);
  append(type, with_end.c_str(), with_end.size() + 1);
}

void LinkRequest::append(uint16_t type, const void* value, size_t bytes) {
  const size_t at = NLMSG_ALIGN(header().nlmsg_len);
  assert(at + RTA_SPACE(bytes) <= buffer_.size());
  auto* attribute = reinterpret_cast<rtattr*>(buffer_.data() + at);
  attribute->rta_type = type;
  attribute->rta_len = static_cast<uint16_t>(RTA_LENGTH(bytes));
  if (bytes > 0) std::memcpy(RTA_DATA(attribute), value, bytes);
  header().nlmsg_len = static_cast<uint32_t>(at + RTA_SPACE(bytes));
}

size_t LinkRequest::begin(uint16_t type) {
  const size_t at = NLMSG_ALIGN(header().nlmsg_len);
  append(type, nullptr, 0);
  return at;
}

void LinkRequest::end(size_t nest) {
  auto* attribute = reinterpret_cast<rtattr*>(buffer_.data() + nest);
  attribute->rta_len = static_cast<uint16_t>(header().nlmsg_len - nest);
}

int LinkRequest::send() {
  const int fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (fd < 0) return errno;
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &kAnswerTimeMax, sizeof kAnswerTimeMax);
  const bool sent = ::send(fd, buffer_.data(), header().nlmsg_len, 0) >= 0;
  const int error = sent ? read_answer(fd) : errno;
  ::close(fd);
  return error;
}

}  // namespace soundgate::bypass
