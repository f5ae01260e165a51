// Where a frame goes in a window: the largest place with the right shape.
#pragma once

namespace glassbox {

struct Size {
    int width = 0, height = 0;
    bool operator==(const Size&) const = default;
};
struct Placement {
    int x = 0, y = 0, width = 0, height = 0;
    bool sharp = false; ///< every pixel becomes the same whole number of pixels: no smoothing needed
    bool operator==(const Placement&) const = default;
};

/// The size in square pixels at which a frame has its right shape: 4:3 for frames with tall pixels.
Size natural_size(Size frame, bool tall_pixels);
/// The window for a frame: its natural size, doubled while that is small and the desktop has room.
Size window_size(Size frame, bool tall_pixels, Size desktop);
/// Square pixels are scaled by whole numbers once the frame fits; everything else keeps its aspect ratio.
Placement place_frame(Size frame, bool tall_pixels, Size window);

} // namespace glassbox
