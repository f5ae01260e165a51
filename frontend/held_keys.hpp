// Keys and mouse buttons of a window on their way to a guest that its debugger stops and sends back: what was down when
// the machine stopped comes up again when it goes on, and nobody's hand on Ctrl and Alt changes what the machine
// repeats.
#pragma once

#include "machine/input.hpp"

#include <utility>
#include <vector>

namespace glassbox {

class HeldKeys {
  public:
    /// What the guest is told of `input`, if anything. A guest that is not `live` repeats what it did before: Ctrl, Alt
    /// and Shift wait for the key that they belong to, for they may belong to the window.
    std::vector<Input> pass(const Input& input, bool live);
    /// The machine stands: what is down in the guest has to come up.
    void stop();
    /// What the guest is told once it is live again.
    std::vector<Input> take_releases() { return std::exchange(releases_, {}); }
    bool owes_releases() const { return !releases_.empty(); }

  private:
    std::vector<Input> pass_key(const KeyInput& key, bool live);

    std::vector<KeyInput> down_, waiting_;
    std::vector<Input> releases_;
    u8 buttons_ = 0;
};

} // namespace glassbox
