// SPDX-License-Identifier: Apache-2.0

#define _XOPEN_SOURCE_EXTENDED 1
#define _GNU_SOURCE 1
#define NCURSES_WIDECHAR 1

#include "CNcurses.h"

#if __has_include(<ncursesw/curses.h>)
#include <ncursesw/curses.h>
#elif __has_include(<curses.h>)
#include <curses.h>
#else
#error "ncurses headers not found: install the package libncurses-dev (make deps does)"
#endif

#ifndef NCURSES_VERSION
#error "curses.h is not that of ncurses: install the package libncurses-dev"
#endif

#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

const char *herd_ncurses_version(void) { return curses_version(); }

// --- The screen

static SCREEN *screen;
static FILE *tty_in, *tty_out;
static int tty_fd = -1;
/// What the terminal was last told of its cursor; -1 when that is not known.
static int cursor_visibility = -1;
/// Whether what is sent now lands on our full screen, rather than on the shell's.
static atomic_bool is_on_screen;
/// What makes the terminal say where pasted text begins and ends; NULL where it can't.
static const char *paste_begin, *paste_end;
enum { KEY_OF_PASTE_BEGIN = KEY_MAX + 1, KEY_OF_PASTE_END = KEY_MAX + 2 };

// The value of the first variable that says how characters are written; NULL when none does.
static const char *locale_asked(void) {
  static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    const char *value = getenv(names[i]);
    if (value && *value) return value;
  }
  return NULL;
}

// Whether a locale's name, as in "de_DE.iso88591@euro", asks for characters that are not UTF-8.
static bool is_other_codeset(const char *name) {
  const char *codeset = strchr(name, '.');
  if (!codeset) return false;
  return strncasecmp(codeset + 1, "UTF-8", 5) != 0 && strncasecmp(codeset + 1, "UTF8", 4) != 0;
}

bool herd_locale_is_utf8(void) {
  const char *asked = locale_asked();
  if (!asked || (!setlocale(LC_ALL, "") && !setlocale(LC_CTYPE, ""))) {
    // Nobody has said, or what was said is not installed here: nearly every terminal takes UTF-8 today.
    if (asked && is_other_codeset(asked)) return false;
    if (!setlocale(LC_CTYPE, "C.UTF-8")) return false;
  }
  const char *codeset = nl_langinfo(CODESET);
  return codeset && strcmp(codeset, "UTF-8") == 0 && wcwidth(L'\u25CF') == 1;
}

static void close_files(void) {
  if (tty_in) fclose(tty_in);
  if (tty_out) fclose(tty_out);
  tty_in = tty_out = NULL;
  tty_fd = -1;
}

static const char *capability(const char *name) {
  const char *text = tigetstr(name);
  return text == (const char *)-1 ? NULL : text;
}

bool herd_curses_has_mouse(void) { return screen && capability("kmous"); }
const char *herd_curses_paste_end(void) { return paste_end; }
bool herd_curses_is_on_screen(void) { return atomic_load(&is_on_screen); }

static void send_text(const char *text) {
  if (text && write(tty_fd, text, strlen(text)) < 0) return; // it merely does not paste as text
}

// Marks around pasted text. Descriptions of terminals seldom name them; what reports a mouse knows them, or ignores them.
static void expect_pastes(void) {
  bool is_likely = herd_curses_has_mouse();
  paste_begin = capability("BE") ? capability("BE") : is_likely ? "\033[?2004h" : NULL;
  paste_end = capability("BD") ? capability("BD") : is_likely ? "\033[?2004l" : NULL;
  if (!paste_begin || !paste_end) paste_begin = paste_end = NULL;
  define_key("\033[200~", KEY_OF_PASTE_BEGIN);
  define_key("\033[201~", KEY_OF_PASTE_END);
}

