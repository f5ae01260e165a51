// The PC's two Intel 8237A DMA controllers (data sheet 231466) with their page registers, as in the PIIX3 (82371SB
// 2.2): channels 0-3 move bytes at ports 00h-0Fh, channels 5-7 move words at C0h-DFh, channel 4 cascades the former.
//
// Deviations: as in the PIIX3, memory-to-memory transfers (command bits 0 and 1) and compressed timing do not exist; a
// transfer takes no time. A software request on a block-mode channel runs to its end at once: no device answers, so a
// write transfer stores FFh.
#pragma once

#include "bus/archive.hpp"
#include "bus/dma_port.hpp"
#include "bus/io_device.hpp"
#include "bus/memory_map.hpp"
#include "bus/port_bus.hpp"

#include <array>

namespace glassbox {

class DmaControllers : public IoDevice, public DmaPort {
  public:
    explicit DmaControllers(MemoryMap& memory) : memory_(memory) { reset(); }
    void map(PortBus& ports);
    void reset();

    bool ready(unsigned channel) const override;
    DmaResult to_memory(unsigned channel, std::span<const u8> data) override;
    DmaResult from_memory(unsigned channel, std::span<u8> data) override;

    u64 read(u64 offset, unsigned width) override;
    std::optional<u64> peek(u64 offset, unsigned width) const override;
    void write(u64 offset, unsigned width, u64 value) override;
    void persist(Archive& archive);

    enum class Transfer : u8 { verify = 0, write = 1, read = 2, illegal = 3 };
    struct Channel {
        u16 base_address = 0, base_count = 0;
        u16 current_address = 0, current_count = 0; // in bytes or words
        u8 mode = 0;                                // bits 7-2 of the mode register
        void persist(Archive& a) { a(base_address, base_count, current_address, current_count, mode); }
        Transfer transfer() const { return static_cast<Transfer>((mode >> 2) & 3); }
        bool autoinitialize() const { return (mode & 0x10) != 0; }
        bool decrement() const { return (mode & 0x20) != 0; }
        unsigned service() const { return mode >> 6; } // demand, single, block, cascade
    };
    struct Controller {
        std::array<Channel, 4> channels;
        u8 command = 0, mask = 0x0F, request = 0, terminal = 0;
        bool high_byte = false; // the first/last flip-flop
        void persist(Archive& a) { a(channels, command, mask, request, terminal, high_byte); }
    };
    // For a debugger: looking changes nothing.
    const Controller& controller(unsigned which) const { return controllers_[which % 2]; }
    /// Where the channel's next element lies, by its page and current address.
    u64 current_address(unsigned channel) const {
        return physical(channel % 8, controllers_[channel % 8 / 4].channels[channel % 4].current_address);
    }

  private:
    struct Source { // what a transfer moves; one of the two is set, or none in a verify transfer
        const u8* from = nullptr;
        u8* to = nullptr;
    };

    /// The controller (null: the page registers) and the register in it that an offset of the mappings means.
    struct Place {
        std::optional<unsigned> controller;
        unsigned index;
    };
    static Place place(u64 offset);
    static u8 peek_register(const Controller& controller, unsigned index);
    static u8 read_register(Controller& controller, unsigned index);
    void write_register(unsigned which, unsigned index, u8 value);
    bool has_bus(unsigned channel) const;
    void write_request(unsigned which, u8 value);
    void serve_requests();
    DmaResult move(unsigned channel, std::size_t bytes, Source source);
    void move_run(unsigned channel, u16 address, std::size_t elements, Source source);
    void finish(unsigned channel);
    u64 physical(unsigned channel, u16 address) const;
    Channel& at(unsigned channel) { return controllers_[channel / 4].channels[channel % 4]; }
    bool accepts(unsigned channel, Transfer direction) const;

    MemoryMap& memory_;
    std::array<Controller, 2> controllers_;
    std::array<u8, 16> pages_{}; // ports 80h-8Fh, of which 80h belongs to the POST code
};

} // namespace glassbox
