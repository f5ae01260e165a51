// Runs cases on the host's own processor, in a child process so that nothing they do harms the runner. A 64-bit Linux
// process may use 32-bit and 16-bit code segments too: those of the GDT and those that modify_ldt(2) makes. Entering
// and leaving them goes through signals, whose context holds every register: the exception that ends one case brings
// the signal whose handler notes the result, sets the next case up and returns into it.
//
// What this process cannot see or set: the x87's code and data segments (a 64-bit kernel saves 64-bit pointers), and
// EFLAGS beyond the arithmetic flags, DF, TF and AC.
#pragma once

#include "bus/error.hpp"
#include "tests/x86-conformance/host/case.hpp"

#include <memory>

namespace glassbox::conformance::host {

/// Whether programs may use RDFSBASE and its kin, without which 64-bit cases cannot run.
bool has_base_instructions();

class Native {
  public:
    /// An error is the reason why this host cannot do it.
    static Expected<std::unique_ptr<Native>> start();
    ~Native();
    Native(const Native&) = delete;
    Native& operator=(const Native&) = delete;

    static constexpr unsigned most_cases = 64;
    Input& input(unsigned i);
    const Output& output(unsigned i) const;
    /// Runs the first `count` inputs. A case that ends the child or that does not end has a vector of these.
    Expected<> run(unsigned count);
    static constexpr int child_died = -2, child_hung = -3;

  private:
    Native();
    struct Shared;
    struct Child;
    Expected<> launch();
    void kill_child();
    /// Until the child has done its part: true; it died or hangs: false, with the reason.
    bool wait(int& reason);

    Shared* shared_ = nullptr;
    int child_ = -1;
};

} // namespace glassbox::conformance::host
