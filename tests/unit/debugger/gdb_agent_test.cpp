// gdb's bytecode for conditions: every operation, and programs that are none.
#include "gdb_fixture.hpp"

#include "debugger/gdb/agent.hpp"

using namespace glassbox;
using namespace glassbox::gdb_test;

namespace {

/// The value, or "error".
std::string result(Client& c, std::string_view hex) {
    const auto bytes = gdb::from_hex(hex);
    REQUIRE(bytes);
    const auto expression = gdb::AgentExpression::parse(*bytes);
    if (!expression) return "refused";
    const auto registers = gdb::registers_of(gdb::Arch::x86_64, *c.cpu().model);
    const auto value = expression->evaluate(c.cpu(), registers);
    return value ? gdb::to_hex(*value) : "error";
}

} // namespace

TEST_CASE("gdb agent expressions: every operation") {
    Client c;
    c.cpu().gpr[RBX] = 0x8899'AABB;
    CHECK(c.ask("M5000,8:f1f2f3f4f5f6f7f8") == "OK");
    struct Case {
        const char* code;
        const char* value;
    };
    for (const Case& k : {
             Case{"220527", "5"},                              // const8
             Case{"23123427", "1234"},                         // const16
             Case{"241234567827", "12345678"},                 // const32
             Case{"25123456789abcdef027", "123456789abcdef0"}, // const64
             Case{"220722050227", "c"},                        // add
             Case{"220522070327", "fffffffffffffffe"},         // sub: 5 - 7
             Case{"220722050427", "23"},                       // mul
             Case{"2207160822020527", "3"},                    // div_signed 7 / 2
             Case{"22f91608220205"
                  "27",
                  "fffffffffffffffd"}, // -7 / 2
             Case{"22f9220206"
                  "27",
                  "7c"},                                   // div_unsigned
             Case{"22f9160822020727", "ffffffffffffffff"}, // rem_signed: -7 % 2
             Case{"220722040827", "3"},                    // rem_unsigned
             Case{"22012208"
                  "0927",
                  "100"},                                  // lsh
             Case{"220122400927", "0"},                    // by 64
             Case{"22f0160822040a27", "ffffffffffffffff"}, // rsh_signed
             Case{"22f0160822ff0a27", "ffffffffffffffff"},
             Case{"22f022040b27", "f"}, // rsh_unsigned
             Case{"22f022400b27", "0"},
             Case{"22000e27", "1"}, // log_not
             Case{"22090e27", "0"},
             Case{"220f22350f27", "5"},            // bit_and
             Case{"220f22301027", "3f"},           // bit_or
             Case{"220f22351127", "3a"},           // bit_xor
             Case{"22001227", "ffffffffffffffff"}, // bit_not
             Case{"220522051327", "1"},            // equal
             Case{"220522061327", "0"},
             Case{"22ff160822011427", "1"}, // less_signed: -1 < 1
             Case{"22ff160822011527", "0"}, // less_unsigned
             Case{"220122021527", "1"},
             Case{"2280160827", "ffffffffffffff80"}, // ext 8
             Case{"227f160827", "7f"},
             Case{"2280164027", "80"},               // ext 64
             Case{"23ffff2a0c27", "fff"},            // zero_ext 12
             Case{"2350001727", "f1"},               // ref8
             Case{"2350001827", "f2f1"},             // ref16
             Case{"2350001927", "f4f3f2f1"},         // ref32
             Case{"2350001a27", "f8f7f6f5f4f3f2f1"}, // ref64
             Case{"2201200008220227"
                  "220927",
                  "0"}, // (astray; see below)
             Case{"260001"
                  "27",
                  "8899aabb"},            // reg 1: rbx
             Case{"2203280227", "6"},     // dup
             Case{"220322092927", "3"},   // pop
             Case{"220322092b0327", "6"}, // swap: 9 - 3
             Case{"2201220222033202"
                  "27",
                  "1"},                     // pick 2
             Case{"2201220222033327", "2"}, // rot: 3 1 2
             Case{"22012202220333"
                  "2927",
                  "1"},
         }) {
        CAPTURE(k.code);
        if (std::string_view(k.code).starts_with("22012000")) continue;
        CHECK(result(c, k.code) == k.value);
    }
    CHECK(result(c, "2201200008220227220927") == "9"); // if_goto taken: to 8
    CHECK(result(c, "2200200008220227220927") == "2"); // not taken
    CHECK(result(c, "210006220527220627") == "6");     // goto
}

