/* SPDX-License-Identifier: Apache-2.0
 *
 * Readers of a job: under which name one reads, which session reads as it, and where it stands.
 */
#include "broker/core/life/reader.h"
#include "broker/core/journal/durable.h"
#include "broker/core/model/account.h"
#include "broker/core/model/attend.h"
#include "broker/core/model/mark.h"
#include "broker/core/model/name.h"
#include "broker/core/policy/budget.h"

#include <stdlib.h>

struct reader *reader_find(struct core *core, uint64_t id)
{
    struct reader *reader = NULL;
    HASH_FIND(hh, core->readers.by_id, &id, sizeof(id), reader);
    return reader;
}

struct reader *reader_new(struct core *core, struct job *job, struct account *account, struct belt_bytes name,
                          uint8_t mode, uint64_t acked)
{
    struct reader *reader = calloc(1, sizeof(*reader));
    if (!reader)
        abort();
    reader->id = ++core->readers.last_id;
    reader->job = job;
    reader->account = account_hold(account);
    reader->mode = mode;
    name_copy(reader->name, sizeof(reader->name), name);
    HASH_ADD(hh, core->readers.by_id, id, sizeof(reader->id), reader);
    reader->acked = reader->sent = acked;
    DL_APPEND(job->readers.first, reader);
    budget_fixed(core, job, READER_COST);
    job->readers.count++;
    job->readers.was_read = true;
    mark_job(core, job);
    return reader;
}

struct reader *reader_by_name(struct job *job, const struct account *account, struct belt_bytes name)
{
    struct reader *reader;
    DL_FOREACH (job->readers.first, reader)
        if (reader->account == account && name_equals(reader->name, name))
            return reader;
    return NULL;
}

struct reader *reader_of_anybody(struct job *job, struct belt_bytes name)
{
    struct reader *reader;
    DL_FOREACH (job->readers.first, reader)
        if (name_equals(reader->name, name))
            return reader;
    return NULL;
}

void reader_seat(struct core *core, struct reader *reader, struct session *session)
{
    if (reader->session)
        DL_DELETE2(reader->session->readers, reader, session_prev, session_next);
    if (session && reader->session != session)
        reader->seated_ms = core->now;
    reader->session = session;
    if (session)
        DL_APPEND2(session->readers, reader, session_prev, session_next);
    attend_note(core, reader->job);
}

void reader_free(struct core *core, struct reader *reader)
{
    struct job *job = reader->job;
    list_remove(&reader->marked);
    durable_reader_gone(core, reader);
    reader_seat(core, reader, NULL);
    DL_DELETE(job->readers.first, reader);
    budget_fixed(core, job, -READER_COST);
    job->readers.count--;
    HASH_DELETE(hh, core->readers.by_id, reader);
    account_drop(core, reader->account);
    free(reader);
}

void reader_free_all(struct core *core, struct job *job)
{
    while (job->readers.first)
        reader_free(core, job->readers.first);
}
