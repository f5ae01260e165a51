// The picture of the `gfx` command.
#pragma once

#include "../kernel/types.hpp"

/// Paints it on the canvas; `font` is the VGA's.
void paint_picture(const u8* font);
