// SPDX-License-Identifier: Apache-2.0
#pragma once

/// Whether `password` hashes to `hash`, which says with what settings, as crypt(5) has them: 1 if it does, 0 if not, -1 when
/// the hash can't be computed. Takes as long as its settings say, whatever the answer. The password is wiped from what this
/// call has allocated.
int herd_password_matches(const char *password, const char *hash);
