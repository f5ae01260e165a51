// Code that was just written (SDM 3A 9.1.3, 12.6). Up to the i486 the prefetch queue does not see writes: a jump must
// come before the new code (i486 Processor Programmer's Reference 12.3; 80386 15.6). From the Pentium on it does, but
// only by the linear address that the code is executed at; what is written by another one, or by another processor,
// needs a serialising instruction in between.
#include "debugger/lint/impl.hpp"
#include "machine/board.hpp"

namespace glassbox::lint {

namespace {
/// Bytes of the prefetch queue; 0 where writes are seen in it.
u64 queue_of(const Cpu& cpu) {
    if (cpu.has(Feature::i586)) return 0;
    return cpu.has(Feature::i486) ? 32 : cpu.has(Feature::i386) ? 16 : 6;
}
} // namespace

void ModifiedCode::wants(Report& report, Cpu& cpu, u64 linear, u64 phys, const Insn& insn) {
    const u64 page = phys & ~page_mask;
    if (code_.size() >= most_pages) code_.clear();
    if (code_.insert(page).second) watch_now(board_, page);
    // Whoever begins has fetched nothing yet: a processor after its SIPI.
    if (!serialised_.contains(&cpu)) serialised(cpu);
    if (!cpu.has(Feature::i586)) return;
    const auto found = writes_.find(page);
    if (found == writes_.end()) return;
    const u64 linear_page = linear & ~page_mask, from = phys & page_mask, since = serialised_[&cpu];
    for (const Write& w : found->second) {
        if (since >= w.sequence || from >= w.to || from + insn.length <= w.from) continue;
        if (w.linear_page == linear_page && w.cpu == &cpu) continue;
        report.warn(cpu, LintKind::modified_code, linear,
                    {"was written " +
                         (w.cpu != &cpu ? std::string("by another processor")
                                        : "through linear page " + capital_hex(w.linear_page, 8)) +
                         " at " + report.called(w.by) + ", and nothing has serialised since",
                     "SDM 3A 9.1.3", "execute CPUID, IRET or a write to CR3 on this processor before the new code"});
        break;
    }
}

void ModifiedCode::accessed(Report& report, Cpu& cpu, const MemoryAccess& access) {
    if (!access.write || access.system || code_.count(access.phys & ~page_mask) == 0) return;
    if (access.value == access.before && access.size <= 8) return;
    if (queue_of(cpu) != 0) return ahead(report, cpu, access);
    const u32 from = static_cast<u32>(access.phys & page_mask), to = from + access.size;
    const u64 linear_page = access.linear & ~page_mask;
    if (writes_.size() >= most_written) writes_.clear();
    std::vector<Write>& writes = writes_[access.phys & ~page_mask];
    const u64 by = cpu.code_linear(cpu.ip);
    if (!writes.empty()) {
        Write& last = writes.back();
        if (last.cpu == &cpu && last.to == from && last.linear_page == linear_page) { // a copy goes on
            last = {&cpu, linear_page, by, ++sequence_, last.from, to};
            return;
        }
    }
    if (writes.size() >= most_writes) writes.erase(writes.begin());
    writes.push_back({&cpu, linear_page, by, ++sequence_, from, to});
}

/// Whether the straight line from here leads to what was written.
void ModifiedCode::ahead(Report& report, Cpu& cpu, const MemoryAccess& access) const {
    const u64 ip = cpu.code_linear(cpu.ip);
    const auto self = instruction_at(cpu, ip);
    if (!self) return;
    const u64 first = ip + self->length, end = first + queue_of(cpu);
    if (access.linear + access.size <= first || access.linear >= end) return;
    for (u64 at = first; at < end;) {
        const auto insn = instruction_at(cpu, at);
        if (!insn) return;
        if (access.linear < at + insn->length) {
            report.warn(cpu, LintKind::modified_code, ip,
                        {"writes to the instruction at " + report.called(at) +
                             ", which the prefetch queue may hold already, and no jump comes before it",
                         "i486 Programmer's Reference 12.3; SDM 3A 9.1.3",
                         "put a jump between the write and the code"});
            return;
        }
        if (insn->row->attributes & (attr::branch | attr::ends_block)) return;
        at += insn->length;
    }
}

} // namespace glassbox::lint
