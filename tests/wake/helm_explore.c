/* SPDX-License-Identifier: Apache-2.0
 *
 * Explores every order in which two readers, the I/O thread, a thread that asks the broker something and the broker can
 * make their steps around the helm of a connection. The machine is that of the library (client/helm.c); what stands
 * around it in client/io.c, reader.c and flow.c is told here in steps, of which each is one access to what threads
 * share. What happens under the lock of a reader's mail, with one step of the machine at most, is one step: nobody else
 * sees what is between. Time does not exist: whoever sleeps without a limit sleeps until he is woken, and a sleep of a
 * millisecond may end at any moment.
 *
 *   helm_explore [READERS [ROUNDS [ASKERS]]]
 *
 * With two readers, steps that are not the machine's are made together with the one before them.
 * -DWORK_FIRST plants the order in which the I/O thread works first and waits afterwards: it takes the word of work and
 * gives the helm away without doing the work. Faults of the machine itself are planted by helm_faults.sh.
 *
 * Checks in every state: at most one drives, and the machine knows who; no driver sleeps while there is work that
 * nobody is about to tell of; the I/O thread does not sleep for good while nobody drives; somebody can go on. And from
 * every state the end can be reached. Ends with 1, and the way there, when one of these does not hold.
 */
#include "tests/wake/helm_threads.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STATES_MAX 8000000u
#define NO_STATE   UINT32_MAX

/* ---- what must hold ---- */

static bool io_drives(const struct state *s)
{
    return s->io_place >= I_TURN && s->io_place <= I_HAND_OVER;
}

static const char *check_driver(const struct state *s)
{
    unsigned driving = io_drives(s), driver = io_drives(s) ? CLIENT_HELM_IO_THREAD : CLIENT_HELM_NOBODY;

    for (unsigned i = 0; i < readers; i++)
        if (s->reader[i].mine) {
            driving++;
            driver = CLIENT_HELM_READER;
        }
    if (driving > 1)
        return "two drive";
    return driver == s->helm.driver ? NULL : "the machine does not know who drives";
}

/* Somebody has left work, or is about to, and will still tell of it. */
static bool will_tell(const struct state *s)
{
    bool tells = s->asker_place >= A_KICK && s->asker_place <= A_RING_ASIDE;

    for (unsigned i = 0; i < readers; i++)
        tells = tells || (s->reader[i].place >= R_TOUCH && s->reader[i].place <= R_RING_ASIDE);
    return tells;
}

static bool is_work(const struct state *s)
{
    bool there = s->request == TO_SEND;

    for (unsigned i = 0; i < readers; i++)
        there = there || s->reader[i].queued == QUEUED;
    return there;
}

static const char *check_sleep(const struct state *s)
{
    bool asleep = s->io_place == I_SLEEP && !s->io_driver.nap;

    for (unsigned i = 0; i < readers; i++)
        asleep = asleep || s->reader[i].place == R_SLEEP;
    if (asleep && is_work(s) && !s->driver_bell && !message_there(s) && !will_tell(s))
        return "a driver sleeps while there is work";
    if (s->io_place == S_SLEEP && s->helm.driver == CLIENT_HELM_NOBODY && !s->aside_bell) {
        for (unsigned i = 0; i < readers; i++)
            if (s->reader[i].place == R_RING_ASIDE)
                return NULL;
        return "nobody drives, and the I/O thread sleeps until it is rung for";
    }
    return NULL;
}

static const char *check_state(const struct state *s)
{
    const char *wrong = check_driver(s);

    return wrong ? wrong : check_sleep(s);
}

/* Two readers are alike: which of them is the first says nothing. */
static void put_in_order(struct state *s)
{
    struct reader first = s->reader[0];
    uint8_t taken = s->io_driver.taken;

    if (readers < 2 || memcmp(&s->reader[0], &s->reader[1], sizeof(first)) <= 0)
        return;
    s->reader[0] = s->reader[1];
    s->reader[1] = first;
    s->helm.wanted = s->helm.wanted ? 3 - s->helm.wanted : 0;
    s->want = s->want ? (uint8_t)(3 - s->want) : 0;
    s->io_driver.taken = (uint8_t)((taken & 1u) << 1 | (taken & 2u) >> 1);
}

/* ---- exploring ---- */

struct edge {
    uint32_t from, next; /* of the edges to the same state */
};

static struct state *states;
static uint32_t count, *table, table_size, *parent;
static uint8_t *parent_thread;
static struct edge *edges;
static uint32_t edge_count, edge_room, *edges_to;

static uint64_t hash(const struct state *s)
{
    const uint8_t *bytes = (const uint8_t *)s;
    uint64_t h = 14695981039346656037u;

    for (size_t i = 0; i < sizeof(*s); i++)
        h = (h ^ bytes[i]) * 1099511628211u;
    return h ^ h >> 29;
}

static void *grow(void *old, size_t size)
{
    void *memory = realloc(old, size);

    if (!memory) {
        fprintf(stderr, "helm_explore: out of memory\n");
        exit(2);
    }
    return memory;
}

static void rehash(void)
{
    table_size = table_size ? 2 * table_size : 1u << 16;
    table = grow(table, table_size * sizeof(*table));
    memset(table, 0xff, table_size * sizeof(*table));
    states = grow(states, table_size / 2 * sizeof(*states));
    parent = grow(parent, table_size / 2 * sizeof(*parent));
    parent_thread = grow(parent_thread, table_size / 2);
    edges_to = grow(edges_to, table_size / 2 * sizeof(*edges_to));
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = (uint32_t)hash(&states[i]) & (table_size - 1);

        while (table[at] != NO_STATE)
            at = (at + 1) & (table_size - 1);
        table[at] = i;
    }
}

