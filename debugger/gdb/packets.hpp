// The framing of gdb's remote protocol (gdb manual, appendix E.1): $data#checksum, acknowledgements, escapes, and the
// interrupt byte. Bytes in, packets out; it knows nothing of what they mean.
#pragma once

#include "bus/types.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace glassbox::gdb {

/// What a packet may hold: announced as PacketSize.
inline constexpr std::size_t packet_size = 0x4000;

struct Event {
    enum class Kind : u8 { packet, interrupt, too_long };
    Kind kind = Kind::packet;
    std::string data{}; ///< escapes undone
};

/// A packet on the wire. `runs`: in the short form, which only stubs may send (gdb manual, E.1: run-length encoding).
std::string framed(std::string_view data, bool runs);

class PacketReader {
  public:
    /// Takes bytes, and appends to `out` the acknowledgements that they ask for and what NAK asks to be sent again.
    void feed(std::string_view bytes, std::vector<Event>& events, std::string& out);
    /// A stub's packet, to be sent; it is kept for a NAK.
    std::string frame(std::string_view data);
    void set_acknowledged(bool on) { acknowledged_ = on; }
    bool acknowledged() const { return acknowledged_; }
    /// Takes what a stub sends: '*' is a run. Clients send none, and may have the character in their data.
    void expect_runs() { runs_ = true; }

  private:
    enum class State : u8 { idle, data, checksum_high, checksum_low };
    void complete(std::vector<Event>& events, std::string& out);
    void begin();
    void take(char c);
    void append(char c);

    State state_ = State::idle;
    bool acknowledged_ = true, escaped_ = false, too_long_ = false, runs_ = false, counting_ = false;
    std::string data_;
    u8 sum_ = 0;
    int high_ = 0, low_ = 0; // digits of the checksum; -1: not a digit
    std::string last_;
};

// --- hexadecimal, as the protocol writes it --------------------------------------------------------------------------

int hex_digit(char c);
std::string to_hex(std::string_view bytes);
std::string to_hex(u64 value); ///< without leading zeros
/// Nothing unless all of it are pairs of digits.
std::optional<std::string> from_hex(std::string_view digits);

/// Takes what is in front of a packet, piece by piece.
class Scanner {
  public:
    explicit Scanner(std::string_view text) : text_(text) {}
    bool empty() const { return text_.empty(); }
    std::string_view rest() const { return text_; }
    char peek() const { return text_.empty() ? '\0' : text_[0]; }
    bool take(char c);
    bool take(std::string_view word);
    /// A number of 1 to 16 digits.
    std::optional<u64> number();
    void skip(std::size_t count) { text_.remove_prefix(std::min(count, text_.size())); }
    /// Up to `end`, which is taken too; all, if there is none.
    std::string_view until(char end);

  private:
    std::string_view text_;
};

} // namespace glassbox::gdb
