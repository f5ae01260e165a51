// What the host suite has found in the machine, each with what hardware does; and the suite itself, a few cases of
// every form, where the host can run them.
#include "tests/x86-conformance/host/guest.hpp"
#include "tests/x86-conformance/host/native.hpp"
#include "tests/x86-conformance/host/values.hpp"
#include "tests/x86-conformance/runner/run.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>

using namespace glassbox;
using namespace glassbox::conformance;
using namespace glassbox::conformance::host;

namespace {

constexpr int bp = 3, gp = 13, pf = 14;

Input flat_case(const std::vector<u8>& code) {
    Input in{};
    in.before.seg = {flat_data, flat_code, flat_data, flat_data, 0, 0};
    in.code_at = 0x100;
    in.before.rip = code_start + in.code_at;
    in.before.gpr[RSP] = data_start + 0x7000;
    std::copy(code.begin(), code.end(), in.code.begin());
    in.code_size = static_cast<u8>(code.size());
    quiet_units(in.before.fx);
    return in;
}
Input narrow_case(const std::vector<u8>& code, LdtEntry data) {
    Input in = flat_case(code);
    const u16 selector = selector_of(data);
    in.before.seg = {selector, selector_of(code16), selector, selector, 0, 0};
    in.before.rip = in.code_at;
    return in;
}
/// The state after an instruction of this length that has not faulted.
bool completed(const Input& in, const Output& out) {
    return out.vector == bp && out.after.rip == in.before.rip + in.code_size + 1u;
}

struct Fixture {
    Guest guest;
    Output out{};
    const Output& run(const Input& in) {
        guest.run(in, out);
        return out;
    }
    u16 status() const {
        u16 value;
        std::memcpy(&value, out.after.fx.data() + fx_status, 2);
        return value;
    }
};

} // namespace

TEST_CASE_FIXTURE(Fixture, "a store that an unmasked exception suppresses meets its page fault") {
    for (const std::vector<u8>& code : std::vector<std::vector<u8>>{
             {0xDB, 0x10}, {0xDF, 0x10}, {0xD9, 0x18}, {0xDF, 0x38}, {0xDF, 0x30}, {0xDB, 0x38}}) {
        Input in = flat_case(code);
        in.before.fx[fx_control] = 0x7E; // #IA unmasked, all registers empty
        in.before.gpr[RAX] = data_start + read_only_at + 0x10;
        run(in);
        CHECK(out.vector == pf);
        CHECK(out.error == 7);
        CHECK(out.cr2 == in.before.gpr[RAX]);
        CHECK(status() == 0);
    }
}

TEST_CASE_FIXTURE(Fixture, "EMMS clears TOP") {
    Input in = flat_case({0x0F, 0x77});
    in.before.fx[fx_status + 1] = 0x38 | 0x41; // TOP 7, C3, C0
    in.before.fx[fx_tags] = 0xFF;
    CHECK(completed(in, run(in)));
    CHECK(status() == 0x4100);
    CHECK(out.after.fx[fx_tags] == 0);
}

TEST_CASE_FIXTURE(Fixture, "REP INS and OUTS without the right to the port are #GP with a count of zero too") {
    for (const u8 opcode : {u8{0x6C}, u8{0x6D}, u8{0x6E}, u8{0x6F}}) {
        run(flat_case({0xF3, opcode}));
        CHECK(out.vector == gp);
        CHECK(out.error == 0);
    }
}

TEST_CASE_FIXTURE(Fixture, "ARPL writes only when it changes something") {
    Input in = flat_case({0x63, 0x08});
    in.before.gpr[RAX] = data_start + read_only_at;
    const u8 rpl3[2] = {0x2B, 0};
    in.set_memory(read_only_at, rpl3);
    in.before.gpr[RCX] = 2;
    CHECK(completed(in, run(in)));
    in.before.gpr[RAX] = data_start + operands_end; // not mapped: it reads first
    run(in);
    CHECK(out.vector == pf);
    CHECK(out.error == 4);
}

