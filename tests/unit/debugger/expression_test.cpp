// Expressions, against C's rules and the SDM's for addresses; in a scope whose every answer the test knows.
#include "debugger/symbols/expression_scope.hpp"

#include <doctest/doctest.h>
#include <map>
#include <random>
#include <string>
#include <vector>

using namespace glassbox;

namespace {

/// A processor in real mode: CS 1000h, SS 2000h, DS 3000h, ES 4000h, FS 5000h, GS 6000h.
struct TestScope final : ExpressionScope {
    unsigned bits = 16;
    std::map<std::string, RegisterValue, std::less<>> registers{
        {"eax", {0x1234'5678, 32}}, {"ax", {0x5678, 16}},  {"bx", {0x10, 16}},
        {"ebx", {0x10, 32}},        {"si", {2, 16}},       {"bp", {1, 16}},
        {"sp", {0x100, 16}},        {"esp", {0x100, 32}},  {"ip", {0x50, 16}},
        {"eip", {0x50, 32}},        {"cr3", {0x9000, 64}}, {"zf", {1, 1}},
        {"cs.base", {0x1'0000, 64}}};
    std::map<std::string, u64, std::less<>> symbols{{"counter", 0x500}, {"cf", 0x777}, {"start.print", 0x888}};
    std::map<u64, u8> linear, physical;
    std::vector<std::string> asked;

    std::optional<RegisterValue> read_register(std::string_view name) override {
        const auto found = registers.find(name);
        return found == registers.end() ? std::nullopt : std::optional(found->second);
    }
    std::optional<u64> symbol(std::string_view name) override {
        const auto found = symbols.find(name);
        return found == symbols.end() ? std::nullopt : std::optional(found->second);
    }
    std::optional<u64> line(std::string_view file, unsigned number) override {
        if (file != "main.c" && file != "src/a-b.c") return {};
        return 0x10'0000 + number;
    }
    bool read(Address::Space space, u64 address, std::span<u8> bytes) override {
        const auto& memory = space == Address::Space::linear ? linear : physical;
        for (u8& byte : bytes) {
            const auto found = memory.find(address++);
            if (found == memory.end()) return false;
            byte = found->second;
        }
        return true;
    }
    unsigned code_bits() override { return bits; }
    u64 segment_base(unsigned segment) override { return bits == 64 ? 0 : u64{segment_selector(segment)} * 16; }
    u16 segment_selector(unsigned segment) override {
        constexpr u16 values[6] = {0x4000, 0x1000, 0x2000, 0x3000, 0x5000, 0x6000};
        return values[segment];
    }
    Expected<u64> selector_base(u16 selector) override {
        if (selector == 0xDEAD) return fail("no such descriptor");
        return u64{selector} * 16;
    }
    void put(u64 at, std::initializer_list<int> bytes) {
        for (const int byte : bytes) linear[at++] = static_cast<u8>(byte);
    }
};

u64 value(TestScope& scope, std::string_view text) {
    const auto parsed = Expression::parse(text);
    CAPTURE(std::string(text));
    REQUIRE_MESSAGE(parsed.has_value(), parsed.error().message);
    const auto result = parsed->evaluate(scope);
    REQUIRE_MESSAGE(result.has_value(), result.error().message);
    return *result;
}

u64 value(std::string_view text) {
    TestScope scope;
    return value(scope, text);
}

std::string error(TestScope& scope, std::string_view text) {
    const auto parsed = Expression::parse(text);
    if (!parsed) return parsed.error().message;
    const auto result = parsed->evaluate(scope);
    return result ? "no error" : result.error().message;
}

std::string error(std::string_view text) {
    TestScope scope;
    return error(scope, text);
}

Address address(TestScope& scope, std::string_view text) {
    const auto parsed = Expression::parse(text);
    CAPTURE(std::string(text));
    REQUIRE_MESSAGE(parsed.has_value(), parsed.error().message);
    const auto result = parsed->address(scope);
    REQUIRE_MESSAGE(result.has_value(), result.error().message);
    return *result;
}

} // namespace

TEST_CASE("expression: numbers in all their notations") {
    CHECK(value("0") == 0);
    CHECK(value("31744") == 31744);
    CHECK(value("0x7C00") == 0x7C00);
    CHECK(value("7c00h") == 0x7C00);
    CHECK(value("0FFh") == 255);
    CHECK(value("0b1010") == 10);
    CHECK(value("0b1h") == 0xB1);
    CHECK(value("1_000_000") == 1'000'000);
    CHECK(value("0xFFFF_FFFF_FFFF_FFFF") == ~u64{0});
    CHECK(value("18446744073709551615") == ~u64{0});
    CHECK(value("'A'") == 65);
    CHECK(error("18446744073709551616").find("64 bits") != std::string::npos);
    CHECK(error("0x1_0000_0000_0000_0000").find("64 bits") != std::string::npos);
    CHECK(error("7c00").find("7c00h or 0x7c00") != std::string::npos);
    CHECK(error("0x").find("is no number") != std::string::npos);
    CHECK(error("0b12") != "no error");
    CHECK(error("12g4") != "no error");
}

TEST_CASE("expression: C's operators and their precedence") {
    CHECK(value("2+3*4") == 14);
    CHECK(value("(2+3)*4") == 20);
    CHECK(value("20-5-3") == 12);
    CHECK(value("100/10/2") == 5);
    CHECK(value("17%5") == 2);
    CHECK(value("1<<4+1") == 32);
    CHECK(value("0x80>>3") == 0x10);
    CHECK(value("1|2^3&1") == (1 | (2 ^ (3 & 1))));
    CHECK(value("5&3==3") == (5 & static_cast<int>(3 == 3)));
    CHECK(value("1<2==1") == 1);
    CHECK(value("3>=3 && 2<=1 || 7!=8") == 1);
    CHECK(value("0 || 0 && 1") == 0);
    CHECK(value("!5") == 0);
    CHECK(value("!!5") == 1);
    CHECK(value("~0") == ~u64{0});
    CHECK(value("-1") == ~u64{0});
    CHECK(value("- -1") == 1);
    CHECK(value("+7") == 7);
    CHECK(value("1 ? 2 : 3") == 2);
    CHECK(value("0 ? 2 : 0 ? 3 : 4") == 4);
    CHECK(value("1 ? 0 ? 5 : 6 : 7") == 6);
    CHECK(value("1<<64") == 0);
    CHECK(value("1>>64") == 0);
    CHECK(value("2*-3+6") == 0);
    // No signs: -1 is the largest number.
    CHECK(value("-1 < 0") == 0);
    CHECK(value("-1 > 0") == 1);
    CHECK(value("-2 / 2") == 0x7FFF'FFFF'FFFF'FFFF);
}

TEST_CASE("expression: && || and ?: leave out what C leaves out") {
    CHECK(value("0 && 1/0") == 0);
    CHECK(value("1 || 1/0") == 1);
    CHECK(value("1 ? 2 : 1/0") == 2);
    CHECK(error("1 && 1/0").find("division by zero") != std::string::npos);
    CHECK(error("5 % 0").find("division by zero") != std::string::npos);
}

TEST_CASE("expression: registers, symbols and lines") {
    CHECK(value("eax") == 0x1234'5678);
    CHECK(value("$eax+1") == 0x1234'5679);
    CHECK(value("cs.base") == 0x1'0000);
    CHECK(value("counter+4") == 0x504);
    CHECK(value("start.print") == 0x888);
    CHECK(error("counter[3]").find("no elements") != std::string::npos);
    CHECK(error("counter->x").find("needs a pointer") != std::string::npos);
    CHECK(error("counter.x").find("no register or symbol") != std::string::npos);
    CHECK(value("&counter") == 0x500);
    CHECK(value("::counter") == 0x500);
    CHECK(value("'counter' + 1") == 0x501);
    CHECK(value("(char)0x181") == ~u64{0x7E});
    CHECK(value("(unsigned char)0x181") == 0x81);
    CHECK(value("sizeof(int) + sizeof(u64)") == 12);
    CHECK(value("'\\n'") == 10);
    CHECK(value("(int)-1.5") == ~u64{0});
    CHECK(value("1.5 * 2 == 3") == 1);
    CHECK(value("cf") == 0x777); // the symbol; the flag is not in this scope
    CHECK(error("$cf").find("no register is called 'cf'") != std::string::npos);
    CHECK(value("main.c:12") == 0x10'000C);
    CHECK(value("'src/a-b.c':3+1") == 0x10'0004);
    CHECK(error("other.c:3").find("line 3 of 'other.c'") != std::string::npos);
    CHECK(error("eax + foo").find("no register or symbol is called 'foo' (column 7 of") != std::string::npos);
    TestScope scope;
    scope.registers["cf"] = {1, 1};
    CHECK(value(scope, "cf + $cf") == 0x778);
}

TEST_CASE("expression: memory operands, their sizes and segments") {
    TestScope scope;
    scope.put(0x3'0010, {0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88});
    CHECK(value(scope, "[bx]") == 0x2211); // 16-bit code
    CHECK(value(scope, "byte [bx]") == 0x11);
    CHECK(value(scope, "word [bx+si]") == 0x4433);
    CHECK(value(scope, "dword ptr [ebx]") == 0x4433'2211);
    CHECK(value(scope, "QWORD PTR ds:[bx]") == 0x8877'6655'4433'2211);
    CHECK(value(scope, "word [ds:bx]") == 0x2211);
    CHECK(value(scope, "word 3000:[bx]") == 0x2211);
    CHECK(value(scope, "3000h:[10h]") == 0x2211);
    CHECK(value(scope, "[30010h]") == 0x2211); // a number is linear
    CHECK(value(scope, "[linear(bx) + 0x30000]") == 0x2211);
    CHECK(value(scope, "byte [bx] + byte [bx+1] * 2") == 0x11 + 0x44);
    scope.put(0x2'FFFF, {0xAB, 0xCD}); // SS:BP-2 wraps at 64 KiB, and so it is SS:FFFF
    CHECK(value(scope, "byte [bp-2]") == 0xAB);
    scope.put(0x500, {0x10, 0x00});
    CHECK(value(scope, "byte ds:[word [counter]]") == 0x11);
    scope.bits = 32;
    CHECK(value(scope, "[ebx]") == 0x4433'2211);
    scope.bits = 64;
    scope.put(0x10, {1, 0, 0, 0, 0, 0, 0, 0});
    CHECK(value(scope, "[ebx]") == 1);
    CHECK(error(scope, "[12345h]").find("8 readable bytes at linear 12345h") != std::string::npos);
    CHECK(error(scope, "byte phys(0ABCDEh)").find("1 readable bytes at physical 0ABCDEh") != std::string::npos);
    scope.physical[0x1000] = 0x5A;
    CHECK(value(scope, "byte phys(0x1000)") == 0x5A);
    CHECK(error("word eax").find("after a size") != std::string::npos);
}

TEST_CASE("expression: segment and offset") {
    CHECK(value("0:7c00") == 0x7C00);
    CHECK(value("07c0:0000") == 0x7C00);
    CHECK(value("f000:fff0") == 0xF'FFF0);
    CHECK(value("0x10:0x20") == 0x120);
    CHECK(value("10h:20h") == 0x120);
    CHECK(value("cs:ip") == 0x1'0050);
    CHECK(value("$cs:ip") == 0x1'0050);
    CHECK(value("ss:esp+4") == 0x2'0104);
    CHECK(value("0:7c00+10") == 0x7C0A);
    CHECK(value("cs:ip == 1000:50") == 1);
    CHECK(value("zf ? 1 : 0") == 1);
    CHECK(value("zf ? (cs:ip) : 0") == 0x1'0050);
    CHECK(error("1:0 ? 1:1 : 2").find("':' is not expected") != std::string::npos); // the first : ends the middle
    CHECK(error("dead:0").find("no such descriptor") != std::string::npos);
    CHECK(error("12345:0").find("no selector of 16 bits") != std::string::npos);
    CHECK(error("foo:bar").find("no segment register") != std::string::npos);
}

TEST_CASE("expression: addresses and places") {
    TestScope scope;
    CHECK(address(scope, "7c00h").value == 0x7C00);
    CHECK_FALSE(address(scope, "7c00h").segmented);
    const Address boot = address(scope, "07c0:10");
    CHECK(boot.segmented);
    CHECK(boot.selector == 0x7C0);
    CHECK(boot.offset == 0x10);
    CHECK(boot.value == 0x7C10);
    CHECK(address(scope, "phys(0x1000)").space == Address::Space::physical);
    CHECK(address(scope, "phys(0x1000)").value == 0x1000);
    CHECK(address(scope, "ip").value == 0x1'0050);
    CHECK(address(scope, "ip").offset == 0x50);
    CHECK(address(scope, "sp+2").value == 0x2'0102);
    CHECK(address(scope, "cr3").value == 0x9000);
    CHECK(address(scope, "counter+bx").value == 0x510);
    CHECK(address(scope, "linear(ip)").value == 0x50);
    scope.put(0x500, {0x34, 0x12});
    CHECK(address(scope, "[counter]").value == 0x1234);
    scope.bits = 64;
    CHECK(address(scope, "eip").value == 0x50);
    CHECK_FALSE(address(scope, "eip").segmented);
    scope.bits = 16;
    const auto place = Expression::parse("dword [bp+1]")->place(scope);
    REQUIRE(place.has_value());
    CHECK(place->size == 4);
    CHECK(place->address.value == 0x2'0002);
    CHECK(Expression::parse("word phys(10h)")->place(scope)->address.space == Address::Space::physical);
    CHECK(Expression::parse("word phys(10h)")->place(scope)->size == 2);
    CHECK(Expression::parse("counter")->place(scope)->size == 0);
    CHECK(Expression::parse("counter")->place(scope)->address.value == 0x500);
}

TEST_CASE("expression: what is wrong is named, with its column") {
    CHECK(error("") == "here a number, register or symbol is missing (column 1 of \"\")");
    CHECK(error("1 +").find("column 4 of") != std::string::npos);
    CHECK(error("(1").find("')' is missing") != std::string::npos);
    CHECK(error("[1").find("']' is missing") != std::string::npos);
    CHECK(error("1 2").find("'2' is not expected here (column 3") != std::string::npos);
    CHECK(error("1 ? 2").find("wants its ':'") != std::string::npos);
    CHECK(error("a = 1").find("'=' is not expected") != std::string::npos);
    CHECK(error("'abc'").find("one character") != std::string::npos);
    CHECK(error("'abc").find("closing '") != std::string::npos);
    CHECK(error("main.c:x") != "no error");
    CHECK(error("$").find("register's name") != std::string::npos);
    CHECK(error("1 \x01").find("no expression has") != std::string::npos);
}

TEST_CASE("expression: hostile text is refused, never fatal") {
    CHECK(error(std::string(3000, '(')).find("within each other") != std::string::npos);
    CHECK(error(std::string(3000, '-') + "1").find("within each other") != std::string::npos);
    CHECK(error(std::string(5000, '1')).find("4096") != std::string::npos);
    std::string chain = "1";
    for (int i = 0; i < 1000; ++i) chain += "+1";
    CHECK(error(chain).find("too long a chain") != std::string::npos);
    std::string choices;
    for (int i = 0; i < 1000; ++i) choices += "1?";
    CHECK(error(choices).find("within each other") != std::string::npos);

    const std::vector<std::string> pieces{"1",   "0x",  "eax", "[",    "]",      "(",    ")",  ":",    "?",  "'",
                                          "a.c", "$",   "ds",  "word", "phys",   "ptr",  "::", "<<",   "&&", "-",
                                          "!",   "7fh", ".",   "_",    "linear", "[12]", " ",  "\xff", "/",  "%"};
    std::mt19937 random(7);
    TestScope scope;
    for (int i = 0; i < 20'000; ++i) {
        std::string text;
        for (auto n = random() % 12; n > 0; --n) text += pieces[random() % pieces.size()];
        const auto parsed = Expression::parse(text);
        if (!parsed) {
            CHECK_FALSE(parsed.error().message.empty());
            continue;
        }
        (void)parsed->evaluate(scope);
        (void)parsed->address(scope);
        (void)parsed->place(scope);
    }
}
