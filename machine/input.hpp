// Everything that reaches the guest from outside, as values in one queue. Each is applied between two instructions and
// stamped with the instruction count, so that a run can be recorded and replayed.
#pragma once

#include "bus/types.hpp"

#include <string>
#include <variant>
#include <vector>

namespace glassbox {

/// A key's position, named as in the PS/2 set-1 table: `code` is the scan code, `extended` its E0 prefix. Pause is 45h
/// extended.
struct KeyInput {
    u8 code = 0;
    bool extended = false;
    bool pressed = false;
};
struct MouseInput {
    int dx = 0, dy = 0; ///< right and down are positive
    int wheel = 0;      ///< towards the user is positive
    u8 buttons = 0;     ///< bit 0 left, 1 right, 2 middle
};
struct SerialInput {
    unsigned port = 0; ///< 0 = COM1
    std::vector<u8> data;
};
/// An empty path takes the medium out.
struct MediaInput {
    enum class Drive : u8 { floppy0, floppy1, cdrom } drive{};
    std::string path;
    bool read_only = false;
};
struct PowerButtonInput {};
struct ResetInput {};
/// Bits for RDRAND and RDSEED, mixed into what they have: the only way for the host's randomness to a guest.
struct EntropyInput {
    u64 bits = 0;
};
/// Host time passed while the guest did not: virtual time skips ahead (`--clock realtime`).
struct SkipTimeInput {
    Time duration = 0;
};

using Input = std::variant<KeyInput, MouseInput, SerialInput, MediaInput, PowerButtonInput, ResetInput, EntropyInput,
                           SkipTimeInput>;

} // namespace glassbox
