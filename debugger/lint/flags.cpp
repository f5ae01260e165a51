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

/// What it may leave undefined, whatever CL is.
u32 maybe_undefined(const Insn& insn, const FeatureSet& features) {
    return undefined_after(insn, 2, features).flags | undefined_after(insn, 31, features).flags;
}

std::string names(u32 flags) {
    constexpr std::pair<u32, const char*> all[] = {{2048, "OF"}, {128, "SF"}, {64, "ZF"},
                                                   {16, "AF"},   {4, "PF"},   {1, "CF"}};
    std::string text;
    for (const auto& [bit, name] : all)
        if (flags & bit) text += (text.empty() ? "" : ", ") + std::string(name);
    return text;
}

const FeatureSet& every_feature() {
    static const FeatureSet all = find_cpu_model("max")->features;
    return all;
}

} // namespace

bool Flags::wants(u64 linear, u64 phys, const Insn& insn) {
    if (phys != next_phys_) maybe_ = 0;
    next_phys_ = phys + insn.length;
    const OpInfo& info = *insn.row->info;
    const u32 reads = only_saves(insn) ? 0 : info.reads & maybe_;
    bool wanted = false;
    if (reads != 0) {
        if (readers_.size() >= most_readers) readers_.clear(); // they are found again
        readers_[phys] = {sources_, reads};
        wanted = true;
    } else if (const auto known = readers_.find(phys); known != readers_.end()) {
        wanted = true; // asked again alone, when it executes
    }
    maybe_ &= ~info.writes;
    const u32 left = maybe_undefined(insn, every_feature());
    maybe_ |= left;
    for (std::size_t i = 0; i < bits.size(); ++i)
        if (left & bits[i]) sources_[i] = {linear, insn};
    if (insn.row->attributes & (attr::branch | attr::ends_block)) {
        const bool falls = (insn.row->attributes & attr::branch) != 0 && info.reads != 0; // a conditional jump
        if (!falls) maybe_ = 0;
    }
    return wanted;
}

void Flags::before(Report& report, Cpu& cpu, u64 linear, u64 phys) const {
    const auto found = readers_.find(phys);
    if (found == readers_.end()) return;
    const auto now = instruction_at(cpu, linear);
    if (!now || (now->row->info->reads & found->second.reads) == 0) return; // other code lies there by now
    for (std::size_t i = 0; i < bits.size(); ++i) {
        if (!(found->second.reads & bits[i])) continue;
        const Source& source = found->second.sources[i];
        const auto still = instruction_at(cpu, source.linear);
        if (!still || still->row != source.insn.row) continue;
        const u32 undefined =
            undefined_after(source.insn, cpu.reg<u8>(8 * RCX), cpu.model->features).flags & found->second.reads;
        if (!(undefined & bits[i])) continue;
        report.warn(cpu, LintKind::undefined_flags, linear,
                    "reads " + names(undefined) + ", undefined after " + text_at(cpu, source.linear) + " at " +
                        hex(source.linear, 8),
                    "SDM 2, " + std::string(source.insn.row->info->mnemonic) + ": Flags Affected; SDM 1 appendix A");
        return;
    }
}

} // namespace glassbox::lint
