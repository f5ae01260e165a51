// What is behind Lint: a part for each kind of warning, and the list that they write to.
#pragma once

#include "bus/memory_map.hpp"
#include "cpu/decode/insn.hpp"
#include "cpu/decode/row.hpp"
#include "debugger/hex.hpp"
#include "debugger/lint/lint.hpp"
#include "machine/board.hpp"

#include <array>
#include <map>
#include <optional>
#include <unordered_map>
#include <unordered_set>

namespace glassbox {
class Board;
}

namespace glassbox::lint {

/// What is said of one occurrence; section and advice where they are not the rule's.
struct Finding {
    std::string text, section, advice;
    std::string instruction = {}; ///< where it cannot be read there any more
};

/// The list, and whom it is for.
class Report {
  public:
    Report(Machine& machine, Lint::Warned warned) : machine_(machine), warned_(std::move(warned)) {}
    /// `linear`: of the instruction.
    void warn(Cpu& cpu, LintKind kind, u64 linear, const Finding& finding);
    const std::vector<LintWarning>& list() const { return list_; }
    void clear() { list_.clear(), places_.clear(), more_ = 0; }
    /// Forgets what was found at a place.
    void drop(u64 linear, std::optional<LintKind> kind);
    /// Warnings at places beyond the number that is kept.
    u64 more() const { return more_; }
    static constexpr std::size_t most_places = 10'000;

    bool enabled(LintKind kind) const { return !(off_ >> static_cast<unsigned>(kind) & 1); }
    void enable(LintKind kind, bool on) { set(off_, kind, !on); }
    bool stops(LintKind kind) const { return (stops_ >> static_cast<unsigned>(kind) & 1) != 0; }
    void set_stops(LintKind kind, bool on) { set(stops_, kind, on); }
    std::function<void(const LintWarning&)> stop;
    std::vector<Lint::Suppression> suppressions;
    const Symbols* symbols = nullptr;
    /// "00101234 <schedule+4h>"
    std::string called(u64 linear) const;

  private:
    static void set(u32& bits, LintKind kind, bool on) {
        const u32 bit = u32{1} << static_cast<unsigned>(kind);
        bits = on ? bits | bit : bits & ~bit;
    }
    bool suppressed(LintKind kind, u64 linear);
    LintWarning written(Cpu& cpu, LintKind kind, u64 linear, const Finding& finding) const;

    Machine& machine_;
    Lint::Warned warned_;
    std::vector<LintWarning> list_;
    std::map<std::pair<LintKind, u64>, std::size_t> places_;
    u64 more_ = 0;
    u32 off_ = 0, stops_ = 0; ///< a bit a kind
};

/// The instruction at a linear address of the present code segment; nothing where there is none.
std::optional<Insn> instruction_at(const Cpu& cpu, u64 linear);
bool is_named(const Insn& insn, std::string_view name);
std::string text_at(const Cpu& cpu, u64 linear);
/// Marks what the TLBs hold of a physical page as watched, without asking anew.
void watch_now(Board& board, u64 phys_page);

/// Flags that are read although undefined. Decoding looks ahead from what leaves some undefined, over branches and
/// calls; where a reader may be met, the instructions are followed one by one as they execute.
class Flags {
  public:
    /// True for an instruction that must be followed from.
    static bool wants(const Cpu& cpu, u64 linear, const Insn& insn);
    bool follows() const { return left_ != 0; }
    void before(Report& report, Cpu& cpu, u64 linear, const Insn& insn);
    /// An interrupt or exception: its handler has other flags.
    void diverted(const Cpu& cpu) {
        if (&cpu == cpu_) left_ = 0;
    }
    void forget() { left_ = 0; }

