#include "cpu/fpu/exec.hpp"

#include "cpu/ops/families.hpp"

#include <vector>

namespace glassbox {

namespace x87 {

bool refuse_device(Cpu& cpu) {
    return cpu.raise(Exception::NM,
                     (cpu.cr0 & cr0::EM) ? "x87 instruction with CR0.EM set" : "x87 instruction with CR0.TS set");
}

bool refuse_pending(Cpu& cpu) {
    if (cpu.cr0 & cr0::NE) return cpu.raise(Exception::MF, "an unmasked x87 exception is pending");
    update_ferr(cpu);
    return true;
}

void update_ferr(Cpu& cpu) {
    if (cpu.ferr) cpu.ferr(cpu.fpu.pending() && (cpu.cr0 & cr0::NE) == 0);
}

void report_unmasked(Cpu& cpu, const Op& op) {
    if (cpu.cr0 & cr0::NE) return;
    update_ferr(cpu);
    cpu.request_leave(&op);
}

bool stack_fault(Cpu& cpu, const Op& op, bool overflow) {
    FpuState& f = cpu.fpu;
    f.status = static_cast<u16>((f.status & ~FpuState::c1) | softfloat::flag::invalid | FpuState::stack_fault |
                                (overflow ? FpuState::c1 : 0));
    if (f.control & softfloat::flag::invalid) return true;
    report_unmasked(cpu, op);
    return false;
}

} // namespace x87

std::span<const Row> families::fpu() {
    static const std::vector<Row> rows = [] {
        std::vector<Row> all;
        for (auto part : {x87::arithmetic_rows(), x87::compare_rows(), x87::transfer_rows(), x87::control_rows(),
                          x87::transcendental_rows()}) {
            all.insert(all.end(), part.begin(), part.end());
        }
        return all;
    }();
    return rows;
}

} // namespace glassbox
