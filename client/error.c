/* SPDX-License-Identifier: Apache-2.0
 *
 * What a program asks of the library itself: its last error, its version.
 */
#include "proto/error.h"

#include <belt/belt.h>

const char *belt_error_text(void)
{
    return belt_error_last();
}

const char *belt_version(void)
{
    return BELT_VERSION;
}
