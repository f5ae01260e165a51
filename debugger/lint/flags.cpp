// Undefined flags (SDM 2, "Flags Affected" of each instruction; SDM 1, appendix A).
#include "cpu/decode/undefined.hpp"
#include "debugger/lint/impl.hpp"

namespace glassbox::lint {

namespace {

/// These save flags for later, or drop them: nothing depends on what they read.
bool only_saves(const Insn& insn) {
    for (const char* name : {"pushf", "lahf", "int", "int3", "icebp", "syscall"})
        if (is_named(insn, name)) return true;
    return false;
}

const FeatureSet& every_feature() {
    static const FeatureSet all = find_cpu_model("max")->features;
    return all;
}

/// What it may leave undefined, whatever CL is.
u32 maybe_undefined(const Insn& insn) {
    return undefined_after(insn, 2, every_feature()).flags | undefined_after(insn, 31, every_feature()).flags;
}

/// A shift by nothing leaves the flags alone.
bool may_keep_flags(const Insn& insn) { return (insn.row->attributes & attr::flags_conditional) != 0; }

std::string names(u32 flags) {
    constexpr std::pair<u32, const char*> all[] = {{2048, "OF"}, {128, "SF"}, {64, "ZF"},
                                                   {16, "AF"},   {4, "PF"},   {1, "CF"}};
    std::string text;
    for (const auto& [bit, name] : all)
        if (flags & bit) text += (text.empty() ? "" : ", ") + std::string(name);
    return text;
}

/// Where control goes on behind it, that its bytes do not say.
bool leads_away(const Insn& insn) {
    const std::string_view name = insn.row->info->mnemonic;
    for (const char* start : {"ret", "iret", "jmp", "call", "int", "sys", "hlt", "rsm", "ud"})
        if (name.starts_with(start)) return true;
    return false;
}

/// Whether a reader of one of `flags` may be met from `at` on before they are defined.
bool reader_ahead(const Cpu& cpu, u64 at, u32 flags, unsigned& budget) {
    constexpr u32 adjust = 16; // AF: only BCD arithmetic reads it
    while (budget != 0) {
        --budget;
        if (cpu.code64()) flags &= ~adjust;
        if (flags == 0) return false;
        const auto insn = instruction_at(cpu, at);
        if (!insn) return false;
        const OpInfo& info = *insn->row->info;
        if (!only_saves(*insn) && (info.reads & flags) != 0) return true;
        if (!may_keep_flags(*insn)) flags &= ~info.writes;
        flags &= ~maybe_undefined(*insn); // which is followed from there
        const u64 next = at + insn->length;
        if ((insn->row->attributes & attr::branch) != 0) {
            u64 target = next + insn->imm;
            if (!cpu.code64()) target = static_cast<u32>(target);
            const bool conditional = info.reads != 0 || std::string_view(info.mnemonic).starts_with("loop") ||
                                     std::string_view(info.mnemonic).ends_with("cxz");
            if (conditional && reader_ahead(cpu, target, flags, budget)) return true;
            at = conditional ? next : target;
        } else if (leads_away(*insn)) {
            return false;
        } else {
            at = next;
        }
    }
    return false;
}

} // namespace

bool Flags::wants(const Cpu& cpu, u64 linear, const Insn& insn) {
    const u32 left = maybe_undefined(insn);
    if (left == 0) return false;
    unsigned budget = how_far;
    return reader_ahead(cpu, linear + insn.length, left, budget);
}

void Flags::before(Report& report, Cpu& cpu, u64 linear, const Insn& insn) {
    const OpInfo& info = *insn.row->info;
    const u32 undefined = undefined_after(insn, cpu.reg<u8>(8 * RCX), cpu.model->features).flags;
    if (left_ != 0 && &cpu == cpu_) {
        const u32 read = only_saves(insn) ? 0 : info.reads & undefined_;
        for (std::size_t i = 0; i < bits.size() && read != 0; ++i) {
            if (!(read & bits[i])) continue;
            const Source& source = sources_[i];
            report.warn(
                cpu, LintKind::undefined_flags, linear,
                {"reads " + names(read) + ", undefined after " + source.text + " at " + report.called(source.linear),
                 "SDM 2, " + source.mnemonic + ": Flags Affected; SDM 1 appendix A",
                 {}});
            break;
        }
        undefined_ &= ~read; // told once
        const bool keeps = may_keep_flags(insn) && undefined == 0 && (cpu.reg<u8>(8 * RCX) & 31) == 0;
        if (!keeps) undefined_ &= ~info.writes;
        --left_;
        if (undefined_ == 0) left_ = 0;
    }
    if (undefined == 0 || (left_ != 0 && &cpu != cpu_)) return;
    if (left_ == 0) {
        if (!wants(cpu, linear, insn)) return;
        undefined_ = 0;
        cpu_ = &cpu;
    }
    left_ = how_far;
    undefined_ |= undefined;
    const std::string text = text_at(cpu, linear);
    for (std::size_t i = 0; i < bits.size(); ++i)
        if (undefined & bits[i]) sources_[i] = {linear, text, info.mnemonic};
}

} // namespace glassbox::lint