/* The number of a state, which may be new. */
static uint32_t number_of(const struct state *s, uint32_t from, unsigned thread)
{
    uint32_t at;

    if (count == table_size / 2)
        rehash();
    for (at = (uint32_t)hash(s) & (table_size - 1); table[at] != NO_STATE; at = (at + 1) & (table_size - 1))
        if (memcmp(&states[table[at]], s, sizeof(*s)) == 0)
            return table[at];
    if (count == STATES_MAX) {
        fprintf(stderr, "helm_explore: more than %u states: the machine has become too large to be explored\n",
                STATES_MAX);
        exit(2);
    }
    states[count] = *s;
    parent[count] = from;
    parent_thread[count] = (uint8_t)thread;
    edges_to[count] = NO_STATE;
    table[at] = count;
    return count++;
}

static void note_edge(uint32_t from, uint32_t to)
{
    if (edge_count == edge_room) {
        edge_room = edge_room ? 2 * edge_room : 1u << 16;
        edges = grow(edges, edge_room * sizeof(*edges));
    }
    edges[edge_count] = (struct edge){from, edges_to[to]};
    edges_to[to] = edge_count++;
}

static void print_way(uint32_t at)
{
    static const char *const names[THREADS] = {"reader 1", "reader 2", "I/O thread", "asker", "broker"};
    uint32_t from = parent[at];

    if (from == NO_STATE)
        return;
    print_way(from);
    printf("  %-10s %s\n", names[parent_thread[at]], step_of(&states[from], parent_thread[at]));
}

static int fail(uint32_t at, const char *why)
{
    static const char *const drivers[] = {"nobody", "the I/O thread", "a reader"};
    const struct state *s = &states[at];

    print_way(at);
    printf("then: reader 1 %s, reader 2 %s, the I/O thread %s, the asker %s; %s drives\n", places[s->reader[0].place],
           places[s->reader[1].place], places[s->io_place], places[s->asker_place], drivers[s->helm.driver]);
    printf("%s\n", why);
    return 1;
}

/* Every state that follows one. False: none does. */
static bool follow(uint32_t from)
{
    bool any = false;

    for (unsigned thread = 0; thread < THREADS; thread++)
        for (unsigned choice = 0; choice < CHOICES; choice++) {
            struct state next = states[from];

            if (!move(&next, thread, choice))
                continue;
            any = true;
            put_in_order(&next);
            note_edge(from, number_of(&next, from, thread));
        }
    return any;
}

/* From every state the end can be reached: backwards from the ends. */
static uint32_t find_endless(void)
{
    bool *ends = calloc(count, sizeof(*ends));
    uint32_t *open = malloc(count * sizeof(*open)), opened = 0, found = NO_STATE;

    if (!ends || !open)
        exit(2);
    for (uint32_t i = 0; i < count; i++)
        if (is_over(&states[i]) && states[i].io_place == DONE) {
            ends[i] = true;
            open[opened++] = i;
        }
    while (opened > 0)
        for (uint32_t e = edges_to[open[--opened]]; e != NO_STATE; e = edges[e].next)
            if (!ends[edges[e].from]) {
                ends[edges[e].from] = true;
                open[opened++] = edges[e].from;
            }
    for (uint32_t i = 0; i < count && found == NO_STATE; i++)
        if (!ends[i])
            found = i;
    free(ends);
    free(open);
    return found;
}

static int explore(void)
{
    uint32_t endless;

    for (uint32_t at = 0; at < count; at++) {
        const char *wrong = check_state(&states[at]);

        if (wrong)
            return fail(at, wrong);
        if (!follow(at) && !(is_over(&states[at]) && states[at].io_place == DONE))
            return fail(at, "nobody can go on: somebody sleeps through what he waits for");
    }
    endless = find_endless();
    if (endless != NO_STATE)
        return fail(endless, "from here the end cannot be reached");
    printf("%u readers, %u rounds, %u askers: %u states, %u steps: nobody sleeps with work\n", readers, rounds, askers,
           count, edge_count);
    return 0;
}

int main(int argc, char **argv)
{
    struct state first;
    int rc;

    readers = argc > 1 ? (unsigned)atoi(argv[1]) : readers;
    rounds = argc > 2 ? (unsigned)atoi(argv[2]) : rounds;
    askers = argc > 3 ? (unsigned)atoi(argv[3]) : askers;
    if (readers < 1 || readers > READERS || rounds < 1 || rounds > 100 || askers > 1) {
        fprintf(stderr, "usage: helm_explore [READERS (1 or 2) [ROUNDS [ASKERS (0 or 1)]]]\n");
        return 2;
    }
    memset(&first, 0, sizeof(first)); /* states are compared as bytes */
    first.io_place = I_TAKE;
    first.asker_place = askers ? A_ASK : DONE;
    for (unsigned i = 0; i < READERS; i++)
        first.reader[i].place = i < readers ? R_FEED : DONE;
    number_of(&first, NO_STATE, 0);
    rc = explore();
    free(states);
    free(table);
    free(parent);
    free(parent_thread);
    free(edges);
    free(edges_to);
    return rc;
}