  private:
    static constexpr std::array<u32, 6> bits{1, 4, 16, 64, 128, 2048};
    static constexpr unsigned how_far = 24; // instructions
    struct Source {
        u64 linear = 0;
        std::string text, mnemonic;
    };
    const Cpu* cpu_ = nullptr;
    u32 undefined_ = 0;
    unsigned left_ = 0;
    std::array<Source, 6> sources_;
};

class ReservedBits {
  public:
    void before(Report& report, Cpu& cpu, u64 linear, const Insn& insn) const;
    void accessed(Report& report, Cpu& cpu, const MemoryAccess& access) const;
    static bool watches(const Cpu& cpu, u64 linear_page);
    static void walked(Report& report, Cpu& cpu, u64 linear_page);
};

/// Translations whose paging entries have changed, until the architecture lets nobody use them any more: our own TLB
/// may forget them earlier.
class Translations {
  public:
    explicit Translations(Machine& machine, Board& board) : machine_(machine), board_(board) {}
    bool watches(Cpu& cpu, u64 linear_page, u64 phys_page);
    void accessed(Report& report, Cpu& cpu, const MemoryAccess& access);
    /// Whether code at this page may be fetched by an old translation.
    bool wants(const Cpu& cpu, u64 linear) const { return find(cpu, linear & ~page_mask) != nullptr; }
    void executes(Report& report, Cpu& cpu, u64 linear);
    void flushed(Cpu& cpu, FlushKind kind, u64 linear);
    void forget() { stale_.clear(); }

  private:
    struct Change {
        u64 by = 0; ///< the instruction that wrote the entry
        unsigned by_cpu = 0;
        u64 phys = 0; ///< the page that the old translation leads to
        bool writable = false, user = false, executable = false, fetched = false;
        bool global = false;
        u16 pcid = 0;
        unsigned shift = 12; ///< of the page's size: INVLPG drops all of it
    };
    using Key = std::pair<const Cpu*, u64>; ///< by linear page
    void entry_changed(Cpu& by_cpu, u64 by, unsigned shift);
    void note(Cpu& cpu, u64 page, const Change& change);
    const Change* find(const Cpu& cpu, u64 page) const;
    bool outdated(Cpu& cpu, u64 page, const Change& old, const MemoryAccess* access, std::string& how) const;
    void complain(Report& report, Cpu& cpu, u64 page, const Change& change, const std::string& how, u64 linear) const;

    Machine& machine_;
    Board& board_;
    static constexpr std::size_t most = 1u << 16;
    std::unordered_map<u64, unsigned>
        tables_; ///< physical pages that hold paging structures: the shift of their entries
    std::map<Key, Change> stale_;
};

class Interrupts {
  public:
    explicit Interrupts(Board& board) : board_(board) {}
    void delivered(Report& report, Cpu& cpu, u8 vector, u64 from_ip);
    void before(Report& report, Cpu& cpu, u64 linear, const Insn& insn);
    void port_written(Report& report, Cpu& cpu, u16 port, u8 value);
    /// Looks whether an EOI is long overdue.
    void look(Report& report, bool waits);
    void forget() { services_.clear(), overdue_.clear(), next_look_ = 0; }

  private:
    enum class Holder : u8 { none, apic, pic, master }; ///< who still waits for an EOI; `master`: for a slave's input
    struct Service {
        Cpu* cpu = nullptr;
        u8 vector = 0;
        u64 from_ip = 0;
        u64 iret = 0; ///< 0: still in service
        Time since = 0;
        bool spurious = false; ///< nothing was in service for it
    };
    Holder holder(Cpu& cpu, u8 vector) const;
    Finding finding(Cpu& cpu, const Service& service, bool waits) const;

    Board& board_;
    std::vector<Service> services_, overdue_;
    std::array<u8, 2> in_service_{}; ///< of the two 8259As, before the EOI that is being looked at
    Time next_look_ = 0;
};

/// What has to be set up around modes, tables and the memory's edges.
class Setup {
  public:
    explicit Setup(Board& board) : board_(board) {}
    /// True for an instruction that it wants to see.
    static bool wants(const Insn& insn);
    void before(Report& report, Cpu& cpu, u64 linear, const Insn& insn);
    void control_written(Report& report, Cpu& cpu, ControlKind kind, u32 number, u64 before, u64 value);
    void delivered(Report& report, Cpu& cpu, u64 from_ip);
    bool watches(Report& report, Cpu& cpu, u64 linear_page, u64 phys_page);
    void accessed(Report& report, Cpu& cpu, const MemoryAccess& access);
    /// Must see the next instruction.
    bool follows() const { return mode_changed_ != nullptr; }
    void forget() { mode_changed_ = nullptr, to_control_ = {}, wrapped_page_ = ~u64{0}; }

