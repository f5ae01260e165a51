#include "debugger/disassembly.hpp"

#include <Zydis/Zydis.h>
#include <algorithm>

namespace glassbox {

Disassembly disassemble(std::span<const u8> bytes, unsigned bits, u64 ip) {
    const auto mode = bits == 64   ? ZYDIS_MACHINE_MODE_LONG_64
                      : bits == 32 ? ZYDIS_MACHINE_MODE_LEGACY_32
                                   : ZYDIS_MACHINE_MODE_LEGACY_16;
    ZydisDisassembledInstruction instruction;
    if (ZYAN_SUCCESS(ZydisDisassembleIntel(mode, ip, bytes.data(), bytes.size(), &instruction))) {
        return {instruction.text, instruction.info.length};
    }
    return {bytes.empty() ? "(not readable)" : "(bad)", std::min<std::size_t>(bytes.size(), 1)};
}

} // namespace glassbox
