#include "guests/system/system.hpp"

Group dma_forms() { return {nullptr, 0}; }
