#include "tests/x86-conformance/moo/execution.hpp"

#include "debugger/hex.hpp"

#include "cpu/decode/decoder.hpp"

#include <algorithm>

namespace glassbox::conformance::moo {

namespace {

// A wild jump that fails a case ends in the first byte that it meets.
constexpr u8 background = 0xF4; // HLT
// As far as real mode reaches; above that RAM is zero and only holds what a case puts there.
constexpr std::size_t background_size = 0x11'0000;

struct GprName {
    u8 name;
    Gpr gpr;
};
constexpr GprName gprs[] = {{reg::eax, RAX}, {reg::ebx, RBX}, {reg::ecx, RCX}, {reg::edx, RDX},
                            {reg::esi, RSI}, {reg::edi, RDI}, {reg::ebp, RBP}, {reg::esp, RSP}};
struct SegmentOf {
    u8 name;
    SegmentName segment;
};
constexpr SegmentOf segments[] = {{reg::cs, CS}, {reg::ds, DS}, {reg::es, ES},
                                  {reg::fs, FS}, {reg::gs, GS}, {reg::ss, SS}};

// What of the 386's control and debug registers is there; the rest floats or always reads the same.
constexpr u32 cr0_bits = 0x8000'001F, dr6_bits = 0xE00F, dr7_bits = 0xFFFF'23FF;

u32 compared_bits(unsigned name, bool wide) {
    switch (name) {
    case reg::cr0: return cr0_bits;
    case reg::dr6: return dr6_bits;
    case reg::dr7: return dr7_bits;
    case reg::cs:
    case reg::ds:
    case reg::es:
    case reg::fs:
    case reg::gs:
    case reg::ss: return 0xFFFF;
    default: return wide ? 0xFFFF'FFFF : 0xFFFF;
    }
}

/// Of which `name` is the destination, or none.
bool is_destination(const Insn& insn, unsigned name) {
    const Operand& to = insn.operand[0];
    if (to.kind != OperandKind::reg) return false;
    return std::ranges::any_of(gprs, [&](const GprName& g) { return g.name == name && 8 * g.gpr == to.number; });
}

/// POPF and IRET may set TF: then every instruction is a step of its own.
bool may_trap(const Insn& insn, u32 flags) {
    return (flags & eflags::TF) != 0 || (insn.row->at.map == 0 && (insn.opcode == 0x9D || insn.opcode == 0xCF));
}

} // namespace

Execution::Execution(const Chip& chip, const Plan& plan)
    : chip_(chip), machine_(chip.memory, chip.model), expected_(chip.memory) {
    Cpu& cpu = machine_.cpu;
    if (plan.engine) cpu.set_engine(*plan.engine);
    if (plan.coverage) plan.coverage->watch(cpu);
    // Twenty address lines: the carry out of the top one is lost.
    if (cpu.model->physical_bits == 20) machine_.memory.set_a20(false);
    const auto ram = machine_.ram();
    std::ranges::fill(ram.first(std::min(ram.size(), background_size)), background);
    reset_state(cpu);
    clean_fpu_ = cpu.fpu;
    clean_gdtr_ = cpu.gdtr;
    clean_idtr_ = cpu.idtr;
    clean_cr0_ = cpu.cr0;
}

const char* Execution::register_name(unsigned name, bool wide) {
    static constexpr const char* names[] = {"cr0", "cr3", "eax", "ebx", "ecx", "edx", "esi", "edi",    "ebp", "esp",
                                            "cs",  "ds",  "es",  "fs",  "gs",  "ss",  "eip", "eflags", "dr6", "dr7"};
    const bool extended = (name >= reg::eax && name <= reg::esp) || name == reg::eip || name == reg::eflags;
    return names[name] + (extended && !wide ? 1 : 0);
}

bool Execution::sound(const Case& test, Problem& problem) const {
    const auto bad = [&](u64 offset, u32 address) {
        problem = {offset, "address " + hex(address, 8) + " is beyond the " + std::to_string(chip_.memory >> 20) +
                               " MiB that a " + std::string(chip_.id) + " addresses here"};
        return false;
    };
    for (const State* state : {&test.initial, &test.final}) {
        for (std::size_t i = 0; i < state->ram.size(); ++i) {
            if (state->ram.address(i) >= chip_.memory) return bad(state->ram.offset(i), state->ram.address(i));
        }
    }
    if (test.exception && test.exception->flags_address >= chip_.memory)
        return bad(test.offset, test.exception->flags_address);
    const Registers& initial = test.initial.registers;
    if (initial.has(reg::cr0) && (initial.value[reg::cr0] & (cr0::PE | cr0::PG)) != 0) {
        problem = {test.offset, "a case in protected mode, which needs state that this format does not hold"};
        return false;
    }
    return true;
}

// --- before ---------------------------------------------------------------------------------------------------------

/// What the last case may have changed becomes as after RESET. A whole RESET would flush the TLB each time.
void Execution::prepare(const Registers& initial) {
    Cpu& cpu = machine_.cpu;
    const u64 special = cr0::PE | cr0::PG;
    if (cpu.shutdown || (cpu.cr0 & special) != 0 || cpu.cr3 != 0 || cpu.dr[7] != 0x400) reset_state(cpu);
    cpu.halted = false;
    cpu.shadow = 0;
    cpu.pending_debug = 0;
    cpu.nmi_blocked = false;
    cpu.fault = {};
    cpu.fault_chain_length = 0;
    cpu.fpu = clean_fpu_;
    cpu.gdtr = clean_gdtr_;
    cpu.idtr = clean_idtr_;
    cpu.cr0 = initial.has(reg::cr0) ? initial.value[reg::cr0] : clean_cr0_;
    cpu.cr2 = 0;
    std::fill_n(cpu.dr.begin(), 4, 0);
    cpu.dr[6] = initial.has(reg::dr6) ? initial.value[reg::dr6] : 0xFFFF'0FF0;
    if (initial.has(reg::dr7) && (initial.value[reg::dr7] & dr7_bits) != 0) {
        cpu.dr[7] = (initial.value[reg::dr7] & dr7_bits) | 0x400;
        cpu.debug_registers_changed();
    }
    load_registers(initial);
}

void Execution::load_registers(const Registers& initial) {
    Cpu& cpu = machine_.cpu;
    for (const auto& [name, gpr] : gprs) cpu.set_r32(gpr, initial.value[name]);
    for (const auto& [name, segment] : segments) cpu.seg[segment].load_real(static_cast<u16>(initial.value[name]));
    cpu.ip = initial.value[reg::eip];
    cpu.set_full_eflags(initial.value[reg::eflags] & chip_.initial_flags);
    cpu.update_mode();
}

/// As many bytes at once as follow each other: the processor is told of every write.
void Execution::write(const RamList& list) {
    std::array<u8, 64> bytes;
    for (std::size_t i = 0; i < list.size();) {
        const u32 start = list.address(i);
        std::size_t size = 0;
        do bytes[size++] = list.byte(i++);
        while (size < bytes.size() && i < list.size() && list.address(i) == start + size);
        machine_.memory.write_block(PhysAddress{start}, {bytes.data(), size});
    }
}

void Execution::expect(const RamList& list) {
    for (std::size_t i = 0; i < list.size(); ++i) expected_[list.address(i)] = list.byte(i);
}

void Execution::forget(const RamList& list) {
    std::array<u8, 64> bytes;
    for (std::size_t i = 0; i < list.size();) {
        const u32 start = list.address(i);
        std::size_t size = 0;
        do ++size, ++i;
        while (size < bytes.size() && i < list.size() && list.address(i) == start + size);
        bytes.fill(start < background_size ? background : 0);
        machine_.memory.write_block(PhysAddress{start}, {bytes.data(), size});
    }
}

/// What the chip wrote is no stray, whether the final state names it or not.
void Execution::forget(const CycleList& cycles) {
    constexpr u8 address_strobe = 1;
    const std::array<u8, 2> fill = {background, background};
    cycles_seen_ = cycles.size() > 0;
    for (std::size_t i = 0; i < cycles.size(); ++i) {
        if (cycles.bus_status(i) != chip_.bus_write || !(cycles.pins(i, 0) & address_strobe)) continue;
        const u32 at = cycles.address(i) & static_cast<u32>(chip_.memory - 1);
        const bool word = chip_.bhe && !(at & 1) && !(cycles.pins(i, chip_.bhe_field) & chip_.bhe);
        if (at < background_size) machine_.memory.write_block(PhysAddress{at}, std::span(fill).first(word ? 2 : 1));
    }
}

// --- running --------------------------------------------------------------------------------------------------------

void Execution::decode_case(const Case& test) {
    decoded_ = decode(test.bytes, 0, machine_.cpu.model->features, insn_) == DecodeStatus::ok;
    undefined_ = {};
    if (!decoded_) return;
    const auto cl = static_cast<u8>(test.initial.registers.value[reg::ecx]);
    undefined_ = undefined_after(insn_, cl, machine_.cpu.model->features);
}

constexpr u64 most_instructions = 70'000; // the longest repetition of a string instruction, and some

void Execution::run_to_halt() {
    Cpu& cpu = machine_.cpu;
    const bool steps = decoded_ && may_trap(insn_, cpu.eflags);
    const u64 start = machine_.scheduler.instructions();
    while (!cpu.halted && !cpu.shutdown && machine_.scheduler.instructions() - start < most_instructions)
        cpu.run(steps ? 1 : most_instructions);
}

void Execution::run_one_instruction() {
    Cpu& cpu = machine_.cpu;
    const u64 start = machine_.scheduler.instructions();
    do {
        cpu.leave_reason = Leave::ended;
        cpu.run(1);
    } while (cpu.leave_reason == Leave::again && !faulted() &&
             machine_.scheduler.instructions() - start < most_instructions);
}

void Execution::execute(const Case& test) {
    decode_case(test);
    if (chip_.halts)
        run_to_halt();
    else
        run_one_instruction();
}

u32 Execution::result(unsigned name) const {
    const Cpu& cpu = machine_.cpu;
    for (const auto& [of, gpr] : gprs) {
        if (of == name) return cpu.r32(gpr);
    }
    for (const auto& [of, segment] : segments) {
        if (of == name) return cpu.seg[segment].selector;
    }
    switch (name) {
    case reg::eip: return static_cast<u32>(cpu.ip);
    case reg::eflags: return cpu.full_eflags();
    case reg::cr0: return static_cast<u32>(cpu.cr0);
    case reg::cr3: return static_cast<u32>(cpu.cr3);
    case reg::dr6: return static_cast<u32>(cpu.dr[6]);
    default: return static_cast<u32>(cpu.dr[7]);
    }
}

bool Execution::run(const Case& test, const Registers& mask, Outcome* outcome) {
    prepare(test.initial.registers);
    write(test.initial.ram);
    expect(test.initial.ram);
    expect(test.final.ram);
    execute(test);
    find_excuses(test);
    bool same = compare_end(test, outcome);
    if (!test.final.shutdown) same = compare_registers(test, mask, outcome) && same;
    same = compare_memory(test.final.ram, outcome) && same;
    same = compare_memory(test.initial.ram, outcome) && same;
    forget(test.initial.ram);
    forget(test.final.ram);
    forget(test.cycles);
    if (outcome) {
        for (unsigned name = 0; name < reg::count; ++name) outcome->registers[name] = result(name);
    }
    return same;
}

// --- comparing ------------------------------------------------------------------------------------------------------

/// What the instruction leaves undefined: bits of the flags, in an image that an exception pushed too, and perhaps its
/// destination.
void Execution::find_excuses(const Case& test) {
    excuse_count_ = 0;
    if (!decoded_) return;
    const Cpu& cpu = machine_.cpu;
    if (faulted()) undefined_ = {undefined_after_fault(insn_, static_cast<u8>(cpu.fault_chain[0].vector)), false};
    // On the 8086 a division ends in an interrupt, which is no fault: the capture tells by the three words pushed.
    const Registers& final = test.final.registers;
    const bool divided = !chip_.halts && undefined_after_fault(insn_, 0) != 0 && final.has(reg::esp) &&
                         ((test.initial.registers.value[reg::esp] - final.value[reg::esp]) & 0xFFFF) == 6;
    if (undefined_.flags && (faulted() || divided)) excuse_flags_image(test);
    if (undefined_.result && insn_.mem) excuse_operand(test);
}

/// Above the return address on the stack. The file's own address of it (EXCP) is that of the bus cycle, which for an
/// odd stack pointer is one too low.
void Execution::excuse_flags_image(const Case& test) {
    const auto last = [&](unsigned name) {
        return test.final.registers.has(name) ? test.final.registers.value[name] : test.initial.registers.value[name];
    };
    for (u32 i = 0; i < 2; ++i) {
        const u32 address = (last(reg::ss) << 4) + static_cast<u16>(last(reg::esp) + 4 + i);
        excuses_[excuse_count_++] = {address & static_cast<u32>(chip_.memory - 1),
                                     static_cast<u8>(undefined_.flags >> (8 * i))};
    }
}

void Execution::excuse_operand(const Case& test) {
    const auto value = [&](unsigned offset) {
        for (const auto& [name, gpr] : gprs) {
            if (8u * gpr == offset) return test.initial.registers.value[name];
        }
        return u32{0};
    };
    u32 offset = value(insn_.base) + (value(insn_.index) << insn_.scale) + static_cast<u32>(insn_.disp);
    if (insn_.addrsize == 2) offset &= 0xFFFF;
    u32 base = 0;
    for (const auto& [name, segment] : segments) {
        if (segment == insn_.segment) base = test.initial.registers.value[name] << 4;
    }
    for (unsigned i = 0; i < insn_.operand[0].width && excuse_count_ < excuses_.size(); ++i)
        excuses_[excuse_count_++] = {base + offset + i, 0xFF};
}

u8 Execution::excused(u32 address) const {
    u8 mask = 0;
    for (unsigned i = 0; i < excuse_count_; ++i) {
        if (excuses_[i].address == address) mask |= excuses_[i].mask;
    }
    return mask;
}

bool Execution::compare_registers(const Case& test, const Registers& mask, Outcome* outcome) const {
    const Registers& initial = test.initial.registers;
    const Registers& final = test.final.registers;
    bool same = true;
    for (unsigned name = 0; name < reg::count; ++name) {
        if (!initial.has(name) && !final.has(name)) continue;
        u32 bits = compared_bits(name, initial.wide);
        u32 expected = final.has(name) ? final.value[name] : initial.value[name];
        if (name == reg::eflags) {
            bits &= chip_.flags & ~undefined_.flags;
            if (!final.has(name)) expected &= chip_.initial_flags;
        } else {
            if (mask.has(name)) bits &= mask.value[name]; // of the flags the table knows better, case by case
            if (undefined_.result && is_destination(insn_, name)) bits = 0;
        }
        if (test.final.mask.has(name)) bits &= test.final.mask.value[name];
        const u32 got = result(name);
        if (((got ^ expected) & bits) == 0) continue;
        same = false;
        if (!outcome) return false;
        const unsigned digits = bits > 0xFFFF ? 8 : 4;
        outcome->differences.push_back(
            {register_name(name, initial.wide), hex(expected & bits, digits), hex(got & bits, digits)});
    }
    return same;
}

bool Execution::compare_memory(const RamList& list, Outcome* outcome) const {
    const u8* ram = const_cast<Machine&>(machine_).ram().data();
    bool same = true;
    for (std::size_t i = 0; i < list.size(); ++i) {
        const u32 at = list.address(i);
        if (ram[at] == expected_[at]) [[likely]]
            continue;
        if (((ram[at] ^ expected_[at]) & ~excused(at)) == 0) continue;
        same = false;
        if (!outcome) return false;
        Difference difference{"[" + hex(at, 6) + "]", hex(expected_[at], 2), hex(ram[at], 2)};
        const auto known = [&](const Difference& d) { return d.field == difference.field; };
        if (std::ranges::none_of(outcome->differences, known)) outcome->differences.push_back(std::move(difference));
    }
    return same;
}

/// Serial faults: the handler is the last one's, or a pair became a double fault.
bool Execution::same_exception(u8 number) const {
    const Cpu& cpu = machine_.cpu;
    if (cpu.fault_chain_length > 1 && number == static_cast<u8>(Exception::DF)) return true;
    return static_cast<u8>(cpu.fault_chain[cpu.fault_chain_length - 1].vector) == number;
}

/// How it ended: with the HLT or in a shutdown, and with the same exception or none. Files of the 8086 do not say;
/// software interrupts are in the files, but are no faults.
bool Execution::compare_end(const Case& test, Outcome* outcome) const {
    const Cpu& cpu = machine_.cpu;
    bool same = true;
    const auto differ = [&](const char* field, std::string expected, std::string got) {
        same = false;
        if (outcome) outcome->differences.push_back({field, std::move(expected), std::move(got)});
    };
    const auto number = [&] { return static_cast<unsigned>(cpu.fault_chain[cpu.fault_chain_length - 1].vector); };
    if (cpu.shutdown != test.final.shutdown)
        differ("end", test.final.shutdown ? "shutdown" : "no shutdown", cpu.shutdown ? "shutdown" : "no shutdown");
    else if (chip_.halts && !cpu.halted && !cpu.shutdown)
        differ("end", "HLT", "none within " + std::to_string(most_instructions) + " instructions");
    if (faulted() && test.exception && !same_exception(test.exception->number))
        differ("exception", std::to_string(test.exception->number), std::to_string(number()));
    else if (faulted() && !test.exception && chip_.halts && !test.final.shutdown)
        differ("exception", "none", std::to_string(number()));
    if (outcome && faulted())
        outcome->ended =
            "exception " + std::to_string(number()) + " (" + cpu.fault_chain[cpu.fault_chain_length - 1].why + ")";
    return same;
}

std::optional<u32> Execution::stray() {
    const auto ram = machine_.ram();
    const auto area = ram.first(std::min(ram.size(), background_size));
    // All bytes are the first one, and that is right.
    if (area[0] == background && std::memcmp(area.data(), area.data() + 1, area.size() - 1) == 0) return {};
    const auto found = std::ranges::find_if(area, [](u8 byte) { return byte != background; });
    std::ranges::fill(area, background);
    machine_.cpu.forget_blocks();
    return static_cast<u32>(found - area.begin());
}

} // namespace glassbox::conformance::moo
