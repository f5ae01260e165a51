// Watchpoints see what devices write by themselves, at linear addresses as at physical ones, forwards and backwards.
#include "tests/unit/debugger/control_bench.hpp"

#include <filesystem>
#include <fstream>
#include <unistd.h>
#include <vector>

using namespace glassbox;
using namespace glassbox::control_guests;

namespace {

// Paging shows physical 3000h at linear 200000h; then a floppy's sector comes to 3000h by the 8237, and a disk's to
// 3204h by the bus master.
//
//   bits 16
//   org 7C00h
//   start:  cli
//           xor ax, ax
//           mov ds, ax
//           mov ss, ax
//           mov sp, 7000h
//           lgdt [gdtr]
//           mov eax, cr0
//           or al, 1
//           mov cr0, eax
//           jmp 8:flat
//   bits 32
//   flat:   mov ax, 10h
//           mov ds, ax
//           mov es, ax
//           mov ss, ax
//           mov esp, 6000h
//           mov dword [10000h], 11003h ; identity pages for 4 MiB
//           mov edi, 11000h
//           mov eax, 3
//           mov ecx, 1024
//   fill:   stosd
//           add eax, 1000h
//           loop fill
//           mov dword [11000h+200h*4], 3003h ; linear 200000h shows 3000h
//           mov eax, 10000h
//           mov cr3, eax
//           mov eax, cr0
//           or eax, 80000000h
//           mov cr0, eax
//   floppy: mov edx, 3F2h           ; mark A: floppy, sector 1 to 3000h
//           mov al, 1Ch
//           out dx, al
//           mov edx, 3F7h           ; 500 kbit/s
//           mov al, 0
//           out dx, al
//           mov esi, dma            ; the 8237s: the cascade, channel 2
//           mov ecx, 11
//   .dma:   movzx edx, byte [esi]
//           mov al, [esi+1]
//           out dx, al
//           add esi, 2
//           loop .dma
//           mov esi, fdc
//           mov ecx, 9
//           mov edx, 3F4h
//   .send:  in al, dx
//           and al, 0C0h
//           cmp al, 80h
//           jne .send
//           inc edx
//           lodsb
//           out dx, al
//           dec edx
//           loop .send
//           mov ecx, 7
//   .result: in al, dx
//           and al, 0C0h
//           cmp al, 0C0h
//           jne .result
//           inc edx
//           in al, dx
//           dec edx
//           loop .result
//   disk:   mov esi, pci            ; mark B: disk, sector 0 to 3204h, by the bus master
//           mov ecx, 3
//   .pci:   mov edx, 0CF8h
//           lodsd
//           out dx, eax
//           mov edx, 0CFCh
//           lodsd
//           out dx, eax
//           loop .pci
//           mov edx, 0C004h
//           mov eax, prd
//           out dx, eax
//           mov edx, 0C000h
//           mov al, 8
//           out dx, al
//           mov esi, ata
//           mov edx, 1F2h
//           mov ecx, 6
//   .ata:   lodsb
//           out dx, al
//           inc edx
//           loop .ata
//           mov edx, 0C000h
//           mov al, 9
//           out dx, al
//           add edx, 2
//   .wait:  in al, dx
//           test al, 1
//           jnz .wait
//   done:   hlt                     ; mark C
//           jmp done
//   dma     db 0D6h, 0C0h, 0D4h, 0, 0Ah, 06h, 0Ch, 0, 0Bh, 46h, 04h, 00h, 04h, 30h, 05h, 0FFh, 05h, 01h, 81h, 0, 0Ah,
//   02h fdc     db 0E6h, 0, 0, 0, 1, 2, 18, 1Bh, 0FFh ata     db 1, 0, 0, 0, 0E0h, 0C8h align 4 pci     dd 80000904h,
//   5, 80000920h, 0C001h, 80000940h, 80008000h prd     dd 3204h, 80000200h gdtr    dw 23
//           dd gdt
//   align 8
//   gdt     dq 0, 00CF9A000000FFFFh, 00CF92000000FFFFh
constexpr std::array<u8, 376> dma = {
    0xFA, 0x31, 0xC0, 0x8E, 0xD8, 0x8E, 0xD0, 0xBC, 0x00, 0x70, 0x0F, 0x01, 0x16, 0x58, 0x7D, 0x0F, 0x20, 0xC0, 0x0C,
    0x01, 0x0F, 0x22, 0xC0, 0xEA, 0x1C, 0x7C, 0x08, 0x00, 0x66, 0xB8, 0x10, 0x00, 0x8E, 0xD8, 0x8E, 0xC0, 0x8E, 0xD0,
    0xBC, 0x00, 0x60, 0x00, 0x00, 0xC7, 0x05, 0x00, 0x00, 0x01, 0x00, 0x03, 0x10, 0x01, 0x00, 0xBF, 0x00, 0x10, 0x01,
    0x00, 0xB8, 0x03, 0x00, 0x00, 0x00, 0xB9, 0x00, 0x04, 0x00, 0x00, 0xAB, 0x05, 0x00, 0x10, 0x00, 0x00, 0xE2, 0xF8,
    0xC7, 0x05, 0x00, 0x18, 0x01, 0x00, 0x03, 0x30, 0x00, 0x00, 0xB8, 0x00, 0x00, 0x01, 0x00, 0x0F, 0x22, 0xD8, 0x0F,
    0x20, 0xC0, 0x0D, 0x00, 0x00, 0x00, 0x80, 0x0F, 0x22, 0xC0, 0xBA, 0xF2, 0x03, 0x00, 0x00, 0xB0, 0x1C, 0xEE, 0xBA,
    0xF7, 0x03, 0x00, 0x00, 0xB0, 0x00, 0xEE, 0xBE, 0x10, 0x7D, 0x00, 0x00, 0xB9, 0x0B, 0x00, 0x00, 0x00, 0x0F, 0xB6,
    0x16, 0x8A, 0x46, 0x01, 0xEE, 0x83, 0xC6, 0x02, 0xE2, 0xF4, 0xBE, 0x26, 0x7D, 0x00, 0x00, 0xB9, 0x09, 0x00, 0x00,
    0x00, 0xBA, 0xF4, 0x03, 0x00, 0x00, 0xEC, 0x24, 0xC0, 0x3C, 0x80, 0x75, 0xF9, 0x42, 0xAC, 0xEE, 0x4A, 0xE2, 0xF3,
    0xB9, 0x07, 0x00, 0x00, 0x00, 0xEC, 0x24, 0xC0, 0x3C, 0xC0, 0x75, 0xF9, 0x42, 0xEC, 0x4A, 0xE2, 0xF4, 0xBE, 0x38,
    0x7D, 0x00, 0x00, 0xB9, 0x03, 0x00, 0x00, 0x00, 0xBA, 0xF8, 0x0C, 0x00, 0x00, 0xAD, 0xEF, 0xBA, 0xFC, 0x0C, 0x00,
    0x00, 0xAD, 0xEF, 0xE2, 0xF0, 0xBA, 0x04, 0xC0, 0x00, 0x00, 0xB8, 0x50, 0x7D, 0x00, 0x00, 0xEF, 0xBA, 0x00, 0xC0,
    0x00, 0x00, 0xB0, 0x08, 0xEE, 0xBE, 0x2F, 0x7D, 0x00, 0x00, 0xBA, 0xF2, 0x01, 0x00, 0x00, 0xB9, 0x06, 0x00, 0x00,
    0x00, 0xAC, 0xEE, 0x42, 0xE2, 0xFB, 0xBA, 0x00, 0xC0, 0x00, 0x00, 0xB0, 0x09, 0xEE, 0x83, 0xC2, 0x02, 0xEC, 0xA8,
    0x01, 0x75, 0xFB, 0xF4, 0xEB, 0xFD, 0xD6, 0xC0, 0xD4, 0x00, 0x0A, 0x06, 0x0C, 0x00, 0x0B, 0x46, 0x04, 0x00, 0x04,
    0x30, 0x05, 0xFF, 0x05, 0x01, 0x81, 0x00, 0x0A, 0x02, 0xE6, 0x00, 0x00, 0x00, 0x01, 0x02, 0x12, 0x1B, 0xFF, 0x01,
    0x00, 0x00, 0x00, 0xE0, 0xC8, 0x90, 0x90, 0x90, 0x04, 0x09, 0x00, 0x80, 0x05, 0x00, 0x00, 0x00, 0x20, 0x09, 0x00,
    0x80, 0x01, 0xC0, 0x00, 0x00, 0x40, 0x09, 0x00, 0x80, 0x00, 0x80, 0x00, 0x80, 0x04, 0x32, 0x00, 0x00, 0x00, 0x02,
    0x00, 0x80, 0x17, 0x00, 0x60, 0x7D, 0x00, 0x00, 0x90, 0x90, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xFF,
    0xFF, 0x00, 0x00, 0x00, 0x9A, 0xCF, 0x00, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0x92, 0xCF, 0x00,
};

constexpr u64 done = 0x7D0C;

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

/// A floppy whose first sector is 30h, 31h …, and a disk whose first is A0h, A1h …
struct Media {
    std::filesystem::path folder =
        std::filesystem::temp_directory_path() / ("glassbox-dma-" + std::to_string(::getpid()));
    Media() {
        std::filesystem::create_directories(folder);
        make("floppy.img", 1'474'560, 0x30);
        make("disk.img", 1 << 20, 0xA0);
    }
    ~Media() {
        std::error_code ignored;
        std::filesystem::remove_all(folder, ignored);
    }
    Media(const Media&) = delete;
    Media& operator=(const Media&) = delete;
    void make(const char* name, std::size_t size, unsigned first) const {
        std::vector<char> bytes(size);
        for (unsigned i = 0; i < 512; ++i) bytes[i] = static_cast<char>(first + i);
        std::ofstream(folder / name, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(size));
    }
    void operator()(MachineConfig& config) const {
        config.floppies = {{.path = (folder / "floppy.img").string(), .read_only = true}};
        config.disks = {{.path = (folder / "disk.img").string(), .read_only = true}};
    }
};

StopPoint watch(StopPointKind kind, u64 address, u64 length, bool physical) {
    const auto space = physical ? Address::Space::physical : Address::Space::linear;
    return {.kind = kind, .where = {.space = space, .value = address}, .length = length};
}

} // namespace

