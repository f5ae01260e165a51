// Control, debug and table registers, MSRs, CPUID models, reset and persistence.
#include "system_fixture.hpp"

#include "cpu/ops/families.hpp"

#include <set>

using namespace glassbox;
using namespace glassbox::system_test;

TEST_CASE("CR0: what belongs together, and what is reserved") {
    Machine m;
    const u32 base = static_cast<u32>(cr0::PE | cr0::ET);
    CHECK_FALSE(write_cr0(m.cpu, static_cast<u32>(cr0::PG)));
    CHECK(m.faulted(Exception::GP, 0));
    CHECK_FALSE(write_cr0(m.cpu, base | static_cast<u32>(cr0::NW)));
    CHECK(write_cr0(m.cpu, base | static_cast<u32>(cr0::NW | cr0::CD)));
    CHECK(write_cr0(m.cpu, 0x0FF8'FFC1)); // reserved bits are ignored, ET stays
    CHECK(m.cpu.cr0 == (base & 0x7FFFFFFF));
    m.cpu.set_r32(RCX, static_cast<u32>(cr0::ET));
    CHECK(control::mov_to_cr(m.cpu, Machine::register_op(RCX, 0)));
    CHECK(m.cpu.real_mode());
    CHECK((m.cpu.mode & mode::protected_mode) == 0);
    m.protect();
    m.level(3);
    CHECK_FALSE(control::mov_to_cr(m.cpu, Machine::register_op(RCX, 0)));
    CHECK(m.faulted(Exception::GP, 0));
    CHECK_FALSE(control::mov_from_cr(m.cpu, Machine::register_op(RCX, 3)));
    m.level(0);
    for (const unsigned n : {1u, 5u, 6u, 7u}) {
        CHECK_FALSE(control::mov_from_cr(m.cpu, Machine::register_op(RCX, static_cast<u8>(n))));
        CHECK(m.cpu.fault.vector == Exception::UD);
    }
}

TEST_CASE("LMSW, SMSW, CLTS") {
    Machine m;
    m.cpu.set_r32(RAX, 0x000E);
    REQUIRE(control::lmsw_register(m.cpu, Machine::register_op(RAX)));
    CHECK(m.cpu.cr0 == (cr0::PE | cr0::MP | cr0::EM | cr0::TS | cr0::ET)); // PE cannot be cleared
    REQUIRE(control::clts(m.cpu, Machine::op()));
    CHECK((m.cpu.cr0 & cr0::TS) == 0);
    m.level(3);
    m.cpu.set_r32(RAX, 0xFFFFFFFF);
    REQUIRE(control::smsw_register<2>(m.cpu, Machine::register_op(RAX)));
    CHECK(m.cpu.r32(RAX) == 0xFFFF0017);
    REQUIRE(control::smsw_register<4>(m.cpu, Machine::register_op(RAX)));
    CHECK(m.cpu.r32(RAX) == 0x17);
    CHECK_FALSE(control::clts(m.cpu, Machine::op()));
    CHECK_FALSE(control::lmsw_register(m.cpu, Machine::register_op(RAX)));
    CHECK_FALSE(control::hlt(m.cpu, Machine::op()));
    CHECK_FALSE(m.cpu.halted);
    CHECK_FALSE(control::invlpg(m.cpu, Machine::memory_op(0)));
    CHECK_FALSE(control::cache_control(m.cpu, Machine::op()));
}

TEST_CASE("CR4 by model, PAE pointers") {
    Machine m("pentium4"); // 36 bits of physical address
    CHECK_FALSE(write_cr4(m.cpu, 1 << 11));
    CHECK(m.faulted(Exception::GP, 0));
    CHECK(write_cr4(m.cpu, cr4::PAE | cr4::PGE | cr4::OSFXSR));
    for (u32 i = 0; i < 4; ++i) m.put<u64>(0x20020 + 8 * i, 0x30001 + (u64{i} << 12));
    REQUIRE(write_cr3(m.cpu, 0x20020)); // 32-byte alignment
    m.put<u64>(0x20028, 0x30000 | 2);   // not present: other bits do not matter
    m.put<u64>(0x20030, 0x30000 | 3);
    const u32 paged = static_cast<u32>(m.cpu.cr0 | cr0::PG);
    CHECK_FALSE(write_cr0(m.cpu, paged)); // R/W is reserved there
    CHECK_FALSE(m.cpu.paging());
    m.put<u64>(0x20030, 0x32001);
    REQUIRE(write_cr0(m.cpu, paged));
    CHECK(m.cpu.pdpte[3] == 0x33001);
    m.put<u64>(0x20038, u64{1} << 36 | 1);
    CHECK_FALSE(write_cr3(m.cpu, 0x20020));
    CHECK(m.cpu.pdpte[3] == 0x33001);
    Machine old("386");
    CHECK_FALSE(control::mov_from_cr(old.cpu, Machine::register_op(RAX, 4)));
    CHECK(old.cpu.fault.vector == Exception::UD);
}

TEST_CASE("debug registers") {
    Machine m;
    m.cpu.set_r32(RAX, 0xFFFFFFFF);
    REQUIRE(control::mov_to_dr(m.cpu, Machine::register_op(RAX, 6)));
    CHECK(m.cpu.dr[6] == 0xFFFFEFFF);
    REQUIRE(control::mov_to_dr(m.cpu, Machine::register_op(RAX, 0)));
    REQUIRE(control::mov_to_dr(m.cpu, Machine::register_op(RAX, 5))); // DR7 by its alias
    CHECK(m.cpu.dr[7] == 0xFFFF27FF);
    CHECK_FALSE(control::mov_from_dr(m.cpu, Machine::register_op(RAX, 0))); // GD
    CHECK(m.cpu.fault.vector == Exception::DB);
    m.put<u64>(idt + 8, gate(code0, 0x1111, access(14, 0)));
    m.cpu.dr[6] = 0xFFFF0FF0;
    REQUIRE(deliver_fault(m.cpu));
    CHECK(m.cpu.dr[6] == (0xFFFF0FF0 | dr6::BD));
    CHECK((m.cpu.dr[7] & 0x2000) == 0);
    CHECK(m.cpu.ip == 0x1111);
    m.cpu.cr4 = cr4::DE;
    CHECK_FALSE(control::mov_from_dr(m.cpu, Machine::register_op(RAX, 4)));
    CHECK(m.cpu.fault.vector == Exception::UD);
    m.level(3);
    CHECK_FALSE(control::mov_from_dr(m.cpu, Machine::register_op(RAX, 0)));
    CHECK(m.faulted(Exception::GP, 0));
}

TEST_CASE("breakpoints: kinds, lengths, alignment") {
    Machine m;
    Cpu& c = m.cpu;
    const auto set = [&](unsigned n, u64 address, u64 kind, u64 length) {
        c.dr[n] = address;
        c.dr[7] |= u64{1} << (2 * n) | kind << (16 + 4 * n) | length << (18 + 4 * n);
    };
    set(0, 0x1000, 0, 0);
    set(1, 0x2003, 1, 3); // aligned down: 2000h-2003h
    set(2, 0x3001, 3, 1); // 3000h-3001h
    set(3, 0x60, 2, 0);
    CHECK(code_breakpoint(c, 0x1000) == 1);
    CHECK(code_breakpoint(c, 0x1001) == 0);
    c.eflags |= eflags::RF;
    CHECK(code_breakpoint(c, 0x1000) == 0);
    CHECK(data_breakpoint_hits(c, 0x1FFF, 2, true) == 2);
    CHECK(data_breakpoint_hits(c, 0x1FFF, 1, true) == 0);
    CHECK(data_breakpoint_hits(c, 0x2003, 1, true) == 2);
    CHECK(data_breakpoint_hits(c, 0x2004, 4, true) == 0);
    CHECK(data_breakpoint_hits(c, 0x2000, 4, false) == 0);
    CHECK(data_breakpoint_hits(c, 0x3001, 1, false) == 4);
    CHECK(data_breakpoint_hits(c, 0x1000, 1, true) == 0);
    CHECK(io_breakpoint_hits(c, 0x60, 1) == 0);
    c.cr4 = cr4::DE;
    CHECK(io_breakpoint_hits(c, 0x5F, 2) == 8);
    CHECK(io_breakpoint_hits(c, 0x61, 1) == 0);
    CHECK(has_code_breakpoints(c));
    CHECK(has_data_breakpoints(c));
    c.dr[7] = 0x400;
    CHECK_FALSE(has_code_breakpoints(c));
    CHECK(data_breakpoint_hits(c, 0x3001, 1, false) == 0);
}

TEST_CASE("descriptor-table registers") {
    Machine m;
    m.put<u16>(0xC000, 0x1234);
    m.put<u32>(0xC002, 0x89ABCDEF);
    REQUIRE(control::lidt<4>(m.cpu, Machine::memory_op(0xC000)));
    CHECK(m.cpu.idtr.base == 0x89ABCDEF);
    CHECK(m.cpu.idtr.limit == 0x1234);
    REQUIRE(control::lidt<2>(m.cpu, Machine::memory_op(0xC000)));
    CHECK(m.cpu.idtr.base == 0x00ABCDEF);
    REQUIRE(control::sidt(m.cpu, Machine::memory_op(0xC100)));
    CHECK(m.get<u16>(0xC100) == 0x1234);
    CHECK(m.get<u32>(0xC102) == 0x00ABCDEF);
    m.level(3);
    CHECK_FALSE(control::lgdt<4>(m.cpu, Machine::memory_op(0xC000)));
    CHECK(m.faulted(Exception::GP, 0));
    CHECK(control::sgdt(m.cpu, Machine::memory_op(0xC100)));
    CHECK(m.get<u32>(0xC102) == gdt);
}

TEST_CASE("LLDT and LTR: descriptor types") {
    Machine m;
    for (unsigned type = 0; type < 32; ++type) {
        for (const bool present : {false, true}) {
            m.set_entry(probe, descriptor(0x5000, 0x67, access(type, 0, present), 0));
            m.cpu.set_r32(RAX, probe);
            const bool is_ldt = type == 2, is_tss = type == 1 || type == 9;
            CHECK(control::lldt_register(m.cpu, Machine::register_op(RAX)) == (is_ldt && present));
            if (!(is_ldt && present)) CHECK(m.faulted(is_ldt ? Exception::NP : Exception::GP, probe));
            CHECK(control::ltr_register(m.cpu, Machine::register_op(RAX)) == (is_tss && present));
            if (is_tss && present)
                CHECK((m.entry(probe) >> 41 & 1) == 1);
            else
                CHECK(m.faulted(is_tss ? Exception::NP : Exception::GP, probe));
        }
    }
    m.cpu.set_r32(RAX, 0);
    CHECK(control::lldt_register(m.cpu, Machine::register_op(RAX)));
    CHECK_FALSE(m.cpu.ldtr.usable());
    CHECK_FALSE(control::ltr_register(m.cpu, Machine::register_op(RAX)));
    CHECK(m.faulted(Exception::GP, 0));
    REQUIRE(control::str_register<4>(m.cpu, Machine::register_op(RBX)));
    CHECK(m.cpu.r32(RBX) == probe);
}

TEST_CASE("LAR, LSL, VERR, VERW: descriptor types x privilege") {
    Machine m;
    unsigned wrong = 0;
    for (unsigned type = 0; type < 32; ++type) {
        for (unsigned bits = 0; bits < 64; ++bits) {
            const unsigned dpl = bits & 3, rpl = bits >> 2 & 3, cpl = bits >> 4;
            m.level(cpl);
            m.set_entry(probe, descriptor(0x12345678, 0x54321, access(type, dpl), 0xD));
            const bool code = type >= 0x18, conforming = type >= 0x1C, data = type >= 0x10 && !code;
            const bool visible = conforming || (dpl >= cpl && dpl >= rpl);
            const bool lsl_type = type >= 0x10 || type == 1 || type == 2 || type == 3 || type == 9 || type == 11;
            const bool lar_type = lsl_type || type == 4 || type == 5 || type == 12;
            m.cpu.set_r32(RCX, probe | rpl);
            const auto zf = [&](auto&& f, u8 reg) {
                m.cpu.set_r32(RDX, 0xEEEEEEEE);
                m.cpu.flags.load(0);
                wrong += !f(m.cpu, Machine::register_op(RCX, reg));
                return m.cpu.flags.zf();
            };
            wrong += zf(control::lar_register<4>, RDX) != (lar_type && visible);
            wrong += m.cpu.r32(RDX) != (lar_type && visible ? (m.entry(probe) >> 32 & 0x00FFFF00) : 0xEEEEEEEE);
            wrong += zf(control::lsl_register<4>, RDX) != (lsl_type && visible);
            wrong += m.cpu.r32(RDX) != (lsl_type && visible ? 0x54321FFF : 0xEEEEEEEE);
            wrong += zf(control::verr_register, 0) != (visible && (data || (code && (type & 2))));
            wrong += zf(control::verw_register, 0) != (visible && data && (type & 2));
        }
    }
    CHECK(wrong == 0);
    m.cpu.set_r32(RCX, 0);
    m.cpu.flags.load(eflags::ZF | eflags::CF);
    REQUIRE(control::lar_register<4>(m.cpu, Machine::register_op(RCX, RDX)));
    CHECK(m.cpu.flags.value() == eflags::CF);
}

TEST_CASE("ARPL") {
    Machine m;
    for (u32 a = 0; a < 4; ++a) {
        for (u32 b = 0; b < 4; ++b) {
            m.cpu.set_r32(RAX, 0x100 + a);
            m.cpu.set_r32(RBX, b);
            REQUIRE(control::arpl_register(m.cpu, Machine::register_op(RAX, RBX)));
            CHECK(m.cpu.flags.zf() == (a < b));
            CHECK(m.cpu.r32(RAX) == 0x100 + std::max(a, b));
        }
    }
}

TEST_CASE("MSRs: state, validation, privilege") {
    Machine m;
    const auto takes = [&](u32 index, u64 value) {
        u64 back = 0;
        return write_msr(m.cpu, index, value) && read_msr(m.cpu, index, back) && back == value;
    };
    CHECK(takes(0x174, 0x60));
    CHECK(takes(0x175, 0xFFFFFFFF));
    CHECK_FALSE(write_msr(m.cpu, 0x176, u64{1} << 62)); // not canonical
    CHECK(takes(0x277, 0x0706050401000000));
    CHECK_FALSE(write_msr(m.cpu, 0x277, 0x02));
    CHECK(takes(0x200, 0x80000006));
    CHECK_FALSE(write_msr(m.cpu, 0x200, 2));
    CHECK_FALSE(write_msr(m.cpu, 0x200, u64{1} << m.cpu.model->physical_bits));
    CHECK(takes(0x201, 0xF80000800));
    CHECK_FALSE(write_msr(m.cpu, 0x201, 1));
    CHECK(takes(0x20F, 0));
    CHECK_FALSE(write_msr(m.cpu, 0x210, 0));
    CHECK(takes(0x250, 0x0606060606060606));
    CHECK_FALSE(write_msr(m.cpu, 0x26F, 0x07));
    CHECK(takes(0x2FF, 0xC06));
    CHECK_FALSE(write_msr(m.cpu, 0x2FF, 0x100));
    CHECK_FALSE(write_msr(m.cpu, 0xFE, 0x508));
    CHECK(takes(0xC0000080, efer::NXE));
    CHECK_FALSE(write_msr(m.cpu, 0xC0000080, efer::SVME));
    CHECK(takes(0x1B, 0xFEE00900));
    CHECK_FALSE(write_msr(m.cpu, 0x1B, 1));
    CHECK(takes(0xC1, 1234));
    CHECK(takes(0x186, 0x530079));
    CHECK(takes(0x400, ~u64{0}));
    CHECK_FALSE(write_msr(m.cpu, 0x401, 1));
    CHECK(takes(0x401, 0));
    CHECK_FALSE(write_msr(m.cpu, 0x17, 0));
    CHECK(write_msr(m.cpu, 0x79, 0x1234));
    CHECK_FALSE(write_msr(m.cpu, 0x12345, 0));
    m.cpu.set_r32(RCX, 0x10);
    m.cpu.set_r32(RAX, 5);
    m.cpu.set_r32(RDX, 1);
    REQUIRE(control::wrmsr(m.cpu, Machine::op()));
    REQUIRE(control::rdtsc(m.cpu, Machine::op()));
    CHECK(m.cpu.r32(RDX) == 1);
    CHECK(m.cpu.r32(RAX) == 5);
    m.level(3);
    CHECK_FALSE(control::rdmsr(m.cpu, Machine::op()));
    CHECK_FALSE(control::wrmsr(m.cpu, Machine::op()));
    CHECK(control::rdtsc(m.cpu, Machine::op()));
    m.cpu.cr4 = cr4::TSD;
    CHECK_FALSE(control::rdtsc(m.cpu, Machine::op()));
    CHECK_FALSE(control::rdpmc(m.cpu, Machine::op()));
    m.cpu.cr4 = cr4::PCE;
    m.cpu.set_r32(RCX, 0);
    CHECK(control::rdpmc(m.cpu, Machine::op()));
    CHECK(m.cpu.r32(RAX) == 1234);
    m.cpu.set_r32(RCX, 2);
    CHECK_FALSE(control::rdpmc(m.cpu, Machine::op()));
}

TEST_CASE("models: what each has") {
    struct Row {
        const char* name;
        u32 signature, edx;
    };
    // EDX as Intel's processors of these signatures report it, APIC enabled.
    const Row rows[] = {
        {"486", 0x480, 0x0000'0003},         {"pentium", 0x52C, 0x0000'01BF},  {"pentium-mmx", 0x543, 0x0080'01BF},
        {"pentium-pro", 0x619, 0x0000'FBFF}, {"pentium3", 0x68A, 0x0383'FBFF}, {"pentium4", 0xF29, 0x078B'FBFF},
    };
    for (const Row& r : rows) {
        CAPTURE(r.name);
        Machine m(r.name);
        const CpuidResult zero = cpuid(m.cpu, 0, 0), one = cpuid(m.cpu, 1, 0);
        CHECK(zero.ebx == 0x756E6547);
        CHECK(zero.edx == 0x49656E69);
        CHECK(zero.ecx == 0x6C65746E);
        CHECK(one.eax == r.signature);
        CHECK(one.edx == r.edx);
        CHECK(m.cpu.model->signature == r.signature);
        m.interrupts.enabled = false;
        CHECK((cpuid(m.cpu, 1, 0).edx & 1u << 9) == 0);
        CHECK(std::string_view(cpu_model_names()).find(r.name) != std::string_view::npos);
    }
    CHECK(find_cpu_model("386") != nullptr);
    CHECK(find_cpu_model("8086") != nullptr);
    CHECK(find_cpu_model("8085") == nullptr);
    Machine m;
    CHECK(cpuid(m.cpu, 0x80000000, 0).eax >= 0x80000008);
    constexpr u32 nx = 1 << 20, long_mode = 1 << 29;
    CHECK((cpuid(m.cpu, 0x80000001, 0).edx & (nx | long_mode)) == (nx | long_mode));
    CHECK(cpuid(m.cpu, 0x80000002, 0).eax == 0x73616C47); // "Glas"
}

TEST_CASE("EFLAGS bits appear with the models that have them") {
    const auto kept = [](const char* model) {
        Machine m(model);
        m.cpu.set_full_eflags(0xFFFFFFFF & ~eflags::VM);
        return m.cpu.full_eflags();
    };
    CHECK(kept("386") == 0x17FD7);
    CHECK(kept("486") == 0x3D7FD7);
    CHECK(kept("max") == 0x3D7FD7);
}

TEST_CASE("reset and INIT") {
    Machine m("pentium4");
    m.cpu.fpu.control = 0x37F;
    m.cpu.msrs.sysenter_cs = 8;
    m.cpu.cr0 &= ~(cr0::CD | cr0::NW);
    reset_state(m.cpu, ResetKind::init);
    CHECK(m.cpu.cr0 == cr0::ET);
    CHECK(m.cpu.fpu.control == 0x37F);
    CHECK(m.cpu.msrs.sysenter_cs == 8);
    reset_state(m.cpu);
    CHECK(m.cpu.cr0 == 0x60000010);
    CHECK(m.cpu.msrs.sysenter_cs == 0);
    CHECK(m.cpu.fpu.control == 0x40);
    CHECK(m.cpu.ip == 0xFFF0);
    CHECK(m.cpu.seg[CS].base == 0xFFFF0000);
    CHECK(m.cpu.seg[CS].selector == 0xF000);
    CHECK(m.cpu.r32(RDX) == 0xF29);
    CHECK(m.cpu.full_eflags() == 2);
    CHECK(m.cpu.dr[6] == 0xFFFF0FF0);
    CHECK(m.cpu.dr[7] == 0x400);
    CHECK(m.cpu.mode == 0);
    CHECK(m.cpu.tsc() == 0);
}

TEST_CASE("mode bits and the TLB class") {
    Machine m;
    using namespace mode;
    CHECK(m.cpu.mode == (code32 | stack32 | flat_ds | flat_es | flat_ss | big_cs | protected_mode));
    CHECK(m.cpu.tlb == &m.cpu.tlbs[0]);
    m.level(3);
    CHECK((m.cpu.mode & user) != 0);
    CHECK(m.cpu.tlb == &m.cpu.tlbs[1]);
    m.cpu.cr0 |= cr0::AM;
    m.cpu.set_full_eflags(eflags::AC);
    m.cpu.update_mode();
    CHECK(m.cpu.tlb == &m.cpu.tlbs[2]);
    m.level(0);
    CHECK(m.cpu.tlb == &m.cpu.tlbs[0]);
    REQUIRE(load_segment(m.cpu, DS, data0_16));
    CHECK((m.cpu.mode & flat_ds) == 0);
    REQUIRE(load_segment(m.cpu, SS, data0_16));
    CHECK((m.cpu.mode & (flat_ss | stack32)) == 0);
}

TEST_CASE("architectural state survives a round trip, and nonsense is refused") {
    Machine m;
    m.level(3);
    m.cpu.set_full_eflags(eflags::IF | eflags::ZF | eflags::PF | eflags::OF);
    for (unsigned i = 0; i < 8; ++i) m.cpu.set_r32(static_cast<Gpr>(i), 0x01010101 * i);
    m.cpu.dr[3] = 0x777;
    Archive out = Archive::saver();
    persist_architecture(m.cpu, out);
    Machine n;
    Archive in = Archive::loader(out.bytes());
    persist_architecture(n.cpu, in);
    CHECK(in.ok());
    CHECK(in.at_end());
    CHECK(n.cpu.full_eflags() == m.cpu.full_eflags());
    CHECK(n.cpu.mode == m.cpu.mode);
    CHECK(n.cpu.cpl == 3);
    CHECK(n.cpu.tlb == &n.cpu.tlbs[1]);
    CHECK(n.cpu.gpr == m.cpu.gpr);
    CHECK(n.cpu.dr == m.cpu.dr);
    Archive again = Archive::saver();
    persist_architecture(n.cpu, again);
    CHECK(again.bytes() == out.bytes());

    m.cpu.cpl = 4;
    Archive bad = Archive::saver();
    persist_architecture(m.cpu, bad);
    Archive refused = Archive::loader(bad.bytes());
    persist_architecture(n.cpu, refused);
    CHECK_FALSE(refused.ok());
}

/// Rows of early processors stand beside those that took over their opcodes.
static Feature only_one(Feature f) {
    return f == Feature::only_8086 || f == Feature::only_286 || f == Feature::only_386 ? f : Feature::i8086;
}

TEST_CASE("rows: every encoding once, a selector and a name each") {
    std::set<std::tuple<u8, u8, i8, i8, Mod, Mandatory, i8, Feature>> seen;
    for (const auto family : {families::system(), families::transfer()}) {
        for (const Row& row : family) {
            CAPTURE(row.info->mnemonic);
            CHECK((row.select != nullptr));
            const At& a = row.at;
            CHECK(seen.insert({a.map, a.opcode, a.digit_, a.rm_, a.mod, a.mandatory, a.w_, only_one(row.feature)})
                      .second);
        }
    }
}
