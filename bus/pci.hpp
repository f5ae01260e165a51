// PCI configuration space (PCI Local Bus 2.2, chapter 6): configuration mechanism 1 at ports CF8h-CFFh, functions with
// type 0 headers, base address registers that map and unmap themselves, and INTx# wires.
#pragma once

#include "bus/archive.hpp"
#include "bus/io_device.hpp"
#include "bus/irq_line.hpp"
#include "bus/memory_map.hpp"
#include "bus/port_bus.hpp"

#include <array>
#include <optional>
#include <string>
#include <vector>

namespace glassbox {

struct PciId {
    u16 vendor, device;
    u32 class_code; ///< class << 16 | subclass << 8 | programming interface
    u8 revision = 0;
    u16 subsystem_vendor = 0x1AF4, subsystem = 0x1100;
    u8 header_type = 0;   ///< 80h: multifunction
    u8 interrupt_pin = 0; ///< 1 = INTA#
};

class PciFunction {
  public:
    PciFunction(std::string name, PciId id, PortBus& ports, MemoryMap& memory);
    virtual ~PciFunction() = default;
    PciFunction(const PciFunction&) = delete;
    PciFunction& operator=(const PciFunction&) = delete;

    const std::string& name() const { return name_; }
    const std::array<u8, 256>& config() const { return config_; }

    /// Configuration accesses of 1, 2 or 4 bytes that do not cross a doubleword.
    virtual u32 config_read(u8 offset, unsigned width) const;
    /// Applies the write masks, re-maps the base address registers, then calls `config_written`.
    void config_write(u8 offset, unsigned width, u32 value);
    /// RST#: back to power-on values, base address registers unmapped.
    virtual void reset();

    void connect_interrupt(IrqLine line) { intx_ = line; }

    enum class BarKind : u8 { io, memory32, memory32_prefetchable };
    /// A base address register (0-5, 6 = expansion ROM) that exists: what it is, and where it decodes now.
    struct BaseAddress {
        BarKind kind;
        u64 size;
        std::optional<u64> address;
    };
    std::optional<BaseAddress> base_address(unsigned index) const {
        const Bar& bar = bars_.at(index);
        if (bar.size == 0) return std::nullopt;
        return BaseAddress{bar.kind, bar.size, bar_address(index)};
    }

    /// Configuration registers, decoded base addresses and nothing else; a device persists its own state besides.
    void persist_config(Archive& archive);

  protected:
    /// Declares BAR `index` (0-5, 6 = expansion ROM) of `size` bytes, a power of two (io: at least 4, memory: at least
    /// 4096, expansion ROM: 2048). Accesses reach `device` with offsets that count from `base_offset`, or `host`
    /// memory.
    void add_bar(unsigned index, BarKind kind, u64 size, IoDevice* device, unsigned max_width, u64 base_offset = 0,
                 u8* host = nullptr, bool writes_dropped = false);
    /// The address a BAR decodes at now, if its space is enabled and it has been programmed.
    std::optional<u64> bar_address(unsigned index) const;

    /// Reset value and guest-writable bits of one register byte.
    void define(u8 offset, u8 reset_value, u8 writable = 0);
    void define16(u8 offset, u16 reset_value, u16 writable = 0);
    void define32(u8 offset, u32 reset_value, u32 writable = 0);
    /// Called after a guest's write to [offset, offset + width).
    virtual void config_written(u8 offset, unsigned width) { (void)offset, (void)width; }
    u16 command() const { return static_cast<u16>(config_[4] | config_[5] << 8); }
    bool bus_master() const { return (command() & 4) != 0; }
    /// Drives INTx#, subject to the command register's disable bit; the status register's bit 3 keeps the level.
    void set_interrupt(bool level);

    std::array<u8, 256> config_{};

  private:
    struct Bar {
        BarKind kind{};
        u64 size = 0; // 0: absent
        IoDevice* device = nullptr;
        u8* host = nullptr;
        unsigned max_width = 4;
        u64 base_offset = 0;
        std::optional<MemoryMap::RegionId> region;
        std::optional<PortBus::MappingId> mapping;
        u64 mapped_at = 0;
    };
    void drive_interrupt();
    void remap();
    void remap(unsigned index, Bar& bar);
    static u8 bar_offset(unsigned index) { return index == 6 ? 0x30 : static_cast<u8>(0x10 + 4 * index); }

    std::string name_;
    PortBus& ports_;
    MemoryMap& memory_;
    std::array<u8, 256> reset_{}, writable_{};
    std::array<Bar, 7> bars_{};
    IrqLine intx_;
};

/// The host bridge's configuration mechanism. Maps itself at CF8h; a chipset that owns CF9h handles it in
/// `reset_control`.
class PciBus : public IoDevice {
  public:
    explicit PciBus(PortBus& ports);
    /// `slot` 0-31, `function` 0-7 on bus 0.
    void attach(unsigned slot, unsigned function, PciFunction& device);
    PciFunction* at(unsigned slot, unsigned function) const { return functions_[slot * 8 + function]; }
    /// Port CF9h, which shares the address register's span; null: reads all ones.
    void set_reset_control(IoDevice* device) { reset_control_ = device; }
    void reset();

    u64 read(u64 offset, unsigned width) override;
    std::optional<u64> peek(u64 offset, unsigned width) const override;
    void write(u64 offset, unsigned width, u64 value) override;
    u32 config_address() const { return address_; } ///< CF8h

    void persist(Archive& archive);

  private:
    PciFunction* selected() const;

    std::array<PciFunction*, 256> functions_{};
    IoDevice* reset_control_ = nullptr;
    u32 address_ = 0;
};

} // namespace glassbox
