// Lint: warns when a guest relies on what hardware does not promise. It listens and changes nothing: a run under lint
// is the same run, only slower. Kinds, sections and limits: docs/lint.md.
#pragma once

#include "bus/probe.hpp"
#include "bus/types.hpp"
#include "cpu/probe.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace glassbox {

class Machine;

enum class LintKind : u8 {
    undefined_flags,   ///< a flag is read that the instruction before has left undefined
    reserved_bits,     ///< a reserved bit is set where nothing faults
    stale_translation, ///< a TLB entry is used after its paging entry has changed without a flush
    missing_eoi,       ///< an interrupt's service has returned, and its controller still waits for the EOI
    uninitialised,     ///< memory is used that nobody has written since power-on
    modified_code,     ///< code that was just written is executed without what makes the processor see it
    port_timing,       ///< a chip is accessed without the wait or the look that its data sheet asks for
};
inline constexpr unsigned lint_kinds = 7;
/// "undefined-flags" and the like.
std::string_view name_of(LintKind kind);

struct LintWarning {
    LintKind kind = LintKind::undefined_flags;
    unsigned processor = 0;
    u64 linear = 0;          ///< of the instruction
    std::string place;       ///< "0008:C0101000", as code addresses are written
    std::string instruction; ///< its text
    std::string text;        ///< what it does, a sentence
    std::string section;     ///< of the manual or data sheet
    u64 count = 0;           ///< how often so far
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
    void port_accessed(std::string_view owner, Port port, unsigned width, bool write, u32 value) override;

    struct Impl; ///< for debugger/lint alone

  private:
    std::unique_ptr<Impl> impl_;
};

} // namespace glassbox
