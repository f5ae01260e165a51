// x87 instructions as the guest runs them. Each encoding of D8-DF, from random states of the stack, control and status
// words, is run by the emulated processor and by the host's own unit between FRSTOR and FNSAVE; the saved states are
// then compared byte for byte (but for the last-instruction pointers, which differ in 64-bit code). Then exceptions,
// pointers, faults.
#include "cpu/state.hpp"
#include "host.hpp"
#include "operands.hpp"

#include <doctest/doctest.h>

#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

using namespace glassbox;
using softfloat::F80;

namespace {

struct NoInterrupts final : InterruptPort {
    u8 acknowledge() override { return 0x20; }
};

/// A processor in flat 32-bit protected mode on 1 MiB; exceptions land in handlers that halt.
struct Guest {
    static constexpr u32 code = 0x1000, data = 0x2000, idt = 0x3000, gdt = 0x4000, handlers = 0x5000, stack = 0x8000;
    MemoryMap memory{1 << 20};
    PortBus ports;
    Scheduler scheduler;
    NoInterrupts interrupts;
    std::unique_ptr<Cpu> owner;
    Cpu& cpu;

    explicit Guest(const char* model = "max") : owner(make(model)), cpu(*owner) {
        put<u64>(gdt + 8, 0x00cf9b000000ffff);
        put<u64>(gdt + 16, 0x00cf93000000ffff);
        for (u32 v = 0; v < 32; ++v) { // each vector has its own HLT
            put<u64>(idt + 8 * v, u64{0x00008e0000080000} | (handlers + 16 * v));
            put<u8>(handlers + 16 * v, 0xf4);
        }
        restart();
    }
    std::unique_ptr<Cpu> make(const char* model) {
        memory.add({.name = "ram",
                    .start = 0,
                    .size = 1 << 20,
                    .access = MemoryMap::Access::read_write,
                    .host = memory.ram().data()});
        return std::make_unique<Cpu>(memory, ports, scheduler, interrupts, *find_cpu_model(model));
    }
    template <class T> T get(u32 at) {
        T value;
        std::memcpy(&value, memory.ram().data() + at, sizeof value);
        return value;
    }
    template <class T> void put(u32 at, T value) { std::memcpy(memory.ram().data() + at, &value, sizeof value); }

