// Variables with their types, against gdb on the same file, and what a guest's memory adds.
#include "debugger/symbols/c_type.hpp"
#include "debugger/symbols/dwarf.hpp"
#include "debugger/symbols/expression_scope.hpp"
#include "debugger/symbols/typed_value.hpp"
#include "debugger/view.hpp"
#include "tests/unit/debugger/symbol_samples.hpp"

#include "debug_session.hpp"
#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>

#include <doctest/doctest.h>

using namespace glassbox;
using namespace glassbox::symbol_samples;

namespace {

using Session = test::DebugSession;
using Kind = CType::Kind;

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

constexpr const char* typed_source = R"(
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
enum state { READY = 1, RUNNING = 2, SLEEPING = 4, DEAD = -1 };
struct task;
typedef int (*handler)(struct task* who, const char* text);
struct gate {
    u16 low, selector;
    u8 zero;
    u8 type : 4, system : 1, dpl : 2, present : 1;
    u16 high;
};
struct task {
    int pid;
    enum state state;
    struct task* next;
    const char* name;
    char comm[8];
    handler run;
    union { u32 word; u8 bytes[4]; } flags;
    struct { signed deep : 5; unsigned wide : 11; long long far : 40; };
    double load;
    float share;
    _Bool alive;
    short matrix[2][3];
    u8 key[4];
};
int act(struct task* who, const char* text) { return who->pid + text[0]; }
struct task second = {7, SLEEPING, 0, "second", "sh", act, {0x04030201}, {-3, 1000, -5}, 2.5, 0.25f, 1,
                      {{1, -2, 3}, {4, 5, -6}}, {0xDE, 0xAD, 0, 1}};
struct task first = {-1, RUNNING, &second, "first\n", "initinit", act, {0x80000000}, {15, 2047, 1LL << 38}, -1e10, 3.5f, 0,
                     {{0}}, {0}};
struct task* current = &first;
struct task table[3] = {{.pid = 10, .next = &first}, {.pid = 11, .state = DEAD}, {.pid = 12, .matrix = {{9, 8}, {7}}}};
struct gate idt[4] = {{0x1234, 8, 0, 14, 0, 3, 1, 0x10}, {0, 0, 0, 15}};
int minus = -5;
unsigned small = 5;
unsigned long long huge = 0xFEDCBA9876543210ull;
signed char sc = -100;
u8 uc = 200;
char letter = 'x';
short words[4] = {1, -1, 300, -300};
int eax = 77;
void* nowhere = &second;
int flags = 3;
struct { struct gate g[2]; int n; } nested = {{{1}, {2}}, 9};
void _start(void) {
    for (;;) minus += current->run(current, "x") + nested.n;
}
)";

struct Typed {
    Folder folder;
    std::string program;
    explicit Typed(unsigned bits, const std::string& options = "-g -O0") {
        const std::string source = folder.write("typed.c", typed_source);
        program = folder / ("typed" + std::to_string(bits));
        const std::string command =
            "gcc -m" + std::to_string(bits) + " " + options +
            " -ffreestanding -nostdlib -static -no-pie -fno-stack-protector -Wl,-Ttext=0x100000 -Wl,--build-id=none " +
            source + " -o " + program;
        if (succeeds(command)) return;
        std::printf("skipped: gcc cannot make %u-bit programs\n", bits);
        program.clear();
    }
};

