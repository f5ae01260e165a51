// What a pty and a TCP connection share: a non-blocking descriptor and the bytes that wait for room in it.
#pragma once

#include "frontend/port_link.hpp"

namespace glassbox {

class StreamLink : public PortLink {
  public:
    ~StreamLink() override;

    void put(u8 byte) override;
    void flush() override;
    void service(short ready, std::vector<u8>& input) override;
    pollfd interest() const override;

  protected:
    /// Takes over a non-blocking descriptor.
    void attach(int fd) { fd_ = fd; }
    int stream() const { return fd_; }
    /// The other side is gone, or reading failed.
    virtual void lost() { detach(); }
    void detach();

  private:
    int fd_ = -1;
    std::string pending_;
};

} // namespace glassbox