bool herd_curses_open(int fd, const char *term) {
  int in = dup(fd), out = dup(fd);
  tty_in = in >= 0 ? fdopen(in, "r") : NULL;
  tty_out = out >= 0 ? fdopen(out, "w") : NULL;
  if (!tty_in || !tty_out) {
    close_files();
    return false;
  }
  set_escdelay(25); // milliseconds until a lone escape is taken for the key
  screen = newterm(term, tty_out, tty_in);
  if (!screen) {
    close_files();
    return false;
  }
  tty_fd = fd;
  set_term(screen);
  raw();
  noecho();
  nonl();
  keypad(stdscr, TRUE);
  nodelay(stdscr, TRUE);
  leaveok(stdscr, TRUE);
  curs_set(0);
  cursor_visibility = 0;
  if (has_colors()) {
    start_color();
    use_default_colors();
  }
  // Clicks and the wheel; no motion. An interval of 0 makes a press a press at once.
  mouseinterval(0);
  mousemask(BUTTON1_PRESSED | BUTTON4_PRESSED | BUTTON5_PRESSED, NULL);
  expect_pastes();
  send_text(paste_begin);
  atomic_store(&is_on_screen, true);
  return true;
}

// Back to the shell's screen and modes.
static void give_back(void) {
  send_text(paste_end);
  endwin();
}

void herd_curses_close(void) {
  if (!screen) return;
  // Only what is ours: the crash guard may have given it back, or the shell have it.
  if (atomic_load(&is_on_screen) && herd_guard_begin_drawing()) {
    mousemask(0, NULL);
    give_back();
    herd_guard_end_drawing();
  }
  atomic_store(&is_on_screen, false);
  delscreen(screen);
  screen = NULL;
  close_files();
}

void herd_curses_suspend(void) {
  if (!screen || !atomic_load(&is_on_screen) || !herd_guard_begin_drawing()) return;
  give_back();
  atomic_store(&is_on_screen, false);
  herd_guard_end_drawing();
}

void herd_curses_lose(void) { atomic_store(&is_on_screen, false); }

void herd_curses_resume(void) {
  if (!screen || !herd_guard_begin_drawing()) return;
  // When it was taken without being given back, this leaves nothing to chance.
  if (!isendwin()) give_back();
  atomic_store(&is_on_screen, true);
  reset_prog_mode();
  raw();
  noecho();
  nonl();
  cursor_visibility = -1;
  clearok(curscr, TRUE);
  refresh();
  send_text(paste_begin);
  herd_guard_end_drawing();
}

