// Frames on stacks (SDM 3A 6.12.1, 5.8.5). A 16-bit stack pointer wraps between the values of a frame, never in one.
#include "cpu/system/stack.hpp"

namespace glassbox {

bool Stack::peek(Cpu& cpu, unsigned width, u32 displacement, u32& value) const {
    const u32 offset = (sp + displacement) & mask();
    u64 linear = static_cast<u32>(segment.base + offset);
    if (!segment.readable_at(offset, width) && !outside_stack(cpu, segment, offset, width, error, linear)) return false;
    if (width == 4) return read_linear<u32>(cpu, linear, value, privilege);
    u16 narrow = 0;
    if (!read_linear<u16>(cpu, linear, narrow, privilege)) return false;
    value = narrow;
    return true;
}

bool Stack::place(Cpu& cpu, u32 offset, unsigned width, u64& linear) const {
    linear = static_cast<u32>(segment.base + offset);
    return segment.writable_at(offset, width) || outside_stack(cpu, segment, offset, width, error, linear);
}

bool Stack::has_room(Cpu& cpu, unsigned width, std::size_t count) const {
    u32 at = sp;
    u64 linear = 0;
    for (std::size_t i = 0; i < count; ++i) {
        at = (at - width) & mask();
        if (!place(cpu, at, width, linear)) return false;
        if (!write_is_tagged(cpu, linear, width, privilege) && !probe_write(cpu, linear, width, privilege))
            return false;
    }
    return true;
}

bool Stack::push(Cpu& cpu, unsigned width, std::span<const u32> values) {
    if (!has_room(cpu, width, values.size())) return false;
    u32 at = sp;
    u64 linear = 0;
    for (const u32 value : values) {
        at = (at - width) & mask();
        if (!place(cpu, at, width, linear)) return false;
        const bool written = width == 4 ? write_linear<u32>(cpu, linear, value, privilege)
                                        : write_linear<u16>(cpu, linear, static_cast<u16>(value), privilege);
        if (!written) return false;
    }
    sp = at;
    return true;
}

bool push_value(Cpu& cpu, unsigned width, u32 value) {
    Stack stack = Stack::current(cpu);
    if (!stack.push(cpu, width, std::span(&value, 1))) return false;
    stack.commit_pointer(cpu);
    return true;
}

} // namespace glassbox
