// Requests and responses, fed whole and byte by byte.
#include <gtest/gtest.h>

#include <array>
#include <string>

#include "dataplane/gate/refusal.h"
#include "dataplane/http/inspect_rules.h"
#include "dataplane/http/request_stream.h"
#include "dataplane/http/response_stream.h"

namespace soundgate {
namespace {

using Event = RequestStream::Event;

Bytes bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

// What a stream says about an input: events with the offsets at which they came.
struct Reading {
  std::string events;  // a letter each: H head, C chunk, c chunk end, E end, N not HTTP, 2 HTTP/2,
                       // A ambiguous
  std::string body;
  std::vector<size_t> offsets;
  std::string host, target, type, id;
};

Reading read(std::string_view input, size_t piece_bytes) {
  constexpr std::string_view kLetters = ".HCcEN2A";
  const HeaderNames names{"X-Request-Id", "X-Uploader"};
  RequestStream stream;
  auto head = std::make_unique<RequestHead>();
  Reading reading;
  size_t at = 0;
  size_t fed = 0;
  while (at < input.size()) {
    fed = std::max(fed, std::min(input.size(), at + piece_bytes));
    const auto step = stream.step(bytes_of(input.substr(at, fed - at)), head.get(), names);
    EXPECT_TRUE(step.used > 0 || step.event != Event::kMore);
    EXPECT_LE(step.used, fed - at);
    at += step.used;
    reading.body.append(reinterpret_cast<const char*>(step.body.data()), step.body.size());
    if (step.event == Event::kMore) continue;
    reading.events += kLetters[static_cast<size_t>(step.event)];
    reading.offsets.push_back(at);
    if (step.event == Event::kHead) {
      reading.host = head->host.view();
      reading.target = head->target.view();
      reading.type = head->content_type.view();
      reading.id = head->request_id.view();
    }
    if (step.event >= Event::kNotHttp) break;
  }
  return reading;
}

// The same, whatever the pieces.
Reading read_in_any_pieces(std::string_view input) {
  const Reading whole = read(input, input.size());
  for (const size_t bytes : {1, 2, 3, 7, 19}) {
    const Reading pieces = read(input, bytes);
    EXPECT_EQ(pieces.events, whole.events) << bytes;
    EXPECT_EQ(pieces.body, whole.body) << bytes;
    EXPECT_EQ(pieces.host, whole.host);
    EXPECT_EQ(pieces.target, whole.target);
    if (whole.events.find_first_of("N2A") == std::string::npos) {
      EXPECT_EQ(pieces.offsets, whole.offsets) << bytes;
    }
  }
  return whole;
}

TEST(RequestStream, ReadsABodyWithALength) {
  const std::string head =
      "PUT /a/b.mp3?x=1 HTTP/1.1\r\nHost: up.example\r\nx-request-id: r1\r\n"
      "Content-Type: audio/mpeg\r\nContent-Length: 5\r\n\r\n";
  const Reading reading = read_in_any_pieces(head + "hello" + "\r\nGET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(reading.events, "HEH");
  EXPECT_EQ(reading.body, "hello");
  EXPECT_EQ(reading.offsets[0], head.size());
  EXPECT_EQ(reading.offsets[1], head.size() + 5);
  const Reading one = read_in_any_pieces(head + "hello");
  EXPECT_EQ(one.host, "up.example");
  EXPECT_EQ(one.target, "/a/b.mp3?x=1");
  EXPECT_EQ(one.type, "audio/mpeg");
  EXPECT_EQ(one.id, "r1");
}

TEST(RequestStream, ReadsChunksWithExactOffsets) {
  const std::string head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string body = "5\r\nhello\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n";
  const Reading reading = read_in_any_pieces(head + body + "GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(reading.events, "HCcCcCcEH");
  EXPECT_EQ(reading.body, "helloabc");
  EXPECT_EQ(reading.offsets[1], head.size() + 3);
  EXPECT_EQ(reading.offsets[2], head.size() + 10);
  EXPECT_EQ(reading.offsets[5], head.size() + 21);
  EXPECT_EQ(reading.offsets[7], head.size() + body.size());
}

TEST(RequestStream, RefusesWhatCanBeReadInTwoWays) {
  const std::string line = "PUT /x HTTP/1.1\r\nHost: a\r\n";
  for (const char* headers :
       {"Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
        "Transfer-Encoding: gzip\r\n\r\n",
        "Transfer-Encoding: chunked, gzip\r\n\r\n",
        "Content-Length: -1\r\n\r\n",
        "Content-Length: 5 6\r\n\r\n",
        "Content-Length: 0x5\r\n\r\n",
        "Content-Length: 99999999999999999999999\r\n\r\n",
        "Content-Length: 9223372036854775808\r\n\r\n",
        "Content-Length: 4611686018427387905\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5;\nhello\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5 x\nhello\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0 5\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5\x80\r\nhello\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n\xff\r\n\r\n",
        "X: y\rContent-Length: 5\r\n\r\n",
        "X:\rContent-Length: 5\r\n\r\n",
        "X:\r\x93"
        "Content-Length: 5\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
        "Transfer-Encoding : chunked\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhelloworld\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\rX3\r\nabc\r\n",
        "X: y\r\n\rXX",
        "Transfer-Encoding: gzip, chunked\r\n\r\n",
        "Transfer-Encoding: chunked, chunked\r\n\r\n",
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        "Content-Length:\r\n\r\n",
        "Content-Length: \r\n 5\r\n\r\n",
        "Content-Length: 5\r\n 6\r\n\r\n",
        "Content-Length : 5\r\n\r\n",
        "Host : b\r\n\r\n",
        "Ho st: b\r\n\r\n"}) {
    const Reading reading = read_in_any_pieces(line + headers + "hello");
    EXPECT_EQ(reading.events.back(), 'A') << headers;
  }
  for (const char* odd :
       {"PUT /x\r\n", "PUT /x HTTP/0.9\r\n", "PUT /x HTTP/1.2\r\n", "PUT /x HTTP/2.0\r\n"}) {
    EXPECT_EQ(read_in_any_pieces(odd + std::string("Content-Length: 5\r\n\r\nhello")).events, "A");
  }
  const std::string connect = "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n";
  EXPECT_EQ(read_in_any_pieces(connect + "Content-Length: 5\r\n\r\nhello").events, "A");
  EXPECT_EQ(read_in_any_pieces(connect + "Transfer-Encoding: chunked\r\n\r\n0\r\n").events, "A");
  EXPECT_EQ(read_in_any_pieces(connect + "Content-Length: 0\r\n\r\n").events, "H");
  EXPECT_EQ(read_in_any_pieces("PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n").events, "A");
}

// One header for some, two for others, or none: also where there is no body, because one of the two
// may be its length.
TEST(RequestStream, RefusesFoldedLines) {
  for (const char* line : {"PUT /x HTTP/1.1\r\n", "GET /x HTTP/1.1\r\n"}) {
    for (const char* headers :
         {"Host: up.exam\r\n ple\r\n\r\n", "Host: a\r\n\tb\r\n\r\n", "Host:\r\n up.example\r\n\r\n",
          "X: y\n Host: b\r\n\r\n", " Host: a\r\n\r\n", "\tHost: a\r\n\r\n", "X: y\r\n \r\n\r\n",
          "X: y\r\n Content-Length: 5\r\n\r\n"}) {
      EXPECT_EQ(read_in_any_pieces(line + std::string(headers)).events, "A") << headers;
    }
  }
  EXPECT_EQ(read_in_any_pieces("GET / HTTP/1.1\r\nHost: a\r\n\r\n hello").events.front(), 'H');
}

TEST(RequestStream, KnowsOtherProtocolsFromOddRequests) {
  EXPECT_EQ(read_in_any_pieces("\x16\x03\x01\x02 client hello").events, "N");
  EXPECT_EQ(read_in_any_pieces("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").events, "2");
  EXPECT_EQ(read_in_any_pieces("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n").events, "N");
  EXPECT_EQ(read_in_any_pieces("SSH-2.0-OpenSSH_9.2\r\n").events, "N");
  // An origin answers these with an error and reads on: they must not end the inspection.
  EXPECT_EQ(read_in_any_pieces("BREW /pot HTTP/1.1\r\nHost: a\r\n\r\n").events, "A");
  EXPECT_EQ(read_in_any_pieces("PUT /\xC3\xA9 HTTP/1.1\r\nHost: a\r\n\r\n").events, "H");
  EXPECT_EQ(read_in_any_pieces("PUT /a b HTTP/1.1\r\nHost: a\r\n\r\n").events, "A");
  EXPECT_EQ(read_in_any_pieces("XYZ " + std::string(400, 'a')).events, "A");
  EXPECT_EQ(read_in_any_pieces("GET / HTTP/1.1\r\n\r\n\x16\x03").events, "HA");
  // Some read over blanks, and go on with HTTP/1.1 behind what looks like another protocol.
  for (const char* blank : {" ", "\t", "\v", "\x1c", "\x85", "\xa0"}) {
    EXPECT_EQ(read_in_any_pieces(blank + std::string("PUT /x HTTP/1.1\r\n")).events, "A") << blank;
  }
  EXPECT_EQ(read_in_any_pieces("PUT\t/x\tHTTP/1.1\r\nHost: a\r\n\r\n").events, "A");
  EXPECT_EQ(read_in_any_pieces("PROXY /x HTTP/1.1\r\nHost: a\r\n\r\n").events, "A");
  EXPECT_EQ(read_in_any_pieces("PRI * HTTP/2.0\r\n\r\nPUT /x HTTP/1.1\r\n\r\n").events, "A");
  EXPECT_EQ(read_in_any_pieces(" indented text, without anything like it\n").events, "N");
}

struct Responses {
  ResponseStream stream;
  void read(std::string_view text) {
    for (const char& c : text) stream.read(bytes_of({&c, 1}));
  }
};

TEST(ResponseStream, CountsFinalResponses) {
  Responses responses;
  ResponseStream& stream = responses.stream;
  stream.expect(HTTP_PUT);
  stream.expect(HTTP_HEAD);
  stream.expect(HTTP_GET);
  stream.expect(HTTP_GET);
  responses.read("HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_FALSE(stream.final_begun(0));
  EXPECT_TRUE(stream.at_boundary());
  responses.read("HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\no");
  EXPECT_TRUE(stream.final_begun(0));
  EXPECT_EQ(stream.completed(), 0u);
  responses.read("k");
  EXPECT_EQ(stream.completed(), 1u);
  EXPECT_FALSE(stream.final_begun(1));
  responses.read("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");  // to HEAD: no body
  EXPECT_EQ(stream.completed(), 2u);
  responses.read("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
  EXPECT_EQ(stream.completed(), 3u);
  responses.read("HTTP/1.1 200 OK\r\n\r\nuntil the end");
  EXPECT_FALSE(stream.at_boundary());
  stream.end_of_stream();
  EXPECT_EQ(stream.completed(), 4u);
}

TEST(ResponseStream, KnowsWhenTheProtocolIsSwitched) {
  Responses upgraded;
  upgraded.stream.expect(HTTP_GET);
  upgraded.read("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x05hello");
  EXPECT_TRUE(upgraded.stream.switched());
  Responses tunnel;
  tunnel.stream.expect(HTTP_CONNECT);
  tunnel.read("HTTP/1.1 200 OK\r\n\r\n");
  EXPECT_TRUE(tunnel.stream.switched());
  // An origin that takes CONNECT for any other method says how long its answer is, and reads on.
  for (const char* head :
       {"200 OK\r\nContent-Length: 0", "204 No Content", "200 OK\r\nTransfer-Encoding: chunked"}) {
    Responses plain;
    plain.stream.expect(HTTP_CONNECT);
    plain.read("HTTP/1.1 " + std::string(head) + "\r\n\r\n");
    EXPECT_FALSE(plain.stream.switched()) << head;
    EXPECT_FALSE(plain.stream.lost()) << head;
  }
  Responses garbage;
  garbage.read("no response at all");
  EXPECT_TRUE(garbage.stream.lost());
}

TEST(InspectRules, Globs) {
  EXPECT_TRUE(glob_matches("*", "", false));
  EXPECT_TRUE(glob_matches("*.example", "UP.Example", true));
  EXPECT_FALSE(glob_matches("*.example", "UP.Example", false));
  EXPECT_TRUE(glob_matches("/a/*/c*", "/a/b/b/cc", false));
  EXPECT_FALSE(glob_matches("/a/*/c", "/a/b/d", false));
  EXPECT_FALSE(glob_matches("a", "ab", false));
}

TEST(InspectRules, PathsAreComparedAsTheOriginUnderstandsThem) {
  std::array<char, 256> space;
  const auto path = [&](std::string_view target) { return normal_path(target, space); };
  EXPECT_EQ(path("/upload/x?y=/z"), "/upload/x");
  EXPECT_EQ(path("/upl%6Fad//x/./y"), "/upload/x/y");
  EXPECT_EQ(path("/a/../upload/x"), "/upload/x");
  EXPECT_EQ(path("/../../upload"), "/upload");
  EXPECT_EQ(path("/a/b/.."), "/a/");
  EXPECT_EQ(path("/%2e%2E/x"), "/x");
  EXPECT_EQ(path("/a%zz"), "/a%zz");
  EXPECT_EQ(path("http://up.example/x?y"), "/x");
  EXPECT_EQ(path("http://up.example"), "/");
  EXPECT_EQ(path("http://up.example?x=/upload"), "/");
}

TEST(InspectRules, HostsAreComparedAsTheOriginUnderstandsThem) {
  EXPECT_EQ(effective_host("/x", "up.example"), "up.example");
  EXPECT_EQ(effective_host("/x", "up.example:80 \t"), "up.example");
  EXPECT_EQ(effective_host("/x", "up.example.:80"), "up.example");
  EXPECT_EQ(effective_host("/x", "up.example:80:1"), "up.example");
  EXPECT_EQ(effective_host("/x", "[2001:db8::7]:80"), "[2001:db8::7]");
  EXPECT_EQ(effective_host("/x?y=http://other", "up.example"), "up.example");
  EXPECT_EQ(effective_host("http://up.example:80/x", "other"), "up.example");
  EXPECT_EQ(effective_host("http://a@b@up.example?/x", "other"), "up.example");
  EXPECT_EQ(effective_host("http://up.example#@other/", "other"), "up.example");
  EXPECT_EQ(effective_host("http:///x", "up.example"), "up.example");
  EXPECT_EQ(effective_host("/x", " \t"), "");
  EXPECT_EQ(trimmed("\t a b "), "a b");
}

TEST(InspectRules, AllPartsOfARuleMustMatch) {
  const InspectRules rules({InspectRule{{80}, {"*.example"}, {"/up/*"}, {"PUT"}, 100}});
  EXPECT_TRUE(rules.concerns_port(80));
  EXPECT_FALSE(rules.concerns_port(81));
  const RequestFacts good{80, "a.example", "/up/x", "PUT", 100};
  EXPECT_TRUE(rules.match(good));
  for (int part = 0; part < 5; ++part) {
    RequestFacts facts = good;
    if (part == 0) facts.port = 81;
    if (part == 1) facts.host = "a.test";
    if (part == 2) facts.path = "/down/x";
    if (part == 3) facts.method = "POST";
    if (part == 4) facts.body_bytes = 99;
    EXPECT_FALSE(rules.match(facts)) << part;
  }
  RequestFacts no_host = good;  // it may be for any
  no_host.host = "";
  EXPECT_TRUE(rules.match(no_host));
  RequestFacts unknown_length = good;
  unknown_length.body_bytes = -1;
  EXPECT_TRUE(rules.match(unknown_length));
}

TEST(Refusal, IsAWholeResponseWithEscapedText) {
  std::array<std::byte, kBlockResponseBytesMax> space;
  const size_t bytes = write_refusal(451, "u1", "say \"no\"\n\\", space);
  const std::string text(reinterpret_cast<const char*>(space.data()), bytes);
  EXPECT_TRUE(text.starts_with("HTTP/1.1 451 Unavailable For Legal Reasons\r\n"));
  const std::string body = text.substr(text.find("\r\n\r\n") + 4);
  EXPECT_EQ(body,
            "{\"upload_id\":\"u1\",\"verdict\":\"block\",\"message\":\"say \\\"no\\\" \\\\\"}\n");
  EXPECT_NE(text.find("Content-Length: " + std::to_string(body.size()) + "\r\n"),
            std::string::npos);
  EXPECT_LE(write_refusal(403, std::string(32, '"'), std::string(2'000, '"'), space), space.size());
}

}  // namespace
}  // namespace soundgate
