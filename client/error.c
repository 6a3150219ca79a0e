/* SPDX-License-Identifier: Apache-2.0
 *
 * The last failure of each thread, in one sentence.
 */
#include "client/error.h"

#include "proto/text_cut.h"

#include <belt/belt.h>
#include <stdarg.h>
#include <stdio.h>

static _Thread_local char last[1024] = "no call of libbelt has failed in this thread";

int client_error(int code, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    text_format(last, sizeof(last), format, arguments);
    va_end(arguments);
    return code;
}

const char *belt_error_text(void)
{
    return last;
}

const char *belt_version(void)
{
    return BELT_VERSION;
}
