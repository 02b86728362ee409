// SPDX-License-Identifier: Apache-2.0

// What Herd uses of ncurses (the wide-character build), reachable from Swift: no macros, no globals, no variadics.
// All functions but those of the crash guard belong to the one thread that called herd_curses_open.
#ifndef HERD_CNCURSES_H
#define HERD_CNCURSES_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// The version of the ncurses library this process runs with, such as "ncurses 6.4.20221231"; lives forever.
const char *herd_ncurses_version(void);

// --- The screen

/// One cell: a scalar of one column, a colour pair, attributes.
typedef struct {
  uint32_t scalar;
  uint16_t pair;
  uint16_t attributes; // HERD_REVERSE | ...
} herd_cell;
enum { HERD_REVERSE = 1, HERD_BOLD = 2, HERD_DIM = 4, HERD_UNDERLINE = 8 };

/// Takes the locale of the environment, or C.UTF-8 where that names none or one that is not installed. True when its
/// characters are UTF-8 and "●" takes one column there.
bool herd_locale_is_utf8(void);

/// Opens the terminal behind `fd` as `term` (NULL: $TERM) and switches it to full screen. False when that can't be done.
bool herd_curses_open(int fd, const char *term);
/// Gives the terminal back, unless somebody else has it.
void herd_curses_close(void);
/// Leaves full screen for a while, and comes back to it with everything painted anew.
void herd_curses_suspend(void);
void herd_curses_resume(void);
/// Says that another job has taken the terminal without being given it: nothing is sent until it is resumed.
void herd_curses_lose(void);
/// Whether what is sent now lands on our full screen.
bool herd_curses_is_on_screen(void);
/// Whether the process's job is the one in the foreground of the terminal behind `fd`. Safe in signal handlers.
bool herd_terminal_is_ours(int fd);
/// Whether the terminal reports clicks, and what makes it report pasted text like typed text again (NULL: nothing).
bool herd_curses_has_mouse(void);
const char *herd_curses_paste_end(void);

/// The size the system reports for the terminal, which curses is told as well.
void herd_curses_measure(int *columns, int *rows);

/// Puts `count` cells at row `y`, column `x`.
void herd_curses_put(int y, int x, const herd_cell *cells, int count);
/// Shows the cursor at a place; a negative row hides it.
void herd_curses_set_cursor(int y, int x);
/// Sends what changed to the terminal.
void herd_curses_flush(void);
/// Makes the next flush send everything.
void herd_curses_repaint(void);

// --- Colours

/// How many colours there are; 0 on terminals without.
int herd_curses_colors(void);
/// Whether a colour's number is its 0xRRGGBB.
bool herd_curses_is_direct_color(void);
/// The pair of two colours, -1 being the terminal's own; 0 when there is none. Never call it without colours.
int herd_curses_pair(int foreground, int background);

// --- Input

enum {
  HERD_INPUT_NONE = 0,
  HERD_INPUT_SCALAR,  // value: a scalar, also a control
  HERD_INPUT_KEY,     // value: HERD_KEY_*
  HERD_INPUT_CLICK,   // x, y
  HERD_INPUT_WHEEL,   // x, y; value: notches, down positive
  HERD_INPUT_PASTE_BEGIN, // what comes until HERD_INPUT_PASTE_END was pasted, not typed
  HERD_INPUT_PASTE_END,
};
enum {
  HERD_KEY_UP = 1, HERD_KEY_DOWN, HERD_KEY_LEFT, HERD_KEY_RIGHT, HERD_KEY_PAGE_UP, HERD_KEY_PAGE_DOWN,
  HERD_KEY_HOME, HERD_KEY_END, HERD_KEY_ENTER, HERD_KEY_BACK_TAB, HERD_KEY_BACKSPACE, HERD_KEY_DELETE,
  HERD_KEY_F0 = 100, // HERD_KEY_F0 + n is Fn
};
typedef struct {
  int kind;
  int value;
  int x, y;
} herd_input;

/// The next thing that was typed or clicked, without waiting.
herd_input herd_curses_next_input(void);

// --- The crash guard: safe from any thread and in signal handlers

/// Remembers the modes of the terminal behind `fd` as they are before the screen is opened.
void herd_guard_remember_modes(int fd);
/// Remembers how to give the terminal back: `fd` is the terminal, `out` and `err` are copies of the descriptors that 1
/// and 2 were, `captured` is the reading end of what they are now; -1 where there is none. Call it after the screen is open.
void herd_guard_arm(int fd, int out, int err, int captured);
/// Forgets it; waits for a thread that gives the terminal back right now.
void herd_guard_disarm(void);
/// Says that this thread is about to send to the terminal; false when it has been given back, and nothing may be sent.
bool herd_guard_begin_drawing(void);
void herd_guard_end_drawing(void);
/// Reads like read(2) what was captured, and keeps the end of it for a crash right behind it. One thread only.
long herd_guard_read_captured(int fd, char *buffer, size_t size);
/// Gives the terminal back at once, if it is armed; the second time only waits until that is done.
void herd_guard_restore(void);
/// Restores the terminal before the process dies of ILL, TRAP, ABRT, SEGV, BUS, FPE, QUIT, and then lets it die as it would
/// have.
void herd_guard_install_handlers(void);
/// Puts the handlers from before back.
void herd_guard_remove_handlers(void);
/// Gives the calling thread a stack for signal handlers, so that an overflow of its own can be handled.
void herd_guard_use_alternate_stack(void);

// --- Jobs

/// Writes a byte to `fd` whenever the terminal's size has changed (w), the process was continued (c), or is asked to stop
/// (t). Call it before the screen is opened: curses would take care of stops itself, on any thread.
void herd_watch_terminal(int fd);
/// Ends that; `fd` may be closed then.
void herd_unwatch_terminal(void);
/// Stops the process, or its whole job, as ^Z does; returns when it is continued, or at once where no shell would do that.
void herd_stop_job(bool whole_job);

/// A pipe whose ends block nobody and are not inherited, with room for `bytes` if the system allows it (0: as it is).
/// False with errno set when there is none.
bool herd_open_pipe(int *reading, int *writing, int bytes);
/// Makes standard output write line by line.
void herd_buffer_output_by_line(void);

/// What process lists call `thread`; 15 characters.
void herd_name_thread(pthread_t thread, const char *name);
/// Waits for the end of `thread`, so long at most; false when it goes on.
bool herd_join_thread(pthread_t thread, int milliseconds);

#endif
