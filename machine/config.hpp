// What a machine is made of. Filled from the command line and MACHINE.toml by the front end, read by the board.
#pragma once

#include "bus/error.hpp"
#include "bus/types.hpp"
#include "cpu/engine_options.hpp"

#include <array>
#include <optional>
#include <string>
#include <vector>

namespace glassbox {

struct DriveConfig {
    std::string path;
    bool read_only = false;
    bool discard_writes = false;
};

struct MachineConfig {
    u64 memory_bytes = 128u << 20;
    unsigned processors = 1;
    std::string cpu_model = "max";
    std::vector<DriveConfig> disks;    ///< at most 4 with the CD-ROM: primary master, primary slave, secondary slave …
    std::optional<std::string> cdrom;  ///< secondary master; an empty path is a drive without a disc
    std::vector<DriveConfig> floppies; ///< at most 2
    std::vector<std::string> boot = {"disk", "cdrom", "floppy"};
    bool keep_media = false; ///< what the guest writes to drives stays in memory until Board::commit_media
    std::optional<std::string> kernel, initrd;
    std::string append;
    std::string bios, vgabios; ///< empty: Debian's seabios package
    unsigned serial_ports = 1; ///< how many of COM1-COM4 exist
    bool parallel_port = true;
    std::optional<u16> exit_port;
    bool test_device = false;        ///< the device of kernel tests (devices/test_device); brings an exit port at F4h
    u64 instructions_per_second = 0; ///< 0: Scheduler::default_speed
    i64 rtc_base = 1'767'225'600;    ///< seconds since 1970 (UTC) that the RTC shows at power-on; default 2026-01-01
    u64 entropy_seed = 0;            ///< what RDRAND and RDSEED begin with: the same seed gives the same numbers
    /// Memory and registers hold anything at power-on, and timers are late, all as this seed says
    /// (machine/hostile.hpp): what the manuals leave undefined. All of the memory is then taken from the host.
    std::optional<u64> hostile_seed;
    bool stop_on_triple_fault = false;
    EngineOptions engine; ///< shortcuts to do without; nothing that the guest sees depends on it
    bool demo = false;    ///< boot the built-in guest from a floppy image in memory
};

} // namespace glassbox