TEST_CASE_FIXTURE(Fixture, "ENTER takes all of ESP with 32 bits on a 16-bit stack") {
    Input in = narrow_case({0x66, 0xC8, 0x10, 0x00, 0x00}, data16);
    in.before.gpr[RSP] = 0x2C5A'6300;
    CHECK(completed(in, run(in)));
    CHECK(out.after.gpr[RBP] == 0x2C5A'62FC);
    CHECK(out.after.gpr[RSP] == 0x2C5A'62EC);
}

TEST_CASE_FIXTURE(Fixture, "ENTER reads a frame that it has just written") {
    Input in = narrow_case({0xC8, 0x00, 0x00, 0x04}, data32);
    in.before.gpr[RSP] = 0x6100;
    in.before.gpr[RBP] = 0x6102; // the first word read is the one at 6100h, the second the EBP just pushed
    const u8 word[2] = {0x34, 0x12};
    in.set_memory(0x6100, word);
    CHECK(completed(in, run(in)));
    CHECK(out.after.gpr[RBP] == 0x60FE);
    u64 value = 0; // 60F8h: new frame, 60FAh: word at 60FCh, 60FCh: word at 60FEh, 60FEh..: hardware's order
    for (u32 i = 0; i < out.changes; ++i) {
        if (out.change[i].at == 0x60F8) value = out.change[i].value;
    }
    CHECK(static_cast<u16>(value >> 48) == 0x6102); // 60FEh: BP
    CHECK(static_cast<u16>(value >> 32) == 0x1234); // 60FCh: [6100h]
    CHECK(static_cast<u16>(value >> 16) == 0x6102); // 60FAh: [60FEh]
    CHECK(static_cast<u16>(value) == 0x1234);       // 60F8h: [60FCh]
}

TEST_CASE_FIXTURE(Fixture, "ENTER pushes before it reads the enclosing frame") {
    Input in = flat_case({0xC8, 0x00, 0x00, 0x02});
    in.before.gpr[RSP] = in.before.gpr[RBP] = data_start + operands_end + 0x100; // neither can be reached
    run(in);
    CHECK(out.vector == pf);
    CHECK(out.error == 6);
}

TEST_CASE_FIXTURE(Fixture, "the single step of POP SS is lost") {
    Input in = flat_case({0x17});
    in.before.eflags |= eflags::TF;
    const u8 selector[4] = {0x2B, 0, 0, 0};
    in.set_memory(0x7000, selector);
    CHECK(completed(in, run(in))); // INT3 after it, not #DB
}

TEST_CASE_FIXTURE(Fixture, "FXRSTOR reaches for all of its image") {
    Input in = flat_case({0x0F, 0xAE, 0x08});
    in.before.gpr[RAX] = data_start + operands_end - 0x1F0;
    run(in);
    CHECK(out.vector == pf);
    CHECK(out.cr2 == data_start + operands_end);
    CHECK(out.error == 4);
}

namespace {

Input long_case(const std::vector<u8>& code, u8 window = 0) {
    Input in = flat_case(code);
    in.before.seg = {flat_data, long_code, flat_data, flat_data, 0, 0};
    in.window = window;
    in.before.rip = windows[window].code + in.code_at;
    in.before.gpr[RSP] = windows[window].data + 0x7000;
    return in;
}

struct LongFixture : Fixture {
    LongFixture() : Fixture{.guest = Guest(nullptr, Guest::Mode::long_mode)} {}
};

} // namespace

TEST_CASE_FIXTURE(LongFixture, "64-bit code runs in every window") {
    for (u8 window = 0; window < windows.size(); ++window) {
        Input in = long_case({0x4C, 0x89, 0x38}, window); // mov [rax], r15
        in.before.gpr[RAX] = windows[window].data + 0x10;
        in.before.gpr[R15] = 0x0123'4567'89AB'CDEF;
        CHECK(completed(in, run(in)));
        REQUIRE(out.changes == 1);
        CHECK(out.change[0] == Output::Change{0x10, 0x0123'4567'89AB'CDEF});
    }
}

TEST_CASE_FIXTURE(LongFixture, "a rotation of 32 bits by nothing clears the upper half") {
    for (const u8 modrm : {u8{0xC0}, u8{0xC8}, u8{0xD0}, u8{0xD8}, u8{0xE0}, u8{0xF8}}) {
        Input in = long_case({0xC1, modrm, 0x20});
        in.before.gpr[RAX] = 0x1234'5678'9ABC'DEF0;
        CHECK(completed(in, run(in)));
        CHECK(out.after.gpr[RAX] == 0x9ABC'DEF0);
    }
}

TEST_CASE_FIXTURE(LongFixture, "BSF and BSR of zero leave all 64 bits of the destination") {
    for (const u8 opcode : {u8{0xBC}, u8{0xBD}}) {
        Input in = long_case({0x0F, opcode, 0xC3});
        in.before.gpr[RAX] = 0x1234'5678'9ABC'DEF0;
        CHECK(completed(in, run(in)));
        CHECK(out.after.gpr[RAX] == 0x1234'5678'9ABC'DEF0);
        in = long_case({0x0F, opcode, 0x03});
        in.before.gpr[RAX] = 0x1234'5678'9ABC'DEF0;
        in.before.gpr[RBX] = data_start;
        const u8 zero[4] = {};
        in.set_memory(0, zero);
        CHECK(completed(in, run(in)));
        CHECK(out.after.gpr[RAX] == 0x1234'5678'9ABC'DEF0);
    }
}

TEST_CASE_FIXTURE(LongFixture, "REX.R means nothing to a segment register") {
    Input in = long_case({0x44, 0x8C, 0xD8}); // mov eax, ds
    CHECK(completed(in, run(in)));
    CHECK(out.after.gpr[RAX] == flat_data);
}

TEST_CASE_FIXTURE(LongFixture, "x87 images and 80-bit operands do not wrap at 4 GiB") {
    for (const std::vector<u8>& code : std::vector<std::vector<u8>>{{0xD9, 0x30}, {0xDD, 0x30}, {0xDB, 0x38}}) {
        Input in = long_case(code);
        in.before.gpr[RAX] = 0x1'0000'0000 - 4;
        in.before.fx[fx_tags] = 0xFF;
        CHECK(completed(in, run(in)));
        CHECK(out.changes >= 1);
    }
}

TEST_CASE_FIXTURE(LongFixture, "the instruction pointer of x87 is whole with a 32-bit address too") {
    Input in = long_case({0x67, 0xDD, 0x05, 0, 0, 0, 0}, 1); // fld [eip]
    run(in);
    u64 address = 0;
    in = long_case({0x67, 0xDD, 0x05, 0xF9, 0xFF, 0xFF, 0x0F}, 2);
    run(in);
    std::memcpy(&address, out.after.fx.data() + fx_ip, 8);
    CHECK(address == (out.vector == pf ? 0 : in.before.rip));
}

TEST_CASE_FIXTURE(LongFixture, "vector operands and CLFLUSH through RBP outside the canonical range are #SS") {
    constexpr int ss = 12;
    for (const std::vector<u8>& code : std::vector<std::vector<u8>>{{0x0F, 0x10, 0x45, 0x00},
                                                                    {0x0F, 0x11, 0x45, 0x00},
                                                                    {0xC5, 0xFC, 0x10, 0x45, 0x00},
                                                                    {0x0F, 0xAE, 0x7D, 0x00}}) {
        Input in = long_case(code);
        in.before.gpr[RBP] = canonical_end;
        run(in);
        CHECK(out.vector == ss);
        CHECK(out.error == 0);
    }
}

TEST_CASE_FIXTURE(LongFixture, "CLZERO clears the line of the linear address") {
    Input in = long_case({0x64, 0x0F, 0x01, 0xFC});
    in.before.gpr[RAX] = 0x10;
    in.before.fs_base = data_start + 0xB8;
    const u8 ones[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    in.set_memory(0xC0, ones);
    in.set_memory(0xF8, ones);
    in.set_memory(0xB8, ones);
    CHECK(completed(in, run(in)));
    for (u32 i = 0; i < out.changes; ++i) {
        const bool in_line = out.change[i].at >= 0xC0 && out.change[i].at < 0x100;
        CHECK(out.change[i].value == (in_line ? 0 : 0x0101'0101'0101'0101));
    }
}

TEST_CASE_FIXTURE(LongFixture, "VCVTPS2PH meets the page fault of its destination before its own exception") {
    Input in = long_case({0xC4, 0xE3, 0x79, 0x1D, 0x00, 0x00});
    in.before.gpr[RAX] = data_start + read_only_at;
    in.before.fx[fx_mxcsr] = 0x00, in.before.fx[fx_mxcsr + 1] = 0x00; // all unmasked
    in.before.fx[fx_xmm] = 1;                                         // a denormal
    run(in);
    CHECK(out.vector == pf);
}

TEST_CASE_FIXTURE(LongFixture, "RETF to 32-bit code checks all 64 bits of the offset") {
    Input in = long_case({0x48, 0xCB});
    const u8 frame[16] = {0, 0x10, 0, 0x10, 1, 0, 0, 0, flat_code};
    in.set_memory(0x7000, frame);
    run(in);
    CHECK(out.vector == gp);
    CHECK(out.after.seg[CS] == long_code);
}

TEST_CASE_FIXTURE(Fixture, "REP MOVS and STOS stop before the element that crosses the limit") {
    for (const u8 opcode : {u8{0xA5}, u8{0xAB}}) {
        Input in = flat_case({0xF3, opcode});
        in.before.seg[ES] = selector_of(small_data);
        in.before.gpr[RSI] = data_start;
        in.before.gpr[RDI] = 0xEE;
        in.before.gpr[RCX] = 0x20;
        run(in);
        CHECK(out.vector == gp);
        CHECK(out.after.gpr[RDI] == 0xFE);
        CHECK(out.after.gpr[RCX] == 0x1C);
    }
}

TEST_CASE_FIXTURE(Fixture, "XSAVEOPT does not go beyond the segment, whatever it leaves out") {
    Input in = flat_case({0x0F, 0xAE, 0x37}); // xsaveopt [edi], AVX in its initial state
    in.before.seg[DS] = selector_of(data32);
    in.before.gpr[RDI] = 0x7D40; // 832 bytes do not fit below 8000h, 576 do
    in.before.gpr[RAX] = 7;
    run(in);
    CHECK(out.vector == gp);
    in.before.gpr[RAX] = 3;
    CHECK(completed(in, run(in)));
}

TEST_CASE_FIXTURE(Fixture, "CLFLUSH may name an execute-only segment") {
    Input in = flat_case({0x2E, 0x0F, 0xAE, 0x3B}); // clflush cs:[ebx]
    in.before.seg[CS] = selector_of(execute_only);
    in.before.rip = in.code_at;
    in.before.gpr[RBX] = 0x40;
    CHECK(completed(in, run(in)));
    in.before.gpr[RBX] = 0xFFFF'FFF0; // beyond its limit
    run(in);
    CHECK(out.vector == gp);
}

TEST_CASE_FIXTURE(Fixture, "a masked move goes on beyond 64 KiB") {
    Input in = flat_case({0x67, 0xC4, 0xE2, 0x79, 0x2C, 0x07}); // vmaskmovps xmm0, xmm0, [bx]
    in.before.gpr[RBX] = 0xFFFC;
    in.before.seg[DS] = flat_data;
    in.before.fx[fx_xmm + 7] = 0x80; // the second element
    run(in);
    CHECK(out.vector == pf);
    CHECK(out.cr2 == 0x1'0000);
}

TEST_CASE("a case that ends the native process is found, and the rest runs") {
    auto native = Native::start();
    if (!native) return;
    Input exit = flat_case({0xCD, 0x80}); // the kernel's call gate, which no form uses: _exit
    exit.before.gpr[RAX] = 1;
    Input add = flat_case({0x01, 0xC8});
    add.before.gpr[RAX] = 2, add.before.gpr[RCX] = 3;
    for (unsigned i = 0; i < 3; ++i) (*native)->input(i) = i == 1 ? exit : add;
    REQUIRE((*native)->run(3));
    CHECK((*native)->output(1).vector == Native::child_died);
    for (const unsigned i : {0u, 2u}) {
        CHECK((*native)->output(i).vector == bp);
        CHECK((*native)->output(i).after.gpr[RAX] == 5);
    }
}

TEST_CASE("a few cases of every form agree with the host") {
    auto suite = make_host_suite();
    Plan plan;
    plan.seed = 20;
    plan.count = 30'000;
    const auto forms = suite->open(plan);
    REQUIRE(forms);
    const auto result = run_suite(*suite, plan, *forms, {});
    REQUIRE(result);
    for (const FormResult& f : result->forms) {
        for (const Failure& failure : f.failures)
            MESSAGE(f.form << "#" << failure.index << " " << failure.what << "\n" << failure.difference);
    }
    CHECK(result->failed() == 0);
    CHECK(result->cases() == 30'000);
    for (const auto& [reason, cases] : result->skip_reasons()) MESSAGE(cases << " skipped: " << reason);
}

TEST_CASE("one case by its number, however many there are") {
    auto suite = make_host_suite();
    Plan plan;
    REQUIRE(plan.filter.add("add.Ev,Gv@01#123456"));
    const auto forms = suite->open(plan);
    REQUIRE(forms);
    const auto result = run_suite(*suite, plan, *forms, {});
    REQUIRE(result);
    CHECK(result->cases() == 1);
    CHECK(result->failed() == 0);
}
