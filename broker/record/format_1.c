/* SPDX-License-Identifier: Apache-2.0
 *
 * See format_1.h. Nearly every record becomes one. Two things differ:
 *
 * - The mark of a job was two records in a row, PROGRESS and, for the inputs, ACCEPTED or OPENED: they become one. A
 *   store that was salvaged may have a PROGRESS alone; the bytes of the inputs are then summed up here.
 * - RESULTS held results and, as OK without an attempt, tasks whose results were taken: each run of the one or the
 * other becomes a record of its own. It needs a number, and so all that follow get higher ones.
 */
#include "broker/record/format_1.h"

#include "broker/record/record.h"
#include "proto/codec.h"
#include "proto/codec_pack.h"
#include "proto/codec_scan.h"
#include "proto/text_cut.h"

#include <stdlib.h>
#include <string.h>
#define uthash_fatal(msg) abort() /* as in the core: the supervisor starts us again */
#include <uthash.h>

#define LENGTH        4u /* of a frame, little endian */
#define OF_FAILED     ((uint64_t)1 << 63)
#define OF_HISTORY    ((uint64_t)1 << 62)
#define JOB_OF(value) ((value) & ~(OF_FAILED | OF_HISTORY))

/* What is known of the inputs of a job. */
struct inputs {
    uint64_t job, bytes;
    uint64_t digest_next; /* the digest is of the tasks below it; 0: it is not known */
    struct belt_digest digest;
    UT_hash_handle hh;
};

struct format_1 {
    struct store_upgrade base;
    struct belt_decoder *decoder;
    struct inputs *inputs; /* hash by job */
    uint64_t shift;        /* how much higher numbers are than they were */
    bool marked;           /* `mark` waits for its second half, which has the number after `mark_number` */
    uint64_t mark_number;
    struct core_record mark;
    struct belt_frames frames; /* of the record under way */
    struct belt_buf *whole;    /* of an OPEN: its header as it was; NULL: there is none */
    struct record_job own;     /* of an OPEN under way: what the broker had added to the options (owner and times) */
    store_put put;
    void *to;
};

static int fail(struct format_1 *f, int code, const char *why)
{
    text_print(f->base.error, sizeof(f->base.error), "%s", why);
    return code;
}

/* ---- reading ---- */

static int read_frames(struct format_1 *f, struct belt_bytes body)
{
    while (body.len) {
        size_t len = 0;
        for (unsigned i = 0; i < LENGTH && i < body.len; i++)
            len |= (size_t)body.data[i] << (8 * i);
        if (body.len < LENGTH || len > body.len - LENGTH || f->frames.count == BELT_MAX_FRAMES)
            return fail(f, BELT_BAD_MESSAGE, "its frames do not add up");
        struct belt_buf *frame = belt_buf_copy(body.data + LENGTH, len);
        if (!frame)
            return fail(f, BELT_NO_MEMORY, "out of memory");
        f->frames.frame[f->frames.count++] = frame;
        body.data += LENGTH + len;
        body.len -= LENGTH + len;
    }
    return f->frames.count ? BELT_OK : fail(f, BELT_BAD_MESSAGE, "it is empty");
}

/* An option of an OPEN whose key was read: those that were the broker's own are taken out. */
static bool take_own(struct format_1 *f, struct scanner *s, struct belt_bytes key, bool *taken)
{
    static const char opened_at[] = "opened_at", over_at[] = "over_at", owner[] = "owner";
    *taken = true;
    if (key.len == sizeof(opened_at) - 1 && !memcmp(key.data, opened_at, key.len))
        return scan_u64(s, opened_at, &f->own.opened_at);
    if (key.len == sizeof(over_at) - 1 && !memcmp(key.data, over_at, key.len))
        return scan_u64(s, over_at, &f->own.over_at);
    if (key.len == sizeof(owner) - 1 && !memcmp(key.data, owner, key.len))
        return scan_text(s, owner, &f->own.owner);
    *taken = false;
    return scan_skip(s, "options", BELT_MAX_DEPTH);
}

/* Copies the options but for those into `to`, behind their count. */
static bool copy_options(struct format_1 *f, struct scanner *s, struct packer *to)
{
    uint32_t count = 0, kept = 0;
    if (!scan_map(s, "options", BELT_MAX_OPTIONS, &count))
        return false;
    size_t head = to->len;
    to->len += 3; /* a map with 16 bits of count */
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *from = s->at;
        struct belt_bytes key;
        bool taken;
        if (!scan_bytes(s, "options", SCAN_STR, BELT_MAX_NAME, &key) || !take_own(f, s, key, &taken))
            return false;
        if (!taken)
            pack_raw(to, from, (size_t)(s->at - from));
        kept += !taken;
    }
    to->buf->data[head] = 0xde;
    to->buf->data[head + 1] = 0;
    to->buf->data[head + 2] = (uint8_t)kept;
    return s->at == s->end;
}

