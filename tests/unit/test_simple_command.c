/* SPDX-License-Identifier: Apache-2.0
 *
 * Which command lines the shell may replace itself by.
 */
#include "worker/agent/simple_command.h"

#include <criterion/criterion.h>

Test(simple_command, programs_with_arguments)
{
    static const char *const lines[] = {"python3 handler.py",
                                        "  ./analyze --fast -n 3",
                                        "/usr/bin/env python3 -c 'import x; x.y(1)'",
                                        "awk \"{ print }\" \\; x",
                                        "cat <input >output 2>errors",
                                        "g++ $FLAGS \"${HOME}/x.c\" *.h",
                                        "cat"};

    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
        cr_expect(command_is_simple(lines[i]), "%s", lines[i]);
}

Test(simple_command, everything_else_needs_the_shell)
{
    static const char *const lines[] = {
        "",          "   ",       "a; b",       "a && b",        "a | b",   "a &",       "a\nb",
        "(a)",       "{ a; }",    "! a",        "cd work",       "echo x",  "exec a",    "while a",
        ". ./x",     "X=1 a",     "$PROGRAM x", "'a b' c",       "~/bin/x", "a $(b; c)", "a `b`",
        "cat <<END", "cat <<< x", "a <(b)",     "a 'unfinished", "a \\",    "a*b c",     "f() x"};

    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
        cr_expect_not(command_is_simple(lines[i]), "%s", lines[i]);
}
