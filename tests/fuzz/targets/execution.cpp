// Instruction execution, structured and differential: mode, segments, tables, registers, instructions from the rows of
// the opcode table, interrupts and DMA come from the input. A processor with all its shortcuts and one without any run
// the same; after every slice all that can be seen of them must be the same.
#include "cpu/system/system.hpp"
#include "machine/lockstep_compare.hpp"
#include "tests/fuzz/hostile_guest.hpp"
#include "tests/x86-conformance/host/encoding.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

using namespace glassbox;
using test::Choices;

namespace {

constexpr u64 ram_size = 0x6'0000;
constexpr u64 gdt_at = 0x1000, tss_at = 0x1800, idt_at = 0x2000, handlers_at = 0x3000, real_handler_at = 0x3400,
              ldt_at = 0x3800, code_at = 0x1'0000, stack_at = 0x3'0000, data_at = 0x4'0000, tables_at = 0x5'0000;
constexpr u64 code_room = 0x3000;

struct Interrupts final : InterruptPort {
    u8 vector = 0x40;
    u8 acknowledge() override { return vector; }
};

struct Processor {
    MemoryMap memory;
    PortBus ports;
    Scheduler scheduler;
    Interrupts interrupts;
    Cpu cpu;
    u64 start = 0;

    explicit Processor(const EngineOptions& engine)
        : memory(ram_size), cpu(mapped(memory), ports, scheduler, interrupts, *find_cpu_model("max")) {
        cpu.set_engine(engine);
    }
    static MemoryMap& mapped(MemoryMap& memory) {
        memory.add({.name = "ram",
                    .start = 0,
                    .size = ram_size,
                    .access = MemoryMap::Access::read_write,
                    .host = memory.ram().data()});
        return memory;
    }
    template <class T> void put(u64 at, T value) { std::memcpy(memory.ram().data() + at, &value, sizeof value); }
    bool stuck() const { return cpu.shutdown || (cpu.halted && !cpu.wake_pending()); }
    void run(u64 count) {
        const u64 end = scheduler.instructions() + count;
        for (u64 i = 0; i < 4 * count + 4 && scheduler.instructions() < end && !stuck(); ++i)
            cpu.run(end - scheduler.instructions());
    }
};

/// Everything that an input decides, built once and put into both processors.
class Guest {
  public:
    /// Tables and rights come from a seed, so that the input's bytes are spent on what runs.
    Guest(u64 seed, Choices& choices) : env_(seed), choices_(choices), image_(ram_size) {}

    void build() {
        static constexpr std::array models = {"max", "max", "max", "386", "486", "pentium", "pentium3", "pentium-pro"};
        model_ = find_cpu_model(models[choices_.below(models.size())]);
        kind_ = static_cast<unsigned>(choices_.below(7)); // 0 real, 1 v86, 2 16-bit, 3 32-bit, 4 paged, 5 PAE, 6 ring 3
        build_tables();
        build_paging();
        for (unsigned i = 0; i < 0x2000; ++i)
            image_[data_at + i] = static_cast<u8>(i * 37 + (i >> 8) * 11), image_[stack_at + i] = static_cast<u8>(i);
        build_code();
        for (u32& r : registers_) r = address_or_value();
        registers_[RSP] = 0x1000 + static_cast<u32>(choices_.below(64));
        if (flat()) registers_[RSP] += stack_at;
        flags_ = static_cast<u32>(choices_.bits(22)) & 0x0024'7FD7;
        if (!choices_.one_in(8)) flags_ &= ~u32{eflags::TF};
        cr0_ = choices_.bits(8);
        cr4_ = choices_.bits(12);
        mxcsr_ = choices_.one_in(2) ? SseState::mxcsr_reset : static_cast<u32>(choices_.bits(16));
    }

