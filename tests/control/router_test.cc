#include "control/api/router.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "control/api/services.h"
#include "control/limits.h"

namespace soundgate {
namespace {

class RouterTest : public testing::Test {
 protected:
  RouterTest() {
    router_.add(
        {"GET", "/v1/banks/{bank}/items/{id}", Role::kViewer, {"x"}, [](const ApiCall& call) {
           return Result<ApiResponse>(json_response(
               {{"bank", call.part("bank")}, {"id", call.part("id")}, {"x", call.query("x")}}));
         }});
    router_.add({"PUT", "/v1/banks/{bank}/items/{id}", Role::kAdmin, {}, [](const ApiCall&) {
                   return Result<ApiResponse>(json_response({{"done", true}}));
                 }});
  }
  ApiResponse ask(const std::string& method, const std::string& target, Role role = Role::kAdmin) {
    ApiRequest request;
    request.method = method;
    request.role = role;
    request.caller = "uid 7";
    const auto parsed = parse_target(target, request);
    return parsed ? router_.handle(request) : error_response(parsed.error());
  }
  Router router_;
};

TEST_F(RouterTest, PartsAreDecodedAfterTheSplit) {
  const ApiResponse response = ask("GET", "/v1/banks/spam/items/a%2Fb%20c?x=1+2");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "{\"bank\":\"spam\",\"id\":\"a/b c\",\"x\":\"1 2\"}\n");
}

TEST_F(RouterTest, WhatIsNotThere) {
  EXPECT_EQ(ask("GET", "/v1/banks/spam").status, 404);
  EXPECT_EQ(ask("GET", "/v1/banks//items/x").status, 404);
  EXPECT_EQ(ask("DELETE", "/v1/banks/spam/items/x").status, 405);
  EXPECT_EQ(ask("GET", "/v1/banks/spam/items/x?y=1").status, 400);
  EXPECT_EQ(ask("GET", "/v1/banks/spam/items/x?x=%zz").status, 400);
  EXPECT_EQ(ask("GET", "nonsense").status, 400);
}

TEST_F(RouterTest, WhoMayOnlyLook) {
  EXPECT_EQ(ask("GET", "/v1/banks/spam/items/x", Role::kViewer).status, 200);
  const ApiResponse refused = ask("PUT", "/v1/banks/spam/items/x", Role::kViewer);
  EXPECT_EQ(refused.status, 403);
  EXPECT_NE(refused.body.find("uid 7 may not PUT"), std::string::npos);
}

TEST(Starting, AliveAndNotReady) {
  Router router;
  add_starting_routes(router);
  ApiRequest request;
  request.method = "GET";
  request.role = Role::kAdmin;
  request.path = "/livez";
  EXPECT_EQ(router.handle(request).status, 200);
  for (const char* path : {"/readyz", "/v1/status"}) {
    request.path = path;
    const ApiResponse response = router.handle(request);
    EXPECT_EQ(response.status, 503);
    EXPECT_NE(response.body.find("soundgated is starting"), std::string::npos) << response.body;
  }
}

TEST(Degraded, WhatTheIndexLacks) {
  const std::chrono::steady_clock::time_point start{std::chrono::hours(1)};
  IndexStatus index;
  EXPECT_NE(why_degraded(index, start).find("no reference is enrolled"), std::string::npos);
  index.reference_count = 1;
  EXPECT_EQ(why_degraded(index, start), "");
  index.damaged_segment_count = 2;
  index.incomplete_since = start;
  EXPECT_EQ(why_degraded(index, start + kIndexIncompleteMax - std::chrono::milliseconds(1)), "");
  EXPECT_NE(why_degraded(index, start + kIndexIncompleteMax).find("2 damaged segments"),
            std::string::npos);
  index.is_behind = true;
  EXPECT_NE(why_degraded(index, start + kIndexIncompleteMax).find("start soundgated anew"),
            std::string::npos);
}

TEST(PercentEncoding, RoundTrip) {
  const std::string text = "a/b c?%&=+\n\xff~";
  ApiRequest request;
  ASSERT_TRUE(parse_target("/x?k=" + percent_encode(text), request));
  EXPECT_EQ(request.query["k"], text);
}

}  // namespace
}  // namespace soundgate
