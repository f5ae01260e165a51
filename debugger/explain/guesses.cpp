#include "debugger/explain/guesses.hpp"

#include "debugger/view.hpp"

#include <algorithm>

namespace glassbox::explain {

namespace {

constexpr u64 first_vectors = 0x100; ///< where execution gets to from address 0
constexpr std::size_t most_guesses = 2;

u32 exchanged(u64 offset) { return static_cast<u32>(offset << 16 | (offset >> 16 & 0xFFFF)); }

class Guesser {
  public:
    Guesser(const Story& names, const Moment& moment, const Decoded& decoded, const Symptom& symptom)
        : names_(names), m(moment), d(decoded), s(symptom) {}

    std::vector<std::string> all() {
        if (m.real_mode() || m.v86()) return {};
        gate_size();
        tables();
        task_register();
        code_size();
        granularity();
        return_frame();
        paging();
        stack();
        wild_code();
        a20();
        if (found_.size() > most_guesses) found_.resize(most_guesses);
        return std::move(found_);
    }

  private:
    void guess(std::string text) { found_.push_back(std::move(text)); }
    bool delivering() const { return s.during.vector >= 0; }
    std::string at(u64 linear) const { return m.address(linear) + names_.name(linear); }

    /// Whether plain memory or a device answers at a physical address.
    bool answers(u64 phys, MemoryMap::Access direction = MemoryMap::Access::read) const {
        const u64 mask = m.cpu->memory.a20_mask() & ((u64{1} << m.cpu->model->physical_bits) - 1);
        const auto* region = region_at(m.cpu->memory, phys & mask, direction);
        if (region == nullptr) return false;
        return direction == MemoryMap::Access::read || !region->writes_dropped;
    }
    std::optional<u64> physical(u64 linear) const {
        if (!m.long_mode()) linear = static_cast<u32>(linear);
        if (m.long_mode() && !m.canonical(linear)) return {};
        const PageView view = walk(m, linear);
        if (view.result != PageView::Result::mapped) return {};
        return view.phys;
    }
    std::optional<Descriptor> descriptor_at(u64 linear) const {
        const auto raw = m.number(linear, 8);
        if (!raw) return {};
        return Descriptor{*raw};
    }
    /// Flat, present code or data, or a present TSS or gate: what tables of beginners hold.
    static bool plausible(const Descriptor& x) {
        if (!x.present()) return false;
        if (x.is_system()) return x.is_available_tss() || x.is_busy_tss();
        return x.base() == 0 && x.limit() >= 0xF'FFFF;
    }
    bool leads_to_code(const Descriptor& x, bool gate32) const {
        if (!x.present() || !x.is_system() || (gate32 && !x.gate_is_32())) return false;
        if ((x.type() & 7) != 6 && (x.type() & 7) != 7) return false;
        const auto code = find_descriptor(m, x.gate_selector());
        return code && code->is_code();
    }

    // --- tables --------------------------------------------------------------------------------------------------
    void tables() {
        const u16 selector = static_cast<u16>(s.fault.error & 0xFFF8);
        const bool of_gdt = s.fault.has_error && (s.fault.error & 6) == 0 && selector != 0 &&
                            s.fault.vector != Exception::PF && missing_idt_is_not_the_cause();
        if (of_gdt) gdt(selector);
        if (s.why() != "vector beyond the IDT" || !missing_idt(m).empty()) return;
        const u64 place = m.idtr.base + u64{8} * static_cast<unsigned>(s.during.vector);
        const auto gate = descriptor_at(place);
        if (!m.long_mode() && gate && leads_to_code(*gate, false))
            guess("behind the limit, at " + at(place) + ", lies what looks like the gate that is missing (" +
                  descriptor_words(m, *gate) +
                  "): the limit counts bytes, not entries, and is the table's size less 1");
    }
    bool missing_idt_is_not_the_cause() const { return !delivering() || missing_idt(m).empty(); }

