#include "guests/system/system.hpp"

Group gate_forms() { return {nullptr, 0}; }
