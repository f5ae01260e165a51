// Memory of devices as a person sees and writes it: the text at B8000h, registers of APICs, ports without their
// effects, and that history goes on from what was done.
#include "debug_session.hpp"
#include "debugger/view.hpp"
#include "machine/board.hpp"
#include "tests/unit/devices/vga_bench.hpp"

#include <cstdio>
#include <doctest/doctest.h>
#include <fstream>
#include <iterator>

using namespace glassbox;

namespace {

/// A machine whose display is in text mode, as a BIOS leaves it.
struct TextSession : test::DebugSession {
    explicit TextSession(unsigned processors = 1) : DebugSession(test::demo_machine(processors)) {
        const auto& mode = vga_bench::text_80x25;
        out(0x3C2, mode.misc);
        for (unsigned i = 0; i < mode.sequencer.size(); ++i) indexed(0x3C4, i, mode.sequencer[i]);
        for (unsigned i = 0; i < mode.crtc.size(); ++i) indexed(0x3D4, i, mode.crtc[i]);
        for (unsigned i = 0; i < mode.graphics.size(); ++i) indexed(0x3CE, i, mode.graphics[i]);
        for (const char c : std::string_view("Hello")) put(static_cast<u8>(c));
    }
    Board& board() { return machine->board(); }
    void go(std::string_view line) {
        CHECK_FALSE((*this)(line).starts_with("error"));
        debugger->run_to_stop();
    }
    void out(u16 port, u32 value) { board().ports.write(Port{port}, 1, value); }
    void indexed(u16 port, u32 index, u32 value) { board().ports.write(Port{port}, 2, index | value << 8); }
    void put(u8 c) { board().memory.write(PhysAddress{0xB8000 + 2 * column++}, 2, 0x0700u | c); }
    u64 column = 0;
};

} // namespace

TEST_CASE("device memory: every command that looks shows B8000h, and the machine does not notice") {
    TextSession session;
    const u64 before = session.machine->state_hash();
    CHECK(session("x/4xh phys(0xB8000)") == "p000B8000  0748 0765 076C 076C\n");
    CHECK(session("dump 0b8000h 10").find("48 07 65 07 6C 07 6C 07  6F 07") != std::string::npos);
    CHECK(session("print byte phys(0b8002h)").find("65h") != std::string::npos);
    CHECK(session("search word 0748h 0765h").find("p000B8000") != std::string::npos);
    CHECK(session("search word 0748h 0765h in 0b8000h 100h").find("000B8000") != std::string::npos);
    CHECK(session("table \"c:char[1] a:byte\" 0b8000h 2").find("\"e\"") != std::string::npos);
    const std::string file = "/tmp/glassbox-device-memory-test";
    CHECK(session("save " + file + " 0b8000h 10") == "10 bytes saved\n");
    std::ifstream saved(file, std::ios::binary);
    CHECK(std::string(std::istreambuf_iterator<char>(saved), {}) == std::string("H\7e\7l\7l\7o\7"));
    std::remove(file.c_str());
    CHECK(session("x/1xw phys(0FEE00030h)") == "pFEE00030  00050014\n");
    CHECK(session("x/1xw phys(0FED00000h)") == "pFED00000  8086A201\n");
    CHECK(session.machine->state_hash() == before);
}

TEST_CASE("device memory: written by hand in cycles of the width that was given; ROM still refuses") {
    TextSession session;
    Board& board = session.board();
    CHECK(session("set word phys(0b8000h) 1f41h") == "p000B8000  1F41                                      A.\n");
    CHECK(session("fill 0b8004h 4 2f42h word") == "4 bytes filled\n");
    CHECK(session("x/4xh phys(0b8000h)") == "p000B8000  1F41 0765 2F42 2F42\n");
    CHECK(session("copy 0b8000h 0b8002h 2") == "2 bytes copied\n"); // within the device
    CHECK(session("x/2xh phys(0b8000h)") == "p000B8000  1F41 1F41\n");
    CHECK(session("set byte phys(0ffff0000h) 1") == "error: physical address FFFF0000h is ROM (system BIOS)");
    // The I/O APIC takes whole doublewords alone.
    CHECK(session("set dword phys(0fec00000h) 12h").starts_with("pFEC00000  00000012"));
    CHECK(session("set byte phys(0fec00010h) 21h").starts_with("pFEC00010  00"));
    CHECK((board.io_apic.redirection(1) & 0xFF) == 0);
    CHECK(session("set dword phys(0fec00010h) 10021h").starts_with("pFEC00010  00010021"));
    CHECK((board.io_apic.redirection(1) & 0xFF) == 0x21);
    // Neither is heard as the guest's.
    CHECK_FALSE(session("catch mmio 0b8000h 4000").starts_with("error"));
    CHECK_FALSE(session("catch port 80h").starts_with("error"));
    CHECK_FALSE(session("set word phys(0b8000h) 1f42h").starts_with("error"));
    CHECK_FALSE(session("out 80h 1").starts_with("error"));
    session.go("step");
    for (const StopPoint& point : session.debugger->stop_points()) CHECK(point.hits == 0);
    CHECK(session.debugger->stop().kind == StopKind::step);
}

