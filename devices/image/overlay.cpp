// Images whose writes live in memory: `discard_writes` and `keep_writes` over any image, and images that are memory
// altogether.
#include "devices/image/formats.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

namespace glassbox {

namespace {

class BytesImage final : public Image {
  public:
    explicit BytesImage(std::vector<u8> data) : data_(std::move(data)) { data_.resize(whole_sectors(data_.size())); }

    u64 size() const override { return data_.size(); }
    bool read_only() const override { return true; }
    const std::string& path() const override { return path_; }
    Expected<> read(u64 offset, std::span<u8> data) override {
        if (auto r = check_range(*this, offset, data.size()); !r) return r;
        if (!data.empty()) std::memcpy(data.data(), data_.data() + offset, data.size());
        return {};
    }
    Expected<> write(u64, std::span<const u8>) override { return fail("the image in memory is read-only"); }
    Expected<> flush() override { return {}; }
    void persist(Archive& archive) override { persist_identity(archive, *this); }

  private:
    std::vector<u8> data_;
    std::string path_ = "(memory)";
};

class SharedImage final : public Image {
  public:
    explicit SharedImage(std::shared_ptr<Image> image) : image_(std::move(image)) {}

    u64 size() const override { return image_->size(); }
    bool read_only() const override { return image_->read_only(); }
    const std::string& path() const override { return image_->path(); }
    Expected<> read(u64 offset, std::span<u8> data) override { return image_->read(offset, data); }
    Expected<> write(u64 offset, std::span<const u8> data) override { return image_->write(offset, data); }
    Expected<> flush() override { return image_->flush(); }
    Expected<> commit() override { return image_->commit(); }
    void persist(Archive& archive) override { image_->persist(archive); }

  private:
    std::shared_ptr<Image> image_;
};

/// A written block: the overlay's own while it is written to, shared with a history that has seen it.
class Block {
  public:
    std::span<u8> own() {
        if (!own_) {
            own_ = std::make_unique<Page>();
            if (shared_) *own_ = *shared_;
            shared_ = nullptr;
        }
        return *own_;
    }
    void read(std::size_t from, std::span<u8> data) const {
        const Page* page = own_ ? own_.get() : shared_.get();
        if (page)
            std::memcpy(data.data(), page->data() + from, data.size());
        else
            std::memset(data.data(), 0, data.size());
    }
    void persist(Archive& archive) {
        if (!archive.by_reference()) {
            archive.raw(own());
            return;
        }
        if (own_) shared_ = archive.pool().copy(*own_);
        own_ = nullptr;
        archive.page(shared_);
    }

  private:
    std::unique_ptr<Page> own_;
    SharedPage shared_; ///< valid without one of its own
};

class OverlayImage final : public Image {
  public:
    explicit OverlayImage(std::shared_ptr<Image> base) : base_(std::move(base)) {}

    u64 size() const override { return base_->size(); }
    bool read_only() const override { return false; }
    const std::string& path() const override { return base_->path(); }
    Expected<> read(u64 offset, std::span<u8> data) override;
    Expected<> write(u64 offset, std::span<const u8> data) override;
    Expected<> flush() override { return {}; }
    Expected<> commit() override;
    void persist(Archive& archive) override;

  private:
    static constexpr u64 block_size = page_size;
    using Blocks = std::map<u64, Block>; // ordered: snapshots list them so
    u64 block_count() const { return (size() + block_size - 1) / block_size; }
    std::size_t block_bytes(u64 index) const {
        return static_cast<std::size_t>(std::min(block_size, size() - index * block_size));
    }

    std::shared_ptr<Image> base_;
    Blocks blocks_;
};

Expected<> OverlayImage::read(u64 offset, std::span<u8> data) {
    if (auto r = check_range(*this, offset, data.size()); !r) return r;
    if (data.empty()) return {};
    if (auto r = base_->read(offset, data); !r) return r;
    const u64 end = offset + data.size();
    for (auto it = blocks_.lower_bound(offset / block_size); it != blocks_.end(); ++it) {
        const u64 start = it->first * block_size;
        if (start >= end) break;
        const u64 from = std::max(start, offset), to = std::min(start + block_size, end);
        it->second.read(from - start, data.subspan(from - offset, to - from));
    }
    return {};
}

Expected<> OverlayImage::write(u64 offset, std::span<const u8> data) {
    if (auto r = check_range(*this, offset, data.size()); !r) return r;
    for (std::size_t done = 0; done < data.size();) {
        const u64 index = (offset + done) / block_size, start = (offset + done) % block_size;
        const std::size_t n = static_cast<std::size_t>(std::min<u64>(block_size - start, data.size() - done));
        auto it = blocks_.find(index);
        if (it == blocks_.end()) {
            Block block;
            if (n < block_size) {
                if (auto r = base_->read(index * block_size, block.own().first(block_bytes(index))); !r) return r;
            }
            it = blocks_.emplace(index, std::move(block)).first;
        }
        std::memcpy(it->second.own().data() + start, data.data() + done, n);
        done += n;
    }
    return {};
}

Expected<> OverlayImage::commit() {
    if (blocks_.empty()) return {};
    Page page;
    for (const auto& [index, block] : blocks_) {
        block.read(0, page);
        if (auto r = base_->write(index * block_size, std::span(page).first(block_bytes(index))); !r) return r;
    }
    blocks_.clear();
    return base_->flush();
}

void OverlayImage::persist(Archive& archive) {
    base_->persist(archive);
    u64 count = blocks_.size();
    archive.chunk("image writes", 1, [&](u32) { archive(count); });
    // The blocks follow outside the chunk, whose length has 32 bits only.
    if (!archive.loading()) {
        for (auto& [index, block] : blocks_) {
            u64 number = index;
            archive(number, block);
        }
        return;
    }
    archive.require(count <= block_count(), "more blocks were written than the image has");
    Blocks loaded;
    for (u64 i = 0, last = 0; i < count && archive.ok(); ++i) {
        u64 index = 0;
        Block block;
        archive(index, block);
        archive.require(index < block_count(), "a written block lies past the end of the image");
        archive.require(i == 0 || index > last, "written blocks are out of order");
        last = index;
        if (archive.ok()) loaded.emplace_hint(loaded.end(), index, std::move(block));
    }
    if (archive.ok()) blocks_ = std::move(loaded);
}

} // namespace

std::unique_ptr<Image> shared_image(std::shared_ptr<Image> image) {
    return std::make_unique<SharedImage>(std::move(image));
}

std::unique_ptr<Image> overlay_image(std::shared_ptr<Image> base) {
    return std::make_unique<OverlayImage>(std::move(base));
}

std::unique_ptr<Image> memory_image(std::vector<u8> data, bool read_only) {
    auto bytes = std::make_unique<BytesImage>(std::move(data));
    if (read_only) return bytes;
    return overlay_image(std::move(bytes));
}

} // namespace glassbox
