// The program's life as gdb sees it, its steps over interrupts, searches, and two who give commands.
#include "gdb_fixture.hpp"

using namespace glassbox;
using namespace glassbox::gdb_test;

namespace {

bool is_error(const std::string& reply) { return reply.size() >= 3 && reply[0] == 'E'; }

/// At the boot sector, with the BIOS's timer interrupt running.
Client booted() {
    Client c = Client::with("max", gdb::Arch::i8086);
    REQUIRE(c.ask("Z0,7c00,1") == "OK");
    REQUIRE(c.ask("c") == "T05thread:1;");
    REQUIRE(c.ask("z0,7c00,1") == "OK");
    return c;
}
u64 ticks(Client& c) { return c.number(c.ask("m46c,4")); }

} // namespace

TEST_CASE("gdb: a step passes over hardware interrupts, unless they are asked for") {
    Client c = booted();
    CHECK(c.ask("M7c00,6:fbf490eb0000") == "OK"); // sti; hlt; nop
    CHECK(c.ask("vCont;s:1") == "T05thread:1;");
    const u64 before = ticks(c);
    CHECK(c.ask("vCont;s:1") == "T05thread:1;");
    CHECK(c.cpu().ip == 0x7C02);
    CHECK(c.cpu().seg[CS].selector == 0);
    CHECK(ticks(c) == before + 1); // the handler has run
    CHECK(c.ask("qqemu.sstepbits") == "ENABLE=1,NOIRQ=2,NOTIMER=4");
    CHECK(c.ask("qqemu.sstep") == "0x7");
    CHECK(c.ask("Qqemu.sstep=0x5") == "OK");
    CHECK(c.ask("qqemu.sstep") == "0x5");
    Client d = booted();
    CHECK(d.ask("Qqemu.sstep=1") == "OK");
    CHECK(d.ask("M7c00,6:fbf490eb0000") == "OK");
    CHECK(d.ask("vCont;s:1") == "T05thread:1;");
    CHECK(d.ask("vCont;s:1") == "T05thread:1;");
    CHECK(d.cpu().seg[CS].selector == 0xF000); // in the BIOS
    for (const char* bad : {"Qqemu.sstep", "Qqemu.sstep=", "Qqemu.sstep=x", "Qqemu.sstep=8", "Qqemu.sstep:1"})
        CHECK(is_error(d.ask(bad)));
}

TEST_CASE("gdb: a range is stepped through in one go, interrupts and all") {
    Client c = booted();
    // sti; mov cx, 5; again: hlt; loop again; nop
    CHECK(c.ask("M7c00,8:fbb90500f4e2fd90") == "OK");
    const u64 before = ticks(c);
    const std::size_t stops = c.debugger->past_stops().size();
    CHECK(c.ask("vCont;r7c00,7c07:1") == "T05thread:1;");
    CHECK(c.cpu().ip == 0x7C07);
    CHECK(c.cpu().r16(RCX) == 0);
    CHECK(ticks(c) == before + 5);
    CHECK(c.debugger->past_stops().size() == stops + 1);
    // A breakpoint in the range counts.
    CHECK(c.ask("P8=007c0000") == "OK");
    CHECK(c.ask("Z0,7c05,1") == "OK");
    CHECK(c.ask("vCont;r7c00,7c07:1;c") == "T05thread:1;");
    CHECK(c.cpu().ip == 0x7C05);
    CHECK(c.cpu().r16(RCX) == 5);
}

TEST_CASE("gdb: what stops a step before it is done is no SIGTRAP, which gdb would go on from") {
    Client c = Client::with("max", gdb::Arch::i8086);
    c.code(0, 0x7C00, {0xFA, 0xF4, 0xEB, 0xFC}); // cli; hlt; jmp
    CHECK(c.ask("vCont;r7c00,7c04:1") == "T11thread:1;");
    CHECK(c.console.find("halted for ever") != std::string::npos);
    CHECK(c.ask("c") == "T05thread:1;");
    // A program counter that is set wakes the processor.
    CHECK(c.ask("P8=027c0000") == "OK"); // where it stands: nothing changes
    CHECK(c.ask("vCont;s:1") == "T11thread:1;");
    CHECK(c.ask("P8=007c0000") == "OK");
    CHECK(c.ask("vCont;s:1") == "T05thread:1;");
    CHECK(c.cpu().ip == 0x7C01);
}

