// Persistent threads and one job at a time. Threads wait for the next job awake for a moment, then asleep. A job does
// not wait for a thread that has not begun on it, so a small one costs no wake-up.
#include "pool.h"

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>

namespace ztt {
namespace {

constexpr int kMostThreads = 256;
constexpr auto kAwake = std::chrono::microseconds(60);

// The state of the current job: its number, whether threads may still begin on it, and how many are in it.
constexpr uint64_t kOpen = uint64_t{1} << 31;
constexpr uint64_t kMembers = kOpen - 1;
constexpr uint64_t kNext = uint64_t{1} << 32;
constexpr uint64_t number(uint64_t state) { return state >> 32; }

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

template <typename Done>
bool wait_awake(Done done) {
  const auto until = std::chrono::steady_clock::now() + kAwake;
  do {
    for (int i = 0; i < 32; i++) {
      if (done()) return true;
      relax();
    }
  } while (std::chrono::steady_clock::now() < until);
  return done();
}

// The thread's number while it is inside a piece, so that a parallel_for within one runs in place.
thread_local int inside = -1;

class Pool {
 public:
  int threads() const { return threads_.load(std::memory_order_relaxed); }

  void set_threads(int count) {
    std::lock_guard<std::mutex> one(caller_);
    threads_ = count < 1 ? 1 : count > kMostThreads ? kMostThreads : count;
  }

  void run(int64_t count, int64_t grain, RangeFn fn, void* context) {
    std::lock_guard<std::mutex> one(caller_);  // Node's worker threads share the pool, and take turns
    start_workers();
    fn_ = fn, context_ = context, count_ = count, grain_ = grain, job_threads_ = threads();
    next_.store(0, std::memory_order_relaxed);
    state_.store((state_.load() & ~(kOpen | kMembers)) + kNext + kOpen);
    if (asleep_.load() > 0) {
      { std::lock_guard<std::mutex> lock(sleep_); }
      wake_.notify_all();
    }
    work(0);
    state_.fetch_and(~kOpen);
    const auto left = [this] { return (state_.load() & kMembers) == 0; };
    if (!wait_awake(left)) {
      std::unique_lock<std::mutex> lock(sleep_);
      caller_asleep_ = true;
      done_.wait(lock, left);
      caller_asleep_ = false;
    }
  }

 private:
  void work(int thread) {
    inside = thread;
    for (;;) {
      const int64_t begin = next_.fetch_add(grain_, std::memory_order_relaxed);
      if (begin >= count_) break;
      fn_(begin, begin + grain_ < count_ ? begin + grain_ : count_, thread, context_);
    }
    inside = -1;
  }

  void start_workers() {
    if (started_ >= threads() - 1) return;
    pin_library();
    sigset_t all, before;  // signals are for Node's own threads
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    try {
      for (; started_ < threads() - 1; started_++) {
        std::thread([this, thread = started_ + 1, seen = number(state_.load())] { serve(thread, seen); }).detach();
      }
    } catch (const std::system_error&) {
      threads_ = started_ + 1;  // the system gives no more
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  // Node unloads an addon with the last worker thread that loaded it; these threads would lose their code.
  static void pin_library() {
    Dl_info info;
    if (dladdr(reinterpret_cast<void*>(&pin_library), &info) && info.dli_fname) {
      dlopen(info.dli_fname, RTLD_NOW | RTLD_NODELETE);
    }
  }

  void serve(int thread, uint64_t seen) {
    const auto another = [this, &seen] { return number(state_.load()) != seen; };
    for (;;) {
      if (!wait_awake(another)) {
        std::unique_lock<std::mutex> lock(sleep_);
        asleep_++;
        wake_.wait(lock, another);
        asleep_--;
      }
      uint64_t state = state_.load();
      seen = number(state);
      while ((state & kOpen) && number(state) == seen) {
        if (!state_.compare_exchange_weak(state, state + 1)) continue;
        if (thread < job_threads_) work(thread);
        if (((state_.fetch_sub(1) - 1) & (kOpen | kMembers)) == 0 && caller_asleep_.load()) {
          { std::lock_guard<std::mutex> lock(sleep_); }
          done_.notify_one();
        }
        break;
      }
    }
  }

  std::mutex caller_;
  std::atomic<int> threads_{static_cast<int>(std::thread::hardware_concurrency() > 0 ? std::thread::hardware_concurrency() : 1)};
  int started_ = 0;

  // The job: written while it is closed and nobody is in it.
  RangeFn fn_ = nullptr;
  void* context_ = nullptr;
  int64_t count_ = 0, grain_ = 1;
  int job_threads_ = 1;

  alignas(64) std::atomic<int64_t> next_{0};
  alignas(64) std::atomic<uint64_t> state_{0};
  std::mutex sleep_;
  std::condition_variable wake_, done_;
  std::atomic<int> asleep_{0};
  std::atomic<bool> caller_asleep_{false};
};

// Never destroyed: its threads live until the process ends, past the destructors of static objects.
Pool& pool() {
  static Pool* one = new Pool;
  return *one;
}

}  // namespace

void set_threads(int count) { pool().set_threads(count); }

int threads() { return pool().threads(); }

void parallel_for(int64_t count, int64_t grain, RangeFn fn, void* context) {
  if (count <= 0) return;
  if (grain < 1) grain = 1;
  if (inside < 0 && count > grain && threads() > 1) {
    pool().run(count, grain, fn, context);
    return;
  }
  const int thread = inside < 0 ? 0 : inside;
  for (int64_t begin = 0; begin < count; begin += grain) {
    fn(begin, begin + grain < count ? begin + grain : count, thread, context);
  }
}

}  // namespace ztt
