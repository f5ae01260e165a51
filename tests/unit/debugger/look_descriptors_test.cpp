// Descriptor tables against the SDM's own layouts (3A, figures 3-8, 5-8, 6-2, 6-8, 7-2) and the well-known entries of
// systems.
#include "debugger/look/change.hpp"
#include "debugger/look/descriptor_text.hpp"
#include "tests/unit/debugger/look_fixture.hpp"

#include <doctest/doctest.h>

using namespace glassbox;
using namespace glassbox::look;
using test::LookMachine;

namespace {
bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }
std::string gdt(LookMachine& m) {
    std::string out;
    write_table(m.cpu, nullptr, gdt_of(m.cpu), 0, 8192, out);
    return out;
}
} // namespace

TEST_CASE("types of segments and system descriptors are called as in tables 3-1 and 3-2") {
    CHECK(descriptor_type(0, false, false) == "data, read-only");
    CHECK(descriptor_type(3, false, false) == "data, read/write, accessed");
    CHECK(descriptor_type(6, false, false) == "data, read/write, expand-down");
    CHECK(descriptor_type(8, false, false) == "code, execute-only");
    CHECK(descriptor_type(15, false, false) == "code, execute/read, conforming, accessed");
    CHECK(descriptor_type(2, true, false) == "LDT");
    CHECK(descriptor_type(3, true, false) == "16-bit TSS (busy)");
    CHECK(descriptor_type(5, true, false) == "task gate");
    CHECK(descriptor_type(5, true, true) == "reserved (5)");
    CHECK(descriptor_type(9, true, true) == "64-bit TSS (available)");
    CHECK(descriptor_type(14, true, true) == "64-bit interrupt gate");
    CHECK(descriptor_type(14, true, false) == "32-bit interrupt gate");
}

TEST_CASE("a GDT as Linux has it") {
    LookMachine m;
    m.enter_protected();
    const std::string text = gdt(m);
    CHECK(contains(text, "GDT at 00001000, limit 00FF (32 descriptors)"));
    CHECK(contains(text, "0000       null"));
    CHECK(contains(text, "0010       code, execute/read, accessed  00000000  FFFFFFFF  0    1  1  1    0  0"));
    CHECK(contains(text, "0023") == false); // selectors are listed with RPL 0
    CHECK(contains(text, "0020       code, execute/read, accessed  00000000  FFFFFFFF  3    1  1  1    0  0"));
    CHECK(contains(text, "6-31  0030-00F8  empty"));
}

