// A bounded ring over which lcores hand packets to one lcore.
// Errors: what finds no room is not taken; the caller drops and counts it.
// Thread: put() by any lcore, take() by the one that it leads to.  Memory: allocated by open();
// packets that are left are freed with the ring.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <tl/expected.hpp>

struct rte_mbuf;
struct rte_ring;

namespace soundgate {

class Handover {
 public:
  Handover() = default;
  Handover(const Handover&) = delete;
  Handover& operator=(const Handover&) = delete;
  ~Handover();

  // name: unlike that of any other ring of the process.
  tl::expected<void, std::string> open(const std::string& name);

  size_t put(std::span<rte_mbuf* const> packets);  // how many were taken, from the first on
  size_t take(std::span<rte_mbuf*> packets);       // how many there were

 private:
  rte_ring* ring_ = nullptr;
};

}  // namespace soundgate
