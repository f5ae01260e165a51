#include "tests/fuzz/hostile_guest.hpp"

#include "cpu/block/cache.hpp"

#include <algorithm>
#include <array>

namespace glassbox::test {

u64 Choices::bits(unsigned count) {
    u64 v = 0;
    if (!scripted_) {
        v = random_();
    } else {
        for (unsigned i = 0; i < (count + 7) / 8 && at_ < bytes_.size(); ++i) v |= u64{bytes_[at_++]} << (8 * i);
    }
    return count >= 64 ? v : v & ((u64{1} << count) - 1);
}

u64 Choices::value() {
    switch (below(6)) {
    case 0: return 0;
    case 1: return ~u64{0};
    case 2: return u64{1} << below(64);
    case 3: return (u64{1} << below(64)) - 1;
    case 4: return bits(8);
    default: return bits(64);
    }
}

u64 Choices::address(u64 ram_size) {
    switch (below(8)) {
    case 0: return ram_size - below(64);
    case 1: return 0xA0000 + bits(17);
    case 2: return 0xC0000 + bits(18);
    case 3: return 0xFFFF'FFFF - below(64);
    case 4: return (u64{1} << 32) - 0x200'0000 + bits(25);
    case 5: return 0xE000'0000 + bits(28);
    default: return bits(64) % ram_size;
    }
}

unsigned HostileGuest::width() { return 1u << choices_.below(3); }

void HostileGuest::run(u64 instructions, Time time) {
    const StopReason reason = machine_.run(machine_.now() + time, machine_.instructions() + instructions);
    if (reason == StopReason::idle_forever && choices_.one_in(4)) static_cast<void>(machine_.inject(ResetInput{}));
    if (reason == StopReason::power_off) {
        board_.powered_off = false;
        static_cast<void>(machine_.inject(ResetInput{}));
    }
}

void HostileGuest::harass_devices() {
    static constexpr std::array<void (HostileGuest::*)(), 16> ways = {
        &HostileGuest::any_port,         &HostileGuest::any_port,
        &HostileGuest::any_register,     &HostileGuest::pci_configuration,
        &HostileGuest::ide_command,      &HostileGuest::ide_bus_master,
        &HostileGuest::floppy_command,   &HostileGuest::isa_dma,
        &HostileGuest::fw_cfg_dma,       &HostileGuest::vbe,
        &HostileGuest::indexed_register, &HostileGuest::apic,
        &HostileGuest::outside_input,    &HostileGuest::look,
        &HostileGuest::indexed_register, &HostileGuest::any_register};
    (this->*ways[choices_.below(ways.size())])();
    if (choices_.one_in(8)) run(choices_.below(3000), choices_.below(20) * millisecond);
}

void HostileGuest::any_port() {
    const auto& mappings = board_.ports.mappings();
    const auto& m = mappings[choices_.below(mappings.size())];
    u64 port = m.range.first.value + choices_.below(std::max<u64>(m.range.count, 1));
    if (choices_.one_in(16)) port = choices_.bits(16);
    for (u64 n = 1 + choices_.below(4); n-- > 0;) {
        if (choices_.one_in(3))
            in(static_cast<u16>(port), width());
        else
            out(static_cast<u16>(port), choices_.value(), width());
    }
}

void HostileGuest::any_register() {
    const auto& regions = board_.memory.regions();
    const auto& r = regions[choices_.below(regions.size())];
    const u64 at = r.start + choices_.below(std::max<u64>(r.size, 1)) + (choices_.one_in(8) ? r.size - 4 : 0);
    const unsigned size = 1u << choices_.below(4);
    if (choices_.one_in(3))
        board_.memory.read(PhysAddress{at}, size);
    else
        board_.memory.write(PhysAddress{at}, size, choices_.value());
}

void HostileGuest::pci_configuration() {
    static constexpr std::array<u32, 6> functions = {0x0000, 0x0800, 0x0900, 0x0B00, 0x1000, 0x1800};
    const u32 reg = static_cast<u32>(choices_.below(choices_.one_in(2) ? 256 : 0x40));
    out(0xCF8, 0x8000'0000 | functions[choices_.below(functions.size())] | (reg & 0xFC), 4);
    u64 value = choices_.value();
    if (choices_.one_in(2)) value = choices_.address(board_.memory.ram().size());
    if (choices_.one_in(3))
        in(static_cast<u16>(0xCFC + (reg & 3)), 1);
    else if (reg == 4)
        out(0xCFC, value | 7, 2);
    else
        out(0xCFC, value, 4);
}

void HostileGuest::ide_command() {
    const u16 base = choices_.one_in(2) ? 0x1F0 : 0x170;
    const unsigned unit = static_cast<unsigned>(choices_.below(2));
    out(static_cast<u16>(base + 6), (choices_.bits(4)) | unit << 4 | (choices_.one_in(2) ? 0x40 : 0));
    for (u16 reg = 1; reg < 6; ++reg) {
        if (choices_.one_in(2)) out(static_cast<u16>(base + reg), choices_.value());
        if (choices_.one_in(2)) out(static_cast<u16>(base + reg), choices_.value());
    }
    static constexpr std::array<u8, 44> commands = {0x00, 0x08, 0x10, 0x20, 0x21, 0x24, 0x25, 0x27, 0x29, 0x30, 0x34,
                                                    0x35, 0x37, 0x39, 0x40, 0x42, 0x70, 0x90, 0x91, 0xA0, 0xA1, 0xB0,
                                                    0xC4, 0xC5, 0xC6, 0xC8, 0xCA, 0xE0, 0xE1, 0xE2, 0xE3, 0xE5, 0xE6,
                                                    0xE7, 0xEA, 0xEC, 0xEF, 0xF5, 0xF8, 0xF9, 0x2F, 0x50, 0xA0, 0xA0};
    const u8 command =
        choices_.one_in(16) ? static_cast<u8>(choices_.bits(8)) : commands[choices_.below(commands.size())];
    out(static_cast<u16>(base + 7), command);
    run(100, 2 * millisecond);
    if (command == 0xA0) {
        static constexpr std::array<u8, 24> packets = {0x00, 0x03, 0x12, 0x1A, 0x1B, 0x1E, 0x23, 0x25,
                                                       0x28, 0x2B, 0x35, 0x42, 0x43, 0x44, 0x46, 0x4A,
                                                       0x51, 0x52, 0x55, 0x5A, 0xA8, 0xAD, 0xBE, 0xBD};
        std::array<u8, 12> packet{};
        for (u8& b : packet) b = static_cast<u8>(choices_.one_in(2) ? 0 : choices_.value());
        packet[0] = packets[choices_.below(packets.size())];
        for (unsigned i = 0; i < 6; ++i) out(base, packet[2 * i] | packet[2 * i + 1] << 8, 2);
        run(100, 2 * millisecond);
    }
    for (u64 n = choices_.below(choices_.one_in(8) ? 5000 : 40); n-- > 0;) {
        if (choices_.one_in(2))
            in(base, width());
        else
            out(base, choices_.bits(32), width());
    }
}

void HostileGuest::ide_bus_master() {
    // Where the firmware or this guest has put the bus-master registers.
    out(0xCF8, 0x8000'0920, 4);
    const u16 base = static_cast<u16>(in(0xCFC, 4) & 0xFFFC);
    const u64 size = board_.memory.ram().size();
    const u64 table = choices_.address(size) & ~u64{3};
    for (u64 i = 0; i < 4; ++i) {
        board_.memory.write(PhysAddress{table + 8 * i}, 4, choices_.address(size));
        board_.memory.write(PhysAddress{table + 8 * i + 4}, 4, choices_.value());
    }
    const u16 channel = choices_.one_in(2) ? 8 : 0;
    out(static_cast<u16>(base + channel + 4), table, 4);
    out(static_cast<u16>(base + channel + 2), choices_.bits(8));
    ide_command();
    out(static_cast<u16>(base + channel), choices_.bits(8) | 1);
    run(100, millisecond);
}

void HostileGuest::floppy_command() {
    static constexpr std::array<u8, 26> commands = {0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0A,
                                                    0x0C, 0x0D, 0x0E, 0x0F, 0x10, 0x12, 0x13, 0x14, 0x16,
                                                    0x18, 0x45, 0x46, 0x4A, 0x4D, 0x66, 0x8F, 0xE6};
    if (choices_.one_in(6)) out(0x3F2, choices_.bits(8));
    if (choices_.one_in(12)) out(0x3F4, choices_.bits(8));
    out(0x3F2, 0x1C | choices_.below(2));
    out(0x3F5, commands[choices_.below(commands.size())] | (choices_.one_in(2) ? 0x40 : 0));
    for (u64 n = choices_.below(10); n-- > 0;) out(0x3F5, choices_.one_in(2) ? choices_.below(4) : choices_.value());
    run(100, choices_.below(500) * millisecond);
    for (u64 n = choices_.below(16); n-- > 0;) in(0x3F5);
}

void HostileGuest::isa_dma() {
    static constexpr std::array<u16, 8> pages = {0x87, 0x83, 0x81, 0x82, 0x8F, 0x8B, 0x89, 0x8A};
    out(pages[choices_.below(8)], choices_.value());
    for (u64 n = 1 + choices_.below(8); n-- > 0;) {
        if (choices_.one_in(2))
            out(static_cast<u16>(choices_.below(16)), choices_.value());
        else
            out(static_cast<u16>(0xC0 + choices_.below(32)), choices_.value());
    }
    out(0x0A, choices_.below(8));
    out(0x0B, choices_.bits(8));
}

void HostileGuest::fw_cfg_dma() {
    const u64 size = board_.memory.ram().size(), at = choices_.address(size);
    const auto big_endian = [](u64 v) { return __builtin_bswap64(v); };
    board_.memory.write(
        PhysAddress{at}, 8,
        big_endian(choices_.bits(32) << 48 | choices_.below(32) << 32 | (choices_.value() & 0xFFFF'FFFF)));
    board_.memory.write(PhysAddress{at + 8}, 8, big_endian(choices_.address(size)));
    if (choices_.one_in(4))
        out(0x514, __builtin_bswap32(static_cast<u32>(choices_.value())), 4);
    else
        out(0x514, 0, 4);
    out(0x518, __builtin_bswap32(static_cast<u32>(at)), 4);
    out(0x510, choices_.one_in(2) ? choices_.below(64) : choices_.value(), 2);
    for (u64 n = choices_.below(20); n-- > 0;) in(0x511);
}

void HostileGuest::vbe() {
    for (u64 n = 1 + choices_.below(6); n-- > 0;) {
        out(0x1CE, choices_.one_in(8) ? choices_.value() : choices_.below(12), 2);
        out(0x1CF, choices_.one_in(2) ? choices_.value() : choices_.below(3000), 2);
        in(0x1CF, 2);
    }
    if (choices_.one_in(2)) {
        out(0x1CE, 4, 2);
        out(0x1CF, 0x41 | choices_.bits(8), 2);
    }
}

void HostileGuest::indexed_register() {
    static constexpr std::array<u16, 7> ports = {0x3C4, 0x3CE, 0x3D4, 0x3B4, 0x70, 0x72, 0x3C0};
    const u16 port = ports[choices_.below(ports.size())];
    for (u64 n = 1 + choices_.below(12); n-- > 0;) {
        out(port, choices_.below(choices_.one_in(4) ? 256 : 0x20));
        if (choices_.one_in(4))
            in(static_cast<u16>(port + 1));
        else
            out(static_cast<u16>(port + 1), choices_.value());
    }
    if (choices_.one_in(3))
        board_.memory.write(PhysAddress{0xA0000 + choices_.bits(17)}, 1u << choices_.below(3), choices_.bits(64));
    if (choices_.one_in(3)) board_.memory.read(PhysAddress{0xA0000 + choices_.bits(17)}, 1u << choices_.below(3));
}

void HostileGuest::apic() {
    static constexpr std::array<u64, 4> bases = {0xFEE0'0000, 0xFEC0'0000, 0xFED0'0000, 0xFEE0'0300};
    const u64 base = bases[choices_.below(bases.size())];
    for (u64 n = 1 + choices_.below(4); n-- > 0;) {
        if (base == 0xFEC0'0000) {
            board_.memory.write(PhysAddress{base}, 4, choices_.below(0x42));
            board_.memory.write(PhysAddress{base + 0x10}, 4, choices_.value());
        } else {
            board_.memory.write(PhysAddress{base + (choices_.bits(10) & ~u64{3})}, choices_.one_in(3) ? 8 : 4,
                                choices_.value());
        }
        board_.memory.read(PhysAddress{base + choices_.bits(10)}, 4);
    }
}

void HostileGuest::outside_input() {
    switch (choices_.below(7)) {
    case 0:
        static_cast<void>(
            machine_.inject(KeyInput{static_cast<u8>(choices_.bits(8)), choices_.one_in(2), choices_.one_in(2)}));
        break;
    case 1:
        static_cast<void>(
            machine_.inject(MouseInput{static_cast<int>(choices_.bits(32)), static_cast<int>(choices_.bits(12)),
                                       static_cast<int>(choices_.bits(32)), static_cast<u8>(choices_.bits(8))}));
        break;
    case 2: static_cast<void>(machine_.inject(SerialInput{0, std::vector<u8>(choices_.below(100), 0x41)})); break;
    case 3: static_cast<void>(machine_.inject(PowerButtonInput{})); break;
    case 4: static_cast<void>(machine_.inject(SkipTimeInput{choices_.bits(40)})); break;
    case 5:
        static_cast<void>(machine_.inject(MediaInput{static_cast<MediaInput::Drive>(choices_.below(3)), "", false}));
        break;
    default:
        if (choices_.one_in(8)) static_cast<void>(machine_.inject(ResetInput{}));
    }
}

void HostileGuest::look() {
    if (choices_.one_in(4)) machine_.display().render(frame_);
    static_cast<void>(machine_.processor_mode());
    static_cast<void>(machine_.idle_until());
    scribble(choices_.bits(64) % (board_.memory.ram().size() - 256), static_cast<unsigned>(choices_.below(256)));
}

void HostileGuest::scribble(u64 address, unsigned length) {
    std::array<u8, 256> data;
    for (unsigned i = 0; i < length; i += 8) {
        const u64 v = choices_.bits(64);
        std::memcpy(data.data() + i, &v, std::min(8u, length - i));
    }
    board_.memory.write_block(PhysAddress{address}, std::span(data).first(length));
}

// --- the processor
// -----------------------------------------------------------------------------------------------------

namespace {
constexpr u64 gdt_at = 0x2000, idt_at = 0x3000, tss_at = 0x4000, code_at = 0x1'0000, page_directory = 0x10'0000,
              page_tables = 0x10'1000;

void put(Board& board, u64 at, u64 value, unsigned size) { std::memcpy(board.memory.ram().data() + at, &value, size); }
} // namespace

void HostileGuest::random_tables() {
    for (u64 i = 0; i < 64; ++i) {
        u64 d = choices_.bits(64);
        if (!choices_.one_in(4)) { // sensible: present, in low memory
            const u64 base = choices_.bits(18), limit = choices_.one_in(2) ? 0xFFFFF : choices_.bits(20);
            d = (limit & 0xFFFF) | base << 16 | (choices_.bits(8) | 0x80) << 40 | (limit >> 16 & 0xF) << 48 |
                choices_.bits(4) << 52;
        }
        put(board_, gdt_at + 8 * i, d, 8);
    }
    for (u64 i = 0; i < 256; ++i) {
        static constexpr std::array<u8, 6> gates = {0x8E, 0x8F, 0x85, 0xEE, 0x86, 0xE5};
        u64 d = choices_.bits(64);
        if (!choices_.one_in(4)) {
            const u64 offset = choices_.bits(12), type = gates[choices_.below(gates.size())];
            d = offset | choices_.below(64) << 19 | type << 40;
        }
        put(board_, idt_at + 8 * i, d, 8);
    }
    for (u64 i = 0; i < 0x200; i += 8) put(board_, tss_at + i, choices_.bits(64) & 0x0000'FFFF'0000'FFFF, 8);
    // Legacy page tables, which PAE reads as something else again.
    for (u64 i = 0; i < 1024; ++i) {
        u64 pde = (page_tables + (i & 3) * 0x1000) | 7;
        if (choices_.one_in(16)) pde = choices_.bits(32);
        if (choices_.one_in(16)) pde = 0x87 | (choices_.bits(4) << 22);
        put(board_, page_directory + 4 * i, pde, 4);
    }
    for (u64 i = 0; i < 4096; ++i) {
        u64 pte = (i & 0xFF) << 12 | (choices_.one_in(8) ? choices_.bits(12) : 0x67);
        if (choices_.one_in(64)) pte = choices_.bits(32);
        put(board_, page_tables + 4 * i, pte, 4);
    }
}

void HostileGuest::random_code(u64 address, unsigned length) {
    u8* at = board_.memory.ram().data() + address;
    for (unsigned i = 0; i < length;) {
        const u64 v = choices_.bits(64);
        unsigned n = 1 + static_cast<unsigned>(v >> 61);
        if (choices_.one_in(3) && i + 2 < length) at[i++] = 0x0F;
        n = std::min(n, length - i);
        std::memcpy(at + i, &v, n);
        i += n;
    }
}

void HostileGuest::random_segment(Segment& s, bool code, unsigned level, bool real) {
    const bool flat = choices_.one_in(2);
    s.selector = static_cast<u16>(choices_.below(64) << 3 | level);
    s.base = flat ? 0 : choices_.bits(choices_.one_in(8) ? 32 : 17);
    s.limit = flat ? 0xFFFF'FFFF : static_cast<u32>(choices_.bits(choices_.one_in(4) ? 32 : 20));
    s.access = Segment::P | Segment::S | level << 5 | (code ? 0xB : 0x3) | (choices_.one_in(2) ? Segment::DB : 0) |
               (flat ? Segment::G : 0);
    if (!code && choices_.one_in(6)) s.access |= Segment::expand_down;
    if (!code && choices_.one_in(8)) s.access |= Segment::unusable;
    if (real) s.load_real(static_cast<u16>(choices_.bits(13)));
    s.update(real);
}

void HostileGuest::random_registers() {
    Cpu& cpu = board_.processors[0];
    const unsigned kind = static_cast<unsigned>(choices_.below(6)); // 0-1 real, 2 v86, 3 protected, 4 paging, 5 PAE
    for (unsigned i = 0; i < 8; ++i)
        cpu.gpr[i] = choices_.one_in(2) ? choices_.bits(18) : choices_.value() & 0xFFFF'FFFF;
    cpu.cr0 = cr0::ET | (kind >= 2 ? cr0::PE : 0) | (kind >= 4 ? cr0::PG : 0) |
              (choices_.bits(16) & (cr0::MP | cr0::EM | cr0::TS | cr0::NE)) | (choices_.one_in(2) ? cr0::WP : 0) |
              (choices_.one_in(3) ? cr0::AM : 0);
    cpu.cr4 = choices_.bits(32) & cpu.model->cr4_bits & ~u64{cr4::PAE};
    if (kind == 5 && (cpu.model->cr4_bits & cr4::PAE)) cpu.cr4 |= cr4::PAE;
    cpu.cr3 = page_directory;
    for (u64& p : cpu.pdpte) p = page_tables | 1;
    cpu.cr2 = 0;
    cpu.gdtr = {gdt_at, static_cast<u16>(choices_.one_in(4) ? choices_.bits(16) : 511)};
    cpu.idtr = {kind < 2 ? 0 : idt_at, static_cast<u16>(choices_.one_in(4) ? choices_.bits(16) : 2047)};
    cpu.cpl = kind == 2 ? 3 : kind < 2 ? 0 : static_cast<u8>(choices_.one_in(2) ? 0 : choices_.below(4));
    const bool real = kind <= 2;
    for (unsigned i = 0; i < 6; ++i) random_segment(cpu.seg[i], i == CS && !real, cpu.cpl, real);
    cpu.seg[CS].selector = static_cast<u16>((cpu.seg[CS].selector & ~3) | cpu.cpl);
    if (real) cpu.seg[CS].load_real(static_cast<u16>(code_at >> 4)), cpu.seg[CS].update(true);
    cpu.tr.selector = 0x28;
    cpu.tr.base = tss_at;
    cpu.tr.limit = choices_.one_in(3) ? 0x1FF : static_cast<u32>(choices_.bits(8));
    cpu.tr.access = Segment::P | (choices_.one_in(3) ? 3 : 11);
    cpu.tr.update(false);
    u32 flags = static_cast<u32>(choices_.bits(32));
    if (!choices_.one_in(6)) flags &= ~u32{eflags::TF};
    flags = (flags & ~u32{eflags::VM}) | (kind == 2 ? u32{eflags::VM} : 0u);
    cpu.set_full_eflags(flags);
    for (unsigned i = 0; i < 4; ++i) cpu.dr[i] = choices_.bits(18);
    cpu.dr[7] = choices_.one_in(6) ? choices_.bits(32) | 0x400 : 0x400;
    cpu.ip = real ? choices_.below(0x4000) : code_at + choices_.below(0x4000);
    cpu.halted = cpu.shutdown = false;
    cpu.shadow = 0;
    cpu.pending_debug = 0;
    cpu.update_mode();
    cpu.map_changed();
}

void HostileGuest::harass_processor(u64 instructions) {
    random_tables();
    random_code(code_at, 0x4000);
    random_code(0x400, 0x1C00);
    random_registers();
    run(instructions, second);
}

} // namespace glassbox::test