    void gdt(u16 selector) {
        if (m.gdtr.base == 0 && m.gdtr.limit == 0)
            return guess("GDTR is 0, as the firmware has left it: LGDT was not executed");
        if (m.gdtr.base >= 0xF'0000 && m.gdtr.base < 0x10'0000)
            return guess("GDTR points into the firmware's ROM (" + m.address(m.gdtr.base) + "): LGDT was not executed");
        for (const SegmentName name : {DS, CS}) {
            const u64 base = m.seg[name].base;
            const auto there = descriptor_at(static_cast<u32>(base + m.gdtr.base + selector));
            if (base == 0 || m.gdtr.base > 0xFFFF || !there || !plausible(*there)) continue;
            return guess("LGDT was given an offset where it takes a linear address: GDTR's base is " +
                         m.address(m.gdtr.base) + ", and with the base of " + segment_names[name] + " added, at " +
                         at(static_cast<u32>(base + m.gdtr.base)) + ", lies what looks like the GDT");
        }
        if (selector + 7u <= m.gdtr.limit) return;
        const u64 place = m.gdtr.base + selector;
        const auto there = descriptor_at(place);
        if (there && plausible(*there))
            guess("behind the limit, at " + at(place) + ", lies what looks like the descriptor that is missing (" +
                  descriptor_words(m, *there) + "): the limit is the table's size in bytes less 1");
    }

    /// 32-bit gates in long mode.
    void gate_size() {
        if (!m.long_mode() || !delivering()) return;
        const u64 place = m.idtr.base + u64{8} * static_cast<unsigned>(s.during.vector);
        const auto gate = m.canonical(place) ? descriptor_at(place) : std::nullopt;
        if (gate && leads_to_code(*gate, true) && place + 7 <= m.idtr.base + m.idtr.limit)
            guess("the IDT seems to have gates of 8 bytes, as in 32-bit mode: at " + at(place) +
                  ", where this vector would then lie, is one to " +
                  far_words(gate->gate_selector(), (gate->raw & 0xFFFF) | (gate->raw >> 48 << 16), 8) +
                  ". In long mode a gate has 16 bytes");
    }

    void task_register() {
        if (m.cpl != 3 || !delivering()) return;
        if (m.tr.selector == 0)
            return guess("TR is 0: LTR was not executed, and the processor takes what lies at its base, " +
                         m.address(m.tr.base) + ", for a TSS");
        const bool wide = (m.tr.access & 8) != 0;
        if (m.long_mode()) {
            if (m.number(m.tr.base + 4, 8) == std::optional<u64>{0})
                guess("RSP0 in the TSS is 0: it seems not to be filled in");
        } else if (wide && m.number(static_cast<u32>(m.tr.base + 4), 8) == std::optional<u64>{0}) {
            guess("ESP0 and SS0 in the TSS are both 0: it seems not to be filled in");
        }
    }

    // --- code ----------------------------------------------------------------------------------------------------
    void code_size() {
        const bool transfer = d.valid && d.insn.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR;
        const bool unfetchable = s.fault.vector == Exception::PF && s.fault.cr2 == m.code_linear(m.ip);
        if (delivering() || m.cpl != 0 || transfer || unfetchable) return;
        const Segment& cs = m.seg[CS];
        const auto named = find_descriptor(m, cs.selector);
        if (!m.long_mode() && m.code_bits() == 16 && cs.base == u64{cs.selector} << 4 &&
            (!named || !named->is_code() || named->base() != cs.base))
            return guess(
                "CS still is that of real mode (" + h(cs.selector, 4) +
                ", 16-bit): a far jump to a segment of 32-bit code is missing behind the instruction that sets "
                "CR0.PE, and 32-bit code executes as something else");
        if (!m.long_mode() && m.code_bits() == 16)
            return guess(
                "the descriptor of CS (" + h(cs.selector, 4) +
                ") has D = 0, which is 16-bit code: code that was written for 32 bits executes as something else");
        if (m.long_mode() && !m.code64() && !named_by_program())
            guess("long mode is on, and CS (" + h(cs.selector, 4) + ") is a segment of " +
                  std::to_string(m.code_bits()) +
                  "-bit code (L = 0): a far jump to one with L = 1 is missing, and 64-bit code executes as something "
                  "else");
    }
    /// MOV CR, WRMSR and the like are what a kernel does in compatibility mode on purpose.
    bool named_by_program() const { return d.valid && (d.insn.attributes & ZYDIS_ATTRIB_IS_PRIVILEGED) != 0; }

