#include "cpu/decode/reference.hpp"

#include <cstdio>

namespace glassbox {

namespace {

constexpr const char* arg_names[] = {
    "",    "Eb",  "Ew", "Ed", "Ev", "Eq", "Gb", "Gw",    "Gd",    "Gv",  "Ib",  "Ibs",   "Iw",    "Iz",
    "Iv",  "Iq",  "1",  "Jb", "Jz", "Ap", "Ob", "Ov",    "M",     "Mb",  "Mw",  "Md",    "Mq",    "Mt",
    "Mdq", "Ma",  "Mp", "Mv", "Rd", "Rv", "Sw", "Cd",    "Dd",    "AL",  "CL",  "AX",    "eAX",   "DX",
    "Zb",  "Zv",  "Pq", "Qd", "Qq", "Nq", "Vx", "Wd",    "Wq",    "Wx",  "Ux",  "ST(0)", "ST(i)", "ES",
    "CS",  "SS",  "DS", "FS", "GS", "Xb", "Xv", "Yb",    "Yv",    "F",   "Ey",  "Gy",    "By",    "Ry",
    "My",  "Cy",  "Dy", "Rn", "Hx", "Lx", "Mx", "Vdq",   "Wdq",   "Hdq", "Udq", "Ldq",   "Vqq",   "Wqq",
    "Hqq", "Mqq", "Wb", "Ww", "Wh", "Wo", "We", "Rd/Mb", "Rd/Mw", "Mvd", "Mvq", "Gn",    "Ez"};
static_assert(std::size(arg_names) == static_cast<std::size_t>(Arg::Ez) + 1);

/// The flags of a mask, as letters in the order of EFLAGS.
std::string flag_letters(u32 mask) {
    struct Letter {
        u32 flag;
        char letter;
    };
    constexpr Letter letters[] = {{eflags::OF, 'O'}, {eflags::SF, 'S'}, {eflags::ZF, 'Z'},
                                  {eflags::AF, 'A'}, {eflags::PF, 'P'}, {eflags::CF, 'C'}};
    std::string text;
    for (const Letter& l : letters) {
        if (mask & l.flag) text += l.letter;
    }
    return text;
}

std::string notes_of(const Row& row) {
    std::string text;
    const auto add = [&](const char* note) { text += (text.empty() ? "" : ", ") + std::string(note); };
    if (row.attributes & attr::lockable) add("LOCK");
    if (row.attributes & attr::string) add((row.attributes & attr::repeats) ? "REPE/REPNE" : "REP");
    if (row.attributes & attr::protected_only) add("protected mode only");
    if (row.attributes & attr::not_in_64) add("not in 64-bit mode");
    if (row.attributes & attr::only_64) add("64-bit mode only");
    if (row.attributes & attr::default64) add("64 bits by default in 64-bit mode");
    if (row.attributes & attr::force64) add("64 bits in 64-bit mode");
    if (row.attributes & attr::undocumented) add("undocumented");
    return text;
}

} // namespace

std::string encoding_of(const Row& row) {
    static constexpr const char* maps[] = {"", "0F ", "0F 38 ", "0F 3A ", "0F 0F "};
    static constexpr const char* mandatory[] = {"", "NP ", "66 ", "F3 ", "F2 ", ""};
    static constexpr const char* vector_lengths[] = {"LIG", "128", "256"};
    char opcode[8];
    std::snprintf(opcode, sizeof opcode, "%02X", row.at.opcode);
    std::string text;
    if (row.at.encoding == Encoding::vex) text = std::string("VEX.") + vector_lengths[row.at.l_ + 1] + " ";
    text += std::string(mandatory[static_cast<u8>(row.at.mandatory)]);
    if (row.at.w_ >= 0) text += std::string("W") + (row.at.w_ ? "1 " : "0 ");
    text += std::string(maps[row.at.map]) + opcode;
    if (row.attributes & attr::rex_b) text += " REX.B";
    if (row.at.digit_ >= 0) text += " /" + std::to_string(row.at.digit_);
    if (row.at.rm_ >= 0)
        text += " rm=" + std::to_string(row.at.rm_);
    else if (row.at.mod == Mod::memory)
        text += " mem";
    else if (row.at.mod == Mod::reg)
        text += " reg";
    return text;
}

std::string operands_of(const Row& row) {
    std::string text;
    for (Arg a : row.args) {
        if (a == Arg::none) continue;
        if (!text.empty()) text += ", ";
        text += arg_names[static_cast<u8>(a)];
    }
    return text;
}

std::string opcode_reference() {
    std::string page =
        "# The instruction table\n\n"
        "Made from the rows of `cpu/` (see `cpu/decode/row.hpp` for the notation); a test keeps it current. To make "
        "it\n"
        "anew, start the test program `unit_cpu` with the environment variable `GLASSBOX_WRITE_DOCS=1`.\n\n"
        "| encoding | mnemonic | operands | needs | writes | undefined | reads | notes |\n"
        "|---|---|---|---|---|---|---|---|\n";
    for (const Row* row : all_rows()) {
        page += "| " + encoding_of(*row) + " | " + row->info->mnemonic + " | " + operands_of(*row) + " | " +
                std::string(feature_name(row->feature)) + " | " + flag_letters(row->info->writes) + " | " +
                flag_letters(row->info->undefined) + " | " + flag_letters(row->info->reads) + " | " + notes_of(*row) +
                " |\n";
    }
    return page;
}

} // namespace glassbox
