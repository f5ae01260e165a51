#include "guests/system/system.hpp"

Group debug_forms() { return {nullptr, 0}; }