  private:
    bool answers(u64 phys_page) const;

    Board& board_;
    const Cpu* mode_changed_ = nullptr; ///< CR0.PE has changed by the instruction before
    u64 changed_at_ = 0;
    struct {
        u64 linear = ~u64{0};
        unsigned length = 0;
        std::string text;
    } to_control_; ///< the last MOV to CR0: it may not be readable behind itself
    u64 wrapped_page_ = ~u64{0};
    static constexpr std::size_t most = 1u << 12;
    std::unordered_map<u64, u64> probed_; ///< pages where nobody answers: the address that was read
};

/// A bit for each of a value that nobody has written.
using Unwritten = std::array<u64, 4>;

/// Which bytes of RAM were ever written: a bit a byte, and the bits of those that were completed in part.
class Written {
  public:
    Written(Board& board, bool all_written);
    bool all() const { return all_; }
    /// Where in RAM, if it is there.
    std::optional<u64> place(u64 phys, bool write) const;
    bool page_complete(u64 offset) const { return count_[offset / page_size] == page_size; }
    /// Of at most 32 bytes within a page.
    Unwritten missing(u64 offset, unsigned size) const;
    void set(u64 offset, unsigned size, const Unwritten& missing);
    void written(PhysAddress start, u64 size);

  private:
    using Page = std::array<u64, 64>;
    Board& board_;
    bool all_;
    std::vector<std::unique_ptr<Page>> pages_;
    std::vector<u16> count_; ///< bytes written, up to 4096
    static constexpr std::size_t most_partial = 1u << 16;
    std::unordered_map<u64, u8> partial_; ///< the missing bits of bytes that have others
};

/// Copies carry the want of a value with them; it is told where it is used.
class Memory final : public MemoryWatcher {
  public:
    Memory(Machine& machine, bool all_written);
    ~Memory() override;
    bool watches(u64 phys_page) const;
    bool unwritten(u64 phys, const Insn& insn) const;
    void executes(Report& report, Cpu& cpu, u64 linear, u64 phys, const Insn& insn);
    void before(Report& report, Cpu& cpu, u64 linear, const Insn& insn);
    void accessed(Report& report, Cpu& cpu, const MemoryAccess& access);
    bool follows() const;
    void forget() {
        for (Shadow& shadow : shadows_) shadow = {};
        pending_ = {};
    }

    void memory_written(PhysAddress start, u64 size) override { written_.written(start, size); }
    void map_changed() override {}

  private:
    /// A register that holds what nobody has written.
    struct Held {
        Unwritten bits{};
        u64 load = 0, from = 0; ///< the instruction that read it, and where
        unsigned width = 0;     ///< x87: bytes in memory
        bool any() const { return (bits[0] | bits[1] | bits[2] | bits[3]) != 0; }
    };
    struct Shadow {
        std::array<Held, 16> general, vector;
        std::array<Held, 8> x87; ///< physical registers
        unsigned left = 0;       ///< instructions that it is followed for
    };
    struct Pending { ///< what the present instruction is about to store
        u64 ip = ~u64{0};
        Unwritten bits{};
        bool copied = false; ///< from memory, just now
    };
    /// One instruction before it executes.
    struct Step {
        Report& report;
        Cpu& cpu;
        Shadow& shadow;
        u64 linear;
        const Insn& insn;
        std::string_view name;
    };
    Shadow& shadow_of(const Cpu& cpu);
    unsigned position(const MemoryAccess& access, u64 ip);
    void use(Step& step, Held& held, const char* how) const;
    bool addresses(Step& step) const;
    bool moves(Step& step);
    bool combines(Step& step) const;
    bool vectors(Step& step);
    bool floats(Step& step);
    void computes(Step& step) const;
    bool loads(Cpu& cpu, const MemoryAccess& access, const Insn& insn, unsigned at, const Unwritten& bits);
    bool passes(Cpu& cpu, const MemoryAccess& access, const Insn& insn, unsigned at, const Unwritten& bits);
    static bool decided(const Cpu& cpu, const MemoryAccess& access, const Insn& insn, u64 bits);

