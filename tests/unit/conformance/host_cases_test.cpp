// The host suite's cases: every row is there or left out with a reason, every shape comes up, and a case is the same
// whatever ran before it.
#include "cpu/decode/decoder.hpp"
#include "tests/x86-conformance/host/known.hpp"
#include "tests/x86-conformance/host/make_case.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

using namespace glassbox;
using namespace glassbox::conformance;
using namespace glassbox::conformance::host;

namespace {

const std::vector<RowForm>& forms() {
    static const auto list = all_forms();
    return list;
}
const RowForm& form(std::string_view name) {
    const auto found = std::ranges::find(forms(), name, &RowForm::name);
    REQUIRE_MESSAGE(found != forms().end(), std::string(name));
    return *found;
}

bool same(const Input& a, const Input& b) {
    if (!(a.before == b.before) || a.window != b.window || a.code_at != b.code_at ||
        !std::ranges::equal(a.instruction(), b.instruction()) || a.fills != b.fills || a.bytes_used != b.bytes_used)
        return false;
    for (unsigned i = 0; i < a.fills; ++i) {
        if (a.fill[i].at != b.fill[i].at || a.fill[i].size != b.fill[i].size) return false;
    }
    return std::equal(a.bytes.begin(), a.bytes.begin() + a.bytes_used, b.bytes.begin());
}

u32 mode_of(const Input& in) {
    if (in.before.code64()) return mode::protected_mode | mode::user | mode::long64;
    const u16 cs = in.before.seg[CS];
    const bool code32 = !(cs & 4) || ldt[cs >> 3].big;
    return mode::protected_mode | mode::user | (code32 ? mode::code32 : 0);
}

} // namespace

TEST_CASE("every row of the opcode table is a form or is left out with a reason") {
    std::set<std::string> names;
    std::size_t left_out = 0;
    for (const bool code64 : {false, true}) {
        for (const Row* row : all_rows()) {
            const char* reason = reason_left_out(*row, code64);
            const auto found =
                std::ranges::find_if(forms(), [&](const RowForm& f) { return f.row == row && f.code64 == code64; });
            INFO(form_name(*row));
            CHECK((found != forms().end()) == (reason == nullptr));
            if (reason) {
                ++left_out;
                CHECK(std::strlen(reason) > 10);
                continue;
            }
            if (found == forms().end()) continue;
            CHECK(names.insert(found->name).second);
            CHECK(found->name.starts_with("64/") == code64);
            CHECK(found->name.find_first_of(" #*?[") == std::string::npos);
        }
    }
    CHECK(forms().size() == names.size());
    CHECK(forms().size() > 3000);
    CHECK(left_out < 700); // the rows of older processors, those of the other modes, and the few of the table
}

TEST_CASE("the shapes of a row") {
    CHECK(form("add.Ev,Gv@01").shapes.size() == 16);      // register or memory, 66h, 67h, both kinds of code segment
    CHECK(form("lea.Gv,M@8Dmem").shapes.size() == 8);     // memory only
    CHECK(form("addps.Vx,Wx@NP0F58").shapes.size() == 8); // 66h would be ADDPD
    CHECK(form("cbw@98").shapes.size() == 8);
    CHECK(form("64/add.Ev,Gv@01").shapes.size() == 16); // register or memory, 66h, 67h, REX.W
    CHECK(form("64/addps.Vx,Wx@NP0F58").shapes.size() == 8);
    for (const RowForm& f : forms()) {
        std::set<std::array<bool, 7>> seen;
        for (u64 i = 0; i < f.shapes.size(); ++i) {
            const Shape& s = f.shape(i);
            seen.insert({s.memory, s.op_prefix, s.addr_prefix, s.code32, s.code64, s.w, s.wide_vector});
            CHECK(s.code64 == f.code64);
        }
        CHECK(seen.size() == f.shapes.size());
    }
}

TEST_CASE("cases decode to their row in the shape that they have") {
    const FeatureSet& features = find_cpu_model("max")->features;
    Input in{};
    u64 checked = 0, cut = 0;
    for (const RowForm& f : forms()) {
        for (u64 i = 0; i < 2 * f.shapes.size(); ++i) {
            make_case(f, 7, i, in);
            Insn insn;
            const DecodeStatus status = decode(in.instruction(), mode_of(in), features, insn);
            if (status != DecodeStatus::ok) { // LOCK where it must not be, over 15 bytes, or at the end of the code
                ++cut;
                continue;
            }
            const bool by_prefix = f.row->at.map == 0 && f.row->at.opcode == 0x90; // NOP, PAUSE, XCHG with R8
            if (insn.row != f.row &&
                (is_vex(*f.row) || by_prefix || insn.row->at.w_ >= 0)) { // VEX.L or VEX.W is wrong on purpose
                ++cut;
                continue;
            }
            ++checked;
            INFO(f.name, " case ", i);
            REQUIRE(insn.row == f.row);
            const bool opsize_matters =
                (f.row->attributes & attr::opsize_fixed) == 0 && f.row->at.mandatory == Mandatory::any;
            const bool narrower = f.code64 && (f.row->attributes & attr::at_most_32);
            const bool wider = f.code64 && (f.row->attributes & (attr::default64 | attr::force64));
            if (opsize_matters && wider)
                CHECK(insn.opsize == (insn.opsize == 2 ? f.shape(i).opsize() : 8));
            else if (opsize_matters && !is_vex(*f.row) && !narrower)
                CHECK(insn.opsize == f.shape(i).opsize());
            CHECK(insn.addrsize == f.shape(i).addrsize());
            if (f.shape(i).memory) CHECK(insn.mem);
        }
    }
    CHECK(checked > 15'000);
    CHECK(cut < checked / 15);
}

TEST_CASE("a case follows from seed, form and number alone") {
    Input a{}, b{}, other{};
    const RowForm& f = form("movs.Yv,Xv@A5");
    make_case(f, 5, 1000, a);
    make_case(form("fsin.ST(0)@D9/7rm=6"), 5, 3, b);
    make_case(f, 5, 1000, b);
    CHECK(same(a, b));
    make_case(f, 6, 1000, other);
    CHECK_FALSE(same(a, other));
    make_case(f, 5, 1001, other);
    CHECK_FALSE(same(a, other));
}

TEST_CASE("no case has a selector of the host's own descriptors, or calls its kernel") {
    Input in{};
    for (const char* name : {"mov.Sw,Ew@8Ereg", "lar.Gv,Ew@0F02reg", "int.Ib@CD"}) {
        const auto found = std::ranges::find(forms(), std::string_view(name), &RowForm::name);
        if (found == forms().end()) continue;
        for (u64 i = 0; i < 2000; ++i) {
            make_case(*found, 1, i, in);
            Insn insn;
            if (decode(in.instruction(), mode_of(in), find_cpu_model("max")->features, insn) != DecodeStatus::ok)
                continue;
            if (insn.opcode == 0xCD) {
                CHECK(insn.imm != 0x80);
                continue;
            }
            const u32 selector = in.before.gpr[insn.modrm & 7] & 0xFFFC;
            CHECK_FALSE((selector >= first_kernel_selector && selector <= gdt_limit));
        }
    }
}

TEST_CASE("known differences name their source") {
    for (const KnownDifference& known : known_differences()) {
        CHECK(std::strlen(known.what) > 10);
        CHECK(std::strlen(known.source) > 10);
        CHECK((known.settle != nullptr));
    }
}
