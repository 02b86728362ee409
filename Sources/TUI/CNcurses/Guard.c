// SPDX-License-Identifier: Apache-2.0

// Gives the terminal back when the process dies. Handlers call write, read, poll, tcgetpgrp, tcsetattr, dup2, alarm,
// clock_gettime, sigaction, pthread_sigmask, the system call gettid and raise only: all are safe in a signal handler
// (signal-safety(7)).

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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { guard_off, guard_armed, guard_restoring, guard_restored };
static atomic_int state = guard_off;
static atomic_int restoring_thread;

static int guard_tty = -1, guard_out = -1, guard_err = -1, guard_captured = -1;
// Where last words go: a description of its own where standard error is a terminal, so that it can be told not to block.
static int guard_words = -1;
static struct termios guard_modes;
static char restore_text[512];
static size_t restore_length;
static struct termios first_modes;
static bool has_first_modes;

static int this_thread(void) { return (int)syscall(SYS_gettid); }

static int64_t milliseconds_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool herd_terminal_is_ours(int fd) {
  pid_t group = tcgetpgrp(fd);
  return group >= 0 && group == getpgrp();
}

// --- Arming

// Appends a capability without its padding: `$<2/>` asks for a pause and is no text.
static void append(const char *text) {
  if (!text || text == (const char *)-1) return;
  size_t begin = restore_length;
  while (*text) {
    if (text[0] == '$' && text[1] == '<') {
      size_t length = strspn(text + 2, "0123456789.*/");
      if (length > 0 && text[2 + length] == '>') {
        text += length + 3;
        continue;
      }
    }
    if (restore_length + 1 >= sizeof restore_text) {
      restore_length = begin; // half a sequence would be worse than none
      return;
    }
    restore_text[restore_length++] = *text++;
  }
}

void herd_guard_remember_modes(int fd) { has_first_modes = tcgetattr(fd, &first_modes) == 0; }

void herd_guard_arm(int fd, int out, int err, int captured) {
  guard_tty = fd;
  guard_out = out;
  guard_err = err;
  guard_captured = captured;
  if (err >= 0 && isatty(err)) {
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", err);
    guard_words = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  }
  restore_length = 0;
  if (fd >= 0) {
    if (herd_curses_has_mouse()) append("\033[?1000l\033[?1002l\033[?1003l\033[?1006l");
    append(herd_curses_paste_end());
    append(tigetstr("sgr0"));
    append(tigetstr("rmkx"));
    append(tigetstr("cnorm"));
    append(tigetstr("rmcup"));
    if (has_first_modes) guard_modes = first_modes;
    else tcgetattr(fd, &guard_modes);
  }
  atomic_store(&state, guard_armed);
}

// Waits while another thread gives the terminal back, for a bounded time: it needs what we would close, and who ends the
// process in the middle would cut it short.
static void wait_for_restore(void) {
  enum { rounds_max = 5000 }; // milliseconds
  for (int rounds = 0; rounds < rounds_max && atomic_load(&state) == guard_restoring; rounds++) {
    if (atomic_load(&restoring_thread) == this_thread()) return;
    poll(NULL, 0, 1);
  }
}

void herd_guard_disarm(void) {
  int expected = guard_armed;
  if (!atomic_compare_exchange_strong(&state, &expected, guard_off)) wait_for_restore();
  if (atomic_load(&state) != guard_restoring && guard_words >= 0) {
    close(guard_words);
    guard_words = -1;
  }
}

// --- The thread that draws and reads

// It goes on while another one dies: what it sends from then on would take the terminal again, and what it reads would not
// be told to anybody.
typedef struct {
  atomic_int is_busy;
  atomic_int thread;
} section;
static section drawing, reading;

static bool is_given_back(void) { return atomic_load(&state) >= guard_restoring; }

static bool enter(section *section) {
  atomic_store(&section->thread, this_thread());
  atomic_store(&section->is_busy, 1);
  if (!is_given_back()) return true;
  atomic_store(&section->is_busy, 0);
  return false;
}

static void leave(section *section) { atomic_store(&section->is_busy, 0); }

// Waits for what has begun, a tenth of a second at most: a terminal that is not read holds it up for ever.
static void wait_for(section *section) {
  for (int rounds = 0; rounds < 100 && atomic_load(&section->is_busy); rounds++) {
    if (atomic_load(&section->thread) == this_thread()) return;
    poll(NULL, 0, 1);
  }
}

bool herd_guard_begin_drawing(void) { return enter(&drawing); }
void herd_guard_end_drawing(void) { leave(&drawing); }

// What was read of the captured output last. A message is read within milliseconds, and dies unseen with the screen when the
// crash that it tells of comes right behind it.
enum { kept_bytes = 4096, kept_reads = 64, kept_milliseconds = 1000 };
static char kept[kept_bytes];
static uint64_t kept_end; // bytes so far; the place in the ring is the remainder
static struct { uint64_t start; int64_t at; } kept_marks[kept_reads];
static uint64_t kept_count;

long herd_guard_read_captured(int fd, char *buffer, size_t size) {
  if (!enter(&reading)) return 0;
  ssize_t length = read(fd, buffer, size);
  if (length > 0) {
    kept_marks[kept_count % kept_reads].start = kept_end;
    kept_marks[kept_count % kept_reads].at = milliseconds_now();
    kept_count++;
    for (ssize_t i = 0; i < length; i++) kept[kept_end++ % kept_bytes] = buffer[i];
  }
  leave(&reading);
  return (long)length;
}

// --- Giving back

// A terminal that takes nothing, as one that ctrl-S has stopped.
static atomic_bool is_stalled;

