// Bytes on their way to a file, a pipe or the terminal: buffered, flushed by the run loop after every slice.
#pragma once

#include "bus/error.hpp"
#include "bus/types.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace glassbox {

class Output {
  public:
    /// `give_up` is a descriptor that becomes readable when a write that blocks must be abandoned (signals); -1: none.
    explicit Output(int fd, int give_up = -1) : fd_(fd), give_up_(give_up) {}
    ~Output();
    Output(const Output&) = delete;
    Output& operator=(const Output&) = delete;

    /// A new file; what it held is gone.
    static Expected<std::unique_ptr<Output>> create_file(const std::string& path, int give_up = -1);

    void put(u8 byte) { buffer_ += static_cast<char>(byte); }
    void write(std::string_view text) { buffer_ += text; }
    /// Ends a line that something else began.
    void fresh_line();
    void flush();
    /// The reader is gone, or the disk is full: nothing more can be written.
    bool broken() const { return broken_; }

  private:
    bool wait_until_writable();

    int fd_, give_up_;
    bool owned_ = false, broken_ = false;
    char last_ = '\n';
    std::string buffer_;
};

} // namespace glassbox
