// SPDX-License-Identifier: Apache-2.0

// What Herd uses of ncurses (the wide-character build), reachable from Swift.
#ifndef HERD_CNCURSES_H
#define HERD_CNCURSES_H

#define _XOPEN_SOURCE_EXTENDED 1
#define NCURSES_WIDECHAR 1
#define NCURSES_NOMACROS 1

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

/// The version of the ncurses library this process runs with, such as "ncurses 6.4.20221231"; lives forever.
const char *herd_ncurses_version(void);

#endif
