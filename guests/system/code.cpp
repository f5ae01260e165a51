// The table of the forms about self-modifying code.
#include "guests/system/code.hpp"

namespace modified {

const char* name(Reach reach) { return reach == Reach::jump ? "after a jump" : "at once"; }

namespace {

constexpr Form forms[] = {
    {"code/ahead", "SDM 3A 8.1.3, 11.6", ahead},
    {"code/behind", "SDM 3A 8.1.3, 11.6", behind},
    {"code/straddling", "SDM 3A 8.1.3, 11.6", straddling},
    {"code/every-byte", "SDM 3A 8.1.3, 11.6", every_byte},
    {"code/writers", "SDM 3A 8.1.3, 11.6", writers},
    {"code/string-over-itself", "SDM 3A 8.1.3, 11.6; SDM 2 REP", string_over_itself},
    {"code/string-over-code", "SDM 3A 8.1.3, 11.6; SDM 2 REP", string_over_code},
    {"code/branches", "SDM 3A 8.1.3, 11.6", branches},
    {"code/aliases", "SDM 3A 8.1.3, 8.3, 11.6", aliases},
    {"code/remapped", "SDM 3A 4.10.4.1, 8.3", remapped},
    {"code/remapped-half", "SDM 3A 4.10.4.1, 8.3", remapped_half},
    {"code/address-spaces", "SDM 3A 4.10.4.1, 8.3", address_spaces},
    {"code/revoked", "SDM 3A 4.10.4.1, 4.10.4.2", revoked},
    {"code/random", "SDM 3A 8.1.3, 11.6", random_programs},
    {"code/maze", "SDM 3A 4.10.4.1, 8.3, 11.6", maze},
    {"code/copies", "SDM 3A 8.1.3", copies},
    {"code/widths", "SDM 3A 3.4.5 (D/B)", widths},
    {"code/bases", "SDM 3A 3.4.5", bases},
    {"code/rings", "SDM 3A 5.5", rings},
    {"code/virtual-8086", "SDM 3A 20.2", virtual_mode},
};

} // namespace
} // namespace modified

Group code_forms() { return group(modified::forms); }
