// Memory that nobody has written: DRAM holds anything at power-on. Reading is no offence, or every copy of a structure
// with a hole were one; the want of a value goes with copies (MOV through a register, MOVS, PUSH, POP) and is told
// where it is computed with, compared, or used as an address. What goes through vector or x87 registers is not
// followed.
#include "debugger/lint/impl.hpp"
#include "machine/board.hpp"
#include "machine/machine.hpp"

#include <algorithm>
#include <bit>

namespace glassbox::lint {

namespace {

constexpr unsigned how_far = 32; // instructions that a register is followed for

u64 low_bytes(unsigned n) { return n >= 64 ? ~u64{0} : (u64{1} << n) - 1; }

bool one_of(const Insn& insn, std::initializer_list<const char*> names) {
    return std::any_of(names.begin(), names.end(), [&](const char* n) { return is_named(insn, n); });
}

/// Bytes of register `reg` that the operand is.
u64 part_of(const Operand& operand, unsigned reg) {
    if (operand.kind != OperandKind::reg || operand.number / 8u != reg) return 0;
    return low_bytes(operand.width) << (operand.number % 8u);
}

bool copies(const Insn& insn) { return one_of(insn, {"movs", "push", "pop"}); }
bool vector(const Insn& insn) {
    if (insn.row->at.map == 0 && (insn.opcode & 0xF8) == 0xD8 && insn.encoding == Encoding::legacy) return true;
    for (const Operand& o : insn.operand)
        if (o.kind == OperandKind::mmx || o.kind == OperandKind::xmm || o.kind == OperandKind::ymm) return true;
    return one_of(insn, {"fxsave", "fxrstor", "xsave", "xrstor", "xsaveopt", "xsavec", "xsaves", "xrstors", "fxsave64",
                         "fxrstor64", "xsave64", "xrstor64", "prefetchw", "prefetchnta", "prefetcht0"});
}

} // namespace

Memory::Memory(Machine& machine, bool all_written)
    : machine_(machine), board_(machine.board()), all_written_(all_written),
      pages_(all_written ? 0 : board_.memory.ram().size() / page_size), count_(pages_.size()) {
    board_.memory.add_watcher(*this);
}
Memory::~Memory() { board_.memory.remove_watcher(*this); }

std::optional<u64> Memory::place(u64 phys, bool write) const {
    const PhysAddress at{phys};
    const u8* page = write ? board_.memory.page_for_write(at) : board_.memory.page_for_read(at);
    if (!page) return {};
    const u64 offset = reinterpret_cast<u64>(page) - reinterpret_cast<u64>(board_.memory.ram().data());
    if (offset >= board_.memory.ram().size()) return {};
    return offset + (phys & page_mask);
}

bool Memory::watches(u64 phys_page) const {
    if (all_written_) return false;
    for (const bool write : {false, true})
        if (const auto at = place(phys_page, write); at && count_[*at / page_size] < page_size) return true;
    return false;
}

u64 Memory::missing(u64 offset, unsigned size) const {
    const u64 page = offset / page_size;
    if (all_written_ || count_[page] == page_size) return 0;
    if (!pages_[page]) return low_bytes(size);
    u64 bytes = 0;
    for (unsigned i = 0; i < size; ++i) {
        const u64 at = (offset + i) & page_mask;
        if (!((*pages_[page])[at / 64] >> (at % 64) & 1)) bytes |= u64{1} << i;
    }
    return bytes;
}

void Memory::set(u64 offset, unsigned size, u64 missing_bytes) {
    const u64 page = offset / page_size;
    if (all_written_ || (count_[page] == page_size && missing_bytes == 0)) return;
    if (!pages_[page]) {
        if (count_[page] == page_size) return; // written by a block: not followed any more
        pages_[page] = std::make_unique<Page>();
    }
    for (unsigned i = 0; i < size; ++i) {
        const u64 at = (offset + i) & page_mask;
        u64& word = (*pages_[page])[at / 64];
        const u64 bit = u64{1} << (at % 64);
        const bool was = (word & bit) != 0, is = !(missing_bytes >> i & 1);
        word = is ? word | bit : word & ~bit;
        count_[page] = static_cast<u16>(count_[page] + is - was);
    }
}

void Memory::memory_written(PhysAddress start, u64 size) {
    for (u64 done = 0; done < size && !all_written_;) {
        const u64 part = std::min(size - done, page_size - ((start.value + done) & page_mask));
        if (const auto at = place(start.value + done, true)) {
            if (part == page_size) {
                count_[*at / page_size] = page_size;
                pages_[*at / page_size].reset();
            } else {
                for (u64 i = 0; i < part; i += 32) set(*at + i, static_cast<unsigned>(std::min<u64>(32, part - i)), 0);
            }
        }
        done += part;
    }
}

bool Memory::unwritten(u64 phys, const Insn& insn) const {
    const auto at = place(phys, false);
    if (!at) return false;
    const unsigned size = static_cast<unsigned>(std::min<u64>(insn.length, page_size - (*at & page_mask)));
    return missing(*at, size) == low_bytes(size);
}

/// Told once for a stretch of it.
void Memory::executes(Report& report, Cpu& cpu, u64 linear, u64 phys, const Insn& insn) {
    if (!unwritten(phys, insn)) return;
    if (std::exchange(stretch_end_, linear + insn.length) == linear) return;
    report.warn(cpu, LintKind::uninitialised, linear, "is executed, and nobody has written it since power-on",
                "DRAM data sheets: the contents are undefined at power-on");
}

void Memory::end() { follow_.left = 0; }

void Memory::begin(Cpu& cpu, const MemoryAccess& access, u64 linear, unsigned reg, u64 bytes) {
    follow_ = {&cpu, reg, how_far, bytes, linear, access.linear, access.phys, false};
}

void Memory::before(Report& report, Cpu& cpu, u64 linear, const Insn& insn) {
    if (follow_.left == 0 || follow_.cpu != &cpu) return;
    --follow_.left;
    follow_.stores = false;
    const auto use = [&](const char* how) {
        report.warn(cpu, LintKind::uninitialised, linear,
                    std::string(how) + " what " + text_at(cpu, follow_.load) + " at " + hex(follow_.load, 8) +
                        " has read from " + hex(follow_.from, 8) + ", where nobody has written since power-on",
                    "DRAM data sheets: the contents are undefined at power-on");
        end();
    };
    if (insn.mem && ((insn.base == 8 * follow_.reg) || (!insn.vsib && insn.index == 8 * follow_.reg)) &&
        !one_of(insn, {"nop", "lea"}) && (follow_.bytes & low_bytes(insn.addrsize)) != 0)
        return use("uses as an address");
    u64 read = 0, written = 0;
    const bool sets = one_of(insn, {"mov", "movzx", "movsx", "movsxd", "lea", "pop"}) ||
                      std::string_view(insn.row->info->mnemonic).starts_with("set");
    for (std::size_t i = 0; i < insn.operand.size(); ++i) {
        const u64 part = part_of(insn.operand[i], follow_.reg);
        if (i == 0 && sets)
            written |= part;
        else
            read |= part & follow_.bytes;
    }
    const bool same = insn.operand[0].kind == OperandKind::reg && insn.operand[1].kind == OperandKind::reg &&
                      insn.operand[0].number == insn.operand[1].number;
    if (same && one_of(insn, {"xor", "sub"})) {
        written |= read;
        read = 0;
    }
    if (read != 0) {
        if (is_named(insn, "mov") && insn.operand[0].kind == OperandKind::reg) {
            follow_.reg = insn.operand[0].number / 8u; // the copy goes on, the original is not needed for long
            return;
        }
        if ((is_named(insn, "mov") && insn.operand[0].kind == OperandKind::mem) || is_named(insn, "push")) {
            follow_.stores = true;
            return;
        }
        if (one_of(insn, {"xchg", "bswap", "movzx", "movsx", "movsxd", "lea", "nop"})) return end();
        return use("computes with");
    }
    if (written >= 0xF) written = 0xFF; // 32 bits clear the rest
    follow_.bytes &= ~written;
    if (follow_.bytes == 0) end();
}

void Memory::accessed(Report& report, Cpu& cpu, const MemoryAccess& access) {
    const auto at = place(access.phys, access.write);
    if (!at || all_written_) return;
    const u64 linear = cpu.code_linear(cpu.ip);
    if (access.write) {
        u64 bytes = 0;
        if (copy_.ip == linear) bytes = copy_.bytes & low_bytes(access.size);
        if (follow_.left != 0 && follow_.cpu == &cpu && follow_.stores) bytes = follow_.bytes & low_bytes(access.size);
        copy_ = {};
        return set(*at, access.size, bytes);
    }
    copy_ = {};
    const u64 bytes = missing(*at, access.size);
    if (bytes == 0) return;
    const auto insn = access.system ? std::optional<Insn>() : instruction_at(cpu, linear);
    if (insn &&
        (insn->operand[0].kind == OperandKind::reg && one_of(*insn, {"mov", "movzx", "movsx", "movsxd", "pop"})))
        return begin(cpu, access, linear, insn->operand[0].number / 8u, bytes << (insn->operand[0].number % 8u));
    if (insn && one_of(*insn, {"lods"})) return begin(cpu, access, linear, RAX, bytes);
    if (insn && copies(*insn)) {
        copy_ = {linear, bytes};
        return;
    }
    if (insn && (vector(*insn) || one_of(*insn, {"popa", "popad", "leave", "ret", "retn", "outs"}))) return;
    report.warn(cpu, LintKind::uninitialised, linear,
                "uses " + std::to_string(access.size) + (access.size == 1 ? " byte at " : " bytes at ") +
                    hex(access.linear, 8) + ", of which nobody has written " +
                    (bytes == low_bytes(access.size) ? "any" : std::to_string(std::popcount(bytes))) +
                    " since power-on",
                "DRAM data sheets: the contents are undefined at power-on");
}

} // namespace glassbox::lint
