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
    case ZYDIS_MNEMONIC_VPTEST: // SDM 2B, PTEST and SDM 2C, VTESTPD/VTESTPS: "The OF, AF, PF, SF flags are cleared"
    case ZYDIS_MNEMONIC_VTESTPS:
    case ZYDIS_MNEMONIC_VTESTPD: use.writes = eflags::OSZAPC; break;
    case ZYDIS_MNEMONIC_BEXTR: // SDM 2A, BEXTR: ZF by the result; "AF, SF, and PF are undefined. All other ... cleared"
        defined(eflags::OF);
        defined(eflags::CF);
        break;
    case ZYDIS_MNEMONIC_RDPRU: use.writes = eflags::OSZAPC; break;  // APM 3, RDPRU: CF, the others cleared
    case ZYDIS_MNEMONIC_SYSCALL: use.reads = eflags::OSZAPC; break; // R11
    case ZYDIS_MNEMONIC_RSM: use.writes = 0; break;                 // #UD: there is no system management mode
    default: break;
    }
    return use;
}

} // namespace

TEST_CASE("decode: the flags of every row") {
    ZydisDecoder decoders[3];
    ZydisDecoderInit(&decoders[0], ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16);
    ZydisDecoderInit(&decoders[1], ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
    ZydisDecoderInit(&decoders[2], ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    std::set<const Row*> seen;
    unsigned vex = 0, only_64 = 0;
    for (const Variant& v : Universe::instance().variants()) {
        const Example& e = v.first;
        if (v.second.length || !find_cpu_model(e.model)->features.has(Feature::cpuid) || !seen.insert(v.row).second)
            continue;
        vex += v.row->at.encoding == Encoding::vex;
        only_64 += (v.row->attributes & attr::only_64) != 0;
        ZydisDecodedInstruction instruction;
        const ZydisDecoder& decoder = decoders[e.insn.code64() ? 2 : (e.insn.mode & mode::code32) ? 1 : 0];
        INFO(encoding_of(*v.row), " ", std::string(v.row->info->mnemonic), ": ", e.text());
        REQUIRE(ZYAN_SUCCESS(
            ZydisDecoderDecodeInstruction(&decoder, nullptr, e.bytes.data(), e.bytes.size(), &instruction)));
        const OpInfo& info = *v.row->info;
        const FlagUse theirs = expected(instruction), ours{info.reads, info.writes, info.undefined};
        CHECK(ours.reads == theirs.reads);
        CHECK(ours.writes == theirs.writes);
        CHECK(ours.undefined == theirs.undefined);
    }
    CHECK(seen.size() > 1700);
    CHECK(vex > 600);
    CHECK(only_64 >= 8);
}
