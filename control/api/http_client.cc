#include "control/api/http_client.h"

#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <limits>
#include <memory>
#include <optional>

#include "control/api/unix_stream.h"
#include "control/limits.h"

namespace soundgate {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
using BeastError = boost::system::error_code;

// Deciding on a long file, or waiting for a free decoder, takes a while.
constexpr std::chrono::seconds kAnswerMax{600};

// The body in pieces, the first of which is there before the daemon is asked: whatever makes it may
// take longer to begin than the daemon waits.
class Pieces {
 public:
  explicit Pieces(ByteSource& source) : source_(source) {}

  Result<void> fetch() {
    const auto bytes = source_.read({buffer_.get(), kReadPieceBytes});
    if (!bytes) return tl::unexpected(bytes.error());
    bytes_ = *bytes;
    return {};
  }
  boost::asio::const_buffer current() const { return {buffer_.get(), bytes_}; }

 private:
  ByteSource& source_;
  const std::unique_ptr<std::byte[]> buffer_ =
      std::make_unique_for_overwrite<std::byte[]>(kReadPieceBytes);
  size_t bytes_ = 0;
};

// A body that the daemon does not read to its end is no error here: its answer says why.
Result<void> send_body(UnixStream& stream, Pieces& pieces) {
  BeastError error;
  while (!error && pieces.current().size() > 0) {
    boost::asio::write(stream, http::make_chunk(pieces.current()), error);
    if (auto fetched = pieces.fetch(); !fetched) return fetched;
  }
  if (!error) boost::asio::write(stream, http::make_chunk_last(), error);
  return {};
}

}  // namespace

Result<ApiResponse> http_request(const std::filesystem::path& socket, const std::string& method,
                                 const std::string& target, ByteSource* body) {
  std::optional<Pieces> pieces;
  if (body != nullptr) {
    if (auto fetched = pieces.emplace(*body).fetch(); !fetched) {
      return tl::unexpected(fetched.error());
    }
  }
  auto stream = UnixStream::connect(socket, {kAnswerMax});
  if (!stream) return tl::unexpected(stream.error());
  http::request<http::empty_body> request;
  request.method_string(method);
  request.target(target);
  request.version(11);
  request.set(http::field::host, "soundgate");
  request.keep_alive(false);
  if (body != nullptr) request.chunked(true);
  http::request_serializer<http::empty_body> serializer(request);
  BeastError error;
  http::write_header(*stream, serializer, error);
  if (!error && pieces) {
    if (auto sent = send_body(*stream, *pieces); !sent) return tl::unexpected(sent.error());
  }

  beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(std::numeric_limits<uint64_t>::max());
  http::read(*stream, buffer, parser, error);
  if (error) {
    return fail(ErrorCode::kUnavailable, "soundgated broke off its answer: " + error.message());
  }
  const auto& response = parser.get();
  return ApiResponse{static_cast<int>(response.result_int()), response.body(),
                     std::string(response[http::field::content_type])};
}

}  // namespace soundgate
