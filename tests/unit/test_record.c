/* SPDX-License-Identifier: Apache-2.0
 *
 * The records of the store as bytes: what proto/STORE.md says of each kind, both ways, and what must be refused.
 */
#include "broker/record/fields.h"
#include "broker/record/record.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct record_decoder *decoder;
static struct core_record got;

static void setup(void)
{
    decoder = record_decoder_new(BELT_MAX_PAYLOAD_DEFAULT);
    cr_assert_not_null(decoder);
}

static void teardown(void)
{
    record_decoder_free(decoder);
}

TestSuite(record, .init = setup, .fini = teardown);

static struct belt_bytes text(const char *string)
{
    return (struct belt_bytes){(const uint8_t *)string, strlen(string)};
}

static struct belt_payload payload(const char *string)
{
    return (struct belt_payload){.data = (const uint8_t *)string, .len = (uint32_t)strlen(string)};
}

static struct core_record of_kind(enum record_kind kind)
{
    return (struct core_record){.op = CORE_PUT, .number = 70, .job = 7, .kind = (uint8_t)kind};
}

/* ---- samples: every kind, with every field and with none that may be absent ---- */

static const struct belt_result_extras all_extras = {.text = {(const uint8_t *)"no", 2},
                                                     .log = {(const uint8_t *)"l\n", 2},
                                                     .host = {(const uint8_t *)"h", 1},
                                                     .started_ms = 9,
                                                     .exit_status = 3,
                                                     .term_signal = 15};
static const struct belt_result_extras no_extras = {.exit_status = -1};

static struct belt_open_options all_options(void)
{
    return (struct belt_open_options){.window_items = 1,
                                      .window_bytes = 2,
                                      .priority = -3,
                                      .retries = 4,
                                      .max_attempts = 5,
                                      .chunk = 6,
                                      .timeout_ms = 7,
                                      .detail = true,
                                      .detached = true,
                                      .durable = true,
                                      .argument = text("arg"),
                                      .backoff_ms = BELT_NO_BACKOFF,
                                      .after_at = 8,
                                      .deadline_at = 9,
                                      .final_status = {4},
                                      .keep_ms = 10,
                                      .remember_ms = 11,
                                      .digest = true,
                                      .share = true};
}

#define OPTIONS                                                                                                        \
    "window_items:1,window_bytes:2,priority:-3,retries:4,max_attempts:5,chunk:6,timeout_ms:7,detail:true,"             \
    "detached:true,argument:<arg>,backoff_ms:0,after_at:8,deadline_at:9,final_status:<32>,keep_ms:10,"                 \
    "remember_ms:11,digest:true,share:true"

struct sample {
    struct core_record record;
    uint64_t first;
    uint32_t count;
    const char *body; /* as shown by show(): strings plain, bytes in <>, long ones by their length */
};

#define SAMPLES 20u
static struct sample samples[SAMPLES];

static struct core_record *add(uint32_t *at, enum record_kind kind, uint64_t first, uint32_t count, const char *body)
{
    cr_assert_lt(*at, SAMPLES);
    samples[*at] = (struct sample){of_kind(kind), first, count, body};
    return &samples[(*at)++].record;
}

static void add_of_jobs(uint32_t *at)
{
    add(at, RECORD_JOB, 0, 0, "{key:k,function:f,owner:<o>,account:a,opened_at:21,over_at:22," OPTIONS "}")->u.job =
        (struct record_job){text("k"), text("f"), text("o"), text("a"), 21, 22, all_options()};
    add(at, RECORD_JOB, 0, 0, "{function:f}")->u.job =
        (struct record_job){.function = text("f"), .options.durable = true};
    add(at, RECORD_FAILED_JOB, 0, 0, "{function:f,account:a," OPTIONS "}")->u.failed_job =
        (struct record_failed_job){text("f"), text("a"), all_options()};
    add(at, RECORD_HISTORY, 0, 0,
        "{key:k,function:f,owner:<o>,account:a,why:<w>,state:3,priority:-1,total:2,done:3,failed:4,retried:5,unread:6,"
        "readers:7,"
        "opened_at:8,over_at:9}")
        ->u.history =
        (struct record_history){text("k"), text("f"), text("o"), text("w"), text("a"), 3, -1, 2, 3, 4, 5, 6, 7, 8, 9};
    add(at, RECORD_HISTORY, 0, 0, "{}")->u.history = (struct record_history){.total = 0};
    add(at, RECORD_READER, 0, 0, "{name:r,account:a,mode:1,taken:4}")->u.reader =
        (struct record_reader){text("r"), text("a"), 1, 4};
    add(at, RECORD_READER, 0, 0, "{}")->u.reader = (struct record_reader){.taken = 0};
    add(at, RECORD_END, 0, 0, "[300]")->u.end = (struct record_end){300};
    add(at, RECORD_LET_GO, 0, 0, "[5]")->u.let_go = (struct record_let_go){5};
    add(at, RECORD_MARK, 0, 0, "[1,2,3,4,<16>]")->u.mark = (struct record_mark){1, 2, 3, 4, true, {{1}}};
    add(at, RECORD_MARK, 0, 0, "[1,2,3,4,nil]")->u.mark = (struct record_mark){1, 2, 3, 4, false, {{0}}};
    add(at, RECORD_TRIES, 0, 0, "[1,2,65535,4]")->u.tries = (struct record_tries){1, 2, 65535, 4};
}

