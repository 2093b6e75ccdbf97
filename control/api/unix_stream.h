// A connected Unix socket as Beast wants a stream, with limits on how long the other end may keep
// us waiting. (Asio's blocking calls wait for ever; a client that sends nothing, or a byte now and
// then, must not keep a connection.) Only the time spent waiting counts: what we take to decode
// does not. Errors: error_code; timed_out. Thread: one at a time; shut_down() from any.
#pragma once

#include <sys/uio.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/system/system_error.hpp>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <span>
#include <vector>

#include "control/error.h"

namespace soundgate {

struct Patience {
  std::chrono::seconds idle_max{};  // without a byte
  // Over an exchange, idle_max and a second for each so many bytes; 0: without limit.
  int64_t bytes_per_second_min = 0;
};

class UnixStream {
 public:
  UnixStream(int descriptor, Patience patience) : descriptor_(descriptor), patience_(patience) {}
  ~UnixStream();
  UnixStream(UnixStream&& other) noexcept
      : descriptor_(other.descriptor_), patience_(other.patience_) {
    other.descriptor_ = -1;
  }
  UnixStream& operator=(UnixStream&&) = delete;

  // kUnavailable where nobody listens, kForbidden where we may not connect.
  static Result<UnixStream> connect(const std::filesystem::path& path, Patience patience);

  int descriptor() const { return descriptor_; }
  void shut_down();       // whoever reads or writes stops
  void begin_exchange();  // patience starts anew: a request is awaited, or an answer begins

  template <class Buffers>
  size_t read_some(const Buffers& buffers, boost::system::error_code& error) {
    for (auto it = boost::asio::buffer_sequence_begin(buffers);
         it != boost::asio::buffer_sequence_end(buffers); ++it) {
      const boost::asio::mutable_buffer buffer = *it;
      if (buffer.size() > 0) return receive(buffer.data(), buffer.size(), error);
    }
    return 0;
  }

  template <class Buffers>
  size_t write_some(const Buffers& buffers, boost::system::error_code& error) {
    // A head comes in a dozen pieces: they leave together.
    std::array<iovec, kPiecesMax> pieces;
    size_t count = 0;
    for (auto it = boost::asio::buffer_sequence_begin(buffers);
         it != boost::asio::buffer_sequence_end(buffers) && count < kPiecesMax; ++it) {
      const boost::asio::const_buffer buffer = *it;
      if (buffer.size() == 0) continue;
      pieces[count++] = {const_cast<void*>(buffer.data()), buffer.size()};
    }
    return send({pieces.data(), count}, error);
  }

  // Beast asks for these too, and we do not use them.
  template <class Buffers>
  size_t read_some(const Buffers& buffers) {
    boost::system::error_code error;
    const size_t bytes = read_some(buffers, error);
    if (error) throw boost::system::system_error(error);
    return bytes;
  }
  template <class Buffers>
  size_t write_some(const Buffers& buffers) {
    boost::system::error_code error;
    const size_t bytes = write_some(buffers, error);
    if (error) throw boost::system::system_error(error);
    return bytes;
  }

 private:
  static constexpr size_t kPiecesMax = 16;
  size_t receive(void* data, size_t bytes, boost::system::error_code& error);
  size_t send(std::span<iovec> pieces, boost::system::error_code& error);
  bool wait(short events, boost::system::error_code& error);
  std::chrono::milliseconds wait_max() const;

  int descriptor_;
  Patience patience_;
  std::chrono::microseconds waited_{0};  // in this exchange
  int64_t moved_bytes_ = 0;
};

// The process behind the other end, as the kernel knows it.
struct UnixPeer {
  int pid = 0;
  unsigned uid = 0;
  std::vector<unsigned> groups;  // its own first
};
UnixPeer peer_of(int descriptor);

}  // namespace soundgate
