// The table of task switches.
#include "guests/system/tasks.hpp"

namespace {

constexpr Form forms[] = {
    {"tasks/switch", "SDM 3A 7.3", tasks::switches},
    {"tasks/nested", "SDM 3A 7.4", tasks::nested},
    {"tasks/trap-bit", "SDM 3A 7.2.1; 3B 17.3.1.5", tasks::trap_bit},
    {"tasks/virtual-8086", "SDM 3A 21.2.5", tasks::virtual_task},
    {"tasks/from-virtual-8086", "SDM 3A 21.3.1, 7.4", tasks::from_virtual},
    {"tasks/cr3", "SDM 3A 7.3, 7.5", tasks::page_directory},
    {"tasks/io-map", "SDM 1 19.5.2", tasks::io_map},
    {"tasks/io-map-limit", "SDM 1 19.5.2", tasks::io_map_limit},
    {"tasks/debug-enables", "SDM 3B 17.2.4", tasks::debug_enables},
    {"tasks/tss-descriptor", "SDM 3A 7.2.2, 7.3", tasks::tss_descriptors},
    {"tasks/task-gate", "SDM 3A 7.2.5, 7.3", tasks::task_gates},
    {"tasks/interrupt-task-gate", "SDM 3A 6.12.2; 2A INT n", tasks::interrupt_task_gates},
    {"tasks/gate-selectors", "SDM 2A CALL, INT n", tasks::gate_selectors},
    {"tasks/return-link", "SDM 2A IRET; 3A 7.4", tasks::return_links},
    {"tasks/short-tss", "SDM 3A 7.3, table 7-1", tasks::short_tss},
    {"tasks/double-fault", "SDM 3A 6.12.2, 6.15 #DF", tasks::double_fault},
    {"tasks/bad-code", "SDM 3A 7.3, table 7-1", tasks::bad_code},
    {"tasks/bad-stack", "SDM 3A 7.3, table 7-1", tasks::bad_stack},
    {"tasks/bad-data", "SDM 3A 7.3, table 7-1", tasks::bad_data},
    {"tasks/bad-ldt", "SDM 3A 7.3, table 7-1", tasks::bad_ldt},
    {"tasks/bad-selectors", "SDM 3A 7.3, table 7-1", tasks::bad_selectors},
    {"tasks/bad-eip", "SDM 2A JMP, INT n", tasks::bad_eip},
    {"tasks/plain-handlers", "SDM 3A 7.3, 6.15 #TS", tasks::plain_handlers},
};

} // namespace

Group task_forms() { return group(forms); }
