// SYSCALL, SYSRET, SYSENTER and SYSEXIT in long mode as both vendors have them, SWAPGS and the base registers (SDM 2B;
// SDM 3A 5.8.7, 5.8.8; APM 3), snapshots of the wide state, and all of it through the engine.
#include "system64_fixture.hpp"

using namespace glassbox;
using namespace glassbox::system_test;

namespace {

constexpr u64 kernel = high + 0x4560, compat_kernel = high + 0x4680;

void set_msrs(Machine64& m) {
    m.cpu.msrs.star = u64{0x1B} << 48 | u64{0x09} << 32 | 0x7777'0000; // low bits of the selectors do not count
    m.cpu.msrs.lstar = kernel;
    m.cpu.msrs.cstar = compat_kernel;
    m.cpu.msrs.fmask = eflags::IF | eflags::DF | eflags::CF;
    m.cpu.msrs.sysenter_cs = 0x09;
    m.cpu.msrs.sysenter_esp = high + 0x7000;
    m.cpu.msrs.sysenter_eip = kernel;
}
bool flat(const Segment& s, u16 selector, unsigned dpl) {
    return s.selector == selector && s.base == 0 && s.limit == 0xFFFF'FFFF && s.present() && s.usable() &&
           s.dpl() == dpl;
}

} // namespace

TEST_CASE("SYSCALL from 64-bit code") {
    for (const Vendor vendor : {Vendor::intel, Vendor::amd}) {
        Machine64 m(vendor);
        m.level64(3);
        set_msrs(m);
        m.cpu.set_full_eflags(eflags::IF | eflags::DF | eflags::CF | eflags::ZF);
        const u64 rsp = m.cpu.gpr[RSP];
        REQUIRE(transfer::syscall(m.cpu, Machine::op()));
        CHECK(m.cpu.next_ip == kernel);
        CHECK(m.cpu.gpr[RCX] == return_to);
        CHECK(m.cpu.gpr[R11] == (eflags::IF | eflags::DF | eflags::CF | eflags::ZF | 2));
        CHECK(m.cpu.full_eflags() == (eflags::ZF | 2));
        CHECK(m.cpu.cpl == 0);
        CHECK(m.cpu.code64());
        CHECK(m.cpu.gpr[RSP] == rsp);
        CHECK(flat(m.cpu.seg[CS], 0x08, 0));
        CHECK(flat(m.cpu.seg[SS], 0x10, 0));
        CHECK((m.cpu.mode & mode::user) == 0);
    }
}

