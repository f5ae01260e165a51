// The scope of an expression in a running machine (SDM 3A 3.4: segments; 20.1.1: real mode).
#include "debugger/symbols/expression_scope.hpp"

#include "debugger/debugger.hpp"
#include "debugger/symbols/frame_scope.hpp"
#include "debugger/symbols/symbols.hpp"
#include "debugger/symbols/typed_value.hpp"

#include <algorithm>
#include <array>

namespace glassbox {

std::optional<RegisterValue> CpuScope::read_register(std::string_view name) {
    // Where the machine is in its own time; neither is a register.
    if (name == "instructions") return RegisterValue{cpu_.scheduler.instructions(), 64};
    if (name == "nanoseconds") return RegisterValue{cpu_.scheduler.now() / nanosecond, 64};
    return glassbox::read_register(cpu_, name);
}

std::optional<u64> CpuScope::symbol(std::string_view name) {
    if (!symbols_ || symbols_->empty()) return {};
    // With a dot only labels ("start.print"): members of variables are found with their types.
    return name.find('.') == std::string_view::npos ? symbols_->address_of(name) : symbols_->address_of_symbol(name);
}

std::optional<TypedVariable> CpuScope::local(std::string_view name) {
    if (!symbols_ || !symbols_->has_types() || name.find_first_of(".:@") != std::string_view::npos) return {};
    const auto scope = frame_scope(cpu_, *symbols_, name);
    if (!scope) return {};
    const auto& all = scope->variables;
    const auto found = std::find_if(all.rbegin(), all.rend(), // inner ones win
                                    [&](const TypedVariable& variable) { return variable.name == name; });
    return found == all.rend() ? std::nullopt : std::optional(*found);
}

std::optional<TypedVariable> CpuScope::variable(std::string_view name) {
    return symbols_ ? symbols_->typed_variable(name) : std::nullopt;
}

std::optional<Symbols::Constant> CpuScope::constant(std::string_view name) {
    return symbols_ ? symbols_->constant(name) : std::nullopt;
}

TypePtr CpuScope::type(std::string_view name) { return symbols_ ? symbols_->type_named(name) : TypePtr(); }

std::optional<u64> CpuScope::line(std::string_view file, unsigned line) {
    return symbols_ ? symbols_->address_of_line(file, line) : std::nullopt;
}

std::string CpuScope::line_hint(std::string_view file, unsigned line) {
    constexpr unsigned reach = 1000;
    if (!symbols_ || line > ~0u - reach) return {};
    const auto lines = symbols_->lines_with_code(file, line, line + reach);
    return lines.empty() ? std::string() : "; line " + std::to_string(lines.front()) + " is the next that has one";
}

bool CpuScope::read(Address::Space space, u64 address, std::span<u8> bytes) {
    const std::size_t got = space == Address::Space::physical ? read_physical_quietly(cpu_, address, bytes)
                                                              : read_linear_quietly(cpu_, address, bytes);
    return got == bytes.size();
}

unsigned CpuScope::code_bits() { return glassbox::code_bits(cpu_); }

u64 CpuScope::segment_base(unsigned segment) { return cpu_.code64() ? cpu_.base64[segment] : cpu_.seg[segment].base; }

u16 CpuScope::segment_selector(unsigned segment) { return cpu_.seg[segment].selector; }

Expected<u64> CpuScope::selector_base(u16 selector) {
    if (cpu_.real_mode() || cpu_.v86()) return u64{selector} * 16;
    for (unsigned i = 0; i < cpu_.seg.size(); ++i) {
        if (cpu_.seg[i].selector == selector && cpu_.seg[i].usable()) return segment_base(i);
    }
    if (cpu_.code64()) return u64{0};
    const bool local = (selector & 4) != 0;
    const u64 base = local ? cpu_.ldtr.base : cpu_.gdtr.base;
    const u64 limit = local ? (cpu_.ldtr.usable() ? cpu_.ldtr.limit : 0) : cpu_.gdtr.limit;
    const u64 at = selector & 0xFFF8u;
    if (selector < 4) return fail("the null selector names no segment");
    if (at + 7 > limit)
        return fail(std::string("the selector lies beyond the limit of the ") + (local ? "LDT" : "GDT"));
    std::array<u8, 8> bytes{};
    if (read_linear_quietly(cpu_, base + at, bytes) != bytes.size())
        return fail("the selector's descriptor cannot be read");
    if ((bytes[5] & 0x10) == 0) return fail("the selector names a gate or system segment, no code or data");
    return u64{bytes[2]} | u64{bytes[3]} << 8 | u64{bytes[4]} << 16 | u64{bytes[7]} << 24;
}

// --- of a debugger: the processor that its commands look at
Expected<u64> Expression::evaluate(Debugger& debugger) const {
    CpuScope scope(debugger.cpu(), &debugger.symbols());
    return evaluate(scope);
}

Expected<TypedValue> Expression::typed(Debugger& debugger) const {
    CpuScope scope(debugger.cpu(), &debugger.symbols());
    return typed(scope);
}

Expected<Address> Expression::address(Debugger& debugger) const {
    CpuScope scope(debugger.cpu(), &debugger.symbols());
    return address(scope);
}

Expected<Place> Expression::place(Debugger& debugger) const {
    CpuScope scope(debugger.cpu(), &debugger.symbols());
    return place(scope);
}

Expected<u64> evaluate(Debugger& debugger, std::string_view text) {
    return Expression::parse(text).and_then([&](const Expression& e) { return e.evaluate(debugger); });
}

Expected<Address> evaluate_address(Debugger& debugger, std::string_view text) {
    return Expression::parse(text).and_then([&](const Expression& e) { return e.address(debugger); });
}

Expected<Place> evaluate_place(Debugger& debugger, std::string_view text) {
    return Expression::parse(text).and_then([&](const Expression& e) { return e.place(debugger); });
}

} // namespace glassbox
