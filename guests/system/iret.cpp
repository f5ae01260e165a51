#include "guests/system/system.hpp"

Group iret_forms() { return {nullptr, 0}; }
