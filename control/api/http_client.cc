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

constexpr const char* kStreamType = "application/octet-stream";

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

// A body of a known size. One that has become longer meanwhile is sent as far as was announced; one
// that has become shorter breaks off.
Result<void> send_announced(UnixStream& stream, Pieces& pieces, uint64_t size_bytes) {
  BeastError error;
  while (!error && size_bytes > 0 && pieces.current().size() > 0) {
    const auto piece = boost::asio::buffer(pieces.current(), size_bytes);
    boost::asio::write(stream, piece, error);
    size_bytes -= piece.size();
    if (auto fetched = pieces.fetch(); !fetched) return fetched;
  }
  if (error || size_bytes == 0) return {};
  return fail(ErrorCode::kInternal, "the file became shorter while it was read");
}

// A body that the daemon does not read to its end is no error here: its answer says why.
Result<void> send_body(UnixStream& stream, Pieces& pieces, int64_t size_bytes) {
  if (size_bytes >= 0) return send_announced(stream, pieces, static_cast<uint64_t>(size_bytes));
  BeastError error;
  while (!error && pieces.current().size() > 0) {
    boost::asio::write(stream, http::make_chunk(pieces.current()), error);
    if (auto fetched = pieces.fetch(); !fetched) return fetched;
  }
  if (!error) boost::asio::write(stream, http::make_chunk_last(), error);
  return {};
}

Error broke_off(const BeastError& error) {
  return {ErrorCode::kUnavailable, "soundgated broke off its answer: " + error.message(), {}};
}

// A body that is read while it comes.
class AnswerSource : public ByteSource {
 public:
  AnswerSource(UnixStream stream, beast::flat_buffer buffer,
               http::response_parser<http::empty_body>&& head)
      : stream_(std::move(stream)), buffer_(std::move(buffer)), parser_(std::move(head)) {}

  // What has come is given at once: of an answer that grows slowly, or breaks off, nothing is kept
  // back.
  Result<size_t> read(std::span<std::byte> into) override {
    auto& body = parser_.get().body();
    body.data = into.data();
    body.size = into.size();
    while (!parser_.is_done() && body.size == into.size()) {
      BeastError error;
      http::read_some(stream_, buffer_, parser_, error);
      if (error == http::error::need_buffer) error = {};
      if (error) return tl::unexpected(broke_off(error));
    }
    return into.size() - body.size;
  }

 private:
  UnixStream stream_;
  beast::flat_buffer buffer_;
  http::response_parser<http::buffer_body> parser_;
};

Result<ApiResponse> read_answer(UnixStream stream) {
  BeastError error;
  beast::flat_buffer buffer;
  http::response_parser<http::empty_body> head;
  head.body_limit(std::numeric_limits<uint64_t>::max());
  http::read_header(stream, buffer, head, error);
  if (error) return tl::unexpected(broke_off(error));
  const auto status = static_cast<int>(head.get().result_int());
  const std::string type(head.get()[http::field::content_type]);
  if (type == kStreamType) {
    auto source =
        std::make_shared<AnswerSource>(std::move(stream), std::move(buffer), std::move(head));
    return ApiResponse{status, "", type, std::move(source)};
  }
  http::response_parser<http::string_body> parser(std::move(head));
  http::read(stream, buffer, parser, error);
  if (error) return tl::unexpected(broke_off(error));
  return ApiResponse{status, parser.get().body(), type, {}};
}

}  // namespace

Result<ApiResponse> http_request(const std::filesystem::path& socket, const std::string& method,
                                 const std::string& target, ByteSource* body,
                                 std::chrono::seconds answer_max) {
  std::optional<Pieces> pieces;
  if (body != nullptr) {
    if (auto fetched = pieces.emplace(*body).fetch(); !fetched) {
      return tl::unexpected(fetched.error());
    }
  }
  auto stream = UnixStream::connect(socket, {answer_max});
  if (!stream) return tl::unexpected(stream.error());
  http::request<http::empty_body> request;
  request.method_string(method);
  request.target(target);
  request.version(11);
  request.set(http::field::host, "soundgate");
  request.keep_alive(false);
  // Announced, since what is decoded of a file may depend on whether it was.
  int64_t size_bytes = body != nullptr ? body->size_bytes() : -1;
  if (size_bytes > static_cast<int64_t>(kFileBodyBytesMax)) size_bytes = -1;  // refused as it comes
  if (size_bytes >= 0) {
    request.content_length(static_cast<uint64_t>(size_bytes));
  } else if (body != nullptr) {
    request.chunked(true);
  }
  http::request_serializer<http::empty_body> serializer(request);
  BeastError error;
  http::write_header(*stream, serializer, error);
  if (!error && pieces) {
    if (auto sent = send_body(*stream, *pieces, size_bytes); !sent)
      return tl::unexpected(sent.error());
  }
  return read_answer(std::move(*stream));
}

}  // namespace soundgate
