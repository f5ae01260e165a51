// Faults of single instructions: segments, pages, privilege, units, values. The processor and the explanation must come
// to the same by different ways: exception, error code, address and reason.
#include "explain_fixture.hpp"

using namespace glassbox;
using namespace glassbox::explain_test;

namespace {

/// 32-bit paging for the first megabyte, one page table at 20000h, everything present, writable and the user's.
constexpr u32 directory = 0x1'F000, table = 0x2'0000;
void page(Guest& m) {
    for (u32 i = 0; i < 1024; ++i) {
        m.put<u32>(directory + 4 * i, 0);
        m.put<u32>(table + 4 * i, i < 256 ? i << 12 | 7 : 0);
    }
    m.put<u32>(directory, table | 7);
    m.cpu.cr3 = directory;
    m.cpu.cr0 |= cr0::PG;
    m.cpu.flush_tlb(false);
    m.cpu.update_mode();
}
void set_page(Guest& m, u32 linear, u32 bits) {
    m.put<u32>(table + 4 * (linear >> 12), (linear & 0xFFFFF000) | bits);
    m.cpu.flush_tlb(false);
}

constexpr std::initializer_list<unsigned> store_eax{0x89, 0x43, 0x04}; // mov [ebx+4], eax
constexpr std::initializer_list<unsigned> load_byte{0x8A, 0x03};       // mov al, [ebx]
constexpr std::initializer_list<unsigned> push_eax{0x50};              // push eax
constexpr std::initializer_list<unsigned> mov_ds_ax{0x8E, 0xD8};       // mov ds, ax
constexpr std::initializer_list<unsigned> mov_ss_ax{0x8E, 0xD0};       // mov ss, ax

} // namespace

TEST_CASE("explain: segment limits, types and null selectors") {
    Guest m;
    m.set_entry(probe, descriptor(0x1000, 0xFFF, access(0x13, 0), 4));
    m.cpu.seg[DS] = Descriptor{m.entry(probe)}.segment(probe);
    m.cpu.update_mode();
    m.cpu.set_r32(RBX, 0xFF9);
    Told t = run(m, store_eax);
    EXPLAINS(t, GP, 0,
             "The 4 bytes lie at offsets 00000FFDh to 00001000h, but the segment ends at its limit, 00000FFFh "
             "(SDM 3A 5.3).");
    CHECK(t.has("EBX (FF9h) + 4h = 00000FFDh"));
    CHECK(t.has("so the write is not allowed: #GP, error code 0000h."));

    m.set_entry(probe, descriptor(0x1000, 0xFFF, access(0x11, 0), 4)); // the table alone
    m.cpu.set_r32(RBX, 0x2000);
    EXPLAINS(run(m, store_eax), GP, 0, "The table has another descriptor by now (data, read-only");

    m.cpu.seg[DS] = Descriptor{m.entry(probe)}.segment(probe);
    m.cpu.set_r32(RBX, 0);
    EXPLAINS(run(m, store_eax), GP, 0, "no W bit: it is read-only (SDM 3A 5.4).");
    m.set_entry(probe, descriptor(0x1000, 0xFFF, access(0x19, 0), 4)); // execute-only
    m.cpu.seg[DS] = Descriptor{m.entry(probe)}.segment(probe);
    EXPLAINS(run(m, load_byte), GP, 0, "no R bit: it is execute-only");
    m.set_entry(probe, descriptor(0x1000, 0xFFF, access(0x17, 0), 4)); // expand-down
    m.cpu.seg[DS] = Descriptor{m.entry(probe)}.segment(probe);
    EXPLAINS(run(m, load_byte), GP, 0, "in an expand-down segment valid offsets go from 00001000h (limit + 1)");
    m.cpu.seg[DS] = null_segment(m.cpu.seg[DS], 0);
    EXPLAINS(run(m, load_byte), GP, 0, "null selector cannot be used for memory (SDM 3A 5.4.1)");

    m.level(0);
    m.cpu.seg[SS].limit = 0x100;
    m.cpu.seg[SS].update(false);
    m.cpu.update_mode();
    m.cpu.set_r32(RSP, 0x200);
    EXPLAINS(run(m, push_eax), SS, 0, "the segment ends at its limit, 00000100h");
}

