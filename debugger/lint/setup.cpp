// What must be set up around modes, descriptor tables and the edges of memory (SDM 3A 3.4.3, 3.5.1, 6.10, 9.8.5.1,
// 9.9.1, 9.9.2; IBM PC AT Technical Reference, A20).
#include "debugger/lint/impl.hpp"
#include "debugger/view.hpp"
#include "machine/board.hpp"
#include "machine/machine.hpp"
#include "mmu/access.hpp"

#include <algorithm>

namespace glassbox::lint {

namespace {

bool loads_table(const Insn& insn) { return is_named(insn, "lgdt") || is_named(insn, "lidt"); }

bool is_far_jump(const Insn& insn) {
    if (insn.encoding != Encoding::legacy || insn.map != 0) return false;
    if (insn.opcode == 0xEA || insn.opcode == 0x9A || insn.opcode == 0xCB || insn.opcode == 0xCF) return true;
    return insn.opcode == 0xFF && (insn.reg_field() == 3 || insn.reg_field() == 5);
}

/// A short jump comes first in what the 80386's manual shows (10.3), to empty the prefetch queue.
bool is_near_jump(const Insn& insn) {
    return insn.encoding == Encoding::legacy && insn.map == 0 && (insn.opcode == 0xEB || insn.opcode == 0xE9);
}

/// The address of a memory operand, with the registers as they are.
u64 operand_linear(const Cpu& cpu, const Insn& insn) {
    u64 offset = static_cast<u64>(static_cast<i64>(insn.disp));
    if (insn.absolute) offset = insn.address;
    if (insn.rip_relative) offset += cpu.ip + insn.length;
    offset += cpu.reg<u64>(insn.base) + (cpu.reg<u64>(insn.index) << insn.scale);
    if (insn.addrsize == 2) offset = static_cast<u16>(offset);
    if (insn.addrsize == 4) offset = static_cast<u32>(offset);
    return cpu.code64() ? cpu.base64[insn.segment] + offset : static_cast<u32>(cpu.seg[insn.segment].base + offset);
}

std::optional<u64> read_quietly(const Cpu& cpu, u64 linear, unsigned bytes) {
    std::array<u8, 8> raw{};
    if (read_linear_quietly(cpu, linear, {raw.data(), bytes}) != bytes) return {};
    u64 value = 0;
    for (unsigned i = 0; i < bytes; ++i) value |= u64{raw[i]} << (8 * i);
    return value;
}

} // namespace

bool Setup::wants(const Insn& insn) { return loads_table(insn); }

void Setup::before(Report& report, Cpu& cpu, u64 linear, const Insn& insn) {
    if (mode_changed_ == &cpu && !is_near_jump(insn)) {
        mode_changed_ = nullptr;
        if (!is_far_jump(insn)) {
            const bool entered = (cpu.cr0 & cr0::PE) != 0;
            report.warn(cpu, LintKind::mode_switch, linear,
                        {std::string("comes behind the MOV to CR0 at ") + report.called(changed_at_) +
                             (entered ? " that sets PE, and is no far jump: CS is still real mode's"
                                      : " that clears PE, and is no far jump: CS is still protected mode's"),
                         entered ? "SDM 3A 9.9.1, step 4" : "SDM 3A 9.9.2, step 7",
                         {}});
        }
    }
    if (insn.encoding == Encoding::legacy && insn.map == 1 && insn.opcode == 0x22 && insn.reg_number() == 0 &&
        !cpu.paging())
        to_control_ = {linear, insn.length, text_at(cpu, linear)};
    if (!loads_table(insn) || !insn.mem) return;
    const auto limit = read_quietly(cpu, operand_linear(cpu, insn), 2);
    const bool gdt = is_named(insn, "lgdt");
    // An IDT of nothing is how one resets on purpose; real mode's vectors have four bytes each.
    if (!limit || *limit == 0 || (!gdt && cpu.real_mode() && (*limit & 3) == 3) || (*limit & 7) == 7) return;
    report.warn(cpu, LintKind::descriptor_tables, linear,
                {"loads a limit of " + capital_hex(*limit) + "h, which is not 8n - 1: the last descriptor lacks " +
                     std::to_string(7 - (*limit & 7)) + (((*limit & 7) == 6) ? " byte" : " bytes"),
                 gdt ? "SDM 3A 3.5.1" : "SDM 3A 6.10", "load the table's size less one"});
}

void Setup::control_written(Report& report, Cpu& cpu, ControlKind kind, u32 number, u64 before, u64 value) {
    if (kind != ControlKind::cr || number != 0) return;
    const u64 changed = before ^ value, linear = cpu.code_linear(cpu.ip);
    if ((changed & cr0::PE) != 0) {
        mode_changed_ = &cpu;
        changed_at_ = linear;
    }
    if ((changed & value & cr0::PG) == 0) return;
    // Without paging the linear address was the physical one.
    const bool known = to_control_.linear == linear;
    const u64 next = static_cast<u32>(linear + (known ? to_control_.length : 3));
    u64 phys = 0;
    const bool mapped = translate_quietly(cpu, next, phys);
    if (mapped && phys == (next & cpu.memory.a20_mask())) return;
    report.warn(
        cpu, LintKind::mode_switch, linear,
        {"turns paging on, and the next instruction at " + capital_hex(next, 8) + " is " +
             (mapped ? "at physical " + capital_hex(phys, 8) + " by the new tables" : "not mapped by the new tables") +
             ": the processor may go on with what it has prefetched, or not",
         "SDM 3A 9.9.1, step 5: the code must come from an identity-mapped page",
         "map the page of the code that turns paging on to its own address", known ? to_control_.text : ""});
}

/// The selector that an interrupt has pushed must still name code: IRET loads it again.
void Setup::delivered(Report& report, Cpu& cpu, u64 from_ip) {
    if (mode_changed_ == &cpu) mode_changed_ = nullptr; // what follows is a handler
    if (!cpu.protected_mode()) return;
    const unsigned bytes = cpu.code64() ? 8 : (cpu.mode & mode::code32) ? 4 : 2;
    u64 stack = cpu.gpr[RSP];
    if (!cpu.code64()) {
        if (!(cpu.mode & mode::stack32)) stack = static_cast<u16>(stack);
        stack = static_cast<u32>(cpu.seg[SS].base + stack);
    }
    for (unsigned i = 0; i < 2; ++i) { // below an error code, perhaps
        if (read_quietly(cpu, stack + u64{i} * bytes, bytes) != from_ip) continue;
        const auto value = read_quietly(cpu, stack + u64{i + 1} * bytes, bytes);
        const auto flags = read_quietly(cpu, stack + u64{i + 2} * bytes, bytes);
        if (!value || !flags || (*flags >> 17 & 1) != 0) return; // virtual-8086 mode
        const u16 selector = static_cast<u16>(*value);
        if ((selector & 4) != 0) return;
        const auto descriptor = (selector | 7u) <= cpu.gdtr.limit
                                    ? read_quietly(cpu, cpu.gdtr.base + (selector & ~7u), 8)
                                    : std::optional<u64>(0);
        constexpr u64 present_code = 0x98;
        if (!descriptor || (*descriptor >> 40 & present_code) == present_code) return;
        report.warn(cpu, LintKind::descriptor_tables, cpu.code_linear(cpu.ip),
                    {"is entered from code whose CS is " + capital_hex(selector, 4) +
                         "h, and the GDT names no code segment there any more: IRET will not be able to return",
                     "SDM 3A 3.4.3", "behind LGDT load CS by a far JMP, and the other segment registers by MOV"});
        return;
    }
}

bool Setup::answers(u64 phys_page) const {
    const auto& regions = board_.memory.regions();
    return std::any_of(regions.begin(), regions.end(), [&](const auto& r) {
        return r.access != MemoryMap::Access::none && r.size != 0 && phys_page + page_size > r.start &&
               phys_page < r.start + r.size;
    });
}

bool Setup::watches(Report& report, Cpu& cpu, u64 linear_page, u64 phys_page) {
    if (!cpu.memory.a20() && !cpu.real_mode() && !cpu.v86() && !cpu.paging() && (linear_page >> 20 & 1) != 0) {
        const u64 first = std::exchange(wrapped_page_, linear_page);
        if (first != ~u64{0} && first != linear_page)
            report.warn(cpu, LintKind::address_line_20, cpu.code_linear(cpu.ip),
                        {"uses page " + capital_hex(linear_page, 8) + " while A20 is held low: it is page " +
                             capital_hex(linear_page & ~(u64{1} << 20), 8),
                         {},
                         {}});
    }
    return !answers(phys_page);
}

void Setup::accessed(Report& report, Cpu& cpu, const MemoryAccess& access) {
    const u64 page = access.phys & ~page_mask;
    if (!access.device || answers(page)) return;
    if (probed_.size() >= most) probed_.clear();
    const auto [known, first] = probed_.try_emplace(page, access.phys);
    if (!access.write && known->second == access.phys) return; // a look whether there is anything
    if (access.write && first) return;                         // ... which begins with a write, often
    if (known->second == access.phys) return;
    report.warn(cpu, LintKind::unbacked_memory, cpu.code_linear(cpu.ip),
                {(access.write ? "writes " : "reads ") + std::to_string(access.size) +
                     (access.size == 1 ? " byte at physical " : " bytes at physical ") + capital_hex(access.phys, 8) +
                     ", where no chip answers: " + (access.write ? "they are lost" : "the bus floats"),
                 {},
                 {}});
}

} // namespace glassbox::lint
