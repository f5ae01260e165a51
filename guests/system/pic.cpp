#include "guests/system/system.hpp"

Group pic_forms() { return {nullptr, 0}; }
