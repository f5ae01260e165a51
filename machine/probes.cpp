#include "machine/probes.hpp"

#include "machine/board.hpp"

#include <algorithm>

namespace glassbox {

/// Tells several; whoever wants something gets it for all. Who is told may detach itself: no iterator is held.
struct Probes::Fan final : Probe {
    explicit Fan(const std::vector<Probe*>& list) : probes(list) {}
    const std::vector<Probe*>& probes;

    template <class F> bool any(F&& ask) {
        bool yes = false;
        for (std::size_t i = 0; i < probes.size(); ++i) yes |= ask(*probes[i]);
        return yes;
    }
    template <class F> void each(F&& tell) {
        for (std::size_t i = 0; i < probes.size(); ++i) tell(*probes[i]);
    }
    bool wants(Cpu& cpu, u64 linear, u64 phys, const Insn& insn) override {
        return any([&](Probe& p) { return p.wants(cpu, linear, phys, insn); });
    }
    bool before_instruction(Cpu& cpu) override {
        return any([&](Probe& p) { return p.before_instruction(cpu); });
    }
    bool watches(Cpu& cpu, u64 linear_page, u64 phys_page) override {
        return any([&](Probe& p) { return p.watches(cpu, linear_page, phys_page); });
    }
    void accessed(Cpu& cpu, const MemoryAccess& access) override {
        each([&](Probe& p) { p.accessed(cpu, access); });
    }
    bool faulting(Cpu& cpu, const Fault& fault) override {
        return any([&](Probe& p) { return p.faulting(cpu, fault); });
    }
    void delivered(Cpu& cpu, u8 vector, InterruptKind kind, u64 from_ip) override {
        each([&](Probe& p) { p.delivered(cpu, vector, kind, from_ip); });
    }
    void control_written(Cpu& cpu, ControlKind kind, u32 number, u64 before, u64 value) override {
        each([&](Probe& p) { p.control_written(cpu, kind, number, before, value); });
    }
    void task_switched(Cpu& cpu, u16 from, u16 to) override {
        each([&](Probe& p) { p.task_switched(cpu, from, to); });
    }
    void mode_changed(Cpu& cpu, u32 mode_before, u8 cpl_before) override {
        each([&](Probe& p) { p.mode_changed(cpu, mode_before, cpl_before); });
    }
    void flushed(Cpu& cpu, FlushKind kind, u64 linear) override {
        each([&](Probe& p) { p.flushed(cpu, kind, linear); });
    }
    void shut_down(Cpu& cpu) override {
        each([&](Probe& p) { p.shut_down(cpu); });
    }
};

struct Probes::BusFan final : BusProbe {
    explicit BusFan(const std::vector<BusProbe*>& list) : probes(list) {}
    const std::vector<BusProbe*>& probes;

    template <class F> void each(F&& tell) {
        for (std::size_t i = 0; i < probes.size(); ++i) tell(*probes[i]);
    }

    void port_accessed(std::string_view owner, Port port, unsigned width, bool write, u32 value) override {
        each([&](BusProbe& p) { p.port_accessed(owner, port, width, write, value); });
    }
    void device_accessed(std::string_view region, PhysAddress address, unsigned width, bool write, u64 value) override {
        each([&](BusProbe& p) { p.device_accessed(region, address, width, write, value); });
    }
    void irq_changed(unsigned irq, bool level) override {
        each([&](BusProbe& p) { p.irq_changed(irq, level); });
    }
    void memory_writing(PhysAddress start, std::span<const u8> data) override {
        each([&](BusProbe& p) { p.memory_writing(start, data); });
    }
};

Probes::Probes(Board& board)
    : board_(board), fan_(std::make_unique<Fan>(probes_)), bus_fan_(std::make_unique<BusFan>(bus_probes_)) {}
Probes::~Probes() = default;

void Probes::attach(Probe& probe) {
    probes_.push_back(&probe);
    connect();
    changed();
}
void Probes::attach(BusProbe& probe) {
    bus_probes_.push_back(&probe);
    connect();
}
void Probes::detach(Probe& probe) {
    std::erase(probes_, &probe);
    std::erase(every_, &probe);
    connect();
    changed();
}
void Probes::detach(BusProbe& probe) {
    std::erase(bus_probes_, &probe);
    connect();
}

void Probes::set_every_instruction(Probe& probe, bool on) {
    std::erase(every_, &probe);
    if (on) every_.push_back(&probe);
    connect();
}

void Probes::mute(bool on) {
    if (muted_ == on) return;
    muted_ = on;
    connect();
    if (!probes_.empty()) changed(); // blocks were decoded and pages tagged under other rules
}

void Probes::connect() {
    Probe* probe = muted_ || probes_.empty() ? nullptr : probes_.size() == 1 ? probes_[0] : fan_.get();
    for (unsigned i = 0; i < board_.processors.count(); ++i) {
        board_.processors[i].probe = probe;
        board_.processors[i].probe_every = !muted_ && !every_.empty();
    }
    BusProbe* bus = muted_ || bus_probes_.empty() ? nullptr : bus_probes_.size() == 1 ? bus_probes_[0] : bus_fan_.get();
    board_.ports.probe = bus;
    board_.memory.probe = bus;
    board_.isa_irqs.probe = bus;
}

void Probes::changed() {
    for (unsigned i = 0; i < board_.processors.count(); ++i) board_.processors[i].probe_questions_changed();
}

} // namespace glassbox
