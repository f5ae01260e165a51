// Interrupts and exceptions: real mode, protected mode through gates, virtual-8086 mode with and without VME (SDM 3A
// 6.10-6.15, 20.2, 20.3), long mode through 64-bit gates (6.14), and the double-fault matrix.
#include "cpu/probe.hpp"
#include "cpu/system/transfer.hpp"

#include <array>
#include <utility>

namespace glassbox {

namespace {

struct Event {
    u8 vector;
    InterruptKind kind;
    bool has_error;
    u32 error;
    u64 return_ip;
    u32 image_rf; ///< RF in the pushed EFLAGS (SDM 3B 17.3.1.1)

    bool by_instruction() const {
        return kind == InterruptKind::software || kind == InterruptKind::int3 || kind == InterruptKind::into;
    }
    u32 ext() const { return by_instruction() ? 0 : 1; }
    u32 idt_error() const { return vector * 8u + 2 + ext(); }
};

bool is_fault_class(u8 vector) {
    const auto e = static_cast<Exception>(vector);
    return e != Exception::DB && e != Exception::NMI && e != Exception::BP && e != Exception::OF &&
           e != Exception::DF && e != Exception::MC;
}

void enter(Cpu& cpu, const CodeTarget& target, u32 cleared_flags) {
    go(cpu, target);
    cpu.ip = cpu.next_ip;
    cpu.eflags &= ~cleared_flags;
    cpu.shadow = 0;
    cpu.halted = false;
    cpu.update_mode();
}

constexpr u32 handler_clears = eflags::TF | eflags::NT | eflags::RF | eflags::VM;

// --- real mode -------------------------------------------------------------------------------------------------------

/// Pushes FLAGS, CS and IP and goes through the vector at `table`.
bool through_vector(Cpu& cpu, u32 table, const Event& e, u32 flags_image, u32 cleared_flags) {
    u16 offset = 0;
    u16 selector = 0;
    const u32 entry = table + 4u * e.vector;
    Stack stack = Stack::current(cpu);
    const std::array<u64, 3> frame{flags_image & 0xFFFF, cpu.seg[CS].selector, e.return_ip & 0xFFFF};
    // A stack that lies over the table changes the vector on the 80286, which reads it last.
    const bool push_first = cpu.has(Feature::only_286);
    if (push_first && !stack.push(cpu, 2, frame)) return false;
    if (!read_system<u16>(cpu, entry, offset) || !read_system<u16>(cpu, entry + 2, selector)) return false;
    CodeTarget target;
    if (!real_target(cpu, selector, offset, target)) return false;
    if (!push_first && !stack.push(cpu, 2, frame)) return false;
    stack.commit_pointer(cpu);
    enter(cpu, target, cleared_flags);
    return true;
}

bool deliver_real(Cpu& cpu, const Event& e) {
    if (e.vector * 4u + 3 > cpu.idtr.limit) {
        // Exception 8 up to the 386 (80286 Programmer's Reference, 5.4; 80386 Programmer's Reference, 14.6).
        const char* why = "vector beyond the interrupt table";
        return cpu.has(Feature::i486) ? cpu.gp(e.idt_error(), why) : cpu.raise(Exception::DF, 0, why);
    }
    return through_vector(cpu, static_cast<u32>(cpu.idtr.base), e, cpu.full_eflags(),
                          eflags::IF | eflags::TF | eflags::AC | eflags::RF);
}

// --- virtual-8086 mode, INT n
// ------------------------------------------------------------------------------------------

/// Whether the redirection bitmap sends the vector to the 8086 program's own handler (SDM 3A 20.3.3).
bool redirected(Cpu& cpu, u8 vector, bool& to_program) {
    to_program = false;
    if ((cpu.cr4 & cr4::VME) == 0) return true;
    const u64 base = cpu.tr.base;
    u16 io_map = 0;
    if ((cpu.tr.type() & 8) == 0 || cpu.tr.limit < 0x67) return cpu.gp(0, "TSS without a redirection bitmap");
    if (!read_system<u16>(cpu, base + 0x66, io_map)) return false;
    const u32 at = io_map - 32u + vector / 8u;
    if (io_map < 32 || at > cpu.tr.limit) return cpu.gp(0, "redirection bitmap beyond the TSS");
    u8 bits = 0;
    if (!read_system<u8>(cpu, base + at, bits)) return false;
    to_program = (bits >> (vector & 7) & 1) == 0;
    return true;
}

bool deliver_to_program(Cpu& cpu, const Event& e) {
    u32 image = cpu.full_eflags();
    u32 cleared = eflags::TF | eflags::RF;
    if (cpu.iopl() < 3) {
        image = (image & ~eflags::IF) | eflags::IOPL | ((image & eflags::VIF) != 0 ? eflags::IF : 0);
        cleared |= eflags::VIF;
    } else {
        cleared |= eflags::IF;
    }
    return through_vector(cpu, 0, e, image, cleared);
}

// --- protected mode
// ---------------------------------------------------------------------------------------------------

bool read_gate(Cpu& cpu, const Event& e, Descriptor& gate) {
    if (e.vector * 8u + 7 > cpu.idtr.limit) return cpu.gp(e.idt_error(), "vector beyond the IDT");
    if (!read_descriptor(cpu, cpu.idtr.base + e.vector * 8u, gate)) return false;
    const auto type = gate.system_type();
    const bool valid = gate.is_system() && (type == SystemType::task_gate || type == SystemType::interrupt_gate16 ||
                                            type == SystemType::trap_gate16 || type == SystemType::interrupt_gate32 ||
                                            type == SystemType::trap_gate32);
    if (!valid) return cpu.gp(e.idt_error(), "IDT entry is not a gate");
    if (e.by_instruction() && gate.dpl() < cpu.cpl) return cpu.gp(e.idt_error(), "interrupt gate of an inner level");
    if (!gate.present()) return cpu.raise(Exception::NP, e.idt_error(), "interrupt gate not present");
    return true;
}

struct Handler {
    unsigned width, cpl;
    bool in_limit; ///< its EIP in its code segment, or its RIP canonical
};

/// Too little room for the frame is noticed before a bad EIP (SDM 2A, INT n).
bool push_frame(Cpu& cpu, const Event& e, const Handler& handler, Stack& stack, std::span<const u64> frame) {
    if (handler.in_limit) return stack.push(cpu, handler.width, frame);
    return stack.has_room(cpu, handler.width, frame.size()) &&
           cpu.gp(e.ext(), "handler beyond its code segment's limit");
}

/// The stack and frame of a gate to more privilege (SDM 3A, figure 6-4, and 20.3.1 from virtual-8086 mode).
bool push_inner(Cpu& cpu, const Event& e, const Handler& handler, u32 flags, Stack& stack) {
    if (!inner_stack(cpu, handler.cpl, e.ext(), stack)) return false;
    std::array<u64, 10> frame{};
    unsigned n = 0;
    if (cpu.v86()) {
        for (const unsigned name : {GS, FS, DS, ES}) frame[n++] = cpu.seg[name].selector;
    }
    frame[n++] = cpu.seg[SS].selector;
    frame[n++] = cpu.r32(RSP);
    frame[n++] = flags;
    frame[n++] = cpu.seg[CS].selector;
    frame[n++] = e.return_ip;
    if (e.has_error) frame[n++] = e.error;
    return push_frame(cpu, e, handler, stack, std::span(frame).first(n));
}

bool push_same(Cpu& cpu, const Event& e, const Handler& handler, u32 flags, Stack& stack) {
    stack = Stack::current(cpu);
    stack.error = e.ext();
    const std::array<u64, 4> frame{flags, cpu.seg[CS].selector, e.return_ip, e.error};
    return push_frame(cpu, e, handler, stack, std::span(frame).first(e.has_error ? 4 : 3));
}

bool through_gate(Cpu& cpu, const Event& e, const Descriptor& gate) {
    const Blame blame{Exception::GP, e.ext()};
    const u16 selector = gate.gate_selector();
    if (is_null(selector)) return cpu.gp(e.ext(), "interrupt gate with a null selector");
    Descriptor code;
    if (!fetch_descriptor(cpu, selector, blame, code)) return false;
    if (!code.is_code() || code.dpl() > cpu.cpl)
        return blame.raise(cpu, selector, "interrupt gate does not lead to code of this or more privilege");
    if (!code.present()) return blame.raise(cpu, Exception::NP, selector, "handler's code segment not present");
    const bool inward = !code.conforming() && code.dpl() < cpu.cpl;
    const unsigned cpl = inward ? code.dpl() : cpu.cpl;
    if (cpu.v86() && cpl != 0) return blame.raise(cpu, selector, "handler for virtual-8086 mode is not at level 0");

    const Handler handler{gate.gate_is_32() ? 4u : 2u, cpl, gate.gate_offset() <= code.limit()};
    const u32 flags = cpu.full_eflags() | e.image_rf;
    Stack stack;
    const bool from_v86 = cpu.v86();
    if (!(inward ? push_inner(cpu, e, handler, flags, stack) : push_same(cpu, e, handler, flags, stack))) return false;
    if (!set_accessed(cpu, selector, code)) return false;
    if (from_v86) {
        for (const unsigned name : {GS, FS, DS, ES}) cpu.seg[name] = null_segment(cpu.seg[name], 0);
    }
    if (inward) cpu.seg[SS] = stack.segment;
    stack.commit_pointer(cpu);
    const bool interrupt_gate = (gate.type() & 1) == 0;
    const u16 cs = static_cast<u16>((selector & 0xFFFC) | cpl);
    enter(cpu, {code.segment(cs), gate.gate_offset(), static_cast<u8>(cpl)},
          handler_clears | (interrupt_gate ? eflags::IF : 0));
    return true;
}

// --- long mode ------------------------------------------------------------------------------------------------------

bool read_gate64(Cpu& cpu, const Event& e, Descriptor& gate) {
    if (e.vector * 16u + 15 > cpu.idtr.limit) return cpu.gp(e.idt_error(), "vector beyond the IDT");
    const u64 linear = cpu.idtr.base + e.vector * 16u;
    if (!read_descriptor(cpu, linear, gate) || !read_system<u64>(cpu, linear + 8, gate.high)) return false;
    if (!gate.is_system(SystemType::interrupt_gate32) && !gate.is_system(SystemType::trap_gate32))
        return cpu.gp(e.idt_error(), "IDT entry is not a 64-bit gate");
    if (e.by_instruction() && gate.dpl() < cpu.cpl) return cpu.gp(e.idt_error(), "interrupt gate of an inner level");
    if (!gate.present()) return cpu.raise(Exception::NP, e.idt_error(), "interrupt gate not present");
    return true;
}

/// SDM 3A 6.14.1-6.14.5. SS:RSP is pushed whatever the levels, on a stack aligned to 16 bytes.
bool through_gate64(Cpu& cpu, const Event& e, const Descriptor& gate) {
    const Blame blame{Exception::GP, e.ext()};
    const u16 selector = gate.gate_selector();
    if (is_null(selector)) return cpu.gp(e.ext(), "interrupt gate with a null selector");
    Descriptor code;
    if (!fetch_descriptor(cpu, selector, blame, code)) return false;
    if (!code.is_code() || code.dpl() > cpu.cpl)
        return blame.raise(cpu, selector, "interrupt gate does not lead to code of this or more privilege");
    if (!code.is_long_code() || code.default_32())
        return blame.raise(cpu, selector, "interrupt gate does not lead to 64-bit code");
    if (!code.present()) return blame.raise(cpu, Exception::NP, selector, "handler's code segment not present");
    const bool inward = !code.conforming() && code.dpl() < cpu.cpl;
    const unsigned cpl = inward ? code.dpl() : cpu.cpl;
    Stack stack;
    if (inward || gate.gate_ist() != 0) {
        if (!inner_stack64(cpu, cpl, gate.gate_ist(), e.ext(), stack)) return false;
    } else {
        stack = Stack::of(cpu.seg[SS], cpu.gpr[RSP], 3, e.ext(), true);
    }
    stack.sp &= ~u64{15};
    const std::array<u64, 6> frame{cpu.seg[SS].selector, cpu.gpr[RSP], cpu.full_eflags() | e.image_rf,
                                   cpu.seg[CS].selector, e.return_ip,  e.error};
    const Handler handler{8, cpl, cpu.canonical(gate.gate_offset())};
    if (!push_frame(cpu, e, handler, stack, std::span(frame).first(e.has_error ? 6 : 5)) ||
        !set_accessed(cpu, selector, code))
        return false;
    if (inward) cpu.seg[SS] = stack.segment;
    cpu.gpr[RSP] = stack.sp;
    const bool interrupt_gate = (gate.type() & 1) == 0;
    const u16 cs = static_cast<u16>((selector & 0xFFFC) | cpl);
    enter(cpu, {code.segment(cs), gate.gate_offset(), static_cast<u8>(cpl)},
          handler_clears | (interrupt_gate ? eflags::IF : 0));
    return true;
}

bool deliver_protected(Cpu& cpu, const Event& e) {
    Descriptor gate;
    if (cpu.long_mode()) return read_gate64(cpu, e, gate) && through_gate64(cpu, e, gate);
    if (!read_gate(cpu, e, gate)) return false;
    if (!gate.is_system(SystemType::task_gate)) return through_gate(cpu, e, gate);
    const TaskRequest request{.source = TaskSource::interrupt,
                              .saved_eip = static_cast<u32>(e.return_ip),
                              .saved_rf = e.image_rf,
                              .ext = e.ext(),
                              .has_error = e.has_error,
                              .error = e.error};
    if (!enter_task(cpu, gate.gate_selector(), request)) return false;
    cpu.ip = cpu.next_ip;
    cpu.shadow = 0;
    cpu.halted = false;
    return true;
}

bool deliver_event(Cpu& cpu, const Event& e) {
    if (cpu.real_mode()) return deliver_real(cpu, e);
    if (cpu.v86() && e.kind == InterruptKind::software) {
        bool to_program = false;
        if (!redirected(cpu, e.vector, to_program)) return false;
        if (to_program) return deliver_to_program(cpu, e);
        if (cpu.iopl() < 3) return cpu.gp(0, "INT in virtual-8086 mode with IOPL < 3");
    }
    return deliver_protected(cpu, e);
}

// --- combinations (SDM 3A, tables 6-4 and 6-5)
// ---------------------------------------------------------------------------

enum class FaultClass : u8 { benign, contributory, page_fault, double_fault };
FaultClass class_of(Exception e) {
    switch (e) {
    case Exception::DE:
    case Exception::TS:
    case Exception::NP:
    case Exception::SS:
    case Exception::GP: return FaultClass::contributory;
    case Exception::PF: return FaultClass::page_fault;
    case Exception::DF: return FaultClass::double_fault;
    default: return FaultClass::benign;
    }
}

bool doubles(FaultClass first, FaultClass second) {
    if (second == FaultClass::benign) return false;
    if (first == FaultClass::contributory) return second == FaultClass::contributory;
    return first == FaultClass::page_fault;
}

void remember(Cpu& cpu, const Fault& f) {
    const auto last = cpu.fault_chain.size() - 1;
    const std::size_t at = cpu.fault_chain_length <= last ? cpu.fault_chain_length++ : last;
    cpu.fault_chain[at] = f;
    cpu.fault_chain_during[at] = std::exchange(cpu.failed_delivery, {});
}

} // namespace

bool deliver_interrupt(Cpu& cpu, u8 vector, InterruptKind kind, bool has_error, u32 error) {
    const bool after = kind != InterruptKind::hardware && kind != InterruptKind::exception;
    const bool rf = (kind == InterruptKind::exception && is_fault_class(vector)) || (cpu.shadow & Cpu::mid_repetition);
    const u64 return_ip = (after ? cpu.next_ip : cpu.ip) & cpu.ip_mask();
    if (!deliver_event(cpu, {vector, kind, has_error, error, return_ip, rf ? eflags::RF : 0})) {
        cpu.failed_delivery = {.vector = vector, .kind = kind, .has_error = has_error, .error = error};
        return false;
    }
    cpu.step_suppressed = true;
    if (cpu.probe) [[unlikely]]
        cpu.probe->delivered(cpu, vector, kind, return_ip);
    return true;
}

bool deliver_fault(Cpu& cpu) {
    if (cpu.shutdown) return false;
    Fault current = cpu.fault;
    cpu.fault_chain_length = 0;
    // A chain of serial faults ends sooner or later in a pair that doubles; the bound is against a guest that finds one
    // that does not, whatever the tables say.
    for (unsigned tries = 0; tries < 8; ++tries) {
        if (current.vector != Exception::DF) remember(cpu, current);
        if (current.vector == Exception::PF) cpu.cr2 = current.cr2;
        if (current.vector == Exception::DB) {
            // Each debug exception sets B0-B3 anew; the others stay until software clears them (SDM 3B 18.2.3).
            cpu.dr[6] = (cpu.dr[6] & ~dr6::traps) | current.cr2;
            cpu.dr[7] &= ~u64{0x2000}; // GD, so that the handler may look at the debug registers
            if ((current.cr2 & dr6::BD) != 0) cpu.eflags |= eflags::RF; // of debug exceptions, this is a fault
        }
        if (deliver_interrupt(cpu, static_cast<u8>(current.vector), InterruptKind::exception, current.has_error,
                              current.error))
            return true;
        const FaultClass first = class_of(current.vector);
        if (first == FaultClass::double_fault) {
            remember(cpu, cpu.fault);
            break;
        }
        if (doubles(first, class_of(cpu.fault.vector))) {
            remember(cpu, cpu.fault);
            if (cpu.fault.vector == Exception::PF) cpu.cr2 = cpu.fault.cr2;
            current = Fault{Exception::DF, true, 0, 0, "a fault while delivering a fault"};
        } else {
            current = cpu.fault;
        }
    }
    cpu.shutdown = true;
    if (cpu.probe) [[unlikely]]
        cpu.probe->shut_down(cpu);
    return false;
}

bool division_error_8086(Cpu& cpu) {
    cpu.fault_chain_length = 0;
    remember(cpu, Fault{Exception::DE, false, 0, 0, "division error"});
    return deliver_interrupt(cpu, 0, InterruptKind::into);
}

bool deliver_debug(Cpu& cpu, u64 dr6_bits) {
    cpu.fault = Fault{Exception::DB, false, 0, dr6_bits, "debug exception"};
    return deliver_fault(cpu);
}

namespace transfer {

bool int_n(Cpu& cpu, const Op& op) { return deliver_interrupt(cpu, static_cast<u8>(op.imm), InterruptKind::software); }
bool int3(Cpu& cpu, const Op&) { return deliver_interrupt(cpu, 3, InterruptKind::int3); }
bool into(Cpu& cpu, const Op&) { return !cpu.flags.of() || deliver_interrupt(cpu, 4, InterruptKind::into); }
bool icebp(Cpu& cpu, const Op&) {
    // Data breakpoints that MOV SS held back are not taken twice: this debug exception reports them.
    if (const u64 hits = std::exchange(cpu.pending_debug, 0)) cpu.dr[6] = (cpu.dr[6] & ~dr6::traps) | hits;
    return deliver_interrupt(cpu, 1, InterruptKind::icebp);
}

template <unsigned width> bool bound(Cpu& cpu, const Op& op) {
    using T = std::conditional_t<width == 2, u16, u32>;
    const u64 at = effective_offset(cpu, op);
    T low = 0;
    T high = 0;
    if (!read_segment<T>(cpu, op.seg, at, low) || !read_segment<T>(cpu, op.seg, offset_after(cpu, op, at, width), high))
        return false;
    const auto index = static_cast<Signed<T>>(cpu.reg<T>(8u * op.reg));
    if (index < static_cast<Signed<T>>(low) || index > static_cast<Signed<T>>(high))
        return cpu.raise(Exception::BR, "index outside the bounds");
    return true;
}
template bool bound<2>(Cpu&, const Op&);
template bool bound<4>(Cpu&, const Op&);

} // namespace transfer
} // namespace glassbox