static void add_of_tasks(uint32_t *at)
{
    static struct belt_payload inputs[3];
    static struct belt_result_item items[3];
    static const uint64_t indexes[] = {5, 70000};
    inputs[0] = payload("in");
    inputs[2] = payload("x");
    items[0] = (struct belt_result_item){300, 1, 0, 70000, payload("out"), NULL};
    items[1] = (struct belt_result_item){2, 3, 4, 5, payload(""), &all_extras};
    items[2] = (struct belt_result_item){6, 0, 31, 0, payload(""), &no_extras};
    add(at, RECORD_TASKS, 40, 3, "[<in>,<>,<x>]")->u.tasks = (struct record_tasks){40, 3, inputs};
    add(at, RECORD_RESULTS, 41, 3,
        "[[300,1,0,70000,<out>,nil],[2,3,4,5,<>,{text:<no>,log:<l\n>,host:<h>,started_at:9,exit_status:3,signal:15}],"
        "[6,0,31,0,<>,{}]]")
        ->u.results = (struct record_results){41, 3, items};
    add(at, RECORD_TAKEN, 42, 2, "[5,70000]")->u.taken = (struct record_taken){42, 2, indexes};
    add(at, RECORD_FAILED_TASK, 6, 1, "[6,2,3,4,<in>,nil]")->u.failed_task =
        (struct record_failed_task){6, 2, 3, 4, payload("in"), NULL};
    add(at, RECORD_FAILED_TASK, 7, 1, "[7,0,1,0,<>,{}]")->u.failed_task =
        (struct record_failed_task){7, 0, 1, 0, payload(""), &no_extras};
}

static uint32_t make_samples(void)
{
    uint32_t count = 0;
    add_of_jobs(&count);
    add_of_tasks(&count);
    return count;
}

/* ---- another library shows what was written ---- */

static void show(const msgpack_object *object, char **to);

static void show_list(const msgpack_object *object, char **to)
{
    bool map = object->type == MSGPACK_OBJECT_MAP;
    uint32_t count = map ? object->via.map.size : object->via.array.size;
    *to += sprintf(*to, "%c", map ? '{' : '[');
    for (uint32_t i = 0; i < count; i++) {
        *to += sprintf(*to, "%s", i ? "," : "");
        if (map) {
            show(&object->via.map.ptr[i].key, to);
            *to += sprintf(*to, ":");
        }
        show(map ? &object->via.map.ptr[i].val : &object->via.array.ptr[i], to);
    }
    *to += sprintf(*to, "%c", map ? '}' : ']');
}

static void show(const msgpack_object *object, char **to)
{
    switch (object->type) {
    case MSGPACK_OBJECT_NIL:
        *to += sprintf(*to, "nil");
        break;
    case MSGPACK_OBJECT_BOOLEAN:
        *to += sprintf(*to, object->via.boolean ? "true" : "false");
        break;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        *to += sprintf(*to, "%" PRIu64, object->via.u64);
        break;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        *to += sprintf(*to, "%" PRId64, object->via.i64);
        break;
    case MSGPACK_OBJECT_STR:
        *to += sprintf(*to, "%.*s", (int)object->via.str.size, object->via.str.ptr);
        break;
    case MSGPACK_OBJECT_BIN:
        if (object->via.bin.size >= 16)
            *to += sprintf(*to, "<%u>", object->via.bin.size);
        else
            *to += sprintf(*to, "<%.*s>", (int)object->via.bin.size, object->via.bin.ptr);
        break;
    default:
        show_list(object, to);
    }
}

