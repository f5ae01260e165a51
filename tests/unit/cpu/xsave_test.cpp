// XSAVE and its kin against SDM 1, chapter 13: layouts, what is stored and what is not, headers that are refused, and
// who may execute them; FXSAVE64.
#include "ext_fixture.hpp"

#include "cpu/sse/xsave_layout.hpp"

using namespace glassbox;
using namespace glassbox::ext_test;

namespace {

constexpr u32 area = 0x42000, header = area + 512;
constexpr u64 x87 = 1, sse = 2, avx = 4, pkru = 0x200, all = x87 | sse | avx | pkru;

// The operand is [rsi].
constexpr std::initializer_list<u8> save{0x0F, 0xAE, 0x26}, save64{0x48, 0x0F, 0xAE, 0x26}, restore{0x0F, 0xAE, 0x2E},
    restore64{0x48, 0x0F, 0xAE, 0x2E}, saveopt{0x0F, 0xAE, 0x36}, savec{0x0F, 0xC7, 0x26}, saves{0x0F, 0xC7, 0x2E},
    restores{0x0F, 0xC7, 0x1E}, xgetbv{0x0F, 0x01, 0xD0}, xsetbv{0x0F, 0x01, 0xD1}, fxsave{0x0F, 0xAE, 0x06},
    fxsave64{0x48, 0x0F, 0xAE, 0x06}, fxrstor64{0x48, 0x0F, 0xAE, 0x0E};

struct Saver : Guest {
    using Guest::Guest;
    /// Every component differs from its initial configuration.
    void fill() {
        for (unsigned i = 0; i < 16; ++i) {
            cpu.sse.xmm(i).q = {0x1111'0000 + i, 0x2222'0000 + i};
            cpu.sse.ymm_high(i).q = {0x3333'0000 + i, 0x4444'0000 + i};
        }
        for (unsigned i = 0; i < 8; ++i) cpu.fpu.registers[i] = {0x8000'0000'0000'0000 + i, 0x3FFF};
        cpu.fpu.set_control(0x027F);
        cpu.fpu.valid = 0xFF;
        cpu.fpu.top = 2;
        cpu.fpu.status = 0x4100;
        cpu.fpu.opcode = 0x123;
        cpu.fpu.instruction_pointer = 0x1234'5678'9ABC;
        cpu.fpu.data_pointer = 0x4321'8765'CBA9;
        cpu.fpu.instruction_selector = 0x33;
        cpu.fpu.data_selector = 0x2B;
        cpu.sse.mxcsr = 0x3FA0;
        cpu.pkru = 0x5555'0004;
    }
    void clear() {
        cpu.fpu = FpuState{};
        cpu.fpu.init();
        cpu.sse = SseState{};
        cpu.pkru = 0;
    }
    void wipe(u8 with = 0xA5) {
        std::memset(memory.ram().data() + area, with, 0x1000);
        std::memset(memory.ram().data() + header, 0, 64);
    }
    int run(std::initializer_list<u8> bytes, u64 mask, u64 at = area) {
        cpu.gpr[RAX] = static_cast<u32>(mask);
        cpu.gpr[RDX] = mask >> 32;
        cpu.gpr[RSI] = at;
        return step(bytes);
    }
    u64 state_bv() { return get<u64>(header); }
    u64 format_bv() { return get<u64>(header + 8); }
    bool untouched(u32 from, u32 to) {
        for (u32 i = from; i < to; ++i) {
            if (get<u8>(area + i) != 0xA5) return false;
        }
        return true;
    }
    bool filled() {
        Saver other;
        other.fill();
        for (unsigned i = 0; i < 16; ++i) {
            if (cpu.sse.xmm(i).q != other.cpu.sse.xmm(i).q || cpu.sse.ymm_high(i).q != other.cpu.sse.ymm_high(i).q)
                return false;
        }
        for (unsigned i = 0; i < 8; ++i) {
            if (cpu.fpu.registers[i].significand != other.cpu.fpu.registers[i].significand) return false;
        }
        return cpu.fpu.status_word() == other.cpu.fpu.status_word() && cpu.fpu.control == other.cpu.fpu.control &&
               cpu.sse.mxcsr == other.cpu.sse.mxcsr && cpu.pkru == other.cpu.pkru;
    }
    bool initial() {
        for (unsigned i = 0; i < 16; ++i) {
            for (const Xmm& x : {cpu.sse.xmm(i), cpu.sse.ymm_high(i)}) {
                if ((x.q[0] | x.q[1]) != 0) return false;
            }
        }
        for (const auto& r : cpu.fpu.registers) {
            if ((r.significand | r.sign_exponent) != 0) return false;
        }
        return cpu.fpu.control == 0x37F && cpu.fpu.status_word() == 0 && cpu.fpu.valid == 0 &&
               cpu.fpu.instruction_pointer == 0 && cpu.pkru == 0;
    }
};

} // namespace

TEST_CASE("sizes and offsets of the components") {
    FeatureSet set;
    set.add(Feature::xsave);
    CHECK(xsave::supported_xcr0(set) == 3);
    set.add(Feature::avx);
    CHECK(xsave::supported_xcr0(set) == 7);
    set.add(Feature::pku);
    CHECK(xsave::supported_xcr0(set) == 0x207);
    CHECK(xsave::supported_xss(set) == 0);
    CHECK(xsave::standard_size(3) == 576);
    CHECK(xsave::standard_size(7) == 832);
    CHECK(xsave::standard_size(0x207) == 2696);
    CHECK(xsave::compacted_size(3) == 576);
    CHECK(xsave::compacted_size(7) == 832);
    CHECK(xsave::compacted_size(0x203) == 584);
    CHECK(xsave::compacted_size(0x207) == 840);
    CHECK(xsave::compacted_offset(0x207, 9) == 832);
}

TEST_CASE("XSAVE64 writes the standard format, XRSTOR64 reads it back") {
    Saver g;
    g.fill();
    g.wipe();
    g.put<u64>(header, u64{1} << 3); // a bit that is not asked for stays
    CHECK(g.run(save64, all) == none);
    CHECK(g.state_bv() == (all | 8));
    CHECK(g.format_bv() == 0);
    CHECK(g.get<u16>(area) == 0x027F);
    CHECK(g.get<u16>(area + 2) == (0x4100 | 2 << 11));
    CHECK(g.get<u8>(area + 4) == 0xFF);
    CHECK(g.get<u16>(area + 6) == 0x123);
    CHECK(g.get<u64>(area + 8) == 0x1234'5678'9ABC);
    CHECK(g.get<u64>(area + 16) == 0x4321'8765'CBA9);
    CHECK(g.get<u32>(area + 24) == 0x3FA0);
    CHECK(g.get<u32>(area + 28) == 0xFFFF);
    for (u32 i = 0; i < 16; ++i) {
        CHECK(g.get<u64>(area + 160 + 16 * i) == 0x1111'0000 + i);
        CHECK(g.get<u64>(area + 576 + 16 * i + 8) == 0x4444'0000 + i);
    }
    CHECK(g.get<u64>(area + 2688) == 0x5555'0004);
    CHECK(g.untouched(416, 512));
    CHECK(g.untouched(832, 2688));
    CHECK(g.untouched(2696, 2800));
    g.put<u64>(header, all);
    g.clear();
    CHECK(g.run(restore64, all) == none);
    CHECK(g.filled());
    CHECK(g.cpu.fpu.instruction_pointer == 0x1234'5678'9ABC);
    CHECK(g.run(restore64, 0) == none); // nothing asked for, nothing changed
    CHECK(g.filled());
}

TEST_CASE("without REX.W the pointers are selectors and offsets") {
    Saver g;
    g.fill();
    g.wipe();
    CHECK(g.run(save, all) == none);
    CHECK(g.get<u32>(area + 8) == 0x5678'9ABC);
    CHECK(g.get<u16>(area + 12) == 0x33);
    CHECK(g.get<u32>(area + 16) == 0x8765'CBA9);
    CHECK(g.get<u16>(area + 20) == 0x2B);
    g.clear();
    CHECK(g.run(restore, all) == none);
    CHECK(g.cpu.fpu.instruction_pointer == 0x5678'9ABC);
    CHECK(g.cpu.fpu.data_selector == 0x2B);
    g.fill();
    CHECK(g.run(fxsave, 0) == none);
    CHECK(g.get<u16>(area + 12) == 0x33);
    CHECK(g.run(fxsave64, 0) == none);
    CHECK(g.get<u64>(area + 8) == 0x1234'5678'9ABC);
    CHECK(g.get<u64>(area + 160 + 16 * 15) == 0x1111'000F);
    g.clear();
    CHECK(g.run(fxrstor64, 0) == none);
    CHECK(g.cpu.fpu.data_pointer == 0x4321'8765'CBA9);
    CHECK(g.cpu.sse.xmm(15).q[1] == 0x2222'000F);
}

TEST_CASE("FXSAVE with EFER.FFXSR leaves the XMM registers out at level 0") {
    Saver g;
    g.fill();
    g.wipe();
    g.cpu.msrs.efer |= efer::FFXSR;
    CHECK(g.run(fxsave64, 0) == none);
    CHECK(g.untouched(160, 512));
    CHECK(g.get<u32>(area + 24) == 0x3FA0);
}

TEST_CASE("EDX:EAX and XCR0 select components") {
    for (const u64 mask : {u64{0}, x87, sse, avx, pkru, x87 | avx, all | 0xFFFF'0000'0000'F000}) {
        Saver g;
        g.fill();
        g.wipe();
        CHECK(g.run(save64, mask) == none);
        CHECK(g.state_bv() == (mask & all));
        CHECK(g.untouched(0, 24) == !(mask & x87));
        CHECK(g.untouched(24, 32) == !(mask & (sse | avx))); // MXCSR belongs to both
        CHECK(g.untouched(32, 160) == !(mask & x87));
        CHECK(g.untouched(160, 416) == !(mask & sse));
        CHECK(g.untouched(576, 832) == !(mask & avx));
        CHECK(g.untouched(2688, 2696) == !(mask & pkru));
    }
    Saver g;
    g.fill();
    g.wipe();
    g.cpu.xcr0 = 3;
    CHECK(g.run(save64, all) == none);
    CHECK(g.state_bv() == 3);
    CHECK(g.untouched(576, 832));
}

TEST_CASE("the init optimisation: XSTATE_BV tells what is in use; XSAVE writes it all the same, XSAVEOPT not") {
    Saver g;
    g.clear();
    g.wipe();
    CHECK(g.run(save64, all) == none);
    CHECK(g.state_bv() == 0);
    CHECK(!g.untouched(160, 416));
    g.wipe();
    g.put<u64>(header, all);
    CHECK(g.run(saveopt, all) == none);
    CHECK(g.state_bv() == 0);
    CHECK(g.untouched(0, 24));
    CHECK(!g.untouched(24, 32)); // but for MXCSR
    CHECK(g.untouched(32, 512));
    CHECK(g.untouched(576, 2700));
    const auto only = [&](auto change, u64 expected) {
        g.clear();
        change();
        g.wipe();
        CHECK(g.run(saveopt, all) == none);
        CHECK(g.state_bv() == expected);
        g.cpu.gpr[RCX] = 1;
        CHECK(g.step(xgetbv) == none);
        CHECK(g.cpu.gpr[RAX] == expected);
    };
    only([&] { g.cpu.fpu.set_control(0x27F); }, x87);
    only([&] { g.cpu.fpu.registers[5].significand = 1; }, x87);
    only([&] { g.cpu.fpu.opcode = 1; }, x87);
    only([&] { g.cpu.sse.xmm(15).q[1] = 1; }, sse);
    only([&] { g.cpu.sse.ymm_high(3).q[0] = 1; }, avx);
    only([&] { g.cpu.pkru = 4; }, pkru);
}

TEST_CASE("XSAVEC and XSAVES compact; XRSTOR and XRSTORS read that") {
    for (const auto& instruction : {savec, saves}) {
        Saver g;
        g.fill();
        g.wipe();
        g.put<u64>(header, 0xFF00); // not merged
        CHECK(g.run(instruction, all) == none);
        CHECK(g.state_bv() == all);
        CHECK(g.format_bv() == (all | u64{1} << 63));
        CHECK(g.get<u64>(area + 576) == 0x3333'0000);
        CHECK(g.get<u64>(area + 832) == 0x5555'0004);
        g.clear();
        CHECK(g.run(restore, all) == none);
        CHECK(g.filled());
        g.clear();
        CHECK(g.run(restores, all) == none);
        CHECK(g.filled());
        // Without AVX in the format PKRU moves up; what is in its initial configuration keeps its place.
        g.wipe();
        CHECK(g.run(instruction, all & ~avx) == none);
        CHECK(g.get<u64>(area + 576) == 0x5555'0004);
        for (unsigned i = 0; i < 16; ++i) g.cpu.sse.ymm_high(i) = {};
        g.wipe();
        CHECK(g.run(instruction, all) == none);
        CHECK(g.state_bv() == (all & ~avx));
        CHECK(g.untouched(576, 832));
        CHECK(g.get<u64>(area + 832) == 0x5555'0004);
        // MXCSR alone makes the SSE component be saved.
        g.clear();
        g.cpu.sse.mxcsr = 0x1F81;
        g.wipe();
        CHECK(g.run(instruction, all) == none);
        CHECK(g.state_bv() == sse);
        g.clear();
        g.wipe();
        CHECK(g.run(instruction, all) == none);
        CHECK(g.state_bv() == 0);
        CHECK(g.untouched(0, 512)); // MXCSR neither
    }
}

TEST_CASE("XRSTOR initialises what XSTATE_BV leaves out; MXCSR by the format") {
    Saver g;
    g.fill();
    g.wipe(0);
    g.put<u32>(area + 24, 0x1FA0);
    CHECK(g.run(restore, all) == none);
    CHECK(g.initial());
    CHECK(g.cpu.sse.mxcsr == 0x1FA0); // the standard format loads it whenever SSE or AVX is asked for
    g.fill();
    CHECK(g.run(restore, x87 | pkru) == none);
    CHECK(g.cpu.sse.mxcsr == 0x3FA0);
    CHECK(g.cpu.sse.xmm(3).q[0] == 0x1111'0003);
    g.put<u64>(header + 8, all | u64{1} << 63);
    g.fill();
    CHECK(g.run(restore, all) == none);
    CHECK(g.initial());
    CHECK(g.cpu.sse.mxcsr == 0x1F80); // the compacted one initialises it with SSE
    g.fill();
    CHECK(g.run(restore, avx) == none);
    CHECK(g.cpu.sse.mxcsr == 0x3FA0);
    CHECK(g.cpu.sse.ymm_high(9).q[0] == 0);
    CHECK(g.cpu.sse.xmm(9).q[0] != 0);
}

TEST_CASE("headers that XRSTOR and XRSTORS refuse, and MXCSR") {
    const auto tried = [](std::initializer_list<u8> bytes, u64 state, u64 format, unsigned reserved_at = 0) {
        Saver g;
        g.fill();
        g.wipe(0);
        g.put<u64>(header, state);
        g.put<u64>(header + 8, format);
        if (reserved_at) g.put<u8>(header + reserved_at, 1);
        const int vector = g.run(bytes, all);
        if (vector != none) CHECK(g.filled()); // nothing has changed
        return vector;
    };
    constexpr u64 compact = u64{1} << 63;
    CHECK(tried(restore, all, 0) == none);
    CHECK(tried(restore, 8, 0) == GP); // not in XCR0
    CHECK(tried(restore, u64{1} << 62, 0) == GP);
    CHECK(tried(restore, 0, 1) == GP);       // XCOMP_BV without bit 63
    CHECK(tried(restore, 0, 0, 16) == GP);   // bytes 23-16
    CHECK(tried(restore, 0, 0, 24) == none); // not checked
    CHECK(tried(restore, all, all | compact) == none);
    CHECK(tried(restore, sse, x87 | compact) == GP); // XSTATE_BV beyond XCOMP_BV
    CHECK(tried(restore, compact, all | compact) == GP);
    CHECK(tried(restore, 0, 8 | compact) == GP);
    CHECK(tried(restore, 0, all | compact, 16) == GP);
    CHECK(tried(restore, 0, all | compact, 63) == GP);
    CHECK(tried(restores, all, 0) == GP); // must be compacted
    CHECK(tried(restores, all, all | compact) == none);
    CHECK(tried(restores, all, all | compact, 40) == GP);
    Saver g;
    g.wipe(0);
    g.put<u32>(area + 24, 0x1'0000);
    CHECK(g.run(restore, sse) == GP);
    CHECK(g.run(restore, avx) == GP);
    CHECK(g.run(restore, x87) == none);
    Saver plain({Feature::xsavec});
    plain.wipe(0);
    plain.put<u64>(header + 8, compact);
    CHECK(plain.run(restore, all) == GP);
    CHECK(plain.run(savec, all) == UD);
}

TEST_CASE("when they may run") {
    for (const auto& bytes : {save, save64, restore, saveopt, savec, saves, restores}) {
        const bool compact = std::data(bytes) == std::data(restores);
        Saver g;
        g.wipe(0);
        if (compact) g.put<u64>(header + 8, u64{1} << 63);
        CHECK(g.run(bytes, all) == none);
        CHECK(g.run(bytes, all, area + 32) == GP); // alignment
        g.cpu.cr0 |= cr0::TS;
        CHECK(g.run(bytes, all) == NM);
        g.cpu.cr4 &= ~cr4::OSXSAVE;
        CHECK(g.run(bytes, all) == UD);
        g.cpu.cr0 &= ~cr0::TS;
        g.cpu.cr4 |= cr4::OSXSAVE;
        CHECK(g.run(bytes, all, 0x0000'8000'0000'0000) == GP); // not canonical
        CHECK(g.run(bytes, all, 0x4000'0000) == page_fault);
        Bytes locked{0xF0};
        locked.insert(locked.end(), bytes.begin(), bytes.end());
        CHECK(g.step(locked) == UD);
        g.level64(3);
        g.cpu.cr3 = system_test::pml4;
        const bool supervisor = *(std::end(bytes) - 2) == 0xC7 && *(std::end(bytes) - 1) != 0x26;
        CHECK(g.run(bytes, all) == (supervisor ? GP : none));
    }
}

TEST_CASE("XGETBV and XSETBV") {
    Saver g;
    g.cpu.gpr[RCX] = 0;
    CHECK(g.step(xgetbv) == none);
    CHECK(g.cpu.gpr[RAX] == 0x207);
    CHECK(g.cpu.gpr[RDX] == 0);
    const auto set = [&](u64 value) { return g.run(xsetbv, value); };
    for (u64 value = 0; value < 16; ++value) {
        const bool valid = (value & 1) && !((value & 4) && !(value & 2)) && value < 8;
        CHECK(set(value) == (valid ? none : GP));
        if (valid) CHECK(g.cpu.xcr0 == value);
    }
    CHECK(set(0x201) == none);
    CHECK(set(0x401) == GP);
    CHECK(set(u64{1} << 32 | 1) == GP);
    CHECK(g.cpu.xcr0 == 0x201);
    g.cpu.gpr[RCX] = 1;
    CHECK(g.step(xsetbv) == GP);
    g.cpu.gpr[RCX] = 2;
    CHECK(g.step(xgetbv) == GP);
    g.cpu.gpr[RCX] = 0;
    g.level64(3);
    CHECK(g.step(xgetbv) == none);
    CHECK(set(3) == GP);
    g.level64(0);
    g.cpu.cr4 &= ~cr4::OSXSAVE;
    CHECK(g.step(xgetbv) == UD);
    CHECK(set(3) == UD);
    Saver small({Feature::avx, Feature::pku, Feature::xgetbv1});
    CHECK(small.run(xsetbv, 7) == GP);
    CHECK(small.run(xsetbv, 0x203) == GP);
    CHECK(small.run(xsetbv, 3) == none);
    small.cpu.gpr[RCX] = 1;
    CHECK(small.step(xgetbv) == GP);
}

TEST_CASE("outside 64-bit mode the upper eight registers are left alone") {
    Saver g;
    g.fill();
    g.wipe();
    g.compatible(0);
    CHECK(g.run(save, all) == none);
    CHECK(g.untouched(160 + 128, 512));
    CHECK(!g.untouched(576, 576 + 128));
    CHECK(g.untouched(576 + 128, 832));
    g.wipe(0);
    g.compatible(0);
    CHECK(g.run(restore, all) == none);
    CHECK(g.cpu.sse.xmm(7).q[0] == 0);
    CHECK(g.cpu.sse.xmm(8).q[0] == 0x1111'0008);
    CHECK(g.cpu.sse.ymm_high(7).q[0] == 0);
    CHECK(g.cpu.sse.ymm_high(8).q[0] == 0x3333'0008);
    g.compatible(0);
    CHECK(g.run(saveopt, all) == none);
    CHECK((g.state_bv() & (sse | avx)) == 0); // 0 to 7 are initial
}

TEST_CASE("an area across a page that is not there faults before anything is written") {
    Saver g;
    g.fill();
    // 2 MiB are mapped: the area's header is within, its AVX part without.
    const u64 edge = 0x20'0000 - 576;
    CHECK(g.run(save64, all, edge) == page_fault);
    CHECK(g.run(save64, x87 | sse, edge) == none);
}
