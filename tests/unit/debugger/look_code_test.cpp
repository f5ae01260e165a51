// Code as text: decoded as its segment says, operands with what they hold, branches; stacks and chains of calls.
#include "debugger/look/instruction_line.hpp"
#include "debugger/look/stack_text.hpp"
#include "debugger/view.hpp"
#include "tests/unit/debugger/look_fixture.hpp"

#include <doctest/doctest.h>

using namespace glassbox;
using namespace glassbox::look;
using test::LookMachine;

namespace {
bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }
std::string line_at(LookMachine& m, u64 linear, unsigned bits) {
    CodePlace place = place_at(m.cpu, linear);
    place.bits = bits;
    return to_text(instruction_line(m.cpu, nullptr, place));
}
void go(LookMachine& m, u16 cs, u64 ip) {
    REQUIRE(write_register(m.cpu, "cs", cs));
    REQUIRE(write_register(m.cpu, "ip", ip));
}
} // namespace

TEST_CASE("the same bytes in 16, 32 and 64-bit code") {
    LookMachine m;
    go(m, 0, 0x7C00);
    m.put_bytes(0x7C00, {0x48, 0xB8, 1, 2, 3, 4, 5, 6, 7, 8}); // dec ax; mov ax … or mov rax, imm64
    CHECK(contains(line_at(m, 0x7C00, 16), "0000:7C00  48              dec ax"));
    CHECK(contains(line_at(m, 0x7C00, 32), "48                    dec eax"));
    CHECK(contains(line_at(m, 0x7C00, 64), "0000000000007C00  48B80102030405060708  mov rax, 0x807060504030201"));
    CHECK(line_at(m, 0x7C01, 16).ends_with("mov ax, 0x201"));
    CHECK(line_at(m, 0xF000'0000, 32).ends_with("(not readable)"));
    m.put_bytes(0x7C20, {0x0F, 0xFF});
    CHECK(instruction_line(m.cpu, nullptr, place_at(m.cpu, 0x7C20)).decoded.length >= 1);
}

TEST_CASE("operands of the current instruction: address, value, and whether a branch is taken") {
    LookMachine m;
    go(m, 0x07C0, 0);
    REQUIRE(write_register(m.cpu, "ss", 0x2000));
    m.cpu.gpr[RBP] = 0x10;
    m.put_bytes(0x7C00, {0x8B, 0x46, 0x04}); // mov ax, [bp+4]
    m.put<u16>(0x20014, 0xBEEF);
    CHECK(current_instruction(m.cpu, nullptr).values == "[00020014] = BEEF");
    m.put_bytes(0x7C00, {0x89, 0x46, 0x04}); // mov [bp+4], ax: what it overwrites says nothing
    CHECK(current_instruction(m.cpu, nullptr).values == "[00020014]");
    m.put_bytes(0x7C00, {0x8D, 0x46, 0x04}); // lea ax, [bp+4]
    CHECK(current_instruction(m.cpu, nullptr).values == "address 0014");
    m.put_bytes(0x7C00, {0x74, 0x10}); // jz
    CHECK(current_instruction(m.cpu, nullptr).values == "not taken");
    REQUIRE(write_register(m.cpu, "zf", 1));
    CHECK(current_instruction(m.cpu, nullptr).values == "taken");
    m.put_bytes(0x7C00, {0xE2, 0xFE}); // loop
    m.cpu.set_r16(RCX, 1);
    CHECK(current_instruction(m.cpu, nullptr).values == "not taken");
    m.cpu.set_r16(RCX, 0);
    CHECK(current_instruction(m.cpu, nullptr).values == "taken");
}

TEST_CASE("every condition agrees with the processor") {
    LookMachine m;
    for (unsigned cc = 0; cc < 16; ++cc) {
        const std::array<u8, 2> code = {static_cast<u8>(0x70 + cc), 0x10};
        REQUIRE(write_linear_by_hand(m.cpu, 0x7C00, code));
        for (unsigned flags = 0; flags < 32; ++flags) {
            go(m, 0, 0x7C00);
            const u32 value =
                2 | (flags & 1) | (flags & 2) << 1 | (flags & 4) << 4 | (flags & 8) << 4 | (flags & 16) << 7;
            REQUIRE(write_register(m.cpu, "eflags", value));
            const auto taken = branch_taken(m.cpu, current_instruction(m.cpu, nullptr).decoded, 16);
            REQUIRE(taken);
            m.cpu.run(1);
            REQUIRE((m.cpu.ip == 0x7C12) == *taken);
        }
    }
}

TEST_CASE("flow of control by kind") {
    const auto flow = [](std::initializer_list<u8> bytes, unsigned bits) {
        return decode_instruction(std::span(bytes.begin(), bytes.size()), bits, 0x1000);
    };
    CHECK(flow({0xE8, 0x10, 0}, 16).flow == InstructionFlow::call);
    CHECK(flow({0xE8, 0x10, 0}, 16).target == 0x1013);
    CHECK(flow({0x9A, 0x34, 0x12, 0x78, 0x56}, 16).target_cs == 0x5678);
    CHECK(flow({0xC3}, 32).flow == InstructionFlow::ret);
    CHECK(flow({0xCF}, 32).flow == InstructionFlow::interrupt_return);
    CHECK(flow({0xCD, 0x80}, 32).flow == InstructionFlow::interrupt);
    CHECK(flow({0xF4}, 32).flow == InstructionFlow::halt);
    CHECK(flow({0x0F, 0x05}, 64).flow == InstructionFlow::system_call);
    CHECK(flow({0xEB, 0xFE}, 32).target == 0x1000);
    CHECK(flow({0xF3, 0xA4}, 32).repeated);
    CHECK_FALSE(flow({0x0F, 0x0F, 0, 0}, 32).valid);
    CHECK(flow({}, 32).length == 0);
}

TEST_CASE("a chain of frame pointers: near calls, a far one, and a function without a frame yet") {
    LookMachine m;
    go(m, 0, 0x7C80);
    m.cpu.gpr[RSP] = 0x6FF0;
    // 7C20: call 7C60 (returns to 7C23); 0000:7C40 in segment 700h: call far (returns to 700:45)
    m.put_bytes(0x7C20, {0xE8, 0x3D, 0x00});
    m.put_bytes(0x7040, {0x9A, 0x10, 0x7C, 0, 0});
    m.put_bytes(0x7C80, {0x90});
    m.cpu.gpr[RBP] = 0x6FF4;
    m.put<u16>(0x6FF4, 0x6FFA); // saved BP
    m.put<u16>(0x6FF6, 0x7C23); // near return
    m.put<u16>(0x6FFA, 0);      // saved BP
    m.put<u16>(0x6FFC, 0x0045); // far return
    m.put<u16>(0x6FFE, 0x0700);
    std::string why;
    auto frames = call_frames(m.cpu, nullptr, 10, why);
    REQUIRE(frames.size() == 3);
    CHECK(frames[0].pc == 0x7C80);
    CHECK(frames[1].pc == 0x7C23);
    CHECK(frames[1].source == FrameSource::chain);
    CHECK(frames[2].pc == 0x7045);
    CHECK(frames[2].cs == 0x0700);
    // At "push bp" the caller has no frame of ours above it: its return address is on top.
    m.put_bytes(0x7C80, {0x55, 0x89, 0xE5});
    m.cpu.gpr[RSP] = 0x6FF6;
    m.cpu.gpr[RBP] = 0x6FFA;
    frames = call_frames(m.cpu, nullptr, 10, why);
    REQUIRE(frames.size() == 3);
    CHECK(frames[1].source == FrameSource::entry);
    CHECK(frames[1].pc == 0x7C23);
    CHECK(frames[2].pc == 0x7045);
    CHECK(call_before(m.cpu, 0x7C23, 16) == CallKind::near);
    CHECK(call_before(m.cpu, 0x7045, 16) == CallKind::far);
    CHECK(call_before(m.cpu, 0x7C80, 16) == CallKind::none);
}

TEST_CASE("the frame of an interrupt is recognised") {
    LookMachine m;
    m.enter_protected();
    m.cpu.ip = 0x2'0000;
    m.put_bytes(0x2'0000, {0x90});
    m.put_bytes(0x3'0000, {0xEB, 0xFE});
    m.cpu.gpr[RSP] = 0x6FE0;
    m.cpu.gpr[RBP] = 0x1;
    m.put<u32>(0x6FE0, 0xDDDD); // saved registers
    m.put<u32>(0x6FE4, 0x3'0000);
    m.put<u32>(0x6FE8, 0x10);
    m.put<u32>(0x6FEC, 0x202);
    std::string why;
    const auto frames = call_frames(m.cpu, nullptr, 10, why);
    REQUIRE(frames.size() >= 2);
    CHECK(frames[1].source == FrameSource::interrupt);
    CHECK(frames[1].pc == 0x3'0000);
    CHECK(frames[1].sp == 0x6FF0);
}

TEST_CASE("stacks that lead in circles or nowhere end") {
    LookMachine m;
    m.enter_protected();
    for (const u64 bp : {u64{0x6000}, u64{0}, u64{0xFFFF'FFFF}, u64{LookMachine::device_at}}) {
        m.cpu.gpr[RSP] = 0x5FF0;
        m.cpu.gpr[RBP] = bp;
        m.put<u32>(0x6000, 0x6000);
        m.put<u32>(0x6004, 0x2'0005);
        m.put_bytes(0x2'0000, {0xE8, 0, 0, 0, 0});
        std::string text;
        write_backtrace(m.cpu, nullptr, 10'000, text);
        CHECK(text.size() < 20'000);
        m.cpu.gpr[RSP] = bp;
        write_stack(m.cpu, nullptr, 64, text);
        CHECK(contains(text, "Stack at 0018:"));
    }
    CHECK(m.device.reads == 0);
}

TEST_CASE("an interrupt from user code: its frame, its vector, and the stack that it came from") {
    LookMachine m;
    m.enter_protected();
    m.cpu.ip = 0x2'0000; // a handler without a frame: a gate of the IDT leads to it
    m.put_bytes(0x2'0000, {0x90});
    m.cpu.idtr = {0x5000, 0x7FF};
    m.put<u64>(0x5000 + 0x21 * 8, 0x0002'8E00'0010'0000); // vector 21h: 0010:20000
    const u64 code3 = m.cpu.gdtr.base + 0x28, data3 = m.cpu.gdtr.base + 0x30;
    m.cpu.gdtr.limit = 0x37;
    m.put<u64>(code3, 0x00CF'FA00'0000'FFFF); // ring 3, flat
    m.put<u64>(data3, 0x00CF'F200'0000'FFFF);
    m.put_bytes(0x3'0000, {0xE8, 0x0B, 0x00, 0x00, 0x00}); // call 30010h
    m.put_bytes(0x3'0010, {0xEB, 0xFE});
    m.cpu.gpr[RSP] = 0x6FE0;
    m.cpu.gpr[RBP] = 0;
    m.put<u32>(0x6FE0, 0xDDDD);
    m.put<u32>(0x6FE4, 0x3'0010);
    m.put<u32>(0x6FE8, 0x2B);
    m.put<u32>(0x6FEC, 0x202);
    m.put<u32>(0x6FF0, 0x4000); // the user's stack lies below the kernel's
    m.put<u32>(0x6FF4, 0x33);
    m.put<u32>(0x4000, 0x3'0005);
    std::string why;
    const auto frames = call_frames(m.cpu, nullptr, 10, why);
    REQUIRE(frames.size() == 3);
    CHECK(frames[1].source == FrameSource::interrupt);
    CHECK(frames[1].vector == "21h");
    CHECK(frames[1].cs == 0x2B);
    CHECK(frames[1].pc == 0x3'0010);
    CHECK(frames[1].sp == 0x4000);
    CHECK(frames[1].exact);
    CHECK(frames[2].pc == 0x3'0005);
    CHECK(frames[2].source == FrameSource::guess);
    CHECK_FALSE(frames[2].exact);
    std::string text;
    write_backtrace(m.cpu, nullptr, 10, text);
    CHECK(contains(text, "<interrupt 21h>"));
    CHECK(contains(text, "a guess"));
}

TEST_CASE("without frame pointers a guess goes by the calls that lead to the function") {
    LookMachine m;
    go(m, 0, 0x7C80);
    m.put_bytes(0x7C80, {0x90});
    m.put_bytes(0x7C20, {0xE8, 0x3D, 0x00}); // call 7C60
    m.put_bytes(0x7C30, {0xE8, 0x2D, 0x30}); // call 0AC60h: what an earlier call has left
    m.cpu.gpr[RSP] = 0x6FF0;
    m.cpu.gpr[RBP] = 0x1234; // no frame pointer
    m.put<u16>(0x6FF0, 0x7C33);
    m.put<u16>(0x6FF2, 0x7C23);
    std::string why;
    const auto frames = call_frames(m.cpu, nullptr, 2, why);
    REQUIRE(frames.size() == 2);
    CHECK(frames[1].pc == 0x7C23);
    CHECK(frames[1].source == FrameSource::guess);
    m.put<u16>(0x6FF0, 0);
    m.put<u16>(0x6FF2, 0);
    std::string text;
    write_backtrace(m.cpu, nullptr, 10, text);
    CHECK_FALSE(contains(text, "frame pointer"));
    CHECK(contains(text, "(nothing further up on the stack looks like a return address)"));
}
