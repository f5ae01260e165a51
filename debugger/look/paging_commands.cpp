// page-tables, pages, walk, tlb.
#include "debugger/look/arguments.hpp"
#include "debugger/look/paging_text.hpp"

namespace glassbox::look {

namespace {

constexpr u64 default_rows = 200;

struct Range {
    u64 first = 0, last = ~u64{0};
    std::size_t most = default_rows;
    bool physical = false;
};

Expected<Range> take_range(CommandContext& context, Arguments& arguments) {
    Range range;
    unsigned given = 0;
    while (!arguments.empty()) {
        if (arguments.take_if("physical")) {
            range.physical = true;
            continue;
        }
        if (arguments.take_if("all")) {
            range.most = 100'000;
            continue;
        }
        auto address = take_address(context, arguments, "the address");
        if (!address) return tl::unexpected(address.error());
        if (address->space == Address::Space::physical) return fail("paging translates linear addresses");
        if (given == 0) range.first = range.last = address->value;
        if (given == 1) range.last = address->value;
        if (++given > 2) return fail("a range has a first and a last address");
    }
    if (range.last < range.first) return fail("the last address lies before the first");
    return range;
}

Expected<> run_tree(CommandContext& context, Arguments& arguments) {
    auto range = take_range(context, arguments);
    if (!range) return tl::unexpected(range.error());
    write_page_tree(context.debugger.cpu(), range->first, range->last, range->most, context.out);
    return {};
}

Expected<> run_pages(CommandContext& context, Arguments& arguments) {
    auto range = take_range(context, arguments);
    if (!range) return tl::unexpected(range.error());
    write_page_ranges(context.debugger.cpu(), range->first, range->last, range->most, range->physical, context.out);
    return {};
}

Expected<> run_walk(CommandContext& context, Arguments& arguments) {
    auto address = take_address(context, arguments, "the address");
    if (!address) return tl::unexpected(address.error());
    if (auto ok = nothing_more(arguments); !ok) return ok;
    if (address->space == Address::Space::physical) return fail("paging translates linear addresses");
    write_walk(context.debugger.cpu(), address->value, context.out);
    return {};
}

Expected<> run_tlb(CommandContext& context, Arguments& arguments) {
    auto most = take_count(context, arguments, 64, 4096, "the number of rows");
    if (!most) return tl::unexpected(most.error());
    if (auto ok = nothing_more(arguments); !ok) return ok;
    write_tlb(context.debugger.cpu(), static_cast<std::size_t>(*most), context.out);
    return {};
}

constexpr Command commands[] = {
    {"page-tables", "pt", "Look", "[FIRST [LAST]] [all]", "The paging structures as a tree",
     R"(Every present entry with the first linear address that it translates, where it leads, and its bits by the
manual's names. Neighbours with the same bits and consecutive frames are one row. One address shows the
way to it; the tree ends after 200 rows unless all is said. Accessed bits are not set by looking.
  page-tables
  pt 0c0000000h 0c0ffffffh
  pt rip
)",
     run_tree, "all"},
    {"pages", "mappings", "Look", "[FIRST [LAST]] [physical] [all]", "What is mapped, as ranges with their rights",
     R"(Pages that follow each other with the same size and rights are one range: r readable, w writable,
x executable, user or supervisor, global. The rights are those of all levels together. With physical, a
range also is in one piece physically.
  pages
  pages 0 0ffffh
  pages physical
)",
     run_pages, "physical|all"},
    {"walk", "translate", "Look", "ADDRESS", "The translation of one address, level by level",
     "Each entry with its address, value and bits, the physical address with what is there, and the rights "
     "that\nresult. "
     "Says so when the TLB still holds another translation. explain ADDRESS tells it in words.\n  walk esp\n  walk "
     "ds:1234h\n",
     run_walk, "symbol"},
    {"tlb", "", "Look", "[ROWS]", "The translations that the processor holds",
     "By class: for the supervisor's and user-mode data accesses, and for instruction fetches. A page is here since "
     "it\nwas used, until the guest flushes it; what the tables say now may differ.\n  tlb\n  tlb 200\n",
     run_tlb},
};

} // namespace

std::span<const Command> paging_commands() { return commands; }

} // namespace glassbox::look
