/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether an outcome counts. Pure. See verdict.h.
 */
#include "worker/table/verdict.h"

#include <signal.h>

void verdict_signalled(struct verdict_signals *signals, uint64_t now)
{
    if (signals->signalled)
        return;
    signals->signalled = true;
    signals->signalled_us = now;
}

void verdict_shared(struct verdict_signals *signals)
{
    signals->shared = true;
}

void verdict_warned(struct verdict_signals *signals, uint64_t now)
{
    signals->warned = true;
    signals->warned_us = now;
}

uint64_t verdict_hold(enum verdict_kind kind, uint64_t service_us)
{
    uint64_t hold = service_us / VERDICT_SHARE;

    if (kind == VERDICT_FUNCTION)
        return 0;
    if (hold > VERDICT_US)
        return VERDICT_US;
    if (hold < VERDICT_LEAST_US) /* short tasks of a persistent slot follow each other much faster */
        return kind == VERDICT_COMMAND ? VERDICT_LEAST_US : 0;
    return hold;
}

/* So long before the signal an end is in doubt. */
static uint64_t margin(const struct verdict_signals *signals, uint64_t hold_us)
{
    bool recent = signals->warned && signals->warned_us + VERDICT_WARNED_US > signals->signalled_us;

    return recent ? VERDICT_WARNED_BACK_US : hold_us;
}

uint64_t verdict_due(const struct verdict_signals *signals, uint64_t ended_us, uint64_t hold_us)
{
    uint64_t due = ended_us + hold_us;

    if (signals->warned && ended_us >= signals->warned_us && due < signals->warned_us + VERDICT_WARNED_US)
        due = signals->warned_us + VERDICT_WARNED_US;
    if (signals->signalled && ended_us > signals->signalled_us && due < signals->signalled_us + VERDICT_SHARED_US)
        due = signals->signalled_us + VERDICT_SHARED_US;
    return due;
}

enum verdict verdict_of(const struct verdict_signals *signals, uint64_t now, uint64_t ended_us, uint64_t hold_us)
{
    if (signals->signalled) {
        uint64_t from = signals->signalled_us;
        bool near = ended_us + margin(signals, hold_us) >= from && ended_us <= from + hold_us;
        if (near || (signals->shared && ended_us > from))
            return VERDICT_INTERRUPTED;
    }
    return now < verdict_due(signals, ended_us, hold_us) ? VERDICT_WAITS : VERDICT_COUNTS;
}

bool verdict_status(int exit_status, int term_signal)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP};

    for (unsigned i = 0; i < sizeof(signals) / sizeof(*signals); i++)
        if (term_signal == signals[i] || (term_signal == 0 && exit_status == 128 + signals[i]))
            return true;
    return false;
}
