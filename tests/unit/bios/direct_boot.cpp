// Linux and multiboot kernels: layouts, and what is refused.
#include "bios/direct_boot.hpp"
#include "bios/embedded.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <unistd.h>

using namespace glassbox;

namespace {

constexpr u64 memory = 128u << 20;

u32 number(const DirectBoot& boot, u16 key) {
    const auto* item = find_key(boot.items, key);
    REQUIRE(item != nullptr);
    return get_le<u32>(item->data, 0);
}
const Bytes& data(const DirectBoot& boot, u16 key) {
    const auto* item = find_key(boot.items, key);
    REQUIRE(item != nullptr);
    return item->data;
}

/// A bzImage of protocol 2.12 with 2 setup sectors and `payload` bytes after them.
NamedBytes bzimage(std::size_t payload = 4096) {
    NamedBytes kernel{"bzImage", Bytes(3 * 512 + payload)};
    auto& b = kernel.bytes;
    b[0x1F1] = 2;
    put_le<u32>(b, 0x1F4, static_cast<u32>(payload / 16));
    put_le<u16>(b, 0x1FE, u16{0xAA55});
    put_le<u32>(b, 0x202, 0x5372'6448u);
    put_le<u16>(b, 0x206, u16{0x20C});
    b[0x211] = 1;
    put_le<u32>(b, 0x22C, 0x7FFF'FFFFu);
    put_le<u32>(b, 0x238, 2047u);
    put_le<u64>(b, 0x258, u64{0x100'0000});
    put_le<u32>(b, 0x260, 0x80'0000u);
    b[3 * 512] = 0xA5;
    return kernel;
}

std::string refusal(const NamedBytes& kernel, const std::string& append = {}, u64 bytes = memory) {
    const auto result = prepare_linux_boot(kernel, {}, append, bytes);
    REQUIRE(!result);
    CHECK(result.error().message.find(kernel.name) != std::string::npos);
    return result.error().message;
}
bool mentions(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// An ELF32 kernel with one segment at 1 MiB: 0x1000 bytes at file offset 0x1000, 0x3000 in memory.
NamedBytes elf_kernel() {
    NamedBytes kernel{"kernel.elf", Bytes(0x2000)};
    auto& b = kernel.bytes;
    put_le<u32>(b, 0, 0x464C'457Fu);
    b[4] = b[5] = b[6] = 1;
    put_le<u16>(b, 16, u16{2});
    put_le<u16>(b, 18, u16{3});
    put_le<u32>(b, 24, 0x10'0010u);
    put_le<u32>(b, 28, 52u);
    put_le<u16>(b, 42, u16{32});
    put_le<u16>(b, 44, u16{1});
    const u32 segment[] = {1, 0x1000, 0x10'0000, 0x10'0000, 0x1000, 0x3000, 5, 0x1000};
    for (std::size_t i = 0; i < 8; ++i) put_le<u32>(b, 52 + 4 * i, segment[i]);
    put_le<u32>(b, 0x1000, 0x1BAD'B002u);
    put_le<u32>(b, 0x1004, 3u);
    put_le<u32>(b, 0x1008, 0u - 0x1BAD'B002u - 3u);
    b[0x1010] = 0xF4;
    return kernel;
}
void set_flags(Bytes& bytes, std::size_t header, u32 flags) {
    put_le<u32>(bytes, header + 4, flags);
    put_le<u32>(bytes, header + 8, 0u - 0x1BAD'B002u - flags);
}
std::string multiboot_refusal(const NamedBytes& kernel, u64 bytes = memory) {
    const auto result = prepare_multiboot(kernel, {}, {}, bytes);
    REQUIRE(!result);
    return result.error().message;
}

} // namespace

TEST_CASE("multiboot: a small kernel below 1 MiB lies where the BIOS leaves room, and its boot information behind it") {
    auto kernel = elf_kernel();
    for (const std::size_t at : {24u, 60u, 64u})
        put_le<u32>(kernel.bytes, at, get_le<u32>(kernel.bytes, at) - 0xF'8000);
    const auto boot = prepare_multiboot(kernel, {}, "now", memory);
    REQUIRE(boot);
    CHECK(number(*boot, fw_cfg_key::kernel_address) == 0x8000);
    CHECK(number(*boot, fw_cfg_key::kernel_entry) == 0x8010);
    CHECK(number(*boot, fw_cfg_key::initrd_address) == 0x8000 + 0x3000);
    const auto& block = data(*boot, fw_cfg_key::initrd_data);
    const u32 text = get_le<u32>(block, 16);
    REQUIRE(text > 0xB000);
    CHECK(block[text - 0xB000] == 'k');
    put_le<u32>(kernel.bytes, 72, 0x6'8001u); // to beyond 70000h
    CHECK(mentions(multiboot_refusal(kernel), "below 1 MiB"));
}

TEST_CASE("linux: a bzImage's parts and header") {
    const auto boot =
        prepare_linux_boot(bzimage(), NamedBytes{"initrd", Bytes(5000, 0x77)}, "console=ttyS0 vga=0x317", memory);
    REQUIRE(boot);
    CHECK(boot->boot_path == "/rom@genroms/linuxboot.bin");
    CHECK(number(*boot, fw_cfg_key::setup_address) == 0x10000);
    CHECK(number(*boot, fw_cfg_key::setup_size) == 3 * 512);
    CHECK(number(*boot, fw_cfg_key::cmdline_address) == 0x20000);
    CHECK(number(*boot, fw_cfg_key::cmdline_size) == 24);
    CHECK(number(*boot, fw_cfg_key::kernel_address) == 0x100000);
    CHECK(number(*boot, fw_cfg_key::kernel_size) == 4096);
    CHECK(data(*boot, fw_cfg_key::kernel_data)[0] == 0xA5);
    CHECK(data(*boot, fw_cfg_key::cmdline_data).back() == 0);
    const u32 initrd = number(*boot, fw_cfg_key::initrd_address);
    CHECK(initrd == ((127u << 20) - 5000) / 4096 * 4096);
    const auto& setup = data(*boot, fw_cfg_key::setup_data);
    CHECK(setup[0x210] == 0xFF);
    CHECK(setup[0x211] == 0x81);
    CHECK(get_le<u16>(setup, 0x224) == 0xFE00);
    CHECK(get_le<u32>(setup, 0x228) == 0x20000);
    CHECK(get_le<u32>(setup, 0x218) == initrd);
    CHECK(get_le<u32>(setup, 0x21C) == 5000);
    CHECK(get_le<u16>(setup, 0x1FA) == 0x317);
}

TEST_CASE("linux: setup_sects 0 means 4; old protocols use old places") {
    auto kernel = bzimage(8192);
    kernel.bytes[0x1F1] = 0;
    put_le<u32>(kernel.bytes, 0x1F4, 16u);
    CHECK(number(*prepare_linux_boot(kernel, {}, {}, memory), fw_cfg_key::setup_size) == 5 * 512);
    put_le<u16>(kernel.bytes, 0x206, u16{0x201});
    const auto old = prepare_linux_boot(kernel, {}, "ro", memory);
    REQUIRE(old);
    CHECK(number(*old, fw_cfg_key::setup_address) == 0x90000);
    const auto& setup = data(*old, fw_cfg_key::setup_data);
    CHECK(get_le<u16>(setup, 0x20) == 0xA33F);
    CHECK(get_le<u16>(setup, 0x22) + 0x90000u == number(*old, fw_cfg_key::cmdline_address));
    kernel.bytes[0x211] = 0; // a zImage loads low
    CHECK(number(*prepare_linux_boot(kernel, {}, {}, memory), fw_cfg_key::kernel_address) == 0x10000);
    kernel.bytes.resize(0x90000);
    CHECK(mentions(refusal(kernel), "90000h"));
}

TEST_CASE("linux: malformed kernels are refused with the place") {
    CHECK(mentions(refusal({"empty", {}}), "1FEh"));
    CHECK(mentions(refusal({"vmlinux", {0x7F, 'E', 'L', 'F'}}), "bzImage"));
    CHECK(mentions(refusal({"vmlinux.gz", {0x1F, 0x8B}}), "gzip"));
    auto kernel = bzimage();
    kernel.bytes.resize(kernel.bytes.size() - 100);
    CHECK(mentions(refusal(kernel), "truncated"));
    kernel.bytes.resize(1000);
    CHECK(mentions(refusal(kernel), "setup code"));
    kernel = bzimage();
    put_le<u16>(kernel.bytes, 0x206, u16{0x1FF});
    CHECK(mentions(refusal(kernel), "206h"));
    kernel = bzimage();
    kernel.bytes[0x1F1] = 200;
    CHECK(mentions(refusal(kernel), "1F1h"));
    kernel = bzimage();
    put_le<u32>(kernel.bytes, 0x202, 0u);
    kernel.bytes[0x1F1] = 65;
    CHECK(mentions(refusal(kernel), "HdrS"));
    kernel = bzimage();
    put_le<u64>(kernel.bytes, 0x258, ~u64{0});
    CHECK(mentions(refusal(kernel), "258h"));
}

TEST_CASE("linux: limits of command line, memory and initrd") {
    CHECK(prepare_linux_boot(bzimage(), {}, std::string(2047, 'x'), memory));
    CHECK(mentions(refusal(bzimage(), std::string(2048, 'x')), "2047"));
    auto greedy = bzimage();
    put_le<u32>(greedy.bytes, 0x238, ~0u);
    CHECK(mentions(refusal(greedy, std::string(1u << 20, 'x')), "fit in memory"));
    CHECK(mentions(refusal(bzimage(), {}, 16u << 20), "--memory"));
    const auto too_big = prepare_linux_boot(bzimage(), NamedBytes{"big.img", Bytes(120u << 20)}, {}, memory);
    REQUIRE(!too_big);
    CHECK(mentions(too_big.error().message, "big.img"));
    auto limited = bzimage();
    put_le<u32>(limited.bytes, 0x22C, 0x37F'FFFFu);
    CHECK(number(*prepare_linux_boot(limited, NamedBytes{"i", Bytes(4096)}, {}, memory), fw_cfg_key::initrd_address) ==
          0x37F'F000);
}

TEST_CASE("multiboot: an ELF kernel with modules") {
    const auto boot =
        prepare_multiboot(elf_kernel(), {{"a.mod one", Bytes(10, 1)}, {"b.mod", Bytes(5000, 2)}}, "quiet", memory);
    REQUIRE(boot);
    CHECK(boot->boot_path == "/rom@genroms/multiboot.bin");
    CHECK(number(*boot, fw_cfg_key::kernel_address) == 0x100000);
    CHECK(number(*boot, fw_cfg_key::kernel_entry) == 0x100010);
    const auto& image = data(*boot, fw_cfg_key::kernel_data);
    CHECK(image.size() == number(*boot, fw_cfg_key::kernel_size));
    CHECK(image[0x10] == 0xF4);
    CHECK(image[0x3000] == 1);
    CHECK(image[0x4000] == 2);
    const u32 base = number(*boot, fw_cfg_key::initrd_address);
    const auto& info = data(*boot, fw_cfg_key::initrd_data);
    CHECK(base == 0x9000);
    CHECK((get_le<u32>(info, 0) & 0x20C) == 0x20C);
    CHECK(get_le<u32>(info, 20) == 2);
    const u32 list = get_le<u32>(info, 24) - base;
    CHECK(list >= 0x80 + 128 * 24);
    CHECK(get_le<u32>(info, list) == 0x103000);
    CHECK(get_le<u32>(info, list + 4) == 0x10300A);
    CHECK(get_le<u32>(info, list + 16) == 0x104000);
    const auto string_at = [&](u32 pointer) {
        return std::string(reinterpret_cast<const char*>(&info[pointer - base]));
    };
    CHECK(string_at(get_le<u32>(info, 16)) == "kernel.elf quiet");
    CHECK(string_at(get_le<u32>(info, 64)) == "GlassBox");
    CHECK(string_at(get_le<u32>(info, list + 8)) == "a.mod one");
}

TEST_CASE("multiboot: header addresses and the video request") {
    NamedBytes kernel{"flat", Bytes(0x1000)};
    put_le<u32>(kernel.bytes, 0x20, 0x1BAD'B002u);
    set_flags(kernel.bytes, 0x20, 0x1'0004);
    const u32 addresses[] = {0x20'0010, 0x20'0000, 0x20'0100, 0x20'0800, 0x20'0040};
    for (std::size_t i = 0; i < 5; ++i) put_le<u32>(kernel.bytes, 0x2C + 4 * i, addresses[i]);
    kernel.bytes[0x10] = 0x5A;
    CHECK(is_multiboot(kernel.bytes));
    const auto boot = prepare_multiboot(kernel, {}, {}, memory);
    REQUIRE(boot);
    CHECK(data(*boot, fw_cfg_key::kernel_data).size() == 0x800);
    CHECK(data(*boot, fw_cfg_key::kernel_data)[0] == 0x5A);
    CHECK(number(*boot, fw_cfg_key::kernel_entry) == 0x200040);
    CHECK(get_le<u64>(data(*boot, fw_cfg_key::initrd_data), 88) == 0xB8000);
    put_le<u32>(kernel.bytes, 0x2C, 0x20'0100u); // the header would lie before the file's start
    CHECK(mentions(multiboot_refusal(kernel), "header_addr"));
    put_le<u32>(kernel.bytes, 0x2C, 0x20'0010u);
    put_le<u32>(kernel.bytes, 0x34, 0x20'2000u);
    CHECK(mentions(multiboot_refusal(kernel), "load_end_addr"));
    put_le<u32>(kernel.bytes, 0x34, 0u);
    put_le<u32>(kernel.bytes, 0x38, 0xFFFF'FFFFu);
    CHECK(mentions(multiboot_refusal(kernel), "--memory"));
    put_le<u32>(kernel.bytes, 0x38, 0u);
    put_le<u32>(kernel.bytes, 0x3C, 0u);
    CHECK(mentions(multiboot_refusal(kernel), "entry_addr"));
}

TEST_CASE("multiboot: malformed kernels are refused") {
    CHECK(mentions(multiboot_refusal({"none", Bytes(100)}), "no multiboot header"));
    auto kernel = elf_kernel();
    set_flags(kernel.bytes, 0x1000, 0x8);
    CHECK(mentions(multiboot_refusal(kernel), "unknown features"));
    kernel = elf_kernel();
    kernel.bytes[4] = 3;
    CHECK(mentions(multiboot_refusal(kernel), "class 3"));
    kernel = elf_kernel();
    kernel.bytes[4] = 2; // a 64-bit file needs x86-64's machine number
    CHECK(mentions(multiboot_refusal(kernel), "x86-64"));
    kernel = elf_kernel();
    put_le<u16>(kernel.bytes, 18, u16{62});
    CHECK(mentions(multiboot_refusal(kernel), "e_machine"));
    kernel = elf_kernel();
    put_le<u16>(kernel.bytes, 44, u16{0xFFFF});
    CHECK(mentions(multiboot_refusal(kernel), "program headers"));
    kernel = elf_kernel();
    put_le<u32>(kernel.bytes, 56, 0xFFFF'F000u);
    CHECK(mentions(multiboot_refusal(kernel), "past the file's end"));
    kernel = elf_kernel();
    put_le<u32>(kernel.bytes, 64, 0x7000u);
    CHECK(mentions(multiboot_refusal(kernel), "below 1 MiB"));
    kernel = elf_kernel();
    put_le<u32>(kernel.bytes, 72, 0xF000'0000u);
    CHECK(mentions(multiboot_refusal(kernel), "--memory"));
    kernel = elf_kernel();
    put_le<u32>(kernel.bytes, 24, 0x5000u);
    CHECK(mentions(multiboot_refusal(kernel), "entry point"));
    const auto module = prepare_multiboot(elf_kernel(), {{"big", Bytes(130u << 20)}}, {}, memory);
    REQUIRE(!module);
    CHECK(mentions(module.error().message, "big"));
}

TEST_CASE("direct boot: every truncation of a kernel is an error or a layout, never a crash") {
    for (const auto& whole : {bzimage(512), elf_kernel()})
        for (std::size_t size = 0; size < whole.bytes.size(); size += 7) {
            const NamedBytes cut{"cut",
                                 Bytes(whole.bytes.begin(), whole.bytes.begin() + static_cast<std::ptrdiff_t>(size))};
            (void)prepare_linux_boot(cut, {}, {}, memory);
            (void)prepare_multiboot(cut, {}, {}, memory);
        }
    // Every byte of the headers set to FFh in turn.
    for (std::size_t at = 0; at < 0x300; ++at)
        for (auto kernel : {bzimage(512), elf_kernel()}) {
            kernel.bytes[at] = 0xFF;
            (void)prepare_linux_boot(kernel, {}, {}, memory);
            (void)prepare_multiboot(kernel, {}, {}, memory);
        }
}

TEST_CASE("direct boot: files, modules and their errors") {
    CHECK(mentions(prepare_direct_boot({.kernel = "/nonexistent/k"}).error().message, "/nonexistent/k"));
    const auto folder = std::filesystem::temp_directory_path() / ("glassbox-kernel-" + std::to_string(getpid()));
    std::filesystem::create_directories(folder);
    const auto write = [&](const std::string& name, const Bytes& bytes) {
        std::ofstream(folder / name, std::ios::binary)
            .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
        return (folder / name).string();
    };
    const auto elf = write("elf", elf_kernel().bytes), linux_kernel = write("bz", bzimage().bytes),
               module = write("a,b", Bytes(3, 9));
    const auto doubled = folder.string() + "/a,,b";
    const auto boot = prepare_direct_boot({.kernel = elf, .initrd = doubled + " x=1," + elf});
    REQUIRE(boot);
    CHECK(get_le<u32>(data(*boot, fw_cfg_key::initrd_data), 20) == 2);
    CHECK(!prepare_direct_boot({.kernel = elf, .initrd = elf + ",,"}));
    CHECK(!prepare_direct_boot({.kernel = elf, .initrd = elf + ", "}));
    CHECK(
        mentions(prepare_direct_boot({.kernel = linux_kernel, .initrd = "/nonexistent/i"}).error().message, "initrd"));
    CHECK(prepare_direct_boot({.kernel = linux_kernel, .initrd = module})->boot_path == "/rom@genroms/linuxboot.bin");
    std::filesystem::remove_all(folder);
}

TEST_CASE("option ROMs: length, checksums and a bootstrap entry") {
    for (const auto raw :
         {embedded_linuxboot_rom(), embedded_multiboot_rom(), embedded_multiboot2_rom(), embedded_pvh_rom()}) {
        const auto rom = finish_option_rom(raw);
        CHECK(rom.size() % 512 == 0);
        CHECK(rom[0] == 0x55);
        CHECK(rom[1] == 0xAA);
        CHECK(rom[2] * 512u == rom.size());
        CHECK(byte_sum(rom) == 0);
        const u16 pnp = get_le<u16>(rom, 0x1A);
        CHECK(get_le<u32>(rom, pnp) == 0x506E'5024); // "$PnP"
        CHECK(byte_sum(std::span<const u8>(rom).subspan(pnp, rom[pnp + 5] * 16u)) == 0);
        const u16 entry = get_le<u16>(rom, pnp + 0x1A);
        CHECK(entry > pnp);
        CHECK(entry < raw.size());
    }
}
