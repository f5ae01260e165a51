// `explain ADDR`: seg:off, linear, every paging level, physical, what is there; what is allowed now.
#include "debugger/explain/explain.hpp"
#include "debugger/explain/memory.hpp"
#include "debugger/symbols/expression.hpp"
#include "debugger/view.hpp"

namespace glassbox {

namespace {

using namespace explain;

/// The segment register that holds the selector, or nothing.
std::optional<unsigned> holder(const Moment& m, u16 selector) {
    for (const unsigned name : {DS, SS, ES, CS, FS, GS}) {
        if (m.seg[name].selector == selector && m.seg[name].usable()) return name;
    }
    return {};
}

void tell_limit(Story& story, const Moment& m, const Segment& s, u64 offset) {
    if (m.code64()) {
        story.say("In 64-bit mode no segment's limit counts", "1 3.3.4");
        return;
    }
    const bool down = !s.is_code() && (s.access & Segment::expand_down) != 0;
    const bool inside = down ? offset > s.limit && offset <= (s.big() ? 0xFFFF'FFFFu : 0xFFFFu) : offset <= s.limit;
    story.say("Offset " + h(offset, 8) + " is " + (inside ? "within" : "BEYOND") + " its limit, " + h(s.limit, 8) +
                  (down ? " (expand-down: offsets above it are valid)" : ""),
              "3A 5.3");
}

/// From selector and offset to a linear address.
std::optional<u64> tell_segmented(Story& story, const Moment& m, u16 selector, u64 offset) {
    if (!m.protected_mode()) {
        const u64 linear = (u64{selector} << 4) + offset;
        story.say("In " + m.mode_words() + " " + far_words(selector, offset, 4) + " is linear address " +
                      h(selector, 4) + " * 10h + " + h(offset, 4) + " = " + h(linear, 8),
                  m.v86() ? "3A 20.2" : "3A 20.1");
        const auto name = holder(m, selector);
        if (name) {
            tell_limit(story, m, m.seg[*name], offset);
            if (m.seg[*name].base != u64{selector} << 4) {
                const u64 real = static_cast<u32>(m.seg[*name].base + offset);
                story.say(std::string("But ") + segment_names[*name] + " has base " + h(m.seg[*name].base, 8) +
                              " in its hidden part, from before: through it the address is " + h(real, 8),
                          "3A 3.4.3");
                return real;
            }
        }
        return linear;
    }
    Segment s;
    if (const auto name = holder(m, selector)) {
        s = m.seg[*name];
        story.say("Selector " + selector_words(selector) + " is in " + segment_names[*name] +
                      ", whose hidden part says: " + segment_words(s, m.long_mode()),
                  "3A 3.4.3");
    } else if (const auto d = find_descriptor(m, selector)) {
        s = d->segment(selector);
        story.say("Selector " + selector_words(selector) + " names " + with_article(descriptor_words(m, *d)),
                  "3A 3.4.5");
        if (d->is_system()) return {};
    } else {
        story.say("Selector " + selector_words(selector) + " names no descriptor: it is null or outside its table",
                  "3A 3.4.2");
        return {};
    }
    tell_limit(story, m, s, offset);
    if (m.code64() && holder(m, selector) && *holder(m, selector) < FS) return offset;
    const u64 linear = m.code64() ? s.base + offset : static_cast<u32>(s.base + offset);
    story.say("Base " + m.address(s.base) + " plus offset " + h(offset, 8) + " make linear address " +
                  m.address(linear),
              "3A 3.4");
    return linear;
}

std::string region_words(const MemoryMap::Region* r) {
    if (r == nullptr) return "nothing";
    if (r->device != nullptr) return "the device '" + r->name + "'";
    if (r->host == nullptr) return "'" + r->name + "'";
    return (r->writes_dropped ? "ROM ('" : "memory ('") + r->name + "')";
}

void tell_physical(Story& story, const Moment& m, u64 phys) {
    const MemoryMap& memory = m.cpu->memory;
    if (!memory.a20()) story.say("The A20 gate is closed: bit 20 of every address is 0", "3A 22.34");
    const auto* reads = region_at(memory, phys, MemoryMap::Access::read);
    const auto* writes = region_at(memory, phys, MemoryMap::Access::write);
    std::string text = "At physical address " + h(phys, 8) + " there is ";
    if (reads == writes)
        text += region_words(reads);
    else
        text += region_words(reads) + " for reads and " + region_words(writes) + " for writes";
    if (reads != nullptr) text += ", " + h(phys - reads->start) + " from its beginning at " + h(reads->start, 8);
    if (reads == nullptr && writes == nullptr) text += ": reads give ones, writes are lost";
    story.say(text);
}

const char* yes_or_no(const Verdict& v) { return v ? "no" : "yes"; }

void tell_rights(Story& story, const Moment& m, u64 linear, const PageView& view) {
    const Verdict read = check_paging(m, linear, {.access = Access::read}, view);
    const Verdict write = check_paging(m, linear, {.access = Access::write}, view);
    const Verdict fetch = check_paging(m, linear, {.access = Access::fetch}, view);
    story.say(std::string("Paging allows code at CPL ") + std::to_string(m.cpl) + ": read " + yes_or_no(read) +
                  ", write " + yes_or_no(write) + ", execute " + yes_or_no(fetch),
              "3A 4.6.1");
    Story::Indented in(story);
    std::string told;
    for (const auto& [v, what] :
         {std::pair{read, "A read"}, std::pair{write, "A write"}, std::pair{fetch, "A fetch"}}) {
        if (!v || told == v->why) continue;
        told = v->why;
        story.say(std::string(what) + " would raise #PF with error code " + h(v->error, 4) + ": " + v->why, "3A 4.7");
    }
}

/// What the TLB holds, where that is not what the tables say.
void tell_tlb(Story& story, const Moment& m, u64 linear, const PageView& view) {
    if (!m.paging()) return;
    const u64 page = linear & ~page_mask;
    const bool mapped = view.result == PageView::Result::mapped;
    static constexpr const char* tables[] = {"supervisor's data", "user's data", "",
                                             "supervisor's data (EFLAGS.AC = 1)"};
    const auto stale = [&](const std::string& which, u64 phys) {
        if (mapped && (view.phys & ~page_mask) == phys) return;
        story.say("STALE: the TLB (" + which + ") still translates this page to " + h(phys, 8) +
                      "; the tables have changed, and neither INVLPG nor a load of CR3 has followed",
                  "3A 4.10.4");
    };
    for (unsigned i = 0; i < m.cpu->tlbs.size(); ++i) {
        const TlbEntry& e = m.cpu->tlbs[i].entries[TlbTable::index(linear)];
        if (e.filled() && e.page() == page) stale(tables[i], e.phys);
    }
    for (unsigned i = 0; i < 2; ++i) {
        if (const auto* e = m.cpu->fetch_tlbs[i].find(linear)) stale(i ? "user's code" : "supervisor's code", e->phys);
    }
}

void tell_linear(Story& story, const Moment& m, u64 linear) {
    if (m.long_mode() && !m.canonical(linear)) {
        story.say("Linear address " + h(linear, 16) + " is not canonical: bits 63 to " +
                      std::to_string(m.linear_bits() - 1) +
                      " are not all equal, so any access raises #GP(0), or #SS(0) "
                      "through SS",
                  "1 3.3.7.1");
        return;
    }
    if (!m.long_mode()) linear = static_cast<u32>(linear);
    const PageView view = walk(m, linear);
    tell_walk(story, m, linear, view);
    tell_tlb(story, m, linear, view);
    if (view.result == PageView::Result::mapped) tell_physical(story, m, view.phys);
    if (m.paging()) tell_rights(story, m, linear, view);
}

} // namespace

std::string explain_address(const Cpu& cpu, const Address& address, const AddressNames& names) {
    Story story(names);
    const Moment m = Moment::of(cpu);
    if (address.space == Address::Space::physical) {
        tell_physical(story, m, address.value);
        return story.text();
    }
    if (!address.segmented) {
        tell_linear(story, m, address.value);
    } else if (const auto linear = tell_segmented(story, m, address.selector, address.offset)) {
        tell_linear(story, m, *linear);
    }
    return story.text();
}

} // namespace glassbox
