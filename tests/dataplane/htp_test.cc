// Our framing of requests against libhtp's, which Suricata reads with: over 20,000 connections of
// well-formed and of mutated requests, every request that we are sure of has the body that libhtp
// gives it. Where we say "ambiguous" anything goes; so it does where libhtp gives up.
#include <gtest/gtest.h>
#include <htp/htp.h>

#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "dataplane/http/request_stream.h"

namespace soundgate {
namespace {

using Event = RequestStream::Event;

struct Requests {
  std::vector<std::string> bodies;  // of those that are complete
  bool gave_up = false;
};

Requests ours(const std::string& input, size_t piece_bytes) {
  static const auto head = std::make_unique<RequestHead>();
  const HeaderNames names{"X-Request-Id", "X-Uploader"};
  RequestStream stream;
  Requests requests;
  std::string body;
  for (size_t at = 0, fed = 0; at < input.size();) {
    if (fed == at) fed = std::min(input.size(), at + piece_bytes);
    if (stream.at_boundary()) head->clear();
    const auto step =
        stream.step(std::as_bytes(std::span(input).subspan(at, fed - at)), head.get(), names);
    at += step.used;
    body.append(reinterpret_cast<const char*>(step.body.data()), step.body.size());
    const bool without_body =
        step.event == Event::kHead && !stream.chunked() && stream.body_bytes() == 0;
    if (step.event == Event::kEnd || without_body) {
      requests.bodies.push_back(body);
      body.clear();
    }
    if (step.event >= Event::kNotHttp) {
      requests.gave_up = true;
      break;
    }
  }
  return requests;
}

struct Oracle {
  Requests requests;
  std::string body;
};
Oracle* oracle = nullptr;  // of the connection in progress: libhtp's callbacks are plain functions

Requests libhtps(const std::string& input) {
  Oracle mine;
  oracle = &mine;
  htp_cfg_t* config = htp_config_create();
  htp_config_set_server_personality(config, HTP_SERVER_APACHE_2);
  htp_config_register_request_body_data(config, [](htp_tx_data_t* data) {
    if (data->data) oracle->body.append(reinterpret_cast<const char*>(data->data), data->len);
    return HTP_OK;
  });
  htp_config_register_request_complete(config, [](htp_tx_t*) {
    oracle->requests.bodies.push_back(oracle->body);
    oracle->body.clear();
    return HTP_OK;
  });
  htp_connp_t* connection = htp_connp_create(config);
  htp_connp_open(connection, "192.0.2.1", 40'000, "192.0.2.2", 80, nullptr);
  const int state = htp_connp_req_data(connection, nullptr, input.data(), input.size());
  mine.requests.gave_up = state != HTP_STREAM_DATA;
  htp_connp_destroy_all(connection);
  htp_config_destroy(config);
  return mine.requests;
}

class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed) {}

  std::string connection() {
    std::string all;
    for (size_t count = 1 + below(3); count > 0; --count) all += request();
    if (chance(2)) mutate(all);
    return all;
  }
  size_t below(size_t bound) { return random_() % bound; }

 private:
  bool chance(size_t one_in) { return below(one_in) == 0; }
  template <size_t N>
  const char* one_of(const char* const (&choices)[N]) {
    return choices[below(N)];
  }

  std::string request() {
    std::string head = one_of({"PUT", "POST", "GET", "PATCH", "DELETE"});
    head += one_of({" /x", " /a/b?c=d", " http://a/x"});
    head += one_of({" HTTP/1.1\r\n", " HTTP/1.1\r\n", " HTTP/1.1\r\n", " HTTP/1.0\r\n"});
    if (!chance(8)) head += "Host: a\r\n";
    for (size_t count = below(3); count > 0; --count) {
      head += one_of({"Accept: */*\r\n", "Content-Type: audio/mpeg\r\n", "X-Empty:\r\n",
                      "Connection: keep-alive\r\n", "Cookie: a=b; c=d\r\n"});
    }
    const std::string body = some_bytes();
    switch (below(3)) {
      case 0:
        return head + "\r\n";
      case 1:
        return head + one_of({"Content-Length: ", "content-length:", "CONTENT-LENGTH:  "}) +
               std::to_string(body.size()) + "\r\n\r\n" + body;
      default:
        return head +
               one_of({"Transfer-Encoding: chunked\r\n\r\n", "transfer-encoding:Chunked\r\n\r\n"}) +
               in_chunks(body);
    }
  }

