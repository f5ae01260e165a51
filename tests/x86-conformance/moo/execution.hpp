// Runs captured cases on a processor model and compares: registers, memory, flags but the undefined ones, the exception
// taken. Memory that a case does not name has a background that must stay as it is; `stray` looks for writes to it.
#pragma once

#include "cpu/decode/undefined.hpp"
#include "tests/x86-conformance/bare_machine.hpp"
#include "tests/x86-conformance/coverage/coverage.hpp"
#include "tests/x86-conformance/moo/chip.hpp"
#include "tests/x86-conformance/moo/format.hpp"

#include <optional>
#include <string>
#include <vector>

namespace glassbox::conformance::moo {

/// One thing that is not as captured.
struct Difference {
    std::string field, expected, got;
};
/// For a report: filled in when a case fails.
struct Outcome {
    std::array<u32, reg::count> registers{}; ///< of ours
    std::vector<Difference> differences;
    std::string ended; ///< what ours did besides: the exception taken, a shutdown
};

class Execution {
  public:
    Execution(const Chip& chip, const Plan& plan);

    const Chip& chip() const { return chip_; }
    Cpu& cpu() { return machine_.cpu; }
    /// Nothing, or why the case cannot be run here: its addresses.
    bool sound(const Case& test, Problem& problem) const;
    /// True: as captured. Else, and with `outcome`, what differs. `mask` holds for all cases of the file. Every case
    /// starts from the same state, and leaves nothing behind but strays.
    bool run(const Case& test, const Registers& mask, Outcome* outcome = nullptr);
    /// Whether a file's cases tell all that they write, so that a stray is a failure.
    bool judges_strays() const { return chip_.names_writes || cycles_seen_; }
    /// The first byte of the background that was written; it is put right, with all others.
    std::optional<u32> stray();

    static const char* register_name(unsigned name, bool wide);

  private:
    /// Bits of a byte in memory that are not compared.
    struct Excuse {
        u32 address;
        u8 mask;
    };

    void prepare(const Registers& initial);
    void load_registers(const Registers& initial);
    void write(const RamList& list);
    void expect(const RamList& list);
    void forget(const RamList& list);
    void forget(const CycleList& cycles);
    void decode_case(const Case& test);
    void execute(const Case& test);
    void run_to_halt();
    void run_one_instruction();
    u32 result(unsigned name) const;
    bool faulted() const { return machine_.cpu.fault_chain_length > 0; }

    void find_excuses(const Case& test);
    void excuse_flags_image(const Case& test);
    void excuse_operand(const Case& test);
    u8 excused(u32 address) const;
    bool compare_registers(const Case& test, const Registers& mask, Outcome* outcome) const;
    bool compare_memory(const RamList& list, Outcome* outcome) const;
    bool compare_end(const Case& test, Outcome* outcome) const;
    bool same_exception(u8 number) const;

    const Chip& chip_;
    Machine machine_;
    std::vector<u8> expected_; ///< of the addresses that the case names
    FpuState clean_fpu_;
    TableRegister clean_gdtr_, clean_idtr_;
    u64 clean_cr0_ = 0;
    Insn insn_;
    bool decoded_ = false;
    Undefined undefined_;
    std::array<Excuse, 8> excuses_{};
    unsigned excuse_count_ = 0;
    bool cycles_seen_ = false; ///< the last case had some
};

} // namespace glassbox::conformance::moo
