#include "tests/x86-conformance/moo/chip.hpp"

#include "cpu/system/system.hpp"

namespace glassbox::conformance::moo {

namespace {

constexpr u64 mebibyte = 1u << 20;
// LOADALL set the flags of a case on the 286, where IOPL and NT cannot be set in real mode, whatever it says (README of
// SingleStepTests/80286). Of the 386's EFLAGS the upper half is floating but for RF and VM, and no
// case begins in virtual-8086 mode.
constexpr Chip chips[] = {
    {"8088", "8088", false, mebibyte, 0xFFFF, 0xFFFF, false, 4, 0, 0},
    {"8086", "8086", false, mebibyte, 0xFFFF, 0xFFFF, false, 4, 1, 1},
    {"C286", "286", true, 16 * mebibyte, 0x0FFF, 0xFFFF, true, 6, 2, 0},
    {"286", "286", true, 16 * mebibyte, 0x0FFF, 0xFFFF, true, 6, 2, 0},
    {"386E", "386", true, 16 * mebibyte, 0x1'7FD7, 0x3'7FD7, true, 7, 2, 0},
    {"386", "386", true, 16 * mebibyte, 0x1'7FD7, 0x3'7FD7, true, 7, 2, 0},
};

std::string models() {
    std::string list;
    for (const Chip& chip : chips) {
        if (list.find(chip.model) != std::string::npos || !find_cpu_model(chip.model)) continue;
        if (!list.empty()) list += ", ";
        list += chip.model;
    }
    return list;
}

/// For messages: names come from a file.
std::string printable(std::string_view text) {
    std::string result;
    for (const char c : text) result += c >= ' ' && c <= '~' ? c : '?';
    return result;
}

} // namespace

Expected<const Chip*> chip_of(std::string_view id) {
    for (const Chip& chip : chips) {
        if (chip.id == id && find_cpu_model(chip.model)) return &chip;
    }
    return fail("captured from a \"" + printable(id) + "\"; there is no such processor model (there are " + models() +
                ")");
}

} // namespace glassbox::conformance::moo
