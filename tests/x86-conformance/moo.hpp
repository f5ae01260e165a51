// Reader of MOO files, version 1 (SingleStepTests): instruction tests captured from processors. Every length in the
// file is checked: a damaged file is refused, whatever it says.
#pragma once

#include "bus/types.hpp"

#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace glassbox::moo {

/// The order of the registers in a file.
enum Register : u8 { ax, bx, cx, dx, cs, ss, ds, es, sp, bp, si, di, ip, flags, register_count };

struct State {
    std::array<std::optional<u16>, register_count> registers;
    std::vector<std::pair<u32, u8>> memory; ///< address, byte
};

struct Test {
    u32 index = 0;
    std::string name;
    std::vector<u8> bytes; ///< of the instruction and the HLT after it
    State initial, final;
    bool exception = false;
    u8 exception_number = 0;
    u32 flags_address = 0; ///< where the exception pushed FLAGS
};

struct File {
    std::string cpu;
    std::vector<Test> tests;
};

/// `data` as it is in the file, decompressed. Nothing, with a reason in `error`, when it is not a sound MOO file.
std::optional<File> parse(const std::vector<u8>& data, std::string& error);
/// Reads a gzip-compressed or a plain file of at most 64 MiB.
std::optional<File> load(const std::string& path, std::string& error);

} // namespace glassbox::moo
