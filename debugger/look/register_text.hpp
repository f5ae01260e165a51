// Registers as text: by group, with what has changed since another moment marked by a star.
#pragma once

#include "cpu/state.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace glassbox::look {

/// All registers of a processor at one moment.
class RegisterSnapshot {
  public:
    RegisterSnapshot() = default;
    explicit RegisterSnapshot(const Cpu& cpu);
    bool empty() const { return values_.empty(); }
    /// Whether the register holds another value now. False when nothing was kept.
    bool changed(const Cpu& cpu, std::string_view name) const;
    /// The names of those that do, of each family the widest ("rax", not "eax" and "ax").
    std::vector<std::string> changes(const Cpu& cpu) const;
    std::optional<u64> value(std::string_view name) const;

  private:
    std::vector<u64> values_; ///< in the order of all_registers()
};

/// "real mode", "protected mode, 32-bit code", "long mode, 64-bit code" …
std::string mode_text(const Cpu& cpu);
/// The names of the flags that are set, in capitals: "ZF PF IF"; "IOPL=3" unless it is 0.
std::string flag_words(u32 eflags);

void write_general(const Cpu& cpu, const RegisterSnapshot& before, std::string& out);
void write_segments(const Cpu& cpu, const RegisterSnapshot& before, std::string& out);
void write_control(const Cpu& cpu, const RegisterSnapshot& before, std::string& out);
void write_debug(const Cpu& cpu, const RegisterSnapshot& before, std::string& out);
void write_flags(const Cpu& cpu, std::string& out);
void write_changed(const Cpu& cpu, const RegisterSnapshot& before, std::string& out);
void write_one(const Cpu& cpu, const RegisterSnapshot& before, std::string_view name, std::string& out);

/// "CR0 = 80000011: PG ET PE" and the like: the bits of a control register by the manual's names.
std::string cr0_words(u64 value);
std::string cr4_words(u64 value);
std::string efer_words(u64 value);
/// "code, execute/read, accessed" … of a segment's access byte (SDM 3A tables 3-1, 3-2).
std::string segment_type_words(u32 access, bool long_mode);

} // namespace glassbox::look
