// Keys on their way to the guest, at a pace that a BIOS can follow: pasted and scripted text would overrun the
// keyboard's buffer of 16 codes. The pace is guest time, so that a script types the same in every run.
#pragma once

#include "bus/types.hpp"
#include "machine/input.hpp"

#include <deque>
#include <optional>
#include <vector>

namespace glassbox {

class KeyQueue {
  public:
    static constexpr Time spacing = 10 * millisecond;

    void add(const std::vector<KeyInput>& inputs) { keys_.insert(keys_.end(), inputs.begin(), inputs.end()); }
    /// Everything is typed and the pause after the last key is over.
    bool idle(Time now) const { return keys_.empty() && now >= next_; }
    /// When the next key is due, or the pause after the last one is over.
    Time due(Time now) const { return keys_.empty() && now >= next_ ? never : next_; }
    /// The key that is due, if any.
    std::optional<KeyInput> take(Time now) {
        if (keys_.empty() || now < next_) return std::nullopt;
        const KeyInput key = keys_.front();
        keys_.pop_front();
        next_ = now + spacing;
        return key;
    }

  private:
    std::deque<KeyInput> keys_;
    Time next_ = 0;
};

} // namespace glassbox