TEST_CASE("gdb agent expressions: programs that are none end with an error") {
    Client c;
    for (const char* code : {"", "01", "0c", "34", "2c0001", "ff", "22", "2300", "24000000", "26", "1b"}) {
        CAPTURE(code);
        CHECK(result(c, code) == "refused");
    }
    for (const char* code : {"2205",                                                 // no end
                             "27",                                                   // nothing to return
                             "02",                                                   // nothing to add
                             "220502",                                               // one only
                             "2205220005", "2205220006", "2205220007", "2205220008", // by zero
                             "21ffff",                                               // out of the program
                             "2100012705", // between operations, and into nothing
                             "210000",     // for ever
                             "2201210000", // until the stack is full
                             "26ffff27",   // no such register
                             "22013205",   // no such item
                             "2205220633"}) {
        CAPTURE(code);
        CHECK(result(c, code) == "error");
    }
    CHECK(result(c, "25800000000000000022ff16080527") == "8000000000000000"); // the overflow of a division
    CHECK(result(c, "25800000000000000022ff16080727") == "0");
    // Memory that cannot be read: paging is on, and nothing is mapped.
    CHECK(result(c, "25ffff8000000000001a27") != "");
}

TEST_CASE("gdb: conditions of breakpoints are evaluated here") {
    for (const gdb::Arch arch : {gdb::Arch::x86_64, gdb::Arch::i386}) {
        Client c = Client::with("max", arch);
        CHECK(c.ask("qSupported:swbreak+;hwbreak+").find("ConditionalBreakpoints+") != std::string::npos);
        c.code(0, 0x7C00, {0x31, 0xC9, 0x41, 0xEB, 0xFD}); // xor cx, cx; again: inc cx; jmp again
        const std::string ecx = arch == gdb::Arch::x86_64 ? "260002" : "260001";
        const std::string is_100 = ecx + "2264"
                                         "1327",
                          is_50 = ecx + "2232"
                                        "1327",
                          is_200 = ecx + "22c8"
                                         "1327";
        CHECK(c.ask("Z0,7c03,1;X8," + is_100 + "22") != "OK"); // a length that is wrong
        CHECK(c.ask("Z0,7c03,1;X7," + is_100) == "OK");
        const std::size_t stops = c.debugger->past_stops().size();
        CHECK(c.ask("c") == "T05thread:1;swbreak:;");
        CHECK(c.cpu().r16(RCX) == 100);
        CHECK(c.debugger->past_stops().size() == stops + 1);
        // Either of two; given again, they replace what was.
        std::string either = "Z0,7c03,1;X7," + is_50;
        either += ";X7," + is_200;
        CHECK(c.ask(either) == "OK");
        CHECK(c.ask("c") == "T05thread:1;swbreak:;");
        CHECK(c.cpu().r16(RCX) == 200);
        CHECK(c.ask("Z0,7c03,1") == "OK"); // always
        CHECK(c.ask("c") == "T05thread:1;swbreak:;");
        CHECK(c.cpu().r16(RCX) == 201);
        // One that goes wrong stops: gdb will say why.
        CHECK(c.ask("Z0,7c03,1;X6,220522000527") == "OK");
        CHECK(c.ask("c") == "T05thread:1;swbreak:;");
        CHECK(c.cpu().r16(RCX) == 202);
        for (const char* bad :
             {"Z0,7c03,1;X", "Z0,7c03,1;X2", "Z0,7c03,1;X2,22", "Z0,7c03,1;Xffffffffffffffff,22", "Z0,7c03,1;X1,0",
              "Z0,7c03,1;X1,zz", "Z0,7c03,1;X1,0c", "Z0,7c03,1;cmds:0,X1,27", "Z0,7c03,1x"}) {
            CAPTURE(bad);
            CHECK(c.ask(bad)[0] == 'E');
        }
        CHECK(c.ask("z0,7c03,1") == "OK");
    }
}

TEST_CASE("gdb: conditions hold backwards too") {
    Client c = Client::with("max", gdb::Arch::i386);
    c.timeline->begin({});
    c.code(0, 0x7C00, {0x31, 0xC9, 0x41, 0xEB, 0xFD});
    c.timeline->changed_by_hand();
    const std::string is_100 = "26000122641327", is_50 = "26000122321327";
    CHECK(c.ask("Z0,7c03,1;X7," + is_100) == "OK");
    CHECK(c.ask("c") == "T05thread:1;");
    CHECK(c.ask("Z0,7c03,1;X7," + is_50) == "OK");
    CHECK(c.ask("bc") == "T05thread:1;");
    CHECK(c.cpu().r16(RCX) == 50);
}
