// Control registers of 64-bit processors: what MOV CR0, CR3, CR4, CR8 and DRn take (SDM 2B), the way into long mode and
// out of it (SDM 3A 9.8.5), PCIDs and INVPCID (SDM 3A 4.10, SDM 2A), and CLAC, STAC, RDPKRU, WRPKRU, executed from
// memory.
#include "paging64_fixture.hpp"

#include <initializer_list>

using namespace glassbox;
using namespace glassbox::system_test;

namespace {

constexpr u64 all_rights = present | writable | user_bit;
constexpr u32 code_at = 0xC000, descriptor_at = 0xE000;

/// Runs one instruction after the other at `code_at`, mapped at the same linear address.
struct Stepping : Paging64 {
    Stepping() {
        map(0, present | writable | large, 2);
        level_code(0);
    }
    void level_code(unsigned cpl) {
        at_level(cpl);
        cpu.ip = cpu.next_ip = code_at;
    }
    /// What the instruction raises, or nothing (vector 0xFF).
    struct Outcome {
        u8 vector;
        u32 error;
        bool operator==(const Outcome&) const = default;
    };
    Outcome run(std::initializer_list<u8> bytes) {
        u32 at = code_at;
        for (u8 b : bytes) put<u8>(at++, b);
        cpu.memory_written(PhysAddress{code_at}, 16);
        cpu.ip = cpu.next_ip = code_at;
        cpu.fault = {};
        cpu.fault_chain_length = 0;
        cpu.shutdown = false;
        const TableRegister idtr_before = cpu.idtr;
        cpu.idtr.limit = 0; // whatever is raised ends in a shutdown that tells the chain
        cpu.run(1);
        cpu.idtr = idtr_before;
        if (!cpu.shutdown) {
            CHECK(cpu.ip == code_at + bytes.size());
            return {0xFF, 0};
        }
        cpu.shutdown = false;
        return {static_cast<u8>(cpu.fault_chain[0].vector), cpu.fault_chain[0].error};
    }
    static constexpr Outcome fine{0xFF, 0}, gp{13, 0}, ud{6, 0};
};

} // namespace

TEST_CASE("CR4 has the bits of the processor's features, and no others") {
    Paging64 m;
    const u64 all = cr4_of(m.cpu.model->features);
    CHECK((all &
           (cr4::UMIP | cr4::LA57 | cr4::FSGSBASE | cr4::PCIDE | cr4::OSXSAVE | cr4::SMEP | cr4::SMAP | cr4::PKE)) ==
          (cr4::UMIP | cr4::LA57 | cr4::FSGSBASE | cr4::PCIDE | cr4::OSXSAVE | cr4::SMEP | cr4::SMAP | cr4::PKE));
    for (unsigned bit = 0; bit < 64; ++bit) {
        const u64 value = m.cpu.cr4 | u64{1} << bit;
        const bool ok = write_cr4(m.cpu, value);
        INFO("bit ", bit);
        if (bit == 12)
            CHECK_FALSE(ok); // LA57 may not change in long mode
        else
            CHECK(ok == ((all >> bit & 1) != 0));
        if (!ok) CHECK(m.faulted(Exception::GP, 0));
    }
    struct Old {
        const char* model;
        u64 bits;
    };
    for (const Old& o : {Old{"386", 0}, Old{"486", 3}, Old{"pentium", 0x5F}, Old{"pentium-mmx", 0x15F},
                         Old{"pentium-pro", 0x1FF}, Old{"pentium3", 0x7FF}, Old{"pentium4", 0x7FF}}) {
        INFO(o.model);
        CHECK(cr4_of(find_cpu_model(o.model)->features) == o.bits);
    }
}

