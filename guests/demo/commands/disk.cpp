// The IDE drives, asked for their identity by programmed I/O. ATA/ATAPI-6, 8.15 (IDENTIFY DEVICE), 8.16 (PACKET).
#include "../kernel/console.hpp"
#include "../kernel/ports.hpp"
#include "../kernel/timer.hpp"
#include "shell.hpp"

namespace {

constexpr u8 busy = 0x80, data_request = 0x08, error = 0x01;
constexpr u8 identify_device = 0xEC, identify_packet_device = 0xA1;

struct Channel {
    u16 base, control;
    const char* name;
};

u8 status(const Channel& channel) { return in8(static_cast<u16>(channel.base + 7)); }

/// Waits until the drive is no longer busy; an empty channel never gets there.
bool wait_ready(const Channel& channel) {
    const u32 start = ticks();
    while ((status(channel) & busy) != 0)
        if (ticks() - start > ticks_a_second) return false;
    return true;
}

bool identify(const Channel& channel, u8 command, u16 (&words)[256]) {
    out8(static_cast<u16>(channel.base + 7), command);
    if (status(channel) == 0 || !wait_ready(channel)) return false;
    if ((status(channel) & (error | data_request)) != data_request) return false;
    for (auto& word : words) word = in16(channel.base);
    return true;
}

/// Texts in the answer have their bytes swapped in each word, and are filled up with spaces.
void print_text(const u16* words, u32 count) {
    char text[41];
    u32 used = 0;
    for (u32 i = 0; i < count; ++i) {
        text[used++] = static_cast<char>(words[i] >> 8);
        text[used++] = static_cast<char>(words[i]);
    }
    while (used > 0 && text[used - 1] == ' ') --used;
    print_part(text, used);
}

void print_disk(const u16 (&words)[256]) {
    print("hard disk \"");
    print_text(words + 27, 20);
    print("\", serial number \"");
    print_text(words + 10, 10);
    print("\"\n      ");
    const bool lba48 = (words[83] & 0x0400) != 0;
    u32 low = words[60] | u32{words[61]} << 16, high = 0;
    if (lba48) {
        low = words[100] | u32{words[101]} << 16;
        high = words[102];
    }
    print_number((low >> 11) | high << 21); // sectors of 512 bytes, 2048 a MiB
    print(" MiB in ");
    if (high != 0) print_hex(high, 4);
    high != 0 ? print_hex(low) : print_number(low);
    print(" sectors; CHS ");
    print_number(words[1]);
    put('/');
    print_number(words[3]);
    put('/');
    print_number(words[6]);
    print((words[49] & 0x0200) != 0 ? "; LBA" : "; no LBA");
    print(lba48 ? ", 48 bits" : "");
    print((words[49] & 0x0100) != 0 ? "; DMA\n" : "; no DMA\n");
}

void print_unit(const Channel& channel, u8 unit) {
    print("  ");
    print(channel.name);
    print(unit == 0 ? " master: " : " slave:  ");
    out8(channel.control, 0x02); // no interrupts from this channel: we ask for the status ourselves
    out8(static_cast<u16>(channel.base + 6), static_cast<u8>(0xA0 | unit << 4));
    for (int i = 0; i < 15; ++i) status(channel); // the drive may take 400 ns to answer
    u16 words[256];
    if (status(channel) == 0xFF || !wait_ready(channel)) {
        print("nothing there\n");
    } else if (identify(channel, identify_device, words)) {
        print_disk(words);
    } else if (in8(static_cast<u16>(channel.base + 4)) == 0x14 && in8(static_cast<u16>(channel.base + 5)) == 0xEB &&
               identify(channel, identify_packet_device, words)) {
        print((words[0] >> 8 & 0x1F) == 5 ? "CD-ROM drive \"" : "ATAPI device \""); // refused with ATAPI's signature
        print_text(words + 27, 20);
        print("\"\n");
    } else {
        print("nothing there\n");
    }
}

} // namespace

void command_disk() {
    constexpr Channel channels[] = {{0x1F0, 0x3F6, "primary"}, {0x170, 0x376, "secondary"}};
    for (const auto& channel : channels) {
        print_unit(channel, 0);
        print_unit(channel, 1);
    }
}
