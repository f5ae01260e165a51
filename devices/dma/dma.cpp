// Transfers of the 8237A: addresses, counts, terminal count and what follows it.
#include "devices/dma/dma.hpp"

#include <algorithm>
#include <vector>

namespace glassbox {

namespace {

// Where each channel's page register sits among ports 80h-8Fh; channel 4 has the refresh page.
constexpr unsigned page_of_channel[8] = {0x7, 0x3, 0x1, 0x2, 0xF, 0xB, 0x9, 0xA};
constexpr unsigned cascade_channel = 4;
constexpr unsigned cascade_service = 3, block_service = 2;
constexpr u8 disabled = 0x04; // command bit 2

unsigned element_size(unsigned channel) { return channel < 4 ? 1 : 2; }

} // namespace

void DmaControllers::reset() {
    for (Controller& controller : controllers_) controller = Controller{};
    pages_.fill(0);
}

/// Whether a request of the channel would be answered, masks of its own apart.
bool DmaControllers::has_bus(unsigned channel) const {
    const Controller& lower = controllers_[0];
    const Controller& upper = controllers_[1];
    if (channel == cascade_channel || (upper.command & disabled) != 0) return false;
    // The first controller's requests pass through channel 4.
    return channel > 4 || ((lower.command & disabled) == 0 && (upper.mask & 1) == 0);
}

bool DmaControllers::ready(unsigned channel) const {
    if (channel > 7 || !has_bus(channel)) return false;
    return (controllers_[channel / 4].mask >> (channel % 4) & 1) == 0;
}

bool DmaControllers::accepts(unsigned channel, Transfer direction) const {
    if (!ready(channel)) return false;
    const Channel& c = controllers_[channel / 4].channels[channel % 4];
    return c.service() != cascade_service && (c.transfer() == direction || c.transfer() == Transfer::verify);
}

DmaResult DmaControllers::to_memory(unsigned channel, std::span<const u8> data) {
    if (!accepts(channel, Transfer::write)) return {};
    return move(channel, data.size(), {data.data(), nullptr});
}

DmaResult DmaControllers::from_memory(unsigned channel, std::span<u8> data) {
    if (!accepts(channel, Transfer::read)) return {};
    return move(channel, data.size(), {nullptr, data.data()});
}

u64 DmaControllers::physical(unsigned channel, u16 address) const {
    const u64 page = pages_[page_of_channel[channel]];
    // Word channels drive A16-A1 from the address register, so the page's bit 0 is not used.
    return channel < 4 ? page << 16 | address : (page & 0xFE) << 16 | u64{address} << 1;
}

/// Moves until the data or the count ends; the address wraps within its 64 K bytes or words.
DmaResult DmaControllers::move(unsigned channel, std::size_t bytes, Source source) {
    Channel& c = at(channel);
    const unsigned size = element_size(channel);
    std::size_t left = std::min<std::size_t>(bytes / size, std::size_t{c.current_count} + 1);
    DmaResult result{left * size, left == std::size_t{c.current_count} + 1};
    c.current_count = static_cast<u16>(c.current_count - left);
    while (left > 0) {
        const std::size_t run = c.decrement() ? 1 : std::min<std::size_t>(left, 0x10000u - c.current_address);
        move_run(channel, c.current_address, run, source);
        c.current_address = static_cast<u16>(c.decrement() ? c.current_address - 1u : c.current_address + run);
        if (source.from) source.from += run * size;
        if (source.to) source.to += run * size;
        left -= run;
    }
    if (result.terminal_count) finish(channel);
    return result;
}

void DmaControllers::move_run(unsigned channel, u16 address, std::size_t elements, Source source) {
    const std::size_t bytes = elements * element_size(channel);
    const PhysAddress start(physical(channel, address));
    if (at(channel).transfer() == Transfer::verify) {
        if (source.to) std::fill_n(source.to, bytes, u8{0xFF}); // nothing drives the bus
    } else if (source.to) {
        memory_.read_block(start, {source.to, bytes});
    } else if (source.from) {
        memory_.write_block(start, {source.from, bytes});
    }
}

/// Terminal count: the status bit, then either the base registers again or the mask.
void DmaControllers::finish(unsigned channel) {
    Controller& controller = controllers_[channel / 4];
    Channel& c = at(channel);
    const u8 bit = static_cast<u8>(1u << channel % 4);
    controller.terminal |= bit;
    controller.request &= static_cast<u8>(~bit);
    if (c.autoinitialize()) {
        c.current_address = c.base_address;
        c.current_count = c.base_count;
    } else {
        controller.mask |= bit;
    }
}

void DmaControllers::write_request(unsigned which, u8 value) {
    Controller& controller = controllers_[which];
    const u8 bit = static_cast<u8>(1u << (value & 3));
    if ((value & 4) == 0) {
        controller.request &= static_cast<u8>(~bit);
        return;
    }
    controller.request |= bit;
}

/// "Software requests will be serviced only if the channel is in Block mode", and whatever its mask says. They wait for
/// the controllers to be enabled and for channel 4 to be open.
void DmaControllers::serve_requests() {
    for (unsigned channel = 0; channel < 8; ++channel) {
        const Channel& c = at(channel);
        const bool requested = (controllers_[channel / 4].request >> channel % 4 & 1) != 0;
        if (!requested || !has_bus(channel) || c.service() != block_service) continue;
        const std::size_t bytes = (std::size_t{c.current_count} + 1) * element_size(channel);
        if (c.transfer() == Transfer::write) {
            const std::vector<u8> floating(bytes, 0xFF);
            move(channel, bytes, {floating.data(), nullptr});
        } else {
            move(channel, bytes, {});
        }
    }
}

void DmaControllers::persist(Archive& archive) {
    archive.chunk("dma", 1, [&](u32) {
        archive(controllers_, pages_);
        for (const Controller& c : controllers_) {
            archive.require(((c.mask | c.request | c.terminal) & 0xF0) == 0,
                            "a DMA controller has more than 4 channels");
        }
    });
}

} // namespace glassbox