  std::string some_bytes() {
    std::string bytes(1 + below(60), 'x');
    for (char& c : bytes) c = chance(4) ? "\r\n0 :"[below(5)] : static_cast<char>(below(256));
    return bytes;
  }

  std::string in_chunks(const std::string& body) {
    std::string out;
    for (size_t at = 0; at < body.size();) {
      const std::string chunk = body.substr(at, 1 + below(20));
      char size[32];
      std::snprintf(size, sizeof size, one_of({"%zx", "0%zX", "%zx;a=b"}), chunk.size());
      out += size + ("\r\n" + chunk) + "\r\n";
      at += chunk.size();
    }
    return out + one_of({"0\r\n\r\n", "000\r\n\r\n", "0\r\nX: y\r\n\r\n"});
  }

  // A change or two, mostly where the framing is.
  void mutate(std::string& text) {
    static constexpr const char* kPieces[] = {"\r\n",
                                              "\n",
                                              "\r",
                                              " ",
                                              "\t",
                                              ":",
                                              "0",
                                              "1",
                                              "ffff",
                                              ";",
                                              "-",
                                              "+",
                                              ",",
                                              "\0",
                                              "\v",
                                              "\x80",
                                              "Content-Length: 3\r\n",
                                              "Transfer-Encoding: chunked\r\n",
                                              "Transfer-Encoding: gzip\r\n",
                                              "Content-Length : 4\r\n",
                                              " Content-Length: 5\r\n",
                                              "GET / HTTP/1.1\r\n\r\n"};
    for (size_t count = 1 + below(2); count > 0 && !text.empty(); --count) {
      const size_t at = below(text.size());
      switch (below(4)) {
        case 0:
          text.erase(at, 1 + below(3));
          break;
        case 1:
          text[at] = static_cast<char>(below(256));
          break;
        default:
          text.insert(at, one_of(kPieces));
      }
    }
  }

  std::mt19937_64 random_;
};

size_t seed_count() {
  const char* count = std::getenv("HTP_SEEDS");
  return count ? std::strtoul(count, nullptr, 10) : 20'000;
}

std::string shown(const std::string& text) {
  std::string out;
  for (const char c : text) {
    char piece[8];
    std::snprintf(piece, sizeof piece, c >= ' ' && c < 0x7f ? "%c" : "\\x%02x",
                  static_cast<unsigned char>(c));
    out += piece;
    if (c == '\n') out += '\n';
  }
  return out;
}

// What follows a request and begins none is ambiguous for us (line breaks are skipped), and more of
// its body for libhtp.
bool is_explained(const Requests& mine, size_t number, const std::string& theirs) {
  const std::string& body = mine.bodies[number];
  if (!theirs.starts_with(body)) return false;
  const bool last_before_garbage = mine.gave_up && number + 1 == mine.bodies.size();
  return last_before_garbage || theirs.find_first_not_of("\r\n", body.size()) == std::string::npos;
}

TEST(Framing, IsLibhtpsWhereWeAreSure) {
  size_t compared = 0;
  size_t certain = 0;
  size_t theirs_gave_up = 0;
  for (size_t seed = 1; seed <= seed_count(); ++seed) {
    Generator generator(seed);
    const std::string input = generator.connection();
    const Requests mine = ours(input, 1 + generator.below(input.size()));
    const Requests theirs = libhtps(input);
    certain += mine.gave_up ? 0 : 1;
    theirs_gave_up += theirs.gave_up ? 1 : 0;
    for (size_t i = 0; i < mine.bodies.size(); ++i) {
      if (i == theirs.bodies.size()) {
        // It waits for a response, or for the byte behind, before it calls a request complete.
        EXPECT_TRUE(theirs.gave_up || i + 1 == mine.bodies.size()) << "seed " << seed << "\n"
                                                                   << shown(input);
        break;
      }
      ++compared;
      if (is_explained(mine, i, theirs.bodies[i])) continue;
      ASSERT_EQ(shown(mine.bodies[i]), shown(theirs.bodies[i]))
          << "seed " << seed << ", request " << i << "\n"
          << shown(input);
    }
  }
  std::printf("%zu requests compared; %zu connections read to their end; libhtp gave up on %zu\n",
              compared, certain, theirs_gave_up);
  EXPECT_GT(compared, seed_count());
  EXPECT_GT(certain, seed_count() / 2);
}

}  // namespace
}  // namespace soundgate
