#include "debugger/explain/moment.hpp"

#include "debugger/explain/paging.hpp"
#include "debugger/view.hpp"

#include <algorithm>

namespace glassbox::explain {

Moment Moment::of(const Cpu& cpu) {
    Moment m;
    m.cpu = &cpu;
    m.instructions = cpu.scheduler.instructions();
    std::copy_n(cpu.gpr.begin(), m.gpr.size(), m.gpr.begin());
    m.ip = cpu.ip;
    m.eflags = cpu.full_eflags();
    m.cpl = cpu.cpl;
    m.cr0 = cpu.cr0;
    m.cr2 = cpu.cr2;
    m.cr3 = cpu.cr3;
    m.cr4 = cpu.cr4;
    m.efer = cpu.msrs.efer;
    m.xcr0 = cpu.xcr0;
    m.pdpte = cpu.pdpte;
    m.pkru = cpu.pkru;
    m.mxcsr = cpu.sse.mxcsr;
    m.mode = cpu.mode;
    m.fpu_control = cpu.fpu.control;
    m.fpu_status = cpu.fpu.status;
    m.gdtr = cpu.gdtr;
    m.idtr = cpu.idtr;
    m.ldtr = cpu.ldtr;
    m.tr = cpu.tr;
    m.seg = cpu.seg;
    return m;
}

std::string Moment::mode_words() const {
    if (real_mode()) return "real mode";
    if (v86()) return "virtual-8086 mode";
    if (code64()) return "64-bit mode";
    const std::string bits = std::to_string(code_bits());
    return long_mode() ? "compatibility mode, " + bits + "-bit code" : bits + "-bit protected mode";
}

std::size_t Moment::read_physical(u64 phys, std::span<u8> bytes) const {
    std::size_t done = 0;
    while (done < bytes.size()) {
        const u64 at = (phys + done) & cpu->memory.a20_mask() & ((u64{1} << cpu->model->physical_bits) - 1);
        const std::size_t part = std::min<std::size_t>(bytes.size() - done, page_size - (at & page_mask));
        const auto here = bytes.subspan(done, part);
        if (cpu->memory.peek_block(PhysAddress{at}, here) != part) {
            if (region_at(cpu->memory, at, MemoryMap::Access::read) != nullptr) break; // a device's, which does not say
            std::ranges::fill(here, u8{0xFF});
        }
        done += part;
    }
    return done;
}

u64 Moment::physical(u64 linear) const {
    if (!long_mode()) linear = static_cast<u32>(linear);
    if (long_mode() && !canonical(linear)) return 0;
    const PageView view = walk(*this, linear);
    return view.result == PageView::Result::mapped ? view.phys : 0;
}

std::size_t Moment::read(u64 linear, std::span<u8> bytes) const {
    std::size_t done = 0;
    while (done < bytes.size()) {
        u64 at = linear + done;
        if (!long_mode()) at = static_cast<u32>(at);
        if (long_mode() && !canonical(at)) break;
        const PageView view = walk(*this, at);
        if (view.result != PageView::Result::mapped) break;
        const std::size_t part = std::min<std::size_t>(bytes.size() - done, page_size - (at & page_mask));
        const std::size_t got = read_physical(view.phys, bytes.subspan(done, part));
        done += got;
        if (got != part) break;
    }
    return done;
}

std::optional<u64> Moment::number(u64 linear, unsigned width) const {
    std::array<u8, 8> bytes{};
    if (width > bytes.size() || read(linear, std::span(bytes).first(width)) != width) return {};
    u64 result = 0;
    std::memcpy(&result, bytes.data(), sizeof result);
    return result;
}

namespace {

std::string ends(const Segment& s) {
    return std::string(", DPL ") + std::to_string(s.dpl()) + (s.present() ? ", present" : ", NOT present") + ", base " +
           h(s.base, s.base >> 32 ? 16 : 8) + ", limit " + h(s.limit, 8);
}

} // namespace

/// SDM 3A, table 3-1.
std::string segment_words(const Segment& s, bool long_mode) {
    if (!s.usable()) return "null: unusable";
    std::string text;
    if (s.is_code()) {
        const char* size = long_mode && (s.access & Segment::L) ? "64" : s.big() ? "32" : "16";
        text = std::string(size) + "-bit code, " + (s.is_readable() ? "readable" : "execute-only");
        if (s.is_conforming_code()) text += ", conforming";
    } else {
        text = std::string("data, ") + (s.is_writable_data() ? "writable" : "read-only");
        if ((s.access & Segment::expand_down) != 0) text += ", expand-down";
    }
    return text + ends(s);
}

/// SDM 3A, table 3-2.
std::string descriptor_type(const Moment& m, const Descriptor& d) {
    if (d.is_code()) return d.conforming() ? "conforming code segment" : "code segment";
    if (d.is_data()) return d.writable_data() ? "writable data segment" : "read-only data segment";
    static constexpr const char* legacy[16] = {
        "reserved type 0",        "16-bit TSS (available)", "LDT",
        "16-bit TSS (busy)",      "16-bit call gate",       "task gate",
        "16-bit interrupt gate",  "16-bit trap gate",       "reserved type 8",
        "32-bit TSS (available)", "reserved type 10",       "32-bit TSS (busy)",
        "32-bit call gate",       "reserved type 13",       "32-bit interrupt gate",
        "32-bit trap gate"};
    static constexpr const char* wide[16] = {"reserved type 0",        "reserved type 1",  "LDT",
                                             "reserved type 3",        "reserved type 4",  "reserved type 5",
                                             "reserved type 6",        "reserved type 7",  "reserved type 8",
                                             "64-bit TSS (available)", "reserved type 10", "64-bit TSS (busy)",
                                             "64-bit call gate",       "reserved type 13", "64-bit interrupt gate",
                                             "64-bit trap gate"};
    return (m.long_mode() ? wide : legacy)[d.type()];
}

std::string descriptor_words(const Moment& m, const Descriptor& d) {
    if (!d.is_system()) return segment_words(d.segment(0), m.long_mode());
    std::string text = descriptor_type(m, d);
    switch (d.system_type()) {
    case SystemType::call_gate16:
    case SystemType::call_gate32:
    case SystemType::interrupt_gate16:
    case SystemType::trap_gate16:
    case SystemType::interrupt_gate32:
    case SystemType::trap_gate32:
        text += " to " + far_words(d.gate_selector(), d.gate_offset(), m.long_mode() ? 16 : 8);
        break;
    case SystemType::task_gate: text += " to the TSS of selector " + h(d.gate_selector(), 4); break;
    default: return text + ends(d.segment(0));
    }
    return text + ", DPL " + std::to_string(d.dpl()) + (d.present() ? ", present" : ", NOT present");
}

std::string selector_words(u16 selector) {
    if (is_null(selector)) return h(selector, 4) + " (null)";
    return h(selector, 4) + " (index " + std::to_string(selector >> 3) + ((selector & 4) ? ", LDT" : ", GDT") +
           ", RPL " + std::to_string(selector & 3) + ")";
}

} // namespace glassbox::explain
