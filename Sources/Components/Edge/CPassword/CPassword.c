// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "CPassword.h"

#include <crypt.h>
#include <stdlib.h>
#include <string.h>

int herd_password_matches(const char *password, const char *hash) {
    // 32 KB: more than a thread's stack should give.
    struct crypt_data *data = calloc(1, sizeof *data);
    if (data == NULL) return -1;
    const char *computed = crypt_r(password, hash, data);
    int result = -1;
    // Failures are "*0" or "*1", which no hash begins with.
    if (computed != NULL && computed[0] != '*') {
        size_t count = strlen(hash);
        unsigned char difference = 0;
        if (strlen(computed) == count) {
            for (size_t i = 0; i < count; i++) difference |= (unsigned char)(computed[i] ^ hash[i]);
            result = difference == 0;
        }
    }
    explicit_bzero(data, sizeof *data);
    free(data);
    return result;
}
