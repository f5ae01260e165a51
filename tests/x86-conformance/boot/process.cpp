#include "tests/x86-conformance/boot/process.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace glassbox::conformance {

namespace {

class Descriptor {
  public:
    explicit Descriptor(int fd = -1) : fd_(fd) {}
    ~Descriptor() { reset(); }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    int get() const { return fd_; }
    void reset(int fd = -1) {
        if (fd_ >= 0) ::close(fd_);
        fd_ = fd;
    }

  private:
    int fd_;
};

Expected<> write_all(int fd, const std::string& text) {
    for (std::size_t done = 0; done < text.size();) {
        const auto n = ::write(fd, text.data() + done, text.size() - done);
        if (n < 0) return fail(std::string("cannot write the script: ") + std::strerror(errno));
        done += static_cast<std::size_t>(n);
    }
    return {};
}

/// Keeps the end of what comes until the other side closes it.
bool gather(int fd, std::string& output, const std::function<bool()>& stop) {
    constexpr std::size_t kept = 4096;
    for (;;) {
        pollfd wait{fd, POLLIN, 0};
        const int ready = ::poll(&wait, 1, 200);
        if (stop()) return false;
        if (ready <= 0) continue;
        std::array<char, 4096> piece;
        const auto n = ::read(fd, piece.data(), piece.size());
        if (n <= 0) return true;
        output.append(piece.data(), static_cast<std::size_t>(n));
        if (output.size() > 2 * kept) output.erase(0, output.size() - kept);
    }
}

} // namespace

Expected<ProcessOutcome> run_program(std::vector<std::string> words, const std::string& script,
                                     const std::function<bool()>& stop) {
    Descriptor script_file;
    if (!script.empty()) {
        script_file.reset(::memfd_create("script", 0));
        if (script_file.get() < 0) return fail(std::string("cannot keep the script: ") + std::strerror(errno));
        if (auto written = write_all(script_file.get(), script); !written) return fail(written.error().message);
        words.insert(words.end(), {"--script", "/dev/fd/" + std::to_string(script_file.get())});
    }
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return fail(std::string("no pipe: ") + std::strerror(errno));
    Descriptor from_child(ends[0]), to_us(ends[1]);

    std::string program = "/proc/self/exe";
    std::vector<char*> arguments = {program.data()};
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);

    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, to_us.get(), STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, to_us.get(), STDERR_FILENO);
    pid_t child = 0;
    const int error = ::posix_spawn(&child, program.c_str(), &actions, nullptr, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0) return fail(std::string("cannot start the program again: ") + std::strerror(error));
    to_us.reset();

    ProcessOutcome outcome;
    outcome.stopped = !gather(from_child.get(), outcome.output, stop);
    if (outcome.stopped) ::kill(child, SIGKILL);
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return outcome;
}

} // namespace glassbox::conformance
