// Masked moves and gathers (SDM 2, VMASKMOV, VPMASKMOV, VGATHER*, VPGATHER*): elements whose mask bit, the sign, is
// clear are not accessed and cannot fault. Alignment is not checked (SDM 2A 2.4.6, 2.4.7, type 6 and 12: no #AC).
// A gather's elements arrive in order from the lowest; each clears its mask, so that after a fault the rest is fetched
// when the instruction is restarted.
#include "cpu/sse/exec.hpp"

namespace glassbox::sse {

namespace {

using enum Arg;
constexpr Feature avx = Feature::avx, avx2 = Feature::avx2;

/// Misaligned ones go byte by byte, which alignment checks let pass.
template <Word T> bool load_element(Cpu& cpu, const Op& op, u64 offset, T& value) {
    u64 linear = 0;
    if (!locate_read(cpu, op.seg, offset, sizeof(T), linear)) return false;
    if ((linear & (sizeof(T) - 1)) == 0) return load<T>(cpu, op, linear, value);
    T whole = 0;
    for (unsigned i = 0; i < sizeof(T); ++i) {
        u8 byte;
        const u64 at = cpu.code64() ? linear + i : static_cast<u32>(linear + i);
        if (!load<u8>(cpu, op, at, byte)) return false;
        whole |= static_cast<T>(T{byte} << (8 * i));
    }
    value = whole;
    return true;
}
template <Word T> bool probe_element(Cpu& cpu, const Op& op, u64 offset, u64& linear) {
    if (!locate_write(cpu, op.seg, offset, sizeof(T), linear)) return false;
    const u64 last = cpu.code64() ? linear + sizeof(T) - 1 : static_cast<u32>(linear + sizeof(T) - 1);
    return probe_write(cpu, linear, 1) && ((linear ^ last) <= page_mask || probe_write(cpu, last, 1));
}
/// `probe_element` said yes.
template <Word T> bool store_element(Cpu& cpu, const Op& op, u64 linear, T value) {
    if ((linear & (sizeof(T) - 1)) == 0) return store<T>(cpu, op, linear, value);
    for (unsigned i = 0; i < sizeof(T); ++i) {
        const u64 at = cpu.code64() ? linear + i : static_cast<u32>(linear + i);
        if (!store<u8>(cpu, op, at, static_cast<u8>(value >> (8 * i)))) return false;
    }
    return true;
}

template <class T, class File> using Elements = std::array<T, File::bytes / sizeof(T)>;
template <class T> bool negative(T value) { return value >> (bits_of<T> - 1) != 0; }

template <Word T, class File> bool masked_load(Cpu& cpu, const Op& op) {
    if (!File::ready(cpu)) return false;
    const auto mask = std::bit_cast<Elements<T, File>>(File::first(cpu, op));
    const u64 offset = effective_offset(cpu, op);
    Elements<T, File> r{};
    for (unsigned i = 0; i < r.size(); ++i) {
        if (negative(mask[i]) && !load_element<T>(cpu, op, offset + i * sizeof(T), r[i])) return false;
    }
    File::set(cpu, op.reg, std::bit_cast<typename File::Value>(r));
    return true;
}
template <Word T, class File> bool masked_store(Cpu& cpu, const Op& op) {
    if (!File::ready(cpu)) return false;
    const auto mask = std::bit_cast<Elements<T, File>>(File::first(cpu, op));
    const auto value = std::bit_cast<Elements<T, File>>(File::get(cpu, op.reg));
    const u64 offset = effective_offset(cpu, op);
    std::array<u64, value.size()> linear{};
    for (unsigned i = 0; i < value.size(); ++i) {
        if (negative(mask[i]) && !probe_element<T>(cpu, op, offset + i * sizeof(T), linear[i])) return false;
    }
    for (unsigned i = 0; i < value.size(); ++i) {
        if (negative(mask[i]) && !store_element<T>(cpu, op, linear[i], value[i])) return false;
    }
    return true;
}

// --- gathers --------------------------------------------------------------------------------------------------------
/// T: the element; I: the index, signed; File: the vector of the longer of the two. Op::index is the number of the
/// vector register of indices.
template <Word T, class I, class File> bool gather(Cpu& cpu, const Op& op) {
    constexpr unsigned count = File::bytes / std::max(sizeof(T), sizeof(I));
    if (!File::ready(cpu)) return false;
    const unsigned destination = op.reg, mask_register = op.imm2;
    auto indices = std::bit_cast<std::array<I, 32 / sizeof(I)>>(cpu.sse.ymm(op.index));
    auto mask = std::bit_cast<std::array<T, 32 / sizeof(T)>>(cpu.sse.ymm(mask_register));
    auto r = std::bit_cast<std::array<T, 32 / sizeof(T)>>(cpu.sse.ymm(destination));
    const u64 address = address_mask(cpu, op), base = cpu.reg<u64>(op.base) + static_cast<u64>(i64{op.disp});
    // All of the mask is extended from its signs at once, so a fault finds it in that form (SDM 2, VPGATHERDD).
    for (T& m : mask) m = negative(m) ? static_cast<T>(~T{0}) : T{0};
    bool ok = true;
    for (unsigned i = 0; i < count && ok; ++i) {
        if (mask[i] == 0) continue;
        const u64 offset = (base + (static_cast<u64>(i64{indices[i]}) << op.scale)) & address;
        ok = load_element<T>(cpu, op, offset, r[i]);
        if (ok) mask[i] = 0;
    }
    for (unsigned i = count; i < r.size(); ++i) r[i] = mask[i] = 0;
    cpu.sse.set_ymm(destination, std::bit_cast<Ymm>(r));
    cpu.sse.set_ymm(mask_register, std::bit_cast<Ymm>(mask));
    return ok;
}

/// No two of destination, mask and indices may be the same, and 16-bit addresses have no SIB byte: #UD.
template <ColdFunction fn> Handler select_gather(const Insn& insn, Op& op) {
    op.reg = static_cast<u8>(insn.reg_number());
    if (insn.addrsize == 2 || insn.index > 15) return nullptr;
    if (op.reg == insn.vvvv || op.reg == insn.index || insn.vvvv == insn.index) return nullptr;
    return &cold<fn>;
}

// --- rows -----------------------------------------------------------------------------------------------------------
template <Name name, class T> consteval auto masked(u32 load, u32 store, int w, Feature feature) {
    const At from = at(load).mem().p66().vex().w(w), to = at(store).mem().p66().vex().w(w);
    return table(cold_row<masked_load<T, V128>>(info_of<name>, from.l(0), {Vx, Hx, Mx}, attributes, feature),
                 cold_row<masked_load<T, V256>>(info_of<name>, from.l(1), {Vx, Hx, Mx}, attributes, feature),
                 cold_row<masked_store<T, V128>>(info_of<name>, to.l(0), {Mx, Hx, Vx}, attributes, feature),
                 cold_row<masked_store<T, V256>>(info_of<name>, to.l(1), {Mx, Hx, Vx}, attributes, feature));
}
template <Name name, class T, class I> consteval auto gathers(u32 opcode) {
    const At place = at(opcode).mem().p66().vex().w(sizeof(T) == 8 ? 1 : 0);
    constexpr Arg memory = sizeof(T) == 8 ? Mvq : Mvd;
    constexpr bool narrow = sizeof(I) > sizeof(T); // the elements fill half a register: always 16 bytes
    return table(row_of(info_of<name>, place.l(0), {Vdq, memory, Hdq}, &select_gather<gather<T, I, V128>>, avx2),
                 row_of(info_of<name>, place.l(1), {narrow ? Vdq : Vqq, memory, narrow ? Hdq : Hqq},
                        &select_gather<gather<T, I, V256>>, avx2));
}

constexpr auto rows = table(
    masked<"vmaskmovps", u32>(0x0F382C, 0x0F382E, 0, avx), masked<"vmaskmovpd", u64>(0x0F382D, 0x0F382F, 0, avx),
    masked<"vpmaskmovd", u32>(0x0F388C, 0x0F388E, 0, avx2), masked<"vpmaskmovq", u64>(0x0F388C, 0x0F388E, 1, avx2),
    gathers<"vpgatherdd", u32, i32>(0x0F3890), gathers<"vpgatherdq", u64, i32>(0x0F3890),
    gathers<"vpgatherqd", u32, i64>(0x0F3891), gathers<"vpgatherqq", u64, i64>(0x0F3891),
    gathers<"vgatherdps", u32, i32>(0x0F3892), gathers<"vgatherdpd", u64, i32>(0x0F3892),
    gathers<"vgatherqps", u32, i64>(0x0F3893), gathers<"vgatherqpd", u64, i64>(0x0F3893));

} // namespace

std::span<const Row> masked_rows() { return rows; }

} // namespace glassbox::sse
