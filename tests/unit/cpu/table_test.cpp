// The instruction table itself: no encoding belongs to two rows, and the page made from it is the one in docs/.
#include "cpu/decode/reference.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

using namespace glassbox;

namespace {

/// Whether some encoding is both rows'. A row that demands more may stand beside one that demands less: it comes first.
bool ambiguous(const Row& a, const Row& b) {
    const auto disjoint = [](int x, int y) { return x >= 0 && y >= 0 && x != y; };
    if (disjoint(a.at.digit_, b.at.digit_) || disjoint(a.at.rm_, b.at.rm_)) return false;
    if (disjoint(a.at.l_, b.at.l_) || disjoint(a.at.w_, b.at.w_)) return false;
    const u32 modes = attr::only_64 | attr::not_in_64;
    if (((a.attributes | b.attributes) & modes) == modes) return false;
    if ((a.attributes ^ b.attributes) & attr::rex_b) return false; // the row that wants it comes first
    if (a.at.mod != Mod::any && b.at.mod != Mod::any && a.at.mod != b.at.mod) return false;
    const auto with_66_or_not = [](Mandatory m) { return m == Mandatory::none || m == Mandatory::p66; };
    const bool overlapping = (a.at.mandatory == Mandatory::no_rep && with_66_or_not(b.at.mandatory)) ||
                             (b.at.mandatory == Mandatory::no_rep && with_66_or_not(a.at.mandatory));
    if (a.at.mandatory != Mandatory::any && b.at.mandatory != Mandatory::any && a.at.mandatory != b.at.mandatory &&
        !overlapping)
        return false;
    const auto demands = [](const At& at) {
        return (at.w_ >= 0 ? 16 : 0) + (at.rm_ >= 0 ? 8 : 0) + (at.digit_ >= 0 ? 4 : 0) +
               (at.mandatory != Mandatory::any ? 2 : 0) + (at.mod != Mod::any ? 1 : 0);
    };
    return demands(a.at) == demands(b.at);
}

} // namespace

TEST_CASE("no encoding belongs to two rows") {
    const auto rows = all_rows();
    REQUIRE(rows.size() > 1800);
    for (std::size_t i = 0; i < rows.size(); ++i) {
        for (std::size_t k = i + 1; k < rows.size(); ++k) {
            const At &a = rows[i]->at, &b = rows[k]->at;
            if (a.encoding != b.encoding || a.map != b.map || a.opcode != b.opcode) break;
            if (rows[i]->feature == rows[k]->feature) {
                INFO(encoding_of(*rows[i]), " and ", encoding_of(*rows[k]));
                CHECK_FALSE(ambiguous(*rows[i], *rows[k]));
            }
        }
    }
}

TEST_CASE("the check for two rows with one encoding sees every part of an encoding") {
    const auto clash = [](At a, At b, u32 attributes_a = 0, u32 attributes_b = 0) {
        Row one, other;
        one.at = a;
        one.attributes = attributes_a;
        other.at = b;
        other.attributes = attributes_b;
        return ambiguous(one, other);
    };
    constexpr At vex = at(0x0F38F7).vex().p66();
    CHECK(clash(vex, vex));
    CHECK(clash(vex.l(0), vex)); // which of them comes first nothing says
    CHECK_FALSE(clash(vex.l(0), vex.l(1)));
    CHECK_FALSE(clash(vex.w(0), vex.w(1)));
    CHECK(clash(vex.w(1), vex.w(1)));
    CHECK_FALSE(clash(vex.w(1), vex)); // it demands more
    CHECK_FALSE(clash(vex, at(0x0F38F7).vex().np()));
    CHECK_FALSE(clash(vex.mem(), vex.reg()));
    CHECK_FALSE(clash(at(0x63), at(0x63), attr::only_64, attr::not_in_64));
    CHECK(clash(at(0x63), at(0x63), attr::only_64));
    CHECK_FALSE(clash(at(0x90), at(0x90), attr::rex_b));
    CHECK_FALSE(clash(at(0x80).digit(1), at(0x80).digit(2)));
    CHECK_FALSE(clash(at(0x0F01).digit(7).rm(0), at(0x0F01).digit(7).rm(1)));
}

TEST_CASE("rows demand only what their encoding has") {
    const auto vex_only = [](Arg a) {
        return a == Arg::Hx || a == Arg::Hdq || a == Arg::Hqq || a == Arg::By || a == Arg::Lx || a == Arg::Ldq ||
               a == Arg::Mvd || a == Arg::Mvq;
    };
    const auto names_vvvv = [](Arg a) { return a == Arg::Hx || a == Arg::Hdq || a == Arg::Hqq || a == Arg::By; };
    for (const Row* row : all_rows()) {
        INFO(encoding_of(*row));
        const bool vex = row->at.encoding == Encoding::vex;
        CHECK_FALSE(((row->attributes & attr::only_64) && (row->attributes & attr::not_in_64)));
        if (!vex) {
            CHECK(row->at.l_ == -1);
            CHECK_FALSE((row->attributes & attr::vex_no_vvvv));
            for (const Arg a : row->args) CHECK_FALSE(vex_only(a));
            continue;
        }
        CHECK(row->at.map >= 1);
        CHECK(row->at.map <= 3);
        CHECK(row->at.mandatory != Mandatory::any); // pp always says one of four
        CHECK(row->at.mandatory != Mandatory::no_rep);
        CHECK_FALSE((row->attributes & (attr::rex_b | attr::lockable)));
        bool vvvv = false; // SDM 2A 2.3.5.6: 1111b where it names no register
        for (const Arg a : row->args) vvvv = vvvv || names_vvvv(a);
        CHECK(vvvv != ((row->attributes & attr::vex_no_vvvv) != 0));
    }
}

TEST_CASE("every row says what it is") {
    for (const Row* row : all_rows()) {
        REQUIRE(row->info != nullptr);
        CHECK(row->info->mnemonic != nullptr);
        CHECK((row->select != nullptr));
    }
}

TEST_CASE("docs/opcodes.md is the table") {
    const std::string path = GLASSBOX_SOURCE_DIR "/docs/opcodes.md";
    if (std::getenv("GLASSBOX_WRITE_DOCS")) std::ofstream(path) << opcode_reference();
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    const bool current = text.str() == opcode_reference();
    CHECK_MESSAGE(current, "make it anew: GLASSBOX_WRITE_DOCS=1 unit_cpu");
}
