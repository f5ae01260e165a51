// A guest that means harm: programs every device of the whole board at random and runs random code on a processor in a
// random state. Where the randomness comes from is the caller's: a seeded generator, or a fuzzer's bytes.
#pragma once

#include "machine/board.hpp"
#include "machine/machine.hpp"

#include <functional>
#include <random>
#include <span>

namespace glassbox::test {

class Choices {
  public:
    explicit Choices(u64 seed) : random_(seed) {}
    explicit Choices(std::span<const u8> bytes) : bytes_(bytes), scripted_(true) {}

    u64 bits(unsigned count);
    u64 below(u64 limit) { return limit <= 1 ? 0 : bits(limit <= 256 ? 8 : limit <= 65536 ? 16 : 64) % limit; }
    bool one_in(unsigned n) { return below(n) == 0; }
    /// Often an extreme one.
    u64 value();
    /// Somewhere in or about RAM, ROM and the devices.
    u64 address(u64 ram_size);
    bool spent() const { return scripted_ && at_ >= bytes_.size(); }

  private:
    std::mt19937_64 random_{1};
    std::span<const u8> bytes_;
    std::size_t at_ = 0;
    bool scripted_ = false;
};

class HostileGuest {
  public:
    HostileGuest(Machine& machine, Choices& choices) : machine_(machine), board_(machine.board()), choices_(choices) {}

    /// One register access, command, packet, transfer or input; now and then time passes.
    void harass_devices();
    /// A processor in a random state with random tables before random code, for at most `instructions`.
    void harass_processor(u64 instructions);
    void run(u64 instructions, Time time);

  private:
    void out(u16 port, u64 value, unsigned width = 1) {
        board_.ports.write(Port{port}, width, static_cast<u32>(value));
    }
    u32 in(u16 port, unsigned width = 1) { return board_.ports.read(Port{port}, width); }
    unsigned width();
    void any_port();
    void any_register();
    void pci_configuration();
    void ide_command();
    void ide_bus_master();
    void floppy_command();
    void isa_dma();
    void fw_cfg_dma();
    void vbe();
    void indexed_register();
    void apic();
    void outside_input();
    void look();
    void scribble(u64 address, unsigned length);

    void random_tables();
    void random_code(u64 address, unsigned length);
    void random_registers();
    void random_segment(Segment& segment, bool code, unsigned level, bool real);

    Machine& machine_;
    Board& board_;
    Choices& choices_;
    Frame frame_;
};

} // namespace glassbox::test
