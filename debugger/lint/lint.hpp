// Lint: warns when a guest relies on what hardware does not promise. It listens and changes nothing: a run under lint
// is the same run, only slower. Kinds, sections and limits: docs/lint.md.
#pragma once

#include "bus/probe.hpp"
#include "bus/types.hpp"
#include "cpu/probe.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace glassbox {

class Machine;
class Symbols;

enum class LintKind : u8 {
    undefined_flags,   ///< a flag is read that the instruction before has left undefined
    reserved_bits,     ///< a reserved bit is set where nothing faults
    stale_translation, ///< a TLB entry is used after its paging entry has changed without a flush
    missing_eoi,       ///< an interrupt's service has returned, and its controller still waits for the EOI
    uninitialised,     ///< memory is used that nobody has written since power-on
    modified_code,     ///< code that was just written is executed without what makes the processor see it
    port_timing,       ///< a chip is accessed without the wait or the look that its data sheet asks for
    interrupt_setup,   ///< an interrupt comes at an exception's vector, or one that never was is ended
    mode_switch,       ///< a processor mode is entered without what the manual asks around it
    descriptor_tables, ///< a table's limit cuts a descriptor, or a selector in use names none
    dma_boundary,      ///< an 8237A's transfer would leave its 64 KiB, or 128 for words
    address_line_20,   ///< odd megabytes are used while A20 is off
    unbacked_memory,   ///< no chip answers there
};
inline constexpr unsigned lint_kinds = 13;

/// What the list, the console and docs/lint.md know of a kind.
struct LintRule {
    std::string_view name; ///< "undefined-flags"
    std::string_view summary;
    std::string_view explanation; ///< why hardware does not promise it, and what happens on some
    std::string_view advice;      ///< what to do about it
    std::string_view section;
};
const LintRule& rule_of(LintKind kind);
std::string_view name_of(LintKind kind);
/// By its name, or the only one that begins so.
std::optional<LintKind> find_rule(std::string_view name);

struct LintWarning {
    LintKind kind = LintKind::undefined_flags;
    unsigned processor = 0;
    u64 linear = 0;          ///< of the instruction
    std::string place;       ///< "0008:C0101000", as code addresses are written
    std::string symbol;      ///< "schedule+1ch", "" where nobody knows a name
    std::string instruction; ///< its text
    std::string text;        ///< what it does, a sentence
    std::string section;     ///< of the manual or data sheet
    std::string advice;      ///< what to do
    u64 count = 0;           ///< how often so far
    u64 at = 0;              ///< the machine's instructions when it last happened
};

class Lint final : public Probe, public BusProbe {
  public:
    using Warned = std::function<void(const LintWarning&)>;

    /// Listens to `machine`, which outlives it, from now on. `warned` may be empty; it is told once for each kind and
    /// place, at the first time. A machine that has executed nothing yet has memory that nobody has written; else all
    /// of it counts as written.
    explicit Lint(Machine& machine, Warned warned = {});
    ~Lint() override;
    Lint(const Lint&) = delete;
    Lint& operator=(const Lint&) = delete;

    /// In the order of their first times, with the counts up to now.
    const std::vector<LintWarning>& warnings() const;
    void clear();

    /// A rule that is off says nothing; all are on at the beginning.
    void enable(LintKind kind, bool on);
    bool enabled(LintKind kind) const;
    /// A finding of a rule that stops calls `stop`, each time it happens; the machine's run has been asked to end.
    void set_stops(LintKind kind, bool on);
    bool stops(LintKind kind) const;
    std::function<void(const LintWarning&)> stop;
    /// Nothing is said of the instruction at this linear address (of this rule, or of any); false: it was so already.
    bool suppress(u64 linear, std::optional<LintKind> kind = {});
    /// Of all rules; false: nothing was suppressed there.
    bool unsuppress(u64 linear);
    struct Suppression {
        u64 linear = 0;
        std::optional<LintKind> kind;
        u64 count = 0; ///< what was not said
    };
    const std::vector<Suppression>& suppressions() const;
    /// Where addresses get names from; it outlives the lint.
    void set_symbols(const Symbols* symbols);
    /// All warnings by kind, with counts: complete lines, at most 100 columns where the guest's text allows it.
    std::string summary() const;
    /// One warning in two lines.
    static std::string to_text(const LintWarning& warning);

    // --- Probe, BusProbe ------------------------------------------------------------------------------------------
    bool wants(Cpu& cpu, u64 linear, u64 phys, const Insn& insn) override;
    bool before_instruction(Cpu& cpu) override;
    bool watches(Cpu& cpu, u64 linear_page, u64 phys_page) override;
    void accessed(Cpu& cpu, const MemoryAccess& access) override;
    void delivered(Cpu& cpu, u8 vector, InterruptKind kind, u64 from_ip) override;
    void control_written(Cpu& cpu, ControlKind kind, u32 number, u64 before, u64 value) override;
    void flushed(Cpu& cpu, FlushKind kind, u64 linear) override;
    void port_accessed(std::string_view owner, Port port, unsigned width, bool write, u32 value) override;

    struct Impl; ///< for debugger/lint alone

  private:
    std::unique_ptr<Impl> impl_;
};

} // namespace glassbox