TEST_CASE("entering long mode wants PAE, 32-bit code and no 286 TSS") {
    for (unsigned bits = 0; bits < 16; ++bits) {
        Paging64 m;
        const bool lme = bits & 1, pae = bits & 2, l = bits & 4, tss16 = bits & 8;
        m.cpu.cr0 &= ~u64{cr0::PG};
        m.cpu.msrs.efer = lme ? efer::LME : 0;
        m.cpu.cr4 = pae ? cr4::PAE : 0;
        if (!l) m.cpu.seg[CS] = Descriptor{m.entry(code1)}.segment(code1);
        if (tss16) m.cpu.tr.access = (m.cpu.tr.access & ~0xFu) | 3;
        m.cpu.update_mode();
        INFO("case ", bits);
        CHECK_FALSE(m.cpu.code64()); // L means nothing before
        const bool ok = write_cr0(m.cpu, m.cpu.cr0 | cr0::PG);
        const bool want = !lme || (pae && !l && !tss16);
        CHECK(ok == want);
        CHECK(m.cpu.long_mode() == (want && lme));
        CHECK(m.cpu.paging() == want);
        CHECK_FALSE(m.cpu.code64());
        if (!ok) CHECK(m.faulted(Exception::GP, 0));
    }
}

TEST_CASE("CS.L makes 64-bit mode of long mode, and there is no way out but through 32-bit code") {
    Paging64 m;
    CHECK(m.cpu.code64());
    CHECK_FALSE(write_cr0(m.cpu, m.cpu.cr0 & ~u64{cr0::PG}));
    CHECK(m.faulted(Exception::GP, 0));
    CHECK_FALSE(write_cr4(m.cpu, m.cpu.cr4 & ~u64{cr4::PAE}));
    CHECK(m.cpu.long_mode());
    m.compatible();
    CHECK_FALSE(m.cpu.code64());
    CHECK_FALSE(write_cr4(m.cpu, m.cpu.cr4 & ~u64{cr4::PAE}));
    CHECK(write_cr4(m.cpu, m.cpu.cr4 | cr4::PCIDE));
    CHECK_FALSE(write_cr0(m.cpu, m.cpu.cr0 & ~u64{cr0::PG}));
    CHECK(write_cr4(m.cpu, m.cpu.cr4 & ~u64{cr4::PCIDE}));
    CHECK(write_cr0(m.cpu, m.cpu.cr0 & ~u64{cr0::PG}));
    CHECK_FALSE(m.cpu.long_mode());
    CHECK((m.cpu.msrs.efer & efer::LME) != 0);
    CHECK_FALSE(write_cr4(m.cpu, m.cpu.cr4 | cr4::PCIDE)); // long mode only
    CHECK(write_cr4(m.cpu, m.cpu.cr4 | cr4::LA57));        // now it may change
    CHECK(write_cr4(m.cpu, m.cpu.cr4 & ~u64{cr4::PAE | cr4::LA57}));
}

TEST_CASE("the upper halves of CR0 and CR4 are reserved, CR3 ends with the address width") {
    Paging64 m;
    for (unsigned bit = 32; bit < 64; ++bit) {
        INFO("bit ", bit);
        CHECK_FALSE(write_cr0(m.cpu, m.cpu.cr0 | u64{1} << bit));
        CHECK_FALSE(write_cr4(m.cpu, m.cpu.cr4 | u64{1} << bit));
        const u64 before = m.cpu.cr3;
        CHECK(write_cr3(m.cpu, before | u64{1} << bit) == (bit < 40));
        m.cpu.cr3 = before;
    }
    CHECK(write_cr4(m.cpu, m.cpu.cr4 | cr4::PCIDE));
    CHECK(write_cr3(m.cpu, Paging64::tables | 7 | u64{1} << 63)); // keeps translations
    CHECK(m.cpu.cr3 == (Paging64::tables | 7));                   // and is not stored
    CHECK_FALSE(write_cr3(m.cpu, Paging64::tables | u64{1} << 62));
}