// Writes what `fd` takes, in small pieces and none without room: a terminal that nobody reads must not keep a process alive.
static void write_all(int fd, const char *text, size_t length) {
  enum { piece = 64, milliseconds = 200 };
  while (length > 0) {
    struct pollfd room = {fd, POLLOUT, 0};
    int ready = poll(&room, 1, atomic_load(&is_stalled) ? 0 : milliseconds);
    if (ready < 0 && errno == EINTR) continue;
    ssize_t written = ready > 0 ? write(fd, text, length < piece ? length : piece) : 0;
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      atomic_store(&is_stalled, true);
      return;
    }
    text += written;
    length -= (size_t)written;
  }
}

// Tells what was read within the last second, then what still lies in the pipe: the message of the failure itself.
static void tell_last_words(void) {
  int fd = guard_words >= 0 ? guard_words : 2;
  uint64_t start = kept_end;
  for (uint64_t back = 1; back <= kept_reads && back <= kept_count; back++) {
    uint64_t mark = (kept_count - back) % kept_reads;
    if (milliseconds_now() - kept_marks[mark].at > kept_milliseconds) break;
    start = kept_marks[mark].start;
  }
  if (kept_end - start > kept_bytes) start = kept_end - kept_bytes;
  while (start < kept_end) {
    size_t place = start % kept_bytes, length = kept_end - start;
    if (length > kept_bytes - place) length = kept_bytes - place;
    write_all(fd, kept + place, length);
    start += length;
  }
  char text[4096];
  for (int rounds = 0; guard_captured >= 0 && rounds < 256; rounds++) {
    ssize_t length = read(guard_captured, text, sizeof text);
    if (length <= 0) break;
    write_all(fd, text, (size_t)length);
  }
}

void herd_guard_restore(void) {
  int expected = guard_armed;
  if (!atomic_compare_exchange_strong(&state, &expected, guard_restoring)) {
    wait_for_restore();
    return;
  }
  atomic_store(&restoring_thread, this_thread());
  int saved = errno;
  // A job in the background that touches the terminal would be stopped in the middle of this.
  sigset_t stop, before;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTTOU);
  pthread_sigmask(SIG_BLOCK, &stop, &before);
  wait_for(&drawing);
  wait_for(&reading);
  // Not while another job has it, and not when it was given back to the shell already.
  if (guard_tty >= 0 && herd_curses_is_on_screen() && herd_terminal_is_ours(guard_tty)) {
    // The description is our own: nobody else's writes change by that.
    fcntl(guard_tty, F_SETFL, fcntl(guard_tty, F_GETFL) | O_NONBLOCK);
    write_all(guard_tty, restore_text, restore_length);
    tcsetattr(guard_tty, TCSANOW, &guard_modes);
  }
  if (guard_out >= 0) dup2(guard_out, 1);
  if (guard_err >= 0) dup2(guard_err, 2);
  tell_last_words();
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  errno = saved;
  atomic_store(&state, guard_restored);
}

// --- Fatal signals

static const int fatal_signals[] = {SIGILL, SIGTRAP, SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGQUIT};
enum { fatal_count = sizeof fatal_signals / sizeof fatal_signals[0] };
static struct sigaction previous[fatal_count];
static bool are_handlers_installed;
static atomic_int dying_thread;
static volatile sig_atomic_t dying_signal;

// Seconds that giving the terminal back may take, and what tells of the crash after it: much on a busy machine, but it can't
// tell anything where nobody reads.
enum { restore_seconds = 3, report_seconds = 120, stalled_report_seconds = 2 };

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

static void handle_alarm(int signal_number) {
  (void)signal_number;
  die_by(dying_signal);
}

// Whatever blocks from here on, the process ends.
static void set_backstop(void) {
  struct sigaction action = {0};
  action.sa_handler = handle_alarm;
  action.sa_flags = SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  sigaction(SIGALRM, &action, NULL);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGALRM);
  pthread_sigmask(SIG_UNBLOCK, &set, NULL);
  alarm(restore_seconds);
}

// Swift's report reads memory that may not be there, in a thread that inherits our mask and catches the faults: where they
// are blocked, the kernel ends the process instead, with another status and half a report.
static void allow_faults(void) {
  sigset_t faults;
  sigemptyset(&faults);
  sigaddset(&faults, SIGSEGV);
  sigaddset(&faults, SIGBUS);
  pthread_sigmask(SIG_UNBLOCK, &faults, NULL);
}

static void handle_fatal(int signal_number, siginfo_t *info, void *context) {
  int none = 0, self = this_thread();
  if (!atomic_compare_exchange_strong(&dying_thread, &none, self)) {
    // What was called below has failed itself.
    if (none == self) die_by(signal_number);
    // Another thread is at it, and ends this one with the process.
    for (;;) poll(NULL, 0, 1000);
  }
  dying_signal = signal_number;
  set_backstop();
  herd_guard_restore();
  alarm(atomic_load(&is_stalled) ? stalled_report_seconds : report_seconds);
  allow_faults();
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
  if (are_handlers_installed) return;
  struct sigaction action = {0};
  action.sa_sigaction = handle_fatal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  // One that is sent while another is handled waits; one that the handler itself raises ends the process at once.
  for (int i = 0; i < fatal_count; i++) sigaddset(&action.sa_mask, fatal_signals[i]);
  for (int i = 0; i < fatal_count; i++) sigaction(fatal_signals[i], &action, &previous[i]);
  are_handlers_installed = true;
}

void herd_guard_remove_handlers(void) {
  if (!are_handlers_installed || atomic_load(&dying_thread) != 0) return;
  for (int i = 0; i < fatal_count; i++) sigaction(fatal_signals[i], &previous[i], NULL);
  are_handlers_installed = false;
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