TEST_CASE("control: watchpoints see what the floppy's and the disk's DMA write, with the values") {
    const Media media;
    for (const bool physical : {false, true}) {
        CAPTURE(physical);
        const u64 base = physical ? 0x3000 : 0x200000;
        const std::string space = physical ? "physical " : "";
        Bench b(dma, 1, std::ref(media));
        b.machine->board().memory.write_block(PhysAddress{0x3010}, std::array<u8, 4>{1, 2, 3, 4});
        b.debugger.changed();
        b.add(watch(StopPointKind::write, base + 0x10, 4, physical));
        b.add(watch(StopPointKind::access, base + 0x206, 2, physical));
        b.go_on();
        REQUIRE(b.stop().number == 1);
        CHECK(b.stop().before == 0x04030201);
        CHECK(b.stop().after == 0x43424140);
        CHECK(b.stop().text == "watchpoint 1: 4 bytes at " + space + (physical ? "3010h" : "200010h") +
                                   " were 04030201, are 43424140, written by a device (DMA)");
        const u64 floppy_at = b.count();
        b.go_on();
        REQUIRE(b.stop().number == 2);
        CHECK(b.stop().before == 0);
        CHECK(b.stop().after == 0xA3A2);
        const u64 disk_at = b.count();
        b.go_on(); // the guest halts for ever
        CHECK(b.stop().kind == StopKind::ended);
        b.back();
        CHECK(b.stop().number == 2);
        CHECK(b.count() == disk_at - 1);
        CHECK(contains(b.stop().text, "(going back: before the device did it)"));
        std::array<u8, 2> bytes{0xFF, 0xFF};
        b.machine->board().memory.read_block(PhysAddress{0x3206}, bytes);
        CHECK(bytes == std::array<u8, 2>{0, 0});
        b.back();
        CHECK(b.stop().number == 1);
        CHECK(b.count() == floppy_at - 1);
        b.machine->board().memory.read_block(PhysAddress{0x3010}, bytes);
        CHECK(bytes == std::array<u8, 2>{1, 2});
        b.step();
        CHECK(b.stop().number == 1); // the device does it again
    }
}

