#include "fingerprint/decode/shared/payload.h"

namespace soundgate::decode {
namespace {

size_t round_up(size_t value, size_t unit) { return (value + unit - 1) / unit * unit; }

}  // namespace

PayloadLayout::PayloadLayout(const Geometry& geometry) {
  slots_offset = round_up(sizeof(PayloadHeader), alignof(Slot));
  tables_offset = slots_offset + geometry.slot_count * sizeof(Slot);
  const size_t tables_bytes =
      size_t{geometry.slot_count} * geometry.table_entries() * sizeof(uint32_t);
  blocks_offset = round_up(tables_offset + tables_bytes, 4096);
  total_bytes = blocks_offset + size_t{geometry.block_count} * kBlockBytes;
}

PayloadView::PayloadView(const std::byte* memory) : memory_(memory), layout_(geometry()) {}

const Slot& PayloadView::slot(uint32_t index) const {
  return reinterpret_cast<const Slot*>(memory_ + layout_.slots_offset)[index];
}

const std::byte* PayloadView::block(uint32_t slot_index, uint64_t stream_block) const {
  const auto* tables = reinterpret_cast<const uint32_t*>(memory_ + layout_.tables_offset);
  const uint32_t* table = tables + size_t{slot_index} * geometry().table_entries();
  const uint32_t pool_block = table[geometry().table_index(stream_block)];
  return memory_ + layout_.blocks_offset + size_t{pool_block} * kBlockBytes;
}

PayloadEditor::PayloadEditor(std::byte* memory, const Geometry& geometry)
    : memory_(memory), geometry_(geometry), layout_(geometry) {}

Slot& PayloadEditor::slot(uint32_t index) const {
  return reinterpret_cast<Slot*>(memory_ + layout_.slots_offset)[index];
}

std::span<uint32_t> PayloadEditor::table(uint32_t slot_index) const {
  auto* tables = reinterpret_cast<uint32_t*>(memory_ + layout_.tables_offset);
  return {tables + size_t{slot_index} * geometry_.table_entries(), geometry_.table_entries()};
}

std::byte* PayloadEditor::pool_block(uint32_t pool_block) const {
  return memory_ + layout_.blocks_offset + size_t{pool_block} * kBlockBytes;
}

}  // namespace soundgate::decode
