// The decoder in every mode: never more than 15 bytes, never beyond those it was given.
#include "cpu/decode/decoder.hpp"
#include "cpu/state.hpp"
#include "cpu/system/system.hpp"

#include <cstdlib>

using namespace glassbox;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    static constexpr std::array models = {"max", "386", "486", "pentium"};
    const u32 mode =
        (data[0] & 1 ? mode::code32 : 0) | (data[0] & 2 ? mode::protected_mode : 0) | (data[0] & 4 ? mode::stack32 : 0);
    const CpuModel* model = find_cpu_model(models[data[0] >> 6]);
    // Exactly as many bytes as there are, on the heap, so that a sanitizer sees one too many.
    const std::vector<u8> bytes(data + 1, data + size);
    Insn insn;
    const DecodeStatus status = decode(bytes, mode, model->features, insn);
    if (status == DecodeStatus::ok && (insn.length == 0 || insn.length > 15 || insn.length > bytes.size()))
        std::abort();
    return 0;
}