/// The program's data where it is linked, in a machine in flat protected mode.
void put_data(Session& session, const std::string& program) {
    Cpu& cpu = session.debugger->cpu();
    test::enter_flat_mode(cpu);
    std::ifstream stream(program, std::ios::binary);
    const std::vector<char> file{std::istreambuf_iterator<char>(stream), {}};
    for (const std::string& line : output("readelf -lW " + program)) {
        u64 offset = 0, address = 0, physical = 0, size = 0;
        if (std::sscanf(line.c_str(), " LOAD 0x%lx 0x%lx 0x%lx 0x%lx", &offset, &address, &physical, &size) != 4 ||
            address < 0x10'0000) // the ELF header
            continue;
        REQUIRE(offset + size <= file.size());
        const std::span bytes(reinterpret_cast<const u8*>(file.data()) + offset, size);
        REQUIRE(write_linear_by_hand(cpu, address, bytes).has_value());
    }
}

/// gdb's answer to print/d, /x or plain as a number; nothing where it refuses.
std::vector<std::string> ask_gdb(const std::string& program, const std::vector<std::string>& expressions) {
    std::string command = "gdb -nx -batch";
    for (const std::string& one : expressions)
        command.append(" -ex 'print/d (long long)(").append(one).append(")' -ex 'echo \\n'");
    command.append(" ").append(program);
    std::vector<std::string> values;
    for (const std::string& line : output(command)) {
        if (!line.starts_with("$")) continue;
        values.push_back(line.substr(line.find("= ") + 2));
    }
    return values;
}

const std::vector<std::string> same_in_gdb = {
    "second.pid",
    "first.pid",
    "current->pid",
    "current->next->pid",
    "(*current).next->pid",
    "current->next->flags.word",
    "current->next->flags.bytes[2]",
    "second.deep",
    "second.wide",
    "second.far",
    "first.deep",
    "first.far",
    "idt[0].low",
    "idt[0].type",
    "idt[0].dpl",
    "idt[0].present",
    "idt[1].type",
    "idt[0].dpl == 3",
    "table[2].pid + table[1].pid * 2",
    "table[minus + 7].pid",
    "table[2].matrix[1][0]",
    "second.matrix[0][1] * second.matrix[1][2]",
    "minus",
    "minus < 0",
    "minus / 2",
    "minus % 3",
    "minus >> 1",
    "minus - 10",
    "small - 10",
    "small - 10 > 0",
    "minus < small",
    "-small",
    "~small",
    "~minus",
    "!minus",
    "huge",
    "huge >> 60",
    "huge & 0xFF",
    "sc",
    "sc + 0",
    "uc",
    "uc << 4",
    "letter",
    "letter == 120",
    "words[1]",
    "words[3] + words[2]",
    "*words",
    "*(words + 2)",
    "words[1] == -1",
    "&words[3] - &words[1]",
    "&table[2] - table",
    "(char*)&table[1] - (char*)&table[0]",
    "sizeof(struct task)",
    "sizeof table",
    "sizeof(table) / sizeof(table[0])",
    "sizeof(int)",
    "sizeof(short)",
    "sizeof(struct gate)",
    "(char)huge",
    "(unsigned char)minus",
    "(short)huge",
    "(u16)minus",
    "(long long)minus",
    "(int)second.load",
    "second.alive",
    "first.alive",
    "second.state",
    "second.state == SLEEPING",
    "RUNNING | READY",
    "table[1].state == DEAD",
    "(enum state)2 == RUNNING",
    "current == &first",
    "current->next == &second",
    "current != 0",
    "!current",
    "((struct task*)nowhere)->pid",
    "*(int*)nowhere",
    "nested.n",
    "nested.g[1].low",
    "second.key[0] + second.key[1]",
    "minus ? 3 : 4",
    "minus && small",
    "current->comm[2]",
    "*current->name",
    "current->name[1]",
    "second.load * 2 == 5",
    "second.load > first.load",
    "-second.load < 0",
    "(long)(first.share * 2)",
    "huge / 1000",
    "small * 4000000000",
    "minus * 1000000000",
    "words[0] << 31",
    "::minus",
};

} // namespace

TEST_CASE("expressions of variables have the values that gdb gives them") {
    if (!have("gcc") || !have("gdb") || !have("readelf")) return;
    for (const char* const options : {"-g -O0", "-gdwarf-4 -O1"}) {
        const Typed typed(32, options);
        if (typed.program.empty()) return;
        const std::vector<std::string>& asked = same_in_gdb;
        const auto expected = ask_gdb(typed.program, asked);
        REQUIRE(expected.size() == asked.size());
        Session session;
        put_data(session, typed.program);
        REQUIRE(has(session("symbols load " + typed.program), "ELF32 with DWARF"));
        for (std::size_t i = 0; i < asked.size(); ++i) {
            CAPTURE(asked[i]);
            const auto value = evaluate(*session.debugger, asked[i]);
            REQUIRE_MESSAGE(value.has_value(), value.error().message);
            CAPTURE(session("print " + asked[i]));
            const bool negative = expected[i].starts_with('-');
            const u64 wanted = negative ? static_cast<u64>(std::stoll(expected[i])) : std::stoull(expected[i]);
            CHECK(*value == wanted);
        }
    }
}

