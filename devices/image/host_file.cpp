// Host files behind images. Locks are open-file-description locks on the whole file (fcntl(2), F_OFD_SETLK): they end
// with the descriptor, hold between two machines of one process, and QEMU's tools see them too.
#include "devices/image/host_file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace glassbox {

namespace {

std::string hex(u64 value) {
    char text[24];
    std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
    return text;
}

/// True if the lock was taken or the file system knows no locks; false if another machine holds one.
bool lock(int fd, bool exclusive) {
    struct flock range{};
    range.l_type = static_cast<short>(exclusive ? F_WRLCK : F_RDLCK);
    range.l_whence = SEEK_SET;
    return fcntl(fd, F_OFD_SETLK, &range) == 0 || (errno != EAGAIN && errno != EACCES);
}

} // namespace

HostFile::HostFile(std::string path, int fd, bool writable, u64 size)
    : path_(std::move(path)), fd_(fd), writable_(writable), size_(size) {}

HostFile::HostFile(HostFile&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)), writable_(other.writable_), size_(other.size_) {
}

HostFile::~HostFile() {
    if (fd_ >= 0) ::close(fd_);
}

Expected<HostFile> HostFile::open(const std::string& path, bool writable) {
    struct stat info{};
    if (::stat(path.c_str(), &info) != 0) return fail("cannot open '" + path + "': " + std::strerror(errno));
    // Opening a pipe or a terminal could block for ever.
    if (!S_ISREG(info.st_mode) && !S_ISBLK(info.st_mode)) {
        return fail("cannot use '" + path + "' as an image: it is neither a file nor a block device");
    }
    const int fd = ::open(path.c_str(), (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
    if (fd < 0) {
        const bool denied = writable && (errno == EACCES || errno == EROFS || errno == EPERM);
        return fail("cannot open '" + path + "'" + (writable ? " for writing: " : ": ") + std::strerror(errno) +
                    (denied ? " (use it with readonly or discard-writes)" : ""));
    }
    const off_t end = ::lseek(fd, 0, SEEK_END);
    HostFile file(path, fd, writable, end > 0 ? static_cast<u64>(end) : 0);
    if (end < 0) return fail("cannot find the size of '" + path + "': " + std::strerror(errno));
    if (!lock(fd, writable)) {
        return fail("'" + path + "' is in use by another machine or program" +
                    (writable ? "; stop that one, or use a copy of the image" : " that writes to it"));
    }
    return file;
}

tl::unexpected<Error> HostFile::failed(const char* what, u64 offset) const {
    return fail(std::string("cannot ") + what + " '" + path_ + "' at offset " + hex(offset) + ": " +
                std::strerror(errno));
}

tl::unexpected<Error> HostFile::bad(u64 offset, const std::string& reason) const {
    return fail("'" + path_ + "': at offset " + hex(offset) + ": " + reason);
}

Expected<> HostFile::read(u64 offset, std::span<u8> data) const {
    const std::size_t inside =
        offset >= size_ ? 0 : static_cast<std::size_t>(std::min<u64>(data.size(), size_ - offset));
    for (std::size_t done = 0; done < inside;) {
        const ssize_t n = ::pread(fd_, data.data() + done, inside - done, static_cast<off_t>(offset + done));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return failed("read", offset + done);
        if (n == 0) return bad(offset + done, "the file has been made shorter while it is in use");
        done += static_cast<std::size_t>(n);
    }
    std::fill(data.begin() + static_cast<std::ptrdiff_t>(inside), data.end(), u8{0});
    return {};
}

Expected<> HostFile::write(u64 offset, std::span<const u8> data) {
    for (std::size_t done = 0; done < data.size();) {
        const ssize_t n = ::pwrite(fd_, data.data() + done, data.size() - done, static_cast<off_t>(offset + done));
        if (n < 0 && errno == EINTR) continue;
        if (n == 0) errno = ENOSPC;
        if (n <= 0) return failed("write", offset + done);
        done += static_cast<std::size_t>(n);
    }
    size_ = std::max(size_, offset + data.size());
    return {};
}

Expected<> HostFile::extend(u64 size) {
    if (size <= size_) return {};
    while (::ftruncate(fd_, static_cast<off_t>(size)) != 0) {
        if (errno != EINTR) return failed("extend", size);
    }
    size_ = size;
    return {};
}

Expected<> HostFile::sync() {
    while (::fdatasync(fd_) != 0) {
        if (errno == EINTR) continue;
        return fail("cannot write '" + path_ + "' to the host's disk: " + std::strerror(errno));
    }
    return {};
}

} // namespace glassbox