TEST_CASE("PCIDs: set with PCID 0 only, translations of another one are never seen") {
    Paging64 m;
    m.cpu.cr3 |= 0x18; // PWT and PCD count as PCID bits then
    CHECK_FALSE(write_cr4(m.cpu, m.cpu.cr4 | cr4::PCIDE));
    CHECK(m.faulted(Exception::GP, 0));
    m.cpu.cr3 &= ~u64{0xFFF};
    CHECK(write_cr4(m.cpu, m.cpu.cr4 | cr4::PCIDE | cr4::PGE));
    const u64 linear = 0x1234'5678'9000, global_page = linear + 0x1000;
    m.map(linear, all_rights | 0x7'0000);
    m.map(global_page, all_rights | global_bit | 0x7'1000);
    const u32 other_root = 0x7'F000; // an empty address space
    for (const u64 keep : {u64{0}, u64{1} << 63}) {
        CHECK(write_cr3(m.cpu, Paging64::tables | 1 | keep));
        CHECK(m.reads(linear));
        CHECK(m.reads(global_page));
        CHECK(write_cr3(m.cpu, other_root | 2 | keep));
        CHECK_FALSE(m.reads(linear));
        CHECK(m.reads(global_page));
        CHECK(write_cr3(m.cpu, Paging64::tables | 1 | keep));
        CHECK(m.reads(linear));
    }
}

TEST_CASE("INVPCID: types and checks") {
    struct Row {
        u64 type, pcid, linear;
        bool pcide, allowed;
    };
    constexpr u64 odd = u64{1} << 56, wide = 0x8000'0000'0000; // neither is canonical for 48 bits, one is for 57
    const Row rows[] = {
        {0, 0, 0, false, true},
        {0, 1, 0, false, false},
        {1, 1, 0, false, false},
        {2, 1, 0, false, true},
        {3, 1, 0, false, true},
        {4, 0, 0, true, false},
        {~u64{0}, 0, 0, true, false},
        {u64{1} << 32, 0, 0, true, false},
        {0, 0xFFF, 0, true, true},
        {0, 0x1000, 0, true, false},
        {1, 0x1000, 0, true, false},
        {2, 0x1000, 0, true, false},
        {3, u64{1} << 63, 0, true, false},
        {0, 3, odd, true, false},
        {0, 3, wide, true, true},
        {1, 3, odd, true, true},
        {2, 3, odd, true, true},
        {3, 3, odd, true, true},
    };
    Stepping m;
    for (const Row& r : rows) {
        m.cpu.cr4 = (m.cpu.cr4 & ~u64{cr4::PCIDE}) | (r.pcide ? u64{cr4::PCIDE} : 0);
        m.put<u64>(descriptor_at, r.pcid);
        m.put<u64>(descriptor_at + 8, r.linear);
        m.cpu.gpr[R9] = r.type;
        m.cpu.gpr[RBX] = descriptor_at;
        INFO("type ", r.type, " pcid ", r.pcid);
        CHECK(m.run({0x66, 0x44, 0x0F, 0x38, 0x82, 0x0B}) ==
              (r.allowed ? Stepping::fine : Stepping::gp)); // invpcid r9, [rbx]
    }
    m.map(0, present | writable | user_bit | large, 2);
    for (u32 at : {m.entry_at(0, 4), m.entry_at(0, 3)}) m.put<u64>(at, m.get<u64>(at) | user_bit);
    m.cpu.flush_tlb(false);
    m.level_code(3);
    CHECK(m.run({0x66, 0x44, 0x0F, 0x38, 0x82, 0x0B}) == Stepping::gp);
}

TEST_CASE("INVPCID drops what it must") {
    for (u64 type = 0; type < 4; ++type) {
        for (const bool global : {false, true}) {
            Stepping m;
            m.cpu.cr4 |= cr4::PCIDE | cr4::PGE;
            m.cpu.cr3 = Paging64::tables | 5;
            const u64 linear = 0x7FFF'1234'5000;
            const u32 at = m.entry_at(linear, 1);
            m.put<u64>(at, all_rights | 0x7'0000 | (global ? global_bit : 0));
            CHECK(m.reads(linear));
            m.put<u64>(at, 0);
            CHECK(m.reads(linear));
            m.put<u64>(descriptor_at, 5);
            m.put<u64>(descriptor_at + 8, linear);
            m.cpu.gpr[R9] = type;
            m.cpu.gpr[RBX] = descriptor_at;
            CHECK(m.run({0x66, 0x44, 0x0F, 0x38, 0x82, 0x0B}) == Stepping::fine);
            INFO("type ", type, " global ", global);
            if (type == 2 || !global) CHECK_FALSE(m.reads(linear));
            if (type == 3 && global) CHECK(m.reads(linear));
        }
    }
}

TEST_CASE("MOV to and from control registers moves 64 bits in 64-bit mode") {
    Stepping m;
    m.cpu.gpr[RAX] = 0xFEDC'BA98'7654'3210;
    CHECK(m.run({0x0F, 0x22, 0xD0}) == Stepping::fine); // mov cr2, rax
    CHECK(m.cpu.cr2 == 0xFEDC'BA98'7654'3210);
    CHECK(m.run({0x41, 0x0F, 0x20, 0xD1}) == Stepping::fine); // mov r9, cr2
    CHECK(m.cpu.gpr[R9] == 0xFEDC'BA98'7654'3210);
    CHECK(m.run({0x0F, 0x22, 0xC0}) == Stepping::gp); // mov cr0, rax: upper half
    CHECK(m.run({0x0F, 0x22, 0xE0}) == Stepping::gp); // mov cr4, rax
    CHECK(m.run({0x0F, 0x22, 0xC8}) == Stepping::ud); // mov cr1, rax
    m.cpu.gpr[RAX] = 0xF;
    CHECK(m.run({0x44, 0x0F, 0x22, 0xC0}) == Stepping::fine); // mov cr8, rax
    m.cpu.gpr[RAX] = 0x10;
    CHECK(m.run({0x44, 0x0F, 0x22, 0xC0}) == Stepping::gp);
    CHECK(m.run({0x44, 0x0F, 0x20, 0xC0}) == Stepping::fine); // mov rax, cr8
    CHECK(m.cpu.gpr[RAX] == 0);                               // there is no task-priority register here
    for (const unsigned n : {2u, 3u, 4u}) {
        INFO("cr", 8 + n);
        CHECK(m.run({0x44, 0x0F, 0x20, static_cast<u8>(0xC0 + 8 * n)}) == Stepping::ud);
    }
}

TEST_CASE("MOV to and from debug registers moves 64 bits in 64-bit mode") {
    Stepping m;
    m.cpu.gpr[RAX] = 0xFFFF'8000'1234'5678;
    CHECK(m.run({0x0F, 0x23, 0xD8}) == Stepping::fine); // mov dr3, rax
    CHECK(m.cpu.dr[3] == 0xFFFF'8000'1234'5678);
    CHECK(m.run({0x41, 0x0F, 0x21, 0xD9}) == Stepping::fine); // mov r9, dr3
    CHECK(m.cpu.gpr[R9] == 0xFFFF'8000'1234'5678);
    CHECK(m.run({0x0F, 0x23, 0xF0}) == Stepping::gp);       // mov dr6, rax
    CHECK(m.run({0x0F, 0x23, 0xF8}) == Stepping::gp);       // mov dr7, rax
    CHECK(m.run({0x44, 0x0F, 0x23, 0xD8}) == Stepping::ud); // dr11
    m.cpu.gpr[RAX] = 0x400;
    CHECK(m.run({0x0F, 0x23, 0xF8}) == Stepping::fine);
}

TEST_CASE("SMSW has a 64-bit form, and UMIP keeps it from applications") {
    Stepping m;
    m.cpu.gpr[RCX] = ~u64{0};
    CHECK(m.run({0x48, 0x0F, 0x01, 0xE1}) == Stepping::fine); // smsw rcx
    CHECK(m.cpu.gpr[RCX] == m.cpu.cr0);
    m.cpu.gpr[RCX] = ~u64{0};
    CHECK(m.run({0x66, 0x0F, 0x01, 0xE1}) == Stepping::fine); // smsw cx
    CHECK(m.cpu.gpr[RCX] == (~u64{0xFFFF} | (m.cpu.cr0 & 0xFFFF)));
    m.map(0, present | writable | user_bit | large, 2);
    for (const bool umip : {false, true}) {
        m.cpu.cr4 = (m.cpu.cr4 & ~u64{cr4::UMIP}) | (umip ? u64{cr4::UMIP} : 0);
        for (const unsigned cpl : {0u, 3u}) {
            m.level_code(cpl);
            m.cpu.flush_tlb(false);
            INFO("umip ", umip, " cpl ", cpl);
            CHECK(m.run({0x0F, 0x01, 0xE1}) == (umip && cpl == 3 ? Stepping::gp : Stepping::fine));
        }
    }
}

TEST_CASE("INVLPG takes a 64-bit address; one that is not canonical does nothing") {
    Stepping m;
    const u64 linear = 0xFFFF'9234'5678'9000;
    const u32 at = m.entry_at(linear, 1);
    m.put<u64>(at, all_rights | 0x7'0000);
    CHECK(m.reads(linear));
    m.put<u64>(at, 0);
    m.cpu.gpr[RAX] = linear & 0x0000'FFFF'FFFF'FFFF; // not canonical
    CHECK(m.run({0x0F, 0x01, 0x38}) == Stepping::fine);
    CHECK(m.reads(linear));
    m.cpu.gpr[RAX] = linear & 0xFFFF'FFFF;
    CHECK(m.run({0x0F, 0x01, 0x38}) == Stepping::fine);
    CHECK(m.reads(linear));
    m.cpu.gpr[RAX] = linear;
    CHECK(m.run({0x0F, 0x01, 0x38}) == Stepping::fine);
    CHECK_FALSE(m.reads(linear));
}

TEST_CASE("CLAC and STAC") {
    Stepping m;
    m.cpu.cr4 |= cr4::SMAP;
    CHECK(m.run({0x0F, 0x01, 0xCB}) == Stepping::fine);
    CHECK((m.cpu.eflags & eflags::AC) != 0);
    CHECK(m.cpu.class_tlb == &m.cpu.tlbs[static_cast<u8>(TlbClass::supervisor_user)]);
    CHECK(m.run({0x0F, 0x01, 0xCA}) == Stepping::fine);
    CHECK((m.cpu.eflags & eflags::AC) == 0);
    CHECK(m.cpu.class_tlb == &m.cpu.tlbs[static_cast<u8>(TlbClass::supervisor)]);
    CHECK(m.run({0xF0, 0x0F, 0x01, 0xCB}) == Stepping::ud);
    CHECK(m.run({0x66, 0x0F, 0x01, 0xCB}) == Stepping::ud);
    m.cpu.cr4 &= ~u64{cr4::SMAP};
    m.map(0, present | writable | user_bit | large, 2);
    m.level_code(3);
    m.cpu.flush_tlb(false);
    CHECK(m.run({0x0F, 0x01, 0xCB}) == Stepping::ud);
    CHECK(m.run({0x0F, 0x01, 0xCA}) == Stepping::ud);
}

TEST_CASE("RDPKRU and WRPKRU") {
    Stepping m;
    m.cpu.gpr[RAX] = 0x1'2345'6789, m.cpu.gpr[RCX] = 0, m.cpu.gpr[RDX] = 0;
    CHECK(m.run({0x0F, 0x01, 0xEF}) == Stepping::ud); // without CR4.PKE
    CHECK(m.run({0x0F, 0x01, 0xEE}) == Stepping::ud);
    m.cpu.cr4 |= cr4::PKE;
    m.map(0, present | writable | user_bit | large, 2);
    m.level_code(3); // not privileged
    m.cpu.gpr[RAX] = 0x1'2345'6788, m.cpu.gpr[RCX] = u64{1} << 32, m.cpu.gpr[RDX] = u64{1} << 32;
    CHECK(m.run({0x0F, 0x01, 0xEF}) == Stepping::fine);
    CHECK(m.cpu.pkru == 0x2345'6788);
    m.cpu.gpr[RAX] = m.cpu.gpr[RDX] = ~u64{0};
    CHECK(m.run({0x0F, 0x01, 0xEE}) == Stepping::fine);
    CHECK(m.cpu.gpr[RAX] == 0x2345'6788);
    CHECK(m.cpu.gpr[RDX] == 0);
    m.cpu.gpr[RDX] = 1;
    CHECK(m.run({0x0F, 0x01, 0xEF}) == Stepping::gp);
    m.cpu.gpr[RDX] = 0, m.cpu.gpr[RCX] = 1;
    CHECK(m.run({0x0F, 0x01, 0xEF}) == Stepping::gp);
    CHECK(m.run({0x0F, 0x01, 0xEE}) == Stepping::gp);
}
