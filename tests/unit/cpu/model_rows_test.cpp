// Rows that only an 8086, 80286 or 386 has, in all shapes of their operands: what the captures of other chips do not
// reach. The expectations are computed here from the manuals' definitions.
#include "model_fixture.hpp"
#include "system_fixture.hpp"

#include <vector>

using namespace glassbox;
using namespace glassbox::model_test;

namespace {

constexpr u16 place = 0x0040; ///< of memory operands, in the data segment

/// An operand of 8 or 16 bits, in BL or BX or in memory.
struct Operand {
    bool word, memory;
    u8 modrm(unsigned reg) const { return static_cast<u8>(memory ? reg << 3 | 6 : 0xC3 | reg << 3); }
    /// The opcode's bytes with this operand.
    std::vector<u8> code(u8 opcode, unsigned reg) const {
        std::vector<u8> bytes = {static_cast<u8>(opcode | (word ? 1 : 0)), modrm(reg)};
        if (memory) bytes.insert(bytes.end(), {place, 0});
        return bytes;
    }
    u16 mask() const { return word ? 0xFFFF : 0xFF; }
    void set(Early& m, u16 value) const {
        m.cpu.set_r16(RBX, value);
        m.put<u16>(Early::data, place, value);
    }
    u16 get(Early& m) const {
        return static_cast<u16>((memory ? m.get<u16>(Early::data, place) : m.cpu.r16(RBX)) & mask());
    }
};
constexpr Operand operands[] = {{false, false}, {false, true}, {true, false}, {true, true}};

void run(Early& m, const std::vector<u8>& code) {
    m.at(0x100, {});
    for (std::size_t i = 0; i < code.size(); ++i) m.put<u8>(Early::code, static_cast<u16>(0x100 + i), code[i]);
    m.cpu.run(1);
}

} // namespace

TEST_CASE("8086: a shift by CL is CL shifts by one (User's Manual, 2-39)") {
    constexpr u16 values[] = {0x0001, 0x8081, 0xA55A, 0x7FFF};
    constexpr u8 counts[] = {1, 2, 7, 8, 9, 15, 17, 33};
    Early m("8086");
    for (const unsigned n : {0u, 1u, 2u, 3u, 4u, 5u, 7u}) {
        for (const Operand& operand : operands) {
            for (const u16 value : values) {
                for (const u8 count : counts) {
                    const u32 before = value & 1 ? eflags::CF : 0;
                    operand.set(m, value);
                    m.set_flags(before);
                    for (unsigned i = 0; i < count; ++i) run(m, operand.code(0xD0, n));
                    const u16 expected = operand.get(m);
                    const u32 shown = n < 4 ? eflags::CF : eflags::CF | eflags::ZF | eflags::SF | eflags::PF;
                    const u32 flags = m.flags() & shown;
                    operand.set(m, value);
                    m.set_flags(before);
                    m.cpu.set_r16(RCX, count);
                    run(m, operand.code(0xD2, n));
                    INFO("/", n, " of ", value, " by ", count, operand.word ? ", word" : ", byte");
                    CHECK(operand.get(m) == expected);
                    CHECK((m.flags() & shown) == flags);
                }
            }
        }
    }
}