    void restart() {
        cpu.cr0 = cr0::PE | cr0::ET | cr0::NE;
        cpu.gdtr = {gdt, 0x17};
        cpu.idtr = {idt, 0xff};
        for (unsigned name : {ES, CS, SS, DS, FS, GS}) {
            Segment& s = cpu.seg[name];
            s.selector = name == CS ? 8 : 16;
            s.access = name == CS ? 0xc09b : 0xc093;
            s.base = 0;
            s.limit = 0xffffffff;
            s.update(false);
        }
        cpu.cpl = 0;
        cpu.set_full_eflags(2);
        cpu.set_r32(RSP, stack);
        cpu.set_r32(RDI, data);
        cpu.ip = code;
        cpu.halted = false;
        cpu.update_mode();
    }
    /// Runs `bytes` and the HLT after them; returns the vector of the exception that came up, or -1.
    int run(const std::vector<u8>& bytes) {
        restart();
        for (std::size_t i = 0; i < bytes.size(); ++i) put<u8>(code + static_cast<u32>(i), bytes[i]);
        put<u8>(code + static_cast<u32>(bytes.size()), 0xf4);
        cpu.memory_written(PhysAddress{code}, bytes.size() + 1);
        cpu.run(100);
        const u32 at = static_cast<u32>(cpu.ip);
        return at > handlers && at < handlers + 512 ? static_cast<int>((at - handlers) / 16) : -1;
    }
};

// --- against the host -----------------------------------------------------------------------------------------------
/// EDI points at it: the image before, the image after, the memory operand, EFLAGS.
struct Case {
    std::array<u8, 108> in{};
    std::array<u8, 108> out{};
    std::array<u8, 16> memory{};
    u32 flags = 0;
};

#ifdef GLASSBOX_HOST_FPU
/// frstor [rdi]; push rax-like flags in; instruction; pushf; fnsave [rdi+108]; fninit
class HostCode {
  public:
    explicit HostCode(std::vector<u8> instruction) {
        page_ = static_cast<u8*>(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        std::vector<u8> code = {0x8b, 0x87, 0xe8, 0, 0, 0, 0x50, 0x9d, // mov eax, [rdi+232]; push rax; popf
                                0xdd, 0x67, 0};                        // frstor [rdi]
        code.insert(code.end(), instruction.begin(), instruction.end());
        const std::vector<u8> tail = {0xdd, 0xb7, 0x6c, 0,    0,    0,       // fnsave [rdi+108]
                                      0x9c, 0x58, 0x89, 0x87, 0xe8, 0, 0, 0, // pushf; pop rax; mov [rdi+232], eax
                                      0xdb, 0xe3, 0xc3};
        code.insert(code.end(), tail.begin(), tail.end());
        std::memcpy(page_ + 64, code.data(), code.size());
        mprotect(page_, 4096, PROT_READ | PROT_EXEC);
    }
    ~HostCode() { munmap(page_, 4096); }
    HostCode(const HostCode&) = delete;
    HostCode& operator=(const HostCode&) = delete;
    void run(Case& c) const {
        struct alignas(16) {
            std::array<u8, 108> in, out;
            std::array<u8, 16> memory;
            u32 flags;
        } frame{c.in, {}, c.memory, c.flags | 2};
        static_assert(offsetof(decltype(frame), memory) == 216 && offsetof(decltype(frame), flags) == 232);
        void (*function)(void*) = nullptr;
        const u8* entry = page_ + 64;
        std::memcpy(&function, &entry, sizeof function);
        function(&frame);
        c.out = frame.out;
        c.memory = frame.memory;
        c.flags = frame.flags & eflags::arithmetic;
    }

  private:
    u8* page_;
};

/// Our side of the same: [edi] holds the same frame.
void run_guest(Guest& guest, const std::vector<u8>& instruction, Case& c) {
    std::vector<u8> code = {0xdd, 0x67, 0};
    code.insert(code.end(), instruction.begin(), instruction.end());
    const std::vector<u8> tail = {0xdd, 0xb7, 0x6c, 0, 0, 0};
    code.insert(code.end(), tail.begin(), tail.end());
    std::memcpy(guest.memory.ram().data() + Guest::data, c.in.data(), 108);
    std::memcpy(guest.memory.ram().data() + Guest::data + 216, c.memory.data(), 16);
    guest.restart();
    for (std::size_t i = 0; i < code.size(); ++i) guest.put<u8>(Guest::code + static_cast<u32>(i), code[i]);
    guest.put<u8>(Guest::code + static_cast<u32>(code.size()), 0xf4);
    guest.cpu.memory_written(PhysAddress{Guest::code}, code.size() + 1);
    guest.cpu.set_full_eflags(c.flags | 2);
    guest.cpu.run(10);
    std::memcpy(c.out.data(), guest.memory.ram().data() + Guest::data + 108, 108);
    std::memcpy(c.memory.data(), guest.memory.ram().data() + Guest::data + 216, 16);
    c.flags = guest.cpu.full_eflags() & eflags::arithmetic;
}

void random_state(Operands& random, Case& c) {
    const auto put16 = [&](std::size_t at, unsigned v) {
        c.in[at] = static_cast<u8>(v);
        c.in[at + 1] = static_cast<u8>(v >> 8);
    };
    c.in.fill(0);
    const unsigned precisions[3] = {0, 2, 3};
    const unsigned masks = random.below(3) ? 0x3f : random.below(64);
    put16(0, masks | 0x40 | precisions[random.below(3)] << 8 | random.below(4) << 10);
    put16(4, (random.below(0x10000) & 0x7f00) | (random.below(64) & masks)); // nothing pending
    unsigned tags = 0; // mostly full or mostly empty, so that both kinds of stack fault happen
    const bool full = random.below(2) != 0;
    for (unsigned i = 0; i < 8; ++i) tags |= (random.below(5) ? full : !full) ? 0u : 3u << (2 * i);
    put16(8, tags);
    for (std::size_t i = 0; i < 8; ++i) host::put80(&c.in[28 + 10 * i], random.extended());
    for (u8& b : c.memory) b = static_cast<u8>(random.bits());
    if (random.below(2)) {
        const u64 m = random.below(2) ? random.wide().bits : random.narrow().bits;
        std::memcpy(c.memory.data(), &m, 8);
    }
    c.flags = random.below(0x1000) & eflags::arithmetic;
}

/// Control, status, tags and registers; the pointers in between are left out.
bool same(const Case& a, const Case& b, bool values) {
    for (std::size_t i = 0; i < 12; ++i) {
        if (!values && i == 5) { // C1 and, for inexact results, the rest of the high byte but C2 and TOP
            if ((a.out[i] & 0x3c) != (b.out[i] & 0x3c)) return false;
            continue;
        }
        if (!values && i == 4) {
            if ((a.out[i] & 0xcf & 0x47) != (b.out[i] & 0x47)) return false; // UE and PE may differ, and with them ES
            continue;
        }
        if (a.out[i] != b.out[i]) return false;
    }
    if (a.flags != b.flags) return false;
    if (!values) return true;
    return std::memcmp(&a.out[28], &b.out[28], 80) == 0 && a.memory == b.memory;
}
std::string dump(const std::array<u8, 108>& s) {
    std::string text;
    char part[8];
    for (std::size_t i = 0; i < 108; ++i) {
        if (i >= 12 && i < 28) continue;
        std::snprintf(part, sizeof part, "%02x", s[i]);
        text += part;
        if (i % 4 == 3 && i < 12) text += ' ';
        if (i >= 28 && (i - 28) % 10 == 9) text += ' ';
    }
    return text;
}

/// Encodings whose values the host computes to another last bit.
bool transcendental(u8 opcode, u8 modrm) {
    if (opcode != 0xd9) return false;
    return (modrm >= 0xf0 && modrm <= 0xf3) || modrm == 0xf9 || modrm == 0xfb || modrm == 0xfe || modrm == 0xff;
}
/// Not instructions, or not on 64-bit hosts, or not comparable this way.
bool left_out(u8 opcode, u8 modrm) {
    const unsigned reg = (modrm >> 3) & 7, rm = modrm & 7;
    if (modrm < 0xc0) {
        switch (opcode) {
        case 0xd9: return reg == 1 || reg == 4 || reg == 6;
        case 0xdb: return reg == 1 || reg == 4 || reg == 6;
        case 0xdd: return reg == 1 || reg == 4 || reg == 5 || reg == 6; // 1: FISTTP
        case 0xdf: return reg == 1;
        default: return false;
        }
    }
    switch (opcode) {
    case 0xd9: return (reg == 2 && rm != 0) || (reg == 4 && (rm == 2 || rm == 3 || rm >= 6)) || (reg == 5 && rm == 7);
    case 0xda: return reg == 4 || (reg == 5 && rm != 1) || reg >= 6;
    case 0xdb: return (reg == 4 && rm > 4) || reg == 7;
    case 0xdd: return reg >= 6;
    case 0xde: return reg == 3 && rm != 1;
    case 0xdf: return (reg == 4 && rm != 0) || reg == 7;
    default: return false;
    }
}
#endif

} // namespace

#ifdef GLASSBOX_HOST_FPU
TEST_CASE("every x87 encoding leaves the state that the host's leaves") {
    auto guest = std::make_unique<Guest>();
    Operands random(4711);
    int encodings = 0;
    for (unsigned opcode = 0xd8; opcode <= 0xdf; ++opcode) {
        for (unsigned modrm = 0; modrm < 0x100; ++modrm) {
            const auto op = static_cast<u8>(opcode);
            std::vector<u8> instruction = {op, static_cast<u8>(modrm)};
            if (modrm < 0xc0) {
                if ((modrm & 0xc7) != 0x87) continue; // [edi + disp32] stands for all of memory
                instruction.insert(instruction.end(), {216, 0, 0, 0});
            }
            if (left_out(op, static_cast<u8>(modrm))) continue;
            ++encodings;
            const HostCode host(instruction);
            const bool values = !transcendental(op, static_cast<u8>(modrm));
            int different = 0;
            for (int i = 0; i < 60; ++i) {
                Case ours;
                random_state(random, ours);
                // F2XM1 and FYL2XP1 are undefined for large operands.
                if (op == 0xd9 && (modrm == 0xf0 || modrm == 0xf9)) ours.in[37] = (ours.in[37] & 0x80) | 0x3e;
                Case theirs = ours;
                host.run(theirs);
                run_guest(*guest, instruction, ours);
                // FCOMI clears C1 (SDM); not every host does.
                const bool fcomi = (op == 0xdb || op == 0xdf) && modrm >= 0xe8 && modrm < 0xf8;
                if (fcomi && !(ours.out[5] & 2)) theirs.out[5] &= 0xfd;
                if (same(ours, theirs, values)) continue;
                if (++different == 1) {
                    char name[16];
                    std::snprintf(name, sizeof name, "%02x %02x", opcode, modrm);
                    MESSAGE(std::string(name)
                            << "\n in    " << dump(ours.in) << "\n ours  " << dump(ours.out) << " flags " << ours.flags
                            << "\n host  " << dump(theirs.out) << " flags " << theirs.flags);
                }
            }
            CHECK(different == 0);
        }
    }
    CHECK(encodings > 400);
}
#endif

// --- exceptions, pointers, faults -----------------------------------------------------------------------------------
namespace {
constexpr int device_not_available = 7, general_protection = 13, math_fault = 16, invalid_opcode = 6;
constexpr F80 one{u64{1} << 63, 0x3fff};

/// fld1; fldz; fdivp with division by zero unmasked
const std::vector<u8> divide_by_zero = {0xdb, 0xe3, 0xd9, 0x2f, 0xd9, 0xe8, 0xd9, 0xee, 0xde, 0xf9};
std::vector<u8> operator+(std::vector<u8> a, const std::vector<u8>& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}
} // namespace

TEST_CASE("an unmasked exception waits for the next waiting instruction: #MF") {
    Guest g;
    g.put<u16>(Guest::data, 0x037b); // ZE unmasked
    CHECK(g.run(divide_by_zero) == -1);
    CHECK(g.cpu.fpu.pending());
    CHECK(g.cpu.fpu.st(1) == one); // nothing popped, nothing written
    CHECK(g.run(divide_by_zero + std::vector<u8>{0xd9, 0xe8}) == math_fault);
    CHECK(g.get<u32>(Guest::stack - 12) == Guest::code + 10); // a fault: it points at the waiting instruction
    CHECK(g.run(divide_by_zero + std::vector<u8>{0x9b}) == math_fault);
    CHECK(g.run(divide_by_zero + std::vector<u8>{0xdf, 0xe0}) == -1); // FNSTSW does not wait
    CHECK((g.cpu.r16(RAX) & 0x8084) == 0x8084);
    CHECK(g.run(divide_by_zero + std::vector<u8>{0xdb, 0xe2, 0xd9, 0xe8}) == -1); // FNCLEX removes the reason
}

TEST_CASE("without CR0.NE the exception leaves through FERR#") {
    Guest g;
    std::vector<bool> pin;
    g.cpu.ferr = [&](bool level) { pin.push_back(level); };
    g.put<u16>(Guest::data, 0x037b);
    g.restart();
    for (std::size_t i = 0; i < divide_by_zero.size(); ++i)
        g.put<u8>(Guest::code + static_cast<u32>(i), divide_by_zero[i]);
    g.put<u8>(Guest::code + 10, 0xd9); // fld1 still runs
    g.put<u8>(Guest::code + 11, 0xe8);
    g.put<u8>(Guest::code + 12, 0xdb); // fnclex
    g.put<u8>(Guest::code + 13, 0xe2);
    g.put<u8>(Guest::code + 14, 0xf4);
    g.cpu.cr0 = cr0::PE | cr0::ET;
    g.cpu.update_mode();
    g.cpu.run(100);
    CHECK(g.cpu.ip == Guest::code + 15);
    REQUIRE(pin.size() >= 2);
    CHECK(pin.front());
    CHECK_FALSE(pin.back());
}

TEST_CASE("CR0.EM and CR0.TS raise #NM; WAIT only with MP and TS") {
    Guest g;
    const auto with = [&](u64 bits, std::vector<u8> bytes) {
        g.restart();
        bytes.push_back(0xf4);
        for (std::size_t i = 0; i < bytes.size(); ++i) g.put<u8>(Guest::code + static_cast<u32>(i), bytes[i]);
        g.cpu.memory_written(PhysAddress{Guest::code}, bytes.size());
        g.cpu.cr0 |= bits;
        g.cpu.update_mode();
        g.cpu.run(100);
        const u32 at = static_cast<u32>(g.cpu.ip);
        return at > Guest::handlers ? static_cast<int>((at - Guest::handlers) / 16) : -1;
    };
    g.cpu.fpu.init();
    CHECK(with(0, {0xd9, 0xe8}) == -1);
    for (const std::vector<u8>& bytes :
         {std::vector<u8>{0xd9, 0xe8}, {0xdb, 0xe3}, {0xdf, 0xe0}, {0xdd, 0x37}, {0xd8, 0x07}}) {
        CHECK(with(cr0::EM, bytes) == device_not_available);
        CHECK(with(cr0::TS, bytes) == device_not_available);
    }
    CHECK(with(cr0::TS, {0x9b}) == -1);
    CHECK(with(cr0::MP, {0x9b}) == -1);
    CHECK(with(cr0::EM, {0x9b}) == -1);
    CHECK(with(cr0::MP | cr0::TS, {0x9b}) == device_not_available);
}

TEST_CASE("the last-instruction pointers name the instruction and its operand") {
    Guest g;
    g.put<u64>(Guest::data + 0x20, 0x3ff0000000000000);
    // fninit; nop; fadd qword [edi+20h]; fnstcw [edi]; fnstenv [edi+40h]
    CHECK(g.run({0xdb, 0xe3, 0xd9, 0xe8, 0x90, 0xdc, 0x47, 0x20, 0xd9, 0x3f, 0xd9, 0x77, 0x40}) == -1);
    CHECK(g.get<u32>(Guest::data + 0x40 + 12) == Guest::code + 5);
    CHECK(g.get<u32>(Guest::data + 0x40 + 16) == (0x447u << 16 | 8));
    CHECK(g.get<u32>(Guest::data + 0x40 + 20) == Guest::data + 0x20);
    CHECK(g.get<u16>(Guest::data + 0x40 + 24) == 16);
    CHECK((g.cpu.fpu.control & 0x3f) == 0x3f); // FNSTENV masks everything
    // The 16-bit form by prefix.
    CHECK(g.run({0xdb, 0xe3, 0xd9, 0xe8, 0x66, 0xd9, 0x77, 0x40}) == -1);
    CHECK(g.get<u16>(Guest::data + 0x40 + 4) == 0x3fff);
    CHECK(g.get<u16>(Guest::data + 0x40 + 6) == Guest::code + 2);
}

TEST_CASE("FNSAVE and FRSTOR bring the whole unit back") {
    Guest g;
    // fninit; fldpi; fld1; fchs; fnsave [edi]; fld1; frstor [edi]
    CHECK(g.run({0xdb, 0xe3, 0xd9, 0xeb, 0xd9, 0xe8, 0xd9, 0xe0, 0xdd, 0x37, 0xd9, 0xe8, 0xdd, 0x27}) == -1);
    CHECK(g.cpu.fpu.top == 6);
    CHECK(g.cpu.fpu.st(0) == F80{u64{1} << 63, 0xbfff});
    CHECK(g.cpu.fpu.st(1) == F80{0xc90fdaa22168c235, 0x4000});
    CHECK(g.cpu.fpu.empty(2));
}

TEST_CASE("an instruction that faults on its operand changes nothing") {
    Guest g;
    g.cpu.fpu.init();
    g.cpu.fpu.push(one);
    g.cpu.fpu.push(F80{u64{3} << 62, 0x4000});
    std::vector<u8> before(108), after(108);
    g.cpu.fpu.store_state(before, {});
    const std::vector<std::vector<u8>> instructions = {
        {0xd9, 0x07}, {0xdd, 0x1f}, {0xdb, 0x3f}, {0xdb, 0x2f}, {0xdc, 0x07}, {0xdf, 0x37}, {0xdf, 0x3f},
        {0xd9, 0x2f}, {0xdd, 0x37}, {0xdd, 0x27}, {0xd9, 0x37}, {0xd9, 0x27}, {0xdd, 0x3f}, {0xda, 0x17}};
    for (const std::vector<u8>& bytes : instructions) {
        g.restart();
        for (std::size_t i = 0; i < bytes.size(); ++i) g.put<u8>(Guest::code + static_cast<u32>(i), bytes[i]);
        g.cpu.memory_written(PhysAddress{Guest::code}, bytes.size());
        g.cpu.seg[DS].limit = 0xfff; // EDI points beyond
        g.cpu.seg[DS].update(false);
        g.cpu.update_mode();
        g.cpu.run(10);
        CHECK((static_cast<u32>(g.cpu.ip) - Guest::handlers) / 16 == general_protection);
        g.cpu.fpu.store_state(after, {});
        CHECK(before == after);
    }
}

TEST_CASE("FCMOV and FCOMI need their feature") {
    Guest old("pentium");
    CHECK(old.run({0xdb, 0xe3, 0xda, 0xc1}) == invalid_opcode);
    CHECK(old.run({0xdb, 0xe3, 0xdb, 0xf1}) == invalid_opcode);
    Guest pro("pentium-pro");
    CHECK(pro.run({0xdb, 0xe3, 0xda, 0xc1}) == -1);
}
