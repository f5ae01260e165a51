// Two machines behind the Guest interface (--lockstep): what the session does to one it does to both, and only the
// first one's output is seen. Neither may write to the images they share.
#include "debugger/disassembly.hpp"
#include "frontend/guest.hpp"
#include "machine/lockstep.hpp"

#include <array>
#include <cinttypes>
#include <cstdio>

namespace glassbox {

namespace {

template <class... Args> std::string print(const char* format, Args... args) {
    std::array<char, 300> text{};
    std::snprintf(text.data(), text.size(), format, args...);
    return text.data();
}

std::string instruction_text(const LockstepDifference::Place& place) {
    std::string text = print("%04X:%0*" PRIX64 " ", place.cs, place.big ? 8 : 4, place.ip);
    const Disassembly code = disassemble(place.bytes, place.big ? 32 : 16, place.ip);
    for (std::size_t i = 0; i < code.length && i < place.bytes.size(); ++i) text += print(" %02X", place.bytes[i]);
    return text + "  " + (code.text.empty() ? std::string("(code that cannot be read)") : code.text) + "\n";
}

std::string place_text(const LockstepDifference& d) {
    std::string text =
        print("after %" PRIu64 " instructions all was equal; the last of these left them different:\n", d.instruction);
    for (std::size_t i = 0; i < d.trail.size(); ++i)
        text += (i + 1 == d.trail.size() ? "> " : "  ") + instruction_text(d.trail[i]);
    if (!d.event.empty()) text += "  (" + d.event + ")\n";
    return text;
}

std::string difference_text(const LockstepDifference& d) {
    std::string text = print("the two machines differ, seen after %" PRIu64 " instructions\n", d.found_at);
    text += d.narrowed ? place_text(d)
                       : print("after %" PRIu64 " instructions all was equal, but from there it does not happen again "
                               "(what a translation buffer still held is not restored); what differs:\n",
                               d.instruction);
    for (const auto& v : d.values) {
        const int digits = static_cast<int>(v.digits);
        text += print("  %-20s ", v.name.c_str());
        if (d.narrowed) text += print("%0*" PRIX64 " became ", digits, v.before);
        text += print("%0*" PRIX64 " in the first, %0*" PRIX64 " in the second\n", digits, v.first, digits, v.second);
    }
    for (const auto& byte : d.memory)
        text += print("  memory %08" PRIX64 "      %02X in the first, %02X in the second\n", byte.physical, byte.first,
                      byte.second);
    if (d.memory_bytes > d.memory.size())
        text += print("  ... and %" PRIu64 " bytes of memory more\n", d.memory_bytes - d.memory.size());
    for (const std::string& part : d.parts) text += "  component '" + part + "'\n";
    return text;
}

class LockstepGuest final : public Guest {
  public:
    LockstepGuest(std::unique_ptr<Machine> one, std::unique_ptr<Machine> other, const LockstepOptions& options)
        : first_(std::move(one)), second_(std::move(other)), lockstep_(*first_, *second_, options) {}

    StopReason run(Time until, u64 max_instructions) override { return lockstep_.run(until, max_instructions); }
    Time now() const override { return first_->now(); }
    u64 instructions() const override { return first_->instructions(); }
    Time idle_until() const override { return first_->idle_until(); }
    int exit_status() const override { return first_->exit_status(); }
    Expected<> inject(const Input& input) override {
        const auto* medium = std::get_if<MediaInput>(&input);
        if (!medium) return lockstep_.inject(input);
        MediaInput protected_medium = *medium; // two writers of one file would see each other
        protected_medium.read_only = true;
        return lockstep_.inject(protected_medium);
    }
    const DisplaySource& display() const override { return first_->display(); }
    std::string processor_mode() const override { return first_->processor_mode(); }
    Expected<> save(const std::string& path) override { return first_->save(path); }
    Expected<> load(const std::string& path) override { return lockstep_.load(path); }
    u64 state_hash() override { return first_->state_hash(); }
    std::string autopsy() const override { return first_->autopsy(); }
    void trace(Tracer&) override {} // refused by check_options: a traced machine single-steps

    std::optional<Verdict> verdict() override {
        if (lockstep_.check())
            return Verdict{print("lockstep: %" PRIu64 " instructions, no difference\n", first_->instructions()), false};
        return Verdict{"lockstep: " + difference_text(*lockstep_.difference()), true};
    }

  private:
    std::unique_ptr<Machine> first_, second_;
    Lockstep lockstep_;
};

/// A configuration whose writes never reach a file.
MachineConfig without_writes(MachineConfig config) {
    for (auto* drives : {&config.disks, &config.floppies}) {
        for (DriveConfig& drive : *drives) drive.discard_writes = !drive.read_only;
    }
    return config;
}

} // namespace

Expected<std::unique_ptr<Guest>> make_lockstep_guest(const MachineConfig& config, const EngineOptions& second_engine,
                                                     u64 every, const HostPorts& ports) {
    MachineConfig shared = without_writes(config);
    auto first = Machine::create(shared, ports);
    if (!first) return tl::unexpected(first.error());
    shared.engine = second_engine;
    auto other = Machine::create(shared, {});
    if (!other) return tl::unexpected(other.error());
    LockstepOptions options;
    options.every = every;
    return std::make_unique<LockstepGuest>(*std::move(first), *std::move(other), options);
}

} // namespace glassbox