Test(record, each_kind_has_the_bytes_that_the_document_says)
{
    uint32_t count = make_samples();
    bool seen[256] = {false};
    for (uint32_t i = 0; i < count; i++) {
        const struct sample *sample = &samples[i];
        struct store_record row;
        struct belt_buf *body = record_pack(&sample->record, &row);
        cr_assert_not_null(body, "sample %u", i);
        cr_assert(row.number == 70 && row.job == 7 && row.kind == sample->record.kind);
        cr_assert(row.first == sample->first && row.count == sample->count, "sample %u", i);
        cr_assert(row.body.data == body->data && row.body.len == body->len);

        char shown[1024], *to = shown;
        msgpack_unpacked unpacked;
        size_t end = 0;
        msgpack_unpacked_init(&unpacked);
        cr_assert_eq(msgpack_unpack_next(&unpacked, (const char *)row.body.data, row.body.len, &end),
                     MSGPACK_UNPACK_SUCCESS);
        cr_assert_eq(end, row.body.len);
        show(&unpacked.data, &to);
        cr_assert_str_eq(shown, sample->body, "sample %u: %s", i, shown);
        msgpack_unpacked_destroy(&unpacked);
        belt_buf_unref(body);
        seen[row.kind] = true;
    }
#define SEEN(name, number) cr_assert(seen[number], "no sample of " #name);
    RECORD_KINDS(SEEN)
#undef SEEN
}

/* ---- both ways ---- */

Test(record, what_goes_in_comes_out)
{
    uint32_t count = make_samples();
    for (uint32_t i = 0; i < count; i++) {
        struct store_record row, again;
        struct belt_buf *body = record_pack(&samples[i].record, &row);
        cr_assert_eq(record_unpack(decoder, &row, &got), BELT_OK, "sample %u: %s", i, record_decoder_error(decoder));
        cr_assert(got.op == CORE_PUT && got.number == 70 && got.job == 7 && got.kind == row.kind);
        struct belt_buf *other = record_pack(&got, &again);
        cr_assert_not_null(other);
        cr_assert(again.first == row.first && again.count == row.count && again.body.len == row.body.len, "%u", i);
        cr_assert_arr_eq(again.body.data, row.body.data, row.body.len);
        belt_buf_unref(body);
        belt_buf_unref(other);
    }
}

static int unpack(const struct core_record *record)
{
    struct store_record row;
    struct belt_buf *body = record_pack(record, &row);
    cr_assert_not_null(body);
    int rc = record_unpack(decoder, &row, &got);
    belt_buf_unref(body); /* payloads have buffers of their own */
    return rc;
}

Test(record, neutral_values_come_back_as_they_were)
{
    struct core_record record = of_kind(RECORD_JOB);
    record.u.job = (struct record_job){.function = text("f"), .options.backoff_ms = BELT_NO_BACKOFF};
    cr_assert_eq(unpack(&record), BELT_OK);
    cr_assert_eq(got.u.job.options.backoff_ms, BELT_NO_BACKOFF, "no pause is not the default pause");
    cr_assert(got.u.job.options.durable, "every job in the store is");
    record.u.job.options.backoff_ms = 0;
    cr_assert_eq(unpack(&record), BELT_OK);
    cr_assert_eq(got.u.job.options.backoff_ms, 0);
    record = of_kind(RECORD_FAILED_TASK);
    record.u.failed_task = (struct record_failed_task){.extras = &no_extras};
    cr_assert_eq(unpack(&record), BELT_OK);
    cr_assert_eq(got.u.failed_task.extras->exit_status, -1);
}

Test(record, a_large_payload_has_a_buffer_of_its_own)
{
    static uint8_t bytes[BELT_INLINE_PAYLOAD + 1];
    struct belt_payload inputs[4] = {payload("one"),
                                     {.data = bytes, .len = sizeof(bytes)},
                                     payload(""),
                                     {.data = bytes, .len = BELT_INLINE_PAYLOAD}};
    struct core_record record = of_kind(RECORD_TASKS);
    record.u.tasks = (struct record_tasks){0, 4, inputs};
    bytes[BELT_INLINE_PAYLOAD] = 9;
    cr_assert_eq(unpack(&record), BELT_OK);
    const struct belt_payload *in = got.u.tasks.inputs;
    cr_assert(in[0].buf == in[3].buf && in[0].buf->len == 3 + BELT_INLINE_PAYLOAD, "the small ones share one");
    cr_assert(in[1].buf != in[0].buf && in[1].buf->len == sizeof(bytes) && in[1].data[BELT_INLINE_PAYLOAD] == 9);
    cr_assert(in[2].len == 0 && !in[2].buf);
    cr_assert_arr_eq(in[0].data, "one", 3);
    struct belt_payload kept = belt_payload_ref(in[1]);
    cr_assert_eq(unpack(&record), BELT_OK);
    cr_assert_eq(kept.data[BELT_INLINE_PAYLOAD], 9, "a reference outlives the next record");
    belt_payload_clear(&kept);
}

