// The media in the board's drives: opened, changed by a hand, put back by a history, and written to their files.
#include "machine/board.hpp"

#include <utility>

namespace glassbox {

namespace {
constexpr std::array drives = {MediaInput::Drive::floppy0, MediaInput::Drive::floppy1, MediaInput::Drive::cdrom};
std::size_t index_of(MediaInput::Drive drive) { return static_cast<std::size_t>(drive); }
} // namespace

/// What the drive is given: the medium itself, or an overlay that nothing was written to yet.
std::unique_ptr<Image> Board::view(Medium& medium) {
    if (!medium.image) return nullptr;
    medium.overlay = medium.writes_kept ? std::shared_ptr<Image>(overlay_image(medium.image)) : nullptr;
    return shared_image(medium.overlay ? medium.overlay : medium.image);
}

Expected<Board::Medium> Board::open_medium(const MediaInput& input) {
    const bool cd = input.drive == MediaInput::Drive::cdrom;
    if (cd && !ide.cdrom()) return fail("the machine has no CD-ROM drive: disks take all four IDE places");
    if (!cd && fdc.cmos_type(static_cast<unsigned>(input.drive)) == 0)
        return fail("the machine has no second floppy drive: start it with two --floppy options to have one");
    if (input.path.empty()) return Medium{};
    return load_medium({input.path, input.read_only || cd, false});
}

Expected<Board::Medium> Board::load_medium(const DriveConfig& drive) const {
    auto opened = open_image(drive.path, {.read_only = drive.read_only || drive.discard_writes});
    if (!opened) return tl::unexpected(opened.error());
    Medium medium;
    medium.image = std::move(*opened);
    medium.writes_kept = !drive.read_only && (config.keep_media || drive.discard_writes);
    medium.discarded = drive.discard_writes;
    return medium;
}

Expected<> Board::insert_medium(MediaInput::Drive drive, const Medium& medium) {
    Medium inserted = medium;
    auto image = view(inserted);
    Expected<> done;
    if (drive == MediaInput::Drive::cdrom) {
        done = ide.change_cd(std::move(image));
    } else if (image) {
        done = fdc.insert(static_cast<unsigned>(drive), std::move(image));
    } else {
        fdc.eject(static_cast<unsigned>(drive));
    }
    if (done) media_[index_of(drive)] = std::move(inserted);
    return done;
}

void Board::put_back(const Media& media) {
    for (const MediaInput::Drive drive : drives) {
        Medium& now = media_[index_of(drive)];
        const Medium& then = media[index_of(drive)];
        if (now.image == then.image && now.writes_kept == then.writes_kept) continue;
        now = then;
        auto image = view(now);
        if (drive == MediaInput::Drive::cdrom) {
            if (ide.cdrom()) ide.cdrom()->put_back(std::move(image));
        } else if (image) {
            (void)fdc.insert(static_cast<unsigned>(drive), std::move(image)); // it was in this drive before
        } else {
            fdc.eject(static_cast<unsigned>(drive));
        }
    }
}

const std::string* Board::written_at_once() const {
    if (!config.keep_media) {
        for (const DriveConfig& disk : config.disks) {
            if (!disk.read_only && !disk.discard_writes) return &disk.path;
        }
    }
    for (const Medium& medium : media_) {
        if (medium.image && !medium.writes_kept && !medium.image->read_only()) return &medium.image->path();
    }
    return nullptr;
}

Expected<> Board::commit_media() {
    for (std::size_t i = 0; i < disks_.size(); ++i) {
        if (config.disks[i].discard_writes) continue;
        if (auto done = disks_[i]->commit(); !done) return done;
    }
    for (Medium& medium : media_) {
        if (!medium.overlay || medium.discarded) continue;
        if (auto done = medium.overlay->commit(); !done) return done;
    }
    return {};
}

} // namespace glassbox
