// How long the other end may keep us waiting, and who it is.
#include "control/api/unix_stream.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/error.hpp>
#include <thread>

#include "control/api/roles.h"

namespace soundgate {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

class UnixStreamTest : public testing::Test {
 protected:
  UnixStreamTest() { EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends_), 0); }
  ~UnixStreamTest() override { close(ends_[1]); }

  // What reading byte by byte ends with.
  static boost::system::error_code read_to_the_end(UnixStream& stream) {
    boost::system::error_code error;
    char byte = 0;
    while (!error) stream.read_some(boost::asio::buffer(&byte, 1), error);
    return error;
  }

  int ends_[2] = {-1, -1};
};

TEST_F(UnixStreamTest, SilenceEndsIt) {
  UnixStream stream(ends_[0], {seconds(1)});
  EXPECT_EQ(read_to_the_end(stream), boost::asio::error::timed_out);
}

TEST_F(UnixStreamTest, AByteNowAndThenIsNotEnough) {
  UnixStream stream(ends_[0], {seconds(1), 1000});
  const auto began = steady_clock::now();
  std::jthread drip([this](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      send(ends_[1], "x", 1, MSG_NOSIGNAL);
      std::this_thread::sleep_for(milliseconds(50));
    }
  });
  EXPECT_EQ(read_to_the_end(stream), boost::asio::error::timed_out);
  EXPECT_LT(steady_clock::now() - began, seconds(10));
}

TEST_F(UnixStreamTest, OurOwnTimeDoesNotCount) {
  UnixStream stream(ends_[0], {seconds(1), 1000});
  const std::string text(64, 'x');
  ASSERT_EQ(send(ends_[1], text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
  boost::system::error_code error;
  char byte = 0;
  for (int i = 0; i < 64; ++i) {
    stream.read_some(boost::asio::buffer(&byte, 1), error);
    ASSERT_FALSE(error) << error.message();
    if (i == 32) std::this_thread::sleep_for(milliseconds(1500));
  }
}

TEST_F(UnixStreamTest, KnowsItsPeer) {
  const UnixPeer peer = peer_of(ends_[0]);
  EXPECT_EQ(peer.pid, getpid());
  EXPECT_EQ(peer.uid, geteuid());
  ASSERT_FALSE(peer.groups.empty());
  EXPECT_EQ(peer.groups[0], getegid());
  close(ends_[0]);
}

TEST(Roles, ByUserAndByGroup) {
  const RoleGroups groups{.curators = {10, 11}, .operators = {20}, .admins = {30}};
  const auto role = [&](unsigned uid, std::vector<unsigned> in) {
    return role_of({1, uid, std::move(in)}, groups, 500);
  };
  EXPECT_EQ(role(0, {}), Role::kAdmin);
  EXPECT_EQ(role(500, {1}), Role::kAdmin);
  EXPECT_EQ(role(7, {1}), Role::kViewer);
  EXPECT_EQ(role(7, {}), Role::kViewer);
  EXPECT_EQ(role(7, {1, 11}), Role::kCurator);
  EXPECT_EQ(role(7, {10, 20}), Role::kOperator);
  EXPECT_EQ(role(7, {30}), Role::kAdmin);
}

}  // namespace
}  // namespace soundgate