TEST_CASE("device memory: pieces of a write are naturally aligned") {
    struct Recorder final : IoDevice {
        std::vector<std::pair<u64, unsigned>> cycles;
        u64 read(u64, unsigned) override { return 0; }
        void write(u64 offset, unsigned width, u64) override { cycles.emplace_back(offset, width); }
    };
    test::DebugSession session;
    Recorder recorder;
    MemoryMap& memory = session.machine->board().memory;
    memory.add({.name = "recorder",
                .start = 0xE000'0000,
                .size = 4096,
                .access = MemoryMap::Access::read_write,
                .device = &recorder,
                .max_width = 8});
    const std::array<u8, 16> bytes{};
    Cpu& cpu = session.machine->cpu();
    using Cycles = std::vector<std::pair<u64, unsigned>>;
    REQUIRE(write_physical_by_hand(cpu, 0xE000'0000, bytes));
    CHECK(recorder.cycles == Cycles{{0, 8}, {8, 8}});
    recorder.cycles.clear();
    REQUIRE(write_physical_by_hand(cpu, 0xE000'0003, std::span(bytes).first(10), 4));
    CHECK(recorder.cycles == Cycles{{3, 1}, {4, 4}, {8, 4}, {12, 1}});
    recorder.cycles.clear();
    REQUIRE(write_physical_by_hand(cpu, 0xE000'0002, std::span(bytes).first(3), 1));
    CHECK(recorder.cycles == Cycles{{2, 1}, {3, 1}, {4, 1}});
    // All or nothing: the last byte has nobody.
    recorder.cycles.clear();
    CHECK_FALSE(write_physical_by_hand(cpu, 0xE000'0FF8, bytes));
    CHECK(recorder.cycles.empty());
    // It says nothing of what it would read.
    CHECK(session("dump phys(0e0000000h) 4").find("?? ?? ?? ??") != std::string::npos);
}

TEST_CASE("device memory: each processor's own local APIC, and what was written by hand is another future") {
    TextSession session(2);
    Board& board = session.board();
    CHECK_FALSE(session("cpu 0").starts_with("error"));
    CHECK(session("x/1xw phys(0fee00020h)") == "pFEE00020  00000000\n");
    CHECK_FALSE(session("cpu 1").starts_with("error"));
    CHECK(session("x/1xw phys(0fee00020h)") == "pFEE00020  01000000\n");
    CHECK_FALSE(session("set dword phys(0fee000d0h) 2000000h").starts_with("error"));
    CHECK(board.processors.apic(1).registers().ldr == 0x02000000);
    CHECK(board.processors.apic(0).registers().ldr == 0);
    CHECK_FALSE(session("cpu 0").starts_with("error"));
    CHECK(session("x/1xw phys(0fee000d0h)") == "pFEE000D0  00000000\n");

    session.timeline->begin({});
    session.go("step 50");
    session.go("reverse-step 20");
    CHECK_FALSE(session("set word phys(0b8000h) 4f21h").starts_with("error"));
    session.go("step 30");
    session.go("reverse-step 10");
    CHECK(session("x/1xh phys(0b8000h)") == "p000B8000  4F21\n");
    session.go("reverse-step 30"); // before it was done
    CHECK(session("x/1xh phys(0b8000h)") == "p000B8000  0748\n");
}

TEST_CASE("peek: what a port would read, with the byte still there") {
    TextSession session;
    Board& board = session.board();
    const u8 byte = 'k';
    REQUIRE(board.uarts.at(0)->receive({&byte, 1}));
    session.machine->run(session.machine->now() + millisecond, 1000);
    const u64 before = session.machine->state_hash();
    for (const char* line :
         {"peek 60h", "peek 64h", "peek 20h", "peek 3dah", "peek 71h", "peek 1f7h", "peek 0cf8h dword"})
        CHECK(session(line).find(" would read ") != std::string::npos);
    CHECK(session("peek 0cf8h dword") == "port CF8h would read 00000000  (PCI configuration)\n");
    CHECK(session("peek 1234h word") == "port 1234h would read FFFF  (nobody answers there)\n");
    CHECK(session("peek").starts_with("error: the port is missing"));
    CHECK(session("peek 10000h").starts_with("error: ports go up to FFFFh"));
    CHECK(session.machine->state_hash() == before);
    CHECK(session("ports 3f8h").find("would read") != std::string::npos);
}

TEST_CASE("peek: every port and every register page of the board tells, and nothing changes") {
    TextSession session(2);
    const Board& board = session.board();
    const u64 before = session.machine->state_hash();
    for (unsigned port = 0; port < 0x10000; ++port) {
        CAPTURE(port);
        REQUIRE(board.ports.peek(Port{static_cast<u16>(port)}, 1).has_value());
    }
    std::array<u8, 4096> page{};
    for (const MemoryMap::Region& region : board.memory.regions()) {
        if (!region.device || region.access == MemoryMap::Access::none) continue;
        CAPTURE(region.name);
        const auto size = static_cast<std::size_t>(std::min<u64>(region.size, page.size()));
        REQUIRE(board.memory.peek_block(PhysAddress{region.start}, std::span(page).first(size)) == size);
    }
    CHECK(session.machine->state_hash() == before);
}

TEST_CASE("screen save: the picture as a PNG file") {
    TextSession session;
    const std::string file = "/tmp/glassbox-screen-save-test.png";
    CHECK(session("screen save " + file) == "720x400 pixels saved\n");
    std::ifstream picture(file, std::ios::binary);
    const std::string bytes(std::istreambuf_iterator<char>(picture), {});
    CHECK(bytes.starts_with("\x89PNG\r\n"));
    REQUIRE(bytes.size() > 24);
    CHECK(bytes.substr(16, 8) == std::string("\0\0\2\xD0\0\0\1\x90", 8)); // IHDR: width, height
    std::remove(file.c_str());
    CHECK(session("screen save").starts_with("error: the name of the file is missing"));
    CHECK(session("screen save /nonexistent/a.png") ==
          "error: cannot write /nonexistent/a.png: No such file or directory");
    CHECK(session("screen shot").starts_with("error: nothing is expected behind the command"));
}

TEST_CASE("registers that are set before the first instruction stay set") {
    TextSession session;
    const std::array<u8, 2> code = {0x90, 0x90};
    REQUIRE(write_physical_by_hand(session.machine->cpu(), 0x7C00, code));
    for (const char* line : {"set cs 0", "set rip 7c00h"}) CHECK_FALSE(session(line).starts_with("error"));
    session.go("step");
    CHECK(session.machine->cpu().ip == 0x7C01);
}

TEST_CASE("device memory: watchpoints know what was there before") {
    TextSession session;
    Cpu& cpu = session.machine->cpu();
    const std::array<u8, 15> code = {0xB8, 0x00, 0xB8,             // mov ax, 0b800h
                                     0x8E, 0xD8,                   // mov ds, ax
                                     0xC6, 0x06, 0x00, 0x00, 'J',  // mov byte [0], 'J'
                                     0xC6, 0x06, 0x00, 0x00, 'J'}; // again
    REQUIRE(write_physical_by_hand(cpu, 0x7C00, code));
    for (const char* line : {"set cs 0", "set rip 7c00h"}) CHECK_FALSE(session(line).starts_with("error"));
    CHECK_FALSE(session("watch phys(0b8000h) 1").starts_with("error"));
    session.go("step 3");
    CHECK(session.debugger->stop().kind == StopKind::watchpoint);
    const std::string told = describe_stop(*session.debugger);
    CAPTURE(told);
    CHECK(told.find("48") != std::string::npos); // 'H' was there
    CHECK(told.find("4A") != std::string::npos);
}
