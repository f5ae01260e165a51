// The decode suite itself: that it sees a difference in every field, that its spaces are what they say, that every
// entry of its table of disagreements is explained, and the defects that it has found.
#include "tests/x86-conformance/decode/disagreements.hpp"
#include "tests/x86-conformance/decode/space.hpp"
#include "tests/x86-conformance/runner/run.hpp"

#include <doctest/doctest.h>

#include <fstream>
#include <functional>
#include <set>
#include <sstream>

using namespace glassbox;
using namespace glassbox::conformance;

namespace {

using Bytes = std::array<u8, 24>;

Verdict compare(const Bytes& bytes, DecodeMode mode = DecodeMode::protected32, const char* model = "max") {
    Comparison comparison(mode, *find_cpu_model(model));
    return comparison.compare(bytes);
}
bool valid(const Bytes& bytes, const char* model, DecodeMode mode = DecodeMode::protected32) {
    Comparison comparison(mode, *find_cpu_model(model));
    comparison.compare(bytes);
    return comparison.last().valid;
}

/// Whether the comparison notices what `damage` does to our reading of the bytes.
bool notices(const Bytes& bytes, const std::function<void(Insn&)>& damage) {
    Comparison comparison(DecodeMode::protected32, *find_cpu_model("max"));
    REQUIRE(comparison.compare(bytes).same);
    const OperandComparison operands;
    Decoded d = comparison.last();
    REQUIRE(operands.same(d.insn, d.zydis, d.operands()));
    damage(d.insn);
    std::vector<Difference> differences;
    const bool same = operands.same(d.insn, d.zydis, d.operands(), &differences);
    CHECK(same == differences.empty());
    return !same;
}

} // namespace

TEST_CASE("decode: every field of an operand is compared") {
    constexpr Bytes add_memory = {0x64, 0x01, 0x54, 0x88, 0x7F}; // add fs:[eax+ecx*4+7Fh], edx
    CHECK(notices(add_memory, [](Insn& i) { i.base = 8 * RBX; }));
    CHECK(notices(add_memory, [](Insn& i) { i.index = 8 * RBX; }));
    CHECK(notices(add_memory, [](Insn& i) { i.index = 8 * zero_gpr; }));
    CHECK(notices(add_memory, [](Insn& i) { i.scale = 3; }));
    CHECK(notices(add_memory, [](Insn& i) { i.disp = 0x80; }));
    CHECK(notices(add_memory, [](Insn& i) { i.segment = DS; }));
    CHECK(notices(add_memory, [](Insn& i) { i.operand[0].width = 2; }));
    CHECK(notices(add_memory, [](Insn& i) { i.operand[1].number = 8 * RCX; }));
    CHECK(notices(add_memory, [](Insn& i) { i.operand[1].width = 2; }));
    CHECK(notices(add_memory, [](Insn& i) { i.operand[0].kind = OperandKind::reg; }));
    CHECK(notices({0x88, 0xE0}, [](Insn& i) { i.operand[1].number = 8 * RSP; })); // mov al, ah
    CHECK(notices({0x83, 0xC0, 0xFF}, [](Insn& i) { i.imm = 0xFF; }));            // add eax, -1
    CHECK(notices({0xC8, 1, 2, 3}, [](Insn& i) { i.imm = 0x203; }));              // enter 201h, 3
    CHECK(notices({0xC8, 1, 2, 3}, [](Insn& i) { i.imm2 = 4; }));
    CHECK(notices({0xEA, 1, 2, 3, 4, 5, 6}, [](Insn& i) { i.imm2 = 0x605 + 1; })); // jmp 0605h:04030201h
    CHECK(notices({0xE8, 0xFB, 0xFF, 0xFF, 0xFF}, [](Insn& i) { i.imm = 0; }));    // call $
    CHECK(notices({0x26, 0xA5}, [](Insn& i) { i.segment = DS; }));                 // movsd es:[edi], es:[esi]
    CHECK(notices({0xA5}, [](Insn& i) { i.addrsize = 2; }));
    CHECK(notices({0xA5}, [](Insn& i) { i.operand[0].width = 2; }));
    CHECK(notices({0xD8, 0xC3}, [](Insn& i) { i.operand[1].number = 2; })); // fadd st(0), st(3)
    CHECK(notices({0x0F, 0x58, 0xCA}, [](Insn& i) { i.operand[0].number = 2; }));
    CHECK(notices({0x0F, 0x58, 0xCA}, [](Insn& i) { i.operand[0].kind = OperandKind::mmx; }));
}