    void granularity() {
        if (delivering() || m.long_mode() ||
            s.why() != "the offset is outside the segment, or the segment does not allow the access")
            return;
        const auto* memory = d.memory();
        if (!memory) return;
        const Operand o = place_of(m, d, *memory);
        const Segment& segment = m.seg[o.segment];
        const auto now = find_descriptor(m, segment.selector);
        if (!now || (now->raw >> 55 & 1) != 0 || segment.limit > 0xF'FFFF || o.offset <= segment.limit) return;
        if ((segment.limit & 0xFFFF) != 0xFFFF) return;
        const u64 wide = u64{segment.limit} << 12 | 0xFFF;
        if (o.offset <= wide)
            guess(std::string("the descriptor of ") + segment_names[o.segment] +
                  " has G = 0, so that its limit counts bytes; with G = 1 it would be " + h(wide, 8));
    }

    /// IRET with what a handler has left, or with selectors that SYSRET has made.
    void return_frame() {
        if (delivering() || !d.is({ZYDIS_MNEMONIC_IRETD, ZYDIS_MNEMONIC_IRETQ})) return;
        const StackPlace place = StackPlace::current(m);
        const unsigned width = d.is({ZYDIS_MNEMONIC_IRETQ}) ? 8 : 4;
        const auto slot = [&](unsigned n) {
            const u64 offset = (place.sp + u64{n} * width) & place.mask();
            return m.number(place.long64 ? offset : static_cast<u32>(place.segment.base + offset), width);
        };
        const auto ip = slot(0), cs = slot(1), flags = slot(2);
        if (!ip || !cs || !flags) return;
        const u16 selector = static_cast<u16>(*cs);
        const auto here = find_descriptor(m, selector), next = find_descriptor(m, static_cast<u16>(*flags));
        const bool bad = *cs > 0xFFFF || !here || !here->is_code();
        const bool left = bad || (*flags == m.seg[CS].selector && selector != m.seg[CS].selector);
        if (left && *ip <= 0xFFFF && *flags <= 0xFFFF && !is_null(static_cast<u16>(*flags)) && next && next->is_code())
            return guess("the handler has left the error code (" + h(*ip, 4) +
                         ") on the stack: without it IRET would return to " + far_words(*flags, *cs, 2 * width) +
                         names_.name(*cs));
        if (here && here->is_code() && (selector & 3) == 0 && here->dpl() == 3)
            return guess("selector " + h(selector, 4) + " with RPL 3, which is " + h(selector | 3u, 4) + ", is meant");
        const u64 star = m.cpu->msrs.star >> 48 & 0xFFFF;
        if (m.long_mode() && star != 0 && (selector | 3u) == ((star + 16) | 3))
            guess("SYSRET has made it: STAR has " + h(star, 4) + " in bits 63-48, and CS becomes that plus 16, " +
                  h(selector, 4) + ", and SS that plus 8: in the GDT ring 3's data come before its 64-bit code");
    }

    // --- paging ----------------------------------------------------------------------------------------------------
    void paging() {
        if (s.fault.vector != Exception::PF || (s.fault.error & 1) != 0) return;
        const u64 mask = ((u64{1} << m.cpu->model->physical_bits) - 1) & ~page_mask;
        const bool pae = (m.cr4 & cr4::PAE) != 0;
        if (!answers(m.cr3 & mask)) {
            guess("CR3 is " + h(m.cr3, 8) +
                  ", and there is no memory at that physical address: CR3 takes the physical address of the tables, "
                  "not a virtual one");
        } else if ((m.cr3 & 0xFE7) != 0 && !(pae && !m.long_mode()) && (m.cr4 & cr4::PCIDE) == 0) {
            guess("the tables are not aligned to 4096 bytes: CR3 is " + h(m.cr3, 8) +
                  ", and bits 0 to 11 do not count, so that the processor reads them from " + h(m.cr3 & mask, 8));
        }
        const u64 here = m.code_linear(m.ip);
        std::array<u8, 3> before{};
        if (s.fault.cr2 == here && here >= 3 && m.read_physical(here - 3, before) == 3 && before[0] == 0x0F &&
            before[1] == 0x22 && ((before[2] & 0xF8) == 0xC0 || (before[2] & 0xF8) == 0xD8))
            guess(std::string("the instruction before, at the same physical address, is MOV ") +
                  ((before[2] & 0xF8) == 0xC0 ? "CR0" : "CR3") +
                  ": the tables that count from then on must map the code that is executing where it is (an identity "
                  "mapping)");
        recursion(mask);
    }
    void recursion(u64 mask) {
        if (m.long_mode() || (m.cr4 & cr4::PAE) != 0 || s.fault.cr2 < 0xFFC0'0000) return;
        for (u64 i = 0; i < 1024; ++i) {
            std::array<u8, 4> raw{};
            if (m.read_physical((m.cr3 & mask) + 4 * i, raw) != 4) return;
            u32 entry = 0;
            std::memcpy(&entry, raw.data(), sizeof entry);
            if ((entry & 1) == 0 || (entry & ~u32{page_mask}) != (m.cr3 & mask) || i == 1023) continue;
            return guess("the recursive mapping is in entry " + std::to_string(i) +
                         " of the page directory, so that the tables appear at " + h(i << 22, 8) +
                         "; for FFC00000h it would have to be entry 1023");
        }
    }

    // --- stack -------------------------------------------------------------------------------------------------------
    void stack() {
        const StackPlace place = StackPlace::current(m);
        const u64 sp = place.sp & place.mask();
        const u64 linear = place.long64 ? sp : static_cast<u32>(place.segment.base + sp);
        const std::string name = place.long64 ? "RSP" : m.seg[SS].big() ? "ESP" : "SP";
        const u64 below = s.fault.cr2;
        const bool not_mapped = s.fault.vector == Exception::PF && (s.fault.error & 1) == 0;
        if (not_mapped && below < linear && linear - below <= 512 && s.fault.cr2 != m.code_linear(m.ip)) {
            const u64 above = (below & ~page_mask) + page_size;
            if (physical(above))
                guess("the stack has grown out of its memory: " + name + " is " + m.offset(sp) + ", the page at " +
                      m.address(above) +
                      " is mapped and the one below it is not (a recursion without an end, or large "
                      "local variables)");
            else
                guess(name + " (" + m.offset(sp) + ") points to no memory that is mapped");
            return;
        }
        const auto phys = physical(linear - 4);
        if (phys && !answers(*phys, MemoryMap::Access::write))
            guess("the stack is nowhere: " + name + " is " + m.offset(sp) + ", and at physical address " + h(*phys, 8) +
                  (answers(*phys) ? " there is ROM: what is pushed is lost"
                                  : " there is no memory: what is pushed is lost, and what is popped are FFs"));
    }

    // --- execution where there is no program ------------------------------------------------------------------------
    void wild_code() {
        if (delivering()) return;
        const u64 here = m.code_linear(m.ip);
        const auto phys = physical(here);
        const bool unmapped = s.fault.vector == Exception::PF && s.fault.cr2 == here;
        if (phys && !answers(*phys)) {
            guess("execution has left all memory: nothing answers at physical address " + h(*phys, 8) +
                  ", and what is read there are FFs");
        } else if (here < first_vectors && !unmapped && names_.name(here).empty()) {
            guess("what is executed are the vectors of real mode, at address 0: a jump or call through a null pointer");
        } else if (executes_zeroes(d)) {
            guess(zeroes_guess);
        } else if (!unmapped) {
            return;
        }
        exchanged_halves(here);
        caller();
    }
    void exchanged_halves(u64 here) {
        if (m.long_mode()) return;
        for (unsigned v = 0; v < 256 && v * 8u + 7 <= m.idtr.limit; ++v) {
            const auto gate = descriptor_at(static_cast<u32>(m.idtr.base + v * 8u));
            if (!gate || !leads_to_code(*gate, true) || gate->gate_offset() > here || here - gate->gate_offset() > 64)
                continue;
            const u64 other = exchanged(gate->gate_offset());
            const auto phys = physical(other);
            guess("the gate of vector " + h(v, 2) + " leads here" +
                  (phys && answers(*phys) ? "; with the halves of its offset exchanged it would lead to " + at(other)
                                          : std::string()));
            return;
        }
    }
    /// A return address on the stack.
    void caller() {
        const StackPlace place = StackPlace::current(m);
        const unsigned width = place.long64 ? 8 : m.code_bits() == 16 ? 2 : 4;
        for (unsigned i = 0; i < 8; ++i) {
            const u64 offset = (place.sp + u64{i} * width) & place.mask();
            const auto value = m.number(place.long64 ? offset : static_cast<u32>(place.segment.base + offset), width);
            if (!value) return;
            const auto text = call_before(*value);
            if (text.empty()) continue;
            guess("on the stack lies " + m.offset(*value) + names_.name(m.code_linear(*value)) +
                  ", the address behind " + text + ": the call that has led here");
            return;
        }
    }
    /// The CALL that ends at `ip`, or nothing.
    std::string call_before(u64 ip) const {
        for (unsigned length = 2; length <= 7 && length <= ip; ++length) {
            Moment then = m;
            then.ip = ip - length;
            const Decoded call = Decoded::at(then);
            if (call.valid && call.length == length && call.is({ZYDIS_MNEMONIC_CALL})) return call.text;
        }
        return {};
    }

    void a20() {
        if (!m.cpu->memory.a20())
            found_.insert(found_.begin(), "the A20 gate is closed: bit 20 of every address is 0, so that what is meant "
                                          "for the second MByte reaches the first");
    }

    const Story& names_;
    const Moment& m;
    const Decoded& d;
    const Symptom& s;
    std::vector<std::string> found_;
};

} // namespace

bool missing_gdt(const Moment& m) {
    return !m.real_mode() && ((m.gdtr.base == 0 && m.gdtr.limit == 0) ||
                              (m.gdtr.base >= 0xF'0000 && m.gdtr.base < 0x10'0000) || m.gdtr.base >= 0xFFFF'0000);
}

bool executes_zeroes(const Decoded& d) {
    return d.readable >= 8 && std::all_of(d.bytes.begin(), d.bytes.begin() + 8, [](u8 b) { return b == 0; });
}

std::string missing_idt(const Moment& m) {
    if (m.real_mode() || m.idtr.base != 0) return {};
    if (m.idtr.limit == 0x3FF || m.idtr.limit == 0xFFFF)
        return "IDTR has base 0 and limit " + h(m.idtr.limit, 4) + ", real mode's vectors";
    if (m.idtr.limit == 0) return "IDTR has base 0 and limit 0";
    return {};
}

std::vector<std::string> guesses(const Story& names, const Moment& m, const Decoded& d, const Symptom& symptom) {
    return Guesser(names, m, d, symptom).all();
}

} // namespace glassbox::explain
