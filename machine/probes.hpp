// Those who listen to a machine: one probe is told directly, several through a list that tells each.
#pragma once

#include "bus/probe.hpp"
#include "cpu/probe.hpp"

#include <memory>
#include <vector>

namespace glassbox {

class Board;

class Probes {
  public:
    explicit Probes(Board& board);
    ~Probes();

    void attach(Probe& probe);
    void attach(BusProbe& probe);
    void detach(Probe& probe);
    void detach(BusProbe& probe);
    /// What a probe answers to `wants` or `watches` has changed.
    void changed();
    void set_every_instruction(Probe& probe, bool on);
    /// While on, nobody is told of anything: for executions that the user does not see.
    void mute(bool on);

  private:
    struct Fan;
    struct BusFan;
    void connect();

    Board& board_;
    std::vector<Probe*> probes_, every_;
    std::vector<BusProbe*> bus_probes_;
    std::unique_ptr<Fan> fan_;
    std::unique_ptr<BusFan> bus_fan_;
    bool muted_ = false;
};

} // namespace glassbox
