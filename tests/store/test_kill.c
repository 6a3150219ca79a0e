/* SPDX-License-Identifier: Apache-2.0
 *
 * A process that commits is killed with SIGKILL at a random instant, hundreds
 * of times in the same directory. After each: every commit that was answered
 * is there, the one that was under way is there whole or not at all.
 */
#include "tests/store/model.h"
#include "tests/store/place.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS = 300, LONGEST_US = 12000, BODY = 40000 };

/* The child: commits what the model says, and tells each commit that was answered, until it is killed. */
static _Noreturn void commit_until_killed(const char *directory, struct model *model, int answers)
{
    struct store_change changes[MODEL_CHANGES];
    char error[512];

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct store *store = store_sqlite_open(directory, error, sizeof(error));
    if (!store)
        _exit(1);
    while (model->next + 2 * MODEL_CHANGES < MODEL_RECORDS) {
        uint32_t count = model_step(model, changes, BODY);
        if (store->ops->commit(store, changes, count) != BELT_OK || write(answers, "", 1) != 1)
            _exit(2);
    }
    pause();
    _exit(3);
}

/* Kills it `after` so many microseconds, counted from its first answer when `running`, else from its start. */
static uint64_t run_and_kill(const char *directory, struct model *model, bool running, useconds_t after)
{
    int pipes[2];
    char answers[256];
    uint64_t answered = 0;
    int status;

    cr_assert_eq(pipe(pipes), 0);
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        close(pipes[0]);
        commit_until_killed(directory, model, pipes[1]);
    }
    close(pipes[1]);
    if (running && read(pipes[0], answers, 1) == 1)
        answered++;
    usleep(after);
    kill(child, SIGKILL);
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFSIGNALED(status), "the child ended by itself with %d", WEXITSTATUS(status));
    for (ssize_t got; (got = read(pipes[0], answers, sizeof(answers))) > 0;)
        answered += (uint64_t)got;
    close(pipes[0]);
    return answered;
}

Test(kill, nothing_that_was_answered_is_lost_and_nothing_is_half_there)
{
    static struct model model;
    struct store_change changes[MODEL_CHANGES];
    char directory[256];
    uint64_t random = 2024, commits = 0, under_way = 0, generation = 1;

    place_make(directory, sizeof(directory));
    model_init(&model, generation);
    for (int round = 0; round < ROUNDS; round++) {
        useconds_t after = (useconds_t)(model_random(&random) % LONGEST_US);
        uint64_t answered = run_and_kill(directory, &model, round % 4 != 0, after);
        for (uint64_t i = 0; i < answered; i++)
            model_step(&model, changes, BODY);
        struct store *store = place_open(directory);
        const char *difference = model_compare(&model, store);
        if (difference && model_load_code() == BELT_OK) {
            model_step(&model, changes, BODY);
            difference = model_compare(&model, store);
            under_way++;
        }
        cr_assert_null(difference, "round %d, after %" PRIu64 " commits: %s", round, model.commits, difference);
        commits += answered;
        store_close(store);
        if (model.next > MODEL_RECORDS / 2) {
            place_remove(directory);
            place_make(directory, sizeof(directory));
            model_init(&model, ++generation);
        }
    }
    place_remove(directory);
    cr_log_info("%d kills, %" PRIu64 " commits answered, %" PRIu64 " were whole though not yet answered", ROUNDS,
                commits, under_way);
    cr_assert_gt(commits, ROUNDS, "hardly any commit ran: the test tests nothing");
}