TEST_CASE("SYSCALL needs EFER.SCE, and on Intel's processors 64-bit mode") {
    for (const Vendor vendor : {Vendor::intel, Vendor::amd}) {
        Machine64 m(vendor);
        set_msrs(m);
        m.level64(3);
        m.cpu.msrs.efer &= ~efer::SCE;
        CHECK(m.raised(transfer::syscall(m.cpu, Machine::op()), Exception::UD, 0));
        m.level64(0);
        CHECK(m.raised(transfer::sysret<8>(m.cpu, Machine::op()), Exception::UD, 0));
        m.cpu.msrs.efer |= efer::SCE;
        m.compatible(3);
        m.cpu.next_ip = 0x105;
        const bool ok = transfer::syscall(m.cpu, Machine::op());
        CHECK(ok == (vendor == Vendor::amd));
        if (ok) {
            CHECK(m.cpu.next_ip == compat_kernel);
            CHECK(m.cpu.gpr[RCX] == 0x105);
            CHECK(m.cpu.code64());
        } else {
            CHECK(m.cpu.fault.vector == Exception::UD);
        }
    }
    // AMD's legacy mode: the target is in STAR, and the flags are kept nowhere.
    Machine legacy(long_model(Vendor::amd));
    legacy.level(3);
    legacy.cpu.msrs.efer = efer::SCE;
    legacy.cpu.msrs.star = u64{0x1B} << 48 | u64{0x08} << 32 | 0x7777'0000;
    legacy.cpu.set_full_eflags(eflags::IF | eflags::CF);
    REQUIRE(transfer::syscall(legacy.cpu, Machine::op()));
    CHECK(legacy.cpu.next_ip == 0x7777'0000);
    CHECK(legacy.cpu.r32(RCX) == 0x105);
    CHECK(legacy.cpu.full_eflags() == (eflags::CF | 2));
    CHECK(legacy.cpu.cpl == 0);
    REQUIRE(transfer::sysret<4>(legacy.cpu, Machine::op()));
    CHECK(legacy.cpu.next_ip == 0x105);
    CHECK(legacy.cpu.cpl == 3);
    CHECK((legacy.cpu.eflags & eflags::IF) != 0);
}

TEST_CASE("SYSRET to 64-bit and to 32-bit code") {
    for (const Vendor vendor : {Vendor::intel, Vendor::amd}) {
        Machine64 m(vendor);
        const auto prepare = [&](u64 rip) {
            m.level64(0);
            set_msrs(m);
            m.cpu.gpr[RCX] = rip;
            m.cpu.gpr[R11] = 0xFFFF'FFFF'FFFF'FFFF & ~u64{eflags::TF};
        };
        prepare(0x5'1234'5678);
        REQUIRE(transfer::sysret<8>(m.cpu, Machine::op()));
        CHECK(m.cpu.next_ip == 0x5'1234'5678);
        CHECK(m.cpu.cpl == 3);
        CHECK(m.cpu.code64());
        CHECK(flat(m.cpu.seg[CS], 0x2B, 3));
        CHECK(m.cpu.seg[SS].selector == 0x23);
        // AMD leaves the rest of SS as it was: that of level 0.
        CHECK(m.cpu.seg[SS].dpl() == (vendor == Vendor::intel ? 3 : 0));
        CHECK((m.cpu.full_eflags() & (eflags::RF | eflags::VM)) == 0);
        CHECK((m.cpu.full_eflags() & (eflags::IF | eflags::AC | eflags::IOPL)) ==
              (eflags::IF | eflags::AC | eflags::IOPL));
        prepare(0x5'1234'5678);
        REQUIRE(transfer::sysret<4>(m.cpu, Machine::op()));
        CHECK(m.cpu.next_ip == 0x1234'5678);
        CHECK_FALSE(m.cpu.code64());
        CHECK((m.cpu.mode & mode::code32) != 0);
        CHECK(flat(m.cpu.seg[CS], 0x1B, 3));
        CHECK(m.cpu.seg[SS].selector == 0x23);

        prepare(not_canonical);
        const bool ok = transfer::sysret<8>(m.cpu, Machine::op());
        CHECK(ok == (vendor == Vendor::amd));
        if (!ok) {
            CHECK(m.faulted(Exception::GP, 0));
            CHECK(m.cpu.cpl == 0);
        } else {
            CHECK(m.cpu.cpl == 3);
            CHECK(m.cpu.next_ip == not_canonical);
        }
        for (unsigned cpl = 1; cpl < 4; ++cpl) {
            m.level64(cpl);
            CHECK(m.raised(transfer::sysret<8>(m.cpu, Machine::op()), Exception::GP, 0));
        }
    }
}

TEST_CASE("SYSRET with TF traps before the first instruction; SYSCALL does when FMASK lets TF stay") {
    Machine64 m;
    m.level64(0);
    set_msrs(m);
    m.cpu.gpr[R11] = eflags::TF;
    m.cpu.pending_debug = 0;
    REQUIRE(transfer::sysret<8>(m.cpu, Machine::op()));
    CHECK(m.cpu.pending_debug == dr6::BS);
    for (const bool masked : {false, true}) {
        m.level64(3);
        m.cpu.eflags |= eflags::TF;
        m.cpu.msrs.fmask = masked ? eflags::TF : 0;
        m.cpu.step_suppressed = false;
        REQUIRE(transfer::syscall(m.cpu, Machine::op()));
        CHECK(m.cpu.step_suppressed == masked);
    }
}

TEST_CASE("SYSENTER and SYSEXIT in long mode: Intel's processors, with 64-bit addresses") {
    Machine64 amd(Vendor::amd);
    set_msrs(amd);
    CHECK(amd.raised(transfer::sysenter(amd.cpu, Machine::op()), Exception::UD, 0));
    CHECK(amd.raised(transfer::sysexit<8>(amd.cpu, Machine::op()), Exception::UD, 0));
    for (const bool compatible : {false, true}) {
        Machine64 m;
        set_msrs(m);
        if (compatible)
            m.compatible(3);
        else
            m.level64(3);
        m.cpu.eflags |= eflags::IF;
        REQUIRE(transfer::sysenter(m.cpu, Machine::op()));
        CHECK(m.cpu.next_ip == kernel);
        CHECK(m.cpu.gpr[RSP] == high + 0x7000);
        CHECK(m.cpu.code64());
        CHECK(m.cpu.cpl == 0);
        CHECK((m.cpu.eflags & eflags::IF) == 0);
        CHECK(flat(m.cpu.seg[CS], 0x08, 0));
        CHECK(flat(m.cpu.seg[SS], 0x10, 0));
    }
    Machine64 m;
    set_msrs(m);
    m.cpu.gpr[RCX] = 0x7'0000'1000;
    m.cpu.gpr[RDX] = 0x7'0000'2000;
    REQUIRE(transfer::sysexit<8>(m.cpu, Machine::op()));
    CHECK(m.cpu.next_ip == 0x7'0000'2000);
    CHECK(m.cpu.gpr[RSP] == 0x7'0000'1000);
    CHECK(m.cpu.code64());
    CHECK(flat(m.cpu.seg[CS], 0x2B, 3));
    CHECK(flat(m.cpu.seg[SS], 0x33, 3));
    m.level64(0);
    REQUIRE(transfer::sysexit<4>(m.cpu, Machine::op()));
    CHECK(m.cpu.next_ip == 0x2000);
    CHECK(m.cpu.gpr[RSP] == 0x1000);
    CHECK_FALSE(m.cpu.code64());
    CHECK(flat(m.cpu.seg[CS], 0x1B, 3));
    CHECK(flat(m.cpu.seg[SS], 0x23, 3));
    for (const Gpr r : {RCX, RDX}) {
        m.level64(0);
        m.cpu.gpr[RCX] = m.cpu.gpr[RDX] = 0x1000;
        m.cpu.gpr[r] = not_canonical;
        CHECK(m.raised(transfer::sysexit<8>(m.cpu, Machine::op()), Exception::GP, 0));
        CHECK(transfer::sysexit<4>(m.cpu, Machine::op())); // cut to 32 bits
    }
    m.level64(1);
    CHECK(m.raised(transfer::sysexit<8>(m.cpu, Machine::op()), Exception::GP, 0));
    m.level64(3);
    m.cpu.msrs.sysenter_cs = 3;
    CHECK(m.raised(transfer::sysenter(m.cpu, Machine::op()), Exception::GP, 0));
}

TEST_CASE("SWAPGS and the base registers of FS and GS") {
    Machine64 m;
    m.cpu.msrs.kernel_gs_base = high + 0x6000;
    set_segment_base(m.cpu, GS, 0x1234);
    REQUIRE(transfer::swapgs(m.cpu, Machine::op()));
    CHECK(m.cpu.base64[GS] == high + 0x6000);
    CHECK(m.cpu.seg[GS].base == high + 0x6000);
    CHECK(m.cpu.msrs.kernel_gs_base == 0x1234);
    m.level64(3);
    CHECK(m.raised(transfer::swapgs(m.cpu, Machine::op()), Exception::GP, 0));

    m.cpu.gpr[R9] = 0xFFFF'FFFF'8765'4321;
    REQUIRE((transfer::write_base<FS, 8>(m.cpu, Machine::register_op(R9))));
    CHECK(m.cpu.base64[FS] == 0xFFFF'FFFF'8765'4321);
    REQUIRE((transfer::read_base<FS, 4>(m.cpu, Machine::register_op(RBX))));
    CHECK(m.cpu.gpr[RBX] == 0x8765'4321);
    REQUIRE((transfer::read_base<FS, 8>(m.cpu, Machine::register_op(RBX))));
    CHECK(m.cpu.gpr[RBX] == 0xFFFF'FFFF'8765'4321);
    REQUIRE((transfer::write_base<GS, 4>(m.cpu, Machine::register_op(R9))));
    CHECK(m.cpu.base64[GS] == 0x8765'4321);
    m.cpu.gpr[R9] = never_canonical;
    CHECK(m.raised(transfer::write_base<GS, 8>(m.cpu, Machine::register_op(R9)), Exception::GP, 0));
    m.cpu.gpr[R9] = not_canonical; // with 57 bits it is, whatever CR4.LA57 says
    CHECK(transfer::write_base<GS, 8>(m.cpu, Machine::register_op(R9)));
    m.cpu.cr4 &= ~(cr4::FSGSBASE | cr4::LA57);
    CHECK(m.raised(transfer::write_base<GS, 8>(m.cpu, Machine::register_op(R9)), Exception::UD, 0));
    CHECK(m.raised(transfer::read_base<FS, 8>(m.cpu, Machine::register_op(R9)), Exception::UD, 0));
}

TEST_CASE("a processor in long mode comes back from a snapshot, and impossible ones are refused") {
    const auto save = [](Machine64& m) {
        Archive out = Archive::saver();
        persist_architecture(m.cpu, out);
        return out.bytes();
    };
    Machine64 m;
    m.level64(3);
    set_msrs(m);
    m.cpu.msrs.kernel_gs_base = high + 5;
    m.cpu.msrs.tsc_aux = 7;
    m.cpu.pkru = 0x5555'5554;
    m.cpu.xcr0 = 3;
    m.cpu.gpr[R15] = ~u64{0};
    set_segment_base(m.cpu, FS, high + 0x123);
    const auto bytes = save(m);
    Machine64 other;
    Archive in = Archive::loader(bytes);
    persist_architecture(other.cpu, in);
    REQUIRE(in.ok());
    CHECK(other.cpu.mode == m.cpu.mode);
    CHECK(other.cpu.code64());
    CHECK(other.cpu.ip == high + 0x100);
    CHECK(other.cpu.base64[FS] == high + 0x123);
    CHECK(other.cpu.msrs.lstar == kernel);
    CHECK(other.cpu.msrs.fmask == m.cpu.msrs.fmask);
    CHECK(other.cpu.msrs.kernel_gs_base == high + 5);
    CHECK(other.cpu.msrs.tsc_aux == 7);
    CHECK(other.cpu.pkru == 0x5555'5554);
    CHECK(other.cpu.xcr0 == 3);
    CHECK(save(other) == bytes);

    const auto refused = [&](auto&& spoil) {
        Machine64 bad;
        bad.level64(0);
        spoil(bad.cpu);
        const auto image = save(bad);
        Machine64 target;
        Archive archive = Archive::loader(image);
        persist_architecture(target.cpu, archive);
        return !archive.ok();
    };
    CHECK_FALSE(refused([](Cpu&) {}));
    CHECK(refused([](Cpu& c) { c.cr4 &= ~cr4::PAE; }));
    CHECK(refused([](Cpu& c) { c.cr0 &= ~cr0::PG; }));
    CHECK(refused([](Cpu& c) { c.msrs.efer &= ~efer::LME; }));
    CHECK(refused([](Cpu& c) { c.msrs.efer |= 2; }));
    CHECK(refused([](Cpu& c) { c.seg[GS].base = u64{1} << 62; }));
    CHECK(refused([](Cpu& c) { c.seg[DS].base = u64{1} << 32; }));
    CHECK(refused([](Cpu& c) { c.xcr0 = 2; }));
    CHECK(refused([](Cpu& c) {
        c.eflags |= eflags::VM;
        c.cpl = 3;
    }));
    CHECK(refused([](Cpu& c) { c.seg[CS].access &= ~Segment::L; })); // and RIP beyond 4 GiB
}

TEST_CASE("INIT leaves long mode, and keeps what it has no business with") {
    Machine64 m;
    set_msrs(m);
    m.cpu.msrs.kernel_gs_base = 5;
    m.cpu.pkru = 4;
    reset_state(m.cpu, ResetKind::init);
    CHECK_FALSE(m.cpu.long_mode());
    CHECK_FALSE(m.cpu.code64());
    CHECK(m.cpu.msrs.efer == 0);
    CHECK(m.cpu.msrs.lstar == kernel);
    CHECK(m.cpu.msrs.kernel_gs_base == 5);
    CHECK(m.cpu.pkru == 4);
    CHECK(m.cpu.base64[FS] == 0);
    reset_state(m.cpu);
    CHECK(m.cpu.msrs.lstar == 0);
    CHECK(m.cpu.pkru == 0);
    CHECK(m.cpu.xcr0 == 1);
}

namespace {

/// Code bytes at `high` + `at`, and HLT wherever exceptions lead.
struct Program64 : Machine64 {
    static constexpr u32 at = 0xD000, halt = 0xE000;
    explicit Program64(std::initializer_list<u8> bytes, Vendor vendor = Vendor::intel) : Machine64(vendor) {
        u32 place = at;
        for (const u8 b : bytes) put<u8>(place++, b);
        for (u32 i = 0; i < 32; ++i) put<u8>(halt + i, 0xF4);
        for (unsigned vector = 0; vector < 32; ++vector) set_idt64(vector, code0, high + halt + vector, access(14, 3));
    }
    void start(unsigned cpl) {
        level64(cpl);
        cpu.ip = high + at;
    }
    void run() {
        for (unsigned guard = 0; guard < 100 && !cpu.halted && !cpu.shutdown; ++guard) cpu.run(1000);
        REQUIRE(cpu.halted);
    }
    /// The exception that the program ended in.
    unsigned vector() const { return static_cast<unsigned>(cpu.ip - (high + halt) - 1); }
};

} // namespace

TEST_CASE("through the engine: SYSCALL, SWAPGS, SYSRETQ and what lies between") {
    Program64 m{0x0F, 0x05,                                           // syscall
                0x65, 0x48, 0x8B, 0x04, 0x25, 0x10, 0x00, 0x00, 0x00, // mov rax, gs:[10h]
                0xF4};                                                // hlt: #GP at level 3
    set_msrs(m);
    m.cpu.msrs.star = u64{0x10} << 48 | u64{0x08} << 32; // SYSRET to CS 23h, SS 1Bh
    u32 place = 0x4560;
    for (const int b : {0x0F, 0x01, 0xF8,                                     // swapgs
                        0x65, 0x48, 0x8B, 0x1C, 0x25, 0x10, 0x00, 0x00, 0x00, // mov rbx, gs:[10h]
                        0xF3, 0x49, 0x0F, 0xAE, 0xC8,                         // rdgsbase r8
                        0x0F, 0x01, 0xF8,                                     // swapgs
                        0x48, 0x0F, 0x07})                                    // sysretq
        m.put<u8>(place++, static_cast<u8>(b));
    m.put<u64>(0x6010, 0x1111'2222'3333'4444);
    m.put<u64>(0x6110, 0x5555'6666'7777'8888);
    m.start(3);
    set_segment_base(m.cpu, GS, 0x6100);
    m.cpu.msrs.kernel_gs_base = high + 0x6000;
    m.run();
    CHECK(m.vector() == 13);
    CHECK(m.cpu.gpr[RBX] == 0x1111'2222'3333'4444);
    CHECK(m.cpu.gpr[R8] == high + 0x6000);
    CHECK(m.cpu.gpr[RAX] == 0x5555'6666'7777'8888);
    CHECK(m.pushed(1) == high + Program64::at + 11);
    CHECK(m.pushed(2) == 0x23);
}

TEST_CASE("through the engine: a return to an address that is not canonical faults at level 3 on AMD's processors") {
    for (const Vendor vendor : {Vendor::intel, Vendor::amd}) {
        Program64 m({0x48, 0x0F, 0x07}, vendor); // sysretq
        m.start(0);
        set_msrs(m);
        m.cpu.gpr[RCX] = not_canonical;
        m.cpu.gpr[R11] = 2;
        m.cpu.gpr[RSP] = 0xB000;
        m.run();
        CHECK(m.vector() == 13);
        CHECK(m.pushed(0) == 0);
        CHECK(m.pushed(1) == (vendor == Vendor::amd ? not_canonical : high + Program64::at));
        CHECK((m.pushed(2) & 3) == (vendor == Vendor::amd ? 3 : 0));
    }
}

TEST_CASE("through the engine: which opcodes 64-bit mode has lost") {
    for (const std::initializer_list<u8> bytes : {std::initializer_list<u8>{0x06},
                                                  {0x07},
                                                  {0x0E},
                                                  {0x16},
                                                  {0x17},
                                                  {0x1E},
                                                  {0x1F},
                                                  {0xCE},
                                                  {0x9A, 0, 0, 0, 0, 8, 0},
                                                  {0xEA, 0, 0, 0, 0, 8, 0},
                                                  {0x62, 0x05, 0, 0, 0, 0},
                                                  {0x27},
                                                  {0x60}}) {
        Program64 m(bytes);
        m.start(0);
        m.cpu.flags.load(eflags::OF);
        m.run();
        CAPTURE(*bytes.begin());
        CHECK(m.vector() == 6);
    }
}

TEST_CASE("through the engine: single step and breakpoints at 64-bit addresses") {
    Program64 m{0x90, 0x48, 0xFF, 0xC0, 0x90, 0xF4};
    m.start(0);
    m.cpu.eflags |= eflags::TF;
    m.run();
    CHECK(m.vector() == 1);
    CHECK(m.pushed(0) == high + Program64::at + 1);
    CHECK((m.cpu.dr[6] & dr6::BS) != 0);
    Program64 b{0x90, 0x48, 0xFF, 0xC0, 0x90, 0xF4};
    b.start(0);
    b.cpu.gpr[RAX] = 0;
    b.cpu.dr[0] = high + Program64::at + 4;
    b.cpu.dr[1] = Program64::at + 1; // another address
    b.cpu.dr[7] = 0x40A;
    b.cpu.debug_registers_changed();
    b.run();
    CHECK(b.vector() == 1);
    CHECK((b.cpu.dr[6] & 15) == 1);
    CHECK(b.pushed(0) == high + Program64::at + 4);
    CHECK((b.pushed(2) & eflags::RF) == 0); // of faults alone this one does not set it
    CHECK(b.cpu.gpr[RAX] == 1);
}

TEST_CASE("through the engine: MOV SS holds off an interrupt for one instruction in 64-bit mode") {
    Program64 m{0x8E, 0xD0,       // mov ss, eax
                0x48, 0xFF, 0xC3, // inc rbx
                0xF4};
    m.set_idt64(0x20, code0, high + Program64::halt, access(14, 0));
    m.start(0);
    m.cpu.gpr[RAX] = 0;
    m.cpu.gpr[RBX] = 0;
    m.cpu.eflags |= eflags::IF;
    m.cpu.run(1);
    CHECK(m.cpu.seg[SS].selector == 0);
    m.cpu.set_intr(true);
    m.run();
    CHECK(m.cpu.gpr[RBX] == 1);
    CHECK(m.pushed(0) == high + Program64::at + 5);
    CHECK(m.pushed(4) == 0);
}

TEST_CASE("through the engine: LAHF and SAHF in 64-bit mode are a feature") {
    for (const bool has : {true, false}) {
        CpuModel model = long_model(Vendor::intel);
        if (has)
            model.features.add(Feature::lahf_lm);
        else
            model.features.remove(Feature::lahf_lm);
        Program64 m{0x9F, 0xCC};
        m.cpu.model = &model;
        m.start(0);
        m.cpu.flags.load(eflags::CF | eflags::ZF);
        m.cpu.gpr[RAX] = 0;
        m.run();
        CHECK(m.vector() == (has ? 3 : 6));
        CHECK(m.cpu.gpr[RAX] == (has ? 0x4300 : 0));
    }
}

TEST_CASE("IRET lets NMIs through again, even one that faults") {
    Machine64 m;
    m.cpu.nmi_blocked = true;
    m.cpu.gpr[RSP] = not_canonical;
    CHECK_FALSE(transfer::iret<8>(m.cpu, Machine::op()));
    CHECK_FALSE(m.cpu.nmi_blocked);
}

TEST_CASE("through the engine: SWAPGS at level 3 faults where it stands") {
    Program64 m{0x90, 0x0F, 0x01, 0xF8};
    m.start(3);
    m.run();
    CHECK(m.vector() == 13);
    CHECK(m.pushed(1) == high + Program64::at + 1);
}
