// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "CFiles.h"

#include <fcntl.h>
#include <sys/uio.h>

void herd_begin_writeback(int descriptor, int64_t offset, int64_t count) {
#ifdef SYNC_FILE_RANGE_WRITE
    (void)sync_file_range(descriptor, offset, count, SYNC_FILE_RANGE_WRITE);
#else
    (void)descriptor;
    (void)offset;
    (void)count;
#endif
}

bool herd_is_in_memory(int descriptor, int64_t offset) {
#ifdef RWF_NOWAIT
    char byte;
    struct iovec into = {.iov_base = &byte, .iov_len = 1};
    return preadv2(descriptor, &into, 1, offset, RWF_NOWAIT) == 1;
#else
    (void)descriptor;
    (void)offset;
    return false;
#endif
}
