#include "tests/x86-conformance/host/describe.hpp"

#include "debugger/disassembly.hpp"

#include <cstdio>
#include <cstring>

namespace glassbox::conformance::host {

namespace {

template <class... T> std::string text(const char* format, T... values) {
    char line[256];
    std::snprintf(line, sizeof line, format, values...);
    return line;
}

std::string segment_text(u16 selector) {
    if (selector == 0 || selector == 3) return "null";
    if (!(selector & 4))
        return selector == flat_code   ? "flat code"
               : selector == flat_data ? "flat data"
               : selector == long_code ? "64-bit code"
                                       : "?";
    return selector >> 3 < static_cast<int>(ldt.size()) ? ldt[selector >> 3].name : "beyond the LDT";
}

std::string instruction(const Input& in) {
    std::string line;
    for (const u8 b : in.instruction()) line += text("%02x ", b);
    const u16 cs = in.before.seg[CS];
    const bool code32 = !(cs & 4) || ldt[cs >> 3].big;
    const unsigned bits = in.before.code64() ? 64 : code32 ? 32 : 16;
    return line + " " + disassemble(in.instruction(), bits, in.before.rip).text;
}

unsigned long long wide(u64 value) { return value; }

std::string general(const Image& s) {
    if (!s.code64())
        return text("eax %08x ecx %08x edx %08x ebx %08x\nesp %08x ebp %08x esi %08x edi %08x\neip %08x eflags %06x",
                    s.gpr32(0), s.gpr32(1), s.gpr32(2), s.gpr32(3), s.gpr32(4), s.gpr32(5), s.gpr32(6), s.gpr32(7),
                    s.eip(), s.eflags);
    constexpr const char* names[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                       "r8 ", "r9 ", "r10", "r11", "r12", "r13", "r14", "r15"};
    std::string out;
    for (unsigned i = 0; i < 16; ++i) out += text("%s %016llx%s", names[i], wide(s.gpr[i]), i % 4 == 3 ? "\n" : " ");
    return out + text("rip %016llx eflags %06x fs base %016llx gs base %016llx", wide(s.rip), s.eflags, wide(s.fs_base),
                      wide(s.gs_base));
}

std::string registers(const Image& s) {
    std::string out = general(s);
    constexpr const char* names[6] = {"es", "cs", "ss", "ds", "fs", "gs"};
    out += "\n";
    for (unsigned i = 0; i < 6; ++i) out += text("%s %04x (%s) ", names[i], s.seg[i], segment_text(s.seg[i]).c_str());
    return out;
}

std::string units(const Image& s) {
    u16 control = 0, status = 0;
    u32 mxcsr = 0;
    std::memcpy(&control, s.fx.data() + fx_control, 2);
    std::memcpy(&status, s.fx.data() + fx_status, 2);
    std::memcpy(&mxcsr, s.fx.data() + fx_mxcsr, 4);
    std::string out = text("\nfcw %04x fsw %04x tags %02x mxcsr %08x", control, status, s.fx[fx_tags], mxcsr);
    for (unsigned i = 0; i < 8; ++i) {
        u64 significand = 0;
        u16 exponent = 0;
        std::memcpy(&significand, s.fx.data() + fx_registers + 16 * i, 8);
        std::memcpy(&exponent, s.fx.data() + fx_registers + 16 * i + 8, 2);
        if (significand || exponent) out += text("\nst%u %04x:%016llx", i, exponent, wide(significand));
    }
    for (unsigned i = 0; i < 16; ++i) {
        u64 q[4];
        std::memcpy(q, s.fx.data() + fx_xmm + 16 * i, 16);
        std::memcpy(q + 2, s.ymm.data() + 16 * i, 16);
        if (q[2] || q[3])
            out += text("\nymm%u %016llx%016llx%016llx%016llx", i, wide(q[3]), wide(q[2]), wide(q[1]), wide(q[0]));
        else if (q[0] || q[1])
            out += text("\nxmm%u %016llx%016llx", i, wide(q[1]), wide(q[0]));
    }
    return out;
}

std::string memory(const Input& in) {
    std::string out;
    const u8* bytes = in.bytes.data();
    for (unsigned i = 0; i < in.fills; ++i) {
        out += text("\n[data + %04x]", in.fill[i].at);
        for (unsigned k = 0; k < in.fill[i].size; ++k) out += text(" %02x", bytes[k]);
        bytes += in.fill[i].size;
    }
    return out;
}

} // namespace

Failure describe(const RowForm& form, u64 index, u64 seed, const Input& original, const Input& shrunk,
                 const Output& host, const Output& ours, const std::vector<Difference>& differences) {
    Failure failure;
    failure.index = index;
    failure.what = instruction(shrunk);
    failure.what += "\nreduced from " + form.name + "#" + std::to_string(index) + " --seed " + std::to_string(seed) +
                    ": " + instruction(original);
    failure.before = registers(shrunk.before) + units(shrunk.before) + memory(shrunk);
    failure.expected = registers(host.after);
    failure.got = registers(ours.after);
    for (const Difference& d : differences)
        failure.difference +=
            (failure.difference.empty() ? "" : "\n") + d.field + ": host " + d.expected + ", ours " + d.got;
    return failure;
}

} // namespace glassbox::conformance::host
