// The decoder in every mode of every model: never longer than the processor allows, never beyond the bytes it was
// given, and what it makes of an instruction depends on no byte after it, while every byte less is one too few.
#include "cpu/decode/decoder.hpp"
#include "cpu/state.hpp"
#include "cpu/system/system.hpp"

#include <cstdio>
#include <cstdlib>

using namespace glassbox;

namespace {

struct Decoded {
    DecodeStatus status;
    Insn insn;
};

/// Exactly as many bytes as there are, on the heap, so that a sanitizer sees one too many.
Decoded decode_copy(std::span<const u8> bytes, u32 mode, const CpuModel& model) {
    const std::vector<u8> copy(bytes.begin(), bytes.end());
    Decoded d{};
    d.status = decode(copy, mode, model.features, d.insn);
    return d;
}

bool same(const Insn& a, const Insn& b) {
    const auto key = [](const Insn& i) {
        return std::tuple(i.row, i.length, i.opsize, i.addrsize, i.segment, i.lock, i.rep, i.opcode, i.has_modrm,
                          i.modrm, i.mem, i.base, i.index, i.scale, i.disp, i.imm, i.imm2);
    };
    if (key(a) != key(b)) return false;
    for (std::size_t n = 0; n < a.operand.size(); ++n) {
        const Operand &x = a.operand[n], &y = b.operand[n];
        if (x.kind != y.kind || x.width != y.width || x.number != y.number) return false;
    }
    return true;
}

void require(bool holds, const char* what) {
    if (holds) return;
    std::printf("FAILED: %s\n", what);
    std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    static constexpr std::array names = {"max", "386", "486", "pentium", "286", "8086", "pentium3", "pentium4"};
    const u32 mode =
        (data[0] & 1 ? mode::code32 : 0) | (data[0] & 2 ? mode::protected_mode : 0) | (data[0] & 4 ? mode::stack32 : 0);
    const CpuModel& model = *find_cpu_model(names[data[0] >> 5]);
    const auto bytes = std::span(data + 1, size - 1);
    const Decoded whole = decode_copy(bytes, mode, model);
    const unsigned length = whole.insn.length;
    const bool endless_prefixes = model.features.has(Feature::only_8086); // it has no longest instruction
    const unsigned longest = endless_prefixes ? max_instruction_length_8086 : max_length(model.features);

    if (whole.status == DecodeStatus::need_more) {
        require(bytes.size() <= longest, "more bytes are wanted than an instruction can have");
        if (bytes.size() > 1)
            require(decode_copy(bytes.first(bytes.size() - 1), mode, model).status == DecodeStatus::need_more,
                    "fewer bytes are enough where more were not");
        return 0;
    }
    if (whole.status == DecodeStatus::too_long) {
        require(bytes.size() > longest, "too long, but it is not");
        return 0;
    }
    require(length > 0 && length <= longest && length <= bytes.size(), "the length is impossible");
    const bool cut_by_prefixes = endless_prefixes && bytes.size() > longest;
    if (!cut_by_prefixes) {
        const Decoded alone = decode_copy(bytes.first(length), mode, model);
        require(alone.status == whole.status && same(alone.insn, whole.insn), "a byte after the instruction matters");
        for (unsigned n = 1; n < length; ++n)
            require(decode_copy(bytes.first(n), mode, model).status == DecodeStatus::need_more,
                    "an instruction that is cut short does not ask for more");
    }
    if (whole.status == DecodeStatus::ok) require(whole.insn.row != nullptr, "an instruction without a row");
    return 0;
}
