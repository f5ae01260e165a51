#include "devices/acpi/piix4_pm.hpp"

#include <utility>

namespace glassbox {

namespace {
constexpr u8 pmbase = 0x40, devactb = 0x58, pmregmisc = 0x80, smbba = 0x90, smbhstcfg = 0xD2;
constexpr u8 acpi_enable = 0xF1, acpi_disable = 0xF0;
constexpr u16 gpe_port = 0xAFE0;

enum PmRegister : u64 {
    pm_status = 0x00,
    pm_enable = 0x02,
    pm_control = 0x04,
    pm_timer = 0x08,
    gp_status = 0x0C,
    gp_enable = 0x0E,
    gp_input = 0x30
};
constexpr u16 tmrof_sts = 0x0001, gbl_sts = 0x0020, pwrbtn_sts = 0x0100, rtc_sts = 0x0400, rsm_sts = 0x8000;
constexpr u16 status_bits = tmrof_sts | 0x10 | gbl_sts | pwrbtn_sts | rtc_sts | rsm_sts;
constexpr u16 enable_bits = tmrof_sts | gbl_sts | pwrbtn_sts | rtc_sts;
constexpr u16 sci_en = 0x0001, sleep_enable = 0x2000, control_bits = 0x1C03;

enum SmbusRegister : u64 { host_status = 0, slave_status = 1, host_control = 2 };
constexpr u8 start = 0x40, device_error = 0x04;

u16 word(std::span<const u8> bytes, u64 at) { return static_cast<u16>(bytes[at] | bytes[at + 1] << 8); }
void put_word(std::span<u8> bytes, u64 at, u16 value) {
    bytes[at] = static_cast<u8>(value);
    bytes[at + 1] = static_cast<u8>(value >> 8);
}
} // namespace

Piix4Pm::Piix4Pm(PortBus& ports, MemoryMap& memory, Scheduler& scheduler, IrqLine sci, Callbacks callbacks)
    : PciFunction("PIIX4 PM",
                  {.vendor = 0x8086, .device = 0x7113, .class_code = 0x068000, .revision = 3, .interrupt_pin = 1},
                  ports, memory),
      ports_(ports), scheduler_(scheduler), sci_(sci), callbacks_(std::move(callbacks)),
      overflow_(scheduler, "piix4.pm-timer", [this] {
          update_timer();
          update_sci();
      }) {
    define16(0x04, 0, 0x0001);
    define16(0x06, 0x0280);
    define32(pmbase, 0x0000'0001, 0x0000'FFC0);
    for (u8 at = 0x44; at < 0x58; at = static_cast<u8>(at + 4)) define32(at, 0, 0xFFFF'FFFF); // CNTA, CNTB, GPICTL …
    define32(devactb, 0x0200'0000, 0xFFFF'FFFF);                                              // DEVACTB: APMC_EN
    for (u8 at = 0x5C; at < 0x80; at = static_cast<u8>(at + 4)) define32(at, 0, 0xFFFF'FFFF); // DEVRESA-J
    define(pmregmisc, 0, 0x01);
    define32(smbba, 0x0000'0001, 0x0000'FFF0);
    define(smbhstcfg, 0, 0x0F);
    define(0xD3, 0, 0xFF), define(0xD4, 0, 0xFF), define(0xD5, 0, 0xFF); // slave command and shadows
}

void Piix4Pm::map(PortBus& ports) {
    ports.map("APM control and status", {Port{0xB2}, 2}, *this, 1, apm_block);
    ports.map("ACPI general-purpose events", {Port{gpe_port}, 4}, *this, 1, gpe_block);
}

void Piix4Pm::reset() {
    PciFunction::reset();
    pm_ = {}, smbus_ = {};
    gpe_status_ = gpe_enable_ = 0;
    apm_control_ = apm_status_ = 0;
    suspended_ = false;
    timer_half_ = timer_half();
    overflow_.cancel();
    remap();
    update_sci();
}

void Piix4Pm::config_written(u8, unsigned) { remap(); }

void Piix4Pm::remap() {
    const auto pm = static_cast<u16>(word(config_, pmbase) & 0xFFC0);
    remap(pm_window_, "ACPI registers", (config_[pmregmisc] & 1) ? pm : u16{0}, pm_size, pm_block);
    const auto smbus = static_cast<u16>(word(config_, smbba) & 0xFFF0);
    remap(smbus_window_, "SMBus host", (config_[smbhstcfg] & 1) ? smbus : u16{0}, smbus_size, smbus_block);
}

void Piix4Pm::remap(Window& window, const char* name, u16 base, u16 size, u64 offset) {
    if (window.base == base) return;
    if (window.mapping) ports_.unmap(*window.mapping);
    window.mapping.reset();
    window.base = base;
    if (base) window.mapping = ports_.map(name, {Port{base}, size}, *this, 4, offset);
}

u64 Piix4Pm::read(u64 offset, unsigned width) {
    update_timer();
    return *peek(offset, width);
}

std::optional<u64> Piix4Pm::peek(u64 offset, unsigned width) const {
    if (offset - pm_block < pm_size) {
        u64 value = 0;
        for (unsigned i = 0; i < width && offset + i < pm_size; ++i) value |= u64{read_pm(offset + i)} << (8 * i);
        return value;
    }
    if (offset - smbus_block < smbus_size) {
        u64 value = 0;
        for (unsigned i = 0; i < width; ++i) value |= u64{read_smbus(offset - smbus_block + i)} << (8 * i);
        return value;
    }
    if (offset == apm_block) return apm_control_;
    if (offset == apm_block + 1) return apm_status_;
    const u32 events = u32{gpe_status_} | u32{gpe_enable_} << 16;
    return events >> (8 * (offset & 3)) & 0xFF;
}

void Piix4Pm::write(u64 offset, unsigned width, u64 value) {
    update_timer();
    const auto byte = [&](unsigned i) { return static_cast<u8>(value >> (8 * i)); };
    if (offset - pm_block < pm_size) {
        for (unsigned i = 0; i < width && offset + i < pm_size; ++i) write_pm(offset + i, byte(i));
    } else if (offset - smbus_block < smbus_size) {
        for (unsigned i = 0; i < width; ++i) write_smbus(offset - smbus_block + i, byte(i));
    } else if (offset == apm_block) {
        write_apm_control(byte(0));
    } else if (offset == apm_block + 1) {
        apm_status_ = byte(0);
    } else {
        const unsigned shift = 8 * (offset & 1);
        if (offset & 2) {
            gpe_enable_ = static_cast<u16>((gpe_enable_ & ~(0xFF << shift)) | byte(0) << shift);
        } else {
            gpe_status_ &= static_cast<u16>(~(byte(0) << shift));
        }
    }
    update_sci();
}

u8 Piix4Pm::read_pm(u64 offset) const {
    if (offset >= pm_timer && offset < pm_timer + 4) {
        const u64 ticks = ticks_in(scheduler_.now(), timer_hertz) & 0xFF'FFFF;
        return static_cast<u8>(ticks >> (8 * (offset - pm_timer)));
    }
    // The status bit is set when somebody looks.
    const bool overflow = offset == pm_status && timer_half() != timer_half_;
    return static_cast<u8>(pm_[offset] | (overflow ? tmrof_sts : 0));
}

void Piix4Pm::write_pm(u64 offset, u8 value) {
    const auto part = [offset](u16 bits) { return static_cast<u8>(bits >> (8 * (offset & 1))); };
    switch (offset & ~u64{1}) {
    case pm_status: pm_[offset] &= static_cast<u8>(~(value & part(status_bits))); break;
    case pm_enable: pm_[offset] = value & part(enable_bits); break;
    case pm_control:
        pm_[offset] = value & part(control_bits);
        if (value & part(sleep_enable)) sleep();
        break;
    case pm_timer:
    case pm_timer + 2:
    case gp_input:
    case gp_input + 2: break; // read-only
    case gp_status: pm_[offset] &= static_cast<u8>(~value); break;
    default: pm_[offset] = value; break;
    }
}

// SLP_TYP as the DSDT names the states: 0 soft off, 1 suspend to RAM, 2 suspend to disk. Others do nothing.
void Piix4Pm::sleep() {
    const unsigned type = pm_[pm_control + 1] >> 2 & 7;
    if (type == 1) {
        suspended_ = true;
        if (callbacks_.suspend) callbacks_.suspend();
    } else if (type == 0 || type == 2) {
        if (callbacks_.power_off) callbacks_.power_off();
    }
}

void Piix4Pm::signal(u16 status, bool wakes) {
    update_timer();
    const bool waking = wakes && std::exchange(suspended_, false);
    put_word(pm_, pm_status, word(pm_, pm_status) | status | (waking ? rsm_sts : 0));
    update_sci();
    if (waking && callbacks_.wake) callbacks_.wake();
}

void Piix4Pm::power_button() { signal(pwrbtn_sts, true); }

void Piix4Pm::rtc_alarm() { signal(rtc_sts, (word(pm_, pm_enable) & rtc_sts) != 0); }

void Piix4Pm::write_apm_control(u8 value) {
    apm_control_ = value;
    if (value == acpi_enable) pm_[pm_control] |= sci_en;
    if (value == acpi_disable) pm_[pm_control] &= static_cast<u8>(~sci_en);
}

// An idle host controller: a transaction ends at once with a device error, for nobody answers on the bus (7.3.1).
u8 Piix4Pm::read_smbus(u64 offset) const { return offset < smbus_size ? smbus_[offset] : u8{0xFF}; }

void Piix4Pm::write_smbus(u64 offset, u8 value) {
    if (offset >= smbus_size) return;
    if (offset == host_status || offset == slave_status) {
        smbus_[offset] &= static_cast<u8>(~value);
    } else if (offset == host_control) {
        smbus_[offset] = value & 0x1F;
        if (value & start) smbus_[host_status] |= device_error;
    } else {
        smbus_[offset] = value;
    }
}

// TMROF_STS is set whenever bit 23 of the timer toggles. Only an enabled interrupt needs an event for it.
void Piix4Pm::update_timer() {
    const u64 half = timer_half();
    if (half == timer_half_) return;
    timer_half_ = half;
    pm_[pm_status] |= static_cast<u8>(tmrof_sts);
}

void Piix4Pm::update_sci() {
    const u16 pending = word(pm_, pm_status) & word(pm_, pm_enable) & enable_bits;
    const bool enabled = (pm_[pm_control] & sci_en) != 0;
    sci_.set(enabled && (pending || (gpe_status_ & gpe_enable_) || (word(pm_, gp_status) & word(pm_, gp_enable))));
    const bool timer_wanted = (pm_[pm_enable] & tmrof_sts) && !(pm_[pm_status] & tmrof_sts);
    if (!timer_wanted) {
        overflow_.cancel();
    } else {
        overflow_.at(time_of((timer_half_ + 1) << 23, timer_hertz));
    }
}

void Piix4Pm::persist(Archive& archive) {
    persist_config(archive);
    archive.chunk("acpi", 1, [&](u32) {
        archive(pm_, smbus_, timer_half_, gpe_status_, gpe_enable_, apm_control_, apm_status_, suspended_);
        archive.require(timer_half_ < u64{1} << 40, "the PM timer is out of range");
    });
    if (archive.loading() && archive.ok()) remap();
}

} // namespace glassbox
