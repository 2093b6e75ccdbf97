// Runs a fuzz target over its corpus, and over so many seeded changes of each input, where there is
// no libFuzzer: the target keeps building, and what it once found stays found.

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

#ifndef SOUNDGATE_CHANGES_PER_INPUT
#define SOUNDGATE_CHANGES_PER_INPUT 20'000
#endif
constexpr int kChangesPerInput = SOUNDGATE_CHANGES_PER_INPUT;

void replay(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::vector<uint8_t> input{std::istreambuf_iterator<char>(file), {}};
  LLVMFuzzerTestOneInput(input.data(), input.size());
  std::mt19937 random(1);
  for (int i = 0; i < kChangesPerInput && !input.empty(); ++i) {
    std::vector<uint8_t> changed = input;
    for (unsigned changes = 1 + random() % 4; changes > 0; --changes) {
      changed[random() % changed.size()] = static_cast<uint8_t>(random());
    }
    LLVMFuzzerTestOneInput(changed.data(), changed.size());
  }
}

}  // namespace

int main(int argc, char** argv) {
  int inputs = 0;
  for (int i = 1; i < argc; ++i) {
    for (const auto& entry : std::filesystem::directory_iterator(argv[i])) {
      replay(entry.path());
      ++inputs;
    }
  }
  std::printf("%d inputs\n", inputs);
  return inputs > 0 ? 0 : 1;
}