    Machine& machine_;
    Board& board_;
    Written written_;
    std::vector<Shadow> shadows_; ///< of the processors
    Pending pending_;
    struct {
        u64 ip = ~u64{0}, next = 0;
        unsigned done = 0;
        bool write = false;
    } part_;
    u64 stretch_end_ = ~u64{0}; ///< of unwritten code that was executed
};

class ModifiedCode {
  public:
    explicit ModifiedCode(Board& board) : board_(board) {}
    bool watches(u64 phys_page) const { return code_.count(phys_page) != 0; }
    void wants(Report& report, Cpu& cpu, u64 linear, u64 phys, const Insn& insn);
    void accessed(Report& report, Cpu& cpu, const MemoryAccess& access);
    void serialised(const Cpu& cpu) { serialised_[&cpu] = ++sequence_; }
    void forget() { writes_.clear(); }

  private:
    void ahead(Report& report, Cpu& cpu, const MemoryAccess& access) const;
    struct Write {
        const Cpu* cpu = nullptr;
        u64 linear_page = 0, by = 0, sequence = 0;
        u32 from = 0, to = 0; ///< within the page
    };
    Board& board_;
    std::unordered_set<u64> code_;                 ///< physical pages
    static constexpr std::size_t most_writes = 64; ///< that are remembered of a page
    static constexpr std::size_t most_written = 4096, most_pages = 1u << 20;
    std::unordered_map<u64, std::vector<Write>> writes_; ///< to code, by physical page
    std::unordered_map<const Cpu*, u64> serialised_;
    u64 sequence_ = 0;
};

class Ports {
  public:
    explicit Ports(Board& board) : board_(board) {}
    void accessed(Report& report, Cpu& cpu, u16 port, unsigned width, bool write, u32 value);
    /// Nothing is known of what was done: what only needs a look counts as looked at.
    void forget() {
        access_ = {}, latched_ = {}, set_ = false, input_empty_ = true, disk_idle_ = {true, true};
        no_update_ = board_.scheduler.now();
        last_chip_ = Chip::none;
    }

  private:
    enum class Chip : u8 { none, pic, pit, rtc, keyboard, dma, ide };
    static Chip chip_of(u16 port);
    void timer(Report& report, Cpu& cpu, u64 linear, u16 port, bool write, u8 value);
    void clock(Report& report, Cpu& cpu, u64 linear, u16 port, bool write, u8 value);
    void keyboard(Report& report, Cpu& cpu, u64 linear, u16 port, bool write, u8 value);
    void recovery(Report& report, Cpu& cpu, u64 linear, Chip chip);
    void disk(Report& report, Cpu& cpu, u64 linear, u16 port, bool write, u8 value);
    void transfer(Report& report, Cpu& cpu, u64 linear, u16 port, u8 value);

    Board& board_;
    std::array<u8, 3> access_{};   ///< RL bits of the PIT's counters
    std::array<int, 3> latched_{}; ///< bytes that a latch command has provided
    u8 index_ = 0;
    bool set_ = false; ///< RTC register B: updates are held off
    std::optional<Time> no_update_;
    bool input_empty_ = false;
    std::array<bool, 2> disk_idle_{}; ///< of the IDE channels: BSY and DRQ were seen clear since the last command
    Chip last_chip_ = Chip::none;
    u64 last_ip_ = 0, last_count_ = 0;
};

} // namespace glassbox::lint

namespace glassbox {

struct Lint::Impl {
    Impl(Lint& lint, Machine& machine, Warned warned);
    void follow();

    Lint* lint;
    Machine& machine;
    lint::Report report;
    lint::Flags flags;
    lint::ReservedBits reserved;
    lint::Translations translations;
    lint::Interrupts interrupts;
    lint::Setup setup;
    lint::Memory memory;
    lint::ModifiedCode code;
    lint::Ports ports;
    bool every = false;
    u64 latest = 0;   ///< instructions of the machine when it was last heard of
    u64 frontier = 0; ///< the most that they ever were
    /// Notices that the machine has gone back: what was under way is forgotten then.
    void look_at_clock();
    /// Of memory nothing is learned again: the map is the frontier's, where the same writes lead.
    bool behind() const { return latest < frontier; }
};

} // namespace glassbox
