// The gdb stub: one connection's view of a debugger (gdb manual, appendix E: remote serial protocol). Bytes in, bytes
// out: whoever has the wire gives it what came and sends what it says, and keeps the machine running meanwhile
// (Debugger::run). Threads are processors, numbered from 1; breakpoints and memory are at linear addresses.
//
// Not there: non-stop mode, multiprocess ids, files (vFile), tracepoints.
#pragma once

#include "debugger/debugger.hpp"
#include "debugger/gdb/agent.hpp"
#include "debugger/gdb/packets.hpp"
#include "debugger/gdb/registers.hpp"

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace glassbox {

struct GdbOptions {
    gdb::Arch arch = gdb::Arch::automatic;
    /// Asked now and then while the machine goes back, which takes long: whether the client has sent its interrupt. May
    /// be empty.
    std::function<bool()> interrupted{};
};

class GdbStub final : public StopListener {
  public:
    /// A client has connected: the machine stops.
    GdbStub(Debugger& debugger, const GdbOptions& options);
    /// It is gone: its stop points are removed, and the machine goes on if it stood for the client.
    ~GdbStub() override;
    GdbStub(const GdbStub&) = delete;
    GdbStub& operator=(const GdbStub&) = delete;

    void receive(std::string_view bytes);
    /// What is to be sent to the client; it is taken.
    std::string take_output() { return std::exchange(out_, {}); }
    bool has_output() const { return !out_.empty(); }
    /// Detached or killed: the connection ends when the output is sent.
    bool finished() const { return finished_; }
    /// The client wants the machine to end.
    bool killed() const { return dead_; }

  private:
    using Handler = void (GdbStub::*)(gdb::Scanner&);
    struct Name {
        std::string_view name;
        Handler handler;
    };

    void stopped(const Stop& stop) override;

    void handle(const gdb::Event& event);
    void dispatch(std::string_view packet);
    bool dispatch_named(gdb::Scanner& s, std::string_view packet);
    void reply(std::string_view data);
    void ok() { reply("OK"); }
    void unsupported() { reply(""); }
    void error(std::string_view text) { reply("E." + std::string(text)); }
    void malformed() { reply("E16"); } // EINVAL
    void console(std::string_view text);

    // threads (stub.cpp)
    Cpu* cpu_for_registers();
    std::optional<unsigned> thread_number(gdb::Scanner& s);
    void set_thread(gdb::Scanner& s);
    void thread_alive(gdb::Scanner& s);
    void current_thread(gdb::Scanner& s);
    void first_threads(gdb::Scanner& s);
    void more_threads(gdb::Scanner& s);
    void thread_words(gdb::Scanner& s);
    std::string describe_thread(unsigned number) const;

    // registers and memory (stub_state.cpp)
    void use_description();
    void read_registers(gdb::Scanner& s);
    void write_registers(gdb::Scanner& s);
    void read_register_number(gdb::Scanner& s);
    void write_register_number(gdb::Scanner& s);
    void read_memory(gdb::Scanner& s);
    void read_memory_binary(gdb::Scanner& s);
    void write_memory(gdb::Scanner& s);
    void write_memory_binary(gdb::Scanner& s);
    std::optional<std::string> fetch(u64 address, u64 length);
    void store(u64 address, std::string_view bytes);
    bool address_and_length(gdb::Scanner& s, char end, u64& address, u64& length);
    void physical_mode(gdb::Scanner& s);
    void query_physical_mode(gdb::Scanner& s);

    // running (stub_run.cpp)
    bool expected(const Stop& stop) const;
    unsigned signal_of(const Stop& stop) const;
    void go_on(gdb::Scanner& s);
    void go_on_signalled(gdb::Scanner& s);
    void step(gdb::Scanner& s);
    void step_signalled(gdb::Scanner& s);
    void resume_at(gdb::Scanner& s, bool stepping);
    void backwards(gdb::Scanner& s);
    void resume_threads(gdb::Scanner& s);
    void actions(gdb::Scanner& s);
    void go_step(unsigned thread, u64 from, u64 to);
    void go(const Plan& plan, unsigned thread);
    Expected<> go_back(const Plan& plan, bool& ended);
    void interrupt();
    void interrupt_packet(gdb::Scanner& s);
    void why_stopped();
    void why_stopped_packet(gdb::Scanner& s);
    std::string stop_reply(const Stop& stop) const;
    void report(const Stop& stop);
    void show_code();

    // stop points (stub_points.cpp)
    void insert(gdb::Scanner& s);
    void remove(gdb::Scanner& s);
    bool point(gdb::Scanner& s, StopPoint& point, std::string& key);
    static Expected<std::vector<gdb::AgentExpression>> conditions(gdb::Scanner& s);
    Expected<bool> holds(const std::vector<gdb::AgentExpression>& list, const Cpu& cpu) const;
    void remove_points();

    // the program's life (stub_life.cpp)
    static bool possible_without_program(std::string_view packet);
    void extended(gdb::Scanner& s);
    void detach(gdb::Scanner& s);
    void die();
    void kill(gdb::Scanner& s);
    void kill_packet(gdb::Scanner& s);
    void restart();
    void run_again(gdb::Scanner& s);
    void restart_packet(gdb::Scanner& s);
    void attach(gdb::Scanner& s);

    // searches (stub_search.cpp)
    void search_memory(gdb::Scanner& s);
    void checksum_memory(gdb::Scanner& s);
    std::size_t peek(u64 address, std::span<u8> bytes) const;

    // queries (stub_query.cpp)
    void supported(gdb::Scanner& s);
    void transfer(gdb::Scanner& s);
    std::optional<std::string> object(std::string_view name, std::string_view annex);
    std::string memory_map() const;
    std::string thread_list() const;
    void monitor(gdb::Scanner& s);
    void no_acknowledgements(gdb::Scanner& s);
    void attached(gdb::Scanner& s);
    void symbols(gdb::Scanner& s);
    void host_info(gdb::Scanner& s);
    void process_info(gdb::Scanner& s);
    void region_info(gdb::Scanner& s);
    std::string triple() const;
    void step_bits(gdb::Scanner& s);
    void query_step_mode(gdb::Scanner& s);
    void set_step_mode(gdb::Scanner& s);
    void nothing(gdb::Scanner& s);
    bool monitor_arch(std::string_view line);

    Debugger& debugger_;
    gdb::PacketReader reader_;
    std::string out_;
    std::function<bool()> interrupted_;
    gdb::Arch wanted_;
    gdb::Arch arch_; ///< of the description that gdb has read last: what `g` follows
    std::vector<gdb::Register> registers_;
    unsigned thread_ = 1;     ///< of g, m and their like
    unsigned moving_ = 0;     ///< of s and c; 0: whoever stopped
    bool awaited_ = false;    ///< gdb waits for a stop
    bool asked_why_ = false;  ///< … because of `?`
    bool monitoring_ = false; ///< a command of `monitor` has the machine run
    bool stepping_ = false;   ///< what runs, or ran last, is a step of gdb's
    bool step_into_interrupts_ = false;
    bool physical_ = false; ///< addresses of m, M and X are physical
    bool swbreak_ = false, hwbreak_ = false;
    bool finished_ = false;
    bool extended_ = false;
    bool dead_ = false;     ///< gdb has killed the machine: it stands until `run`, or ends with the connection
    bool detached_ = false; ///< in extended mode: gdb has let it go
    struct Point {
        unsigned number = 0;
        char type = '0';
        u64 address = 0;
    };
    std::map<std::string, Point> points_;    ///< by type and place, as gdb names them
    std::string transferred_, transferring_; ///< the object that is being read, and which one it is
};

} // namespace glassbox
