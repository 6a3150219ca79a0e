/* SPDX-License-Identifier: Apache-2.0
 *
 * Which names functions, readers and jobs may have. Pure. See name.h.
 */
#include "proto/name.h"
#include "proto/limits.h"

#include <ctype.h>
#include <string.h>

bool belt_name_valid(const char *name)
{
    size_t len = name ? strlen(name) : 0;

    if (len == 0 || len > BELT_MAX_NAME || name[0] == '-' || name[0] == '.')
        return false;
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)name[i]) && !strchr("._-", name[i]))
            return false;
    return true;
}

bool belt_key_valid(const char *key)
{
    size_t len = strlen(key);

    for (size_t i = 0; i < len; i++)
        if (key[i] < ' ' || key[i] > '~')
            return false;
    return len > 0 && len <= BELT_MAX_KEY;
}
