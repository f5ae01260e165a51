// The 8237A pair (data sheet 231466), the PIIX3's IDE channels with what is on them (ATA/ATAPI-6 section 7; 82371SB
// section 2.7) and the 82077AA (data sheet 290166).
#include "debugger/devices/sheet.hpp"
#include "debugger/devices/show.hpp"
#include "machine/board.hpp"

#include <array>

namespace glassbox {

namespace {

const char* transfer_name(DmaControllers::Transfer t) {
    constexpr std::array names{"verify", "write (device to memory)", "read (memory to device)", "illegal"};
    return names[static_cast<std::size_t>(t)];
}

void show_controller(Sheet& sheet, const DmaControllers& dma, unsigned which) {
    constexpr std::array services{"demand", "single", "block", "cascade"};
    const auto& c = dma.controller(which);
    sheet.title(which == 0 ? "8237A 1 (ports 00h-0Fh): channels 0-3, bytes"
                           : "8237A 2 (ports C0h-DFh): channels 4-7, words");
    sheet.row(
        "command", c.command, 2,
        bit_names(c.command,
                  {{4, "disabled", "enabled"}, {0x10, "rotating priority", "fixed priority"}, {0x20, "extended write"}},
                  ", "));
    sheet.row("status", hex_digits(u64{c.terminal} | u64{c.request} << 4, 2),
              "terminal count: " + number_list(u64{c.terminal} << 4 * which, "channel ") +
                  "; requests: " + number_list(u64{c.request} << 4 * which, "channel "));
    sheet.row("mask", c.mask, 2, number_list(u64{c.mask} << 4 * which, "channel ") + (c.mask ? " masked" : ""));
    sheet.row("flip-flop", c.high_byte ? "high byte" : "low byte", "next");
    std::vector<std::vector<std::string>> rows{
        {"channel", "current", "count", "base", "count", "next address", "mode", ""}};
    for (unsigned i = 0; i < 4; ++i) {
        const auto& channel = c.channels[i];
        rows.push_back({std::to_string(4 * which + i), hex_digits(channel.current_address, 4),
                        hex_digits(channel.current_count, 4), hex_digits(channel.base_address, 4),
                        hex_digits(channel.base_count, 4), hex_digits(dma.current_address(4 * which + i), 6),
                        services[channel.service()],
                        channel.service() == 3 ? ""
                                               : std::string(transfer_name(channel.transfer())) +
                                                     (channel.autoinitialize() ? ", autoinit" : "") +
                                                     (channel.decrement() ? ", down" : "")});
    }
    sheet.table(rows);
}

std::string ata_command_name(u8 code) {
    struct Name {
        u8 code;
        const char* name;
    };
    constexpr Name names[] = {{0x00, "NOP"},
                              {0x08, "DEVICE RESET"},
                              {0x20, "READ SECTORS"},
                              {0x21, "READ SECTORS (no retry)"},
                              {0x24, "READ SECTORS EXT"},
                              {0x25, "READ DMA EXT"},
                              {0x29, "READ MULTIPLE EXT"},
                              {0x30, "WRITE SECTORS"},
                              {0x34, "WRITE SECTORS EXT"},
                              {0x35, "WRITE DMA EXT"},
                              {0x39, "WRITE MULTIPLE EXT"},
                              {0x40, "READ VERIFY SECTORS"},
                              {0x42, "READ VERIFY SECTORS EXT"},
                              {0x70, "SEEK"},
                              {0x90, "EXECUTE DEVICE DIAGNOSTIC"},
                              {0x91, "INITIALIZE DEVICE PARAMETERS"},
                              {0xA0, "PACKET"},
                              {0xA1, "IDENTIFY PACKET DEVICE"},
                              {0xB0, "SMART"},
                              {0xC4, "READ MULTIPLE"},
                              {0xC5, "WRITE MULTIPLE"},
                              {0xC6, "SET MULTIPLE MODE"},
                              {0xC8, "READ DMA"},
                              {0xCA, "WRITE DMA"},
                              {0xE0, "STANDBY IMMEDIATE"},
                              {0xE1, "IDLE IMMEDIATE"},
                              {0xE5, "CHECK POWER MODE"},
                              {0xE7, "FLUSH CACHE"},
                              {0xEA, "FLUSH CACHE EXT"},
                              {0xEC, "IDENTIFY DEVICE"},
                              {0xEF, "SET FEATURES"},
                              {0xF5, "SECURITY FREEZE LOCK"},
                              {0xF8, "READ NATIVE MAX ADDRESS"},
                              {0x27, "READ NATIVE MAX ADDRESS EXT"}};
    for (const Name& n : names) {
        if (n.code == code) return n.name;
    }
    return "";
}

std::string mode_words(u8 mode) {
    const unsigned n = mode & 7;
    switch (mode >> 3) {
    case 0x08: return "Ultra DMA " + std::to_string(n);
    case 0x04: return "multiword DMA " + std::to_string(n);
    case 0x01: return "PIO " + std::to_string(n);
    default: return "PIO default";
    }
}

std::string capacity(u64 bytes) {
    constexpr u64 mib = 1u << 20;
    return bytes >= 10 * mib ? std::to_string(bytes / mib) + " MiB" : std::to_string(bytes / 1024) + " KiB";
}

std::string address_words(const ide::TaskFile& r) {
    if (r.device & 0x40) {
        const u64 lba = u64{r.device & 15u} << 24 | u64{r.lba_high.now} << 16 | u64{r.lba_mid.now} << 8 | r.lba_low.now;
        return "LBA " + std::to_string(lba);
    }
    return "cylinder " + std::to_string(r.lba_high.now << 8 | r.lba_mid.now) + ", head " +
           std::to_string(r.device & 15) + ", sector " + std::to_string(r.lba_low.now);
}

void show_disk(Sheet& sheet, const ide::AtaDisk& disk) {
    const auto s = disk.settings();
    sheet.row("identity", "disk",
              "GLASSBOX HARDDISK, GB000000-" + disk.name() + ", " + std::to_string(disk.sectors()) +
                  " sectors = " + capacity(disk.sectors() * 512));
    sheet.row("CHS",
              std::to_string(s.current_cylinders) + "/" + std::to_string(s.current_heads) + "/" +
                  std::to_string(s.current_sectors),
              "cylinders/heads/sectors in use");
    sheet.row("settings", s.power,
              "multiple " + std::to_string(s.multiple) + ", write cache " + on_off(s.write_cache) + ", look-ahead " +
                  on_off(s.look_ahead) + ", SMART " + on_off(s.smart_enabled));
    if (s.remaining)
        sheet.row("transfer", std::to_string(s.remaining),
                  "sectors left, next sector " + std::to_string(s.next_sector));
}

void show_cdrom(Sheet& sheet, const ide::AtapiCdrom& cd) {
    sheet.row("identity", "CD-ROM", "GLASSBOX CD-ROM, GB000000-" + cd.name());
    sheet.row("disc", cd.disc() ? std::to_string((cd.disc()->size() + 2047) / 2048) : "none",
              cd.disc() ? "blocks, " + cd.disc()->path() : "");
    sheet.row("tray", cd.tray_open() ? "open" : "closed", cd.locked() ? "locked by the guest" : "not locked");
    const ide::Sense sense = cd.sense_data();
    sheet.row("sense",
              hex_digits(sense.key, 1) + " " + hex_digits(sense.code, 2) + " " + hex_digits(sense.qualifier, 2),
              "key, ASC, ASCQ");
    sheet.row("packet", byte_list(cd.packet()));
    if (cd.sectors_left())
        sheet.row("transfer", std::to_string(cd.sectors_left()),
                  "blocks left, next block " + std::to_string(cd.next_sector()));
}

void show_drive(Sheet& sheet, const ide::Drive& drive, bool selected) {
    const ide::TaskFile& r = drive.regs;
    sheet.title("  " + drive.name() + (selected ? " (selected)" : ""));
    if (const auto* disk = dynamic_cast<const ide::AtaDisk*>(&drive)) show_disk(sheet, *disk);
    if (const auto* cd = dynamic_cast<const ide::AtapiCdrom*>(&drive)) show_cdrom(sheet, *cd);
    sheet.row("status", r.status, 2,
              bit_names(r.status,
                        {{0x80, "BSY"}, {0x40, "DRDY"}, {0x20, "DF"}, {0x10, "DSC"}, {0x08, "DRQ"}, {0x01, "ERR"}}));
    sheet.row("error", r.error, 2,
              (r.status & 1) ? bit_names(r.error, {{0x80, "ICRC"},
                                                   {0x40, "UNC"},
                                                   {0x20, "MC"},
                                                   {0x10, "IDNF"},
                                                   {0x08, "MCR"},
                                                   {0x04, "ABRT"},
                                                   {0x02, "NM"}})
                             : "");
    sheet.row("device/head", r.device, 2,
              std::string((r.device & 0x40) ? "LBA" : "CHS") + ", drive " + ((r.device & 0x10) ? "1" : "0"));
    sheet.row("features", r.features.both(), 4);
    sheet.row("sector count", r.sector_count.both(), 4);
    sheet.row("LBA high mid low",
              hex_digits(r.lba_high.now, 2) + " " + hex_digits(r.lba_mid.now, 2) + " " + hex_digits(r.lba_low.now, 2),
              address_words(r));
    sheet.row("previous (HOB)", hex_digits(r.lba_high.before, 2) + " " + hex_digits(r.lba_mid.before, 2) + " " +
                                    hex_digits(r.lba_low.before, 2));
    sheet.row("last command", drive.last_command(), 2, ata_command_name(drive.last_command()));
    sheet.row("phase", drive.phase_name());
    if (drive.block_end())
        sheet.row("buffer", std::to_string(drive.buffer_position()),
                  "of " + std::to_string(drive.block_end()) + " bytes moved");
    sheet.row("transfer mode", drive.transfer_mode(), 2, mode_words(drive.transfer_mode()));
    sheet.row("INTRQ", drive.intrq() ? "asserted" : "-");
    if (!drive.host_error().empty()) sheet.row("host error", drive.host_error());
}

void show_bus_master(Sheet& sheet, const ide::Channel& channel) {
    const ide::BusMaster& m = channel.bus_master();
    const u8 command = m.read(0), status = m.read(2);
    u32 table = 0;
    for (unsigned i = 0; i < 4; ++i) table |= u32{m.read(4 + i)} << 8 * i;
    sheet.row("BMICX", command, 2,
              bit_names(command, {{1, "started", "stopped"}, {8, "to memory", "from memory"}}, ", "));
    sheet.row("BMISX", status, 2,
              bit_names(status,
                        {{1, "active"},
                         {2, "error"},
                         {4, "interrupt"},
                         {0x20, "drive 0 DMA capable"},
                         {0x40, "drive 1 DMA capable"}},
                        ", "));
    sheet.row("BMIDTPX", table, 8, "descriptor table");
    if (m.active()) {
        const auto at = m.position();
        sheet.row("descriptor", at.address, 8,
                  std::to_string(at.left) + " bytes left" +
                      (at.last ? ", the last" : ", next descriptor at " + hexh(at.next_descriptor, 8)));
    }
}

std::string floppy_words(const FloppyDrive& drive) {
    if (!drive.attached()) return "no drive";
    std::string text = drive.geometry() ? drive.geometry()->name : "no disk";
    if (drive.geometry())
        text += ", " + std::to_string(drive.geometry()->cylinders) + " cylinders, " +
                std::to_string(drive.geometry()->heads) + " heads, " + std::to_string(drive.geometry()->sectors) +
                " sectors";
    if (drive.write_protected()) text += ", write-protected";
    if (drive.disk_changed()) text += ", DSKCHG";
    return text + ", head over cylinder " + std::to_string(drive.cylinder());
}

const char* fdc_command_name(u8 code) {
    switch (code & 0x1F) {
    case 0x02: return "READ TRACK";
    case 0x03: return "SPECIFY";
    case 0x04: return "SENSE DRIVE STATUS";
    case 0x05: return "WRITE DATA";
    case 0x06: return "READ DATA";
    case 0x07: return "RECALIBRATE";
    case 0x08: return "SENSE INTERRUPT STATUS";
    case 0x09: return "WRITE DELETED DATA";
    case 0x0A: return "READ ID";
    case 0x0C: return "READ DELETED DATA";
    case 0x0D: return "FORMAT TRACK";
    case 0x0E: return "DUMPREG";
    case 0x0F: return "SEEK";
    case 0x10: return "VERSION";
    case 0x12: return "PERPENDICULAR MODE";
    case 0x13: return "CONFIGURE";
    case 0x14: return "LOCK";
    case 0x16: return "VERIFY";
    default: return "invalid";
    }
}

} // namespace

void show_dma(const Board& board, std::string& out) {
    Sheet sheet(out);
    for (unsigned i = 0; i < 2; ++i) show_controller(sheet, board.dma, i);
}

void show_ide(const Board& board, std::string& out) {
    Sheet sheet(out);
    for (unsigned i = 0; i < 2; ++i) {
        const ide::Channel& channel = board.ide.channel(i);
        sheet.title(i == 0 ? "Primary IDE channel (ports 1F0h-1F7h, 3F6h; IRQ 14)"
                           : "Secondary IDE channel (ports 170h-177h, 376h; IRQ 15)");
        const u8 control = channel.device_control();
        sheet.row("device control", control, 2,
                  bit_names(control,
                            {{2, "nIEN: no interrupts", "interrupts on"}, {4, "SRST: reset held"}, {0x80, "HOB"}},
                            ", "));
        sheet.row("interrupt line", channel.interrupt_line() ? "high" : "low");
        show_bus_master(sheet, channel);
        for (unsigned unit = 0; unit < 2; ++unit) {
            if (const ide::Drive* drive = channel.drive(unit))
                show_drive(sheet, *drive, channel.selected_unit() == unit);
            else
                sheet.line("  no drive " + std::to_string(unit) +
                           (channel.selected_unit() == unit ? " (selected)" : ""));
        }
    }
}

void show_fdc(const Board& board, std::string& out) {
    const Fdc::Registers r = board.fdc.registers();
    constexpr std::array rates{"500", "300", "250", "1000"};
    Sheet sheet(out);
    sheet.title("82077AA floppy controller (ports 3F0h-3F5h, 3F7h; IRQ 6, DMA channel 2)");
    sheet.row("DOR", r.dor, 2,
              "drive " + std::to_string(r.dor & 3) + ", " +
                  bit_names(r.dor,
                            {{4, "running", "RESET held"},
                             {8, "DMA gate on", "DMA gate off"},
                             {0x10, "motor 0"},
                             {0x20, "motor 1"}},
                            ", "));
    sheet.row("MSR", r.msr, 2,
              bit_names(r.msr, {{0x80, "RQM"},
                                {0x40, "DIO: to the host"},
                                {0x20, "NON DMA"},
                                {0x10, "CMD BSY"},
                                {8, "DRV3 BUSY"},
                                {4, "DRV2 BUSY"},
                                {2, "DRV1 BUSY"},
                                {1, "DRV0 BUSY"}}));
    sheet.row("DSR", r.dsr, 2, std::string(rates[r.dsr & 3]) + " kbit/s");
    sheet.row("TDR", r.tdr, 2);
    sheet.row("phase", r.phase);
    sheet.row("command", byte_list(r.command), r.command.empty() ? "" : fdc_command_name(r.command.front()));
    sheet.row("result", std::to_string(r.result_bytes), "bytes wait to be read");
    sheet.row("ST0 ST1 ST2", hex_digits(r.st0, 2) + " " + hex_digits(r.st1, 2) + " " + hex_digits(r.st2, 2));
    sheet.row("C H R N EOT", hex_digits(r.c, 2) + " " + hex_digits(r.h, 2) + " " + hex_digits(r.r, 2) + " " +
                                 hex_digits(r.n, 2) + " " + hex_digits(r.eot, 2));
    sheet.row("PCN", byte_list(r.pcn));
    sheet.row("SPECIFY", byte_list(r.specify), (r.specify[1] & 1) ? "ND: no DMA" : "DMA");
    sheet.row(
        "CONFIGURE", r.configure, 2,
        bit_names(r.configure, {{0x40, "implied seek"}, {0x20, "FIFO off", "FIFO on"}, {0x10, "no polling"}}, ", ") +
            (r.locked ? ", locked" : ""));
    sheet.row("INT", r.irq ? "asserted" : "-");
    for (unsigned i = 0; i < Fdc::drive_count; ++i)
        sheet.row("drive " + std::to_string(i), floppy_words(board.fdc.floppy(i)));
}

} // namespace glassbox