/* The protocol's OPEN, which the decoder knows, has no such options: they go from the header. */
static int take_own_options(struct format_1 *f)
{
    struct belt_buf *header = f->frames.frame[0];
    struct scanner s = {.at = header->data, .end = header->data + header->len, .message = "OPEN"};
    struct packer to = {.buf = belt_buf_new(header->len + 3)};
    bool good = to.buf && scan_tuple(&s, NULL, 6);
    f->own = (struct record_job){.opened_at = 0};
    for (unsigned i = 0; good && i < 5; i++)
        good = scan_skip(&s, NULL, 1);
    if (good)
        pack_raw(&to, header->data, (size_t)(s.at - header->data));
    if (!good || !copy_options(f, &s, &to)) {
        int rc = to.buf ? fail(f, BELT_BAD_MESSAGE, s.error[0] ? s.error : "bytes follow its options")
                        : fail(f, BELT_NO_MEMORY, "out of memory");
        belt_buf_unref(to.buf);
        return rc;
    }
    to.buf->len = to.len;
    f->whole = header; /* the owner's name lies in it */
    f->frames.frame[0] = to.buf;
    return BELT_OK;
}

static int read_message(struct format_1 *f, const struct store_record *old, struct belt_msg *msg)
{
    int rc = read_frames(f, old->body);
    if (rc == BELT_OK && old->kind == BELT_MSG_OPEN)
        rc = take_own_options(f);
    if (rc == BELT_OK && (rc = belt_decode(f->decoder, &f->frames, msg)) != BELT_OK)
        (void)fail(f, rc, belt_decoder_error(f->decoder));
    return rc;
}

/* ---- writing ---- */

static int emit(struct format_1 *f, const struct core_record *record)
{
    struct store_record row;
    struct belt_buf *body = record_pack(record, &row);
    if (!body)
        return fail(f, BELT_BAD_MESSAGE, "it is over a limit of the present format, or memory is out");
    int rc = f->put(f->to, &row);
    belt_buf_unref(body);
    return rc;
}

static struct core_record record_of(const struct format_1 *f, const struct store_record *old, enum record_kind kind)
{
    return (struct core_record){
        .op = CORE_PUT, .number = old->number + f->shift, .job = JOB_OF(old->job), .kind = (uint8_t)kind};
}

static struct inputs *inputs_of(struct format_1 *f, uint64_t job)
{
    struct inputs *inputs = NULL;
    HASH_FIND(hh, f->inputs, &job, sizeof(job), inputs);
    if (inputs || !(inputs = calloc(1, sizeof(*inputs))))
        return inputs;
    inputs->job = job;
    HASH_ADD(hh, f->inputs, job, sizeof(inputs->job), inputs);
    return inputs;
}

/* ---- the mark ---- */

static int put_mark(struct format_1 *f)
{
    const struct inputs *inputs = f->marked ? inputs_of(f, f->mark.job) : NULL;
    if (!f->marked)
        return BELT_OK;
    f->marked = false;
    if (!inputs)
        return fail(f, BELT_NO_MEMORY, "out of memory");
    struct record_mark *mark = &f->mark.u.mark;
    mark->bytes = inputs->bytes;
    mark->digested = inputs->digest_next && inputs->digest_next == mark->next;
    if (mark->digested)
        mark->digest = inputs->digest;
    return emit(f, &f->mark);
}

static int note_inputs(struct format_1 *f, const struct store_record *old, uint64_t bytes, uint64_t next,
                       const struct belt_digest *digest)
{
    struct inputs *inputs = inputs_of(f, JOB_OF(old->job));
    if (!inputs)
        return fail(f, BELT_NO_MEMORY, "out of memory");
    inputs->bytes = bytes;
    inputs->digest_next = digest ? next : 0;
    if (digest)
        inputs->digest = *digest;
    /* The record itself goes; the mark takes its number, which is the higher one. */
    if (f->marked && f->mark.job == JOB_OF(old->job) && old->number == f->mark_number + 1)
        f->mark.number = old->number + f->shift;
    return put_mark(f);
}

static int note_mark(struct format_1 *f, const struct store_record *old, const struct belt_msg_progress *msg)
{
    f->mark = record_of(f, old, RECORD_MARK);
    f->mark.u.mark = (struct record_mark){.next = msg->task.index, .place = msg->done, .failed = msg->total};
    f->mark_number = old->number;
    f->marked = true;
    return BELT_OK;
}