TEST_CASE("explain: real mode's limit") {
    Guest m;
    m.real();
    m.cpu.set_r32(RBX, 0xFFFF);
    EXPLAINS(run(m, {0x8B, 0x07}), GP, 0, "offsets 0000FFFFh to 00010000h"); // mov ax, [bx]
}

TEST_CASE("explain: every bit of paging") {
    Guest m;
    page(m);
    m.cpu.set_r32(RBX, 0x3'0000);
    set_page(m, 0x3'0000, 6);
    Told t = run(m, store_eax);
    EXPLAINS(t, PF, 2, "The page-table entry has P = 0");
    CHECK(t.has("page-table entry 48 at 000200C0h = 00030006h: P=0"));
    m.put<u32>(directory + 4, 0);
    m.cpu.set_r32(RBX, 0x40'0000);
    EXPLAINS(run(m, load_byte), PF, 0, "The page-directory entry has P = 0");

    m.cpu.set_r32(RBX, 0x3'0000);
    set_page(m, 0x3'0000, 5);
    m.cpu.cr0 |= cr0::WP;
    m.cpu.flush_tlb(false);
    EXPLAINS(run(m, store_eax), PF, 3, "because CR0.WP = 1; the page-table entry has R/W = 0 (SDM 3A 4.6.1).");

    m.level(3);
    EXPLAINS(run(m, store_eax), PF, 7, "A write needs R/W = 1 at every level in user mode");
    set_page(m, 0x3'0000, 3);
    EXPLAINS(run(m, load_byte), PF, 5, "needs U/S = 1 at every level, but the page-table entry has U/S = 0");

    m.level(0);
    m.cpu.cr4 = cr4::SMEP | cr4::SMAP;
    m.cpu.flush_tlb(false);
    m.cpu.update_mode();
    EXPLAINS(run(m, {}), PF, 17, "from which the supervisor may not execute");
    m.cpu.cr4 = cr4::SMAP;
    m.cpu.flush_tlb(false);
    m.cpu.update_mode();
    set_page(m, 0x3'0000, 7);
    set_page(m, 0, 3); // the code
    set_page(m, 0x1000, 3);
    EXPLAINS(run(m, load_byte), PF, 1, "touch only while EFLAGS.AC = 1; AC is 0");
    // A push that runs into a hole, and an access over the edge of a page.
    m.cpu.cr4 = 0;
    m.cpu.flush_tlb(false);
    m.cpu.update_mode();
    set_page(m, 0x7000, 0);
    m.cpu.set_r32(RSP, 0x8000);
    EXPLAINS(run(m, push_eax), PF, 2, "4 bytes at SS:00007FFCh");
    set_page(m, 0x3'1000, 0);
    m.cpu.set_r32(RBX, 0x3'0FFA);
    t = run(m, store_eax);
    EXPLAINS(t, PF, 2, "The access goes on in the next page");
    CHECK(t.fault.cr2 == 0x3'1000);
}

TEST_CASE("explain: NX, reserved bits, keys and canonical addresses in long mode") {
    Guest64 m;
    m.cpu.msrs.efer |= efer::NXE;
    m.cpu.ip = 0x100;
    m.put<u64>(page_directory, 7 | 0x80 | u64{1} << 63);
    m.cpu.flush_tlb(false);
    EXPLAINS(run(m, {}), PF, 17, "the page-directory entry has XD = 1");
    m.put<u64>(page_directory, 7 | 0x80);
    m.put<u64>(page_directory + 8, 7 | 0x80 | 0x2000); // bit 13 of a 2-MByte page
    m.cpu.flush_tlb(false);
    m.cpu.gpr[RBX] = 0x20'0000;
    EXPLAINS(run(m, load_byte), PF, 9, "reserved bits set: bit 13 (SDM 3A 4.7)");
    m.cpu.msrs.efer &= ~efer::NXE;
    m.put<u64>(page_directory + 8, 7 | 0x80 | u64{1} << 63);
    m.cpu.flush_tlb(false);
    EXPLAINS(run(m, load_byte), PF, 9, "63 (XD, which needs EFER.NXE)");
    m.cpu.gpr[RBX] = not_canonical;
    EXPLAINS(run(m, load_byte), GP, 0, "bits 63 to 47 must all be equal");
    m.cpu.gpr[RSP] = not_canonical + 0x100;
    EXPLAINS(run(m, push_eax), SS, 0, "in 00008000000000F8h they are not");
    m.cpu.gpr[RAX] = not_canonical;
    EXPLAINS(run(m, {0xFF, 0xE0}), GP, 0, "The branch leads to 0000800000000000h, which is not canonical");

    m.put<u64>(page_directory + 8, 7 | 0x80 | u64{5} << 59);
    m.cpu.cr4 |= cr4::PKE;
    m.cpu.pkru = 2u << 10;
    m.level64(3);
    m.cpu.ip = 0x100;
    m.cpu.flush_tlb(false);
    m.cpu.update_mode();
    m.cpu.gpr[RBX] = 0x20'0000;
    EXPLAINS(run(m, store_eax), PF, 0x27, "protection key 5, for which PKRU = 00000800h says AD=0 WD=1");
}

TEST_CASE("explain: loading segment registers") {
    Guest m;
    m.cpu.set_r32(RAX, 0x1008);
    EXPLAINS(run(m, mov_ds_ax), GP, 0x1008, "names bytes 1008h to 100Fh of the GDT, whose limit is 0FFFh");
    m.set_entry(probe, descriptor(0, 0xFFFF, access(0x19, 0), 0)); // execute-only
    m.cpu.set_r32(RAX, probe);
    EXPLAINS(run(m, mov_ds_ax), GP, probe, "not an execute-only code segment");
    m.set_entry(probe, descriptor(0, 0xFFFF, access(0x13, 0, false), 0));
    EXPLAINS(run(m, mov_ds_ax), NP, probe, "The P bit in the descriptor of ");
    EXPLAINS(run(m, mov_ss_ax), SS, probe, "for a stack segment that is #SS");
    m.cpu.set_r32(RAX, data0 | 3);
    EXPLAINS(run(m, mov_ds_ax), GP, data0, "RPL (3) must not be greater than DPL (0)");
    EXPLAINS(run(m, mov_ss_ax), GP, data0, "RPL (3) must be the privilege level");
    m.cpu.set_r32(RAX, 0);
    EXPLAINS(run(m, mov_ss_ax), GP, 0, "SS must not hold a null selector");
    m.cpu.set_r32(RAX, data3 & ~3u);
    EXPLAINS(run(m, mov_ss_ax), GP, data3 & ~3u, "DPL (3) must be the privilege level");
    m.cpu.set_r32(RAX, code0);
    EXPLAINS(run(m, mov_ss_ax), GP, code0, "must be writable data");
    m.cpu.ldtr.access |= Segment::unusable;
    m.cpu.set_r32(RAX, 0x0C);
    EXPLAINS(run(m, mov_ds_ax), GP, 0x0C, "LDTR is null");
    m.cpu.set_r32(RAX, sel_tss_a);
    EXPLAINS(run(m, {0x0F, 0x00, 0xD8}), GP, sel_tss_a, "LTR needs an available TSS"); // ltr ax: it is busy
    EXPLAINS(run(m, {0x0F, 0x00, 0xD0}), GP, sel_tss_a, "LLDT needs an LDT");
}

TEST_CASE("explain: privilege, ports and flags") {
    Guest m;
    m.level(3);
    EXPLAINS(run(m, {0xF4}), GP, 0, "CPL 0 alone; CPL is 3 (SDM 3A 5.9)");
    EXPLAINS(run(m, {0xFA}), GP, 0, "CLI and STI need CPL <= IOPL");
    EXPLAINS(run(m, {0x0F, 0x22, 0xC0}), GP, 0, "CPL 0 alone");
    EXPLAINS(run(m, {0x0F, 0x32}), GP, 0, "CPL 0 alone");
    m.cpu.set_r32(RDX, 0x3F8);
    m.put<u8>(tss_a + 0x88 + 0x3F8 / 8, 1);
    EXPLAINS(run(m, {0xEC}), GP, 0, "port 03F8h the bitmap of the TSS has bit 0");
    m.cpu.set_r32(RDX, 0xFFFF);
    EXPLAINS(run(m, {0xEC}), GP, 0, "and the TSS's limit is 0FFFh");
    m.cpu.cr4 |= cr4::TSD;
    m.cpu.update_mode();
    EXPLAINS(run(m, {0x0F, 0x31}), GP, 0, "CR4.TSD = 1");
    m.virtual_8086(0);
    EXPLAINS(run(m, {0x9C}), GP, 0, "need IOPL = 3; it is 0");
    EXPLAINS(run(m, {0xFA}), GP, 0, "In virtual-8086 mode CLI and STI need IOPL = 3");
    EXPLAINS(run(m, {0xCD, 0x21}), GP, 0, "INT n in virtual-8086 mode needs IOPL = 3");
}

TEST_CASE("explain: no such instruction, and units that are switched off") {
    Guest m;
    EXPLAINS(run(m, {0x0F, 0x0B}), UD, 0, "to raise this exception");
    EXPLAINS(run(m, {0xF0, 0x90}), UD, 0, "LOCK");
    EXPLAINS(run(m, {0x0F, 0x04}), UD, 0, "are no instruction");
    Guest old("386");
    EXPLAINS(run(old, {0x0F, 0xA2}), UD, 0, "needs the feature 'cpuid'");
    m.cpu.cr0 |= cr0::TS;
    EXPLAINS(run(m, {0xD9, 0xE8}), NM, 0, "CR0.TS = 1");
    m.cpu.cr0 = (m.cpu.cr0 & ~cr0::TS) | cr0::EM;
    EXPLAINS(run(m, {0xD9, 0xE8}), NM, 0, "CR0.EM = 1");
    EXPLAINS(run(m, {0x0F, 0x28, 0xC1}), UD, 0, "CR0.EM = 1");
    m.cpu.cr0 &= ~cr0::EM;
    EXPLAINS(run(m, {0x0F, 0x28, 0xC1}), UD, 0, "CR4.OSFXSR = 0");
    EXPLAINS(run(m, {0xC5, 0xF8, 0x28, 0xC1}), UD, 0, "CR4.OSXSAVE = 0");
    m.cpu.cr4 |= cr4::OSFXSR | cr4::OSXSAVE;
    m.cpu.update_mode();
    EXPLAINS(run(m, {0xC5, 0xF8, 0x28, 0xC1}), UD, 0, "XCR0 = 1h");
    m.cpu.set_r32(RBX, 0x3'0008);
    EXPLAINS(run(m, {0x0F, 0x28, 0x03}), GP, 0, "is 8 beyond one"); // movaps xmm0, [ebx]
    m.cpu.cr0 |= cr0::NE;
    m.cpu.fpu.control = 0x37B;
    m.cpu.fpu.status = 4;
    EXPLAINS(run(m, {0xD9, 0xE8}), MF, 0, "zero divide (ZE) pending");
    m.cpu.sse.mxcsr = 0x1F80 & ~0x200u;
    m.cpu.cr4 |= cr4::OSXMMEXCPT;
    m.cpu.update_mode();
    m.cpu.sse.xmm(0).q[0] = 0x3F80'0000;
    m.cpu.sse.xmm(1).q[0] = 0;
    EXPLAINS(run(m, {0xF3, 0x0F, 0x5E, 0xC1}), XM, 0, "divide by zero (ZE)");
    m.cpu.cr4 &= ~cr4::OSXMMEXCPT;
    m.cpu.update_mode();
    EXPLAINS(run(m, {0xF3, 0x0F, 0x5E, 0xC1}), UD, 0, "CR4.OSXMMEXCPT = 0");
    m.level(3);
    m.cpu.cr0 |= cr0::AM;
    m.cpu.eflags |= eflags::AC;
    m.cpu.update_mode();
    m.cpu.set_r32(RBX, 0x3'0001);
    EXPLAINS(run(m, {0x8B, 0x03}), AC, 0, "is no multiple of 4");
}

TEST_CASE("explain: quotients and bounds") {
    Guest m;
    m.cpu.set_r32(RBX, 0);
    EXPLAINS(run(m, {0xF7, 0xF3}), DE, 0, "The divisor is 0");
    m.cpu.set_r32(RBX, 5);
    m.cpu.set_r32(RDX, 7);
    m.cpu.set_r32(RAX, 0);
    const Told t = run(m, {0xF7, 0xF3});
    EXPLAINS(t, DE, 0, "EDX:EAX = 700000000h divided by 5h is 166666666h, which does not fit EAX");
    CHECK(t.has("was it cleared?"));
    m.cpu.set_r32(RDX, 0xFFFF'FFFF);
    m.cpu.set_r32(RAX, 0x8000'0000);
    m.cpu.set_r32(RBX, 0xFFFF'FFFF);
    EXPLAINS(run(m, {0xF7, 0xFB}), DE, 0, "(both signed) is 80000000h");
    EXPLAINS(run(m, {0xD4, 0x00}), DE, 0, "AAM");
    m.put<u32>(0x3'0000, 1);
    m.put<u32>(0x3'0004, 9);
    m.cpu.set_r32(RBX, 0x3'0000);
    m.cpu.set_r32(RAX, 10);
    EXPLAINS(run(m, {0x62, 0x03}), BR, 0, "The index Ah is not between the bounds 1h and 9h");
}

TEST_CASE("explain: control registers and MSRs") {
    Guest m;
    m.cpu.set_r32(RAX, static_cast<u32>(cr0::PG));
    EXPLAINS(run(m, {0x0F, 0x22, 0xC0}), GP, 0, "CR0.PG = 1 needs CR0.PE = 1");
    m.cpu.set_r32(RAX, static_cast<u32>(cr0::PE | cr0::NW));
    EXPLAINS(run(m, {0x0F, 0x22, 0xC0}), GP, 0, "CR0.NW = 1 needs CR0.CD = 1");
    m.cpu.set_r32(RAX, 0x8000'0000);
    EXPLAINS(run(m, {0x0F, 0x22, 0xE0}), GP, 0, "does not have these bits of CR4: 31");
    m.cpu.cr4 = cr4::PAE;
    m.cpu.update_mode();
    m.put<u64>(0x3'0000, 0x1E7);
    m.cpu.cr3 = 0x3'0000;
    m.cpu.set_r32(RAX, static_cast<u32>(cr0::PE | cr0::PG));
    EXPLAINS(run(m, {0x0F, 0x22, 0xC0}), GP, 0, "number 0 at 00030000h = 00000000000001E7h");
    m.cpu.set_r32(RCX, 0x1234'5678);
    const Told t = run(m, {0x0F, 0x32});
    CHECK(t.match == explain::Match::reason);
    CHECK(t.has("ECX = 12345678h"));
    CHECK(t.has("no model-specific register"));
    Guest64 wide;
    wide.cpu.set_r32(RAX, static_cast<u32>(cr0::PE));
    EXPLAINS(run(wide, {0x0F, 0x22, 0xC0}), GP, 0, "may not be cleared by 64-bit code");
    wide.cpu.gpr[RCX] = 0xC000'0080;
    wide.cpu.gpr[RDX] = 0;
    wide.cpu.gpr[RAX] = 2;
    EXPLAINS(run(wide, {0x0F, 0x30}), GP, 0, "does not have bits 1");
    wide.cpu.gpr[RCX] = 0xC000'0082;
    wide.cpu.gpr[RDX] = 0x0100'0000;
    EXPLAINS(run(wide, {0x0F, 0x30}), GP, 0, "IA32_LSTAR) holds an address");
}
