#include "tests/x86-conformance/host/native.hpp"

#if defined(__x86_64__) && defined(__linux__)

#include "tests/x86-conformance/host/native_child.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <linux/futex.h>
#include <new>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace glassbox::conformance::host {

struct Native::Shared : NativeShared {};

namespace {

/// Wakes up the other process, or waits for it while `turn` has that value.
void futex_wake(std::atomic<u32>& turn) { syscall(SYS_futex, &turn, FUTEX_WAKE, 1, nullptr, nullptr, 0); }
void futex_wait(std::atomic<u32>& turn, u32 value, const timespec* timeout) {
    syscall(SYS_futex, &turn, FUTEX_WAIT, value, timeout, nullptr, 0);
}

bool has_code32() {
    u32 rights = 0;
    u8 found = 0;
    asm("lar %2, %0\n\tsetz %1" : "=r"(rights), "=q"(found) : "r"(u32{flat_code}) : "cc");
    return found != 0 && (rights & 0x0040'0000) != 0;
}

/// Whether this process has anything mapped where cases expect nothing but their own windows.
bool low_memory_is_free() {
    std::ifstream maps("/proc/self/maps");
    std::string line;
    while (std::getline(maps, line)) {
        if (std::strtoull(line.c_str(), nullptr, 16) >> 32 == 0) return false;
    }
    return true;
}

[[noreturn]] void child_main(NativeShared& shared, pid_t parent) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(0);
    shared.setup = prepare_child(shared);
    const bool ready = shared.setup == nullptr;
    for (;;) {
        shared.turn.store(turn_parent, std::memory_order_release);
        futex_wake(shared.turn);
        if (!ready) _exit(1);
        while (shared.turn.load(std::memory_order_acquire) == turn_parent)
            futex_wait(shared.turn, turn_parent, nullptr);
        run_batch();
    }
}

} // namespace

bool has_base_instructions() {
    constexpr unsigned long fsgsbase = 2; // HWCAP2_FSGSBASE: the kernel lets programs use them
    return (getauxval(AT_HWCAP2) & fsgsbase) != 0;
}

Native::Native() = default;

Expected<std::unique_ptr<Native>> Native::start() {
    if (!has_code32()) return fail("this host's Linux has no 32-bit code segment");
    if (!low_memory_is_free())
        return fail("this build has memory of its own below 4 GiB, as programs under a sanitizer do");
    std::unique_ptr<Native> native(new Native);
    void* memory = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return fail("no memory to share with the process that runs native code");
    native->shared_ = new (memory) Shared;
    if (auto ok = native->launch(); !ok) return tl::unexpected(ok.error());
    return native;
}

Native::~Native() {
    kill_child();
    if (shared_) munmap(shared_, sizeof(Shared));
}

void Native::kill_child() {
    if (child_ < 0) return;
    kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
    child_ = -1;
}

Expected<> Native::launch() {
    shared_->turn = turn_child;
    shared_->setup = nullptr;
    const pid_t parent = getpid();
    child_ = fork();
    if (child_ < 0) return fail(std::string("cannot start a process for native code: ") + std::strerror(errno));
    if (child_ == 0) child_main(*shared_, parent);
    int reason = 0;
    if (!wait(reason)) return fail("the process for native code does not start");
    if (shared_->setup) {
        const std::string why = shared_->setup;
        kill_child();
        return fail("this host cannot run 16-bit and 32-bit segments natively: " + why);
    }
    return {};
}

bool Native::wait(int& reason) {
    constexpr timespec poll{0, 200'000'000};
    constexpr unsigned patience = 50; // times `poll` without progress
    unsigned idle = 0;
    u32 seen = shared_->progress;
    while (shared_->turn.load(std::memory_order_acquire) != turn_parent) {
        futex_wait(shared_->turn, turn_child, &poll);
        if (shared_->turn.load(std::memory_order_acquire) == turn_parent) break;
        if (waitpid(child_, nullptr, WNOHANG) == child_) {
            child_ = -1;
            reason = child_died;
            return shared_->turn.load(std::memory_order_acquire) == turn_parent;
        }
        idle = seen == shared_->progress ? idle + 1 : 0;
        seen = shared_->progress;
        if (idle < patience) continue;
        kill_child();
        reason = child_hung;
        return false;
    }
    return true;
}

Input& Native::input(unsigned i) { return shared_->in[i]; }
const Output& Native::output(unsigned i) const { return shared_->out[i]; }

Expected<> Native::run(unsigned count) {
    shared_->progress = 0;
    shared_->count = count;
    while (shared_->progress < count) {
        if (child_ < 0) {
            if (auto ok = launch(); !ok) return ok;
        }
        shared_->turn.store(turn_child, std::memory_order_release);
        futex_wake(shared_->turn);
        int reason = 0;
        if (wait(reason)) continue;
        const u32 culprit = shared_->progress;
        shared_->out[culprit] = Output{};
        shared_->out[culprit].vector = reason;
        kill_child();
        if (auto ok = launch(); !ok) return ok;
        shared_->progress = culprit + 1;
    }
    return {};
}

} // namespace glassbox::conformance::host

#else

namespace glassbox::conformance::host {

struct Native::Shared {
    Input in;
    Output out;
};
bool has_base_instructions() { return false; }
Native::Native() = default;
Native::~Native() = default;
Expected<std::unique_ptr<Native>> Native::start() { return fail("the host is no x86-64 Linux"); }
Input& Native::input(unsigned) { return shared_->in; }
const Output& Native::output(unsigned) const { return shared_->out; }
Expected<> Native::run(unsigned) { return fail("the host is no x86-64 Linux"); }

} // namespace glassbox::conformance::host

#endif
