#include "guests/system/system.hpp"

Group tlb_forms() { return {nullptr, 0}; }
