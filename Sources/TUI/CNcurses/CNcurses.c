// SPDX-License-Identifier: Apache-2.0

#include "CNcurses.h"

const char *herd_ncurses_version(void) { return curses_version(); }
