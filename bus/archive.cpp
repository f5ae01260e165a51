#include "bus/archive.hpp"

#include <algorithm>
#include <cstring>

namespace glassbox {

void Archive::refuse(std::string_view what) {
    if (!ok()) return;
    reason_ = std::string(what) + " (at byte " + std::to_string(position_) + ")";
}

void Archive::raw(std::span<u8> data) {
    if (!loading()) {
        out_.insert(out_.end(), data.begin(), data.end());
        return;
    }
    if (!ok() || in_.size() - position_ < data.size()) {
        refuse("the data ends too early");
        std::fill(data.begin(), data.end(), u8{0});
        return;
    }
    if (!data.empty()) std::memcpy(data.data(), in_.data() + position_, data.size());
    position_ += data.size();
}

void Archive::page(SharedPage& page) {
    if (!loading()) return pages_out_->push_back(page);
    require(next_page_ < pages_in_->size(), "there are too few pages");
    page = ok() ? (*pages_in_)[next_page_++] : nullptr;
}

void Archive::container(std::string& text) {
    std::vector<u8> data(text.begin(), text.end());
    bounded(data, default_limit);
    if (loading()) text.assign(data.begin(), data.end());
}

std::size_t Archive::begin_chunk(std::string_view name, u32& version) {
    const u32 newest = version;
    std::string found(name);
    u32 length = 0;
    (*this)(found, version);
    const std::size_t mark = loading() ? position_ : out_.size();
    (*this)(length);
    require(found == name, "expected the part '" + std::string(name) + "' but found '" + found.substr(0, 32) + "'");
    require(version <= newest, "the part '" + std::string(name) + "' is of a newer version than this GlassBox knows");
    return mark;
}

void Archive::end_chunk(std::string_view name, std::size_t mark) {
    if (!loading()) {
        const auto length = static_cast<u32>(out_.size() - mark - 4);
        for (unsigned i = 0; i < 4; ++i) out_[mark + i] = static_cast<u8>(length >> (8 * i));
        return;
    }
    if (!ok()) return;
    u32 length = 0;
    std::memcpy(&length, in_.data() + mark, 4);
    require(position_ - mark - 4 == length, "the part '" + std::string(name) + "' has the wrong length");
}

} // namespace glassbox