TEST_CASE("decode: the disagreements that the page explains, and no others") {
    std::ifstream file(GLASSBOX_SOURCE_DIR "/docs/decoder-disagreements.md");
    std::stringstream text;
    text << file.rdbuf();
    for (const Disagreement& d : all_disagreements()) {
        INFO(d.name);
        CHECK(text.str().find(std::string("## ") + d.name + "\n") != std::string::npos);
        const std::string_view source = d.source; // Intel's manual, or AMD's for AMD's instructions
        CHECK((source.starts_with("SDM ") || source.starts_with("APM ")));
    }
    const auto by = [](const Bytes& bytes, DecodeMode mode) {
        const Verdict verdict = compare(bytes, mode);
        CHECK_FALSE(verdict.same);
        return std::string(verdict.by ? verdict.by->name : "");
    };
    CHECK(by({0x0F, 0x1A, 0xC7}, DecodeMode::protected32) == "Operands of reserved NOPs");
    CHECK(by({0x0F, 0x34}, DecodeMode::real16) == "SYSENTER and SYSEXIT in real mode");
    CHECK(by({0x0F, 0xAE, 0x38}, DecodeMode::protected32) == "CLFLUSH names one byte");
    Bytes lengthy;
    lengthy.fill(0x66);
    lengthy[12] = 0x8C; // mov r/m, segment register 6
    lengthy[13] = 0xB4;
    CHECK(by(lengthy, DecodeMode::protected32) == "Undefined and longer than 15 bytes");
    lengthy[13] = 0x94; // segment register 2: SS
    CHECK(compare(lengthy).same);
    CHECK(compare({0x0F, 0x34}, DecodeMode::protected32).same);
}

TEST_CASE("decode: what it has found stays found") {
    CHECK_FALSE(valid({0xDB, 0xE5}, "max")); // FRSTPM: of the 80287XL alone (SDM 2D, table A-12)
    CHECK_FALSE(valid({0xDB, 0xE5}, "pentium"));
    for (const unsigned cr : {0u, 1u, 2u, 3u, 4u, 5u, 6u, 7u}) { // SDM 2B, MOV to and from control registers
        const auto modrm = static_cast<u8>(0xC0 | cr << 3);
        INFO("CR", cr);
        CHECK(valid({0x0F, 0x20, modrm}, "max") == (cr == 0 || (cr >= 2 && cr <= 4)));
        CHECK(valid({0x0F, 0x22, modrm}, "max") == (cr == 0 || (cr >= 2 && cr <= 4)));
    }
    CHECK(compare({0x0F, 0x02, 0xC5}).same);       // lar eax, ebp
    CHECK(compare({0x0F, 0xC4, 0xC3, 1}).same);    // pinsrw mm0, ebx, 1
    CHECK(compare({0x66, 0x0F, 0xC7, 0x08}).same); // cmpxchg8b [eax]
    CHECK(compare({0x66, 0x0F, 0x20, 0xC0}).same); // mov eax, cr0
}

TEST_CASE("decode: a case is the same whoever runs it, and a space is covered once") {
    const std::vector<Space> spaces = all_spaces();
    std::set<std::string> names;
    for (const Space& space : spaces) CHECK(names.insert(space.name).second);
    for (const Space& space : spaces) {
        if (space.name != "16.1B.66") continue;
        std::set<u32> seen;
        for (u64 i = 0; i < space.size(); ++i) {
            const CaseBytes bytes = bytes_of(space, i, Random::of_case(1, space.name, i));
            CHECK(bytes[0] == 0x66);
            seen.insert(bytes[1] << 8u | bytes[2]);
        }
        CHECK(seen.size() == space.size());
        CHECK(seen.size() == 0x10000);
        CHECK(bytes_of(space, 5, Random(7)) == bytes_of(space, 5, Random(7)));
    }
}

TEST_CASE("decode: older models lack what Zydis says came later") {
    // Not pentium-mmx: Zydis counts SSE's additions to MMX as MMX. The 386 scales a base without an index.
    for (const char* model : {"pentium", "pentium-pro", "pentium3", "pentium4"}) {
        Comparison comparison(DecodeMode::protected32, *find_cpu_model(model));
        for (const Space& space : all_spaces()) {
            if (space.mode != DecodeMode::protected32 || space.kind != Space::Kind::one_prefix) continue;
            for (u64 i = 0; i < 2000; ++i) {
                const CaseBytes bytes = bytes_of(space, i, Random::of_case(1, space.name, i));
                INFO(model, ": ", space.name, " #", i);
                if (!comparison.compare(bytes).agrees()) CHECK(false);
            }
        }
    }
}

TEST_CASE("decode: a sample of every form") {
    const std::unique_ptr<Suite> suite = make_decode_suite();
    Plan plan;
    plan.count = 1500;
    const auto forms = suite->open(plan);
    REQUIRE(forms);
    const auto result = run_suite(*suite, plan, *forms, RunSettings{});
    REQUIRE(result);
    CHECK(result->passed() > 200'000);
    CHECK(result->failed() == 0);
    for (const auto& [reason, cases] : result->skip_reasons())
        CHECK(reason.starts_with("the SDM decides, not Zydis: "));
    for (const FormResult& form : result->forms) {
        for (const Failure& failure : form.failures)
            MESSAGE(form.form << " #" << failure.index << ": " << failure.what << "\n" << failure.difference);
    }
}
