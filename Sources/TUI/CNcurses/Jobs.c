// SPDX-License-Identifier: Apache-2.0

// The signals about the terminal that do not kill: its size has changed, the job is to stop, the job goes on. Handlers, which
// run on any thread, only write a byte; the thread that owns the terminal does the rest.

#define _GNU_SOURCE 1
#include "CNcurses.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

static const int watched_signals[] = {SIGWINCH, SIGCONT, SIGTSTP};
static const char watched_bytes[] = {'w', 'c', 't'};
enum { watched_count = sizeof watched_signals / sizeof watched_signals[0] };
static struct sigaction previous[watched_count];
static bool is_watched[watched_count];

static atomic_int watching_fd = -1, handlers_running;

static void handle_watched(int signal_number) {
  int saved = errno;
  atomic_fetch_add(&handlers_running, 1);
  int fd = atomic_load(&watching_fd);
  for (int i = 0; i < watched_count; i++) {
    if (watched_signals[i] == signal_number && fd >= 0) (void)!write(fd, &watched_bytes[i], 1);
  }
  atomic_fetch_sub(&handlers_running, 1);
  errno = saved;
}

void herd_watch_terminal(int fd) {
  atomic_store(&watching_fd, fd);
  for (int i = 0; i < watched_count; i++) {
    struct sigaction action = {0};
    action.sa_handler = handle_watched;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(watched_signals[i], NULL, &previous[i]);
    // A shell without job control has us ignore it: nobody would continue us.
    if (watched_signals[i] == SIGTSTP && previous[i].sa_handler == SIG_IGN) continue;
    is_watched[i] = sigaction(watched_signals[i], &action, NULL) == 0;
  }
}

void herd_unwatch_terminal(void) {
  for (int i = 0; i < watched_count; i++) {
    if (is_watched[i]) sigaction(watched_signals[i], &previous[i], NULL);
    is_watched[i] = false;
  }
  atomic_store(&watching_fd, -1);
  // The descriptor may be closed, and its number be given to something else, once nobody is about to write to it.
  while (atomic_load(&handlers_running) > 0) poll(NULL, 0, 1);
}

void herd_stop_job(bool whole_job) {
  bool stops = false;
  for (int i = 0; i < watched_count; i++) stops |= watched_signals[i] == SIGTSTP && is_watched[i];
  if (!stops) return;
  struct sigaction ours, action = {0};
  sigemptyset(&action.sa_mask);
  action.sa_handler = SIG_IGN;
  sigaction(SIGTSTP, &action, &ours);
  if (whole_job) kill(0, SIGTSTP);
  action.sa_handler = SIG_DFL;
  sigaction(SIGTSTP, &action, NULL);
  sigset_t set, before;
  sigemptyset(&set);
  sigaddset(&set, SIGTSTP);
  pthread_sigmask(SIG_UNBLOCK, &set, &before);
  // Sent to this thread, so that it has stopped, and been continued, when this returns. It does nothing in a group of
  // processes that no shell looks after.
  raise(SIGTSTP);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  sigaction(SIGTSTP, &ours, NULL);
}

// --- Threads

void herd_name_thread(pthread_t thread, const char *name) { pthread_setname_np(thread, name); }

bool herd_join_thread(pthread_t thread, int milliseconds) {
  struct timespec end;
  clock_gettime(CLOCK_REALTIME, &end);
  end.tv_sec += milliseconds / 1000;
  end.tv_nsec += (long)(milliseconds % 1000) * 1000000;
  if (end.tv_nsec >= 1000000000) {
    end.tv_sec++;
    end.tv_nsec -= 1000000000;
  }
  return pthread_timedjoin_np(thread, NULL, &end) == 0;
}