TEST_CASE("control: a large watchpoint tells of the first byte that changed, and a change watchpoint of changes only") {
    const Media media;
    Bench b(dma, 1, std::ref(media));
    std::array<u8, 16> same{};
    for (unsigned i = 0; i < same.size(); ++i) same[i] = static_cast<u8>(0x30 + i);
    b.machine->board().memory.write_block(PhysAddress{0x3000}, same);
    b.debugger.changed();
    b.add(watch(StopPointKind::change, 0x200000, 16, false)); // becomes what it is
    b.add(watch(StopPointKind::change, 0x200008, 4, false));
    b.add(watch(StopPointKind::write, 0x200000, 16, false));
    b.add(watch(StopPointKind::write, 0x1FFFF0, 0x2000, false)); // the page before, too
    b.add(watch(StopPointKind::write, 0x201000, 0x1000, false)); // identity: not there
    b.go_on();
    CHECK(b.stop().text == "watchpoint 3: 16 bytes at 200000h written by a device (DMA), as they were; "
                           "watchpoint 4: 512 bytes at 200000h written by a device (DMA); the first that changed, at "
                           "200010h, was 00, is 40");
    b.go_on();
    CHECK(b.stop().text == "watchpoint 4: 512 bytes at 200204h written by a device (DMA); the first that changed, at "
                           "200204h, was 00, is A0");
    CHECK(b.stop().address == 0x200204);
    CHECK(b.stop().after == 0xA0);
    b.go_on();
    CHECK(b.stop().kind == StopKind::ended);
    CHECK(b.ip() > done);
}

TEST_CASE("control: a watchpoint follows its linear address when the page tables change") {
    const Media media;
    Bench b(dma, 1, std::ref(media));
    b.add({.where = {.value = 0x7C69}}); // before the floppy, with paging on
    b.go_on();
    REQUIRE(b.stop().number == 1);
    b.machine->board().memory.write_block(PhysAddress{0x11000 + 0x200 * 4}, std::array<u8, 4>{0, 0, 0, 0});
    b.machine->board().memory.write_block(PhysAddress{0x11000 + 0x201 * 4}, std::array<u8, 4>{3, 0x30, 0, 0});
    b.debugger.changed();
    b.add(watch(StopPointKind::write, 0x200000, 16, false)); // not mapped any more
    b.add(watch(StopPointKind::write, 0x201000, 1, false));
    b.go_on();
    CHECK(b.stop().text == "watchpoint 3: 1 byte at 201000h was 00, is 30, written by a device (DMA)");
    b.go_on();
    CHECK(b.stop().kind == StopKind::ended);
}
