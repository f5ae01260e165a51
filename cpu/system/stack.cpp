// Frames on stacks (SDM 3A 6.12.1, 5.8.5, 6.14.2). A 16-bit stack pointer wraps between the values of a frame, never in
// one.
#include "cpu/system/stack.hpp"

namespace glassbox {

bool Stack::canonical(Cpu& cpu, u64 offset, unsigned width) const {
    return (cpu.canonical(offset) && cpu.canonical(offset + width - 1)) ||
           cpu.raise(Exception::SS, error, "the stack address is not canonical");
}

bool Stack::find(Cpu& cpu, u64 offset, unsigned width, u64& linear) const {
    linear = offset;
    if (long64) return canonical(cpu, offset, width);
    linear = static_cast<u32>(segment.base + offset);
    return segment.readable_at(offset, width) ||
           outside_stack(cpu, segment, static_cast<u32>(offset), width, error, linear);
}

bool Stack::place(Cpu& cpu, u64 offset, unsigned width, u64& linear) const {
    linear = offset;
    if (long64) return canonical(cpu, offset, width);
    linear = static_cast<u32>(segment.base + offset);
    return segment.writable_at(offset, width) ||
           outside_stack(cpu, segment, static_cast<u32>(offset), width, error, linear);
}

bool Stack::peek(Cpu& cpu, unsigned width, u32 displacement, u64& value) const {
    u64 linear = 0;
    if (!find(cpu, (sp + displacement) & mask(), width, linear)) return false;
    if (width == 8) return read_linear<u64>(cpu, linear, value, privilege);
    u32 dword = 0;
    u16 word = 0;
    if (width == 4 ? !read_linear<u32>(cpu, linear, dword, privilege) : !read_linear<u16>(cpu, linear, word, privilege))
        return false;
    value = width == 4 ? dword : word;
    return true;
}

bool Stack::has_room(Cpu& cpu, unsigned width, std::size_t count) const {
    u64 at = sp;
    u64 linear = 0;
    for (std::size_t i = 0; i < count; ++i) {
        at = (at - width) & mask();
        if (!place(cpu, at, width, linear)) return false;
        if (!write_is_tagged(cpu, linear, width, privilege) && !probe_write(cpu, linear, width, privilege))
            return false;
    }
    return true;
}

bool Stack::push(Cpu& cpu, unsigned width, std::span<const u64> values) {
    if (!has_room(cpu, width, values.size())) return false;
    u64 at = sp;
    u64 linear = 0;
    for (const u64 value : values) {
        at = (at - width) & mask();
        if (!place(cpu, at, width, linear)) return false;
        const bool written = width == 8   ? write_linear<u64>(cpu, linear, value, privilege)
                             : width == 4 ? write_linear<u32>(cpu, linear, static_cast<u32>(value), privilege)
                                          : write_linear<u16>(cpu, linear, static_cast<u16>(value), privilege);
        if (!written) return false;
    }
    sp = at;
    return true;
}

bool push_value(Cpu& cpu, unsigned width, u64 value) {
    Stack stack = Stack::current(cpu);
    if (!stack.push(cpu, width, std::span(&value, 1))) return false;
    stack.commit_pointer(cpu);
    return true;
}

} // namespace glassbox
