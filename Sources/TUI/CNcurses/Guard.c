// SPDX-License-Identifier: Apache-2.0

// Gives the terminal back when the process dies. Handlers call write, read, tcsetattr, dup2, sigaction and raise only:
// all are safe in a signal handler (signal-safety(7)).

#define _GNU_SOURCE 1
#include "CNcurses.h"

#if __has_include(<ncursesw/curses.h>)
#include <ncursesw/curses.h>
#else
#include <curses.h>
#endif

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static atomic_int armed;
static int guard_tty = -1, guard_out = -1, guard_err = -1, guard_captured = -1;
static struct termios guard_modes;
static char restore_text[512];
static size_t restore_length;
static struct termios first_modes;
static bool has_first_modes;

// The thread that draws goes on while another one dies: what it sends from here on would take the terminal again.
static atomic_int is_given_back, is_drawing;
static pthread_t drawing_thread;

static void append(const char *text) {
  if (!text || text == (const char *)-1) return;
  size_t length = strlen(text);
  if (restore_length + length >= sizeof restore_text) return;
  memcpy(restore_text + restore_length, text, length);
  restore_length += length;
}

static void append_capability(const char *name) { append(tigetstr(name)); }

void herd_guard_arm(int fd, int out, int err, int captured) {
  guard_tty = fd;
  guard_out = out;
  guard_err = err;
  guard_captured = captured;
  restore_length = 0;
  // Mouse reporting in all its encodings; terminals that know none of them ignore it.
  if (tigetstr("kmous") != NULL && tigetstr("kmous") != (char *)-1) {
    append("\033[?1000l\033[?1002l\033[?1003l\033[?1006l");
  }
  append_capability("sgr0");
  append_capability("rmkx");
  append_capability("cnorm");
  append_capability("rmcup");
  if (has_first_modes) guard_modes = first_modes;
  else tcgetattr(fd, &guard_modes);
  atomic_store(&is_given_back, 0);
  atomic_store(&armed, 1);
}

void herd_guard_remember_modes(int fd) { has_first_modes = tcgetattr(fd, &first_modes) == 0; }

void herd_guard_disarm(void) { atomic_store(&armed, 0); }

// Writes what `fd` takes, in small pieces and none without room: a terminal that nobody reads must not keep a process alive.
static void write_all(int fd, const char *text, size_t length) {
  enum { piece = 64, milliseconds = 200 };
  while (length > 0) {
    struct pollfd room = {fd, POLLOUT, 0};
    if (poll(&room, 1, milliseconds) <= 0 || !(room.revents & POLLOUT)) return;
    ssize_t written = write(fd, text, length < piece ? length : piece);
    if (written <= 0) {
      if (written < 0 && errno == EINTR) continue;
      return;
    }
    text += written;
    length -= (size_t)written;
  }
}

bool herd_guard_begin_drawing(void) {
  drawing_thread = pthread_self();
  atomic_store(&is_drawing, 1);
  if (!atomic_load(&is_given_back)) return true;
  atomic_store(&is_drawing, 0);
  return false;
}

void herd_guard_end_drawing(void) { atomic_store(&is_drawing, 0); }

// Waits for a drawing that has begun, a tenth of a second at most: a terminal that is not read holds it up for ever.
static void wait_for_drawing(void) {
  for (int rounds = 0; rounds < 100 && atomic_load(&is_drawing); rounds++) {
    if (pthread_equal(pthread_self(), drawing_thread)) return;
    poll(NULL, 0, 1);
  }
}

void herd_guard_restore(void) {
  int expected = 1;
  if (!atomic_compare_exchange_strong(&armed, &expected, 0)) return;
  int saved = errno;
  atomic_store(&is_given_back, 1);
  wait_for_drawing();
  // The description is our own: nobody else's writes change by that.
  fcntl(guard_tty, F_SETFL, fcntl(guard_tty, F_GETFL) | O_NONBLOCK);
  write_all(guard_tty, restore_text, restore_length);
  tcsetattr(guard_tty, TCSANOW, &guard_modes);
  if (guard_out >= 0) dup2(guard_out, 1);
  if (guard_err >= 0) dup2(guard_err, 2);
  // What was printed last, such as the message of the failure itself, still lies in the pipe.
  if (guard_captured >= 0) {
    char text[4096];
    for (int rounds = 0; rounds < 256; rounds++) {
      ssize_t length = read(guard_captured, text, sizeof text);
      if (length <= 0) break;
      write_all(2, text, (size_t)length);
    }
  }
  errno = saved;
}

// --- Fatal signals

static const int fatal_signals[] = {SIGILL, SIGTRAP, SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGQUIT};
enum { fatal_count = sizeof fatal_signals / sizeof fatal_signals[0] };
static struct sigaction previous[fatal_count];
static atomic_int is_dying;

static void die_by(int signal_number) {
  struct sigaction action = {0};
  action.sa_handler = SIG_DFL;
  sigemptyset(&action.sa_mask);
  sigaction(signal_number, &action, NULL);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal_number);
  pthread_sigmask(SIG_UNBLOCK, &set, NULL);
  raise(signal_number);
  _exit(128 + signal_number);
}

static void handle_fatal(int signal_number, siginfo_t *info, void *context) {
  if (atomic_fetch_add(&is_dying, 1) > 0) die_by(signal_number);
  herd_guard_restore();
  for (int i = 0; i < fatal_count; i++) {
    if (fatal_signals[i] != signal_number) continue;
    // Swift's own handler prints where it happened.
    if (previous[i].sa_flags & SA_SIGINFO) {
      if (previous[i].sa_sigaction) previous[i].sa_sigaction(signal_number, info, context);
    } else if (previous[i].sa_handler != SIG_DFL && previous[i].sa_handler != SIG_IGN) {
      previous[i].sa_handler(signal_number);
    }
  }
  // A signal sent from outside would be forgotten here, and the program go on.
  die_by(signal_number);
}

void herd_guard_install_handlers(void) {
  for (int i = 0; i < fatal_count; i++) {
    struct sigaction action = {0};
    action.sa_sigaction = handle_fatal;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    sigemptyset(&action.sa_mask);
    sigaction(fatal_signals[i], &action, &previous[i]);
  }
}

void herd_guard_use_alternate_stack(void) {
  stack_t current;
  if (sigaltstack(NULL, &current) == 0 && !(current.ss_flags & SS_DISABLE)) return;
  enum { size = 256 * 1024 };
  stack_t stack = {0};
  // Lives as long as the thread, which lives as long as the process.
  stack.ss_sp = malloc(size);
  if (!stack.ss_sp) return;
  stack.ss_size = size;
  if (sigaltstack(&stack, NULL) != 0) free(stack.ss_sp);
}

// --- Changes of the window

static int window_fd = -1;

static void handle_window(int signal_number) {
  int saved = errno;
  char byte = signal_number == SIGCONT ? 'c' : 'w';
  if (window_fd >= 0) (void)!write(window_fd, &byte, 1);
  errno = saved;
}

void herd_watch_window_changes(int fd) {
  window_fd = fd;
  struct sigaction action = {0};
  action.sa_handler = handle_window;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(SIGWINCH, &action, NULL);
  sigaction(SIGCONT, &action, NULL);
}

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
