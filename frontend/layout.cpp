// Where a frame goes in a window.
#include "frontend/layout.hpp"

#include <algorithm>

namespace glassbox {

Size natural_size(Size frame, bool tall_pixels) {
    if (!tall_pixels || frame.width <= 0 || frame.height <= 0) return frame;
    // Never fewer lines or columns than the frame has.
    if (frame.width * 3 >= frame.height * 4) return {frame.width, frame.width * 3 / 4};
    return {frame.height * 4 / 3, frame.height};
}

Size window_size(Size frame, bool tall_pixels, Size desktop) {
    Size size = natural_size(frame, tall_pixels);
    while (size.width > 0 && size.width <= 400 && size.width * 2 <= desktop.width &&
           size.height * 2 <= desktop.height) {
        size = {size.width * 2, size.height * 2};
    }
    return {std::max(size.width, 320), std::max(size.height, 200)};
}

Placement place_frame(Size frame, bool tall_pixels, Size window) {
    const Size natural = natural_size(frame, tall_pixels);
    if (natural.width <= 0 || natural.height <= 0 || window.width <= 0 || window.height <= 0) return {};
    Placement place;
    const int whole = std::min(window.width / natural.width, window.height / natural.height);
    if (whole >= 1 && !tall_pixels) {
        place.width = natural.width * whole;
        place.height = natural.height * whole;
    } else if (static_cast<long long>(window.width) * natural.height <=
               static_cast<long long>(window.height) * natural.width) {
        place.width = window.width;
        place.height = static_cast<int>(static_cast<long long>(window.width) * natural.height / natural.width);
    } else {
        place.height = window.height;
        place.width = static_cast<int>(static_cast<long long>(window.height) * natural.width / natural.height);
    }
    place.x = (window.width - place.width) / 2;
    place.y = (window.height - place.height) / 2;
    place.sharp = place.width % frame.width == 0 && place.height % frame.height == 0;
    return place;
}

} // namespace glassbox
