// The description of the API and what the server answers are the same list of routes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "control/api/router.h"
#include "control/api/services.h"
#include "tests/control/fakes.h"

namespace soundgate {
namespace {

using Json = nlohmann::ordered_json;

class OpenApiTest : public testing::Test {
 protected:
  OpenApiTest() {
    std::filesystem::create_directories(folder_);
    store_ = std::move(DecisionStore::open(folder_).value());
    mode_ = std::make_unique<ModeSwitch>(*store_, ModeRecord{}, nullptr);
    services_ =
        std::make_unique<Services>(Services{index_, *store_, files_, probes_, *mode_, {}, "1"});
    add_routes(router_, *services_);
    std::ifstream file(std::string(SOURCE_DIR) + "/control/api/openapi.json");
    api_ = Json::parse(file);
  }
  ~OpenApiTest() override {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }

  const std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("openapi_test_" + std::to_string(getpid()));
  FakeIndex index_;
  FileDecoder files_{index_};
  BankProbes probes_{index_, 0.15};
  std::unique_ptr<DecisionStore> store_;
  std::unique_ptr<ModeSwitch> mode_;
  std::unique_ptr<Services> services_;
  Router router_;
  Json api_;
};

std::string name(Role role) {
  return std::array{"nobody", "viewer", "curator", "operator", "admin"}.at(
      static_cast<size_t>(role));
}

std::string described(std::string method) {
  std::transform(method.begin(), method.end(), method.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return method;
}

TEST_F(OpenApiTest, RoutesAndDescriptionAgree) {
  std::set<std::string> served, written;
  for (const Route& route : router_.routes())
    served.insert(described(route.method) + " " + route.pattern);
  for (const auto& [path, operations] : api_["paths"].items()) {
    for (const auto& [method, operation] : operations.items()) written.insert(method + " " + path);
  }
  EXPECT_EQ(served, written);
}

TEST_F(OpenApiTest, ParametersAgree) {
  for (const Route& route : router_.routes()) {
    const Json& operation = api_["paths"][route.pattern][described(route.method)];
    std::set<std::string> query, path;
    for (const Json& parameter : operation.value("parameters", Json::array())) {
      (parameter["in"] == "query" ? query : path).insert(parameter["name"].get<std::string>());
    }
    EXPECT_EQ(query, std::set<std::string>(route.query_keys.begin(), route.query_keys.end()))
        << route.method << " " << route.pattern;
    for (const std::string& name : path) {
      EXPECT_NE(route.pattern.find("{" + name + "}"), std::string::npos) << name;
    }
    EXPECT_EQ(std::count(route.pattern.begin(), route.pattern.end(), '{'),
              static_cast<long>(path.size()))
        << route.pattern;
    EXPECT_FALSE(operation.value("summary", "").empty()) << route.pattern;
    EXPECT_EQ(operation.value("x-role", ""), name(route.least)) << route.method << route.pattern;
  }
}

}  // namespace
}  // namespace soundgate
