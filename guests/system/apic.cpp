#include "guests/system/system.hpp"

Group apic_forms() { return {nullptr, 0}; }
