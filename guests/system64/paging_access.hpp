// Forms about paging that are in paging_access.cpp; the table is in paging.cpp.
#pragma once

#include "guests/system64/system64.hpp"

namespace paging {

void crossing(Report& report);
void crossing_code(Report& report);
void implicit(Report& report);

} // namespace paging
