// The judge of the host suite: what counts as a difference, what does not, and how a failing case is made smaller.
#include "tests/x86-conformance/host/make_case.hpp"
#include "tests/x86-conformance/host/shrink.hpp"
#include "tests/x86-conformance/host/values.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>

using namespace glassbox;
using namespace glassbox::conformance;
using namespace glassbox::conformance::host;

namespace {

const Row& row(std::string_view name) {
    static const auto list = all_forms();
    const auto found = std::ranges::find(list, name, &RowForm::name);
    REQUIRE_MESSAGE(found != list.end(), std::string(name));
    return *found->row;
}

/// A case in flat 32-bit code, and the results of both sides when it has done nothing but go on.
struct Pair {
    Input in{};
    Output host{}, ours{};
    explicit Pair(std::initializer_list<u8> code) {
        in.before.seg = {flat_data, flat_code, flat_data, flat_data, 0, 0};
        in.code_at = 0x100;
        in.before.rip = code_start + in.code_at;
        in.before.eflags = 0x202;
        std::copy(code.begin(), code.end(), in.code.begin());
        in.code_size = static_cast<u8>(code.size());
        quiet_units(in.before.fx);
        host.after = in.before;
        host.after.rip += code.size() + 1;
        host.vector = 3;
        ours = host;
    }
    std::vector<Difference> differences(const Row& r, Vendor vendor = Vendor::intel) const {
        const auto list = Comparison(vendor).differences(r, in, host, ours);
        CHECK(Comparison(vendor).same(r, in, host, ours) == list.empty());
        return list;
    }
};

} // namespace

