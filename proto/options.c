/* SPDX-License-Identifier: Apache-2.0
 *
 * Option structs of other versions of the header. See options.h.
 */
#include "proto/options.h"

#include "proto/error.h"

#include <belt/belt.h>
#include <string.h>

int belt_options_read(void *known, size_t known_size, const void *given, const char *init)
{
    const unsigned char *bytes = given;
    size_t size;

    if (!given)
        return BELT_OK;
    memcpy(&size, given, sizeof(size));
    if (size < sizeof(size) || size > known_size + CLIENT_OPTIONS_NEWER_MAX)
        return belt_error_set(BELT_INVALID, "the options were not begun with %s: their size is %zu bytes", init, size);
    for (size_t i = known_size; i < size; i++)
        if (bytes[i] != 0)
            return belt_error_set(BELT_BAD_OPTION,
                                  "an option is set that libbelt " BELT_VERSION " does not know (byte %zu of %zu, %zu "
                                  "are known): install the libbelt that the program was built for, or leave it unset",
                                  i, size, known_size);
    memcpy(known, given, size < known_size ? size : known_size);
    memcpy(known, &known_size, sizeof(known_size));
    return BELT_OK;
}

bool belt_options_unset(const void *given, size_t known, size_t size)
{
    const unsigned char *bytes = given;

    while (known < size && bytes[known] == 0)
        known++;
    return known >= size;
}

bool belt_options_write(void *given, const void *known, size_t known_size)
{
    size_t size;

    memcpy(&size, given, sizeof(size));
    if (size < sizeof(size) || size > known_size + CLIENT_OPTIONS_NEWER_MAX)
        return false;
    memset(given, 0, size);
    memcpy(given, known, size < known_size ? size : known_size);
    memcpy(given, &size, sizeof(size));
    return true;
}
