#include "tests/x86-conformance/host/known_helpers.hpp"

namespace glassbox::conformance::host {

u16 status_of(const Output& out) {
    u16 value = 0;
    std::memcpy(&value, out.after.fx.data() + fx_status, 2);
    return value;
}
void take_exception(Situation& s) {
    s.ours.vector = s.host.vector;
    s.ours.error = s.host.error;
    s.ours.cr2 = s.host.cr2;
    s.ours.after.rip = s.host.after.rip;
    s.ours.after.eflags = (s.ours.after.eflags & ~eflags::RF) | (s.host.after.eflags & eflags::RF);
}

void take_memory(Situation& s) {
    s.ours.changes = s.host.changes;
    s.ours.change = s.host.change;
}

u64 selector_base(u16 selector) {
    return (selector & 4) && selector >> 3 < static_cast<int>(ldt.size()) ? ldt[selector >> 3].base : 0;
}
u64 segment_base(const Input& in, unsigned segment) {
    if (!in.before.code64()) return selector_base(in.before.seg[segment]);
    return segment == FS ? in.before.fs_base : segment == GS ? in.before.gs_base : 0;
}
bool wide_stack(const Input& in) { return !(in.before.seg[SS] & 4) || ldt[in.before.seg[SS] >> 3].big; }
u64 stack_at_distance(const Input& in, u64 distance) {
    const u64 sp = in.before.gpr[RSP] + distance;
    if (in.before.code64()) return sp;
    return static_cast<u32>(segment_base(in, SS) + (wide_stack(in) ? sp : sp & 0xFFFF));
}
u64 stack_top(const Input& in) { return stack_at_distance(in, 0); }
u64 operand_offset(const Situation& s) {
    if (!s.insn || !s.insn->mem) return 0;
    const Insn& insn = *s.insn;
    const auto part = [&](unsigned at) { return at < 8 * zero_gpr ? s.in.before.gpr[at / 8] : 0; };
    u64 offset = part(insn.base) + (part(insn.index) << insn.scale) + static_cast<u64>(i64{insn.disp});
    if (insn.rip_relative) offset = s.in.before.rip + insn.length + static_cast<u64>(i64{insn.disp});
    if (insn.absolute) offset = insn.address;
    return insn.addrsize == 2 ? offset & 0xFFFF : insn.addrsize == 4 ? offset & 0xFFFF'FFFF : offset;
}
u64 operand_linear(const Situation& s) {
    if (!s.insn) return 0;
    const u64 linear = operand_offset(s) + segment_base(s.in, s.insn->segment);
    return s.in.before.code64() ? linear : static_cast<u32>(linear);
}

unsigned vector_operand_size(const Situation& s) {
    if (!s.insn || !s.insn->mem) return 0;
    for (unsigned i = 0; i < s.insn->operand.size(); ++i) {
        const Operand& o = s.insn->operand[i];
        if (o.kind == OperandKind::mem) return o.width == 16 || o.width == 32 ? o.width : 0;
    }
    return 0;
}

bool is_xsave_image(const Situation& s) {
    const std::string_view name = s.row.info->mnemonic;
    return name.starts_with("xsave") || name.starts_with("xrstor");
}
bool is_wide_image(const Situation& s) {
    return is_xsave_image(s) || named(s, "fxsave", "fxrstor", "fxsave64", "fxrstor64");
}

bool wants_alignment(const Situation& s) {
    const std::string_view name = s.row.info->mnemonic;
    const bool aligned_move = name.starts_with("vmova") || name.starts_with("vmovdqa") || name.starts_with("vmovnt");
    if (is_wide_image(s)) return true;
    return s.row.at.encoding == Encoding::legacy ? vector_operand_size(s) == 16 : aligned_move;
}

u16 data_word(const Input& in, u64 linear) {
    static const auto pattern = data_pattern();
    const auto byte = [&](u32 at) {
        u8 value = at < data_size ? pattern[at] : u8{0};
        const u8* bytes = in.bytes.data();
        for (unsigned i = 0; i < in.fills; ++i) {
            if (within(at, in.fill[i].at, in.fill[i].size)) value = bytes[at - in.fill[i].at];
            bytes += in.fill[i].size;
        }
        return value;
    };
    const u32 at = data_offset(linear);
    return static_cast<u16>(byte(at) | byte(at + 1) << 8);
}
void ignore_memory(Situation& s, u64 linear, u32 size) {
    static const auto pattern = data_pattern();
    const u32 start = data_offset(linear);
    if (start == nowhere) return;
    for (Output* out : {&s.host, &s.ours}) {
        if (out->changes > Output::most_changes) return;
        u32 kept = 0;
        for (u32 i = 0; i < out->changes; ++i) {
            Output::Change c = out->change[i];
            u8 bytes[8];
            std::memcpy(bytes, &c.value, 8);
            for (u32 k = 0; k < 8; ++k) {
                if (c.at + k - start < size) bytes[k] = pattern[c.at + k];
            }
            std::memcpy(&c.value, bytes, 8);
            if (std::memcmp(bytes, pattern.data() + c.at, 8) != 0) out->change[kept++] = c;
        }
        out->changes = kept;
    }
}

} // namespace glassbox::conformance::host
