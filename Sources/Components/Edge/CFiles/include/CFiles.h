// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdint.h>

/// Tells the system to begin writing `count` bytes from `offset` on to the disk, without waiting for it. A hint: without
/// effect where the system has no such call. (Swift's C library module lacks it.)
void herd_begin_writeback(int descriptor, int64_t offset, int64_t count);
