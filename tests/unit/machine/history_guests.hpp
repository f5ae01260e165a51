// Guests and helpers of the history's tests.
#pragma once

#include "machine/board.hpp"
#include "machine/history/timeline.hpp"
#include "machine/machine.hpp"

#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <unistd.h>
#include <vector>

namespace glassbox::history_test {

struct Text : ByteSink {
    std::string text;
    void put(u8 byte) override { text += static_cast<char>(byte); }
};

inline MachineConfig demo_config() {
    MachineConfig config;
    config.memory_bytes = 8u << 20;
    config.demo = true;
    config.boot = {"floppy"};
    return config;
}

inline std::unique_ptr<Machine> create(const MachineConfig& config, const HostPorts& ports = {}) {
    auto machine = Machine::create(config, ports);
    REQUIRE_MESSAGE(machine.has_value(), machine.error().message);
    return std::move(*machine);
}

struct Event {
    u64 at;
    Input what;
};

/// Keys, then at one instant all that does not need a file.
inline std::vector<Event> typing() {
    std::vector<Event> events;
    u64 at = 6'000'000;
    for (const u8 code : {u8{0x1E}, u8{0x30}, u8{0x2E}, u8{0x39}, u8{0x1C}}) {
        events.push_back({at, KeyInput{code, false, true}});
        events.push_back({at + 300'000, KeyInput{code, false, false}});
        at += 1'000'000;
    }
    events.push_back({at, SerialInput{0, {'h', 'e', 'l', 'l', 'o', '\r'}}});
    events.push_back({at, MouseInput{5, -3, 0, 1}});
    events.push_back({at, EntropyInput{42}});
    events.push_back({at, SkipTimeInput{3 * millisecond}});
    events.push_back({at, KeyInput{0x20, false, true}});
    return events;
}

/// A folder that is gone at the end.
class Folder {
  public:
    Folder() : path_(std::filesystem::temp_directory_path() / ("glassbox-history-" + std::to_string(getpid()))) {
        std::filesystem::create_directories(path_);
    }
    ~Folder() { std::filesystem::remove_all(path_); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    std::string file(const std::string& name) const { return (path_ / name).string(); }
    std::string write(const std::string& name, const std::vector<u8>& data) const {
        std::ofstream out(file(name), std::ios::binary);
        out.write(reinterpret_cast<const char*>(data.data()), static_cast<std::streamsize>(data.size()));
        return file(name);
    }
    std::vector<u8> read(const std::string& name) const {
        std::ifstream in(file(name), std::ios::binary);
        const std::string text((std::istreambuf_iterator<char>(in)), {});
        return {text.begin(), text.end()};
    }

  private:
    std::filesystem::path path_;
};

/// A disk of 1 MiB whose boot sector is this code.
inline std::vector<u8> bootable(const std::vector<u8>& code) {
    std::vector<u8> disk(1024 * 1024);
    std::copy(code.begin(), code.end(), disk.begin());
    disk[510] = 0x55, disk[511] = 0xAA;
    return disk;
}

/// Counts; writes the count to a sector of the disk, reads it back, says it on COM1, and sleeps until the timer.
inline std::vector<u8> disk_writer() {
    return {
        0xFA, 0x31, 0xC0, 0x8E, 0xD8, 0x8E, 0xC0, 0x8E, 0xD0, 0xBC, 0x00, 0x7C, 0xFB, // cli; segments; stack; sti
        0xFF, 0x06, 0x00, 0x7E,                                                       // again: inc word [7E00h]
        0xA1, 0x00, 0x7E, 0xBF, 0x00, 0x80, 0xB9, 0x00, 0x01, 0xF3, 0xAB,             // fill 8000h with it
        0x8B, 0x0E, 0x00, 0x7E, 0x83, 0xE1, 0x0F, 0x41, 0x41,                         // cx = 2 + (count & 15)
        0xBB, 0x00, 0x80, 0xBA, 0x80, 0x00, 0xB8, 0x01, 0x03, 0xCD, 0x13,             // write the sector
        0xBB, 0x00, 0x82, 0xB8, 0x01, 0x02, 0xCD, 0x13,                               // read it to 8200h
        0xA0, 0x00, 0x82, 0xBA, 0xF8, 0x03, 0xEE,                                     // its first byte to COM1
        0xEC, 0x30, 0x06, 0x02, 0x7E,                                                 // what COM1 has, to 7E02h
        0xF4, 0xEB, 0xC6,                                                             // hlt; jmp again
    };
}

/// Maps a page elsewhere without a flush after it has read it, and reads it for ever: the sum at 7E00h shows whether
/// the old translation is still used.
inline std::vector<u8> stale_reader() {
    return {
        0xFA, 0x31, 0xC0, 0x8E, 0xD8, 0x8E, 0xC0, 0x8E, 0xD0, 0xBC, 0x00, 0x7C, // cli; segments; stack
        0xBF, 0x00, 0xA0, 0x66, 0xB8, 0x07, 0x00, 0x00, 0x00, 0xB9, 0x00, 0x04, // page table at A000h: identity
        0x66, 0xAB, 0x66, 0x05, 0x00, 0x10, 0x00, 0x00, 0xE2, 0xF6,             //
        0x66, 0xC7, 0x06, 0x00, 0x90, 0x07, 0xA0, 0x00, 0x00,                   // page directory at 9000h
        0x66, 0xB8, 0x00, 0x90, 0x00, 0x00, 0x0F, 0x22, 0xD8,                   // mov cr3
        0x0F, 0x01, 0x16, 0x83, 0x7C,                                           // lgdt
        0x0F, 0x20, 0xC0, 0x66, 0x0D, 0x01, 0x00, 0x00, 0x80, 0x0F, 0x22, 0xC0, // CR0.PE and PG
        0xEA, 0x4A, 0x7C, 0x08, 0x00,                                           // jmp 8:32-bit code
        0x66, 0xB8, 0x10, 0x00, 0x8E, 0xD8, 0x8E, 0xD0,                         // DS, SS
        0xC7, 0x05, 0x00, 0x00, 0x02, 0x00, 0x01, 0x00, 0x00, 0x00,             // mov dword [20000h],1
        0xC7, 0x05, 0x00, 0x10, 0x02, 0x00, 0x40, 0x42, 0x0F, 0x00,             // mov dword [21000h],1000000
        0xA1, 0x00, 0x00, 0x02, 0x00,                                           // mov eax,[20000h]
        0xC7, 0x05, 0x80, 0xA0, 0x00, 0x00, 0x07, 0x10, 0x02, 0x00,             // its entry: 21000h
        0x03, 0x0D, 0x00, 0x00, 0x02, 0x00,                                     // again: add ecx,[20000h]
        0x89, 0x0D, 0x00, 0x7E, 0x00, 0x00, 0xEB, 0xF2,                         // mov [7E00h],ecx; jmp again
        0x17, 0x00, 0x89, 0x7C, 0x00, 0x00,                                     // GDTR
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,                         // GDT
        0xFF, 0xFF, 0x00, 0x00, 0x00, 0x9A, 0xCF, 0x00,                         // flat code
        0xFF, 0xFF, 0x00, 0x00, 0x00, 0x92, 0xCF, 0x00,                         // flat data
    };
}

inline MachineConfig disk_config(const std::string& path) {
    MachineConfig config;
    config.memory_bytes = 4u << 20;
    config.disks = {{path}};
    config.boot = {"disk"};
    config.keep_media = true;
    return config;
}

} // namespace glassbox::history_test
