/* SPDX-License-Identifier: Apache-2.0
 *
 * Files that are continued after a run that was killed: cut at every byte.
 */
#include "cli/commands.h"
#include "cli/map_joblog.h"
#include "cli/torn_tail.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[] = "/tmp/belt-test-XXXXXX";

static void make(void)
{
    int fd = mkstemp(path);

    cr_assert_geq(fd, 0);
    close(fd);
}

static void drop(void)
{
    unlink(path);
}

static void put(const char *data, size_t len)
{
    FILE *file = fopen(path, "we");

    cr_assert_eq(fwrite(data, 1, len, file), len);
    fclose(file);
}

static size_t get(char *data, size_t room)
{
    FILE *file = fopen(path, "re");
    size_t len = fread(data, 1, room, file);

    fclose(file);
    return len;
}

#define LINE(seq, command) #seq "\t:\t1700000000.123\t     0.002\t1\t2\t0\t0\techo " command "\n"
static const char *const lines[] = {LINE(1, "one"), LINE(2, "'t\\two\\n'"), LINE(3, "\xe2\x82\xac")};

/* One run of a map over three inputs that resumes: the log gets the lines that it lacks, the last one only up to
 * `torn` bytes. How many it lacked. */
static unsigned run(size_t torn)
{
    struct map_values values = {.joblog = path, .resume = 1};
    struct joblog_skip skip = {0};
    unsigned lacks = 0;
    int fd = map_joblog_open(&values, &skip);

    cr_assert_geq(fd, 0, "the log cannot be resumed");
    for (uint64_t i = 0; i < 3; i++) {
        if (joblog_skips(&skip, i))
            continue;
        size_t len = i == 2 && torn < strlen(lines[i]) ? torn : strlen(lines[i]);
        cr_assert_eq(write(fd, lines[i], len), (ssize_t)len);
        lacks++;
    }
    close(fd);
    joblog_skip_free(&skip);
    return lacks;
}

Test(torn_tail, a_joblog_cut_at_any_byte_is_resumed_again_and_again, .init = make, .fini = drop)
{
    char whole[1024], got[2048];
    size_t len = (size_t)snprintf(whole, sizeof(whole), "%s%s%s%s", JOBLOG_HEADER, lines[0], lines[1], lines[2]);

    for (size_t cut = 0; cut <= len; cut++) {
        unsigned lacks = 3;
        for (size_t at = strlen(JOBLOG_HEADER), i = 0; i < 3; i++)
            lacks -= cut >= (at += strlen(lines[i]));
        put(whole, cut);
        cr_assert_eq(run(7), lacks, "cut at %zu", cut);
        cr_assert_eq(run(SIZE_MAX), lacks > 0, "cut at %zu, and again", cut);
        cr_assert_eq(run(SIZE_MAX), 0, "cut at %zu", cut);
        cr_assert_eq(get(got, sizeof(got)), len, "cut at %zu", cut);
        cr_assert_eq(memcmp(got, whole, len), 0, "cut at %zu", cut);
    }
}

Test(torn_tail, what_is_no_joblog_stays_as_it_is, .init = make, .fini = drop)
{
    struct map_values values = {.joblog = path, .resume = 1};
    struct joblog_skip skip;
    char got[16];

    put("my diary", 8);
    cr_assert_eq(map_joblog_open(&values, &skip), -6);
    cr_assert_eq(get(got, sizeof(got)), 8);
}

/* Mends the file as standard output, and writes `next` behind it. */
static int go_on(const struct torn_tail *tail, int flags, off_t *cut)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC | flags);
    int rc;

    if (!(flags & O_APPEND))
        lseek(fd, 0, SEEK_END);
    rc = torn_tail_mend(fd, tail, cut);
    if (rc == 0)
        cr_assert_eq(write(fd, tail->next, tail->next_len), (ssize_t)tail->next_len);
    close(fd);
    return rc;
}

static void goes_on(enum records_mode mode, const char *data, size_t len, const size_t *ends, size_t end_count)
{
    char got[8192 + 64];

    for (size_t cut = 0; cut <= len; cut++) {
        size_t whole = 0;
        off_t off;
        for (size_t i = 0; i < end_count; i++)
            whole = ends[i] <= cut ? ends[i] : whole;
        for (int flags = 0; flags <= O_APPEND; flags += O_APPEND) {
            struct torn_tail tail = {.mode = mode, .ours = true, .next = data + whole, .next_len = len - whole};
            put(data, cut);
            cr_assert_eq(go_on(&tail, flags, &off), 0);
            cr_assert_eq((size_t)off, cut - whole);
            cr_assert_eq(get(got, sizeof(got)), len, "cut at %zu", cut);
            cr_assert_eq(memcmp(got, data, len), 0, "cut at %zu", cut);
            tail.ours = false; /* what comes next begins with the fragment */
            put(data, cut);
            cr_assert_eq(go_on(&tail, flags, &off), 0);
            cr_assert_eq(get(got, sizeof(got)), len, "cut at %zu", cut);
        }
    }
}

Test(torn_tail, lines_texts_and_records_are_continued_at_any_byte, .init = make, .fini = drop)
{
    static char long_line[5001 + 4];

    goes_on(RECORDS_LINES, "one\n\ntwo\n", 9, (const size_t[]){4, 5, 9}, 3);
    goes_on(RECORDS_NUL, "one\0a\nb\0", 8, (const size_t[]){4, 8}, 2);
    goes_on(RECORDS_FRAMED, "\0\0\0\3one\0\0\0\0\0\0\0\2\n\n", 17, (const size_t[]){7, 11, 17}, 3);
    memset(long_line, 'x', sizeof(long_line));
    memcpy(long_line, "one\n", 4);
    long_line[sizeof(long_line) - 1] = '\n';
    struct torn_tail tail = {.ours = true, .next = "end\n", .next_len = 4};
    off_t cut;
    put(long_line, sizeof(long_line) - 1);
    cr_assert_eq(go_on(&tail, O_APPEND, &cut), 0);
    cr_assert_eq(cut, 5000);
}

Test(torn_tail, somebody_elses_text_stays, .init = make, .fini = drop)
{
    struct torn_tail tail = {.mode = RECORDS_LINES, .next = "1\n", .next_len = 2};
    char got[64] = "";
    off_t cut;

    put("a title", 7);
    cr_assert_eq(go_on(&tail, O_APPEND, &cut), 0);
    cr_assert_eq(cut, 0);
    get(got, sizeof(got));
    cr_assert_str_eq(got, "a title\n1\n");
    tail.mode = RECORDS_FRAMED;
    put("a title", 7);
    cr_assert_eq(go_on(&tail, O_APPEND, &cut), EILSEQ);
}
