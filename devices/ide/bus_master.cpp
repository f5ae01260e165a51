#include "devices/ide/bus_master.hpp"

namespace glassbox::ide {

u8 BusMaster::read(unsigned offset) const {
    switch (offset) {
    case 0: return command_;
    case 2: return status_;
    case 4:
    case 5:
    case 6:
    case 7: return static_cast<u8>(table_ >> (8 * (offset - 4)));
    default: return 0;
    }
}

bool BusMaster::write(unsigned offset, u8 value) {
    switch (offset) {
    case 0: {
        const bool start = (value & 1) && !(command_ & 1);
        command_ = value & 9;
        if ((value & 1) == 0) status_ &= static_cast<u8>(~1u); // stopping ends the transfer for good
        if (!start) return false;
        status_ |= 1;
        next_ = table_;
        left_ = 0;
        last_ = false;
        return true;
    }
    case 2: status_ = static_cast<u8>((status_ & ~(value & 6) & ~0x60) | (value & 0x60)); return false;
    case 4:
    case 5:
    case 6:
    case 7: {
        const unsigned shift = 8 * (offset - 4);
        table_ = ((table_ & ~(u32{0xFF} << shift)) | u32{value} << shift) & ~3u;
        return false;
    }
    default: return false;
    }
}

void BusMaster::reset() {
    command_ = status_ = 0;
    table_ = next_ = address_ = left_ = 0;
    last_ = false;
}

void BusMaster::fetch() {
    address_ = static_cast<u32>(memory_.read(PhysAddress{next_}, 4)) & ~1u;
    const u32 count = static_cast<u32>(memory_.read(PhysAddress{u64{next_} + 4}, 4));
    next_ += 8;
    left_ = count & 0xFFFE ? count & 0xFFFE : 0x10000;
    last_ = (count & 0x8000'0000) != 0;
}

void BusMaster::run(Drive& drive) {
    while (serves(drive)) {
        if (left_ == 0) {
            if (last_) { // the table is shorter than the transfer: the drive keeps waiting, without interrupt
                status_ &= static_cast<u8>(~1u);
                return;
            }
            fetch();
        }
        auto data = drive.dma_span();
        data = data.first(std::min<std::size_t>(data.size(), left_));
        if (to_memory()) {
            memory_.write_block(PhysAddress{address_}, data);
        } else {
            memory_.read_block(PhysAddress{address_}, data);
        }
        address_ += static_cast<u32>(data.size());
        left_ -= static_cast<u32>(data.size());
        if (left_ == 0 && last_) status_ &= static_cast<u8>(~1u);
        drive.dma_advance(data.size());
    }
}

void BusMaster::persist(Archive& archive) {
    archive(command_, status_, table_, next_, address_, left_, last_);
    archive.require(left_ <= 0x10000, "a DMA region is too long");
    archive.require((command_ & ~9) == 0 && (status_ & ~0x67) == 0, "a bus master register has bits that do not exist");
}

} // namespace glassbox::ide
