// The firmware configuration device of QEMU (QEMU documentation, specs/fw_cfg), through which SeaBIOS learns what the
// machine is: numbered entries and named files, read a byte at a time or by DMA.
//
// Deviations: a DMA transfer that leaves plain memory ends with the error bit, and so does a write to what is
// read-only; the data port cannot write, as in QEMU since version 2.4.
#pragma once

#include "bus/memory_map.hpp"
#include "bus/port_bus.hpp"

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace glassbox {

class FwCfg : public IoDevice {
  public:
    /// DMA descriptors and data are in `memory`.
    explicit FwCfg(MemoryMap& memory);
    void map(PortBus& ports);
    void reset();

    /// A numbered entry; an existing one is replaced. Keys 0, 1 and 19h are the device's own. Bit 15 marks entries of
    /// the architecture.
    void add_bytes(u16 key, std::vector<u8> data);
    void add_u16(u16 key, u16 value) { add_number(key, value, 2); }
    void add_u32(u16 key, u32 value) { add_number(key, value, 4); }
    void add_u64(u16 key, u64 value) { add_number(key, value, 8); }

    /// Called after the guest wrote [offset, offset + size) of a file.
    using Written = std::function<void(std::span<const u8> data, u64 offset, u64 size)>;
    /// A named file (at most 55 characters). Selectors are given in the order of names from 20h on: add all files
    /// before the guest runs.
    void add_file(std::string name, std::vector<u8> data);
    void add_writable_file(std::string name, std::vector<u8> data, Written written);

    u64 read(u64 offset, unsigned width) override;
    std::optional<u64> peek(u64 offset, unsigned width) const override;
    void write(u64 offset, unsigned width, u64 value) override;

    /// The selector, the position, and the contents of writable files.
    void persist(Archive& archive);

  private:
    struct Entry {
        std::vector<u8> data;
        bool writable = false;
        Written written;
    };
    static constexpr u64 dma_offset = 4;

    void add_number(u16 key, u64 value, unsigned bytes);
    void store(std::string name, Entry entry);
    void build_directory();
    const Entry* selected() const;
    Entry* selected() { return const_cast<Entry*>(std::as_const(*this).selected()); }
    void select(u16 key);
    u8 peek_byte() const;
    void transfer();
    bool move(u32 control, u64 address, u64 length);
    bool memory_is_plain(u64 address, u64 length, bool to_guest);

    MemoryMap& memory_;
    std::map<u16, Entry> entries_;
    std::map<std::string, Entry> files_;
    std::vector<Entry*> slots_; // by selector - 20h
    u16 key_ = 0;
    u64 position_ = 0;
    u64 dma_address_ = 0;
};

} // namespace glassbox