/* ---- kinds ---- */

static int put_open(struct format_1 *f, const struct store_record *old, const struct belt_msg_open *msg)
{
    struct core_record record = record_of(f, old, old->job & OF_FAILED ? RECORD_FAILED_JOB : RECORD_JOB);
    if (old->job & OF_FAILED)
        record.u.failed_job = (struct record_failed_job){.function = msg->function, .options = msg->options};
    else
        record.u.job = (struct record_job){.key = msg->key,
                                           .function = msg->function,
                                           .owner = f->own.owner,
                                           .opened_at = f->own.opened_at,
                                           .over_at = f->own.over_at,
                                           .options = msg->options};
    return emit(f, &record);
}

static int put_tasks(struct format_1 *f, const struct store_record *old, const struct belt_msg_push *msg)
{
    struct core_record record = record_of(f, old, RECORD_TASKS);
    struct inputs *of_job = inputs_of(f, record.job);
    struct belt_payload *inputs = calloc(msg->count + 1u, sizeof(*inputs));
    int rc = BELT_NO_MEMORY;
    if (!of_job || !inputs) {
        free(inputs);
        return fail(f, rc, "out of memory");
    }
    for (uint32_t i = 0; i < msg->count; i++) {
        inputs[i] = msg->tasks[i].payload;
        of_job->bytes += inputs[i].len;
    }
    record.u.tasks = (struct record_tasks){msg->first, msg->count, inputs};
    rc = emit(f, &record);
    free(inputs);
    return rc;
}

static bool was_taken(const struct belt_result_item *item)
{
    return item->attempt == 0 && item->code == BELT_OK;
}

/* `count` results from `at` on, all of one sort. */
static int put_run(struct format_1 *f, const struct store_record *old, const struct belt_msg_results *msg, uint32_t at,
                   uint32_t count)
{
    bool taken = was_taken(&msg->results[at]);
    struct core_record record = record_of(f, old, taken ? RECORD_TAKEN : RECORD_RESULTS);
    if (!taken) {
        record.u.results = (struct record_results){msg->first + at, count, msg->results + at};
        return emit(f, &record);
    }
    uint64_t *indexes = calloc(count, sizeof(*indexes));
    if (!indexes)
        return fail(f, BELT_NO_MEMORY, "out of memory");
    for (uint32_t i = 0; i < count; i++)
        indexes[i] = msg->results[at + i].index;
    record.u.taken = (struct record_taken){msg->first + at, count, indexes};
    int rc = emit(f, &record);
    free(indexes);
    return rc;
}

static int put_results(struct format_1 *f, const struct store_record *old, const struct belt_msg_results *msg)
{
    int rc = msg->count ? BELT_OK : fail(f, BELT_BAD_MESSAGE, "it holds no results");
    for (uint32_t at = 0, count; rc == BELT_OK && at < msg->count; at += count) {
        for (count = 1; at + count < msg->count; count++)
            if (was_taken(&msg->results[at + count]) != was_taken(&msg->results[at]))
                break;
        f->shift += at > 0;
        rc = put_run(f, old, msg, at, count);
    }
    return rc;
}

static int put_failed_task(struct format_1 *f, const struct store_record *old, const struct belt_msg_results *msg)
{
    struct core_record record = record_of(f, old, RECORD_FAILED_TASK);
    if (msg->count != 1)
        return fail(f, BELT_BAD_MESSAGE, "it must hold one failed task");
    record.u.failed_task = (struct record_failed_task){.index = msg->results->index,
                                                       .attempt = msg->results->attempt,
                                                       .code = msg->results->code,
                                                       .failed_at = msg->first,
                                                       .input = msg->results->payload,
                                                       .extras = msg->results->extras};
    return emit(f, &record);
}

static int put_reader(struct format_1 *f, const struct store_record *old, const struct belt_msg_subscribe *msg)
{
    struct core_record record = record_of(f, old, RECORD_READER);
    record.u.reader = (struct record_reader){.name = msg->reader, .mode = msg->mode, .taken = msg->cursor};
    return emit(f, &record);
}

static int put_end(struct format_1 *f, const struct store_record *old, const struct belt_msg_end *msg)
{
    struct core_record record = record_of(f, old, RECORD_END);
    record.u.end = (struct record_end){msg->count};
    return emit(f, &record);
}