TEST_CASE("8086: products and quotients, and their negation by a repetition prefix (SingleStepTests/8088, README)") {
    Early m("8086");
    for (const bool repeated : {false, true}) {
        const auto with_prefix = [&](std::vector<u8> code) {
            if (repeated) code.insert(code.begin(), 0xF3);
            return code;
        };
        for (const Operand& operand : operands) {
            const auto start = [&](u16 ax, u16 dx) {
                operand.set(m, operand.word ? 0xFF85 : 0x85); // -123, or 133 without a sign
                m.cpu.set_r16(RAX, ax);
                m.cpu.set_r16(RDX, dx);
            };
            const auto product = [&] { return operand.word ? u32{m.cpu.r16(RDX)} << 16 | m.ax() : m.ax(); };
            const u32 wide_mask = operand.word ? 0xFFFF'FFFF : 0xFFFF;
            INFO("a ", operand.word ? "word" : "byte", operand.memory ? " in memory" : "",
                 repeated ? ", repeated" : "");

            start(7, 0x5555);
            run(m, with_prefix(operand.code(0xF6, 4)));
            const u32 unsigned_product = 7u * (operand.word ? 0xFF85 : 0x85);
            CHECK(product() == ((repeated ? 0 - unsigned_product : unsigned_product) & wide_mask));

            start(7, 0x5555);
            run(m, with_prefix(operand.code(0xF6, 5)));
            CHECK(product() == (static_cast<u32>(repeated ? 7 * 123 : -7 * 123) & wide_mask));

            start(1000, 0); // 1000 = 133 * 7 + 69 = -123 * -8 + 16
            run(m, with_prefix(operand.code(0xF6, 6)));
            CHECK(m.ax() == (operand.word ? 0 : 69 << 8 | 7));
            if (operand.word) CHECK(m.cpu.r16(RDX) == 1000);

            start(1000, 0);
            run(m, with_prefix(operand.code(0xF6, 7)));
            const u16 quotient = static_cast<u16>(repeated ? 8 : -8);
            CHECK(m.ax() == (operand.word ? quotient : 16 << 8 | (quotient & 0xFF)));
            if (operand.word) CHECK(m.cpu.r16(RDX) == 16);
        }
    }
}

TEST_CASE("8086: LEA of a register is an instruction, of whatever the last address was") {
    Early m("8086");
    m.run({0x8D, 0xC3});
    CHECK(m.ip() == Early::after(2));
    CHECK(m.cpu.fault_chain_length == 0);
}

TEST_CASE("286: ESC without a coprocessor, all eight (Programmer's Reference, ESC)") {
    Early m("286");
    for (unsigned n = 0; n < 8; ++n) {
        const auto opcode = static_cast<u8>(0xD8 + n);
        const u16 ax = m.ax();
        m.run({opcode, 0x06, place, 0});
        CHECK(m.ip() == Early::after(4));
        m.run({opcode, 0xC3});
        CHECK(m.ip() == Early::after(2));
        CHECK(m.ax() == ax);
        m.cpu.cr0 |= cr0::EM;
        m.run({opcode, 0xC3});
        CHECK(m.entered(7, Early::after(0)));
        m.run({opcode, 0x06, place, 0});
        CHECK(m.entered(7, Early::after(0)));
        m.cpu.cr0 &= ~cr0::EM;
    }
}

TEST_CASE("286: POP of a register by 8F /0") {
    Early m("286");
    m.put<u16>(Early::stack, 0x0FFE, u16{0x1234});
    m.cpu.set_r16(RSP, 0x0FFE);
    m.run({0x8F, 0xC3});
    CHECK(m.cpu.r16(RBX) == 0x1234);
    CHECK(m.sp() == 0x1000);
}

// --- the 386, in flat 32-bit segments ------------------------------------------------------------------------------
namespace {

struct Flat386 : system_test::Machine {
    static constexpr u32 code = 0xC000, data = 0xD000;
    Flat386() : Machine("386") {}
    void run(std::vector<u8> bytes) {
        for (std::size_t i = 0; i < bytes.size(); ++i) put<u8>(code + static_cast<u32>(i), bytes[i]);
        cpu.forget_blocks();
        cpu.ip = code;
        cpu.run(1);
        CHECK(cpu.ip == code + bytes.size());
        CHECK(cpu.fault_chain_length == 0);
    }
    /// `modrm_reg` with EBX, or with [EBX+1] or [EBX+ECX*4].
    enum class Shape { reg, base, index };
    static std::vector<u8> shaped(std::vector<u8> opcode, unsigned reg, Shape shape) {
        switch (shape) {
        case Shape::reg: opcode.push_back(static_cast<u8>(0xC3 | reg << 3)); break;
        case Shape::base: opcode.insert(opcode.end(), {static_cast<u8>(0x43 | reg << 3), 1}); break;
        case Shape::index: opcode.insert(opcode.end(), {static_cast<u8>(0x04 | reg << 3), 0x8B}); break;
        }
        return opcode;
    }
    u32 address(Shape shape) const { return shape == Shape::base ? data + 1 : data + 4 * cpu.r32(RCX); }
    void set(Shape shape, u32 value) {
        if (shape == Shape::reg) return cpu.set_r32(RBX, value);
        cpu.set_r32(RBX, data);
        put<u32>(address(shape), value);
    }
    u32 value(Shape shape) { return shape == Shape::reg ? cpu.r32(RBX) : get<u32>(address(shape)); }
};
constexpr Flat386::Shape shapes[] = {Flat386::Shape::reg, Flat386::Shape::base, Flat386::Shape::index};

} // namespace

