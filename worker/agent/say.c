/* SPDX-License-Identifier: Apache-2.0
 *
 * What the agent says on standard error, and the reason of its end. See say.h.
 */
#include "worker/agent/say.h"
#include "proto/terminal_text.h"
#include "proto/text_cut.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

uint64_t agent_clock_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static void log_line(const char *kind, const char *format, va_list list)
{
    char text[1024], shown[TERMINAL_TEXT_ROOM(sizeof(text))];

    terminal_text(shown, sizeof(shown), text, text_format(text, sizeof(text), format, list), 0);
    fprintf(stderr, "belt worker: %s%s\n", kind, shown);
}

void agent_log(const struct agent *agent, const char *format, ...)
{
    va_list list;

    if (agent->options->quiet)
        return;
    va_start(list, format);
    log_line("", format, list);
    va_end(list);
}

void agent_say(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    log_line("", format, list);
    va_end(list);
}

void agent_warn(const struct agent *agent, const char *format, ...)
{
    va_list list;

    (void)agent;
    va_start(list, format);
    log_line("warning: ", format, list);
    va_end(list);
}

void agent_fail(struct agent *agent, int rc, const char *format, ...)
{
    va_list list;

    if (agent->done)
        return;
    agent->done = true;
    agent->rc = rc;
    if (!agent->error || agent->error_size == 0)
        return;
    va_start(list, format);
    text_format(agent->error, agent->error_size, format, list);
    va_end(list);
}
