// Expressions: any text is one, or is refused with a reason; its evaluation ends, on whatever it finds.
#include "debugger/symbols/expression_scope.hpp"

#include <algorithm>
#include <cstdlib>

using namespace glassbox;

namespace {

struct AnyScope final : ExpressionScope {
    std::optional<RegisterValue> read_register(std::string_view name) override {
        if (name.size() != 3) return {};
        return RegisterValue{.value = static_cast<u64>(name[0]) << 60 | 0xFFFF'FFF0, .bits = 32};
    }
    std::optional<u64> symbol(std::string_view name) override {
        return name.size() == 4 ? std::optional(u64{0x1000}) : std::nullopt;
    }
    std::optional<u64> line(std::string_view, unsigned line) override { return line; }
    bool read(Address::Space, u64 address, std::span<u8> bytes) override {
        std::ranges::fill(bytes, static_cast<u8>(address));
        return (address & 8) == 0;
    }
    unsigned code_bits() override { return 32; }
    u64 segment_base(unsigned segment) override { return ~u64{0} - segment; }
    u16 segment_selector(unsigned) override { return 8; }
    Expected<u64> selector_base(u16 selector) override {
        if (selector & 4) return fail("no LDT");
        return u64{selector} << 4;
    }
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto expression = Expression::parse(text);
    if (!expression) {
        if (expression.error().message.find("column") == std::string::npos && size <= 4096) std::abort();
        return 0;
    }
    AnyScope scope;
    const auto value = expression->evaluate(scope);
    if (!value && value.error().message.empty()) std::abort();
    const auto place = expression->place(scope);
    if (place && place->size > 8) std::abort();
    expression->address(scope);
    return 0;
}
