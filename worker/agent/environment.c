/* SPDX-License-Identifier: Apache-2.0
 *
 * Which variables of the worker a command from the network gets. Pure. See environment.h.
 */
#include "worker/agent/environment.h"

#include <stddef.h>
#include <string.h>

static const char *const plain[] = {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TMPDIR", "TERM"};

static bool is_one_of(const char *name, size_t len, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0)
            return true;
    return false;
}

bool environment_passes(const char *variable, const char *const *keep, uint32_t count)
{
    size_t len = strcspn(variable, "=");

    return strncmp(variable, "LC_", 3) == 0 || is_one_of(variable, len, plain, sizeof(plain) / sizeof(*plain)) ||
           is_one_of(variable, len, keep, count);
}
