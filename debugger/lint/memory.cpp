// Memory that nobody has written: DRAM holds anything at power-on. Reading is no offence, or every copy of a structure
// with a hole were one; the want of a value goes with copies and is told where it is computed with, compared, or used
// as an address. Here is what happens at an access; what happens between registers is in dataflow.cpp.
#include "debugger/lint/impl.hpp"
#include "machine/board.hpp"
#include "machine/machine.hpp"

#include <algorithm>

namespace glassbox::lint {

namespace {

constexpr unsigned how_far = 48; // instructions that registers are followed for

u64 ones(unsigned bytes) { return bytes >= 8 ? ~u64{0} : (u64{1} << (8 * bytes)) - 1; }

bool one_of(std::string_view name, std::initializer_list<const char*> names) {
    return std::any_of(names.begin(), names.end(), [&](const char* n) { return name == n; });
}

bool is_x87(const Insn& insn) {
    return insn.encoding == Encoding::legacy && insn.map == 0 && (insn.opcode & 0xF8) == 0xD8;
}
bool is_vector(const Insn& insn) {
    return std::any_of(insn.operand.begin(), insn.operand.end(), [](const Operand& o) {
        return o.kind == OperandKind::mmx || o.kind == OperandKind::xmm || o.kind == OperandKind::ymm;
    });
}

/// They take memory as it is, or only hint at it.
bool carries_state(std::string_view name) {
    return one_of(name, {"popa", "popad", "leave", "ret", "retn", "outs", "invlpg", "clflush", "clflushopt", "clwb",
                         "monitor", "nop"}) ||
           name.starts_with("fxsave") || name.starts_with("fxrstor") || name.starts_with("xsave") ||
           name.starts_with("xrstor") || name.starts_with("prefetch");
}

Unwritten shifted(const Unwritten& bits, unsigned bytes) {
    Unwritten out{};
    for (unsigned i = 0; i + bytes < 32; ++i) {
        const u64 byte = bits[i / 8] >> (i % 8 * 8) & 0xFF;
        out[(i + bytes) / 8] |= byte << ((i + bytes) % 8 * 8);
    }
    return out;
}

unsigned bytes_of(const Unwritten& bits) {
    unsigned n = 0;
    for (unsigned i = 0; i < 32; ++i) n += (bits[i / 8] >> (i % 8 * 8) & 0xFF) != 0;
    return n;
}

} // namespace

Memory::Memory(Machine& machine, bool all_written)
    : machine_(machine), board_(machine.board()), written_(machine.board(), all_written),
      shadows_(machine.processors()) {
    board_.memory.add_watcher(*this);
}
Memory::~Memory() { board_.memory.remove_watcher(*this); }

Memory::Shadow& Memory::shadow_of(const Cpu& cpu) {
    for (unsigned i = 0; i < shadows_.size(); ++i)
        if (&machine_.cpu(i) == &cpu) return shadows_[i];
    return shadows_[0];
}

bool Memory::follows() const {
    return std::any_of(shadows_.begin(), shadows_.end(), [](const Shadow& s) { return s.left != 0; });
}

bool Memory::watches(u64 phys_page) const {
    if (written_.all()) return false;
    for (const bool write : {false, true})
        if (const auto at = written_.place(phys_page, write); at && !written_.page_complete(*at)) return true;
    return false;
}

bool Memory::unwritten(u64 phys, const Insn& insn) const {
    const auto at = written_.place(phys, false);
    if (!at) return false;
    const unsigned size = static_cast<unsigned>(std::min<u64>(insn.length, page_size - (*at & page_mask)));
    return bytes_of(written_.missing(*at, size)) == size;
}

/// Told once for a stretch of it.
void Memory::executes(Report& report, Cpu& cpu, u64 linear, u64 phys, const Insn& insn) {
    if (!unwritten(phys, insn)) return;
    if (std::exchange(stretch_end_, linear + insn.length) == linear) return;
    report.warn(cpu, LintKind::uninitialised, linear,
                {"is executed, and nobody has written it since power-on",
                 {},
                 "find the jump that leads here: its target is no code"});
}

/// Where in the operand the access begins: wide ones come in parts, as do those that cross a page.
unsigned Memory::position(const MemoryAccess& access, u64 ip) {
    const bool goes_on = part_.ip == ip && part_.write == access.write && part_.next == access.linear;
    const unsigned at = goes_on ? part_.done : 0;
    part_ = {ip, access.linear + access.size, at + access.size, access.write};
    return at;
}

/// Whether a comparison with what is there comes out unequal whatever the missing bits are: whoever looks for a
/// signature has found that there is none.
bool Memory::decided(const Cpu& cpu, const MemoryAccess& access, const Insn& insn, u64 bits) {
    u64 other = 0;
    const std::string_view name = insn.row->info->mnemonic;
    const Operand& second = insn.operand[0].kind == OperandKind::mem ? insn.operand[1] : insn.operand[0];
    if (name == "scas")
        other = cpu.gpr[RAX];
    else if (second.kind == OperandKind::reg)
        other = access.size == 8   ? cpu.reg<u64>(second.number)
                : access.size == 4 ? cpu.reg<u32>(second.number)
                : access.size == 2 ? cpu.reg<u16>(second.number)
                                   : cpu.reg<u8>(second.number);
    else if (second.kind == OperandKind::imm)
        other = insn.imm;
    else
        return false;
    const u64 known = ~bits & ones(access.size);
    if (name == "test") return (access.value & other & known) != 0 || (other & bits & ones(access.size)) == 0;
    return (name == "cmp" || name == "scas") && ((access.value ^ other) & known) != 0;
}

/// Copies to a register: it is followed.
bool Memory::loads(Cpu& cpu, const MemoryAccess& access, const Insn& insn, unsigned at, const Unwritten& bits) {
    const std::string_view name = insn.row->info->mnemonic;
    const u64 linear = cpu.code_linear(cpu.ip);
    Held* held = nullptr;
    Unwritten in = shifted(bits, at);
    if (is_x87(insn)) {
        if (name != "fld" && name != "fild") return false;
        Shadow& shadow = shadow_of(cpu);
        held = &shadow.x87[(cpu.fpu.top - 1u) & 7u];
        held->width = insn.operand[0].kind == OperandKind::mem ? insn.operand[0].width : insn.operand[1].width;
    } else if (is_vector(insn)) {
        const Operand& to = insn.operand[0];
        const std::string_view move = name.starts_with("v") ? name.substr(1) : name;
        const bool whole =
            (move.starts_with("mov") && !one_of(move, {"movddup", "movsldup", "movshdup"})) || move == "lddqu";
        if ((to.kind != OperandKind::xmm && to.kind != OperandKind::ymm) || !whole) return false;
        held = &shadow_of(cpu).vector[to.number & 15];
        if (move == "movhps" || move == "movhpd") in = shifted(in, 8);
    } else if (one_of(name, {"mov", "movzx", "movsx", "movsxd", "pop", "lods", "xchg"})) {
        Operand to =
            name == "lods" ? Operand{OperandKind::reg, static_cast<u8>(access.size), 8 * RAX} : insn.operand[0];
        if (to.kind != OperandKind::reg && name == "xchg") to = insn.operand[1];
        if (to.kind != OperandKind::reg) return false;
        held = &shadow_of(cpu).general[(to.number / 8u) & 15];
        if (name.starts_with("movs") && (bits[0] >> (8 * access.size - 1) & 1) != 0) in[0] |= ~ones(access.size);
        in[0] = (in[0] & ones(to.width)) << (to.number % 8u * 8);
    } else {
        return false;
    }
    for (unsigned i = 0; i < 4; ++i) held->bits[i] |= in[i];
    held->load = linear;
    held->from = access.linear;
    shadow_of(cpu).left = how_far;
    return true;
}

/// Memory to memory, or masks on memory: what is written next lacks what was read.
bool Memory::passes(Cpu& cpu, const MemoryAccess& access, const Insn& insn, unsigned at, const Unwritten& bits) {
    const std::string_view name = insn.row->info->mnemonic;
    const u64 linear = cpu.code_linear(cpu.ip);
    if (one_of(name, {"movs", "push", "pop", "not"})) {
        if (pending_.ip != linear || !pending_.copied) pending_ = {linear, {}, true};
        const Unwritten in = shifted(bits, at);
        for (unsigned i = 0; i < 4; ++i) pending_.bits[i] |= in[i];
        return true;
    }
    if (!one_of(name, {"and", "or", "xor"}) || insn.operand[0].kind != OperandKind::mem) return false;
    u64 by = insn.imm, unknown = 0;
    if (const Operand& second = insn.operand[1]; second.kind == OperandKind::reg) {
        by = cpu.reg<u64>(second.number & ~7u) >> (second.number % 8u * 8);
        unknown = shadow_of(cpu).general[(second.number / 8u) & 15].bits[0] >> (second.number % 8u * 8);
    }
    u64 left = bits[0];
    if (name == "and") left &= by | unknown;
    if (name == "or") left &= ~by | unknown;
    pending_ = {linear, {left & ones(access.size), 0, 0, 0}, true};
    return true;
}

void Memory::accessed(Report& report, Cpu& cpu, const MemoryAccess& access) {
    if (written_.all()) return;
    const auto at = written_.place(access.phys, access.write);
    if (!at) return;
    const u64 linear = cpu.code_linear(cpu.ip);
    const unsigned done = position(access, linear);
    if (access.write) {
        Unwritten bits{};
        if (pending_.ip == linear) {
            for (unsigned i = 0; i + done < 32; ++i)
                bits[i / 8] |= (pending_.bits[(i + done) / 8] >> ((i + done) % 8 * 8) & 0xFF) << (i % 8 * 8);
        }
        return written_.set(*at, access.size, bits);
    }
    if (pending_.copied && done == 0) pending_ = {}; // the next repetition
    if (access.size > 32) return;
    const Unwritten bits = written_.missing(*at, access.size);
    const unsigned bytes = bytes_of(bits);
    if (bytes == 0) return;
    const auto insn = access.system ? std::optional<Insn>() : instruction_at(cpu, linear);
    if (insn) {
        const std::string_view name = insn->row->info->mnemonic;
        if (loads(cpu, access, *insn, done, bits) || passes(cpu, access, *insn, done, bits)) return;
        if (decided(cpu, access, *insn, bits[0]) || carries_state(name)) return;
        if (is_vector(*insn) || (is_x87(*insn) && one_of(name, {"fldenv", "frstor", "fldcw"}))) return;
        if (insn->operand[0].kind == OperandKind::reg && one_of(name, {"and", "or", "xor"})) return; // masks
        if (name.starts_with("cmov")) return; // it reads whether it moves or not
    }
    report.warn(cpu, LintKind::uninitialised, linear,
                {"uses " + std::to_string(access.size) + (access.size == 1 ? " byte at " : " bytes at ") +
                     capital_hex(access.linear, 8) + ", of which nobody has written " +
                     (bytes == access.size ? "any" : std::to_string(bytes)) + " since power-on",
                 {},
                 {}});
}

} // namespace glassbox::lint
