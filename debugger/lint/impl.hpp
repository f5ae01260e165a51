// What is behind Lint: a part for each kind of warning, and the list that they write to.
#pragma once

#include "bus/memory_map.hpp"
#include "cpu/decode/insn.hpp"
#include "cpu/decode/row.hpp"
#include "debugger/lint/lint.hpp"

#include <array>
#include <map>
#include <optional>
#include <unordered_map>
#include <unordered_set>

namespace glassbox {
class Board;
}

namespace glassbox::lint {

/// The list.
class Report {
  public:
    Report(Machine& machine, Lint::Warned warned) : machine_(machine), warned_(std::move(warned)) {}
    /// `linear`: of the instruction.
    void warn(Cpu& cpu, LintKind kind, u64 linear, const std::string& text, std::string_view section);
    const std::vector<LintWarning>& list() const { return list_; }
    void clear() { list_.clear(), places_.clear(), more_ = 0; }
    /// Warnings at places beyond the number that is kept.
    u64 more() const { return more_; }
    static constexpr std::size_t most_places = 10'000;

  private:
    Machine& machine_;
    Lint::Warned warned_;
    std::vector<LintWarning> list_;
    std::map<std::pair<LintKind, u64>, std::size_t> places_;
    u64 more_ = 0;
};

/// The instruction at a linear address of the present code segment; nothing where there is none.
std::optional<Insn> instruction_at(const Cpu& cpu, u64 linear);
bool is_named(const Insn& insn, std::string_view name);
std::string text_at(const Cpu& cpu, u64 linear);
std::string hex(u64 value, unsigned digits = 0);
/// Marks what the TLBs hold of a physical page as watched, without asking anew.
void watch_now(Board& board, u64 phys_page);

/// Flags that are read although undefined. It looks at straight lines of code: what comes over a taken branch is not
/// followed.
class Flags {
  public:
    /// True for a reader whose source must be checked when it executes.
    bool wants(u64 linear, u64 phys, const Insn& insn);
    void before(Report& report, Cpu& cpu, u64 linear, u64 phys) const;

  private:
    static constexpr std::array<u32, 6> bits{1, 4, 16, 64, 128, 2048};
    struct Source {
        u64 linear = 0;
        Insn insn;
    };
    struct Reader {
        std::array<Source, 6> sources;
        u32 reads = 0; ///< of what may be undefined
    };
    void forget(u32 flags) { maybe_ &= ~flags; }

    u64 next_phys_ = ~u64{0};
    u32 maybe_ = 0;
    std::array<Source, 6> sources_;
    static constexpr std::size_t most_readers = 1u << 14;
    std::unordered_map<u64, Reader> readers_; ///< by physical address
};

class ReservedBits {
  public:
    void before(Report& report, Cpu& cpu, u64 linear, const Insn& insn) const;
    void accessed(Report& report, Cpu& cpu, const MemoryAccess& access) const;
    static bool watches(const Cpu& cpu, u64 linear_page);
    static void walked(Report& report, Cpu& cpu, u64 linear_page);
};

/// TLB entries whose paging entries have changed.
class Translations {
  public:
    explicit Translations(Board& board) : board_(board) {}
    bool watches(Cpu& cpu, u64 linear_page, u64 phys_page);
    void accessed(Report& report, Cpu& cpu, const MemoryAccess& access);

  private:
    struct Change {
        u64 by = 0; ///< the instruction that wrote the entry
    };
    void entry_changed(u64 by);

    Board& board_;
    static constexpr std::size_t most = 1u << 16;
    std::unordered_set<u64> tables_;                     ///< physical pages that hold paging structures
    std::map<std::pair<const Cpu*, u64>, Change> stale_; ///< by linear page
};

class Interrupts {
  public:
    explicit Interrupts(Board& board) : board_(board) {}
    void delivered(Cpu& cpu, u8 vector, u64 from_ip);
    void before(Report& report, Cpu& cpu, u64 linear, const Insn& insn);
    /// Looks whether an EOI is long overdue.
    void look(Report& report, bool waits);