static int put_progress(struct format_1 *f, const struct store_record *old, const struct belt_msg_progress *msg)
{
    struct core_record record = record_of(f, old, old->job & OF_FAILED ? RECORD_LET_GO : RECORD_TRIES);
    if (old->job & OF_FAILED) {
        record.u.let_go = (struct record_let_go){msg->done};
        return emit(f, &record);
    }
    if (!msg->task.attempt)
        return note_mark(f, old, msg);
    if (msg->done > UINT16_MAX || msg->total > UINT16_MAX)
        return fail(f, BELT_BAD_MESSAGE, "a task has failed more often than it may");
    record.u.tries = (struct record_tries){.index = msg->task.index,
                                           .attempt = msg->task.attempt,
                                           .failures = (uint16_t)msg->done,
                                           .losses = (uint16_t)msg->total};
    return emit(f, &record);
}

static int put_history(struct format_1 *f, const struct store_record *old, const struct belt_msg_report *msg)
{
    struct core_record record = record_of(f, old, RECORD_HISTORY);
    const struct belt_row_job *row = msg->rows.jobs;
    if (msg->what != BELT_REPORT_JOBS || msg->count != 1)
        return fail(f, BELT_BAD_MESSAGE, "it must hold one line of the history");
    record.u.history = (struct record_history){.key = row->key,
                                               .function = row->function,
                                               .owner = row->owner,
                                               .why = row->why,
                                               .state = row->state,
                                               .priority = row->priority,
                                               .total = row->total,
                                               .done = row->done,
                                               .failed = row->failed,
                                               .retried = row->retried,
                                               .unread = row->unread,
                                               .readers = row->readers,
                                               .opened_at = row->opened_at,
                                               .over_at = row->over_at};
    return emit(f, &record);
}

static int put_message(struct format_1 *f, const struct store_record *old, const struct belt_msg *msg)
{
    switch (msg->type) {
    case BELT_MSG_OPEN:
        return put_open(f, old, &msg->u.open);
    case BELT_MSG_PUSH:
        return put_tasks(f, old, &msg->u.push);
    case BELT_MSG_RESULTS:
        return old->job & OF_FAILED ? put_failed_task(f, old, &msg->u.results) : put_results(f, old, &msg->u.results);
    case BELT_MSG_END:
        return put_end(f, old, &msg->u.end);
    case BELT_MSG_SUBSCRIBE:
        return put_reader(f, old, &msg->u.subscribe);
    case BELT_MSG_PROGRESS:
        return put_progress(f, old, &msg->u.progress);
    case BELT_MSG_ACCEPTED:
        return note_inputs(f, old, msg->u.accepted.grant.bytes, 0, NULL);
    case BELT_MSG_OPENED:
        return note_inputs(f, old, msg->u.opened.next_bytes, msg->u.opened.next, &msg->u.opened.digest);
    case BELT_MSG_REPORT:
        return put_history(f, old, &msg->u.report);
    default:
        return fail(f, BELT_BAD_MESSAGE, "it is of no kind that format 1 has");
    }
}

static bool is_second_half(const struct format_1 *f, const struct store_record *old)
{
    return (old->kind == BELT_MSG_ACCEPTED || old->kind == BELT_MSG_OPENED) && JOB_OF(old->job) == f->mark.job &&
           old->number == f->mark_number + 1;
}

static int upgrade_record(struct store_upgrade *upgrade, const struct store_record *old, store_put put, void *to)
{
    struct format_1 *f = (struct format_1 *)upgrade;
    struct belt_msg msg;
    f->base.error[0] = '\0';
    f->put = put;
    f->to = to;
    int rc = old && is_second_half(f, old) ? BELT_OK : put_mark(f);
    if (rc != BELT_OK || !old)
        return rc;
    rc = read_message(f, old, &msg);
    if (rc == BELT_OK)
        rc = put_message(f, old, &msg);
    belt_frames_clear(&f->frames);
    belt_buf_unref(f->whole);
    f->whole = NULL;
    return rc;
}

struct store_upgrade *format_1_new(void)
{
    struct format_1 *f = calloc(1, sizeof(*f));
    if (!f)
        return NULL;
    f->base.record = upgrade_record;
    f->decoder = belt_decoder_new(BELT_MAX_PAYLOAD_CEILING);
    if (f->decoder)
        return &f->base;
    free(f);
    return NULL;
}

void format_1_free(struct store_upgrade *upgrade)
{
    struct format_1 *f = (struct format_1 *)upgrade;
    struct inputs *inputs, *next;
    if (!f)
        return;
    HASH_ITER (hh, f->inputs, inputs, next) {
        HASH_DELETE(hh, f->inputs, inputs);
        free(inputs);
    }
    belt_decoder_free(f->decoder);
    free(f);
}
