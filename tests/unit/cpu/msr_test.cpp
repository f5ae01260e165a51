// MSRs of 64-bit processors, register by register; those of the 32-bit ones are in system_control_test.cpp.
#include "cpu/sse/image.hpp"
#include "system_fixture.hpp"

using namespace glassbox;
using namespace glassbox::system_test;

namespace {

constexpr u64 non_canonical = 0xAAAA'AAAA'AAAA'AAAA, canonical_address = 0xFFFF'8000'1234'5000;

struct Msr {
    Machine m;
    explicit Msr(std::string_view model = "max") : m(model) {}
    /// #GP(0) on writing.
    bool refuses(u32 index, u64 value) { return !write_msr(m.cpu, index, value) && m.faulted(Exception::GP, 0); }
    bool takes(u32 index, u64 value) { return write_msr(m.cpu, index, value) && get(index) == value; }
    u64 get(u32 index) {
        u64 value = 0;
        REQUIRE(read_msr(m.cpu, index, value));
        return value;
    }
    bool unreadable(u32 index) {
        u64 value = 0;
        return !read_msr(m.cpu, index, value) && m.faulted(Exception::GP, 0);
    }
    bool absent(u32 index) { return unreadable(index) && refuses(index, 0); }
};

} // namespace

TEST_CASE("EFER") {
    Msr t;
    CHECK(t.takes(0xC000'0080, efer::SCE | efer::NXE));
    CHECK(t.takes(0xC000'0080, efer::LME));
    CHECK(t.refuses(0xC000'0080, efer::SVME));
    CHECK(t.refuses(0xC000'0080, 2));
    CHECK(t.refuses(0xC000'0080, u64{1} << 63));
    CHECK(write_msr(t.m.cpu, 0xC000'0080, efer::LMA)); // Intel's ignore it
    CHECK(t.get(0xC000'0080) == 0);
    t.m.cpu.cr0 |= cr0::PG;
    CHECK(t.refuses(0xC000'0080, efer::LME));
    CHECK(t.takes(0xC000'0080, efer::SCE));
    t.m.cpu.cr0 &= ~cr0::PG;
    CHECK(write_msr(t.m.cpu, 0x1A0, u64{1} << 34));
    CHECK(t.refuses(0xC000'0080, efer::NXE)); // NX is disabled
    Msr amd("phenom");
    CHECK(amd.refuses(0xC000'0080, efer::LMA));
    CHECK(amd.takes(0xC000'0080, efer::FFXSR | efer::LME | efer::NXE));
    CHECK(Msr("pentium4").absent(0xC000'0080));
    // LMA stays what it is.
    t.m.cpu.msrs.efer = efer::LME | efer::LMA;
    t.m.cpu.cr0 |= cr0::PG;
    CHECK(write_msr(t.m.cpu, 0xC000'0080, efer::LME | efer::SCE));
    CHECK(t.get(0xC000'0080) == (efer::LME | efer::LMA | efer::SCE));
}

TEST_CASE("EFER.FFXSR: FXSAVE and FXRSTOR leave the XMM registers alone in 64-bit mode at level 0") {
    Machine m("phenom");
    constexpr u32 image = 0x7000, xmm0 = image + 160;
    m.cpu.cr4 |= cr4::OSFXSR;
    m.cpu.mode |= mode::long64;
    const Op op = Machine::memory_op(image);
    for (const bool fast : {false, true}) {
        m.cpu.msrs.efer = fast ? efer::FFXSR : 0;
        m.put<u64>(xmm0, 0xEEEE);
        m.put<u32>(image + 24, 0);
        REQUIRE(sse::image::fxsave<true>(m.cpu, op));
        CHECK(m.get<u64>(xmm0) == (fast ? 0xEEEE : 0));
        CHECK(m.get<u32>(image + 24) == 0x1F80); // MXCSR
        m.put<u64>(xmm0, 0xDDDD);
        REQUIRE(sse::image::fxrstor<true>(m.cpu, op));
        CHECK(m.cpu.sse.xmm(0).q[0] == (fast ? 0 : 0xDDDD));
        m.cpu.sse = {};
    }
    m.cpu.cpl = 3; // an application's are saved whole
    m.put<u64>(xmm0, 0xEEEE);
    REQUIRE(sse::image::fxsave<true>(m.cpu, op));
    CHECK(m.get<u64>(xmm0) == 0);
}

TEST_CASE("addresses must be canonical") {
    Msr t("haswell");
    for (const u32 index : {0xC000'0082u, 0xC000'0083u, 0xC000'0100u, 0xC000'0101u, 0xC000'0102u, 0x175u, 0x176u}) {
        CAPTURE(index);
        CHECK(t.takes(index, canonical_address));
        CHECK(t.takes(index, 0x7FFF'FFFF'FFFF));
        CHECK(t.refuses(index, non_canonical));
        CHECK(t.refuses(index, u64{1} << 47));
        CHECK(t.get(index) == 0x7FFF'FFFF'FFFF);
    }
    CHECK(t.m.cpu.seg[FS].base == 0x7FFF'FFFF'FFFF);
    CHECK(t.m.cpu.base64[GS] == 0x7FFF'FFFF'FFFF);
    CHECK(t.m.cpu.msrs.kernel_gs_base == 0x7FFF'FFFF'FFFF);
    Msr wide; // with 57 bits, whether CR4.LA57 is set or not
    CHECK(wide.takes(0xC000'0082, u64{1} << 55));
    CHECK(wide.refuses(0xC000'0082, u64{1} << 56));
    CHECK(Msr("pentium4").absent(0xC000'0100));
}

TEST_CASE("STAR, FMASK, TSC_AUX, SYSENTER_CS") {
    Msr t;
    CHECK(t.takes(0xC000'0081, 0x0023'0010'DEAD'BEEF));
    CHECK(t.takes(0xC000'0084, 0xFFFF'FFFF));
    CHECK(t.refuses(0xC000'0084, u64{1} << 32));
    CHECK(t.takes(0xC000'0103, 7));
    CHECK(t.refuses(0xC000'0103, u64{1} << 32));
    CHECK(t.takes(0x174, 0x1234));
    CHECK(Msr("core2").absent(0xC000'0103)); // RDTSCP came with Nehalem
}

TEST_CASE("the time-stamp counter and its adjustment") {
    Msr t;
    CHECK(t.get(0x3B) == 0);
    const u64 now = t.m.cpu.tsc();
    CHECK(write_msr(t.m.cpu, 0x10, now + 1000));
    CHECK(t.m.cpu.tsc() == now + 1000);
    CHECK(t.get(0x3B) == 1000);
    CHECK(t.takes(0x3B, 300));
    CHECK(t.m.cpu.tsc() == now + 300);
    CHECK(t.get(0x10) == now + 300);
    CHECK(Msr("nehalem").absent(0x3B));
}

TEST_CASE("XSS has no component to enable") {
    Msr t;
    CHECK(t.takes(0xDA0, 0));
    CHECK(t.refuses(0xDA0, 1));
    CHECK(t.refuses(0xDA0, 0x100));
    CHECK(Msr("haswell").absent(0xDA0));
}

TEST_CASE("speculation: max says that there is none; controls exist where the feature does") {
    Msr t;
    CHECK(t.get(0x10A) == 0x0D10'E179);
    CHECK(t.refuses(0x10A, 0));
    CHECK(t.absent(0x48));
    CHECK(t.absent(0x49));
    CHECK(t.absent(0x10B));
    const CpuModel model = *parse_cpu_model("max,+spec_ctrl,+ssbd,+flush_l1d");
    t.m.cpu.model = &model;
    CHECK(t.takes(0x48, 5));
    CHECK(t.refuses(0x48, 2)); // STIBP
    CHECK(write_msr(t.m.cpu, 0x49, 1));
    CHECK(t.refuses(0x49, 2));
    CHECK(t.unreadable(0x49));
    CHECK(write_msr(t.m.cpu, 0x10B, 1));
    CHECK(t.refuses(0x10B, 2));
}

TEST_CASE("MTRRs have the model's address lines") {
    Msr t, core2("core2");
    CHECK(t.takes(0x200, (u64{1} << 45) | 6));
    CHECK(t.refuses(0x200, u64{1} << 46));
    CHECK(core2.takes(0x201, 0xF'8000'0800));
    CHECK(core2.refuses(0x201, 0x10'0000'0800));
    CHECK(t.get(0xFE) == 0x508);
    CHECK(t.takes(0x2FF, 0xC06));
    CHECK(t.refuses(0x2FF, 2));
    CHECK(t.takes(0x277, 0x0707'0707));
    CHECK(t.refuses(0x277, 3));
}

TEST_CASE("machine check, as 64-bit processors have it") {
    Msr t;
    CHECK(t.get(0x179) == 0x105);
    CHECK(t.refuses(0x179, 0));
    for (u32 bank = 0; bank < 5; ++bank) {
        CHECK(t.takes(0x400 + 4 * bank, ~u64{0}));
        CHECK(t.takes(0x400 + 4 * bank, 0));
        CHECK(t.refuses(0x400 + 4 * bank, non_canonical));
        CHECK(t.takes(0x401 + 4 * bank, 0));
        CHECK(t.refuses(0x401 + 4 * bank, non_canonical));
        CHECK(t.takes(0x402 + 4 * bank, non_canonical));
    }
    CHECK(t.takes(0x410, ~u64{1 << 10})); // Linux's workaround
    CHECK(t.absent(0x414));
    CHECK(t.takes(0x17A, 5));
    CHECK(t.refuses(0x17A, 8));
}

TEST_CASE("what drivers read on Intel's") {
    Msr t("skylake");
    CHECK(t.takes(0x1A0, 0x4'00C5'1889));
    CHECK(t.get(0x8B) == u64{0xF0} << 32);
    CHECK(write_msr(t.m.cpu, 0x8B, 0));
    CHECK(t.get(0x8B) == u64{0xF0} << 32);
    CHECK(t.get(0x17) == 0);
    CHECK((t.get(0xCE) >> 8 & 0xFF) == 5); // 500 MHz
    CHECK(t.refuses(0xCE, 0));
    CHECK((t.get(0x198) >> 8 & 0xFF) == 5);
    CHECK(t.get(0x34) == 0);
    CHECK(write_msr(t.m.cpu, 0x79, 0x1234));
    CHECK(t.takes(0xC1, 99));
    CHECK(t.takes(0x1D9, 1));
    CHECK(t.refuses(0x1D9, 4));
    for (const u32 index : {0xE7u, 0x345u, 0x38Fu, 0x480u, 0x606u, 0xC001'0015u, 0x4000'0000u, 0xFFFF'FFFFu})
        CHECK(t.absent(index));
    CHECK(Msr("core2").absent(0xCE));
}

TEST_CASE("AMD's configuration registers") {
    Msr t("zen");
    for (const u32 index : {0xC001'0010u, 0xC001'0015u, 0xC001'001Au, 0xC001'001Fu, 0xC001'1029u, 0xC001'0113u})
        CHECK(t.takes(index, 0x1234'5000));
    reset_state(t.m.cpu);
    CHECK(t.get(0xC001'0015) == 1 << 24);
    CHECK(t.get(0xC001'0111) == 0x3'0000);
    CHECK(t.get(0xC001'0114) == 0x18);
    CHECK(write_msr(t.m.cpu, 0xC001'0114, 0));
    CHECK(t.get(0xC001'0114) == 0x18);
    CHECK(t.get(0xC001'0030) == 0x657A'7952'2044'4D41); // "AMD Ryze"
    CHECK(t.takes(0xC001'0004, 5));
    t.m.cpu.set_r32(RCX, 0);
    REQUIRE(control::rdpmc(t.m.cpu, Machine::op()));
    CHECK(t.m.cpu.r32(RAX) == 5);
    t.m.cpu.set_r32(RCX, 4);
    CHECK_FALSE(control::rdpmc(t.m.cpu, Machine::op()));
    CHECK(t.get(0xC001'0061) == 0);
    CHECK(t.get(0x8B) == 0x0800'1138);
    CHECK(t.refuses(0xC001'0010, u64{1} << 32));
    for (const u32 index : {0x17u, 0x1A0u, 0xCEu, 0xC001'0117u, 0xC001'0140u}) CHECK(t.absent(index));
    Msr intel;
    CHECK(intel.absent(0xC001'0015));
    CHECK(Msr("k8").get(0xC001'0015) == 0);
}

namespace {
/// An x2APIC and a deadline that remember.
struct Apic final : InterruptPort {
    u64 registers[0x100] = {}, deadline = 0;
    unsigned tsc_changes = 0;
    u8 acknowledge() override { return 0; }
    bool apic_enabled() const override { return true; }
    bool read_x2apic(u32 msr, u64& value) override {
        value = registers[msr - 0x800];
        return msr != 0x80B;
    }
    bool write_x2apic(u32 msr, u64 value) override {
        registers[msr - 0x800] = value;
        return msr != 0x802;
    }
    u64 tsc_deadline() const override { return deadline; }
    void set_tsc_deadline(u64 value) override { deadline = value; }
    void tsc_changed() override { ++tsc_changes; }
};
} // namespace

TEST_CASE("the local APIC's registers") {
    MemoryMap memory{1 << 16};
    PortBus ports;
    Scheduler scheduler;
    Apic apic;
    const auto cpu = std::make_unique<Cpu>(memory, ports, scheduler, apic, *find_cpu_model("max"));
    u64 value = 0;
    CHECK(write_msr(*cpu, 0x808, 0x20));
    CHECK(read_msr(*cpu, 0x808, value));
    CHECK(value == 0x20);
    CHECK(write_msr(*cpu, 0x8FF, 1));
    CHECK_FALSE(read_msr(*cpu, 0x80B, value));
    CHECK_FALSE(write_msr(*cpu, 0x802, 0));
    CHECK(write_msr(*cpu, 0x6E0, 12345));
    CHECK(apic.deadline == 12345);
    CHECK(read_msr(*cpu, 0x6E0, value));
    CHECK(value == 12345);
    const unsigned before = apic.tsc_changes;
    CHECK(write_msr(*cpu, 0x10, 0));
    CHECK(write_msr(*cpu, 0x3B, 0));
    CHECK(apic.tsc_changes == before + 2);
    cpu->model = find_cpu_model("nehalem");
    CHECK_FALSE(write_msr(*cpu, 0x808, 0x20));
    CHECK_FALSE(read_msr(*cpu, 0x6E0, value));
}
