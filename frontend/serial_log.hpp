// What the guest has sent through a serial port and no `wait-serial` has matched yet.
#pragma once

#include "bus/types.hpp"

#include <algorithm>
#include <string>
#include <string_view>

namespace glassbox {

class SerialLog {
  public:
    void put(u8 byte) {
        if (text_.size() >= 2 * limit) {
            text_.erase(0, text_.size() - limit);
            searched_ = 0;
        }
        text_ += static_cast<char>(byte);
    }
    /// Finds `needle` in what is new since the last match, and takes everything up to its end.
    bool match(std::string_view needle) {
        const auto at = text_.find(needle, searched_);
        if (at == std::string::npos) {
            searched_ = text_.size() - std::min(text_.size(), needle.size());
            return false;
        }
        text_.erase(0, at + needle.size());
        searched_ = 0;
        return true;
    }
    /// A new search starts at the last match, not where another needle's search has got to.
    void restart() { searched_ = 0; }
    /// The end of what is not matched, for a failure's message.
    std::string_view tail(std::size_t size) const {
        return std::string_view(text_).substr(text_.size() - std::min(text_.size(), size));
    }

  private:
    static constexpr std::size_t limit = 1 << 20;
    std::string text_;
    std::size_t searched_ = 0;
};

} // namespace glassbox