TEST_CASE("print shows whole variables by their types") {
    if (!have("gcc") || !have("readelf")) return;
    const Typed typed(32);
    if (typed.program.empty()) return;
    Session session;
    put_data(session, typed.program);
    session("symbols load " + typed.program);
    CHECK(has(session("p minus"), "minus = -5 (int, at "));
    CHECK(has(session("p second.state"), "second.state = SLEEPING (4) (enum state, at ") == false);
    CHECK(has(session("p second.state"), "SLEEPING (4)"));
    CHECK(has(session("p RUNNING"), "RUNNING (2)"));
    CHECK(has(session("p (enum state)3"), "READY | RUNNING (3h)"));
    CHECK(has(session("p second.name"), "\"second\" (const char*, at "));
    CHECK(has(session("p first.name"), "\"first\\n\""));
    CHECK(has(session("p first.comm"), "\"initinit\" (char[8], 8 bytes at "));
    CHECK(has(session("p second.next"), "= 0 (null) (task*, at "));
    CHECK(has(session("p current"), "<first> (task*, at "));
    CHECK(has(session("p second.run"), "<act> (handler, at "));
    CHECK(has(session("p second.load"), "= 2.5 (double, at "));
    CHECK(has(session("p first.load"), "= -1e+10 (double"));
    CHECK(has(session("p second.alive"), "= true (_Bool"));
    CHECK(has(session("p second.deep"), "= -3 (int : 5, at "));
    CHECK(has(session("p second.matrix"), "= {{1, -2, 3}, {4, 5, -6}} (short int[2][3], 12 bytes at "));
    CHECK(has(session("p second.key"), "= {222 (0DEh), 173 (0ADh), 0, 1} (u8[4], 4 bytes at "));
    CHECK(has(session("p first.matrix"), "{{0 <3 times>} <2 times>}"));
    CHECK(has(session("p letter"), "letter = 120 'x' (char, at "));
    CHECK(session("p/x minus") == "0FFFFFFFBh\n");
    CHECK(session("p/x words") == "{1h, 0FFFFh, 12Ch, 0FED4h}\n");
    CHECK(session("p/d uc") == "-56\n");
    CHECK(session("p/t idt[0].type") == "1110b\n");
    CHECK(session("p/x idt[0]") == "{low = 1234h, selector = 8h, zero = 0h, type = 0Eh, system = 0h, dpl = 3h, "
                                   "present = 1h, high = 10h}\n");
    CHECK(has(session("p *words@2"), "= {1, -1} (short int[2], 4 bytes at "));
    CHECK(has(session("p second"), "flags = {word = 67305985 (4030201h), bytes = {1, 2, 3, 4}},\n"));
    CHECK(has(session("p second"), "\n  comm = \"sh\",\n"));
    CHECK(has(session("p second"), "{deep = -3, wide = 1000 (3E8h), far = -5}"));
    CHECK(has(session("p act"), "  symbol     act ("));
    CHECK(has(session("p eax"), "eax = 77 = ") == false);
    CHECK(has(session("p eax"), "eax = 77 (int, at "));
    CHECK(has(session("p eax"), "(the variable; $eax is the register)"));
    CHECK(session("p/d $eax") == "0\n");

    CHECK(has(session("ptype act"), "int act(task* who, const char* text)\n"));
    CHECK(has(session("ptype handler"), "int (*)(task* who, const char* text)") == false);
    CHECK(has(session("ptype handler"), "int (*)(task*, const char*)\n"));
    CHECK(has(session("ptype enum state"), "    READY = 1,\n    RUNNING,\n    SLEEPING = 4,\n    DEAD = -1,\n"));
    const std::string gate = session("ptype struct gate");
    CHECK(has(gate, "    u8 type : 4;                            // 5h, bits 0-3\n"));
    CHECK(has(gate, "    u8 present : 1;                         // 5h, bit 7\n"));
    CHECK(has(session("ptype struct task"), "    short int matrix[2][3];"));
    CHECK(has(session("ptype current"), "task*\n"));
    CHECK(has(session("ptype unsigned long"), "unsigned long\n"));
    CHECK(has(session("ptype nobody"), "error: "));

    CHECK(has(session("p second.nothing"), "has no member 'nothing': it has pid, state, next"));
    CHECK(has(session("p minus.x"), "has no members"));
    CHECK(has(session("p *minus"), "no pointer"));
    CHECK(has(session("p *nowhere"), "void"));
    CHECK(has(session("p current->next->next->pid"), "readable bytes at linear 0h") ==
          false); // address 0 is memory here
    CHECK(has(session("p (nothing*)minus"), "no type is called 'nothing'"));
    CHECK(has(session("p 5->x"), "needs a pointer"));
    CHECK(has(session("p words@0"), "count"));
    CHECK(has(session("p table[0].nothing"), "error"));
}

