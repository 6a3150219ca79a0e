/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether an outcome counts. Pure. See doubt.h.
 */
#include "worker/table/doubt.h"

#include <signal.h>

void doubt_signalled(struct doubt *doubt, uint64_t now)
{
    if (doubt->signalled)
        return;
    doubt->signalled = true;
    doubt->signalled_us = now;
}

void doubt_shared(struct doubt *doubt)
{
    doubt->shared = true;
}

void doubt_warned(struct doubt *doubt, uint64_t now)
{
    doubt->warned = true;
    doubt->warned_us = now;
}

uint64_t doubt_hold(enum doubt_kind kind, uint64_t service_us)
{
    uint64_t hold = service_us / DOUBT_SHARE;

    if (kind == DOUBT_FUNCTION)
        return 0;
    if (hold > DOUBT_US)
        return DOUBT_US;
    if (hold < DOUBT_LEAST_US) /* short tasks of a persistent slot follow each other much faster */
        return kind == DOUBT_COMMAND ? DOUBT_LEAST_US : 0;
    return hold;
}

/* So long before the signal an end is in doubt. */
static uint64_t margin(const struct doubt *doubt, uint64_t hold_us)
{
    bool recent = doubt->warned && doubt->warned_us + DOUBT_WARNED_US > doubt->signalled_us;

    return recent ? DOUBT_WARNED_BACK_US : hold_us;
}

uint64_t doubt_due(const struct doubt *doubt, uint64_t ended_us, uint64_t hold_us)
{
    uint64_t due = ended_us + hold_us;

    if (doubt->warned && ended_us >= doubt->warned_us && due < doubt->warned_us + DOUBT_WARNED_US)
        due = doubt->warned_us + DOUBT_WARNED_US;
    if (doubt->signalled && ended_us > doubt->signalled_us && due < doubt->signalled_us + DOUBT_SHARED_US)
        due = doubt->signalled_us + DOUBT_SHARED_US;
    return due;
}

enum doubt_verdict doubt_verdict(const struct doubt *doubt, uint64_t now, uint64_t ended_us, uint64_t hold_us)
{
    if (doubt->signalled) {
        uint64_t from = doubt->signalled_us;
        bool near = ended_us + margin(doubt, hold_us) >= from && ended_us <= from + hold_us;
        if (near || (doubt->shared && ended_us > from))
            return DOUBT_CUT;
    }
    return now < doubt_due(doubt, ended_us, hold_us) ? DOUBT_WAITS : DOUBT_COUNTS;
}

bool doubt_status(int exit_status, int term_signal)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP};

    for (unsigned i = 0; i < sizeof(signals) / sizeof(*signals); i++)
        if (term_signal == signals[i] || (term_signal == 0 && exit_status == 128 + signals[i]))
            return true;
    return false;
}
