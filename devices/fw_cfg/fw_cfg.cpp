#include "devices/fw_cfg/fw_cfg.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <utility>

namespace glassbox {

namespace {
constexpr u16 signature_key = 0x00, id_key = 0x01, directory_key = 0x19, first_file = 0x20;
constexpr u16 write_channel = 0x4000; // an old flag of the selector, ignored
constexpr std::size_t name_size = 56, most_files = 0x1000;
constexpr u32 dma_error = 1, dma_read = 2, dma_skip = 4, dma_select = 8, dma_write = 16;
constexpr u64 dma_signature = 0x5145'4D55'2043'4647; // "QEMU CFG"

u64 big_endian(std::span<const u8> bytes) {
    u64 value = 0;
    for (u8 byte : bytes) value = value << 8 | byte;
    return value;
}
void put_big_endian(std::vector<u8>& out, u64 value, unsigned bytes) {
    while (bytes-- > 0) out.push_back(static_cast<u8>(value >> (8 * bytes)));
}
u32 swapped(u32 value) { return value << 24 | (value & 0xFF00) << 8 | (value >> 8 & 0xFF00) | value >> 24; }
} // namespace

FwCfg::FwCfg(MemoryMap& memory) : memory_(memory) {
    add_bytes(signature_key, {'Q', 'E', 'M', 'U'});
    add_u32(id_key, 3); // the traditional interface and DMA
    build_directory();
}

void FwCfg::map(PortBus& ports) {
    ports.map("fw_cfg", {Port{0x510}, 2}, *this, 2, 0);
    ports.map("fw_cfg DMA", {Port{0x514}, 8}, *this, 4, dma_offset);
}

void FwCfg::reset() {
    select(0);
    dma_address_ = 0;
}

void FwCfg::add_bytes(u16 key, std::vector<u8> data) { entries_[key] = {std::move(data), false, {}}; }

void FwCfg::add_number(u16 key, u64 value, unsigned bytes) {
    std::vector<u8> data;
    for (unsigned i = 0; i < bytes; ++i) data.push_back(static_cast<u8>(value >> (8 * i)));
    add_bytes(key, std::move(data));
}

void FwCfg::add_file(std::string name, std::vector<u8> data) { store(std::move(name), {std::move(data), false, {}}); }

void FwCfg::add_writable_file(std::string name, std::vector<u8> data, Written written) {
    store(std::move(name), {std::move(data), true, std::move(written)});
}

void FwCfg::store(std::string name, Entry entry) {
    if (name.empty() || name.size() >= name_size)
        throw std::invalid_argument("fw_cfg: a file's name is too long: " + name);
    if (files_.size() >= most_files) throw std::invalid_argument("fw_cfg: too many files");
    files_[std::move(name)] = std::move(entry);
    build_directory();
}

// Count, then for each file: size, selector, two zero bytes, name; big-endian.
void FwCfg::build_directory() {
    std::vector<u8> directory;
    slots_.clear();
    put_big_endian(directory, files_.size(), 4);
    for (auto& [name, entry] : files_) {
        put_big_endian(directory, entry.data.size(), 4);
        put_big_endian(directory, first_file + slots_.size(), 2);
        put_big_endian(directory, 0, 2);
        directory.insert(directory.end(), name.begin(), name.end());
        directory.resize(directory.size() + name_size - name.size());
        slots_.push_back(&entry);
    }
    add_bytes(directory_key, std::move(directory));
}

const FwCfg::Entry* FwCfg::selected() const {
    if (key_ >= first_file && key_ - first_file < static_cast<int>(slots_.size())) return slots_[key_ - first_file];
    const auto found = entries_.find(key_);
    return found == entries_.end() ? nullptr : &found->second;
}

void FwCfg::select(u16 key) {
    key_ = key & static_cast<u16>(~write_channel);
    position_ = 0;
}

u8 FwCfg::peek_byte() const {
    const Entry* entry = selected();
    return entry && position_ < entry->data.size() ? entry->data[position_] : u8{0};
}

u64 FwCfg::read(u64 offset, unsigned width) {
    const u64 value = *peek(offset, width);
    const Entry* entry = selected();
    if (offset < dma_offset && width == 1 && entry && position_ < entry->data.size()) ++position_;
    return value;
}

std::optional<u64> FwCfg::peek(u64 offset, unsigned width) const {
    if (offset < dma_offset) return width == 1 ? peek_byte() : 0;
    u64 value = 0; // the signature, most significant byte first
    for (unsigned i = 0; i < width && offset - dma_offset + i < 8; ++i) {
        value |= (dma_signature >> (8 * (7 - (offset - dma_offset + i))) & 0xFF) << (8 * i);
    }
    return value;
}

void FwCfg::write(u64 offset, unsigned width, u64 value) {
    if (offset == 0 && width == 2) {
        select(static_cast<u16>(value));
    } else if (offset == dma_offset && width == 4) {
        dma_address_ = u64{swapped(static_cast<u32>(value))} << 32;
    } else if (offset == dma_offset + 4 && width == 4) {
        dma_address_ |= swapped(static_cast<u32>(value));
        transfer();
        dma_address_ = 0;
    }
}

bool FwCfg::memory_is_plain(u64 address, u64 length, bool to_guest) {
    if (length == 0) return true;
    if (address + length < address) return false;
    for (u64 page = address & ~page_mask; page < address + length; page += page_size) {
        const PhysAddress at{page};
        if (!(to_guest ? memory_.page_for_write(at) : memory_.page_for_read(at))) return false;
    }
    return true;
}

// FWCfgDmaAccess: control, length and address, big-endian. The control word is written back: 0, or the error bit.
void FwCfg::transfer() {
    const u64 descriptor = dma_address_;
    std::array<u8, 16> fields{};
    if (!memory_is_plain(descriptor, fields.size(), true)) return; // nowhere to report it
    memory_.read_block(PhysAddress{descriptor}, fields);
    const std::span<const u8> bytes(fields);
    const auto control = static_cast<u32>(big_endian(bytes.subspan(0, 4)));
    const u64 length = big_endian(bytes.subspan(4, 4)), address = big_endian(bytes.subspan(8, 8));
    if (control & dma_select) select(static_cast<u16>(control >> 16));
    const bool fine = move(control, address, length);
    const std::array<u8, 4> result{0, 0, 0, static_cast<u8>(fine ? 0 : dma_error)};
    memory_.write_block(PhysAddress{descriptor}, result);
}

bool FwCfg::move(u32 control, u64 address, u64 length) {
    Entry* entry = selected();
    const u64 size = entry ? entry->data.size() : 0;
    const u64 part = std::min(length, size - std::min(size, position_));
    if (control & dma_read) {
        if (!memory_is_plain(address, length, true)) return false;
        if (part) memory_.write_block(PhysAddress{address}, std::span(entry->data).subspan(position_, part));
        constexpr std::array<u8, page_size> zeros{}; // past the end everything is zero
        for (u64 done = part; done < length; done += std::min<u64>(zeros.size(), length - done)) {
            const auto rest = static_cast<std::size_t>(std::min<u64>(zeros.size(), length - done));
            memory_.write_block(PhysAddress{address + done}, std::span(zeros).first(rest));
        }
    } else if (control & dma_write) {
        if (!entry || !entry->writable || part != length || !memory_is_plain(address, length, false)) return false;
        memory_.read_block(PhysAddress{address}, std::span(entry->data).subspan(position_, part));
        if (entry->written) entry->written(entry->data, position_, part);
    } else if (!(control & dma_skip)) {
        return true;
    }
    position_ += part;
    return true;
}

void FwCfg::persist(Archive& archive) {
    archive.chunk("fw_cfg", 1, [&](u32) {
        archive(key_, position_, dma_address_);
        for (auto& [name, entry] : files_) {
            if (!entry.writable) continue;
            std::string saved_name = name;
            const std::size_t size = entry.data.size();
            archive(saved_name, entry.data);
            archive.require(saved_name == name && entry.data.size() == size,
                            "fw_cfg has other files than the snapshot");
            if (archive.loading() && !archive.ok()) entry.data.resize(size);
        }
    });
}

} // namespace glassbox
