// XSAVE, XSAVEOPT, XSAVEC, XSAVES, XRSTOR, XRSTORS, XGETBV, XSETBV (SDM 1, chapter 13; SDM 2), and the rows of FXSAVE
// and FXRSTOR (cpu/sse/image.cpp).
//
// Implementation-specific choices, all of which the manual leaves open:
// - XINUSE is exact: a component is in use when it differs from its initial configuration (13.6).
// - The modified optimisation saves nothing: XMODIFIED is always all ones (13.6), so XSAVEOPT and XSAVES write every
//   component that is in use. That is also what keeps them independent of what ran before on another processor.
// - All of an area that is going to be accessed is translated before anything is written.
#include "cpu/fpu/exec.hpp"
#include "cpu/ops/families.hpp"
#include "cpu/sse/exec.hpp"
#include "cpu/sse/image.hpp"
#include "cpu/sse/mxcsr.hpp"
#include "cpu/sse/xsave_layout.hpp"
#include "cpu/system/system.hpp"
#include "mmu/access.hpp"

namespace glassbox {

namespace {

using namespace xsave;
namespace image = sse::image;
using enum Arg;

enum class Format : u8 { standard, optimised, compact, supervisor };

constexpr u32 header_at = legacy_size;

u64 requested(const Cpu& cpu) { return cpu.r32(RAX) | u64{cpu.r32(RDX)} << 32; }

// --- initial configurations (13.6)
// ------------------------------------------------------------------------------------
bool x87_in_use(const FpuState& fpu) {
    if (fpu.control != FpuState::control_after_init || fpu.status != 0 || fpu.top != 0 || fpu.valid != 0) return true;
    if ((fpu.instruction_pointer | fpu.data_pointer) != 0) return true;
    if ((fpu.instruction_selector | fpu.data_selector | fpu.opcode) != 0) return true;
    for (const FpuState::Register& r : fpu.registers) {
        if ((r.significand | r.sign_exponent) != 0) return true;
    }
    return false;
}
template <class Part> bool any_set(const Cpu& cpu, Part part) {
    u64 bits = 0;
    for (unsigned i = 0; i < image::vector_count(cpu); ++i) bits |= part(i).q[0] | part(i).q[1];
    return bits != 0;
}
/// The XINUSE bitmap. MXCSR has no part in it.
u64 in_use(const Cpu& cpu) {
    u64 bits = 0;
    if (x87_in_use(cpu.fpu)) bits |= bit(xsave::x87);
    if (any_set(cpu, [&](unsigned i) -> const Xmm& { return cpu.sse.xmm(i); })) bits |= bit(xsave::sse);
    if (any_set(cpu, [&](unsigned i) -> const Xmm& { return cpu.sse.ymm_high(i); })) bits |= bit(avx);
    if (cpu.pkru != 0) bits |= bit(xsave::pkru);
    return bits;
}

// --- components beyond the legacy region
// --------------------------------------------------------------------------------
constexpr u32 largest_component = 256;
using ComponentBytes = std::array<u8, largest_component>;

/// The bytes that a component takes in this mode: YMM8-YMM15 are left out outside 64-bit mode.
u32 live_size(const Cpu& cpu, const Component& c) { return c.number == avx ? 16 * image::vector_count(cpu) : c.size; }

void store_component(const Cpu& cpu, unsigned number, ComponentBytes& out) {
    out = {};
    if (number == avx) {
        for (unsigned i = 0; i < 16; ++i) std::memcpy(out.data() + 16 * i, cpu.sse.ymm_high(i).q.data(), 16);
    } else if (number == xsave::pkru) {
        std::memcpy(out.data(), &cpu.pkru, sizeof cpu.pkru);
    }
}
/// All zeros are every component's initial configuration.
void load_component(Cpu& cpu, unsigned number, const ComponentBytes& in) {
    if (number == avx) {
        for (unsigned i = 0; i < image::vector_count(cpu); ++i)
            std::memcpy(cpu.sse.ymm_high(i).q.data(), in.data() + 16 * i, 16);
    } else if (number == xsave::pkru) {
        u32 value;
        std::memcpy(&value, in.data(), sizeof value);
        write_pkru(cpu, value);
    }
}

// --- the area
// ---------------------------------------------------------------------------------------------------------
bool available(Cpu& cpu, bool privileged) {
    if ((cpu.cr4 & cr4::OSXSAVE) == 0) return cpu.ud("CR4.OSXSAVE is clear");
    if (privileged && cpu.cpl != 0) return cpu.gp(0, "XSAVES or XRSTORS outside level 0");
    if ((cpu.cr0 & cr0::TS) != 0) return cpu.raise(Exception::NM, "XSAVE or XRSTOR with CR0.TS set");
    return true;
}
bool in_segment(Cpu& cpu, const Op& op, bool write, u32 at, u32 size, u64& linear) {
    const u64 offset = offset_after(cpu, op, effective_offset(cpu, op), at);
    return (write ? locate_write : locate_read)(cpu, op.seg, offset, size, linear);
}
/// Part of the area: segment, alignment of the whole, translation.
bool part_of_area(Cpu& cpu, const Op& op, bool write, u32 at, u32 size, u64& linear) {
    if (!in_segment(cpu, op, write, at, size, linear)) return false;
    if ((linear & 63) != 0) {
        // Components of the standard format lie at multiples of 64; compacted ones need not.
        if (at == 0) return cpu.gp(0, "an XSAVE area is not aligned to 64 bytes");
    }
    return write ? probe_write(cpu, linear, size) : probe_read(cpu, linear, size);
}

template <Format format, bool wide> bool save(Cpu& cpu, const Op& op) {
    constexpr bool compact = format == Format::compact || format == Format::supervisor;
    if (!available(cpu, format == Format::supervisor)) return false;
    const u64 wanted = requested(cpu) & (cpu.xcr0 | (format == Format::supervisor ? cpu.msrs.xss : 0));
    const u64 used = in_use(cpu) & wanted;
    u64 stored = format == Format::standard ? wanted : used;
    if (compact && cpu.sse.mxcsr != SseState::mxcsr_reset) stored |= wanted & bit(xsave::sse);

    u64 area = 0;
    if (!part_of_area(cpu, op, true, 0, extended_at, area)) return false;
    std::array<u64, extended.size()> places{};
    for (unsigned i = 0; i < extended.size(); ++i) {
        const Component& c = extended[i];
        const u32 at = compact ? compacted_offset(wanted, c.number) : c.offset;
        if ((wanted & bit(c.number)) == 0) continue;
        // All of a component must lie within the segment: registers that the mode does not have, and what an
        // optimisation leaves out, too.
        const bool inside =
            in_segment(cpu, op, true, at, c.size, places[i]) &&
            ((stored & bit(c.number)) == 0 || part_of_area(cpu, op, true, at, live_size(cpu, c), places[i]));
        if (!inside) return false;
    }
    std::array<u8, 16> header{};
    if (!image::read(cpu, area + header_at, header)) return false;
    u64 state = 0;
    std::memcpy(&state, header.data(), sizeof state);

    if ((stored & bit(xsave::x87)) != 0 && !image::write_x87(cpu, area, wide)) return false;
    if ((stored & bit(xsave::sse)) != 0 && !image::write_xmm(cpu, area)) return false;
    const u64 with_mxcsr = compact ? stored & bit(xsave::sse) : wanted & (bit(xsave::sse) | bit(avx));
    if (with_mxcsr != 0 && !image::write_mxcsr(cpu, area)) return false;
    for (unsigned i = 0; i < extended.size(); ++i) {
        if ((stored & bit(extended[i].number)) == 0) continue;
        ComponentBytes bytes;
        store_component(cpu, extended[i].number, bytes);
        if (!image::write(cpu, places[i], std::span(bytes).first(live_size(cpu, extended[i])))) return false;
    }
    state = compact ? stored : (state & ~wanted) | used;
    const u64 format_bits = wanted | compacted;
    std::memcpy(header.data(), &state, sizeof state);
    if (compact) std::memcpy(header.data() + 8, &format_bits, sizeof format_bits);
    return image::write(cpu, area + header_at, std::span(header).first(compact ? 16 : 8));
}

// --- XRSTOR, XRSTORS
// --------------------------------------------------------------------------------------------------
struct Header {
    u64 state, format;
    std::array<u64, 6> reserved;
};
static_assert(sizeof(Header) == header_size);

/// 13.8.1 and 13.8.2, 13.12.
bool header_allowed(Cpu& cpu, const Header& h, u64 enabled, bool must_be_compact) {
    u64 reserved = 0;
    if ((h.format & compacted) != 0) {
        if (!cpu.has(Feature::xsavec)) return cpu.gp(0, "the XSAVE area is compacted");
        if ((h.format & ~compacted & ~enabled) != 0) return cpu.gp(0, "XCOMP_BV has a component that is not enabled");
        if ((h.state & ~h.format) != 0 || (h.state & compacted) != 0)
            return cpu.gp(0, "XSTATE_BV has a component that XCOMP_BV lacks");
        for (const u64 word : h.reserved) reserved |= word;
    } else {
        if (must_be_compact) return cpu.gp(0, "XRSTORS of an area that is not compacted");
        if ((h.state & ~enabled) != 0) return cpu.gp(0, "XSTATE_BV has a component that is not enabled");
        reserved = h.format | h.reserved[0];
    }
    return reserved == 0 || cpu.gp(0, "a reserved byte of the XSAVE header is not zero");
}

void restore_x87(Cpu& cpu, bool from_area, std::span<const u8> legacy, bool wide) {
    cpu.fpu = FpuState{};
    cpu.fpu.init();
    if (from_area) cpu.fpu.load_fx(legacy.first(image::xmm_at), wide);
    x87::update_ferr(cpu);
}

template <bool supervisor, bool wide> bool restore(Cpu& cpu, const Op& op) {
    if (!available(cpu, supervisor)) return false;
    const u64 enabled = cpu.xcr0 | (supervisor ? cpu.msrs.xss : 0);
    const u64 wanted = requested(cpu) & enabled;
    std::array<u8, extended_at> area{};
    u64 linear = 0;
    if (!part_of_area(cpu, op, false, 0, extended_at, linear) || !image::read(cpu, linear, area)) return false;
    Header header;
    std::memcpy(&header, area.data() + header_at, sizeof header);
    if (!header_allowed(cpu, header, enabled, supervisor)) return false;
    const bool compact = (header.format & compacted) != 0;
    const std::span<u8, image::size> legacy(area.data(), image::size);

    std::array<ComponentBytes, extended.size()> components{};
    for (unsigned i = 0; i < extended.size(); ++i) {
        const Component& c = extended[i];
        if ((wanted & header.state & bit(c.number)) == 0) continue;
        const u32 at = compact ? compacted_offset(header.format, c.number) : c.offset, size = live_size(cpu, c);
        if (!part_of_area(cpu, op, false, at, size, linear) ||
            !image::read(cpu, linear, std::span(components[i]).first(size)))
            return false;
    }
    const bool xmm_from_area = (header.state & bit(xsave::sse)) != 0;
    if ((wanted & (compact ? bit(xsave::sse) : bit(xsave::sse) | bit(avx))) != 0) {
        const bool initial = compact && !xmm_from_area;
        if (!sse::set_mxcsr(cpu, initial ? SseState::mxcsr_reset : image::mxcsr_of(legacy))) return false;
    }
    if ((wanted & bit(xsave::x87)) != 0) restore_x87(cpu, (header.state & bit(xsave::x87)) != 0, legacy, wide);
    if ((wanted & bit(xsave::sse)) != 0) {
        if (!xmm_from_area) std::memset(legacy.data() + image::xmm_at, 0, image::size - image::xmm_at);
        image::load_xmm(cpu, legacy);
    }
    for (unsigned i = 0; i < extended.size(); ++i) {
        if ((wanted & bit(extended[i].number)) != 0) load_component(cpu, extended[i].number, components[i]);
    }
    return true;
}

// --- XCR0
// -------------------------------------------------------------------------------------------------------------
bool xgetbv(Cpu& cpu, const Op&) {
    if ((cpu.cr4 & cr4::OSXSAVE) == 0) return cpu.ud("CR4.OSXSAVE is clear");
    u64 value = 0;
    if (cpu.r32(RCX) == 0)
        value = cpu.xcr0;
    else if (cpu.r32(RCX) == 1 && cpu.has(Feature::xgetbv1))
        value = cpu.xcr0 & (in_use(cpu) | (cpu.sse.mxcsr != SseState::mxcsr_reset ? bit(xsave::sse) : 0));
    else
        return cpu.gp(0, "no extended control register of that number");
    cpu.set_r32(RAX, static_cast<u32>(value));
    cpu.set_r32(RDX, static_cast<u32>(value >> 32));
    return true;
}
bool xsetbv(Cpu& cpu, const Op&) {
    if ((cpu.cr4 & cr4::OSXSAVE) == 0) return cpu.ud("CR4.OSXSAVE is clear");
    if (cpu.cpl != 0) return cpu.gp(0, "XSETBV outside level 0");
    if (cpu.r32(RCX) != 0) return cpu.gp(0, "no extended control register of that number");
    if (!valid_xcr0(cpu.model->features, requested(cpu))) return cpu.gp(0, "XCR0 cannot have that value");
    const u64 before = std::exchange(cpu.xcr0, requested(cpu));
    tell_control(cpu, ControlKind::xcr, 0, before, cpu.xcr0);
    return true;
}

using sse::info_of, sse::Name, sse::table;

/// Two rows each: without REX.W, and with it, when the x87 pointers are 64 bits wide.
template <ColdFunction narrow, ColdFunction wide, Name name, Name wide_name>
consteval std::array<Row, 2> both_widths(At at, Feature feature) {
    return {cold_row<narrow>(info_of<name>, at.mem().np().w(0), {M}, 0, feature),
            cold_row<wide>(info_of<wide_name>, at.mem().np().w(1), {M}, 0, feature)};
}
template <Format format, Name name, Name wide_name> consteval auto save_rows(At at, Feature feature) {
    return both_widths<save<format, false>, save<format, true>, name, wide_name>(at, feature);
}
template <bool supervisor, Name name, Name wide_name> consteval auto restore_rows(At at, Feature feature) {
    return both_widths<restore<supervisor, false>, restore<supervisor, true>, name, wide_name>(at, feature);
}

constexpr auto rows = table(
    both_widths<image::fxsave<false>, image::fxsave<true>, "fxsave", "fxsave64">(at(0x0FAE).digit(0), Feature::fxsr),
    both_widths<image::fxrstor<false>, image::fxrstor<true>, "fxrstor", "fxrstor64">(at(0x0FAE).digit(1),
                                                                                     Feature::fxsr),
    save_rows<Format::standard, "xsave", "xsave64">(at(0x0FAE).digit(4), Feature::xsave),
    save_rows<Format::optimised, "xsaveopt", "xsaveopt64">(at(0x0FAE).digit(6), Feature::xsaveopt),
    save_rows<Format::compact, "xsavec", "xsavec64">(at(0x0FC7).digit(4), Feature::xsavec),
    save_rows<Format::supervisor, "xsaves", "xsaves64">(at(0x0FC7).digit(5), Feature::xsaves),
    restore_rows<false, "xrstor", "xrstor64">(at(0x0FAE).digit(5), Feature::xsave),
    restore_rows<true, "xrstors", "xrstors64">(at(0x0FC7).digit(3), Feature::xsaves),
    cold_row<xgetbv>(info_of<"xgetbv">, at(0x0F01).digit(2).rm(0).np(), {}, 0, Feature::xsave),
    cold_row<xsetbv>(info_of<"xsetbv">, at(0x0F01).digit(2).rm(1).np(), {}, 0, Feature::xsave));

} // namespace

std::span<const Row> families::xsave() { return rows; }

} // namespace glassbox