TEST_CASE("every visible part counts") {
    const Row& add = row("add.Ev,Gv@01");
    const auto one = [&](Kind kind, auto change) {
        Pair pair({0x01, 0xC8});
        CHECK(pair.differences(add).empty());
        change(pair.ours);
        const auto list = pair.differences(add);
        REQUIRE(list.size() == 1);
        CHECK(list[0].kind == kind);
    };
    for (unsigned i = 0; i < 16; ++i) {
        one(Kind::registers, [&](Output& o) { o.after.gpr[i] ^= 0x8000'0000; });
        one(Kind::registers, [&](Output& o) { o.after.gpr[i] ^= u64{1} << 63; });
    }
    for (unsigned i = 0; i < 6; ++i) one(Kind::segments, [&](Output& o) { o.after.seg[i] ^= 8; });
    for (const u32 f : {eflags::CF, eflags::PF, eflags::AF, eflags::ZF, eflags::SF, eflags::OF, eflags::DF, eflags::TF,
                        eflags::NT, eflags::RF, eflags::AC, eflags::ID})
        one(Kind::flags, [&](Output& o) { o.after.eflags ^= f; });
    one(Kind::exception, [](Output& o) { o.vector = 13; });
    one(Kind::exception, [](Output& o) { ++o.after.rip; });
    one(Kind::memory, [](Output& o) { o.changes = 1, o.change[0] = {16, 5}; });
    one(Kind::x87, [](Output& o) { o.after.fx[fx_control] ^= 1; });
    one(Kind::x87, [](Output& o) { o.after.fx[fx_status + 1] ^= 1; });
    one(Kind::x87, [](Output& o) { o.after.fx[fx_tags] ^= 0x80; });
    one(Kind::x87, [](Output& o) { o.after.fx[fx_registers + 16 * 7 + 9] ^= 1; });
    one(Kind::x87, [](Output& o) { o.after.fx[fx_ip] ^= 1; });
    one(Kind::sse, [](Output& o) { o.after.fx[fx_mxcsr] ^= 1; });
    one(Kind::sse, [](Output& o) { o.after.fx[fx_xmm + 127] ^= 1; });
    one(Kind::sse, [](Output& o) { o.after.fx[fx_xmm + 255] ^= 1; });
    one(Kind::sse, [](Output& o) { o.after.ymm[255] ^= 1; });
    one(Kind::segments, [](Output& o) { o.after.fs_base ^= 1; });
    one(Kind::segments, [](Output& o) { o.after.gs_base ^= 1; });
}

TEST_CASE("page faults have an address and an error code, #GP only a code") {
    const Row& add = row("add.Ev,Gv@01");
    Pair pair({0x01, 0x08});
    for (Output* o : {&pair.host, &pair.ours}) {
        o->after = pair.in.before;
        o->vector = 14, o->error = 6, o->cr2 = 0x1234;
    }
    CHECK(pair.differences(add).empty());
    pair.ours.cr2 = 0x1235;
    CHECK(pair.differences(add).size() == 1);
    pair.ours.cr2 = 0x1234, pair.ours.error = 7;
    CHECK(pair.differences(add).size() == 1);
    pair.host.vector = pair.ours.vector = 13;
    CHECK(pair.differences(add).size() == 1);
    pair.ours.error = 6, pair.ours.cr2 = 0; // stale
    CHECK(pair.differences(add).empty());
}

TEST_CASE("undefined flags do not count, and only those") {
    Pair pair({0x21, 0xC8});
    pair.ours.after.eflags ^= eflags::AF;
    CHECK(pair.differences(row("and.Ev,Gv@21")).empty());
    pair.ours.after.eflags ^= eflags::CF;
    CHECK(pair.differences(row("and.Ev,Gv@21")).size() == 1);
    pair.ours = pair.host;
    pair.host.after.rip = pair.ours.after.rip = pair.in.before.rip; // after a fault all flags count
    pair.host.vector = pair.ours.vector = 13;
    pair.ours.after.eflags ^= eflags::AF;
    CHECK(pair.differences(row("and.Ev,Gv@21")).size() == 1);
}

TEST_CASE("transcendentals may differ by their bound, others not at all") {
    const auto last_bits = [](Pair& pair, u64 host, u64 ours) {
        std::memcpy(pair.host.after.fx.data() + fx_registers, &host, 8);
        std::memcpy(pair.ours.after.fx.data() + fx_registers, &ours, 8);
        for (Output* o : {&pair.host, &pair.ours})
            o->after.fx[fx_registers + 8] = 0xFE, o->after.fx[fx_registers + 9] = 0x3F;
    };
    Pair sine({0xD9, 0xFE});
    last_bits(sine, 0x8000'0000'0000'1000, 0x8000'0000'0000'1002);
    CHECK(sine.differences(row("fsin.ST(0)@D9/7rm=6")).empty());
    last_bits(sine, 0x8000'0000'0000'1000, 0x8000'0000'0000'1003);
    CHECK(sine.differences(row("fsin.ST(0)@D9/7rm=6")).size() == 1);
    Pair root({0xD9, 0xFA});
    last_bits(root, 0x8000'0000'0000'1000, 0x8000'0000'0000'1001);
    CHECK(root.differences(row("fsqrt.ST(0)@D9/7rm=2")).size() == 1);
}

TEST_CASE("RCPPS keeps the SDM's bound on either side") {
    const Row& rcpps = row("rcpps.Vx,Wx@NP0F53");
    const auto lane = [](Output& o, float value) { std::memcpy(o.after.fx.data() + fx_xmm, &value, 4); };
    Pair pair({0x0F, 0x53, 0xC1});
    lane(pair.host, 0.5f);
    lane(pair.ours, 0.5f * (1 + 2.9f / 4096));
    CHECK(pair.differences(rcpps).empty());
    lane(pair.ours, 0.5f * (1 + 3.2f / 4096));
    CHECK(pair.differences(rcpps).size() == 1);
    lane(pair.ours, -0.5f);
    CHECK(pair.differences(rcpps).size() == 1);
}

TEST_CASE("a known difference is one of its vendor, and no wider than it says") {
    const Row& push = row("push.ES@06");
    Pair pair({0x06});
    pair.in.before.gpr[RSP] = data_start + 0x7010;
    pair.host.after.gpr[RSP] = pair.ours.after.gpr[RSP] = data_start + 0x700C;
    const auto pattern = data_pattern();
    const auto pushed = [&](Output& o, u32 value) {
        std::memcpy(&o.change[0].value, pattern.data() + 0x7008, 8);
        std::memcpy(reinterpret_cast<u8*>(&o.change[0].value) + 4, &value, 4);
        o.change[0].at = 0x7008;
        o.changes = 1;
    };
    pushed(pair.host, 0x0000'002B);
    pushed(pair.ours, 0x1234'002B);
    CHECK(pair.differences(push, Vendor::amd).empty());
    CHECK(pair.differences(push, Vendor::intel).size() == 1);
    pushed(pair.ours, 0x0000'002A);
    CHECK(pair.differences(push, Vendor::amd).size() == 1);
}

TEST_CASE("a failing case loses what the failure does not need") {
    const auto forms = all_forms();
    const RowForm& form = *std::ranges::find(forms, std::string_view("add.Ev,Gv@01"), &RowForm::name);
    Input in{};
    make_case(form, 1, 5, in);
    in.before.gpr[RSI] = 0x1234'5678;
    std::memmove(in.code.data() + 2, in.code.data(), in.code.size() - 2);
    in.code[0] = 0x26, in.code[1] = 0x64;
    in.code_size = static_cast<u8>(in.code_size + 2);
    unsigned tries = 0;
    // It fails while bit 4 of ESI is set and the override by FS is there.
    const Judge judge = [&](const Input& candidate) -> std::vector<Difference> {
        ++tries;
        const auto code = candidate.instruction();
        if (!(candidate.before.gpr[RSI] & 0x10) || std::ranges::find(code, 0x64) == code.end()) return {};
        return {{Kind::registers, "esi", "", ""}};
    };
    const Input small = shrink(in, Kind::registers, judge);
    CHECK(small.code[0] == 0x64);
    CHECK(small.before.gpr[RSI] == 0x78);
    CHECK(small.before.gpr[RAX] == 0);
    CHECK(small.before.gpr[RSP] == 0);
    CHECK(small.before.eflags == 0x202);
    CHECK(small.fills == 0);
    CHECK(tries < 650);
}
