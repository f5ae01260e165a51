// Raw images: the file's bytes are the disk's. A file that is no whole number of sectors is rounded up; writing into
// the padding makes the file longer.
#include "devices/image/formats.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace glassbox {

namespace {

class RawImage final : public Image {
  public:
    explicit RawImage(HostFile file) : file_(std::move(file)), size_(whole_sectors(file_.size())) {}

    u64 size() const override { return size_; }
    bool read_only() const override { return !file_.writable(); }
    const std::string& path() const override { return file_.path(); }

    Expected<> read(u64 offset, std::span<u8> data) override {
        if (auto r = check_range(*this, offset, data.size()); !r) return r;
        return file_.read(offset, data);
    }

    Expected<> write(u64 offset, std::span<const u8> data) override {
        if (auto r = check_range(*this, offset, data.size()); !r) return r;
        if (read_only()) return fail("'" + path() + "' is read-only");
        if (offset < 4) {
            if (auto r = refuse_format_magic(offset, data); !r) return r;
        }
        return file_.write(offset, data);
    }

    Expected<> flush() override { return read_only() ? Expected<>{} : file_.sync(); }
    void persist(Archive& archive) override { persist_identity(archive, *this); }

  private:
    /// Formats are told by content: a guest that wrote a qcow2 header on its disk could name any file of the host as
    /// backing file and read it after the next start.
    Expected<> refuse_format_magic(u64 offset, std::span<const u8> data) {
        std::array<u8, 4> head{};
        if (auto r = file_.read(0, head); !r) return r;
        for (std::size_t i = 0; i < data.size() && offset + i < 4; ++i) head[offset + i] = data[i];
        if (head == std::array<u8, 4>{'Q', 'F', 'I', 0xFB}) {
            return file_.bad(0, "a qcow2 header is not written to a raw image, which would be taken for qcow2");
        }
        return {};
    }

    HostFile file_;
    u64 size_;
};

} // namespace

Expected<std::unique_ptr<Image>> open_raw(HostFile file) {
    if (file.size() == 0) return fail("the image '" + file.path() + "' is empty");
    return std::make_unique<RawImage>(std::move(file));
}

} // namespace glassbox
