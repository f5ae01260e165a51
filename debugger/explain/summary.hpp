// What shut a processor down, in one or two sentences: the first fault with the bit that decided, and why no handler
// could be entered.
#pragma once

#include "debugger/explain/guesses.hpp"

#include <span>

namespace glassbox {
class Board;
}

namespace glassbox::explain {

/// One of the faults that led to a shutdown.
struct Link {
    Fault fault;
    Cpu::Delivering during;
    std::string decisive; ///< what its explanation came down to
    Cited cited;          ///< and where that lies
};

/// `board` may be null; it knows which line asked for an interrupt.
void tell_summary(Story& story, const Moment& m, const Decoded& d, std::span<const Link> chain, const Board* board);

/// "IRQ 0, the timer": the line of the 8259 that has this vector, or nothing.
std::string interrupt_source(const Board* board, unsigned vector);
/// "external interrupt 08h", "INT 30h", "#GP".
std::string event_words(const Cpu::Delivering& event);
/// Why a machine sleeps for ever, as far as controllers and stack tell.
void tell_sleep(Story& story, const Moment& m, const Board& board);

} // namespace glassbox::explain
