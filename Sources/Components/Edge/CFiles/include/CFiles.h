// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdbool.h>
#include <stdint.h>

/// Tells the system to begin writing `count` bytes from `offset` on to the disk, without waiting for it. A hint: without
/// effect where the system has no such call. (Swift's C library module lacks it.)
void herd_begin_writeback(int descriptor, int64_t offset, int64_t count);

/// Whether the byte at `offset` lies in memory, so that reading it does not wait for the disk. False, too, where the system or the
/// file system can't tell. (preadv2 with RWF_NOWAIT, which Swift's C library module lacks.)
bool herd_is_in_memory(int descriptor, int64_t offset);
