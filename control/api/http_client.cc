#include "control/api/http_client.h"

#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <limits>
#include <memory>

#include "control/api/unix_stream.h"
#include "control/limits.h"

namespace soundgate {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
using BeastError = boost::system::error_code;

// Deciding on a long file, or waiting for a free decoder, takes a while.
constexpr std::chrono::seconds kAnswerMax{600};

// A body that the daemon does not read to its end is no error here: its answer says why.
Result<void> send_body(UnixStream& stream, ByteSource& body) {
  const auto buffer = std::make_unique_for_overwrite<std::byte[]>(kReadPieceBytes);
  BeastError error;
  while (!error) {
    const auto bytes = body.read({buffer.get(), kReadPieceBytes});
    if (!bytes) return tl::unexpected(bytes.error());
    if (*bytes == 0) break;
    boost::asio::write(stream, http::make_chunk(boost::asio::buffer(buffer.get(), *bytes)), error);
  }
  if (!error) boost::asio::write(stream, http::make_chunk_last(), error);
  return {};
}

}  // namespace

Result<ApiResponse> http_request(const std::filesystem::path& socket, const std::string& method,
                                 const std::string& target, ByteSource* body) {
  auto stream = UnixStream::connect(socket, kAnswerMax);
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
  if (!error && body != nullptr) {
    if (auto sent = send_body(*stream, *body); !sent) return tl::unexpected(sent.error());
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
