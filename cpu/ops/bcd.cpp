// AAA, AAS, AAM, AAD, DAA, DAS and SALC (SDM 2). Undefined flags are those of current processors.
#include "cpu/operands.hpp"
#include "cpu/ops/families.hpp"
#include "cpu/system/system.hpp"

namespace glassbox {

namespace {

using namespace eflags;
using enum Arg;

constexpr u32 szp = eflags::SF | eflags::ZF | eflags::PF;
constexpr OpInfo aaa_info{"aaa", eflags::AF | eflags::CF, szp | eflags::OF, eflags::AF},
    aas_info{"aas", eflags::AF | eflags::CF, szp | eflags::OF, eflags::AF},
    daa_info{"daa", szp | eflags::AF | eflags::CF, eflags::OF, eflags::AF | eflags::CF},
    das_info{"das", szp | eflags::AF | eflags::CF, eflags::OF, eflags::AF | eflags::CF},
    aam_info{"aam", szp, eflags::OF | eflags::AF | eflags::CF},
    aad_info{"aad", szp, eflags::OF | eflags::AF | eflags::CF}, salc_info{"salc", 0, 0, eflags::CF};

u8 al(const Cpu& cpu) { return cpu.reg<u8>(8 * RAX); }
void set_al(Cpu& cpu, u8 v) { cpu.set_reg<u8>(8 * RAX, v); }

template <bool add> struct AsciiAdjust {
    static void run(Cpu& cpu, const Op&, Flags& f) {
        const bool adjust = (al(cpu) & 15) > 9 || f.af();
        if (adjust) cpu.set_r16(RAX, static_cast<u16>(add ? cpu.r16(RAX) + 0x106 : cpu.r16(RAX) - 0x106));
        set_al(cpu, al(cpu) & 15);
        f.set_result<u8>(al(cpu));
        f.set_cf_of_af(adjust, false, adjust);
    }
};
template <bool add> struct DecimalAdjust {
    static void run(Cpu& cpu, const Op&, Flags& f) {
        const u8 old = al(cpu);
        const bool old_carry = f.cf();
        const bool low = (old & 15) > 9 || f.af();
        const bool high = old > 0x99 || old_carry;
        bool carry = high;
        u8 r = old;
        if (low) {
            if (!add && old < 6) carry = true; // the borrow of the low digit
            r = static_cast<u8>(add ? r + 6 : r - 6);
        }
        if (high) r = static_cast<u8>(add ? r + 0x60 : r - 0x60);
        set_al(cpu, r);
        f.set_result<u8>(r);
        f.set_cf_of_af(carry, false, low);
    }
};
struct Aam {
    static bool run(Cpu& cpu, const Op& op, Flags& f) {
        const u8 divisor = static_cast<u8>(op.imm);
        if (divisor == 0) return cpu.raise(Exception::DE, "AAM with a divisor of zero");
        const u8 value = al(cpu);
        cpu.set_r16(RAX, static_cast<u16>(((value / divisor) << 8) | (value % divisor)));
        f.logic<u8>(al(cpu));
        return true;
    }
};
// The 8086 adjusts the two halves of AX apart, and DAA and DAS work out both digits' corrections from the AL that they
// find (SingleStepTests/8088; K. Shirriff, "Understanding x86's decimal adjust after addition").
template <bool add> struct AsciiAdjust8086 {
    static void run(Cpu& cpu, const Op&, Flags& f) {
        const bool adjust = (al(cpu) & 15) > 9 || f.af();
        if (adjust) {
            const u8 ah = static_cast<u8>(cpu.reg<u8>(8 * RAX + 1) + (add ? 1 : -1));
            set_al(cpu, static_cast<u8>(al(cpu) + (add ? 6 : -6)));
            cpu.set_reg<u8>(8 * RAX + 1, ah);
        }
        set_al(cpu, al(cpu) & 15);
        f.set_result<u8>(al(cpu));
        f.set_cf_of_af(adjust, false, adjust);
    }
};
template <bool add> struct DecimalAdjust8086 {
    static void run(Cpu& cpu, const Op&, Flags& f) {
        const u8 old = al(cpu);
        const bool low = (old & 15) > 9 || f.af();
        const bool high = f.cf() || old > (f.af() ? 0x9F : 0x99);
        const int by = (low ? 6 : 0) + (high ? 0x60 : 0);
        const u8 r = static_cast<u8>(add ? old + by : old - by);
        set_al(cpu, r);
        f.set_result<u8>(r);
        f.set_cf_of_af(high, false, low);
    }
};
bool aam_8086(Cpu& cpu, const Op& op) {
    const u8 divisor = static_cast<u8>(op.imm);
    if (divisor == 0) {
        cpu.flags.logic<u8>(0); // of the comparison that finds it out: 0 - 0
        return division_error_8086(cpu);
    }
    const u8 value = al(cpu);
    cpu.set_r16(RAX, static_cast<u16>(((value / divisor) << 8) | (value % divisor)));
    cpu.flags.logic<u8>(al(cpu));
    return true;
}
/// The divider of the 80286 leaves SF, ZF and PF of half the dividend when it gives up
/// (SingleStepTests/80286, F6.6 with a divisor of zero).
struct Aam286 {
    static bool run(Cpu& cpu, const Op& op, Flags& f) {
        const u8 half = al(cpu) >> 1;
        if (Aam::run(cpu, op, f)) return true;
        f.set_result<u8>(half);
        return false;
    }
};
struct Aad {
    static void run(Cpu& cpu, const Op& op, Flags& f) {
        const u16 ax = cpu.r16(RAX);
        const u8 r = static_cast<u8>((ax & 0xFF) + (ax >> 8) * static_cast<u8>(op.imm));
        cpu.set_r16(RAX, r);
        f.logic<u8>(r);
    }
};
struct Salc {
    static void run(Cpu& cpu, const Op&, Flags& f) { set_al(cpu, f.cf() ? 0xFF : 0); }
};
template <class Body> Handler select_body(const Insn&, Op&) { return &handler<Body>; }

constexpr Row rows[] = {
    {at(0x27), {}, &daa_info, &select_body<DecimalAdjust<true>>, attr::not_in_64},
    {at(0x2F), {}, &das_info, &select_body<DecimalAdjust<false>>, attr::not_in_64},
    {at(0x37), {}, &aaa_info, &select_body<AsciiAdjust<true>>, attr::not_in_64},
    {at(0x3F), {}, &aas_info, &select_body<AsciiAdjust<false>>, attr::not_in_64},
    {at(0xD4), {Ib}, &aam_info, &select_body<Aam>, attr::not_in_64 | attr::may_fault},
    {at(0xD5), {Ib}, &aad_info, &select_body<Aad>, attr::not_in_64},
    {at(0x27), {}, &daa_info, &select_body<DecimalAdjust8086<true>>, 0, Feature::only_8086},
    {at(0x2F), {}, &das_info, &select_body<DecimalAdjust8086<false>>, 0, Feature::only_8086},
    {at(0x37), {}, &aaa_info, &select_body<AsciiAdjust8086<true>>, 0, Feature::only_8086},
    {at(0x3F), {}, &aas_info, &select_body<AsciiAdjust8086<false>>, 0, Feature::only_8086},
    {at(0xD4), {Ib}, &aam_info, &select_body<Aam286>, attr::may_fault, Feature::only_286},
    cold_end_row<aam_8086>(aam_info, at(0xD4), {Ib}, 0, Feature::only_8086),
    {at(0xD6), {}, &salc_info, &select_body<Salc>, attr::not_in_64 | attr::undocumented},
};

} // namespace

std::span<const Row> families::bcd() { return rows; }

} // namespace glassbox
