// NMIs wait for the handler's IRET (SDM 3A 6.7.1). The local APIC sends them to its own processor.
#include "guests/system/faults.hpp"
#include "guests/system/pic.hpp"

namespace faults {

namespace {

extern "C" {
extern const u8 nmi_send[], nmi_handler[], nmi_handler_faults[], nmi_ud_handler[];
extern u32 nmi_log[];
}
// EBX: the ICR's low half. EDI points into nmi_log; every arrival writes a line there.
asm(R"(
.intel_syntax noprefix
.text
nmi_send:
    mov dword ptr [ebx], 0x4400
    mov ecx, 1000
1:  loop 1b
    mov dword ptr [edi], 0x99
    int 0x80
nmi_handler:                        # sends another on the first arrival: it waits for the IRET
    mov dword ptr [edi], 0x11
    add edi, 4
    dec esi
    js 2f
    mov dword ptr [ebx], 0x4400
    mov ecx, 1000
1:  loop 1b
2:  mov dword ptr [edi], 0x22
    add edi, 4
    iretd
nmi_handler_faults:                 # an IRET of another handler ends the blocking too
    mov dword ptr [edi], 0x11
    add edi, 4
    dec esi
    js 2f
    mov dword ptr [ebx], 0x4400
    mov ecx, 1000
1:  loop 1b
    ud2
2:  mov dword ptr [edi], 0x22
    add edi, 4
    iretd
nmi_ud_handler:
    mov dword ptr [edi], 0x33
    add edi, 4
    add dword ptr [esp], 2
    iretd
.att_syntax
.bss
.globl nmi_log
nmi_log: .space 64
.text
)");

struct Case {
    const char* name;
    const u8* handler;
    u32 again;
    u32 log[8];
};
const Case cases[] = {
    {"one", nmi_handler, 0, {0x11, 0x22, 0x99}},
    {"another in the handler", nmi_handler, 1, {0x11, 0x22, 0x11, 0x22, 0x99}},
    {"two more, one in each handler", nmi_handler, 2, {0x11, 0x22, 0x11, 0x22, 0x11, 0x22, 0x99}},
    {"another in the handler, then #UD and its IRET", nmi_handler_faults, 1, {0x11, 0x33, 0x11, 0x22, 0x22, 0x99}},
};

} // namespace

void nmi_blocking(Report& report) {
    for (const Case& k : cases) {
        for (const u32 flag : {0u, interrupts}) {
            for (const unsigned cpl : {0u, 3u}) {
                if (!report.next()) continue;
                report.describe("%s, IF %u, CPL %u", k.name, flag >> 9, cpl);
                if (!features().apic()) {
                    report.skip("no local APIC");
                    continue;
                }
                reset_tables();
                chips::stop_pics();
                chips::start_apic();
                chips::local(0x310) = chips::local(0x20) & 0xFF00'0000;
                idt[2] = gate(kernel_code, address(k.handler), 14, 0);
                idt[6] = gate(kernel_code, address(nmi_ud_handler), 14, 0);
                memset(nmi_log, 0, 64);
                Context c = ring(cpl, nmi_send);
                c.ebx = 0xFEE0'0300;
                c.edi = address(nmi_log);
                c.esi = k.again;
                c.eflags |= flag;
                const Exit e = run(c);
                reset_tables();
                report.expect_exit(e, end_vector, 0);
                for (u32 i = 0; i < 8; ++i) report.expect("what came", k.log[i], nmi_log[i]);
            }
        }
    }
}

} // namespace faults
