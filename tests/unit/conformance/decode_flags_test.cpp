// The flags that each row of the table says it reads, writes and leaves undefined, against Zydis's list: these masks
// decide what the moo and host suites compare, and which flags the engine need not compute.
#include "tests/x86-conformance/coverage/universe.hpp"

#include "cpu/decode/reference.hpp"

#include <Zydis/Zydis.h>
#include <doctest/doctest.h>

#include <set>
#include <string_view>

using namespace glassbox;
using namespace glassbox::conformance;

namespace {

struct FlagUse {
    u32 reads, writes, undefined;
    bool operator==(const FlagUse&) const = default;
};

/// Zydis's word, corrected where the SDM says otherwise.
FlagUse expected(const ZydisDecodedInstruction& instruction) {
    FlagUse use{};
    if (const ZydisAccessedFlags* f = instruction.cpu_flags)
        use = {f->tested & eflags::OSZAPC, (f->modified | f->set_0 | f->set_1) & eflags::OSZAPC,
               f->undefined & eflags::OSZAPC};
    const auto defined = [&](u32 flag) {
        use.undefined &= ~flag;
        use.writes |= flag;
    };
    switch (instruction.mnemonic) {
    case ZYDIS_MNEMONIC_SBB: defined(eflags::AF); break; // SDM 2B, SBB: "OF, SF, ZF, AF, PF, and CF are set"
    case ZYDIS_MNEMONIC_ROL:
    case ZYDIS_MNEMONIC_ROR:
    case ZYDIS_MNEMONIC_RCL:
    case ZYDIS_MNEMONIC_RCR:
    case ZYDIS_MNEMONIC_SHL:
    case ZYDIS_MNEMONIC_SHR:
    case ZYDIS_MNEMONIC_SAR:
    case ZYDIS_MNEMONIC_SHLD:
    case ZYDIS_MNEMONIC_SHRD: defined(eflags::OF); break; // undefined only for counts above one
    case ZYDIS_MNEMONIC_INT:
    case ZYDIS_MNEMONIC_INT1:
    case ZYDIS_MNEMONIC_INT3:
    case ZYDIS_MNEMONIC_INTO: use.reads = eflags::OSZAPC; break; // pushed
    case ZYDIS_MNEMONIC_RSM: use.writes = 0; break;              // #UD: there is no system management mode
    default: break;
    }
    return use;
}

} // namespace

TEST_CASE("decode: the flags of every row") {
    ZydisDecoder wide, narrow;
    ZydisDecoderInit(&wide, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
    ZydisDecoderInit(&narrow, ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16);
    std::set<const Row*> seen;
    for (const Variant& v : Universe::instance().variants()) {
        const Example& e = v.first;
        if (v.second.length || std::string_view(e.model) != "max" || !seen.insert(v.row).second) continue;
        ZydisDecodedInstruction instruction;
        const ZydisDecoder& decoder = (e.insn.mode & mode::code32) ? wide : narrow;
        INFO(encoding_of(*v.row), " ", v.row->info->mnemonic, ": ", e.text());
        REQUIRE(ZYAN_SUCCESS(
            ZydisDecoderDecodeInstruction(&decoder, nullptr, e.bytes.data(), e.bytes.size(), &instruction)));
        const OpInfo& info = *v.row->info;
        const FlagUse theirs = expected(instruction), ours{info.reads, info.writes, info.undefined};
        CHECK(ours.reads == theirs.reads);
        CHECK(ours.writes == theirs.writes);
        CHECK(ours.undefined == theirs.undefined);
    }
    CHECK(seen.size() > 900);
}
