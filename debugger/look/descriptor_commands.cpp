// gdt, ldt, idt, ivt, tss, descriptor.
#include "debugger/look/arguments.hpp"
#include "debugger/look/descriptor_text.hpp"
#include "debugger/look/text.hpp"

namespace glassbox::look {

namespace {

struct Rows {
    u32 first = 0, count = 8192;
};

/// "[FIRST [COUNT]]": one row when only the first is given.
Expected<Rows> take_rows(CommandContext& context, Arguments& arguments, u32 most) {
    Rows rows;
    if (!arguments.empty()) {
        auto first = take_count(context, arguments, 0, most - 1, "the number of the first row");
        if (!first) return tl::unexpected(first.error());
        auto count = take_count(context, arguments, 1, most, "the number of rows");
        if (!count) return tl::unexpected(count.error());
        rows = {static_cast<u32>(*first), static_cast<u32>(*count)};
    }
    if (auto ok = nothing_more(arguments); !ok) return tl::unexpected(ok.error());
    return rows;
}

Expected<> protected_only(const Cpu& cpu) {
    if (!cpu.has(Feature::i286)) return fail("the " + cpu.model->name + " has no descriptor tables");
    return {};
}

Expected<> run_gdt(CommandContext& context, Arguments& arguments) {
    const Cpu& cpu = context.debugger.cpu();
    if (auto ok = protected_only(cpu); !ok) return ok;
    auto rows = take_rows(context, arguments, 8192);
    if (!rows) return tl::unexpected(rows.error());
    write_table(cpu, symbols_of(context), gdt_of(cpu), rows->first, rows->count, context.out);
    return {};
}

Expected<> run_ldt(CommandContext& context, Arguments& arguments) {
    const Cpu& cpu = context.debugger.cpu();
    if (auto ok = protected_only(cpu); !ok) return ok;
    auto rows = take_rows(context, arguments, 8192);
    if (!rows) return tl::unexpected(rows.error());
    const auto table = ldt_of(cpu);
    if (!table) {
        context.out += "There is no LDT: LDTR is null.\n";
        return {};
    }
    context.out += "LDTR " + digits(cpu.ldtr.selector, 4) + ", ";
    write_table(cpu, symbols_of(context), *table, rows->first, rows->count, context.out);
    return {};
}

Expected<> run_idt(CommandContext& context, Arguments& arguments) {
    const Cpu& cpu = context.debugger.cpu();
    auto rows = take_rows(context, arguments, 256);
    if (!rows) return tl::unexpected(rows.error());
    if (cpu.real_mode()) {
        context.out += "Real mode: interrupts go through vectors of four bytes.\n";
        write_ivt(cpu, symbols_of(context), cpu.idtr.base, rows->first, rows->count, context.out);
    } else {
        write_idt(cpu, symbols_of(context), rows->first, rows->count, context.out);
    }
    return {};
}

Expected<> run_ivt(CommandContext& context, Arguments& arguments) {
    const Cpu& cpu = context.debugger.cpu();
    auto rows = take_rows(context, arguments, 256);
    if (!rows) return tl::unexpected(rows.error());
    write_ivt(cpu, symbols_of(context), cpu.real_mode() ? cpu.idtr.base : 0, rows->first, rows->count, context.out);
    return {};
}

Expected<> run_tss(CommandContext& context, Arguments& arguments) {
    const Cpu& cpu = context.debugger.cpu();
    if (auto ok = protected_only(cpu); !ok) return ok;
    TaskState tss{cpu.tr.base, cpu.tr.limit, cpu.tr.type(), cpu.tr.selector};
    if (arguments.empty() && (cpu.tr.selector & 0xFFFC) == 0) {
        context.out += "TR has not been loaded (its selector is 0): the processor has no task state.\n"
                       "  tss SELECTOR shows one of the GDT's, tss at ADDRESS what lies in memory.\n";
        return {};
    }
    if (arguments.take_if("at")) {
        const auto address = take_address(context, arguments, "the address");
        if (!address) return tl::unexpected(address.error());
        if (auto ok = nothing_more(arguments); !ok) return ok;
        constexpr u32 smallest_limit = 103; // SDM 3A 7.2.2; the bitmap that may follow is left out
        tss = {address->value, smallest_limit, static_cast<unsigned>(SystemType::tss32), 0};
    } else if (!arguments.empty()) {
        auto selector = take_count(context, arguments, 0, 0xFFFF, "the selector");
        if (!selector) return tl::unexpected(selector.error());
        if (auto ok = nothing_more(arguments); !ok) return ok;
        const auto d = read_table_entry(cpu, gdt_of(cpu), static_cast<u32>(*selector >> 3));
        if (!d) return fail("there is no descriptor of selector " + digits(*selector, 4) + " in the GDT");
        if (!d->is_available_tss() && !d->is_busy_tss())
            return fail("selector " + digits(*selector, 4) +
                        " is not a TSS's: " + descriptor_type(d->type(), d->is_system(), cpu.long_mode()));
        tss = {d->base(), d->limit(), d->type(), static_cast<u16>(*selector)};
    }
    write_tss(cpu, symbols_of(context), tss, context.out);
    return {};
}

Expected<> run_descriptor(CommandContext& context, Arguments& arguments) {
    const Cpu& cpu = context.debugger.cpu();
    if (auto ok = protected_only(cpu); !ok) return ok;
    auto selector = take_number(context, arguments, std::nullopt, "the selector");
    if (!selector) return tl::unexpected(selector.error());
    if (*selector > 0xFFFF) return fail("a selector has 16 bits");
    if (auto ok = nothing_more(arguments); !ok) return ok;
    if (cpu.protected_mode() && !cpu.v86() && *selector < 4) {
        context.out += "Selector " + digits(*selector, 4) +
                       " is null: it names no descriptor, and a segment register that holds it cannot be used.\n";
        return {};
    }
    if (cpu.real_mode() || cpu.v86()) {
        context.out += std::string(cpu.v86() ? "Virtual-8086" : "Real") + " mode: " + digits(*selector, 4) +
                       " is a paragraph there, base " + digits(*selector * 16, 8) +
                       ", and no descriptor counts. As a selector it would be:\n";
    }
    write_descriptor(cpu, symbols_of(context), static_cast<u16>(*selector), context.out);
    return {};
}

constexpr Command commands[] = {
    {"gdt", "", "Look", "[N [COUNT]]", "The global descriptor table, row by row",
     "Type, base, limit in bytes, DPL, P, G, D/B, L and AVL of each descriptor (SDM 3A 3.4.5); gates with where\nthey "
     "lead. N is a descriptor's number: its selector is 8 times that.\n  gdt\n  gdt 2\n  gdt 8 16\n",
     run_gdt},
    {"ldt", "", "Look", "[N [COUNT]]", "The local descriptor table, row by row", "As gdt.\n  ldt\n  ldt 0 4\n",
     run_ldt},
    {"idt", "", "Look", "[VECTOR [COUNT]]", "The interrupt descriptor table",
     "The gates with their targets, DPL, and in long mode the entry of the interrupt stack table. In real mode\nthe "
     "vectors at IDTR.base.\n  idt\n  idt 0eh\n  idt 20h 16\n",
     run_idt},
    {"ivt", "", "Look", "[VECTOR [COUNT]]", "Real mode's interrupt vectors",
     "Those at address 0, or at IDTR.base in real mode, with what a PC's firmware offers behind them.\n  ivt\n  ivt "
     "10h\n",
     run_ivt},
    {"tss", "", "Look", "[SELECTOR|at ADDRESS]", "A task-state segment with its I/O bitmap",
     "Stacks, registers, IST and the ports that the I/O permission bitmap allows, as the type of the segment\n(16, 32 "
     "or 64 bits) has them. Without a selector that of TR.\n  tss\n  tss 28h\n  tss at 1000h\n",
     run_tss},
    {"descriptor", "selector", "Look", "SELECTOR", "One descriptor, field by field",
     "From the GDT or the LDT, as bit 2 of the selector says, with its raw bytes.\n  descriptor cs\n  descriptor "
     "2bh\n",
     run_descriptor, "register"},
};

} // namespace

std::span<const Command> descriptor_commands() { return commands; }

} // namespace glassbox::look
