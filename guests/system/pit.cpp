#include "guests/system/system.hpp"

Group pit_forms() { return {nullptr, 0}; }