void herd_curses_measure(int *columns, int *rows) {
  struct winsize size = {0};
  int height = 24, width = 80;
  if (screen) getmaxyx(stdscr, height, width);
  if (tty_fd >= 0 && ioctl(tty_fd, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0) {
    if (screen && (size.ws_row != height || size.ws_col != width)) {
      resize_term(size.ws_row, size.ws_col);
      clearok(curscr, TRUE);
    }
    height = size.ws_row;
    width = size.ws_col;
  }
  *columns = width;
  *rows = height;
}

static attr_t attributes_of(uint16_t bits) {
  attr_t attributes = A_NORMAL;
  if (bits & HERD_REVERSE) attributes |= A_REVERSE;
  if (bits & HERD_BOLD) attributes |= A_BOLD;
  if (bits & HERD_DIM) attributes |= A_DIM;
  if (bits & HERD_UNDERLINE) attributes |= A_UNDERLINE;
  return attributes;
}

void herd_curses_put(int y, int x, const herd_cell *cells, int count) {
  if (!screen) return;
  enum { run = 256 };
  cchar_t line[run];
  for (int start = 0; start < count; start += run) {
    int length = count - start < run ? count - start : run;
    for (int i = 0; i < length; i++) {
      const herd_cell *cell = &cells[start + i];
      wchar_t text[2] = {(wchar_t)cell->scalar, 0};
      int pair = cell->pair;
      if (setcchar(&line[i], text, attributes_of(cell->attributes), (short)pair, &pair) == ERR) {
        text[0] = L'?';
        setcchar(&line[i], text, A_NORMAL, 0, NULL);
      }
    }
    mvadd_wchnstr(y, x + start, line, length);
  }
}

// Sends at once, so only when it changes.
static void set_cursor_visibility(int visibility) {
  if (visibility == cursor_visibility || !herd_guard_begin_drawing()) return;
  curs_set(visibility);
  cursor_visibility = visibility;
  herd_guard_end_drawing();
}

void herd_curses_set_cursor(int y, int x) {
  if (!screen) return;
  if (y < 0) {
    leaveok(stdscr, TRUE);
    set_cursor_visibility(0);
  } else {
    leaveok(stdscr, FALSE);
    move(y, x);
    set_cursor_visibility(1);
  }
}

void herd_curses_flush(void) {
  if (!screen || !herd_guard_begin_drawing()) return;
  refresh();
  herd_guard_end_drawing();
}

void herd_curses_repaint(void) {
  if (screen) clearok(curscr, TRUE);
}

// --- Colours

int herd_curses_colors(void) { return screen && has_colors() ? COLORS : 0; }
bool herd_curses_is_direct_color(void) { return screen && has_colors() && tigetflag("RGB") == 1; }

int herd_curses_pair(int foreground, int background) {
  if (!screen || !has_colors()) return 0;
  int pair = alloc_pair(foreground, background);
  return pair > 0 && pair <= UINT16_MAX ? pair : 0;
}

// --- Input

static int key_of(int code) {
  if (code >= KEY_F(1) && code <= KEY_F(12)) return HERD_KEY_F0 + (code - KEY_F(0));
  switch (code) {
  case KEY_UP: return HERD_KEY_UP;
  case KEY_DOWN: return HERD_KEY_DOWN;
  case KEY_LEFT: return HERD_KEY_LEFT;
  case KEY_RIGHT: return HERD_KEY_RIGHT;
  case KEY_PPAGE: return HERD_KEY_PAGE_UP;
  case KEY_NPAGE: return HERD_KEY_PAGE_DOWN;
  case KEY_HOME: return HERD_KEY_HOME;
  case KEY_END: return HERD_KEY_END;
  case KEY_ENTER: return HERD_KEY_ENTER;
  case KEY_BTAB: return HERD_KEY_BACK_TAB;
  case KEY_BACKSPACE: return HERD_KEY_BACKSPACE;
  case KEY_DC: return HERD_KEY_DELETE;
  default: return 0;
  }
}

static herd_input mouse_input(void) {
  MEVENT event;
  herd_input input = {HERD_INPUT_NONE, 0, 0, 0};
  if (getmouse(&event) != OK) return input;
  input.x = event.x;
  input.y = event.y;
  if (event.bstate & BUTTON1_PRESSED) {
    input.kind = HERD_INPUT_CLICK;
  } else if (event.bstate & BUTTON4_PRESSED) {
    input.kind = HERD_INPUT_WHEEL;
    input.value = -1;
  } else if (event.bstate & BUTTON5_PRESSED) {
    input.kind = HERD_INPUT_WHEEL;
    input.value = 1;
  }
  return input;
}

herd_input herd_curses_next_input(void) {
  herd_input input = {HERD_INPUT_NONE, 0, 0, 0};
  // What is neither known nor meant for us is skipped, not taken for the end of input.
  for (int skipped = 0; screen && skipped < 64; skipped++) {
    wint_t value = 0;
    int kind = get_wch(&value);
    if (kind == ERR) return input;
    if (kind == OK) {
      input.kind = HERD_INPUT_SCALAR;
      input.value = (int)value;
      return input;
    }
    if (value == KEY_OF_PASTE_BEGIN || value == KEY_OF_PASTE_END) {
      input.kind = value == KEY_OF_PASTE_BEGIN ? HERD_INPUT_PASTE_BEGIN : HERD_INPUT_PASTE_END;
      return input;
    }
    if (value == KEY_MOUSE) {
      input = mouse_input();
      if (input.kind != HERD_INPUT_NONE) return input;
      continue;
    }
    int key = key_of((int)value);
    if (key) {
      input.kind = HERD_INPUT_KEY;
      input.value = key;
      return input;
    }
  }
  return input;
}

// --- What Swift can't reach by itself

bool herd_open_pipe(int *reading, int *writing, int bytes) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return false;
  if (bytes > 0) (void)fcntl(ends[1], F_SETPIPE_SZ, bytes);
  *reading = ends[0];
  *writing = ends[1];
  return true;
}

void herd_buffer_output_by_line(void) { setvbuf(stdout, NULL, _IOLBF, 0); }
