// Every packet of the gdb stub, and what it answers to packets that are none.
#include "gdb_fixture.hpp"

#include "debugger/view.hpp"

using namespace glassbox;
using namespace glassbox::gdb_test;

namespace {
bool is_error(const std::string& reply) { return reply.size() >= 3 && reply[0] == 'E'; }

// Numbers of registers in the descriptions.
constexpr unsigned esp = 4, eip = 8, rsp = 7, rip = 16, eflags64 = 17, cs64 = 18;
} // namespace

TEST_CASE("gdb: what the stub can do") {
    Client c;
    const std::string supported = c.ask("qSupported:multiprocess+;swbreak+;hwbreak+;xmlRegisters=i386");
    for (const char* word : {"PacketSize=4000", "QStartNoAckMode+", "qXfer:features:read+", "qXfer:memory-map:read+",
                             "qXfer:threads:read+", "swbreak+", "hwbreak+", "vContSupported+", "ReverseStep+",
                             "ReverseContinue+", "multiprocess-", "error-message+"}) {
        CAPTURE(word);
        CHECK(supported.find(word) != std::string::npos);
    }
    CHECK(c.ask("vCont?") == "vCont;c;C;s;S;t;r");
    CHECK(c.ask("qAttached") == "1");
    CHECK(c.ask("qSymbol::") == "OK");
    CHECK(c.ask("!") == "OK");
    for (const char* unknown : {"vMustReplyEmpty", "qOffsets", "qTStatus", "QNonStop:1", "vFile:open:41", "jT",
                                "qSupportedNot", "vContX", "Z5,0,0", "z9,0,0", "bx", ""})
        CHECK(c.ask(unknown) == "");
}

TEST_CASE("gdb: connecting stops the machine, and ? says why it stands") {
    Client c;
    CHECK_FALSE(c.debugger->running());
    CHECK(c.ask("?") == "T05thread:1;");
    c.stub.reset();
    REQUIRE(c.debugger->running()); // it goes on when its client is gone
    c.debugger->run(never, 1000);
    c.stub = std::make_unique<GdbStub>(*c.debugger, GdbOptions{});
    CHECK_FALSE(c.debugger->running());
    CHECK(c.ask("?") == "T02thread:1;");
}

TEST_CASE("gdb: acknowledgements until QStartNoAckMode") {
    Client c;
    c.stub->receive("$qC#b4");
    CHECK(c.stub->take_output() == "+$QC1#c5");
    c.stub->receive("$qC#00");
    CHECK(c.stub->take_output() == "-");
    c.stub->receive(Client::frame("QStartNoAckMode"));
    CHECK(c.stub->take_output() == "+$OK#9a");
    c.stub->receive("$qC#00");
    CHECK(c.stub->take_output() == "$QC1#c5");
}

TEST_CASE("gdb: the descriptions fit the model and the wish, and g has the bytes that they name") {
    struct Case {
        const char* model;
        gdb::Arch arch;
        const char* name;
        bool wide;
    };
    for (const Case& k :
         {Case{"max", gdb::Arch::automatic, "i386:x86-64", true}, Case{"max", gdb::Arch::i386, "i386", false},
          Case{"max", gdb::Arch::i8086, "i8086", false}, Case{"max", gdb::Arch::by_mode, "i8086", false},
          Case{"pentium", gdb::Arch::automatic, "i8086", false}, Case{"pentium3", gdb::Arch::i386, "i386", false},
          Case{"pentium", gdb::Arch::x86_64, "i386:x86-64", true}}) {
        CAPTURE(k.model);
        CAPTURE(k.name);
        Client c = Client::with(k.model, k.arch);
        std::string xml;
        for (u64 at = 0;;) { // in small pieces
            const std::string part = c.ask("qXfer:features:read:target.xml:" + gdb::to_hex(at) + ",1ff");
            xml += part.substr(1);
            at += part.size() - 1;
            if (part[0] == 'l') break;
            REQUIRE(part[0] == 'm');
            REQUIRE(part.size() > 1);
        }
        CHECK(xml.find("<architecture>" + std::string(k.name) + "</architecture>") != std::string::npos);
        CHECK((xml.find("name=\"rax\"") != std::string::npos) == k.wide);
        std::size_t bits = 0, count = 0;
        for (std::size_t at = xml.find("bitsize=\""); at != std::string::npos; at = xml.find("bitsize=\"", at + 1)) {
            bits += std::stoul(xml.substr(at + 9));
            ++count;
        }
        CHECK(c.ask("g").size() == bits / 8 * 2);
        CHECK_FALSE(is_error(c.ask("p" + gdb::to_hex(u64{count - 1}))));
        CHECK(is_error(c.ask("p" + gdb::to_hex(u64{count}))));
        const bool sse = c.cpu().has(Feature::sse);
        CHECK((xml.find("xmm0") != std::string::npos) == sse);
    }
}