/* ---- what is refused ---- */

Test(record, every_part_of_a_body_is_refused)
{
    uint32_t count = make_samples();
    for (uint32_t i = 0; i < count; i++) {
        struct store_record row;
        struct belt_buf *body = record_pack(&samples[i].record, &row);
        size_t len = row.body.len;
        for (row.body.len = 0; row.body.len < len; row.body.len++) {
            cr_assert_eq(record_unpack(decoder, &row, &got), BELT_BAD_MESSAGE, "sample %u, %zu bytes", i, row.body.len);
            cr_assert(record_decoder_error(decoder)[0]);
        }
        belt_buf_unref(body);
    }
}

/* Whatever the bytes are: the sanitizers watch. */
Test(record, any_byte_may_be_wrong)
{
    uint32_t count = make_samples();
    for (uint32_t i = 0; i < count; i++) {
        struct store_record row;
        struct belt_buf *body = record_pack(&samples[i].record, &row);
        for (size_t at = 0; at < row.body.len; at++)
            for (unsigned bit = 0; bit < 8; bit++) {
                body->data[at] ^= (uint8_t)(1u << bit);
                (void)record_unpack(decoder, &row, &got);
                body->data[at] ^= (uint8_t)(1u << bit);
            }
        belt_buf_unref(body);
    }
}

static int read_bytes(uint8_t kind, uint32_t count, const char *bytes, size_t len)
{
    const struct store_record row = {
        .number = 70, .job = 7, .kind = kind, .count = count, .body = {(const uint8_t *)bytes, len}};
    return record_unpack(decoder, &row, &got);
}

#define REFUSED(kind, count, bytes, why)                                                                               \
    do {                                                                                                               \
        cr_assert_eq(read_bytes(kind, count, bytes, sizeof(bytes) - 1), BELT_BAD_MESSAGE, why);                        \
        cr_assert(strstr(record_decoder_error(decoder), why), "%s", record_decoder_error(decoder));                    \
    } while (0)

Test(record, what_is_not_in_the_format_is_refused)
{
    REFUSED(0, 0, "\xc0", "kind");
    REFUSED(9, 0, "\xc0", "kind");
    REFUSED(63, 0, "\xc0", "kind");
    REFUSED(68, 0, "\xc0", "kind");
    REFUSED(RECORD_JOB, 0, "\x80", "function: is missing");
    REFUSED(RECORD_JOB, 0,
            "\x81\xa8"
            "function\xa2-f",
            "starts with");
    REFUSED(RECORD_JOB, 0,
            "\x82\xa5"
            "chunk\x01\xa5"
            "chunk\x01",
            "chunk: is there twice");
    REFUSED(RECORD_JOB, 0,
            "\x81\xa5"
            "chank\x01",
            "does not know");
    REFUSED(RECORD_JOB, 0,
            "\x81\xa8"
            "priority\x65",
            "priority");
    REFUSED(RECORD_JOB, 0,
            "\x81\xa8"
            "priority\xd0\x9b",
            "priority");
    REFUSED(RECORD_JOB, 0,
            "\x81\xac"
            "final_status\xc4\x01\x01",
            "must have 32 bytes");
    REFUSED(RECORD_READER, 0, "\x81\xa4mode\x02", "mode");
    REFUSED(RECORD_END, 0, "\x91\x01\x00", "1 bytes follow its end");
    REFUSED(RECORD_END, 0, "\x92\x01\x01", "fields");
    REFUSED(RECORD_MARK, 0, "\x95\x01\x01\x01\x01\xc4\x01\x01", "digest: must have 16 bytes");
    REFUSED(RECORD_TASKS, 0, "\x90", "not as many");
    REFUSED(RECORD_TASKS, 2, "\x91\xc4\x00", "not as many");
    REFUSED(RECORD_TAKEN, 1, "\x91\xcf\xff\xff\xff\xff\xff\xff\xff\xff", "indexes[0]");
    REFUSED(RECORD_RESULTS, 1, "\x91\x96\x01\x01\x20\x00\xc4\x00\xc0", "code");
    REFUSED(RECORD_TRIES, 0, "\x94\x01\x01\xce\x00\x01\x00\x00\x00", "failures");
}

