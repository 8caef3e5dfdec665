// A thread of its own tells the supervisor what this process does, however busy or stuck the JavaScript thread is.
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <thread>

#include "bind.h"

namespace rae {
namespace {

std::uint64_t monotonic_ms() {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch()).count());
}

// On the wire, little-endian: 32 bytes.
struct Frame {
  std::uint32_t op, reserved;
  std::uint64_t done, tick_ms, now_ms;
};
static_assert(sizeof(Frame) == 32);

void beat(int fd, std::chrono::milliseconds interval) {
  for (;;) {
    const Frame frame{progress.op.load(std::memory_order_relaxed), 0, progress.done.load(std::memory_order_relaxed),
                      progress.tick_ms.load(std::memory_order_relaxed), monotonic_ms()};
    // 32 bytes go into a pipe whole or not at all. EAGAIN: the reader is slow, the next frame will do. Anything else: nobody listens.
    while (write(fd, &frame, sizeof frame) < 0) {
      if (errno == EAGAIN) break;
      if (errno != EINTR) return;
    }
    std::this_thread::sleep_for(interval);
  }
}

// The kernel kills this process when its parent dies. A parent that died before this call is noticed by the process's new parent.
void die_with_parent(pid_t parent) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) throw system_error("asking for the parent's death signal", errno);
  if (parent > 0 && getppid() != parent) raise(SIGKILL);
}

}  // namespace

void define_heartbeat(napi_env env, napi_value exports) {
  define(env, exports, {
    def("startHeartbeat", [](std::int64_t fd, std::int64_t interval_ms) {
      if (interval_ms < 1) throw Error(kInvalid, "a heartbeat's interval is at least 1 ms");
      progress.tick_ms.store(monotonic_ms(), std::memory_order_relaxed);
      std::thread(beat, static_cast<int>(fd), std::chrono::milliseconds(interval_ms)).detach();
    }),
    def("loopTick", [] { progress.tick_ms.store(monotonic_ms(), std::memory_order_relaxed); }),
    def("opsDone", [] { return static_cast<double>(progress.done.load(std::memory_order_relaxed)); }),
    def("opNames", [] {
      std::vector<std::string> names;
      for (std::uint32_t i = 0; i < op_count(); ++i) names.emplace_back(op_name(i));
      return names;
    }),
    def("dieWithParent", [](std::int64_t parent) { die_with_parent(static_cast<pid_t>(parent)); }),
    // For tests of the supervisor's patience: blocks the JavaScript thread inside an operation.
    def("block", [](std::int64_t ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }),
  });
}

}  // namespace rae
