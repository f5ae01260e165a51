#include "guests/system/system.hpp"

Group code_forms() { return {nullptr, 0}; }
