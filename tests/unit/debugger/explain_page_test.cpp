// The transcripts of docs/explain.md are what these guests bring about, to the letter.
#include "debugger/symbols/expression.hpp"
#include "explain_fixture.hpp"

#include <fstream>
#include <map>
#include <sstream>

using namespace glassbox;
using namespace glassbox::explain_test;

namespace {

std::string name_of(u64 linear) {
    if (linear >= 0x100 && linear < 0x200)
        return linear == 0x100 ? "kernel_main" : "kernel_main+" + explain::h(linear - 0x100);
    if (linear == 0x7000) return "syscall_entry";
    return {};
}

std::string tell(Guest& m, std::initializer_list<unsigned> bytes) {
    Held held;
    place_code(m, bytes);
    m.cpu.probe = &held;
    m.cpu.run(1);
    m.cpu.probe = nullptr;
    return explain_fault(held.record, name_of);
}

/// The kernel writes to a page of constants.
std::string read_only_page() {
    Guest m;
    constexpr u32 directory = 0x1'F000, table = 0x2'0000;
    for (u32 i = 0; i < 256; ++i) m.put<u32>(table + 4 * i, i << 12 | 0x63);
    m.put<u32>(table + 4 * 0x30, 0x3'0021);
    m.put<u32>(directory, table | 3);
    m.cpu.cr3 = directory;
    m.cpu.cr0 |= cr0::PG | cr0::WP;
    m.cpu.flush_tlb(false);
    m.cpu.update_mode();
    m.cpu.set_r32(RBX, 0x3'0010);
    m.cpu.set_r32(RAX, 5);
    return tell(m, {0x89, 0x43, 0x04});
}

/// A program calls an interrupt that is the kernel's.
std::string gate_of_the_kernel() {
    Guest m;
    m.put<u64>(idt + 8 * 0x30, gate(code0, 0x7000, access(0xE, 0)));
    m.level(3);
    return tell(m, {0xCD, 0x30});
}

/// EDX still holds something.
std::string division() {
    Guest m;
    m.cpu.set_r32(RDX, 7);
    m.cpu.set_r32(RAX, 100);
    m.cpu.set_r32(RBX, 5);
    return tell(m, {0xF7, 0xF3});
}

/// A program's instruction faults, the gate is fine, and the kernel's stack is not there.
std::string triple_fault() {
    Guest m;
    constexpr u32 directory = 0x1'F000, table = 0x2'0000;
    for (u32 i = 0; i < 256; ++i) m.put<u32>(table + 4 * i, i << 12 | 0x67);
    m.put<u32>(table + 4 * 7, 0); // below the kernel's stack
    m.put<u32>(directory, table | 7);
    m.cpu.cr3 = directory;
    m.cpu.cr0 |= cr0::PG;
    m.cpu.flush_tlb(false);
    m.put<u64>(idt + 8 * 14, gate(code0, 0x7000, access(0xE, 0)));
    m.put<u64>(idt + 8 * 8, gate(code0, 0x7000, access(0xE, 0)));
    m.level(3);
    m.cpu.set_r32(RBX, 0x50'0000);
    place_code(m, {0x8A, 0x03});
    m.cpu.run(2);
    return explain_shutdown(m.cpu, name_of);
}

/// The page table has changed, the TLB has not.
std::string stale() {
    Guest64 m;
    m.cpu.gpr[RBX] = 0x5000;
    place_code(m, {0x8A, 0x03});
    m.cpu.run(1);
    m.put<u64>(page_directory, 0x20'00E7);
    Address a;
    a.value = 0x5000;
    return explain_address(m.cpu, a, name_of);
}

std::string interrupt() {
    Guest m;
    m.put<u64>(idt + 8 * 0x80, gate(code0, 0x7000, access(0xF, 3)));
    m.level(3);
    m.cpu.eflags |= eflags::IF;
    return explain_interrupt(m.cpu, 0x80, name_of);
}

std::string selector() {
    Guest m;
    return explain_selector(m.cpu, data3);
}

std::string control_register() {
    Guest m;
    return explain_register(m.cpu, "cr0");
}

} // namespace

TEST_CASE("docs/explain.md: the transcripts are what is printed") {
    const std::map<std::string, std::string> transcripts = {
        {"read-only page", read_only_page()},
        {"gate of the kernel", gate_of_the_kernel()},
        {"division", division()},
        {"triple fault", triple_fault()},
        {"stale", stale()},
        {"interrupt", interrupt()},
        {"selector", selector()},
        {"error", explain_error(0x182, 13)},
        {"control", control_register()},
    };
    std::ifstream in(GLASSBOX_SOURCE_DIR "/docs/explain.md");
    REQUIRE(in.good());
    std::stringstream page;
    page << in.rdbuf();
    for (const auto& [name, text] : transcripts) {
        CAPTURE(name);
        const std::string block = "<!-- " + name + " -->\n```\n" + text + "```\n";
        CHECK_MESSAGE(page.str().find(block) != std::string::npos, block);
    }
}