    void put_into(Processor& p) const {
        std::memcpy(p.memory.ram().data(), image_.data(), ram_size);
        Cpu& cpu = p.cpu;
        cpu.model = model_;
        reset_state(cpu);
        p.scheduler.set_instructions(0); // the time-stamp counter
        cpu.set_intr(false);
        cpu.nmi_pending = cpu.nmi_blocked = cpu.init_pending = cpu.reset_pending = false;
        cpu.pending_debug = 0;
        cpu.shadow = 0;
        cpu.fault_chain_length = 0;
        const bool real = kind_ == 0, v86 = kind_ == 1, paged = kind_ >= 4;
        cpu.cr0 = cr0::ET | (real ? 0 : cr0::PE) | (paged ? cr0::PG : 0);
        cpu.cr0 |= (cr0_ & 1 ? cr0::WP : 0) | (cr0_ & 2 ? cr0::AM : 0) | (cr0_ & 4 ? cr0::NE : 0) |
                   ((cr0_ & 0x30) == 0x30 ? cr0::TS : 0) | ((cr0_ & 0xC0) == 0xC0 ? cr0::EM : 0);
        cpu.cr4 =
            ((cr4_ & 0x5F) | (cr4_ & 0x100 ? 0 : cr4::OSFXSR | cr4::OSXMMEXCPT)) & ~u64{cr4::PAE} & cpu.model->cr4_bits;
        if (kind_ == 5) cpu.cr4 |= cr4::PAE & cpu.model->cr4_bits;
        cpu.cr3 = tables_at;
        for (unsigned i = 0; i < 4; ++i) cpu.pdpte[i] = i == 0 ? (tables_at + 0x3000) | 1 : 0;
        cpu.gdtr = {gdt_at, 0xFF};
        cpu.idtr = {real ? 0 : idt_at, static_cast<u16>(real ? 0x3FF : 0x7FF)};
        load_table(cpu.tr, 0x28, tss_at, 0x2FF, 11);
        load_table(cpu.ldtr, 0x30, ldt_at, 0x7F, 2);
        cpu.cpl = v86 || kind_ == 6 ? 3 : 0;
        for (unsigned name = 0; name < 6; ++name) load_segment(cpu, name);
        for (unsigned i = 0; i < 8; ++i) cpu.set_r32(static_cast<Gpr>(i), registers_[i]);
        for (unsigned i = 0; i < 8; ++i) cpu.sse.xmm(i).q = {registers_[i] * 0x9E37'79B9'7F4A'7C15, registers_[i]};
        cpu.sse.mxcsr = mxcsr_;
        cpu.set_full_eflags(flags_ | (v86 ? u32{eflags::VM} : 0u));
        cpu.ip = flat() ? code_at : 0;
        cpu.update_mode();
        cpu.map_changed();
        p.start = p.scheduler.instructions();
    }

  private:
    bool flat() const { return kind_ >= 3; }
    template <class T> void put(u64 at, T value) { std::memcpy(image_.data() + at, &value, sizeof value); }

    static void load_table(Segment& s, u16 selector, u64 base, u32 limit, u32 type) {
        s.selector = selector;
        s.base = base;
        s.limit = limit;
        s.access = Segment::P | type;
        s.update(false);
    }
    void load_segment(Cpu& cpu, unsigned name) const {
        Segment& s = cpu.seg[name];
        const bool is_code = name == CS, system_mode = kind_ <= 1;
        s.access = Segment::P | Segment::S | Segment::accessed | Segment::writable | cpu.cpl << 5;
        if (flat()) {
            s.selector = static_cast<u16>((is_code ? 0x08 : 0x10) + (cpu.cpl ? 0x10 : 0) + cpu.cpl);
            s.access |= Segment::G | Segment::DB | (is_code ? Segment::code : 0);
            s.base = 0;
            s.limit = ~u32{0};
        } else {
            s.base = is_code ? code_at : name == SS ? stack_at : name == FS ? data_at + 0x800 : data_at;
            s.selector = static_cast<u16>(system_mode ? s.base >> 4 : is_code ? 0x38 : 0x40);
            s.access |= system_mode || !is_code ? 0 : Segment::code;
            s.limit = 0xFFFF;
        }
        s.update(system_mode);
    }

    void build_tables() {
        put<u64>(gdt_at + 0x08, 0x00CF'9B00'0000'FFFF);
        put<u64>(gdt_at + 0x10, 0x00CF'9300'0000'FFFF);
        put<u64>(gdt_at + 0x18, 0x00CF'FB00'0000'FFFF);
        put<u64>(gdt_at + 0x20, 0x00CF'F300'0000'FFFF);
        put<u64>(gdt_at + 0x28, 0x0000'8B00'0000'02FF | tss_at << 16);
        put<u64>(gdt_at + 0x30, 0x0000'8200'0000'007F | ldt_at << 16);
        put<u64>(gdt_at + 0x38, 0x0000'9B00'0000'FFFF | code_at << 16);
        put<u64>(gdt_at + 0x40, 0x0000'9300'0000'FFFF | data_at << 16);
        for (unsigned i = 9; i < 16; ++i) put<u64>(gdt_at + 8 * i, descriptor());
        for (unsigned i = 0; i < 16; ++i) put<u64>(ldt_at + 8 * i, env_.one_in(2) ? descriptor() : 0);
        put<u32>(tss_at + 4, stack_at + 0x8000);
        put<u16>(tss_at + 8, 0x10);
        put<u16>(tss_at + 0x66, 0x68);
        for (unsigned v = 0; v < 256; ++v) {
            const u64 handler = handlers_at + 16 * (v < 32 ? v : 32 + (v & 3));
            const u64 gate = !env_.one_in(32) ? 0xEE00 : 0x8500 | env_.bits(12);
            put<u64>(idt_at + 8 * v, handler | u64{8} << 16 | gate << 32);
            put<u32>(4 * v, static_cast<u32>(real_handler_at >> 4 << 16)); // real mode
        }
        for (unsigned v = 0; v < 36; ++v) {
            const bool has_error = v == 8 || (v >= 10 && v <= 14) || v == 17;
            std::vector<u8> code = {0xFF, 0x04, 0x24, 0xCF}; // INC dword [ESP]; IRET: tries a byte further
            if (has_error) code.insert(code.begin(), {0x83, 0xC4, 0x04});
            if (v >= 32 || env_.one_in(8)) code = {0xCF};
            if (env_.one_in(16)) code = {0xF4};
            code.push_back(0xF4);
            std::copy(code.begin(), code.end(), image_.begin() + static_cast<std::ptrdiff_t>(handlers_at + 16 * v));
        }
        // PUSH BP; MOV BP, SP; INC word [BP + 2]; POP BP; IRET
        static constexpr std::array<u8, 8> real = {0x55, 0x89, 0xE5, 0xFF, 0x46, 0x02, 0x5D, 0xCF};
        std::copy(real.begin(), real.end(), image_.begin() + static_cast<std::ptrdiff_t>(real_handler_at));
    }
    /// Something for segment loads and far transfers to find.
    u64 descriptor() {
        const u64 base = env_.one_in(2) ? code_at : data_at;
        const u64 rights = env_.one_in(3) ? 0x80 | env_.bits(7) : 0x93 | (env_.below(4) << 5);
        return env_.bits(16) | base << 16 | rights << 40 | (env_.bits(4) << 52);
    }

    /// Memory at its own place, but for the tables; and the same again from 1 MiB on.
    void build_paging() {
        const bool pae = kind_ == 5 && (model_->cr4_bits & cr4::PAE);
        const auto rights = [&](u64 page) {
            if (page < 4) return u64{3}; // descriptor tables and handlers
            if (!env_.one_in(6)) return u64{7};
            return env_.bits(9) & ~u64{0x80};
        };
        for (u64 page = 0; page < 512; ++page) {
            const u64 frame = page & 0xFF;
            const u64 entry = frame < tables_at >> 12 ? frame << 12 | rights(frame) : 0;
            if (pae)
                put<u64>(tables_at + 0x4000 + 8 * page, entry);
            else
                put<u32>(tables_at + 0x1000 + 4 * page, static_cast<u32>(entry));
        }
        if (pae)
            put<u64>(tables_at + 0x3000, (tables_at + 0x4000) | 7);
        else
            put<u32>(tables_at, static_cast<u32>((tables_at + 0x1000) | 7));
    }

    u32 address_or_value() {
        const u32 near = static_cast<u32>(choices_.below(0x1100));
        switch (choices_.below(6)) {
        case 0: return static_cast<u32>(choices_.value());
        case 1: return near;
        case 2: return (flat() ? static_cast<u32>(code_at) : 0) + near;
        case 3: return (flat() ? static_cast<u32>(data_at) : 0) + 0xFF8 + (near & 15);
        default: return (flat() ? static_cast<u32>(data_at) : 0) + near;
        }
    }

    void build_code() {
        u64 at = code_at;
        const bool far_apart = choices_.one_in(2); // over a page's end
        if (far_apart) {
            const u64 gap = 0xFC0 + choices_.below(0x40);
            image_[at] = 0xE9; // JMP near to the end of the page
            if (flat())
                put<u32>(at + 1, static_cast<u32>(gap - 5));
            else
                put<u16>(at + 1, static_cast<u16>(gap - 3));
            at += gap;
        }
        for (unsigned n = 0; n < 120 && !choices_.spent() && at + 32 < code_at + code_room; ++n) {
            const std::vector<u8> bytes = instruction();
            std::copy(bytes.begin(), bytes.end(), image_.begin() + static_cast<std::ptrdiff_t>(at));
            at += bytes.size();
        }
        image_[at] = choices_.one_in(2) ? 0xF4 : 0xEB; // HLT, or a jump back into it
        image_[at + 1] = static_cast<u8>(0x80 + choices_.below(0x70));
    }
    /// Without what stops or leaves: those come often enough anyway.
    static std::vector<const Row*> ordinary(const std::vector<const Row*>& rows) {
        std::vector<const Row*> some;
        for (const Row* row : rows) {
            if (!(row->attributes & attr::ends_block) || (row->attributes & attr::branch)) some.push_back(row);
        }
        return some;
    }
    std::vector<u8> instruction() {
        static const std::vector<const Row*> rows(all_rows().begin(), all_rows().end()), plain_rows = ordinary(rows);
        const u64 pick = choices_.bits(16);
        const auto& set = pick >> 13 == 0 ? rows : plain_rows;
        const Row& row = *set[pick % set.size()];
        conformance::Encoding e;
        const u64 how = choices_.bits(8);
        e.opsize_prefix = (how & 7) == 0;
        e.addrsize_prefix = (how & 0x38) == 0;
        e.lock = (how & 0xC0) == 0 && choices_.one_in(4);
        if ((row.attributes & attr::string) && choices_.one_in(2)) e.rep = choices_.one_in(2) ? 0xF3 : 0xF2;
        static constexpr std::array<u8, 6> segments = {0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65};
        if (choices_.one_in(8)) e.segment = segments[choices_.below(6)];
        const u64 modrm = choices_.bits(8);
        e.mod = static_cast<u8>(modrm >> 6);
        e.reg = modrm >> 3 & 7;
        e.rm = modrm & 7;
        if (row.at.mod == Mod::reg) e.mod = 3;
        if (row.at.mod == Mod::memory && e.mod == 3) e.mod = 1;
        if (e.rm == 4) e.sib = static_cast<u8>(choices_.bits(8));
        e.displacement =
            e.mod == 0 || conformance::is_offset(row) ? address_or_value() : static_cast<u32>(choices_.bits(5)) - 8;
        e.immediate = row.attributes & attr::branch ? choices_.below(24) - (choices_.one_in(3) ? 30 : 0)
                      : choices_.one_in(2)          ? choices_.bits(8)
                                                    : choices_.value();
        return conformance::encode(row, e, flat());
    }

    Choices env_;
    Choices& choices_;
    std::vector<u8> image_;
    const CpuModel* model_ = nullptr;
    unsigned kind_ = 0;
    std::array<u32, 8> registers_{};
    u32 flags_ = 0, mxcsr_ = 0;
    u64 cr0_ = 0, cr4_ = 0;
};

std::vector<u8> state_of(Processor& p) {
    Archive archive = Archive::saver();
    p.cpu.persist(archive);
    u64 done = p.scheduler.instructions() - p.start;
    archive(done);
    return std::move(archive.bytes());
}

[[noreturn]] void report(Processor& one, Processor& other) {
    std::printf("FAILED: after %llu and %llu instructions\n",
                static_cast<unsigned long long>(one.scheduler.instructions() - one.start),
                static_cast<unsigned long long>(other.scheduler.instructions() - other.start));
    const auto left = processor_values(one.cpu), right = processor_values(other.cpu);
    for (std::size_t i = 0; i < left.size(); ++i) {
        if (left[i].first == right[i].first) continue;
        std::printf("  %s: %llX with all shortcuts, %llX without\n", left[i].name.c_str(),
                    static_cast<unsigned long long>(left[i].first), static_cast<unsigned long long>(right[i].first));
    }
    const auto a = one.memory.ram(), b = other.memory.ram();
    unsigned shown = 0;
    for (u64 i = 0; i < ram_size && shown < 16; ++i) {
        if (a[i] == b[i]) continue;
        std::printf("  memory %05llX: %02X and %02X\n", static_cast<unsigned long long>(i), a[i], b[i]);
        ++shown;
    }
    std::fflush(stdout);
    std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static Processor fast{EngineOptions{}}, plain{EngineOptions{.cache = false, .chain = false, .fuse = false}};
    if (size < 8 || size > 4096) return 0;
    // The end of the input says when what happens from outside, so that it is there however long the code is.
    const std::size_t outside = std::min<std::size_t>(size / 4, 64);
    u64 seed = 0;
    std::memcpy(&seed, data, 4);
    Choices choices(std::span(data + 4, size - outside - 4)), events(std::span(data + size - outside, outside));
    Guest guest(seed, choices);
    guest.build();
    const bool one_by_one = std::getenv("GLASSBOX_FUZZ_STEP") != nullptr; // to find the instruction of a failure
    for (Processor* p : {&fast, &plain}) guest.put_into(*p);
    for (unsigned slice = 0, budget = 600; slice < 24 && budget > 0; ++slice) {
        const bool quiet = events.spent();
        const u64 length = std::min<u64>(budget, one_by_one ? 1 : quiet ? 40 : 1 + events.below(60));
        const u64 event = quiet ? 7 : events.below(8);
        budget -= static_cast<unsigned>(length);
        const u64 vector = 0x20 + events.below(8), place = events.below(0x3000), value = events.bits(8);
        for (Processor* p : {&fast, &plain}) {
            p->run(length);
            if (event == 0) p->cpu.nmi();
            if (event == 1) p->cpu.set_intr(true);
            if (event == 2) p->cpu.set_intr(false);
            p->interrupts.vector = static_cast<u8>(vector);
            const u8 byte = static_cast<u8>(value);
            if (event == 3) p->memory.write_block(PhysAddress{code_at + place}, {&byte, 1});
        }
        if (state_of(fast) != state_of(plain)) report(fast, plain);
        if (fast.stuck() && quiet) break;
    }
    if (std::memcmp(fast.memory.ram().data(), plain.memory.ram().data(), ram_size) != 0) report(fast, plain);
    return 0;
}
