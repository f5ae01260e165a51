// Who drives IRQ 0 and IRQ 8 (IA-PC HPET 1.0a, 2.3.5): the 8254 and the RTC, or, under legacy replacement, timers 0 and
// 1 of the HPET. Each side keeps its level while the other has the line, so that a hand-over shows the present level.
#pragma once

#include "bus/archive.hpp"
#include "bus/irq_line.hpp"

#include <array>
#include <functional>

namespace glassbox {

class LegacyRouter : public IrqSink {
  public:
    enum Input : unsigned { pit, rtc, hpet0, hpet1 };

    LegacyRouter(IrqLine irq0, IrqLine irq8) : lines_{irq0, irq8} {}

    /// Give the chips `IrqLine(router, LegacyRouter::pit)` and so on.
    void set_irq(unsigned input, bool level) override {
        if (input >= levels_.size() || levels_[input] == level) return;
        levels_[input] = level;
        if (input == rtc && level && rtc_raised) rtc_raised();
        if (replaced_ == (input >= hpet0)) lines_[input % 2].set(level);
    }
    void set_replaced(bool replaced) {
        if (replaced == replaced_) return;
        replaced_ = replaced;
        for (unsigned line = 0; line < 2; ++line) lines_[line].set(levels_[line + (replaced ? 2 : 0)]);
    }
    bool replaced() const { return replaced_; }
    /// The RTC's own output rises, whoever has IRQ 8: power management listens there.
    std::function<void()> rtc_raised;

    void persist(Archive& archive) { archive(levels_, replaced_); }

  private:
    std::array<IrqLine, 2> lines_;
    std::array<bool, 4> levels_{};
    bool replaced_ = false;
};

} // namespace glassbox