  private:
    struct Service {
        Cpu* cpu = nullptr;
        u8 vector = 0;
        u64 from_ip = 0;
        u64 iret = 0; ///< 0: still in service
        Time since = 0;
    };
    bool in_service(Cpu& cpu, u8 vector) const;
    std::string name(Cpu& cpu, u8 vector) const;

    Board& board_;
    std::vector<Service> services_, overdue_;
    Time next_look_ = 0;
};

/// Which bytes of RAM were ever written. Copies carry the want of a value with them; it is told where it is used.
class Memory final : public MemoryWatcher {
  public:
    Memory(Machine& machine, bool all_written);
    ~Memory() override;
    bool watches(u64 phys_page) const;
    bool unwritten(u64 phys, const Insn& insn) const;
    void executes(Report& report, Cpu& cpu, u64 linear, u64 phys, const Insn& insn);
    void before(Report& report, Cpu& cpu, u64 linear, const Insn& insn);
    void accessed(Report& report, Cpu& cpu, const MemoryAccess& access);
    bool follows() const { return follow_.left != 0; }

    void memory_written(PhysAddress start, u64 size) override;
    void map_changed() override {}

  private:
    using Page = std::array<u64, 64>; ///< a bit a byte
    std::optional<u64> place(u64 phys, bool write) const;
    /// Bits 0 to size - 1: bytes that are not written.
    u64 missing(u64 offset, unsigned size) const;
    void set(u64 offset, unsigned size, u64 missing_bytes);
    void begin(Cpu& cpu, const MemoryAccess& access, u64 linear, unsigned reg, u64 bytes);
    void end();

    /// A register that holds what nobody has written.
    struct Follow {
        const Cpu* cpu = nullptr;
        unsigned reg = 0, left = 0;
        u64 bytes = 0; ///< of the register
        u64 load = 0;  ///< the instruction that read it
        u64 from = 0, phys = 0;
        bool stores = false; ///< the present instruction writes it to memory
    };
    struct Copy {
        u64 ip = ~u64{0};
        u64 bytes = 0;
    };

    Machine& machine_;
    Board& board_;
    bool all_written_;
    std::vector<std::unique_ptr<Page>> pages_;
    std::vector<u16> count_; ///< bytes written, up to 4096
    Follow follow_;
    Copy copy_;
    u64 stretch_end_ = ~u64{0}; ///< of unwritten code that was executed
};

class ModifiedCode {
  public:
    explicit ModifiedCode(Board& board) : board_(board) {}
    bool watches(u64 phys_page) const { return code_.count(phys_page) != 0; }
    void wants(Report& report, Cpu& cpu, u64 linear, u64 phys, const Insn& insn);
    void accessed(Report& report, Cpu& cpu, const MemoryAccess& access);
    void serialised(const Cpu& cpu) { serialised_[&cpu] = ++sequence_; }

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
    void accessed(Report& report, Cpu& cpu, u16 port, bool write, u8 value);

  private:
    enum class Chip : u8 { none, pic, pit, rtc, keyboard, dma };
    static Chip chip_of(u16 port);
    void timer(Report& report, Cpu& cpu, u64 linear, u16 port, bool write, u8 value);
    void clock(Report& report, Cpu& cpu, u64 linear, u16 port, bool write, u8 value);
    void keyboard(Report& report, Cpu& cpu, u64 linear, u16 port, bool write, u8 value);
    void recovery(Report& report, Cpu& cpu, u64 linear, Chip chip);

    Board& board_;
    std::array<u8, 3> access_{};   ///< RL bits of the PIT's counters
    std::array<int, 3> latched_{}; ///< bytes that a latch command has provided
    u8 index_ = 0;
    bool set_ = false; ///< RTC register B: updates are held off
    std::optional<Time> no_update_;
    bool input_empty_ = false;
    Chip last_chip_ = Chip::none;
    u64 last_ip_ = 0, last_count_ = 0;
};

} // namespace glassbox::lint

namespace glassbox {

struct Lint::Impl {
    Impl(Machine& machine, Warned warned);

    Machine& machine;
    lint::Report report;
    lint::Flags flags;
    lint::ReservedBits reserved;
    lint::Translations translations;
    lint::Interrupts interrupts;
    lint::Memory memory;
    lint::ModifiedCode code;
    lint::Ports ports;
    bool every = false;
};

} // namespace glassbox
