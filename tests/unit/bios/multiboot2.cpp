// Multiboot2 headers and boot information, 64-bit ELF files, section tables: layouts, and what is refused.
//
// Multiboot2 specification 2.0, 3.1 and 3.6; ELF-64 object file format.
#include "bios/direct_boot.hpp"

#include <doctest/doctest.h>

#include <map>

using namespace glassbox;

namespace {

constexpr u64 memory = 128u << 20;
constexpr std::size_t header_at = 0x1000;

bool mentions(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

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

/// A header's tag from its fields of 32 bits.
Bytes tag(u16 type, bool optional, std::initializer_list<u32> fields) {
    Bytes bytes;
    append_le<u16>(bytes, type);
    append_le<u16>(bytes, optional ? u16{1} : u16{0});
    append_le<u32>(bytes, static_cast<u32>(8 + 4 * fields.size()));
    for (const u32 field : fields) append_le<u32>(bytes, field);
    return bytes;
}

void put_header(Bytes& file, std::size_t at, const std::vector<Bytes>& tags, bool end = true) {
    Bytes header(16);
    for (const Bytes& one : tags) {
        append(header, one);
        align_to(header, 8);
    }
    if (end) append(header, tag(0, false, {}));
    put_le<u32>(header, 0, 0xE852'50D6u);
    put_le<u32>(header, 8, static_cast<u32>(header.size()));
    put_le<u32>(header, 12, 0u - 0xE852'50D6u - static_cast<u32>(header.size()));
    REQUIRE(at + header.size() <= file.size());
    std::copy(header.begin(), header.end(), file.begin() + static_cast<std::ptrdiff_t>(at));
}

/// ELF64: one segment of 1000h bytes at file offset 1000h, 3000h in memory at 1 MiB, linked 2 GiB below the top;
/// sections: null, a symbol table and its strings.
NamedBytes elf64_kernel(const std::vector<Bytes>& tags = {}) {
    NamedBytes kernel{"kernel64.elf", Bytes(0x2400)};
    auto& b = kernel.bytes;
    put_le<u32>(b, 0, 0x464C'457Fu);
    b[4] = 2;
    b[5] = b[6] = 1;
    put_le<u16>(b, 18, u16{62});
    put_le<u64>(b, 24, u64{0xFFFF'FFFF'8010'0200});
    put_le<u64>(b, 32, u64{64});
    put_le<u64>(b, 40, u64{0x2000});
    put_le<u16>(b, 54, u16{56});
    put_le<u16>(b, 56, u16{1});
    put_le<u16>(b, 58, u16{64});
    put_le<u16>(b, 60, u16{3});
    put_le<u16>(b, 62, u16{2});
    put_le<u32>(b, 64, 1u);
    const u64 segment[] = {0x1000, 0xFFFF'FFFF'8010'0000, 0x10'0000, 0x1000, 0x3000, 0x1000};
    for (std::size_t i = 0; i < 6; ++i) put_le<u64>(b, 72 + 8 * i, segment[i]);
    const auto section = [&](std::size_t index, u32 type, u64 offset, u64 size) {
        put_le<u32>(b, 0x2000 + index * 64 + 4, type);
        put_le<u64>(b, 0x2000 + index * 64 + 24, offset);
        put_le<u64>(b, 0x2000 + index * 64 + 32, size);
        put_le<u64>(b, 0x2000 + index * 64 + 48, u64{16});
    };
    section(1, 2, 0x2100, 48);
    section(2, 3, 0x2200, 20);
    b[0x2100] = 0xAB;
    b[0x2200] = 0xCD;
    put_header(b, header_at, tags);
    return kernel;
}

/// A flat file whose first byte belongs at `load`; the header lies at 40h.
NamedBytes flat_kernel(u32 load, std::vector<Bytes> more = {}) {
    NamedBytes kernel{"flat", Bytes(0x800)};
    more.push_back(tag(2, false, {load + 0x40, load, 0, load + 0x1800}));
    put_header(kernel.bytes, 0x40, more);
    kernel.bytes[0] = 0x5A;
    return kernel;
}

std::string refusal(const NamedBytes& kernel, u64 bytes = memory) {
    const auto result = prepare_multiboot2(kernel, {}, {}, bytes);
    REQUIRE(!result);
    CHECK(mentions(result.error().message, kernel.name));
    return result.error().message;
}
std::string refused_tag(const Bytes& one) { return refusal(elf64_kernel({one})); }

/// The boot information's tags: type to contents, the last of each type.
std::map<u32, Bytes> information(const DirectBoot& boot) {
    const Bytes& block = data(boot, fw_cfg_key::initrd_data);
    CHECK(get_le<u32>(block, 0) == block.size());
    std::map<u32, Bytes> tags;
    for (std::size_t at = 8; at < block.size();) {
        const u32 size = get_le<u32>(block, at + 4);
        REQUIRE(size >= 8);
        REQUIRE(at + size <= block.size());
        const auto from = block.begin() + static_cast<std::ptrdiff_t>(at);
        tags[get_le<u32>(block, at)] = Bytes(from + 8, from + static_cast<std::ptrdiff_t>(size));
        at += (size + 7) / 8 * 8;
    }
    return tags;
}
std::string text_of(const Bytes& bytes, std::size_t offset = 0) {
    REQUIRE(offset < bytes.size());
    REQUIRE(bytes.back() == 0);
    return std::string(reinterpret_cast<const char*>(&bytes[offset]));
}

} // namespace

TEST_CASE("multiboot2: a 64-bit ELF kernel with modules and symbols") {
    const auto boot =
        prepare_multiboot2(elf64_kernel({tag(1, false, {1, 2, 3, 4, 6, 8, 9, 14, 15, 21})}),
                           {{"/a/b.mod one  two", Bytes(10, 1)}, {"c.mod", Bytes(5000, 2)}}, "quiet x=1", memory);
    REQUIRE(boot);
    CHECK(boot->boot_path == "/rom@genroms/multiboot2.bin");
    CHECK(number(*boot, fw_cfg_key::kernel_address) == 0x100000);
    CHECK(number(*boot, fw_cfg_key::kernel_entry) == 0x100200);
    const auto& image = data(*boot, fw_cfg_key::kernel_data);
    CHECK(image.size() == number(*boot, fw_cfg_key::kernel_size));
    CHECK(get_le<u32>(image, 0) == 0xE852'50D6);
    const auto tags = information(*boot);
    CHECK(text_of(tags.at(1)) == "quiet x=1");
    CHECK(text_of(tags.at(2)) == "GlassBox");
    CHECK(tags.count(21) == 0); // only of a kernel that can be moved
    const Bytes& sections = tags.at(9);
    CHECK(get_le<u32>(sections, 0) == 3);
    CHECK(get_le<u32>(sections, 4) == 64);
    CHECK(get_le<u32>(sections, 8) == 2);
    CHECK(sections.size() == 12 + 3 * 64);
    const u64 symbols = get_le<u64>(sections, 12 + 64 + 16), strings = get_le<u64>(sections, 12 + 128 + 16);
    CHECK(symbols == 0x103000);
    CHECK(strings == 0x103030);
    CHECK(image[symbols - 0x100000] == 0xAB);
    CHECK(image[strings - 0x100000] == 0xCD);
    const Bytes& module = tags.at(3);
    CHECK(get_le<u32>(module, 0) == 0x105000);
    CHECK(get_le<u32>(module, 4) == 0x105000 + 5000);
    CHECK(text_of(module, 8).empty());
    CHECK(image[0x4000] == 1);
    CHECK(image[0x5000] == 2);
    CHECK(number(*boot, fw_cfg_key::setup_size) == 0); // stays in text mode
}

TEST_CASE("multiboot2: version 1 takes the same 64-bit file, with its symbols") {
    auto kernel = elf64_kernel();
    std::fill_n(kernel.bytes.begin() + header_at, 16, u8{0});
    put_le<u32>(kernel.bytes, header_at, 0x1BAD'B002u);
    put_le<u32>(kernel.bytes, header_at + 8, 0u - 0x1BAD'B002u);
    CHECK(is_multiboot(kernel.bytes));
    CHECK(!is_multiboot2(kernel.bytes));
    const auto boot = prepare_multiboot(kernel, {}, {}, memory);
    REQUIRE(boot);
    CHECK(number(*boot, fw_cfg_key::kernel_entry) == 0x100200);
    const Bytes& info = data(*boot, fw_cfg_key::initrd_data);
    CHECK((get_le<u32>(info, 0) & 1u << 5) != 0);
    CHECK(get_le<u32>(info, 28) == 3);
    CHECK(get_le<u32>(info, 32) == 64);
    CHECK(get_le<u32>(info, 40) == 2);
    const std::size_t table = get_le<u32>(info, 36) - number(*boot, fw_cfg_key::initrd_address);
    CHECK(get_le<u64>(info, table + 64 + 16) == 0x103000);
}

TEST_CASE("multiboot2: where the header may lie") {
    NamedBytes kernel{"far", Bytes(40000)};
    const auto at = [&](std::size_t offset) {
        std::fill(kernel.bytes.begin(), kernel.bytes.end(), u8{0});
        put_header(kernel.bytes, offset, {});
        return is_multiboot2(kernel.bytes);
    };
    CHECK(at(0));
    CHECK(at(8));
    CHECK(!at(4)); // on multiples of 8 only
    CHECK(at(32768 - 16));
    CHECK(!at(32768 - 8));
    CHECK(!at(32768));
    put_header(kernel.bytes, 0, {});
    ++kernel.bytes[12];
    CHECK(!is_multiboot2(kernel.bytes));
}

TEST_CASE("multiboot2: load addresses, entry, framebuffer") {
    const auto boot = prepare_multiboot2(
        flat_kernel(0x20'0000, {tag(3, false, {0x20'0010}), tag(5, true, {800, 600, 32}), tag(4, false, {3}),
                                tag(6, false, {}), tag(7, false, {}), tag(8, true, {1}), tag(9, true, {1})}),
        {}, {}, memory);
    REQUIRE(boot);
    CHECK(number(*boot, fw_cfg_key::kernel_address) == 0x20'0000);
    CHECK(number(*boot, fw_cfg_key::kernel_entry) == 0x20'0010);
    CHECK(data(*boot, fw_cfg_key::kernel_data).size() == 0x1800);
    CHECK(data(*boot, fw_cfg_key::kernel_data)[0] == 0x5A);
    CHECK(number(*boot, fw_cfg_key::setup_address) == (600u << 16 | 800u));
    CHECK(number(*boot, fw_cfg_key::setup_size) == 0x120);
    CHECK(information(*boot).count(9) == 0);

    NamedBytes from_start{"flat", Bytes(0x800)}; // a load address of -1 loads the file from its first byte
    put_header(from_start.bytes, 0x40,
               {tag(2, false, {0x30'0040, 0xFFFF'FFFF, 0, 0}), tag(3, false, {0x30'0000}), tag(5, true, {80, 25, 0})});
    const auto moved = prepare_multiboot2(from_start, {}, {}, memory);
    REQUIRE(moved);
    CHECK(number(*moved, fw_cfg_key::kernel_address) == 0x30'0000);
    CHECK(number(*moved, fw_cfg_key::setup_size) == 0); // 80 x 25 without depth is the text mode

    CHECK(mentions(refusal(flat_kernel(0x20'0000)), "no entry address"));
    CHECK(mentions(refusal(flat_kernel(0x20'0000, {tag(3, false, {0x20'1800})})), "entry address 201800h"));
    CHECK(mentions(refusal(flat_kernel(0x8000, {tag(3, false, {0x8000})})), "below 1 MiB"));
    CHECK(mentions(refusal(flat_kernel(0xF000'0000, {tag(3, false, {0xF000'0000})})), "--memory"));
}

TEST_CASE("multiboot2: relocatable kernels") {
    const auto place = [](u32 lowest, u32 highest, u32 alignment, u32 preference) {
        const auto boot =
            prepare_multiboot2(flat_kernel(0x20'0000, {tag(3, false, {0x20'0010}),
                                                       tag(10, false, {lowest, highest, alignment, preference})}),
                               {}, {}, memory);
        REQUIRE(boot);
        const u32 address = number(*boot, fw_cfg_key::kernel_address);
        CHECK(number(*boot, fw_cfg_key::kernel_entry) == address + 0x10);
        CHECK(get_le<u32>(information(*boot).at(21), 0) == address);
        return address;
    };
    CHECK(place(0x10'0000, 0xFFFF'FFFF, 4096, 0) == 0x20'0000); // no preference: where it is linked
    CHECK(place(0x10'0000, 0xFFFF'FFFF, 4096, 1) == 0x10'0000);
    CHECK(place(0x30'0001, 0xFFFF'FFFF, 0x1'0000, 0) == 0x31'0000); // the linked place is not allowed
    CHECK(place(0, 0xFF'FFFF, 4096, 2) == 0xFF'E000);
    CHECK(place(0, 0xFFFF'FFFF, 1, 1) == 0x10'0000); // never below 1 MiB
    const u32 top = place(0, 0xFFFF'FFFF, 4096, 2);
    CHECK(top > (126u << 20));
    CHECK(top + 0x1800 <= (127u << 20));
    const auto refused = [](u32 lowest, u32 highest, u32 alignment) {
        return refusal(
            flat_kernel(0x20'0000, {tag(3, false, {0x20'0010}), tag(10, false, {lowest, highest, alignment, 0})}));
    };
    CHECK(mentions(refused(0x30'0000, 0x30'1000, 4096), "no place"));
    CHECK(mentions(refused(0x30'0000, 0x40'0000, 0x400'0000), "no place"));
    CHECK(mentions(refused(0x30'0000, 0x20'0000, 4096), "300000h"));
    CHECK(mentions(refused(0, 0x20'0000, 0), "power of two"));
    CHECK(mentions(refused(0, 0x20'0000, 3), "power of two"));
    // An ELF kernel linked where no machine has memory is moved as well.
    auto kernel = elf64_kernel({tag(10, false, {0, 0xFFFF'FFFF, 4096, 0})});
    put_le<u64>(kernel.bytes, 64 + 24, u64{0x40'0000'0000});
    const auto boot = prepare_multiboot2(kernel, {}, {}, memory);
    REQUIRE(boot);
    CHECK(number(*boot, fw_cfg_key::kernel_address) == 0x10'0000);
    CHECK(number(*boot, fw_cfg_key::kernel_entry) == 0x10'0200);
}

TEST_CASE("multiboot2: malformed headers are refused with the place") {
    CHECK(mentions(refusal({"none", Bytes(100)}), "no multiboot2 header"));
    CHECK(mentions(refused_tag(tag(99, false, {})), "99 at offset 1010h"));
    CHECK(prepare_multiboot2(elf64_kernel({tag(99, true, {})}), {}, {}, memory));
    CHECK(mentions(refused_tag(tag(1, false, {1, 500})), "500 (offset 101ch)"));
    CHECK(prepare_multiboot2(elf64_kernel({tag(1, true, {1, 500})}), {}, {}, memory));
    for (const u16 type : {u16{2}, u16{3}, u16{5}, u16{10}})
        CHECK(mentions(refused_tag(tag(type, true, {})), "has 8 bytes"));
    Bytes bad = tag(4, true, {});
    for (const u32 size : {0u, 7u, 0x1000u, 0xFFFF'FFFFu}) {
        put_le<u32>(bad, 4, size);
        CHECK(mentions(refused_tag(bad), "size of " + std::to_string(size)));
    }
    auto kernel = elf64_kernel();
    put_header(kernel.bytes, header_at, {}, false);
    CHECK(mentions(refusal(kernel), "no end tag"));
    const auto with_word = [](std::size_t at, u32 value) { // keeps the checksum right
        auto changed = elf64_kernel();
        put_le<u32>(changed.bytes, header_at + at, value);
        u32 sum = 0;
        for (std::size_t i = 0; i < 12; i += 4) sum += get_le<u32>(changed.bytes, header_at + i);
        put_le<u32>(changed.bytes, header_at + 12, 0u - sum);
        return refusal(changed);
    };
    CHECK(mentions(with_word(4, 4), "architecture 4"));
    CHECK(mentions(with_word(8, 0x10'0000), "past the file's end"));
    CHECK(mentions(with_word(8, 8), "past the file's end"));
}

TEST_CASE("multiboot2: malformed 64-bit ELF files are refused with the place") {
    const auto with = [](std::size_t at, u64 value) {
        auto kernel = elf64_kernel();
        put_le<u64>(kernel.bytes, at, value);
        return refusal(kernel);
    };
    CHECK(mentions(with(32, 0xFFFF'FFFF'FFFF'FFF0), "program headers"));
    CHECK(mentions(with(72, 0xFFFF'FFFF'FFFF'F000), "past the file's end"));
    CHECK(mentions(with(88, 0xFFFF'FFFF'FFFF'F000), "segment 0 (program header at offset 40h)"));
    CHECK(mentions(with(88, u64{1} << 32), "--memory"));
    CHECK(mentions(with(88, 0x8000), "below 1 MiB"));
    CHECK(mentions(with(96, 0x4000), "more than its own size"));
    CHECK(mentions(with(104, ~u64{0}), "larger than this machine's memory"));
    CHECK(mentions(with(24, 0x10'3000), "entry point"));
    CHECK(mentions(with(40, 0x23F0), "section headers"));
    CHECK(mentions(with(0x2040 + 24, 0x23F0), "section 1 (section header at offset 2040h)"));
    CHECK(mentions(with(0x2040 + 32, ~u64{0}), "past the file's end"));
    auto kernel = elf64_kernel();
    put_le<u16>(kernel.bytes, 18, u16{3});
    CHECK(mentions(refusal(kernel), "e_machine"));
    kernel = elf64_kernel();
    put_le<u64>(kernel.bytes, 0x2040 + 48, ~u64{0}); // an absurd alignment is cut to a page
    CHECK(prepare_multiboot2(kernel, {}, {}, memory));
}

TEST_CASE("multiboot2: every truncation and every byte set to FFh is an error or a layout, never a crash") {
    const auto whole = elf64_kernel({tag(1, false, {1}), tag(10, true, {0, 0xFFFF'FFFF, 4096, 2})});
    for (std::size_t size = 0; size < whole.bytes.size(); size += 5) {
        const auto end = whole.bytes.begin() + static_cast<std::ptrdiff_t>(size);
        (void)prepare_multiboot2({"cut", Bytes(whole.bytes.begin(), end)}, {}, {}, memory);
    }
    unsigned loaded = 0;
    for (std::size_t at = 0; at < whole.bytes.size(); ++at) {
        if (at == 0xA0) at = header_at;
        if (at == header_at + 0x60) at = 0x2000;
        auto kernel = whole;
        kernel.bytes[at] = 0xFF;
        loaded += prepare_multiboot2(kernel, {}, {}, memory) ? 1 : 0;
    }
    CHECK(loaded > 100);
}
