// Tags, and the memory images of the x87 state: SDM 1, 8.1.7, 8.1.10 (figures 8-9 to 8-12) and 10.5.1.
// Reserved upper halves of 32-bit fields are stored as ones, as Intel processors do.
#include "cpu/fpu/state.hpp"

#include <cassert>

namespace glassbox {
namespace {

void put16(std::span<u8> out, std::size_t at, u32 value) {
    out[at] = static_cast<u8>(value);
    out[at + 1] = static_cast<u8>(value >> 8);
}
void put32(std::span<u8> out, std::size_t at, u32 value) {
    put16(out, at, value);
    put16(out, at + 2, value >> 16);
}
void put64(std::span<u8> out, std::size_t at, u64 value) {
    put32(out, at, static_cast<u32>(value));
    put32(out, at + 4, static_cast<u32>(value >> 32));
}
u16 get16(std::span<const u8> in, std::size_t at) { return static_cast<u16>(in[at] | in[at + 1] << 8); }
u32 get32(std::span<const u8> in, std::size_t at) { return get16(in, at) | (u32{get16(in, at + 2)} << 16); }
u64 get64(std::span<const u8> in, std::size_t at) { return get32(in, at) | (u64{get32(in, at + 4)} << 32); }

constexpr u32 reserved_ones = 0xffff0000;

} // namespace

void FpuState::init() {
    control = control_after_init;
    status = 0;
    top = 0;
    valid = 0;
    instruction_pointer = data_pointer = 0;
    instruction_selector = data_selector = 0;
    opcode = 0;
}

u16 FpuState::tag_word() const {
    u16 word = 0;
    for (unsigned i = 0; i < 8; ++i) {
        const Register& r = registers[i];
        const unsigned exponent = r.sign_exponent & 0x7fff;
        unsigned tag = 0;
        if (!(valid >> i & 1)) {
            tag = 3;
        } else if (exponent == 0 && r.significand == 0) {
            tag = 1;
        } else if (exponent == 0 || exponent == 0x7fff || !(r.significand >> 63)) {
            tag = 2;
        }
        word = static_cast<u16>(word | tag << (2 * i));
    }
    return word;
}

void FpuState::set_tag_word(u16 value) {
    valid = 0;
    for (unsigned i = 0; i < 8; ++i) {
        // Only "empty" is remembered: the rest follows from the contents.
        if (((value >> (2 * i)) & 3) != 3) valid = static_cast<u8>(valid | 1u << i);
    }
}

void FpuState::store_environment(std::span<u8> out, FpuImageFormat format) const {
    assert(out.size() >= format.environment_size());
    const u32 code = static_cast<u32>(instruction_pointer), data = static_cast<u32>(data_pointer);
    const u32 linear_code = code + (u32{instruction_selector} << 4), linear_data = data + (u32{data_selector} << 4);
    const u32 op = opcode & 0x7ff;
    if (format.wide) {
        put32(out, 0, reserved_ones | control);
        put32(out, 4, reserved_ones | status_word());
        put32(out, 8, reserved_ones | tag_word());
        if (format.protected_mode) {
            put32(out, 12, code);
            put32(out, 16, instruction_selector | op << 16);
            put32(out, 20, data);
            put32(out, 24, reserved_ones | data_selector);
        } else {
            put32(out, 12, reserved_ones | (linear_code & 0xffff));
            put32(out, 16, (linear_code >> 16) << 12 | op);
            put32(out, 20, reserved_ones | (linear_data & 0xffff));
            put32(out, 24, (linear_data >> 16) << 12);
        }
        return;
    }
    put16(out, 0, control);
    put16(out, 2, status_word());
    put16(out, 4, tag_word());
    put16(out, 6, format.protected_mode ? code : linear_code);
    put16(out, 8, format.protected_mode ? instruction_selector : (linear_code >> 16) << 12 | op);
    put16(out, 10, format.protected_mode ? data : linear_data);
    put16(out, 12, format.protected_mode ? data_selector : (linear_data >> 16) << 12);
}

void FpuState::load_environment(std::span<const u8> in, FpuImageFormat format) {
    assert(in.size() >= format.environment_size());
    const std::size_t step = format.wide ? 4 : 2;
    set_control(get16(in, 0));
    set_status_word(get16(in, step));
    set_tag_word(get16(in, 2 * step));
    const auto field = [&](std::size_t n) { return format.wide ? get32(in, n * 4) : get16(in, n * 2); };
    if (format.protected_mode) {
        instruction_pointer = field(3);
        instruction_selector = static_cast<u16>(field(4));
        if (format.wide) opcode = (field(4) >> 16) & 0x7ff;
        data_pointer = field(5);
        data_selector = static_cast<u16>(field(6));
        return;
    }
    instruction_pointer = (field(3) & 0xffff) | ((field(4) >> 12) & 0xffff) << 16;
    opcode = field(4) & 0x7ff;
    data_pointer = (field(5) & 0xffff) | ((field(6) >> 12) & 0xffff) << 16;
    instruction_selector = data_selector = 0;
}

void FpuState::store_state(std::span<u8> out, FpuImageFormat format) const {
    assert(out.size() >= format.state_size());
    store_environment(out, format);
    for (unsigned i = 0; i < 8; ++i) {
        const std::size_t at = format.environment_size() + 10 * i;
        put64(out, at, st(i).significand);
        put16(out, at + 8, st(i).sign_exponent);
    }
}

void FpuState::load_state(std::span<const u8> in, FpuImageFormat format) {
    assert(in.size() >= format.state_size());
    load_environment(in, format);
    for (unsigned i = 0; i < 8; ++i) {
        const std::size_t at = format.environment_size() + 10 * i;
        registers[physical(i)] = {get64(in, at), get16(in, at + 8)};
    }
}

void FpuState::store_fx(std::span<u8> out, bool wide_pointers) const {
    assert(out.size() >= 160);
    put16(out, 0, control);
    put16(out, 2, status_word());
    put16(out, 4, valid); // abridged tags: one bit a physical register
    put16(out, 6, opcode & 0x7ff);
    if (wide_pointers) {
        put64(out, 8, instruction_pointer);
        put64(out, 16, data_pointer);
    } else {
        put32(out, 8, static_cast<u32>(instruction_pointer));
        put32(out, 12, instruction_selector);
        put32(out, 16, static_cast<u32>(data_pointer));
        put32(out, 20, data_selector);
    }
    for (unsigned i = 0; i < 8; ++i) {
        const std::size_t at = 32 + 16 * i;
        put64(out, at, st(i).significand);
        put64(out, at + 8, st(i).sign_exponent);
    }
}

void FpuState::load_fx(std::span<const u8> in, bool wide_pointers) {
    assert(in.size() >= 160);
    set_control(get16(in, 0));
    set_status_word(get16(in, 2));
    valid = in[4];
    opcode = get16(in, 6) & 0x7ff;
    instruction_pointer = wide_pointers ? get64(in, 8) : get32(in, 8);
    data_pointer = wide_pointers ? get64(in, 16) : get32(in, 16);
    instruction_selector = wide_pointers ? u16{0} : get16(in, 12);
    data_selector = wide_pointers ? u16{0} : get16(in, 20);
    for (unsigned i = 0; i < 8; ++i) {
        const std::size_t at = 32 + 16 * i;
        registers[physical(i)] = {get64(in, at), get16(in, at + 8)};
    }
}

void FpuState::persist(Archive& archive) {
    archive.chunk("x87", 1, [&](u32) {
        archive(registers, control, status, top, valid, instruction_pointer, data_pointer, instruction_selector,
                data_selector, opcode);
    });
    archive.require(top < 8, "the x87 stack pointer is out of range");
    archive.require((status & ~(conditions | stack_fault | softfloat::flag::all)) == 0,
                    "x87 status has computed bits set");
    archive.require(control == ((control & 0x1f3f) | 0x40), "x87 control has reserved bits set");
}

} // namespace glassbox
