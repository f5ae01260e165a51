#include "guests/system/system.hpp"

Group fault_forms() { return {nullptr, 0}; }
