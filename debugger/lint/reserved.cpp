// Reserved bits that are set where no fault tells: control and debug registers (SDM 3A 2.5, 3B 17.2.4), descriptors
// (3A 3.4.5, 3.5, 5.8.3, 6.11), paging entries (3A 4.3).
#include "debugger/lint/impl.hpp"
#include "machine/board.hpp"
#include "mmu/page_walk.hpp"

namespace glassbox::lint {

namespace {

bool within(const TableRegister& table, u64 linear) { return linear - table.base <= table.limit; }
bool within(const Segment& table, u64 linear) { return linear - table.base <= table.limit; }

/// What is wrong with a descriptor, or null.
const char* complaint(const Cpu& cpu, u64 d, bool gate_table) {
    const auto bit = [&](unsigned n) { return (d >> n & 1) != 0; };
    if (!bit(47)) return nullptr; // not present: all but the type is the system's own
    if (!cpu.has(Feature::i386)) return d >> 48 ? "the last word of a descriptor is reserved on the 80286" : nullptr;
    const unsigned type = static_cast<unsigned>(d >> 40 & 15);
    if (bit(44)) {
        const bool code = (type & 8) != 0;
        if (bit(53) && (!code || !cpu.long_mode()))
            return code ? "bit 21 (L) of a code descriptor is reserved outside IA-32e mode"
                        : "bit 21 of a data descriptor is reserved";
        return nullptr;
    }
    const bool is_gate = type == 4 || type == 5 || type == 6 || type == 7 || type == 12 || type == 14 || type == 15;
    if (!is_gate) return bit(53) || bit(54) ? "bits 21 and 22 of an LDT's or a TSS's descriptor are reserved" : nullptr;
    if (type == 5) return nullptr; // a task gate: most of it is
    if (d >> 37 & 7) return "bits 5 to 7 of a gate's second doubleword are reserved";
    if (gate_table && !cpu.long_mode() && (d >> 32 & 0x1F)) return "bits 0 to 4 of an interrupt gate are reserved";
    return nullptr;
}

} // namespace

void ReservedBits::before(Report& report, Cpu& cpu, u64 linear, const Insn& insn) const {
    const u64 raw = cpu.gpr[insn.rm_number()];
    const u64 value = cpu.code64() ? raw : static_cast<u32>(raw);
    const unsigned number = insn.reg_number();
    if (insn.opcode == 0x22 && number == 0) {
        constexpr u64 defined =
            cr0::PE | cr0::MP | cr0::EM | cr0::TS | cr0::ET | cr0::NE | cr0::WP | cr0::AM | cr0::NW | cr0::CD | cr0::PG;
        if (const u64 bits = value & ~(defined | cpu.cr0))
            report.warn(cpu, LintKind::reserved_bits, linear,
                        {"sets reserved bits of CR0: " + capital_hex(bits), "SDM 3A 2.5", {}});
    }
    if (insn.opcode == 0x23 && number == 7) {
        constexpr u64 reserved = 0xD000;
        if (const u64 bits = value & reserved)
            report.warn(cpu, LintKind::reserved_bits, linear,
                        {"sets reserved bits of DR7: " + capital_hex(bits), "SDM 3B 17.2.4", {}});
    }
}

bool ReservedBits::watches(const Cpu& cpu, u64 linear_page) {
    const auto overlaps = [&](u64 base, u64 limit) {
        return linear_page + page_size > base && linear_page <= base + limit;
    };
    if (cpu.real_mode()) return false;
    return overlaps(cpu.gdtr.base, cpu.gdtr.limit) || overlaps(cpu.idtr.base, cpu.idtr.limit) ||
           overlaps(cpu.ldtr.base, cpu.ldtr.limit);
}

void ReservedBits::accessed(Report& report, Cpu& cpu, const MemoryAccess& access) const {
    if (!access.system || access.write || access.size != 8 || cpu.real_mode()) return;
    const bool global = within(cpu.gdtr, access.linear), local = !global && within(cpu.ldtr, access.linear);
    const bool gates = !global && !local && within(cpu.idtr, access.linear);
    if (!global && !local && !gates) return;
    const u64 base = global ? cpu.gdtr.base : local ? cpu.ldtr.base : cpu.idtr.base;
    if (((access.linear - base) & 7) != 0) return;
    if (gates && cpu.long_mode() && ((access.linear - base) & 15) != 0) return; // the upper half of a gate
    const u8 type = static_cast<u8>(access.value >> 40 & 31);
    if (gates && type > 15) return;
    if (const char* why = complaint(cpu, access.value, gates))
        report.warn(cpu, LintKind::reserved_bits, cpu.code_linear(cpu.ip),
                    {std::string(why) + ": " + capital_hex(access.value, 16) + " at " + capital_hex(access.linear, 8),
                     gates ? "SDM 3A 6.11" : "SDM 3A 3.4.5, 3.5, 5.8.3", "write these bits as 0"});
}

void ReservedBits::walked(Report& report, Cpu& cpu, u64 linear_page) {
    if (!cpu.paging() || (cpu.cr4 & cr4::PAE) || cpu.long_mode()) return; // the other modes fault
    PageWalk w;
    w.find(cpu, linear_page);
    if (w.count == 0) return;
    const u64 at = cpu.code_linear(cpu.ip);
    if ((w.entry[0] & pte::large) && !(cpu.cr4 & cr4::PSE))
        report.warn(cpu, LintKind::reserved_bits, at,
                    {"bit 7 (PS) of the page-directory entry at " + capital_hex(w.address[0], 8) +
                         " has no meaning while CR4.PSE is 0",
                     "SDM 3A 4.3, table 4-5", "set CR4.PSE before, or use a page table"});
    if (w.count == 2 && (w.entry[1] & pte::large) && !cpu.has(Feature::pat))
        report.warn(cpu, LintKind::reserved_bits, at,
                    {"bit 7 of the page-table entry at " + capital_hex(w.address[1], 8) +
                         " is reserved on a processor without PAT",
                     "SDM 3A 4.3, table 4-6", "write it as 0"});
}

} // namespace glassbox::lint