TEST_CASE("386: SHLD and SHRD in all shapes (386 Programmer's Reference, SHLD)") {
    Flat386 m;
    for (const bool right : {false, true}) {
        for (const bool by_cl : {false, true}) {
            for (const auto shape : shapes) {
                for (const bool word : {false, true}) {
                    for (const u8 count : {u8{1}, u8{4}, u8{15}}) {
                        const u32 a = 0x89AB'CDEF, b = 0x1234'5678;
                        m.cpu.set_r32(RCX, count);
                        m.cpu.set_r32(RAX, b);
                        m.set(shape, a);
                        std::vector<u8> opcode = {0x0F, static_cast<u8>((right ? 0xAC : 0xA4) | (by_cl ? 1 : 0))};
                        if (word) opcode.insert(opcode.begin(), 0x66);
                        std::vector<u8> code = Flat386::shaped(opcode, RAX, shape);
                        if (!by_cl) code.push_back(count);
                        m.run(code);
                        const unsigned bits = word ? 16 : 32;
                        const u64 mask = (u64{1} << bits) - 1;
                        const u64 x = a & mask, y = b & mask;
                        const u64 shifted = right ? (y << bits | x) >> count : (x << bits | y) >> (bits - count);
                        INFO("a ", right ? "SHRD" : "SHLD", word ? " word" : "", " by ", count);
                        CHECK(m.value(shape) == ((a & ~mask) | (shifted & mask)));
                    }
                }
            }
        }
    }
}

TEST_CASE("386: IDIV r/m8 in all shapes (386 Programmer's Reference, IDIV)") {
    Flat386 m;
    for (const auto shape : shapes) {
        for (const bool short_addresses : {false, true}) {
            if (short_addresses && shape != Flat386::Shape::base) continue;
            m.cpu.set_r32(RCX, 3);
            m.set(shape, 0x85); // -123
            m.cpu.set_r32(RAX, 1000);
            if (short_addresses) { // [BP+DI+1]
                m.cpu.set_r32(RBP, Flat386::data);
                m.cpu.set_r32(RDI, 0);
                m.run({0x67, 0xF6, 0x7B, 1});
            } else {
                m.run(Flat386::shaped({0xF6}, 7, shape));
            }
            CHECK(m.cpu.r16(RAX) == (16 << 8 | 0xF8));
        }
    }
}

TEST_CASE("386: PUSHAD and a nested ENTER on a 32-bit stack (386 Programmer's Reference)") {
    Flat386 m;
    const u32 top = system_test::stack0;
    for (unsigned i = 0; i < 8; ++i) m.cpu.set_r32(static_cast<Gpr>(i), 0x1111'0000 + i);
    m.cpu.set_r32(RSP, top);
    m.run({0x60});
    for (unsigned i = 0; i < 8; ++i) CHECK(m.get<u32>(top - 4 * (i + 1)) == (i == RSP ? top : 0x1111'0000 + i));
    CHECK(m.cpu.r32(RSP) == top - 32);

    for (const bool word : {false, true}) {
        const u32 size = word ? 2 : 4;
        const u32 old_frame = 0x9000;
        m.put<u32>(old_frame - size, 0xCAFE'5678);
        m.cpu.set_r32(RSP, top);
        m.cpu.set_r32(RBP, old_frame);
        std::vector<u8> code = {0xC8, 0x10, 0x00, 2};
        if (word) code.insert(code.begin(), 0x66);
        m.run(code);
        const u32 frame = top - size;
        CHECK(m.get<u16>(frame) == (old_frame & 0xFFFF));
        CHECK(m.get<u16>(frame - size) == 0x5678);
        CHECK(m.get<u16>(frame - 2 * size) == (frame & 0xFFFF));
        CHECK((m.cpu.r32(RBP) & 0xFFFF) == (frame & 0xFFFF));
        CHECK(m.cpu.r32(RSP) == frame - 2 * size - 0x10);
    }
}
