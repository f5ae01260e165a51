// Descriptor tables, gates and task-state segments row by row in the manual's names (SDM 3A 3.4.5, 3.5, 5.8.3, 6.11,
// 6.14.1, 7.2, 7.7).
#pragma once

#include "cpu/state.hpp"
#include "cpu/system/descriptor.hpp"

#include <optional>
#include <string>

namespace glassbox {
class Symbols;
}

namespace glassbox::look {

/// "code, execute/read, accessed", "data, read/write, expand-down", "32-bit TSS (busy)", "64-bit interrupt gate" …:
/// tables 3-1 and 3-2.
std::string descriptor_type(unsigned type, bool system, bool long_mode);
/// What a segment register's hidden part holds, in words.
std::string hidden_part_words(const Cpu& cpu, const Segment& segment, bool system);

/// Where a table lies.
struct DescriptorTable {
    std::string name; ///< "GDT"
    u64 base = 0;
    u32 limit = 0;
    bool local = false;
};
DescriptorTable gdt_of(const Cpu& cpu);
/// Nothing when LDTR is null.
std::optional<DescriptorTable> ldt_of(const Cpu& cpu);

/// The descriptor number `index`, with its upper half where it has one; nothing when it cannot be read.
std::optional<Descriptor> read_table_entry(const Cpu& cpu, const DescriptorTable& table, u32 index);
/// Whether the entry takes the place of two (system descriptors of long mode).
bool is_wide(const Cpu& cpu, const Descriptor& d);

void write_table(const Cpu& cpu, const Symbols* symbols, const DescriptorTable& table, u32 first, u32 count,
                 std::string& out);
void write_descriptor(const Cpu& cpu, const Symbols* symbols, u16 selector, std::string& out);
void write_idt(const Cpu& cpu, const Symbols* symbols, u32 first, u32 count, std::string& out);
void write_ivt(const Cpu& cpu, const Symbols* symbols, u64 base, u32 first, u32 count, std::string& out);
/// The TSS of TR, or another: its layout is `type`'s (SDM 3A table 3-2).
struct TaskState {
    u64 base = 0;
    u32 limit = 0;
    unsigned type = 0;
    u16 selector = 0;
};
void write_tss(const Cpu& cpu, const Symbols* symbols, const TaskState& tss, std::string& out);

/// "#PF page fault", "" above 31.
std::string exception_name(unsigned vector);

} // namespace glassbox::look
