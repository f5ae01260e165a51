// The ACPI tables of the board, and the fw_cfg files that hand them to SeaBIOS.
//
// ACPI specification 2.0: RSDP 5.2.4 (revision 0, as legacy systems want it), RSDT, FADT revision 3, FACS, MADT, DSDT;
// HPET specification 1.0a, 3.2.4. Registers are those of the PIIX4 as SeaBIOS places them (PM base 600h).
// Deviation: no XSDT, because nothing here lies above 4 GiB.
#pragma once

#include "bios/fw_cfg_item.hpp"

namespace glassbox {

struct AcpiConfig {
    unsigned processors = 1;         ///< 1-255: local APICs 0 … processors - 1
    u8 io_apic_id = 0;               ///< SeaBIOS's MP table says 0 too
    u64 low_memory_end = 128u << 20; ///< end of RAM below 4 GiB: the PCI memory window starts here
    bool hpet = true;
    bool io_apic = true;       ///< false: no MADT, for a processor without a local APIC
    unsigned serial_ports = 1; ///< 0-4
    bool parallel_port = true;
};

/// All tables but the RSDP, one after another in one file; addresses in them are offsets until the loader runs.
struct AcpiTables {
    Bytes rsdp;
    Bytes tables;
    Bytes loader; ///< the linker script
};

AcpiTables build_acpi_tables(const AcpiConfig& config);

/// The files `etc/acpi/rsdp`, `etc/acpi/tables` and `etc/table-loader`, and `etc/system-states` (which sleep states
/// exist).
FwCfgItems acpi_fw_cfg(const AcpiConfig& config);

/// The compiled DSDT with its run-time values patched in and its checksum right.
Bytes build_dsdt(const AcpiConfig& config);

} // namespace glassbox
