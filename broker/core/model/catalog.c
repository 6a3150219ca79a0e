/* SPDX-License-Identifier: Apache-2.0
 *
 * Jobs in the order of their ids, and by what people call them (PROTOCOL.md
 * §5.5). A look-up costs the same beside ten jobs and beside many thousands.
 */
#include "broker/core/model/catalog.h"
#include "broker/core/model/account.h"

#include <string.h>

/* Ids of durable and of volatile jobs grow each for themselves: within a list a new job is the last, or near it. */
void catalog_add(struct core *core, struct job *job)
{
    struct job **list = &core->jobs.catalog[job->options.durable], *before = *list ? (*list)->catalog_prev : NULL;
    while (before && before->id > job->id)
        before = before == *list ? NULL : before->catalog_prev;
    if (before)
        DL_APPEND_ELEM2(*list, before, job, catalog_prev, catalog_next);
    else
        DL_PREPEND2(*list, job, catalog_prev, catalog_next);
}

void catalog_remove(struct core *core, struct job *job)
{
    DL_DELETE2(core->jobs.catalog[job->options.durable], job, catalog_prev, catalog_next);
}

struct catalog_place catalog_from(struct core *core, uint64_t after)
{
    struct catalog_place place = {{core->jobs.catalog[0], core->jobs.catalog[1]}};
    struct job *job = after ? catalog_find(core, after) : NULL;
    if (job)
        place.at[job->options.durable] = job;
    for (int i = 0; i < 2; i++)
        while (place.at[i] && place.at[i]->id <= after)
            place.at[i] = place.at[i]->catalog_next;
    return place;
}

struct job *catalog_next(struct catalog_place *place)
{
    int first = !place->at[0] || (place->at[1] && place->at[1]->id < place->at[0]->id);
    struct job *job = place->at[first];
    if (job)
        place->at[first] = job->catalog_next;
    return job;
}

static bool starts_with(struct belt_bytes text, const char *start)
{
    size_t len = strlen(start);
    return text.len >= len && memcmp(text.data, start, len) == 0;
}

/* True: the text is digits. What is more than an id can be is 0: there is no such job. */
static bool read_id(struct belt_bytes text, uint64_t *id)
{
    uint64_t value = 0;
    bool over = false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        over |= value > (UINT64_MAX - 9) / 10;
        value = value * 10 + (uint64_t)(text.data[i] - '0');
    }
    *id = over ? 0 : value;
    return text.len > 0;
}

struct catalog_name catalog_name(struct belt_bytes text)
{
    struct catalog_name name = {.key = text};
    struct belt_bytes digits = text;
    if (starts_with(text, "#"))
        digits = (struct belt_bytes){text.data + 1, text.len - 1};
    name.is_id = read_id(digits, &name.id);
    if (!name.is_id && starts_with(text, "key:"))
        name.key = (struct belt_bytes){text.data + 4, text.len - 4};
    return name;
}

struct job *catalog_of_key(struct core *core, struct account *account, struct belt_bytes key)
{
    struct job *job = NULL, *keys = *account_keys(core, account);
    if (key.len)
        HASH_FIND(by_key, keys, key.data, (unsigned)key.len, job);
    return job;
}

struct job *catalog_find(struct core *core, uint64_t id)
{
    struct job *job = NULL;
    HASH_FIND(by_id, core->jobs.by_id, &id, sizeof(id), job);
    return job;
}
