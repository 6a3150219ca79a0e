/* SPDX-License-Identifier: Apache-2.0
 *
 * Which variables a command from the network gets.
 */
#include "worker/agent/environment.h"

#include <criterion/criterion.h>

static const char *const keep[] = {"DATA_DIR"};

Test(environment, what_a_program_needs_passes)
{
    static const char *const passes[] = {"PATH=/bin", "HOME=/", "USER=a", "LOGNAME=a",   "SHELL=/bin/sh", "LANG=C",
                                         "LC_ALL=C",  "TZ=UTC", "TERM=",  "TMPDIR=/tmp", "DATA_DIR=/data"};

    for (size_t i = 0; i < sizeof(passes) / sizeof(*passes); i++)
        cr_expect(environment_passes(passes[i], keep, 1), "%s", passes[i]);
}

Test(environment, nothing_else_passes)
{
    static const char *const stays[] = {
        "AWS_SECRET_ACCESS_KEY=x", "BELT_ACCESS=/a", "PATHS=x", "PAT=x", "DATA_DIR2=x", "LD_PRELOAD=x", "=x", ""};

    for (size_t i = 0; i < sizeof(stays) / sizeof(*stays); i++)
        cr_expect_not(environment_passes(stays[i], keep, 1), "%s", stays[i]);
    cr_expect_not(environment_passes("DATA_DIR=/data", NULL, 0));
}
