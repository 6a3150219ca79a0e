/* SPDX-License-Identifier: Apache-2.0
 *
 * The reason of the last failure of each thread. See error.h.
 */
#include "proto/error.h"
#include "proto/text_cut.h"

#include <stdarg.h>
#include <stddef.h>

static _Thread_local char last[1024] = "no call of libbelt has failed in this thread";

int belt_error_set(int code, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    text_format(last, sizeof(last), format, arguments);
    va_end(arguments);
    return code;
}

const char *belt_error_last(void)
{
    return last;
}