TEST_CASE("variables in brackets, places and assignments") {
    if (!have("gcc") || !have("readelf")) return;
    const Typed typed(32);
    if (typed.program.empty()) return;
    Session session;
    put_data(session, typed.program);
    session("symbols load " + typed.program);
    const auto at = [&](const char* name) { return *session.debugger->symbols().address_of(name); };
    const auto number = [&](const char* text) { return evaluate(*session.debugger, text).value_or(~u64{0}); };
    CHECK(number("dword [minus]") == 0xFFFF'FFFB); // within brackets a name is an address
    CHECK(number("word [words + 4]") == 300);
    CHECK(number("[&minus]") == 0xFFFF'FFFB);
    CHECK(number("linear(minus)") == at("minus"));
    CHECK(number("dword [current->next]") == at("second"));
    CHECK(number("byte [table[minus + 5].comm]") == 0);
    CHECK(number("words") == at("words"));
    CHECK(number("&current->pid") == at("first"));
    CHECK(evaluate_address(*session.debugger, "minus")->value == at("minus"));
    CHECK(evaluate_address(*session.debugger, "current")->value == at("first")); // where the pointer leads
    CHECK(evaluate_address(*session.debugger, "&current")->value == at("current"));
    CHECK(evaluate_address(*session.debugger, "act+4")->value == at("act") + 4);
    CHECK(evaluate_address(*session.debugger, "*7C00h")->value == 0x7C00); // gdb's way to write a place
    CHECK(evaluate_place(*session.debugger, "current")->address.value == at("current"));
    CHECK(evaluate_place(*session.debugger, "current->state")->size == 4);
    CHECK(evaluate_place(*session.debugger, "idt[0].dpl")->size == 1);
    CHECK(evaluate_place(*session.debugger, "idt[0].dpl")->address.value == at("idt") + 5);

    CHECK(has(session("set minus = 12"), "minus = 12 (int"));
    CHECK(has(session("set second.state = RUNNING"), "RUNNING (2)"));
    CHECK(has(session("set current->next->pid = minus * 2 - 1"), "= 23 (int"));
    CHECK(has(session("set idt[0].dpl = 1"), "= 1 ("));
    CHECK(session("p/x idt[0]").find("type = 0Eh, system = 0h, dpl = 1h, present = 1h") != std::string::npos);
    CHECK(has(session("set idt[0].dpl = 4"), "4h does not fit 2 bits"));
    CHECK(has(session("set second.wide = 2047"), "2047 (7FFh)") == false);
    CHECK(has(session("p second.wide"), "2047 = 7FFh"));
    CHECK(has(session("p second.deep"), "= -3 "));
    CHECK(has(session("set second.load = 1.25"), "= 1.25 (double"));
    CHECK(has(session("set first.share=3"), "= 3 (float"));
    CHECK(has(session("set var uc = 300"), "does not fit 8 bits"));
    CHECK(has(session("set sc = -1"), "= -1 ("));
    CHECK(has(session("set current = &second"), "<second>"));
    CHECK(has(session("set second = 1"), "name a member"));
    CHECK(has(session("set eax = 78"), "eax = 78 (int"));
    CHECK(session("p/d $eax") == "0\n");
}

namespace {

/// Types that lead back to themselves, as no compiler makes them.
struct Circles final : TypeSource {
    TypePtr structure, chain, pointer;
    Circles() {
        structure = std::make_shared<CType>(
            CType{.kind = Kind::structure, .size = 8, .keyword = "struct", .source = this, .entry = 1});
        chain =
            std::make_shared<CType>(CType{.kind = Kind::named, .name = "loop", .source = this, .entry = 2, .below = 2});
        pointer =
            std::make_shared<CType>(CType{.kind = Kind::pointer, .size = 4, .source = this, .entry = 3, .below = 3});
    }
    TypePtr type_at(u64 entry) override { return entry == 1 ? structure : entry == 2 ? chain : pointer; }
    std::vector<CMember> members(const CType&) override {
        std::vector<CMember> all(100, CMember{.name = "", .type = structure});
        all.push_back({.name = "way", .type = pointer});
        return all;
    }
    std::vector<CEnumerator> enumerators(const CType&) override { return {}; }
    std::vector<CMember> parameters(const CType&) override { return std::vector<CMember>(50, {"p", function(), 0}); }
    TypePtr definition(const CType&) override { return {}; }
    TypePtr function() {
        return std::make_shared<CType>(CType{.kind = Kind::function, .source = this, .entry = 4, .below = 3});
    }
};

} // namespace

TEST_CASE("types that lead back to themselves end") {
    Circles circles;
    CHECK(stripped(circles.chain) == nullptr);
    CHECK(size_of(circles.chain) == 0);
    CHECK_FALSE(find_member(circles.structure, "nothing").has_value());
    CHECK(find_member(circles.structure, "way").has_value());
    CHECK(type_name(circles.pointer).size() < 1000);
    CHECK(type_name(circles.function()).size() < 100'000);
    CHECK(type_definition(circles.structure).size() < 1'000'000);
    const MemoryReader read = [](const Address&, std::span<u8> bytes) {
        std::ranges::fill(bytes, u8{0x41});
        return true;
    };
    TypedValue value{.type = circles.structure};
    value.place = Address{.value = 0};
    CHECK(typed_text(value, read, {}).size() < 1'000'000);
    value.type = array_of(integer_type(1, true), ~u64{0});
    CHECK(typed_text(value, read, {}).size() < 10'000);
    value.type = array_of(array_of(integer_type(4, true), 1u << 31), 1u << 31);
    CHECK(typed_text(value, read, {}).size() < 100'000);
    value.type = circles.pointer;
    CHECK(typed_text(value, read, {}) == "41414141h");
}
