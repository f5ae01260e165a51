// What nobody has written, on its way through registers: moves carry it, masks and shifts bit for bit; arithmetic,
// comparisons and addresses are where it is used. Vector instructions that only rearrange or mask are taken to leave
// nothing behind: what they are for shows elsewhere, and a wrong accusation is worse than a missing one.
#include "debugger/lint/impl.hpp"
#include "machine/machine.hpp"

#include <algorithm>
#include <bit>

namespace glassbox::lint {

namespace {

u64 ones(unsigned bytes) { return bytes >= 8 ? ~u64{0} : (u64{1} << (8 * bytes)) - 1; }

bool one_of(std::string_view name, std::initializer_list<const char*> names) {
    return std::any_of(names.begin(), names.end(), [&](const char* n) { return name == n; });
}
bool starts(std::string_view name, std::initializer_list<const char*> names) {
    return std::any_of(names.begin(), names.end(), [&](const char* n) { return name.starts_with(n); });
}

bool is_vector(const Operand& o) { return o.kind == OperandKind::xmm || o.kind == OperandKind::ymm; }

u64 value_of(const Cpu& cpu, const Operand& o) {
    return cpu.reg<u64>(o.number & ~7u) >> (o.number % 8u * 8) & ones(o.width);
}

/// A shift or rotation of bits that are missing. The sign of SAR goes on as it is.
u64 moved(std::string_view name, u64 bits, unsigned count, unsigned width) {
    const unsigned n = 8 * width;
    if (count == 0) return bits;
    if (one_of(name, {"rol", "ror"})) {
        const unsigned left = (name == "rol" ? count : n - count % n) % n;
        return left == 0 ? bits : ((bits << left) | (bits >> (n - left))) & ones(width);
    }
    if (count >= n) return name == "sar" && (bits >> (n - 1) & 1) ? ones(width) : 0;
    if (one_of(name, {"shl", "sal"})) return bits << count & ones(width);
    const u64 sign = name == "sar" && (bits >> (n - 1) & 1) ? ones(width) & ~(ones(width) >> count) : 0;
    return bits >> count | sign;
}

/// Arithmetic: the result depends on every bit.
bool vector_arithmetic(std::string_view name) {
    if (name.starts_with("v")) name.remove_prefix(1);
    return starts(name, {"add",  "sub",  "mul",   "div",   "sqrt",  "max",   "min",    "cvt",   "ucomi", "comi",
                         "padd", "psub", "pmul",  "pmadd", "pavg",  "psad",  "round",  "rcp",   "rsqrt", "dpp",
                         "hadd", "hsub", "phadd", "phsub", "fmadd", "fmsub", "fnmadd", "fnmsub"});
}

} // namespace

void Memory::use(Step& s, Held& held, const char* how) const {
    s.report.warn(s.cpu, LintKind::uninitialised, s.linear,
                  {std::string(how) + " what " + text_at(s.cpu, held.load) + " at " + s.report.called(held.load) +
                       " has read from " + capital_hex(held.from, 8) + ", where nobody has written since power-on",
                   {},
                   {}});
    held = {};
}

bool Memory::addresses(Step& s) const {
    if (!s.insn.mem || s.insn.absolute || s.insn.rip_relative) return false;
    for (unsigned i = 0; i < 2; ++i) {
        if (i == 1 && s.insn.vsib) continue;
        const unsigned reg = (i == 0 ? s.insn.base : s.insn.index) / 8u;
        if (reg > 15) continue;
        Held& held = s.shadow.general[reg];
        if ((held.bits[0] & ones(s.insn.addrsize)) == 0) continue;
        if (s.name == "nop") continue;
        use(s, held, s.name == "lea" ? "computes with" : "uses as an address");
        return true;
    }
    return false;
}

/// Copies between registers, and to memory.
bool Memory::moves(Step& s) {
    const auto& [to, from, third, fourth] = s.insn.operand;
    const auto held = [&](const Operand& o) -> Held& { return s.shadow.general[(o.number / 8u) & 15]; };
    const auto bits = [&](const Operand& o) { return held(o).bits[0] >> (o.number % 8u * 8) & ones(o.width); };
    const auto put = [&](const Operand& o, u64 value, const Held& origin) {
        Held& h = held(o);
        const u64 mask = o.width == 4 ? ~u64{0} : ones(o.width) << (o.number % 8u * 8);
        const u64 next = (h.bits[0] & ~mask) | (value << (o.number % 8u * 8) & mask);
        if (value != 0) h.load = origin.load, h.from = origin.from;
        h.bits[0] = next;
    };
    const bool to_register = to.kind == OperandKind::reg, from_register = from.kind == OperandKind::reg;
    if (one_of(s.name, {"mov", "movzx", "movsx", "movsxd", "movbe", "movnti"})) {
        const Held origin = from_register ? held(from) : Held{};
        u64 value = from_register ? bits(from) : 0;
        if (from_register && s.name.starts_with("movs") && (value >> (8 * from.width - 1) & 1))
            value |= ones(to.width) & ~ones(from.width);
        if (to_register)
            put(to, value & ones(to.width), origin);
        else if (to.kind == OperandKind::mem && from_register)
            pending_ = {s.linear, {value, 0, 0, 0}, false};
        else if (from_register && value != 0) // to a segment, control or debug register
            use(s, held(from), "loads a system register with");
        return true;
    }
    if (s.name == "xchg" && (to_register || from_register)) {
        if (to_register && from_register) {
            const Held a = held(to), b = held(from);
            const u64 first = bits(to), second = bits(from);
            put(to, second, b);
            put(from, first, a);
        } else {
            const Operand& reg = to_register ? to : from;
            pending_ = {s.linear, {bits(reg), 0, 0, 0}, false};
            put(reg, 0, {});
        }
        return true;
    }
    if (s.name == "push" && to_register) {
        pending_ = {s.linear, {bits(to), 0, 0, 0}, false};
        return true;
    }
    if (s.name == "stos") {
        pending_ = {s.linear, {s.shadow.general[RAX].bits[0], 0, 0, 0}, false};
        return true;
    }
    if (s.name == "pop" || s.name == "lea" || s.name.starts_with("set") || s.name == "lods") {
        if (s.name == "lods")
            s.shadow.general[RAX].bits[0] &= ~ones(s.insn.opcode == 0xAC ? 1 : s.insn.opsize);
        else if (to_register)
            put(to, 0, {});
        return true;
    }
    if (s.name.starts_with("cmov") && to_register) {
        if (from_register) put(to, bits(to) | bits(from), bits(from) ? held(from) : held(to));
        return true;
    }
    if (s.name == "bswap" && to_register) {
        const u64 value = bits(to);
        put(to, to.width == 8 ? __builtin_bswap64(value) : __builtin_bswap64(value) >> 32, held(to));
        return true;
    }
    return false;
}

/// Masks and shifts: bit for bit.
bool Memory::combines(Step& s) const {
    const auto& [to, from, third, fourth] = s.insn.operand;
    if (to.kind != OperandKind::reg) return false;
    Held& held = s.shadow.general[(to.number / 8u) & 15];
    const unsigned shift = to.number % 8u * 8;
    const u64 mask = to.width == 4 ? ~u64{0} : ones(to.width) << shift;
    const u64 mine = held.bits[0] >> shift & ones(to.width);
    const auto put = [&](u64 bits) { held.bits[0] = (held.bits[0] & ~mask) | (bits << shift & mask); };
    if (one_of(s.name, {"and", "or", "xor", "test", "sub", "sbb", "cmp"})) {
        const bool same = from.kind == OperandKind::reg && from.number == to.number && from.width == to.width;
        if (same && one_of(s.name, {"xor", "sub", "sbb"})) return put(0), true;
        u64 other = s.insn.imm & ones(to.width), lacks = 0;
        Held* second = nullptr;
        if (from.kind == OperandKind::reg) {
            second = &s.shadow.general[(from.number / 8u) & 15];
            other = value_of(s.cpu, from);
            lacks = second->bits[0] >> (from.number % 8u * 8) & ones(from.width);
        }
        const bool from_memory = from.kind == OperandKind::mem;
        if ((mine | lacks) == 0) return true;
        if (second && mine == 0) held.load = second->load, held.from = second->from;
        const u64 own = value_of(s.cpu, to);
        u64 left = mine | lacks;
        if (s.name == "and" || s.name == "test") left = from_memory ? mine : (mine & (lacks | other)) | (lacks & own);
        if (s.name == "or") left = from_memory ? mine : (mine & (lacks | ~other)) | (lacks & ~own);
        if (one_of(s.name, {"and", "or", "xor"})) return put(left & ones(to.width)), true;
        const u64 known = ~(mine | lacks) & ones(to.width);
        if (s.name == "test" && (left == 0 || (own & other & known) != 0)) return true;
        if (s.name == "cmp" && !from_memory && ((own ^ other) & known) != 0) return true;
        return false; // it is computed with
    }
    if (s.name == "not") return true;
    if (one_of(s.name, {"shl", "sal", "shr", "sar", "rol", "ror"})) {
        const bool by_cl = s.insn.opcode >= 0xD2, by_one = (s.insn.opcode & 0xFE) == 0xD0;
        if (by_cl && (s.shadow.general[RCX].bits[0] & 0xFF) != 0) return false;
        const unsigned count =
            by_one ? 1 : (by_cl ? s.cpu.reg<u8>(8 * RCX) : static_cast<u8>(s.insn.imm)) & (to.width == 8 ? 63u : 31u);
        return put(moved(s.name, mine, count, to.width)), true;
    }
    return false;
}

bool Memory::vectors(Step& s) {
    const auto& [to, from, third, fourth] = s.insn.operand;
    bool any = false;
    for (const Operand& o : s.insn.operand) any |= is_vector(o);
    if (!any) return false;
    const auto held = [&](const Operand& o) -> Held& { return s.shadow.vector[o.number & 15]; };
    const std::string_view move = s.name.starts_with("v") ? s.name.substr(1) : s.name;
    if (move.starts_with("mov") && third.kind == OperandKind::none) {
        if (is_vector(to) && is_vector(from)) {
            held(to) = held(from);
        } else if (to.kind == OperandKind::mem && is_vector(from)) {
            pending_ = {s.linear, held(from).bits, false};
            if (move == "movhps" || move == "movhpd") pending_.bits = {held(from).bits[1], 0, 0, 0};
        } else if (to.kind == OperandKind::reg && is_vector(from)) {
            Held& general = s.shadow.general[(to.number / 8u) & 15];
            general = held(from);
            general.bits = {move.starts_with("movmsk") ? 0 : held(from).bits[0] & ones(to.width), 0, 0, 0};
        } else if (is_vector(to) && from.kind == OperandKind::reg) {
            held(to) = s.shadow.general[(from.number / 8u) & 15];
            held(to).bits[0] &= ones(from.width);
        } else if (is_vector(to)) {
            held(to) = {}; // a load: what it lacks is told behind it
        }
        return true;
    }
    if (vector_arithmetic(s.name)) {
        for (const Operand& o : s.insn.operand) {
            if (!is_vector(o) || !held(o).any()) continue;
            use(s, held(o), "computes with");
            break;
        }
    }
    if (is_vector(to)) held(to) = {};
    return true;
}

bool Memory::floats(Step& s) {
    if (s.insn.encoding != Encoding::legacy || s.insn.map != 0 || (s.insn.opcode & 0xF8) != 0xD8) return false;
    const unsigned top = s.cpu.fpu.top;
    Held& st0 = s.shadow.x87[top & 7u];
    if (s.insn.mem) {
        const unsigned width = std::max(s.insn.operand[0].kind == OperandKind::mem ? s.insn.operand[0].width : u8{0},
                                        s.insn.operand[1].kind == OperandKind::mem ? s.insn.operand[1].width : u8{0});
        if (one_of(s.name, {"fst", "fstp", "fist", "fistp"})) {
            if (st0.any() && width == st0.width) pending_ = {s.linear, st0.bits, false};
            if (st0.any() && width != st0.width) use(s, st0, "converts");
            if (s.name.ends_with("p")) st0 = {};
            return true;
        }
        if (one_of(s.name, {"fld", "fild", "fbld"})) {
            s.shadow.x87[(top - 1u) & 7u] = {};
            return true;
        }
        if (s.name.starts_with("fn") || s.name.starts_with("fld") || s.name == "frstor") return true; // control words
    } else {
        Held& other = s.shadow.x87[(top + (s.insn.modrm & 7u)) & 7u];
        if (s.name == "fxch") return std::swap(st0, other), true;
        if (s.name == "fld") return s.shadow.x87[(top - 1u) & 7u] = other, true;
        if (one_of(s.name, {"fst", "fstp"})) {
            other = st0;
            if (s.name == "fstp") st0 = {};
            return true;
        }
        if (s.name.starts_with("fn") || starts(s.name, {"ffree", "fincstp", "fdecstp", "fxam", "fwait"})) return true;
        if (other.any() && (s.insn.opcode & 7) != 1) return use(s, other, "computes with"), true;
    }
    if (st0.any()) use(s, st0, "computes with");
    return true;
}

/// Everything else uses what it reads and writes something of its own.
void Memory::computes(Step& s) const {
    if (s.name == "out" && s.insn.opcode == 0xE6 && static_cast<u8>(s.insn.imm) == 0x80) return; // a pause, no value
    for (std::size_t i = 0; i < s.insn.operand.size(); ++i) {
        const Operand& o = s.insn.operand[i];
        if (o.kind != OperandKind::reg) continue;
        Held& held = s.shadow.general[(o.number / 8u) & 15];
        if ((held.bits[0] >> (o.number % 8u * 8) & ones(o.width)) != 0)
            return use(s, held, one_of(s.name, {"cmp", "test"}) ? "compares" : "computes with");
    }
    if (starts(s.name, {"mul", "imul", "div", "idiv", "cbw", "cwde", "cdqe", "cwd", "cdq", "cqo", "aa", "da"}))
        if (Held& held = s.shadow.general[RAX]; (held.bits[0] & ones(s.insn.opsize)) != 0)
            use(s, held, "computes with");
}

void Memory::before(Report& report, Cpu& cpu, u64 linear, const Insn& insn) {
    pending_ = {};
    Shadow& shadow = shadow_of(cpu);
    if (shadow.left == 0) return;
    if (--shadow.left == 0) {
        shadow = {};
        return;
    }
    Step step{report, cpu, shadow, linear, insn, insn.row->info->mnemonic};
    if (addresses(step)) return;
    if (!vectors(step) && !floats(step) && !moves(step) && !combines(step)) computes(step);
    const auto any = [](const auto& list) {
        return std::any_of(list.begin(), list.end(), [](const Held& h) { return h.any(); });
    };
    if (!any(shadow.general) && !any(shadow.vector) && !any(shadow.x87)) shadow.left = 0;
}

} // namespace glassbox::lint
