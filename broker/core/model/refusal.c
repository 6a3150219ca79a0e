/* SPDX-License-Identifier: Apache-2.0
 *
 * What peers were refused, for whoever reads the log: counted by code, and told in one line every ten seconds at the
 * most, so that a peer that is refused without end does not fill the disk.
 */
#include "broker/core/model/refusal.h"
#include "broker/core/model/mark.h"
#include "broker/core/model/update.h"

#include "proto/codes.h"
#include "proto/text_cut.h"

#include <stdio.h>

/* Not those that ordinary work brings along: a lost message, a job that ended meanwhile, a broker that drains. */
static bool is_told(unsigned code)
{
    return code == BELT_LIMIT || code == BELT_NOT_ALLOWED || code == BELT_BAD_MESSAGE || code == BELT_BAD_VERSION ||
           code == BELT_BAD_ROLE || code == BELT_BAD_OPTION || code == BELT_TOO_LARGE;
}

void refusal_note(struct core *core, const char *peer, unsigned code, struct belt_bytes text)
{
    struct refusals *refusals = &core->refusals;
    core->counts.refused += is_told(code);
    if (!core->config.tell_refusals || !is_told(code))
        return;
    refusals->counts[code]++;
    refusals->untold++;
    text_print(refusals->last, sizeof(refusals->last), "%s: %.*s", peer, TEXT_BYTES_UP_TO(text, 200));
    mark_alarm(core, core->now);
}

void refusal_tell(struct core *core)
{
    struct refusals *refusals = &core->refusals;
    uint64_t next = refusals->told_ms ? refusals->told_ms + BELT_REFUSALS_TOLD_MS : 0;
    char list[256] = "";
    int len = 0;
    if (!refusals->untold)
        return;
    if (core->now < next || core->out->notice) { /* a turn tells one thing */
        mark_alarm(core, core->now < next ? next : core->now + 1);
        return;
    }
    for (unsigned code = 0; code < REFUSAL_CODES; code++)
        if (refusals->counts[code] && len < (int)sizeof(list))
            len += snprintf(list + len, sizeof(list) - (size_t)len, "%s%s %llu", len ? ", " : "", belt_code_name(code),
                            (unsigned long long)refusals->counts[code]);
    update_notice(core, "refused %llu request%s of peers (%s); the last was of %s",
                  (unsigned long long)refusals->untold, refusals->untold == 1 ? "" : "s", list, refusals->last);
    *refusals = (struct refusals){.told_ms = core->now};
}
