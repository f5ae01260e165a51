// Which calls and interrupts have not returned yet: a shadow of the guest's stack, kept from the calls and returns that
// are seen. Returns on other stacks (another task's) match nothing and are passed over.
#pragma once

#include "cpu/state.hpp"
#include "debugger/control/flow.hpp"

#include <optional>
#include <vector>

namespace glassbox {

class CallTracker {
  public:
    enum class Kind : u8 { call, delivery, system_call };
    struct Entry {
        Kind kind = Kind::call;
        u64 slot = 0;          ///< linear address of the return address, or of the top of the stack in a handler
        u64 outer = 0;         ///< deliveries and system calls: where the interrupted stack ended
        u64 from = 0;          ///< linear address of the CALL; deliveries: the address that was pushed
        u64 count = 0;         ///< of instructions, before the call
        bool hardware = false; ///< an interrupt that no instruction asked for
    };
    struct Return {
        u64 slot = 0, outer = 0;
        Flow flow = Flow::ret;
    };

    void clear() { open_.clear(); }
    bool empty() const { return open_.empty(); }
    const std::vector<Entry>& open() const { return open_; }

    void call(const Cpu& cpu, const FlowInsn& insn, u64 count);
    void delivered(const Cpu& cpu, u64 from_ip, u64 count, bool hardware);
    /// Before a return executes: what it returns through; the calls that it ends are removed. False: none of those
    /// seen.
    static Return return_at(const Cpu& cpu, const FlowInsn& insn);
    bool returned(const Return& by);
    /// Only as if it had happened after all that is known.
    static std::optional<std::size_t> match(const std::vector<Entry>& open, const Return& by);

  private:
    std::vector<Entry> open_;
};

} // namespace glassbox
