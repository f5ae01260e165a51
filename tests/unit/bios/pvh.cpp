// ELF kernels with a PVH entry: the note, the start information, and what is refused.
//
// Xen, "x86/HVM direct boot ABI"; public/arch-x86/hvm/start_info.h.
#include "bios/direct_boot.hpp"

#include <doctest/doctest.h>

using namespace glassbox;

namespace {

constexpr u64 memory = 128u << 20;
constexpr std::size_t note_at = 0x200;

/// ELF64: a segment of 1000h bytes at 16 MiB whose own entry lies nowhere, and a note segment: a note of GNU's, then
/// the entry 1000010h.
NamedBytes kernel_file() {
    NamedBytes kernel{"vmlinux", Bytes(0x2000)};
    auto& b = kernel.bytes;
    put_le<u32>(b, 0, 0x464C'457Fu);
    b[4] = 2;
    b[5] = b[6] = 1;
    put_le<u16>(b, 18, u16{62});
    put_le<u64>(b, 24, u64{0x1234});
    put_le<u64>(b, 32, u64{64});
    put_le<u16>(b, 54, u16{56});
    put_le<u16>(b, 56, u16{2});
    const auto segment = [&](std::size_t at, u32 type, u64 offset, u64 address, u64 size) {
        put_le<u32>(b, at, type);
        put_le<u64>(b, at + 8, offset);
        put_le<u64>(b, at + 24, address);
        put_le<u64>(b, at + 32, size);
        put_le<u64>(b, at + 40, size);
    };
    segment(64, 1, 0x1000, 0x100'0000, 0x1000);
    segment(120, 4, note_at, 0, 0x38);
    const u32 notes[] = {4, 5, 3, 0x0055'4E47, 0, 0, 4, 8, 18, 0x006E'6558, 0x100'0010, 0};
    for (std::size_t i = 0; i < 12; ++i) put_le<u32>(b, note_at + 4 * i, notes[i]);
    b[0x1010] = 0xF4;
    return kernel;
}

u32 number(const DirectBoot& boot, u16 key) {
    const auto* item = find_key(boot.items, key);
    REQUIRE(item != nullptr);
    return get_le<u32>(item->data, 0);
}

} // namespace

TEST_CASE("pvh: the note's entry, the start information and the initial RAM disk") {
    REQUIRE(is_pvh(kernel_file()));
    const auto boot = prepare_pvh(kernel_file(), NamedBytes{"initrd", Bytes(5000, 7)}, "console=ttyS0", memory);
    REQUIRE(boot);
    CHECK(boot->boot_path == "/rom@genroms/pvh.bin");
    CHECK(number(*boot, fw_cfg_key::kernel_address) == 0x100'0000);
    CHECK(number(*boot, fw_cfg_key::kernel_entry) == 0x100'0010);
    const Bytes& image = find_key(boot->items, fw_cfg_key::kernel_data)->data;
    CHECK(image[0x10] == 0xF4);
    CHECK(image[0x1000] == 7);
    const u32 base = number(*boot, fw_cfg_key::initrd_address);
    const Bytes& info = find_key(boot->items, fw_cfg_key::initrd_data)->data;
    CHECK(get_le<u32>(info, 0) == 0x336E'C578);
    CHECK(get_le<u32>(info, 4) == 1);
    CHECK(get_le<u32>(info, 12) == 1);
    const u64 modules = get_le<u64>(info, 16) - base;
    CHECK(get_le<u64>(info, modules) == 0x100'1000);
    CHECK(get_le<u64>(info, modules + 8) == 5000);
    CHECK(std::string(reinterpret_cast<const char*>(&info[get_le<u64>(info, 24) - base])) == "console=ttyS0");
    CHECK(get_le<u64>(info, 40) == base + 0x80);
    CHECK(modules >= 0x80 + 128 * 24);
    CHECK(get_le<u32>(info, 48) == 0); // the ROM counts the memory map's entries
    const auto without = prepare_pvh(kernel_file(), {}, {}, memory);
    REQUIRE(without);
    CHECK(get_le<u64>(find_key(without->items, fw_cfg_key::initrd_data)->data, 16) == 0);
}

TEST_CASE("pvh: other files have no such entry") {
    CHECK(!is_pvh({"empty", {}}));
    CHECK(!is_pvh({"text", Bytes(4096, 'x')}));
    for (const std::size_t at : {note_at + 24, note_at + 32, note_at + 36}) { // name size, type, name
        auto kernel = kernel_file();
        kernel.bytes[at] ^= 1;
        CHECK(!is_pvh(kernel));
        CHECK(!prepare_pvh(kernel, {}, {}, memory));
    }
    auto kernel = kernel_file();
    put_le<u64>(kernel.bytes, 120 + 32, ~u64{0}); // the note segment reaches past the file's end
    CHECK(!is_pvh(kernel));
    kernel = kernel_file();
    put_le<u32>(kernel.bytes, note_at + 4, 0xFFFF'FFFFu); // the first note does
    CHECK(!is_pvh(kernel));
}

TEST_CASE("pvh: entries and command lines that do not fit; truncations") {
    auto kernel = kernel_file();
    put_le<u32>(kernel.bytes, note_at + 40, 0x100'1000u);
    const auto outside = prepare_pvh(kernel, {}, {}, memory);
    REQUIRE(!outside);
    CHECK(outside.error().message.find("PVH entry 1001000h") != std::string::npos);
    CHECK(!prepare_pvh(kernel_file(), {}, std::string(600'000, 'x'), memory));
    CHECK(!prepare_pvh(kernel_file(), NamedBytes{"big", Bytes(120u << 20)}, {}, memory));
    CHECK(!prepare_pvh(kernel_file(), {}, {}, 8u << 20));
    const auto whole = kernel_file();
    for (std::size_t size = 0; size < whole.bytes.size(); size += 3) {
        const auto end = whole.bytes.begin() + static_cast<std::ptrdiff_t>(size);
        (void)prepare_pvh({"cut", Bytes(whole.bytes.begin(), end)}, {}, {}, memory);
    }
    for (std::size_t at = 0; at < 0x240; ++at) {
        auto changed = whole;
        changed.bytes[at] = 0xFF;
        (void)prepare_pvh(changed, {}, {}, memory);
    }
}