Test(record, a_count_that_nothing_stands_behind_takes_no_memory)
{
    REFUSED(RECORD_TASKS, UINT32_MAX, "\xdd\xff\xff\xff\xff", "the message ends before");
    REFUSED(RECORD_TAKEN, 1u << 30, "\xdd\x40\x00\x00\x00", "the message ends before");
    REFUSED(RECORD_HISTORY, 0, "\xdf\x20\x00\x00\x00", "the message ends before");
    REFUSED(RECORD_TASKS, 1, "\x91\xc6\xff\xff\xff\xff", "the message ends before");
}

Test(record, places_that_cannot_be_counted_on_are_refused)
{
    const struct store_record row = {.number = 70,
                                     .job = 7,
                                     .kind = RECORD_TAKEN,
                                     .first = UINT64_MAX,
                                     .count = 1,
                                     .body = {(uint8_t *)"\x91\x01", 2}};
    cr_assert_eq(record_unpack(decoder, &row, &got), BELT_BAD_MESSAGE);
}

Test(record, a_payload_over_the_limit_is_told_from_damage)
{
    struct belt_payload input = payload("four");
    struct core_record record = of_kind(RECORD_TASKS);
    record.u.tasks = (struct record_tasks){0, 1, &input};
    record_decoder_free(decoder);
    decoder = record_decoder_new(3);
    cr_assert_eq(unpack(&record), BELT_TOO_LARGE);
    cr_assert_str_eq(record_decoder_error(decoder), "TASKS: inputs[0]: has 4 bytes, at most 3 are allowed");
    record = of_kind(RECORD_JOB);
    static uint8_t argument[BELT_MAX_ARGUMENT + 1];
    record.u.job = (struct record_job){.function = text("f"), .options.argument = {argument, BELT_MAX_ARGUMENT}};
    cr_assert_eq(unpack(&record), BELT_OK, "such an argument needs no payload");
    record.u.job.options.argument.len++;
    cr_assert_eq(unpack(&record), BELT_TOO_LARGE);
}

static bool packs(const struct core_record *record)
{
    struct store_record row;
    struct belt_buf *body = record_pack(record, &row);
    belt_buf_unref(body);
    return body != NULL;
}

Test(record, what_could_not_be_read_back_is_not_written)
{
    static char name[BELT_MAX_KEY + 2];
    static struct belt_payload inputs[BELT_MAX_BATCH + 1];
    memset(name, 'n', sizeof(name));
    struct core_record record = of_kind(RECORD_TASKS);
    record.u.tasks = (struct record_tasks){0, BELT_MAX_BATCH, inputs};
    cr_assert(packs(&record));
    record.u.tasks.count++;
    cr_assert_not(packs(&record));
    record.u.tasks.count = 0;
    cr_assert_not(packs(&record));
    record = of_kind(RECORD_READER);
    record.u.reader = (struct record_reader){.name = {(const uint8_t *)name, BELT_MAX_KEY}};
    cr_assert(packs(&record));
    record.u.reader.name.len++;
    cr_assert_not(packs(&record));
    record = of_kind(RECORD_JOB);
    record.u.job = (struct record_job){.function = {(const uint8_t *)name, BELT_MAX_NAME + 1}};
    cr_assert_not(packs(&record));
    record.kind = 9;
    cr_assert_not(packs(&record));
}

/* ---- the document ---- */

static char document[64 << 10];

static void expect_said(const char *what)
{
    cr_assert(strstr(document, what), "proto/STORE.md does not say %s", what);
}

static void expect_fields(const struct field_map *map)
{
    for (uint32_t i = 0; i < map->count; i++) {
        char field[64];
        snprintf(field, sizeof(field), "`%s`", map->fields[i].key);
        expect_said(field);
    }
}

Test(record, the_document_has_every_kind_and_field)
{
    FILE *file = fopen(STORE_MD, "r");
    cr_assert_not_null(file);
    cr_assert_gt(fread(document, 1, sizeof(document) - 1, file), 0);
    fclose(file);
#define SAID(name, number) expect_said("| " #number " | " #name " |");
    RECORD_KINDS(SAID)
#undef SAID
    expect_fields(&record_job_map);
    expect_fields(&record_reader_map);
    expect_fields(&record_failed_job_map);
    expect_fields(&record_history_map);
    expect_fields(&record_extras_map);
    cr_assert_eq(RECORD_OUTLIVES, STORE_OUTLIVES_JOB);
    expect_said("of `format` is the version of the format, 2 ");
    cr_assert_eq(STORE_FORMAT, 2);
}
