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
