#include "guests/system/system.hpp"

Group paging_forms() { return {nullptr, 0}; }
