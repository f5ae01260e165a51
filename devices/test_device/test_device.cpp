// The test device of kernel tests; see test_device.hpp.
#include "devices/test_device/test_device.hpp"

namespace glassbox {

namespace {

constexpr u64 ones(unsigned width) { return width >= 8 ? ~u64{0} : (u64{1} << width * 8) - 1; }

} // namespace

TestDevice::TestDevice(const std::function<IrqLine(unsigned irq)>& line) {
    for (unsigned irq = 0; irq < irq_lines; ++irq) lines_.wires[irq] = line(irq);
}

void TestDevice::map(PortBus& ports, MemoryMap& memory) {
    constexpr unsigned widest = 4;
    ports.map("test device latch", {Port{0xE0}, 4}, latch_, widest);
    ports.map("test device flush", {Port{0xE4}, 4}, flush_, widest);
    ports.map("test device byte latch", {Port{0xEB}, 4}, latch_, 1);
    ports.map("test device interrupts", {Port{0x2000}, irq_lines}, lines_, 1);
    MemoryMap::Region region;
    region.name = "test device memory";
    region.start = memory_base;
    region.size = memory_size;
    region.access = MemoryMap::Access::read_write;
    region.device = &memory_;
    region.max_width = 8;
    region.priority = 1;
    memory.add(std::move(region));
}

void TestDevice::reset() {
    latch_.value = 0;
    lines_.levels = 0;
    lines_.drive();
}

std::optional<u64> TestDevice::Latch::peek(u64 offset, unsigned width) const {
    return value >> (offset & 3) * 8 & static_cast<u32>(ones(width));
}

void TestDevice::Latch::write(u64 offset, unsigned width, u64 data) {
    const auto shift = static_cast<unsigned>(offset & 3) * 8;
    const u64 mask = ones(width) << shift;
    value = static_cast<u32>((value & ~mask) | (data << shift & mask));
}

void TestDevice::Lines::write(u64 offset, unsigned, u64 value) {
    if (offset >= irq_lines) return;
    const u32 bit = u32{1} << offset;
    levels = value & 0xFF ? levels | bit : levels & ~bit;
    wires[offset].set(levels & bit);
}

void TestDevice::Lines::drive() {
    for (unsigned irq = 0; irq < irq_lines; ++irq) wires[irq].set(levels >> irq & 1);
}

std::optional<u64> TestDevice::Memory::peek(u64 offset, unsigned width) const {
    u64 value = 0;
    for (unsigned i = 0; i < width && offset + i < memory_size; ++i) value |= u64{bytes[offset + i]} << i * 8;
    return value;
}

void TestDevice::Memory::write(u64 offset, unsigned width, u64 value) {
    for (unsigned i = 0; i < width && offset + i < memory_size; ++i)
        bytes[offset + i] = static_cast<u8>(value >> i * 8);
}

void TestDevice::persist(Archive& archive) {
    archive.chunk("test-device", 1, [&](u32) {
        archive(latch_.value, lines_.levels, memory_.bytes);
        archive.require(lines_.levels >> irq_lines == 0, "test device: interrupt lines that do not exist");
    });
    // The wires' own levels are in the snapshots of what they lead to.
}

} // namespace glassbox