TEST_CASE("base and limit are put together from their pieces") {
    LookMachine m;
    m.enter_protected();
    m.put<u64>(0x1030, 0x12C0'9234'5678'9ABC); // base 12 34 5678, limit 0 9ABC with G
    std::string text;
    write_table(m.cpu, nullptr, gdt_of(m.cpu), 6, 1, text);
    CHECK(contains(text, "12345678  09ABCFFF  0    1  1  1    0  0"));
    text.clear();
    write_descriptor(m.cpu, nullptr, 0x33, text);
    CHECK(contains(text, "Selector 0033: GDT entry 6, RPL 3"));
    CHECK(contains(text, "base     12345678"));
    CHECK(contains(text, "raw      12C0923456789ABC at 00001030"));
    text.clear();
    write_descriptor(m.cpu, nullptr, 0x108, text);
    CHECK(contains(text, "outside the table: its limit is 00FF"));
    text.clear();
    write_descriptor(m.cpu, nullptr, 0xC, text);
    CHECK(contains(text, "there is no LDT"));
}

TEST_CASE("gates say where they lead") {
    LookMachine m;
    m.enter_protected();
    m.put<u64>(0x1030, 0x0012'EC03'0010'3456); // call gate, DPL 3, 3 parameters
    m.put<u64>(0x1038, 0x0000'8500'0040'0000); // task gate to TSS 40h
    const std::string text = gdt(m);
    CHECK(contains(text, "32-bit call gate to 0010:00123456, 3 parameters"));
    CHECK(contains(text, "task gate to the task of TSS 0040"));
}

TEST_CASE("an IDT: gates, missing entries, its limit") {
    LookMachine m;
    m.enter_protected();
    m.cpu.idtr = {0x2000, 0x7FF};
    m.put<u64>(0x2000 + 8 * 14, 0xC012'8E00'0010'3456);
    m.put<u64>(0x2000 + 8 * 0x80, 0xC012'EF00'0010'0000);
    std::string text;
    write_idt(m.cpu, nullptr, 0, 256, text);
    CHECK(contains(text, "0E     32-bit interrupt gate  0010:C0123456  0    #PF page fault"));
    CHECK(contains(text, "80     32-bit trap gate       0010:C0120000  3"));
    CHECK(contains(text, "00-0D  empty"));
    m.cpu.idtr.limit = 0;
    text.clear();
    write_idt(m.cpu, nullptr, 0, 256, text);
    CHECK(contains(text, "triple fault"));
}

TEST_CASE("real mode's vectors") {
    LookMachine m;
    for (u32 n = 0; n < 256; ++n) m.put<u32>(n * 4, 0xF000'FF53);
    m.put<u32>(0x10 * 4, 0xC000'0014);
    std::string text;
    write_ivt(m.cpu, nullptr, 0, 0, 256, text);
    CHECK(contains(text, "10     C000:0014  000C0014  video"));
    CHECK(contains(text, "00-04  F000:FF53"));
}

TEST_CASE("task-state segments of each width, and the ports of the bitmap") {
    LookMachine m;
    m.enter_protected();
    m.put<u32>(0x3004, 0x1'2340); // ESP0
    m.put<u16>(0x3008, 0x18);     // SS0
    m.put<u32>(0x3020, 0x10'0000);
    m.put<u16>(0x3066, 104); // I/O map
    for (unsigned i = 0; i < 8192; ++i) m.put<u8>(0x3068 + i, 0xFF);
    m.put<u8>(0x3068 + 0x60 / 8, 0xEE);  // ports 60h and 64h
    m.put<u8>(0x3068 + 0x3F8 / 8, 0x00); // 3F8h-3FFh
    std::string text;
    write_tss(m.cpu, nullptr, {0x3000, 104 + 8192, 11, 0x40}, text);
    CHECK(contains(text, "TSS 0040 at 00003000, limit 00002068: 32-bit TSS (busy)"));
    CHECK(contains(text, "ESP0    00012340"));
    CHECK(contains(text, "SS0     0018"));
    CHECK(contains(text, "EIP     00100000"));
    CHECK(contains(text, "allowed ports: 60 64 3F8-3FF"));
    text.clear();
    write_tss(m.cpu, nullptr, {0x3000, 0x67, 9, 0x40}, text);
    CHECK(contains(text, "I/O bitmap: none"));
    text.clear();
    write_tss(m.cpu, nullptr, {0x3000, 0x2B, 1, 0x40}, text);
    CHECK(contains(text, "SS0     2340"));
    text.clear();
    write_tss(m.cpu, nullptr, {0x3000, 10, 9, 0x40}, text);
    CHECK(contains(text, "(beyond the limit)"));
}

TEST_CASE("a descriptor is changed field by field") {
    Descriptor d{0x00CF'9300'0000'FFFF, 0};
    REQUIRE(set_descriptor_field(d, false, "base", 0x1234'5678));
    CHECK(d.base() == 0x1234'5678);
    REQUIRE(set_descriptor_field(d, false, "limit", 0xFFFF));
    CHECK(d.limit() == 0xFFFF);
    CHECK((d.raw >> 55 & 1) == 0);
    REQUIRE(set_descriptor_field(d, false, "limit", 0xFFFF'FFFF));
    CHECK(d.limit() == 0xFFFF'FFFF);
    REQUIRE(set_descriptor_field(d, false, "DPL", 3));
    CHECK(d.dpl() == 3);
    CHECK_FALSE(set_descriptor_field(d, false, "dpl", 4));
    CHECK_FALSE(set_descriptor_field(d, false, "limit", 0x12'3456));
    CHECK_FALSE(set_descriptor_field(d, false, "base", u64{1} << 32));
    CHECK_FALSE(set_descriptor_field(d, false, "colour", 1));
    Descriptor gate{0x0000'8E00'0010'0000, 0};
    REQUIRE(set_descriptor_field(gate, true, "offset", 0xFFFF'FFFF'8123'4567));
    CHECK(gate.gate_offset() == 0xFFFF'FFFF'8123'4567);
    REQUIRE(set_descriptor_field(gate, true, "ist", 3));
    CHECK(gate.gate_ist() == 3);
}

TEST_CASE("tables whose base or limit is absurd are bounded and do not harm") {
    LookMachine m;
    m.enter_protected();
    for (const u64 base : {u64{0}, u64{0xFFFF'FFF8}, u64{LookMachine::device_at}, ~u64{0}}) {
        m.cpu.gdtr = {base, 0xFFFF};
        m.cpu.idtr = {base, 0xFFFF};
        m.cpu.ldtr = m.cpu.seg[DS];
        m.cpu.ldtr.selector = 0x48;
        m.cpu.ldtr.base = base;
        m.cpu.ldtr.limit = 0xFFFF'FFFF;
        std::string text = gdt(m);
        write_table(m.cpu, nullptr, *ldt_of(m.cpu), 0, 8192, text);
        write_idt(m.cpu, nullptr, 0, 256, text);
        write_tss(m.cpu, nullptr, {base, 0xFFFF'FFFF, 11, 0x40}, text);
        CHECK(text.size() < 100'000);
    }
    CHECK(m.device.reads == 0);
}
