// Registers by name: what reads what, and what a write by hand means for the hidden parts (SDM 3A 2.5, 3.4.3).
#include "debugger/look/register_place.hpp"
#include "debugger/look/register_text.hpp"
#include "debugger/view.hpp"
#include "tests/unit/debugger/look_fixture.hpp"

#include <doctest/doctest.h>

using namespace glassbox;
using test::LookMachine;

namespace {
u64 value(const Cpu& cpu, std::string_view name) {
    const auto v = read_register(cpu, name);
    REQUIRE_MESSAGE(v, name);
    return v->value;
}
std::string error(const Expected<>& result) { return result ? "" : result.error().message; }
} // namespace

TEST_CASE("a register is read by each of its names, whatever the size") {
    LookMachine m;
    m.cpu.gpr[RAX] = 0x1122'3344'5566'7788;
    m.cpu.gpr[RSP] = 0xAABB'CCDD'EEFF'0011;
    m.cpu.gpr[R9] = 0x0102'0304'0506'0708;
    CHECK(value(m.cpu, "rax") == 0x1122'3344'5566'7788);
    CHECK(value(m.cpu, "eax") == 0x5566'7788);
    CHECK(value(m.cpu, "AX") == 0x7788);
    CHECK(value(m.cpu, "al") == 0x88);
    CHECK(value(m.cpu, "ah") == 0x77);
    CHECK(value(m.cpu, "spl") == 0x11);
    CHECK(value(m.cpu, "r9d") == 0x0506'0708);
    CHECK(value(m.cpu, "r9w") == 0x0708);
    CHECK(value(m.cpu, "r9b") == 0x08);
    CHECK(read_register(m.cpu, "ah")->bits == 8);
    CHECK_FALSE(read_register(m.cpu, "rzx"));
    CHECK_FALSE(read_register(m.cpu, ""));
}

TEST_CASE("writing a part leaves the rest, but 32 bits clear the upper half") {
    LookMachine m;
    m.cpu.gpr[RBX] = 0x1122'3344'5566'7788;
    REQUIRE(write_register(m.cpu, "bh", 0xAB));
    CHECK(m.cpu.gpr[RBX] == 0x1122'3344'5566'AB88);
    REQUIRE(write_register(m.cpu, "bx", 0x1234));
    CHECK(m.cpu.gpr[RBX] == 0x1122'3344'5566'1234);
    REQUIRE(write_register(m.cpu, "ebx", 1));
    CHECK(m.cpu.gpr[RBX] == 1);
    REQUIRE(write_register(m.cpu, "bl", ~u64{0})); // -1
    CHECK(m.cpu.gpr[RBX] == 0xFF);
    CHECK(error(write_register(m.cpu, "bl", 256)) == "the value does not fit 8 bits");
    CHECK(error(write_register(m.cpu, "bl", ~u64{0} - 0xFF)) == "the value does not fit 8 bits"); // -256
    CHECK(m.cpu.gpr[RBX] == 0xFF);
}

TEST_CASE("all names can be read and are told apart") {
    LookMachine m;
    const auto names = register_names(m.cpu);
    CHECK(names.size() > 200);
    for (const std::string& name : names) CHECK_MESSAGE(read_register(m.cpu, name), name);
    // An old processor has fewer, and not the newer ones.
    LookMachine old("8086");
    for (const std::string& name : register_names(old.cpu)) {
        CHECK(name != "rax");
        CHECK(name != "vm");
        CHECK(name != "cr0");
        CHECK(name != "eax");
    }
}

TEST_CASE("flags one by one; IOPL has two bits") {
    LookMachine m;
    REQUIRE(write_register(m.cpu, "eflags", 0x246));
    CHECK(value(m.cpu, "zf") == 1);
    CHECK(value(m.cpu, "cf") == 0);
    CHECK(value(m.cpu, "if") == 1);
    REQUIRE(write_register(m.cpu, "cf", 1));
    REQUIRE(write_register(m.cpu, "zf", 0));
    CHECK(m.cpu.full_eflags() == 0x207);
    REQUIRE(write_register(m.cpu, "iopl", 3));
    CHECK(m.cpu.full_eflags() == 0x3207);
    CHECK(error(write_register(m.cpu, "iopl", 4)) == "the value does not fit 2 bits");
    CHECK(look::flag_words(0x3247) == "IOPL=3 IF ZF PF CF");
}

TEST_CASE("real mode: a selector makes its base; limits stay") {
    LookMachine m;
    REQUIRE(write_register(m.cpu, "ds", 0x1234));
    CHECK(value(m.cpu, "ds.base") == 0x12340);
    CHECK(value(m.cpu, "ds.limit") == 0xFFFF);
    REQUIRE(write_register(m.cpu, "cs", 0x07C0));
    REQUIRE(write_register(m.cpu, "ip", 5));
    CHECK(m.cpu.code_linear(m.cpu.ip) == 0x7C05);
    REQUIRE(write_register(m.cpu, "es.limit", 0xFFFF'FFFF)); // unreal mode
    REQUIRE(write_register(m.cpu, "es", 0));
    CHECK(m.cpu.seg[ES].flat());
    CHECK((m.cpu.mode & mode::flat_es) != 0);
}

TEST_CASE("protected mode: a selector loads its descriptor, or the error says why not") {
    LookMachine m;
    m.enter_protected();
    m.put<u64>(0x1030, 0x0040'9212'3456'0FFF); // data at 123456h, limit FFFh, not accessed
    m.put<u64>(0x1038, 0x0040'1300'0000'0FFF); // not present
    m.put<u64>(0x1040, 0x0000'8900'2000'0067); // TSS, available
    m.put<u64>(0x1048, 0x0000'8200'3000'0017); // LDT
    m.put<u64>(0x3008, 0x0040'F200'5000'00FF); // in the LDT: data of level 3
    REQUIRE(write_register(m.cpu, "fs", 0x30));
    CHECK(value(m.cpu, "fs.base") == 0x12'3456);
    CHECK(value(m.cpu, "fs.limit") == 0xFFF);
    CHECK((m.get<u8>(0x1035) & 1) == 1); // accessed now, as the processor would have it
    CHECK(error(write_register(m.cpu, "fs", 0x38)) == "the descriptor is not present (P = 0)");
    CHECK(error(write_register(m.cpu, "fs", 0x108)) == "the selector lies outside the GDT");
    CHECK(error(write_register(m.cpu, "cs", 0x30)) == "the descriptor is not a code segment");
    CHECK(error(write_register(m.cpu, "cs", 0)) == "CS cannot be null");
    CHECK(error(write_register(m.cpu, "ss", 0x10)) == "the descriptor is not writable data");
    CHECK(error(write_register(m.cpu, "cs", 0x20)).starts_with("the selector's RPL"));
    REQUIRE(write_register(m.cpu, "cs", 0x23));
    CHECK(value(m.cpu, "cpl") == 3);
    CHECK((m.cpu.mode & mode::user) != 0);
    REQUIRE(write_register(m.cpu, "ldtr", 0));
    CHECK(error(write_register(m.cpu, "gs", 0xC)) == "the selector lies outside the LDT");
    REQUIRE(write_register(m.cpu, "ldtr", 0x48));
    REQUIRE(write_register(m.cpu, "gs", 0xF));
    CHECK(value(m.cpu, "gs.base") == 0x5000);
    REQUIRE(write_register(m.cpu, "tr", 0x40));
    CHECK(value(m.cpu, "tr.base") == 0x2000);
    CHECK(m.get<u8>(0x1045) == 0x8B); // busy
    CHECK(error(write_register(m.cpu, "tr", 0x48)) == "the descriptor is not a TSS's");
    CHECK(error(write_register(m.cpu, "cpl", 0)).starts_with("the CPL follows from CS"));
}

TEST_CASE("64-bit mode: L makes the code 64 bits wide; instruction pointers are canonical") {
    LookMachine m;
    for (u64 i = 0; i < 512; ++i) m.put<u64>(0x4000 + 8 * i, 0); // PML4, PDPT: one page of 1 GiB
    m.put<u64>(0x4000, 0x5003);
    m.put<u64>(0x5000, 0x83);
    m.put<u64>(0x1010, 0x00AF'9B00'0000'FFFF);
    m.enter_paging(0x4000, cr4::PAE, true);
    m.put<u64>(0x1010, 0x00AF'9B00'0000'FFFF);
    CHECK(code_bits(m.cpu) == 64);
    CHECK(error(write_register(m.cpu, "rip", 0x8000'0000'0000'0000)) == "the address is not canonical");
    REQUIRE(write_register(m.cpu, "rip", 0xFFFF'8000'0000'1000));
    CHECK(m.cpu.ip == 0xFFFF'8000'0000'1000);
    m.put<u64>(0x1050, 0x00CF'9B00'0000'FFFF);
    REQUIRE(write_register(m.cpu, "cs", 0x50));
    CHECK(code_bits(m.cpu) == 32);
    REQUIRE(write_register(m.cpu, "cs", 0x10));
    CHECK(code_bits(m.cpu) == 64);
    REQUIRE(write_register(m.cpu, "fs_base", 0xFFFF'8000'1234'5678));
    CHECK(value(m.cpu, "fs.base") == 0xFFFF'8000'1234'5678);
    CHECK(m.cpu.base64[FS] == 0xFFFF'8000'1234'5678);
    CHECK_FALSE(write_register(m.cpu, "gs_base", 0x1234'0000'0000'0000));
}

TEST_CASE("control registers are checked as MOV would check them") {
    LookMachine m;
    const auto fault = m.cpu.fault.vector;
    CHECK(error(write_register(m.cpu, "cr0", cr0::PG)) == "CR0.PG without CR0.PE");
    CHECK(error(write_register(m.cpu, "cr0", cr0::NW)) == "CR0.NW without CR0.CD");
    CHECK(error(write_register(m.cpu, "cr4", u64{1} << 31)) == "reserved bit of CR4");
    CHECK(error(write_register(m.cpu, "cr8", 16)) == "CR8 has four bits");
    CHECK(error(write_register(m.cpu, "efer", u64{1} << 63)) == "MSR does not take this value or access");
    CHECK(error(write_register(m.cpu, "mxcsr", 0x1'0000)) == "MXCSR has reserved bits above 15");
    CHECK(error(write_register(m.cpu, "xcr0", 4)) == "XCR0 cannot have that value");
    CHECK(m.cpu.fault.vector == fault); // nothing was raised
    m.enter_protected();
    REQUIRE(write_register(m.cpu, "cs", 0x23));
    REQUIRE(write_register(m.cpu, "cr0", cr0::ET));
    CHECK(m.cpu.cpl == 0); // real mode knows no privilege
    CHECK(m.cpu.real_mode());
}

TEST_CASE("EFLAGS.VM makes virtual-8086 segments, and needs protected mode") {
    LookMachine m;
    CHECK_FALSE(write_register(m.cpu, "vm", 1));
    m.enter_protected();
    REQUIRE(write_register(m.cpu, "vm", 1));
    CHECK(m.cpu.v86());
    CHECK(m.cpu.cpl == 3);
    CHECK(value(m.cpu, "ds.base") == 0x180);
    CHECK(look::mode_text(m.cpu) == "virtual-8086 mode");
}

TEST_CASE("x87, MMX and vector registers") {
    LookMachine m;
    m.cpu.fpu.init();
    REQUIRE(write_register(m.cpu, "st0", 0x8000'0000'0000'0000));
    REQUIRE(write_register(m.cpu, "st0.exponent", 0x3FFF));
    CHECK(m.cpu.fpu.st(0).significand == 0x8000'0000'0000'0000);
    CHECK(value(m.cpu, "ftw") == 0xFFFC); // R0 valid, others empty
    REQUIRE(write_register(m.cpu, "mm2", 77));
    CHECK(value(m.cpu, "mm2") == 77);
    REQUIRE(write_register(m.cpu, "xmm3h", 5));
    CHECK(m.cpu.sse.xmm(3).q[1] == 5);
    CHECK(value(m.cpu, "ymm3.1") == 5);
    REQUIRE(write_register(m.cpu, "ymm3.2", 9));
    CHECK(m.cpu.sse.ymm_high(3).q[0] == 9);
    REQUIRE(write_register(m.cpu, "fcw", 0x37F));
    CHECK(value(m.cpu, "fcw") == 0x37F);
}

TEST_CASE("debug registers keep their fixed bits") {
    LookMachine m;
    REQUIRE(write_register(m.cpu, "dr7", 0x1));
    CHECK(value(m.cpu, "dr7") == 0x401);
    CHECK(value(m.cpu, "dr5") == 0x401); // the alias
    REQUIRE(write_register(m.cpu, "dr6", 0));
    CHECK(value(m.cpu, "dr6") == 0xFFFF'0FF0);
    CHECK_FALSE(write_register(m.cpu, "dr6", u64{1} << 32));
}

TEST_CASE("a snapshot tells what has changed, of each family the register in the mode's width") {
    LookMachine m;
    look::RegisterSnapshot before(m.cpu);
    CHECK(before.changes(m.cpu).empty());
    m.cpu.set_r16(RAX, 0x55AA);
    m.cpu.ip += 2;
    CHECK(before.changes(m.cpu) == std::vector<std::string>{"eax", "eip"});
    CHECK(before.changed(m.cpu, "ax"));
    CHECK(before.changed(m.cpu, "al"));
    CHECK_FALSE(before.changed(m.cpu, "ebx"));
    std::string text;
    look::write_changed(m.cpu, before, text);
    CHECK(text.starts_with("*EAX = 000055AA  21930  (was 00000000)\n"));
    CHECK_FALSE(look::RegisterSnapshot().changed(m.cpu, "ax"));
}

TEST_CASE("bits of control registers by the manual's names") {
    CHECK(look::cr0_words(0x8005'0033) == "PG AM WP NE ET MP PE"); // what Linux has
    CHECK(look::cr4_words(0x20) == "PAE");
    CHECK(look::cr4_words(0x3) == "PVI VME");
    CHECK(look::efer_words(0xD01) == "NXE LMA LME SCE");
    CHECK(look::efer_words(0) == "-");
}
