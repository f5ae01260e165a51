// Builds the ACPI tables and the linker script that SeaBIOS runs over them.
#include "bios/acpi_tables.hpp"

#include "bios/embedded.hpp"
#include "bios/table_loader.hpp"

#include <algorithm>
#include <cassert>

namespace glassbox {

namespace {

constexpr std::string_view rsdp_file = "etc/acpi/rsdp", tables_file = "etc/acpi/tables",
                           loader_file = "etc/table-loader";
constexpr u32 checksum_offset = 9, length_offset = 4;
constexpr u16 sci_irq = 9, pm_base = 0x600, gpe0_block = 0xAFE0;
constexpr u32 local_apic_base = 0xFEE0'0000, io_apic_base = 0xFEC0'0000, hpet_base = 0xFED0'0000;

/// The tables' file while it grows, with the commands that link it.
struct Builder {
    Bytes bytes;
    TableLoader loader;
    std::vector<u32> roots; ///< tables that the RSDT lists

    u32 here() const { return static_cast<u32>(bytes.size()); }

    u32 begin(std::string_view signature, u8 revision) {
        const u32 start = here();
        append_padded(bytes, signature, 4);
        append_le<u32>(bytes, 0); // length, set by finish()
        bytes.push_back(revision);
        bytes.push_back(0); // checksum, set by SeaBIOS
        append_padded(bytes, "GLSBOX", 6);
        append_padded(bytes, "GLASSPC ", 8);
        append_le<u32>(bytes, 1);
        append_padded(bytes, "GLBX", 4);
        append_le<u32>(bytes, 1);
        return start;
    }
    void finish(u32 start) {
        put_le<u32>(bytes, start + length_offset, here() - start);
        loader.add_checksum(tables_file, start + checksum_offset, start, here() - start);
    }
    /// Appends a pointer to another table of this file.
    template <class T> void pointer(u32 target) {
        const u32 place = here();
        append_le<T>(bytes, target);
        loader.add_pointer(tables_file, place, sizeof(T), tables_file);
    }
};

/// Generic address structure (ACPI 2.0, 5.2.3.1) of an I/O port.
void append_port(Bytes& bytes, u16 port, u8 bits) {
    bytes.push_back(1); // system I/O
    bytes.push_back(bits);
    bytes.push_back(0); // bit offset
    bytes.push_back(0);
    append_le<u64>(bytes, port);
}

u32 build_facs(Builder& builder) {
    const u32 start = builder.here();
    append_padded(builder.bytes, "FACS", 4);
    append_le<u32>(builder.bytes, 64);
    builder.bytes.resize(start + 64); // hardware signature, waking vector, global lock: zero
    return start;
}

u32 build_fadt(Builder& builder, u32 facs, u32 dsdt) {
    // Flags, ACPI 2.0 table 5-7: WBINVD works, C1 works, no fixed sleep button, RTC wakes from S4, reset register.
    constexpr u32 wbinvd = 1u << 0, proc_c1 = 1u << 2, no_sleep_button = 1u << 5, rtc_s4 = 1u << 7,
                  reset_supported = 1u << 10;
    const u32 start = builder.begin("FACP", 3);
    auto& b = builder.bytes;
    builder.pointer<u32>(facs);
    builder.pointer<u32>(dsdt);
    b.insert(b.end(), {0, 0}); // reserved (INT_MODEL), preferred profile unspecified
    append_le<u16>(b, sci_irq);
    append_le<u32>(b, 0xB2);                     // SMI_CMD: the APM control port
    b.insert(b.end(), {0xF1, 0xF0, 0x00, 0x00}); // ACPI_ENABLE, ACPI_DISABLE, no S4BIOS, no P-state control
    append_le<u32>(b, pm_base);                  // PM1a_EVT_BLK
    append_le<u32>(b, 0);                        // PM1b_EVT_BLK
    append_le<u32>(b, pm_base + 4);              // PM1a_CNT_BLK
    append_le<u32>(b, 0);                        // PM1b_CNT_BLK
    append_le<u32>(b, 0);                        // PM2_CNT_BLK
    append_le<u32>(b, pm_base + 8);              // PM_TMR_BLK
    append_le<u32>(b, gpe0_block);               // GPE0_BLK
    append_le<u32>(b, 0);                        // GPE1_BLK
    b.insert(b.end(),
             {4, 2, 0, 4, 4, 0, 0, 0});    // lengths: PM1_EVT, PM1_CNT, PM2_CNT, PM_TMR, GPE0, GPE1; GPE1 base; CST
    append_le<u16>(b, 0xFFF);              // P_LVL2_LAT: C2 is not there
    append_le<u16>(b, 0xFFF);              // P_LVL3_LAT
    append_le<u16>(b, 0);                  // FLUSH_SIZE
    append_le<u16>(b, 0);                  // FLUSH_STRIDE
    b.insert(b.end(), {0, 0, 0, 0, 0x32}); // DUTY_OFFSET, DUTY_WIDTH, DAY_ALRM, MON_ALRM, CENTURY
    append_le<u16>(b, 0x0003);             // IAPC_BOOT_ARCH: legacy devices, 8042
    b.push_back(0);
    append_le<u32>(b, wbinvd | proc_c1 | no_sleep_button | rtc_s4 | reset_supported);
    append_port(b, 0xCF9, 8);           // RESET_REG
    b.insert(b.end(), {0x06, 0, 0, 0}); // RESET_VALUE: hard reset (82371SB, 2.5.1.3)
    append_le<u64>(b, 0);               // X_FIRMWARE_CTRL: FIRMWARE_CTRL is enough
    builder.pointer<u64>(dsdt);         // X_DSDT
    append_port(b, pm_base, 32);        // X_PM1a_EVT_BLK
    b.resize(b.size() + 12);            // X_PM1b_EVT_BLK
    append_port(b, pm_base + 4, 16);    // X_PM1a_CNT_BLK
    b.resize(b.size() + 24);            // X_PM1b_CNT_BLK, X_PM2_CNT_BLK
    append_port(b, pm_base + 8, 32);    // X_PM_TMR_BLK
    append_port(b, gpe0_block, 32);     // X_GPE0_BLK
    b.resize(b.size() + 12);            // X_GPE1_BLK
    assert(builder.here() - start == 244);
    builder.finish(start);
    return start;
}

void append_override(Bytes& bytes, u8 irq, u32 gsi, u16 flags) {
    bytes.insert(bytes.end(), {2, 10, 0, irq}); // interrupt source override, bus ISA
    append_le<u32>(bytes, gsi);
    append_le<u16>(bytes, flags);
}

u32 build_madt(Builder& builder, const AcpiConfig& config) {
    constexpr u16 conforms = 0, active_high_level = 0x000D; // MPS INTI flags: polarity 01, trigger 11
    const u32 start = builder.begin("APIC", 1);
    auto& b = builder.bytes;
    append_le<u32>(b, local_apic_base);
    append_le<u32>(b, 1); // PCAT_COMPAT: two 8259s are there as well
    for (unsigned id = 0; id < config.processors; ++id) {
        b.insert(b.end(), {0, 8, static_cast<u8>(id), static_cast<u8>(id)});
        append_le<u32>(b, 1); // enabled
    }
    b.insert(b.end(), {1, 12, config.io_apic_id, 0});
    append_le<u32>(b, io_apic_base);
    append_le<u32>(b, 0); // first global interrupt
    append_override(b, 0, 2, conforms);
    for (const u8 irq : {u8{5}, u8{9}, u8{10}, u8{11}}) append_override(b, irq, irq, active_high_level);
    b.insert(b.end(), {4, 6, 0xFF, 0, 0, 1}); // NMI: every processor, flags conform, LINT1
    builder.finish(start);
    return start;
}

/// AML's length of what follows it and itself (ACPI 2.0, 17.2.4): one byte to 63, two to 4095.
void append_package(Bytes& aml, const Bytes& contents) {
    const std::size_t short_form = contents.size() + 1;
    if (short_form < 64) {
        aml.push_back(static_cast<u8>(short_form));
    } else {
        const std::size_t length = contents.size() + 2;
        assert(length < 0x1000);
        aml.insert(aml.end(), {static_cast<u8>(0x40 | (length & 15)), static_cast<u8>(length >> 4)});
    }
    append(aml, contents);
}

/// Scope (\_PR) { Processor (C001, 1, 0, 0) {} ... } for all but the first, which the DSDT has (ACPI 2.0, 17.2.3).
u32 build_processors(Builder& builder, unsigned count) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    Bytes scope;
    append_text(scope, "\\_PR_");
    for (unsigned id = 1; id < count; ++id) {
        Bytes object;
        append_text(object, std::string("C0") + digits[id >> 4 & 15] + digits[id & 15]);
        object.push_back(static_cast<u8>(id));
        append_le<u32>(object, 0); // no processor block
        object.push_back(0);
        scope.insert(scope.end(), {0x5B, 0x83});
        append_package(scope, object);
    }
    const u32 start = builder.begin("SSDT", 1);
    builder.bytes.push_back(0x10);
    append_package(builder.bytes, scope);
    builder.finish(start);
    return start;
}

u32 build_hpet(Builder& builder) {
    const u32 start = builder.begin("HPET", 1);
    auto& b = builder.bytes;
    append_le<u32>(b, 0x8086'A201);  // as the block's own ID register: 8086h, legacy route, 64 bits, 3 timers
    b.insert(b.end(), {0, 0, 0, 0}); // system memory
    append_le<u64>(b, hpet_base);
    b.push_back(0);       // HPET number
    append_le<u16>(b, 0); // minimum tick: none
    b.push_back(0);       // page protection: none
    builder.finish(start);
    return start;
}

/// Sets `Name (name, constant)`: NameOp, four letters, the constant's prefix, its bytes (ACPI 2.0, 17.2).
template <std::unsigned_integral T> void patch_name(Bytes& aml, std::string_view name, u8 prefix, T value) {
    Bytes pattern{0x08};
    append_text(pattern, name);
    pattern.push_back(prefix);
    const auto found = std::search(aml.begin(), aml.end(), pattern.begin(), pattern.end());
    assert(found != aml.end() && "the DSDT lacks a name that is patched at run time");
    put_le<T>(aml, static_cast<std::size_t>(found - aml.begin()) + pattern.size(), value);
}

} // namespace

Bytes build_dsdt(const AcpiConfig& config) {
    const auto compiled = embedded_dsdt();
    Bytes dsdt(compiled.begin(), compiled.end());
    patch_name<u32>(dsdt, "MLOW", 0x0C, static_cast<u32>(std::min<u64>(config.low_memory_end, 0xFEBF'F000)));
    patch_name<u8>(dsdt, "NCOM", 0x0A, static_cast<u8>(std::min(config.serial_ports, 4u)));
    patch_name<u8>(dsdt, "NLPT", 0x0A, config.parallel_port ? 1 : 0);
    dsdt[checksum_offset] = 0;
    dsdt[checksum_offset] = static_cast<u8>(-byte_sum(dsdt));
    return dsdt;
}

AcpiTables build_acpi_tables(const AcpiConfig& wanted) {
    AcpiConfig config = wanted;
    config.processors = std::clamp(config.processors, 1u, 255u);
    Builder builder;
    builder.loader.allocate(tables_file, 64, TableLoader::Zone::high); // the FACS comes first and wants 64

    const u32 facs = build_facs(builder);
    const u32 dsdt = builder.here();
    append(builder.bytes, build_dsdt(config));
    align_to(builder.bytes, 8);
    builder.roots.push_back(build_fadt(builder, facs, dsdt));
    align_to(builder.bytes, 8);
    if (config.io_apic) builder.roots.push_back(build_madt(builder, config));
    align_to(builder.bytes, 8);
    if (config.processors > 1) builder.roots.push_back(build_processors(builder, config.processors));
    align_to(builder.bytes, 8);
    if (config.hpet) builder.roots.push_back(build_hpet(builder));
    align_to(builder.bytes, 8);
    const u32 rsdt = builder.begin("RSDT", 1);
    for (const u32 table : builder.roots) builder.pointer<u32>(table);
    builder.finish(rsdt);

    AcpiTables result;
    append_text(result.rsdp, "RSD PTR ");
    result.rsdp.push_back(0); // checksum
    append_padded(result.rsdp, "GLSBOX", 6);
    result.rsdp.push_back(0); // revision: ACPI 1.0, 20 bytes
    append_le<u32>(result.rsdp, rsdt);
    builder.loader.allocate(rsdp_file, 16, TableLoader::Zone::f_segment);
    builder.loader.add_pointer(rsdp_file, 16, 4, tables_file);
    builder.loader.add_checksum(rsdp_file, 8, 0, 20);
    result.tables = std::move(builder.bytes);
    result.loader = builder.loader.bytes();
    return result;
}

FwCfgItems acpi_fw_cfg(const AcpiConfig& config) {
    auto built = build_acpi_tables(config);
    FwCfgItems items;
    items.push_back(fw_cfg_file(std::string(rsdp_file), std::move(built.rsdp)));
    items.push_back(fw_cfg_file(std::string(tables_file), std::move(built.tables)));
    items.push_back(fw_cfg_file(std::string(loader_file), std::move(built.loader)));
    // A byte per state S0-S5: bit 7 it exists, bits 2-0 its SLP_TYP.
    items.push_back(fw_cfg_file("etc/system-states", Bytes{0x80, 0, 0, 0x81, 0x82, 0x80}));
    return items;
}

} // namespace glassbox
