// CPUID leaf by leaf.
#include "system_fixture.hpp"

using namespace glassbox;
using namespace glassbox::system_test;

namespace {
/// A machine with a model that may be customised.
struct Custom {
    CpuModel model;
    Machine m;
    explicit Custom(std::string_view text) : model(*parse_cpu_model(text)) {
        m.cpu.model = &model;
        reset_state(m.cpu);
    }
};
u32 bit(unsigned n) { return 1u << n; }
std::string text_of(std::initializer_list<u32> words) {
    std::string text;
    for (const u32 w : words) text.append(reinterpret_cast<const char*>(&w), 4);
    return text;
}
} // namespace

TEST_CASE("CPUID 0 and 80000000h: vendor and last leaves") {
    struct Row {
        const char* model;
        u32 last, last_extended;
        const char* vendor;
    };
    const Row rows[] = {
        {"core2", 0x0A, 0x8000'0008, "GenuineIntel"},   {"nehalem", 0x0B, 0x8000'0008, "GenuineIntel"},
        {"haswell", 0x0D, 0x8000'0008, "GenuineIntel"}, {"skylake", 0x16, 0x8000'0008, "GenuineIntel"},
        {"k8", 1, 0x8000'0018, "AuthenticAMD"},         {"zen", 0x0D, 0x8000'001F, "AuthenticAMD"},
        {"max", 0x0D, 0x8000'0008, "GenuineIntel"},
    };
    for (const Row& r : rows) {
        CAPTURE(r.model);
        Machine m(r.model);
        const CpuidResult zero = cpuid(m.cpu, 0, 0), extended = cpuid(m.cpu, 0x8000'0000, 0);
        CHECK(zero.eax == r.last);
        CHECK(text_of({zero.ebx, zero.edx, zero.ecx}) == r.vendor);
        CHECK(extended.eax == r.last_extended);
        CHECK((extended.ebx == zero.ebx) == m.cpu.model->amd());
    }
}

TEST_CASE("CPUID 1: features of real processors, as far as they are implemented") {
    struct Row {
        const char* model;
        u32 eax, ecx, edx; ///< as these processors report them, and below without what is not implemented
    };
    const Row rows[] = {
        {"core2", 0x6F6, 0x0000'E3BD, 0xBFEB'FBFF},
        {"penryn", 0x1'0676, 0x0008'E3FD, 0xBFEB'FBFF},
        {"nehalem", 0x1'06A5, 0x0098'E3BD, 0xBFEB'FBFF},
        {"westmere", 0x2'06C2, 0x029E'E3FF, 0xBFEB'FBFF},
        {"sandybridge", 0x2'06A7, 0x1FBA'E3FF, 0xBFEB'FBFF},
        {"ivybridge", 0x3'06A9, 0x7FBA'E3FF, 0xBFEB'FBFF},
        {"haswell", 0x3'06C3, 0x7FFA'FBFF, 0xBFEB'FBFF},
        {"skylake", 0x5'06E3, 0x7FFA'FBBF, 0xBFEB'FBFF},
        {"k8", 0xF5A, 0, 0x078B'FBFF},
        {"phenom", 0x10'0F42, 0x0080'2009, 0x178B'FBFF},
        {"zen", 0x80'0F11, 0x7ED8'320B, 0x178B'FBFF},
    };
    // DTES64, DS-CPL, VMX, SMX, EIST, TM2, CNXT-ID, SDBG, xTPR, PDCM, DCA and OSXSAVE; PSN, DS, ACPI, SS, HTT, TM, PBE.
    constexpr u32 not_implemented_ecx = 0x0804'CDF4, not_implemented_edx = 0xB864'0000;
    for (const Row& r : rows) {
        CAPTURE(r.model);
        Machine m(r.model);
        const CpuidResult one = cpuid(m.cpu, 1, 0);
        CHECK(one.eax == r.eax);
        CHECK(one.ecx == (r.ecx & ~not_implemented_ecx));
        CHECK(one.edx == (r.edx & ~not_implemented_edx));
        CHECK((one.ebx >> 8 & 0xFF) == 8);
    }
}

TEST_CASE("CPUID 1: what follows the state") {
    Machine m;
    CHECK((cpuid(m.cpu, 1, 0).ecx & bit(27)) == 0);
    m.cpu.cr4 |= cr4::OSXSAVE;
    CHECK((cpuid(m.cpu, 1, 0).ecx & bit(27)) != 0);
    CHECK((cpuid(m.cpu, 7, 0).ecx & bit(4)) == 0);
    m.cpu.cr4 |= cr4::PKE;
    CHECK((cpuid(m.cpu, 7, 0).ecx & bit(4)) != 0);
    CHECK((cpuid(m.cpu, 1, 0).ecx & bit(3)) != 0);
    REQUIRE(write_msr(m.cpu, 0x1A0, m.cpu.msrs.misc_enable & ~(u64{1} << 18)));
    CHECK((cpuid(m.cpu, 1, 0).ecx & bit(3)) == 0); // MONITOR
    CHECK((cpuid(m.cpu, 0x8000'0001, 0).edx & bit(20)) != 0);
    REQUIRE(write_msr(m.cpu, 0x1A0, u64{1} << 34));
    CHECK((cpuid(m.cpu, 0x8000'0001, 0).edx & bit(20)) == 0); // NX
    REQUIRE(write_msr(m.cpu, 0x1A0, u64{1} << 22));
    CHECK(cpuid(m.cpu, 0, 0).eax == 3);
    CHECK((cpuid(m.cpu, 1, 0).edx & bit(9)) != 0);
    CHECK((cpuid(m.cpu, 1, 0).ecx & bit(21)) != 0);
    m.interrupts.enabled = false;
    CHECK((cpuid(m.cpu, 1, 0).edx & bit(9)) == 0);
    CHECK((cpuid(m.cpu, 1, 0).ecx & bit(21)) == 0);
}

TEST_CASE("CPUID 1, 4, 0Bh, 80000008h: several processors") {
    Machine m("haswell");
    CHECK((cpuid(m.cpu, 1, 0).edx & bit(28)) == 0);
    CHECK(cpuid(m.cpu, 0x0B, 1).ebx == 1);
    CHECK(cpuid(m.cpu, 0x0B, 1).eax == 0);
    m.cpu.apic_id = 5;
    m.cpu.processors = 6;
    const CpuidResult one = cpuid(m.cpu, 1, 0);
    CHECK((one.edx & bit(28)) != 0); // HTT
    CHECK((one.ebx >> 24) == 5);
    CHECK((one.ebx >> 16 & 0xFF) == 8);
    CHECK((cpuid(m.cpu, 4, 0).eax >> 26) == 7);
    CHECK((cpuid(m.cpu, 4, 0).eax >> 14 & 0xFFF) == 0); // the first level is its own
    CHECK((cpuid(m.cpu, 4, 3).eax >> 14 & 0xFFF) == 7); // the last one is shared
    const CpuidResult threads = cpuid(m.cpu, 0x0B, 0), cores = cpuid(m.cpu, 0x0B, 1), end = cpuid(m.cpu, 0x0B, 2);
    CHECK(threads.eax == 0);
    CHECK(threads.ebx == 1);
    CHECK(threads.ecx == 0x100);
    CHECK(threads.edx == 5);
    CHECK(cores.eax == 3);
    CHECK(cores.ebx == 6);
    CHECK(cores.ecx == 0x201);
    CHECK(cores.edx == 5);
    CHECK(end.ebx == 0);
    CHECK(end.ecx == 2);
    Machine amd("zen");
    amd.cpu.apic_id = 2;
    amd.cpu.processors = 4;
    CHECK(cpuid(amd.cpu, 0x8000'0008, 0).ecx == (3u | 2u << 12));
    CHECK((cpuid(amd.cpu, 0x8000'0001, 0).ecx & 2) != 0); // CmpLegacy
    CHECK(cpuid(amd.cpu, 0x8000'001E, 0).eax == 2);
    CHECK((cpuid(amd.cpu, 0x8000'001D, 3).eax >> 14 & 0xFFF) == 3);
    CHECK(cpuid(amd.cpu, 4, 0).eax == 0);
}

TEST_CASE("CPUID 2, 4, 80000005h, 80000006h, 8000001Dh: caches") {
    Machine intel("nehalem");
    CHECK(cpuid(intel.cpu, 2, 0).eax == 0x5503'5A01);
    const auto size = [](const CpuidResult& r) {
        return ((r.ebx >> 22) + 1) * ((r.ebx >> 12 & 0x3FF) + 1) * ((r.ebx & 0xFFF) + 1) * (r.ecx + 1) / 1024;
    };
    CHECK(size(cpuid(intel.cpu, 4, 0)) == 32);
    CHECK(size(cpuid(intel.cpu, 4, 2)) == 256);
    CHECK(size(cpuid(intel.cpu, 4, 3)) == 8192);
    CHECK((cpuid(intel.cpu, 4, 0).eax & 0x1FF) == 0x121);
    CHECK((cpuid(intel.cpu, 4, 1).eax & 0x1FF) == 0x122);
    CHECK((cpuid(intel.cpu, 4, 3).eax & 0x1FF) == 0x163);
    CHECK(cpuid(intel.cpu, 4, 4).eax == 0);
    CHECK(cpuid(intel.cpu, 4, 0xFFFF'FFFF).eax == 0);
    CHECK(cpuid(intel.cpu, 0x8000'0006, 0).ecx == 0x0100'6040);
    Machine amd("zen");
    CHECK(size(cpuid(amd.cpu, 0x8000'001D, 1)) == 64);
    CHECK(size(cpuid(amd.cpu, 0x8000'001D, 3)) == 8192);
    CHECK(cpuid(amd.cpu, 0x8000'0005, 0).ecx == 0x2008'0140);
    CHECK(cpuid(amd.cpu, 0x8000'0006, 0).ecx == 0x0200'6140);
}

TEST_CASE("CPUID 5, 6, 7") {
    Machine m;
    CHECK(cpuid(m.cpu, 5, 0).eax == 64);
    CHECK(cpuid(m.cpu, 5, 0).ebx == 64);
    CHECK(cpuid(m.cpu, 5, 0).ecx == 0);
    CHECK(cpuid(m.cpu, 6, 0).eax == 4); // ARAT
    CHECK(cpuid(m.cpu, 7, 0).eax == 0);
    CHECK(cpuid(m.cpu, 7, 1).ebx == 0);
    Machine haswell("haswell"), skylake("skylake"), zen("zen");
    CHECK(cpuid(haswell.cpu, 7, 0).ebx == 0x0000'07AB); // 27ABh without FDP_EXCPTN and FPU CS/DS deprecation
    CHECK(cpuid(skylake.cpu, 7, 0).ebx == 0x009C'07AB); // 029C67AFh without SGX, MPX and processor trace too
    CHECK(cpuid(zen.cpu, 7, 0).ebx == 0x209C'01A9);     // as a Ryzen 7 1700
    CHECK(cpuid(zen.cpu, 7, 0).ecx == 0);
}

TEST_CASE("CPUID 0Dh: XSAVE's components") {
    Machine m;
    const CpuidResult zero = cpuid(m.cpu, 0x0D, 0);
    CHECK(zero.eax == 0x207); // x87, SSE, AVX, PKRU
    CHECK(zero.edx == 0);
    CHECK(zero.ebx == 576);
    CHECK(zero.ecx == 2696);
    m.cpu.xcr0 = 7;
    CHECK(cpuid(m.cpu, 0x0D, 0).ebx == 832);
    m.cpu.xcr0 = 0x207;
    CHECK(cpuid(m.cpu, 0x0D, 0).ebx == 2696);
    CHECK(cpuid(m.cpu, 0x0D, 1).eax == 0xF);
    CHECK(cpuid(m.cpu, 0x0D, 1).ebx == 840); // compacted
    CHECK(cpuid(m.cpu, 0x0D, 2).eax == 256);
    CHECK(cpuid(m.cpu, 0x0D, 2).ebx == 576);
    CHECK(cpuid(m.cpu, 0x0D, 9).eax == 8);
    CHECK(cpuid(m.cpu, 0x0D, 9).ebx == 2688);
    CHECK(cpuid(m.cpu, 0x0D, 3).eax == 0);
    CHECK(cpuid(m.cpu, 0x0D, 0xFFFF'FFFF).eax == 0);
    Machine sandy("sandybridge");
    CHECK(cpuid(sandy.cpu, 0x0D, 0).eax == 7);
    CHECK(cpuid(sandy.cpu, 0x0D, 1).eax == 1); // XSAVEOPT
    CHECK(cpuid(sandy.cpu, 0x0D, 1).ebx == 0);
    Custom none("max,-xsave");
    CHECK(cpuid(none.m.cpu, 0x0D, 0).eax == 0);
}

TEST_CASE("CPUID 80000001h to 80000008h, 80000021h") {
    Machine m("haswell");
    CHECK((cpuid(m.cpu, 0x8000'0001, 0).edx & bit(11)) == 0); // SYSCALL shows in 64-bit mode only
    m.cpu.mode |= mode::long64;
    CHECK(cpuid(m.cpu, 0x8000'0001, 0).edx == 0x2C10'0800);
    CHECK(cpuid(m.cpu, 0x8000'0001, 0).ecx == 0x21);
    CHECK(cpuid(m.cpu, 0x8000'0007, 0).edx == bit(8));
    CHECK(cpuid(m.cpu, 0x8000'0008, 0).eax == 0x3027);
    const auto brand = [&](u32 leaf) {
        const CpuidResult r = cpuid(m.cpu, leaf, 0);
        return text_of({r.eax, r.ebx, r.ecx, r.edx});
    };
    CHECK(brand(0x8000'0002) + brand(0x8000'0003).substr(0, 8) == "Intel(R) Core(TM) i7-477");
    Machine k8("k8"), phenom("phenom"), zen("zen");
    CHECK(cpuid(k8.cpu, 0x8000'0001, 0).eax == 0xF5A);
    CHECK(cpuid(k8.cpu, 0x8000'0001, 0).edx == (0xE1D3'FBFF & ~bit(19))); // without the multiprocessor bit
    CHECK(cpuid(phenom.cpu, 0x8000'0001, 0).edx == 0xEFD3'FBFF);
    CHECK(cpuid(phenom.cpu, 0x8000'0001, 0).ecx == 0x0000'0161); // 37FFh without SVM, IBS, OSVW, SKINIT, WDT …
    CHECK(cpuid(zen.cpu, 0x8000'0001, 0).edx == 0x2FD3'FBFF);
    CHECK(cpuid(zen.cpu, 0x8000'0008, 0).eax == 0x3030);
    CHECK(cpuid(zen.cpu, 0x8000'0008, 0).ebx == 1);
    Machine zen2("zen2"), zen3("zen3"), max;
    CHECK(cpuid(zen2.cpu, 0x8000'0008, 0).edx == bit(16)); // RDPRU's last register
    CHECK(cpuid(zen3.cpu, 0x8000'0021, 0).eax == 0x44);
    CHECK(cpuid(max.cpu, 0x8000'0008, 0).eax == 0x392E); // 57 and 46
    Custom no_la57("max,-la57");
    CHECK(cpuid(no_la57.m.cpu, 0x8000'0008, 0).eax == 0x302E);
}

TEST_CASE("CPUID beyond the last leaf: Intel's last one again, AMD's zeros") {
    Machine intel, amd("zen");
    CHECK(cpuid(intel.cpu, 0x4000'0000, 0).eax == cpuid(intel.cpu, 0x0D, 0).eax);
    CHECK(cpuid(intel.cpu, 0x8000'0100, 2).eax == 256);
    for (const u32 leaf : {0x4000'0000u, 0x8000'0100u, 0x0Eu, 0xFFFF'FFFFu}) {
        const CpuidResult r = cpuid(amd.cpu, leaf, 0);
        CHECK((r.eax | r.ebx | r.ecx | r.edx) == 0);
    }
    Machine pentium("pentium");
    CHECK(cpuid(pentium.cpu, 0x8000'0000, 0).eax == 0x52C);
}