TEST_CASE("gdb: in real mode the program counter and the stack pointer are linear, and are written so") {
    for (const gdb::Arch arch : {gdb::Arch::x86_64, gdb::Arch::i386}) {
        Client c = Client::with("max", arch);
        const unsigned pc = arch == gdb::Arch::x86_64 ? rip : eip, sp = arch == gdb::Arch::x86_64 ? rsp : esp;
        const unsigned bytes = arch == gdb::Arch::x86_64 ? 8 : 4;
        CHECK(c.reg(pc) == 0xFFFF'FFF0);
        c.code(0x1234, 0x10, {0x90, 0x90});
        c.cpu().seg[SS].load_real(0x2000);
        c.cpu().gpr[RSP] = 0xABCD'8000;
        CHECK(c.reg(pc) == 0x12350);
        CHECK(c.reg(sp) == 0x28000);
        const auto little = [&](u64 value) {
            std::string out;
            for (unsigned i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i));
            return gdb::to_hex(std::string_view(out));
        };
        CHECK(c.ask("P" + gdb::to_hex(u64{pc}) + "=" + little(0x12400)) == "OK");
        CHECK(c.cpu().ip == 0xC0);
        CHECK(is_error(c.ask("P" + gdb::to_hex(u64{pc}) + "=" + little(0x52400))));
        CHECK(c.ask("P" + gdb::to_hex(u64{sp}) + "=" + little(0x28002)) == "OK");
        CHECK(c.cpu().gpr[RSP] == 0xABCD'8002);
        CHECK(is_error(c.ask("P" + gdb::to_hex(u64{sp}) + "=" + little(0x40000))));
        const std::string all = c.ask("g");
        const u64 hash = c.machine->state_hash();
        CHECK(c.ask("G" + all) == "OK");
        CHECK(c.machine->state_hash() == hash);
    }
}

TEST_CASE("gdb: registers are read and written") {
    Client c;
    c.cpu().gpr[RBX] = 0x1122'3344;
    CHECK(c.ask("p1") == "4433221100000000");
    CHECK(c.ask("P2=0807060504030201") == "OK");
    CHECK(c.cpu().gpr[RCX] == 0x0506'0708); // outside 64-bit mode there are 32 bits
    CHECK(c.ask("P" + gdb::to_hex(u64{eflags64}) + "=d7020000") == "OK");
    CHECK(c.cpu().full_eflags() == 0x2D7);
    CHECK(c.ask("P" + gdb::to_hex(u64{cs64}) + "=34120000") == "OK");
    CHECK(c.cpu().seg[CS].base == 0x12340);
    CHECK(c.ask("P18=00000000000000c0ff3f") == "OK"); // st0 = 1.5
    CHECK(c.cpu().fpu.st(0).significand == 0xC000'0000'0000'0000);
    CHECK(c.cpu().fpu.st(0).sign_exponent == 0x3FFF);
    CHECK(c.ask("p18") == "00000000000000c0ff3f");
    CHECK(c.ask("p20") == "40000000"); // fctrl after RESET
    CHECK(c.ask("P28=000102030405060708090a0b0c0d0e0f") == "OK");
    CHECK(c.cpu().sse.xmm(0).q[1] == 0x0F0E'0D0C'0B0A'0908);
    for (const char* bad : {"P0=00", "P0", "P0=zz", "Pffff=00", "p", "pffff", "px", "G", "G00", "Gxx"}) {
        CAPTURE(bad);
        CHECK(is_error(c.ask(bad)));
    }
}

TEST_CASE("gdb: a register that cannot have the value is refused with the reason") {
    Client c;
    const auto registers = gdb::registers_of(gdb::Arch::x86_64, *c.cpu().model);
    unsigned n = 0;
    while (registers.at(n).name != "cr0") ++n;
    CHECK(c.ask("P" + gdb::to_hex(u64{n}) + "=00000080").find("CR0.PG") != std::string::npos);
    CHECK(c.number(c.ask("p" + gdb::to_hex(u64{n}))) == c.cpu().cr0);
}

TEST_CASE("gdb: memory is read and written, and executed code changes with it") {
    Client c;
    CHECK(c.ask("M7c00,4:b8341290") == "OK");
    CHECK(c.ask("m7c00,4") == "b8341290");
    CHECK(c.ask("X7c01,2:\x56\x78") == "OK");
    CHECK(c.ask("m7c00,4") == "b8567890");
    CHECK(c.ask("X7c00,0:") == "OK");
    CHECK(c.ask("x7c00,2") == "b\xB8\x56");
    CHECK(c.ask("mfffffff0,5").substr(0, 2) == "ea"); // the BIOS's jump
    c.code(0, 0x7C00, {0xB8, 1, 0, 0xEB, 0xFB});      // mov ax, 1; jmp
    c.ask("s");
    CHECK(c.cpu().r16(RAX) == 1);
    CHECK(c.ask("M7c01,1:02") == "OK");
    c.ask("s");
    c.ask("s");
    CHECK(c.cpu().r16(RAX) == 2);
    for (const char* bad : {"m", "m7c00", "m,1", "mx,1", "m0,", "M0,1:", "M0,1:0", "M0,2:00", "M0,1:zz", "X0,5:ab",
                            "M0,1", "m0,1,2", "m10000000000000000,1", "Mffffffff,1:00"}) {
        CAPTURE(bad);
        CHECK(is_error(c.ask(bad)));
    }
    CHECK(c.ask("m0,ffffffffffffffff").size() <= gdb::packet_size); // as much as there is room for
    CHECK(c.ask("m0,0") == "");
}

TEST_CASE("gdb: addresses are linear, or physical when asked for") {
    Client c;
    CHECK(c.ask("qqemu.PhyMemMode") == "0");
    CHECK(c.ask("Qqemu.PhyMemMode:1") == "OK");
    CHECK(c.ask("qqemu.PhyMemMode") == "1");
    CHECK(c.ask("M5000,1:77") == "OK");
    CHECK(c.ask("Qqemu.PhyMemMode:0") == "OK");
    CHECK(c.ask("m5000,1") == "77");
    CHECK(is_error(c.ask("Qqemu.PhyMemMode:2")));
    CHECK(is_error(c.ask("Qqemu.PhyMemMode")));
}

TEST_CASE("gdb: code that is wider or narrower than the description is shown by us, where it stops") {
    for (const gdb::Arch arch : {gdb::Arch::x86_64, gdb::Arch::i386, gdb::Arch::i8086}) {
        Client c = Client::with("max", arch);
        c.code(0x7C0, 0, {0x40, 0xB8, 0x34, 0x12, 0xEB, 0xFA}); // inc ax; mov ax, 1234h; jmp
        CHECK(c.ask("s") == "T05thread:1;");
        CHECK(c.console.empty()); // gdb steps often, and unseen
        CHECK(c.ask("Z0,7c01,1") == "OK");
        CHECK(c.ask("c") == "T05thread:1;");
        if (arch == gdb::Arch::i8086)
            CHECK(c.console.empty());
        else
            CHECK(c.console == "16 bits, 7c0:1  mov ax, 0x1234\n");
    }
}

TEST_CASE("gdb: steps and continues to breakpoints, each with the reason it asked for") {
    Client c = Client::with("max", gdb::Arch::i8086);
    c.ask("qSupported:swbreak+;hwbreak+");
    c.code(0, 0x7C00, {0x40, 0x43, 0x41, 0xEB, 0xFB}); // inc ax; inc bx; inc cx; jmp 7c00
    CHECK(c.ask("s") == "T05thread:1;");
    CHECK(c.cpu().ip == 0x7C01);
    CHECK(c.ask("vCont;s:1;c") == "T05thread:1;");
    CHECK(c.ask("S05") == "T05thread:1;");
    CHECK(c.cpu().ip == 0x7C03);
    CHECK(c.ask("Z0,7c01,1") == "OK");
    CHECK(c.ask("Z1,7c02,1") == "OK");
    CHECK(c.ask("Z1,7c02,1") == "OK"); // once more is the same
    CHECK(c.ask("c") == "T05thread:1;swbreak:;");
    CHECK(c.cpu().ip == 0x7C01);
    CHECK(c.ask("vCont;c") == "T05thread:1;hwbreak:;");
    CHECK(c.cpu().ip == 0x7C02);
    CHECK(c.ask("C05") == "T05thread:1;swbreak:;");
    CHECK(c.ask("z0,7c01,1") == "OK");
    CHECK(c.ask("z0,7c01,1") == "OK");
    CHECK(c.ask("c") == "T05thread:1;hwbreak:;");
    CHECK(c.ask("c7c01") == "T05thread:1;hwbreak:;");
    CHECK(c.cpu().ip == 0x7C02);
    CHECK(c.ask("s7c00") == "T05thread:1;");
    CHECK(c.cpu().ip == 0x7C01);
    CHECK(c.ask("vCont;r7c01,7c05:1") == "T05thread:1;hwbreak:;");
    CHECK(c.ask("z1,7c02,1") == "OK");
    CHECK(c.ask("vCont;r7c02,7c05:1;c") == "T05thread:1;"); // out of the range by the jump
    CHECK(c.cpu().ip == 0x7C00);
    CHECK(c.ask("vCont;t") == "OK");
    CHECK(c.console.empty());
    for (const char* bad : {"Z0", "Z0,", "Z0,x,1", "Z0,1", "Z2,1,", "z0,1", "vCont;", "vCont;x", "vCont;s:99",
                            "vCont;r1", "vCont;r1,", "C", "S", "Cxx", "sx", "vCont;Sxx"}) {
        CAPTURE(bad);
        const std::string reply = c.ask(bad);
        CHECK((is_error(reply) || reply == "OK"));
    }
}

TEST_CASE("gdb: watchpoints") {
    Client c;
    c.code(0, 0x7C00,
           {0xC6, 0x06, 0x02, 0x50, 0x05, 0xA0, 0x02, 0x50, 0xEB, 0xF6}); // mov byte [5002], 5; mov al, [5002]
    CHECK(c.ask("Z2,5000,4") == "OK");
    CHECK(c.ask("c") == "T05thread:1;watch:5000;");
    CHECK(c.cpu().ip == 0x7C05);
    CHECK(c.ask("z2,5000,4") == "OK");
    CHECK(c.ask("Z3,5002,1") == "OK");
    CHECK(c.ask("c") == "T05thread:1;rwatch:5002;");
    CHECK(c.cpu().ip == 0x7C08);
    CHECK(c.ask("z3,5002,1") == "OK");
    CHECK(c.ask("Z4,5002,1") == "OK");
    CHECK(c.ask("c") == "T05thread:1;awatch:5002;");
    CHECK(c.cpu().ip == 0x7C05);
}

TEST_CASE("gdb: backwards, to the beginning of the history") {
    Client c;
    c.timeline->begin({});
    c.code(0, 0x7C00, {0x40, 0x43, 0x41, 0xEB, 0xFB});
    c.timeline->changed_by_hand();
    for (unsigned i = 0; i < 10; ++i) CHECK(c.ask("s") == "T05thread:1;");
    CHECK(c.cpu().ip == 0x7C02);
    CHECK(c.ask("bs") == "T05thread:1;");
    CHECK(c.cpu().ip == 0x7C01);
    c.ask("qSupported:swbreak+;hwbreak+");
    CHECK(c.ask("Z0,7c03,1") == "OK");
    CHECK(c.ask("bc") == "T05thread:1;swbreak:;");
    CHECK(c.cpu().ip == 0x7C03);
    CHECK(c.ask("z0,7c03,1") == "OK");
    CHECK(c.ask("bc").find("replaylog:begin;") != std::string::npos);
}

TEST_CASE("gdb: the interrupt byte ends a long way back, and the machine is where it was") {
    bool wish = false;
    Client c({}, {.arch = gdb::Arch::i8086, .interrupted = [&] { return wish; }});
    c.timeline->begin({});
    c.stub->receive(Client::frame("c"));
    c.debugger->run(never, 12'000'000);
    c.debugger->interrupt();
    CHECK(c.packets(c.stub->take_output()) == std::vector<std::string>{"T02thread:1;"});
    CHECK(c.ask("Z2,0,1") == "OK");
    wish = true;
    const u64 hash = c.machine->state_hash();
    CHECK(c.ask("bc") == "T02thread:1;");
    CHECK(c.machine->state_hash() == hash);
    wish = false;
    CHECK(c.ask("bc") != "T02thread:1;");
    CHECK(c.machine->instructions() < 12'000'000);
}

TEST_CASE("gdb: without a history there is nothing before") {
    Client c;
    CHECK(c.ask("bs").find("replaylog:begin;") != std::string::npos);
    CHECK_FALSE(c.debugger->running());
}

TEST_CASE("gdb: the interrupt byte and vCtrlC stop a running machine") {
    Client c;
    c.code(0, 0x7C00, {0xEB, 0xFE});
    c.stub->receive(Client::frame("c"));
    REQUIRE(c.debugger->running());
    c.debugger->run(never, c.machine->instructions() + 1000);
    CHECK(is_error(c.packets((c.stub->receive(Client::frame("g")), c.stub->take_output())).at(0)));
    c.stub->receive("\x03");
    c.debugger->run(never, c.machine->instructions() + 1000);
    CHECK_FALSE(c.debugger->running());
    CHECK(c.packets(c.stub->take_output()) == std::vector<std::string>{"T02thread:1;"});
    c.stub->receive("\x03"); // it stands already
    CHECK(c.stub->take_output().empty());
}

TEST_CASE("gdb: threads are the processors") {
    MachineConfig config;
    config.processors = 3;
    Client c(config);
    CHECK(c.ask("qfThreadInfo") == "m1,2,3");
    CHECK(c.ask("qsThreadInfo") == "l");
    CHECK(c.ask("T3") == "OK");
    CHECK(is_error(c.ask("T4")));
    CHECK(is_error(c.ask("T0")));
    CHECK(c.ask("Hg2") == "OK");
    CHECK(c.ask("qC") == "QC2");
    c.cpu(1).gpr[RBX] = 0x55;
    CHECK(c.ask("p1") == "5500000000000000");
    CHECK(c.ask("Hg0") == "OK");
    CHECK(c.ask("Hc-1") == "OK");
    CHECK(is_error(c.ask("Hg9")));
    CHECK(is_error(c.ask("Hx1")));
    CHECK(is_error(c.ask("H")));
    CHECK(gdb::from_hex(c.ask("qThreadExtraInfo,1")) == "real mode, CPL 0");
    CHECK(is_error(c.ask("qThreadExtraInfo,9")));
    const std::string list = c.ask("qXfer:threads:read::0,fff");
    CHECK(list.find("<thread id=\"3\" core=\"2\"") != std::string::npos);
}

TEST_CASE("gdb: objects") {
    Client c;
    CHECK(c.ask("qXfer:memory-map:read::0,fff").find("start=\"0x8000000000000000\"") != std::string::npos);
    CHECK(c.ask("qXfer:features:read:other.xml:0,10") == "E00");
    CHECK(c.ask("qXfer:auxv:read::0,10") == "");
    CHECK(c.ask("qXfer:features:write:target.xml:0:x") == "");
    CHECK(is_error(c.ask("qXfer:features:read:target.xml:fffffff,10")));
    for (const char* bad :
         {"qXfer:features:read:target.xml:0", "qXfer:features:read:target.xml:x,1", "qXfer:features:read"})
        CHECK((is_error(c.ask(bad)) || c.ask(bad).empty()));
    CHECK(c.ask("qXfer:features:read:target.xml:0,0") == "m");
}

TEST_CASE("gdb: monitor executes the console's commands") {
    Client c;
    CHECK(c.monitor("no-such-command-at-all").find("no-such-command-at-all") != std::string::npos);
    CHECK(c.monitor("gdb-arch").find("gdb-arch is auto") != std::string::npos);
    CHECK(c.monitor("gdb-arch mode").find("gdb-arch is mode") != std::string::npos);
    CHECK(c.ask("qXfer:features:read:target.xml:0,fff").find("i8086") != std::string::npos);
    CHECK(c.ask("g").size() < 2000);
    CHECK(is_error(c.ask("qRcmd,zz")));
    CHECK(is_error(c.ask("qRcmd")));
}

TEST_CASE("gdb: the guest's end is the process's, detaching lets it go on, killing ends it") {
    MachineConfig config;
    config.exit_port = 0xF4;
    Client c(config);
    c.code(0, 0x7C00, {0xB0, 0x2A, 0xE6, 0xF4, 0xEB, 0xFE}); // mov al, 42; out F4h, al
    CHECK(c.ask("c") == "W55");                              // 42 * 2 + 1
    Client d;
    CHECK(d.ask("Z0,7c00,1") == "OK");
    CHECK(d.ask("D") == "OK");
    CHECK(d.stub->finished());
    CHECK_FALSE(d.stub->killed());
    d.stub.reset();
    CHECK(d.debugger->stop_points().empty());
    CHECK(d.debugger->running());
    for (const char* packet : {"k", "vKill;1"}) {
        Client k;
        k.stub->receive(Client::frame(packet));
        CHECK(k.stub->finished());
        CHECK(k.stub->killed());
    }
}

TEST_CASE("gdb: a packet that is too long gets an answer") {
    Client c;
    const std::string reply = c.ask("m" + std::string(gdb::packet_size + 10, '0'));
    CHECK(reply.find("longer than 16384") != std::string::npos);
    CHECK(c.ask("qC") == "QC1");
}