TEST_CASE("gdb: a catchpoint for one exception is the signal that a program would get") {
    struct Case {
        const char* vector;
        std::vector<unsigned> code;
        const char* reply;
    };
    for (const Case& k : {Case{"#UD", {0x0F, 0x0B}, "T04thread:1;"},             // UD2
                          Case{"#DE", {0x31, 0xC9, 0xF7, 0xF1}, "T08thread:1;"}, // div cx by 0
                          Case{"#GP", {0xA1, 0xFF, 0xFF}, "T0bthread:1;"}}) {    // a word at FFFFh
        CAPTURE(k.vector);
        Client c = Client::with("max", gdb::Arch::i8086);
        u32 at = 0x7C00;
        c.code(0, 0x7C00, {});
        for (const unsigned byte : k.code) c.machine->board().memory.write(PhysAddress{at++}, 1, byte);
        c.monitor("catch exception " + std::string(k.vector));
        CHECK(c.ask("c") == k.reply);
    }
}

TEST_CASE("gdb: run again is the reset, as often as one likes") {
    Client c = Client::with("max", gdb::Arch::i8086);
    c.timeline->begin({});
    CHECK(c.ask("R00") == ""); // in extended mode alone
    CHECK(c.ask("!") == "OK");
    c.code(0x100, 0, {0x40, 0x43, 0xEB, 0xFC}); // inc ax; inc bx; jmp
    c.timeline->changed_by_hand();
    CHECK(c.ask("s") == "T05thread:1;");
    CHECK(c.cpu().ip == 1);
    for (unsigned i = 0; i < 3; ++i) {
        CHECK(c.ask("vRun;;41") == "T05thread:1;");
        CHECK(c.reg(8) == 0xFFFF'FFF0);
        CHECK(c.ask("s") == "T05thread:1;");
        CHECK(c.reg(8) == 0xF'E05B);
    }
    CHECK(c.ask("m1000,2") == "4043"); // memory is kept
    CHECK(c.ask("bs") == "T05thread:1;");
    CHECK(c.reg(8) == 0xFFFF'FFF0);
    c.stub->receive(Client::frame("R00"));
    CHECK(c.packets(c.stub->take_output()).empty());
    CHECK(c.ask("?") == "T05thread:1;");
    CHECK(c.reg(8) == 0xFFFF'FFF0);
}

TEST_CASE("gdb: killed in extended mode the machine stands until it is run again, or until gdb goes") {
    Client c;
    CHECK(c.ask("!") == "OK");
    CHECK(c.ask("Z0,7c00,1") == "OK");
    CHECK(c.ask("vKill;a410") == "OK");
    CHECK_FALSE(c.stub->finished());
    CHECK(c.debugger->stop_points().empty());
    for (const char* packet : {"c", "g", "m0,1", "vCont;c", "Z0,0,1", "bs", "vAttach;1"})
        CHECK(is_error(c.ask(packet)));
    CHECK(c.ask("?") == "W00");
    CHECK(c.ask("vRun;") == "T05thread:1;");
    CHECK(c.ask("?") == "T05thread:1;");
    CHECK_FALSE(c.stub->killed());
    CHECK(c.ask("vKill;1") == "OK");
    CHECK(c.stub->killed()); // when the connection ends now, so does the machine
    c.stub.reset();
    CHECK_FALSE(c.debugger->running());
}

TEST_CASE("gdb: detached in extended mode the machine runs, and can be attached to again") {
    Client c;
    c.code(0, 0x7C00, {0xEB, 0xFE});
    CHECK(c.ask("!") == "OK");
    CHECK(c.ask("Z0,7c10,1") == "OK");
    c.stub->receive(Client::frame("D"));
    CHECK(c.packets(c.stub->take_output()) == std::vector<std::string>{"OK"});
    CHECK(c.debugger->running());
    CHECK(c.debugger->stop_points().empty());
    CHECK_FALSE(c.stub->finished());
    c.debugger->run(never, 1000);
    c.stub->receive(Client::frame("g"));
    CHECK(is_error(c.packets(c.stub->take_output()).at(0)));
    c.stub->receive(Client::frame("vAttach;1"));
    CHECK(c.packets(c.stub->take_output()) == std::vector<std::string>{"T02thread:1;"});
    CHECK_FALSE(c.debugger->running());
    CHECK(c.ask("g").size() > 100);
}

TEST_CASE("gdb: the console runs the machine while gdb stands") {
    Client c = Client::with("max", gdb::Arch::i8086);
    c.code(0, 0x7C00, {0xEB, 0xFE});
    REQUIRE(c.debugger->resume({}));
    c.debugger->run(never, c.machine->instructions() + 1000);
    CHECK(c.stub->take_output().empty());
    // Going on is waiting for the stop; a step stops it and is one.
    c.stub->receive(Client::frame("c"));
    CHECK(c.debugger->running());
    c.debugger->run(never, c.machine->instructions() + 1000);
    c.debugger->interrupt();
    CHECK(c.packets(c.stub->take_output()) == std::vector<std::string>{"T02thread:1;"});
    REQUIRE(c.debugger->resume({}));
    c.debugger->run(never, c.machine->instructions() + 1000);
    const u64 count = c.machine->instructions();
    CHECK(c.ask("s") == "T05thread:1;");
    CHECK(c.machine->instructions() == count + 1);
    CHECK_FALSE(c.debugger->running());
}

TEST_CASE("gdb: memory is searched and summed up here") {
    Client c;
    CHECK(c.ask("M5ffe,4:11223344") == "OK");
    const auto search = [&](u64 at, u64 length, std::string_view pattern) {
        return c.ask("qSearch:memory:" + gdb::to_hex(at) + ";" + gdb::to_hex(length) + ";" + std::string(pattern));
    };
    CHECK(search(0x5000, 0x2000, "\x11\x22\x33\x44") == "1,5ffe"); // over the page's end
    CHECK(search(0x5ffe, 4, "\x11\x22\x33\x44") == "1,5ffe");
    CHECK(search(0x5fff, 0x100000, "\x11\x22\x33\x44") == "0");
    CHECK(search(0x5000, 0x1001, "\x11\x22\x33\x44") == "0"); // it ends inside
    CHECK(search(0x5000, 0x2000, "\x44") == "1,6001");
    CHECK(search(0xFFFF'F000, 0x1000, "\xEA\x5B\xE0") == "1,fffffff0");
    CHECK(search(0x5000, 0, "\x11") == "0");
    for (const char* bad :
         {"qSearch:memory", "qSearch:memory:", "qSearch:memory:5", "qSearch:memory:5;", "qSearch:memory:5;5",
          "qSearch:memory:5;5;", "qSearch:memory:x;5;5", "qSearch:memory:0;ffffffffffffffff;5"})
        CHECK(is_error(c.ask(bad)));
    // The CRC of gdb's manual, of "123456789": CRC-32/MPEG-2's check value.
    CHECK(c.ask("M5000,9:313233343536373839") == "OK");
    CHECK(c.ask("qCRC:5000,9") == "C376e6e7");
    CHECK(c.ask("qCRC:5000,0") == "Cffffffff");
    for (const char* bad : {"qCRC", "qCRC:", "qCRC:5000", "qCRC:x,1", "qCRC:0,ffffffffffffffff"})
        CHECK(is_error(c.ask(bad)));
}

TEST_CASE("gdb: what LLDB asks at first") {
    struct Case {
        gdb::Arch arch;
        const char* triple;
        const char* size;
    };
    for (const Case& k : {Case{gdb::Arch::x86_64, "x86_64-unknown-none", "ptrsize:8;"},
                          Case{gdb::Arch::i386, "i386-unknown-none", "ptrsize:4;"},
                          Case{gdb::Arch::i8086, "i386-unknown-none-code16", "ptrsize:4;"}}) {
        Client c = Client::with("max", k.arch);
        for (const char* packet : {"qHostInfo", "qProcessInfo"}) {
            const std::string reply = c.ask(packet);
            CHECK(reply.find("triple:" + gdb::to_hex(std::string_view(k.triple)) + ";") != std::string::npos);
            CHECK(reply.find(k.size) != std::string::npos);
            CHECK(reply.find("endian:little;") != std::string::npos);
        }
        CHECK(c.ask("qMemoryRegionInfo:7c12") == "start:7000;size:ffff9000;permissions:rwx;");
        CHECK(c.ask("qMemoryRegionInfo:100000000") == "start:100000000;size:ffffffff00000000;");
        CHECK(is_error(c.ask("qMemoryRegionInfo")));
        CHECK(is_error(c.ask("qMemoryRegionInfo:x")));
    }
    Client c;
    c.stub->receive(Client::frame("k"));
    CHECK(c.packets(c.stub->take_output()) == std::vector<std::string>{"X09"});
}

TEST_CASE("gdb: a client that vanishes in the middle of a packet leaves nothing behind") {
    Client c;
    c.code(0, 0x7C00, {0xEB, 0xFE});
    CHECK(c.ask("Z0,7c10,1") == "OK");
    c.stub->receive("$X7c00,100:abc}");
    c.stub.reset();
    CHECK(c.debugger->stop_points().empty());
    CHECK(c.debugger->running());
    c.stub = std::make_unique<GdbStub>(*c.debugger, GdbOptions{});
    CHECK(c.ask("?").substr(0, 3) == "T02");
    CHECK(c.ask("m7c00,2") == "ebfe");
}
