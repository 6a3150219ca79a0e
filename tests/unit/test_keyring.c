/* SPDX-License-Identifier: Apache-2.0
 *
 * The allow-list of a broker: what a line allows, what a faulty one does not, joining by a token; and the questions of
 * ZeroMQ about connections.
 */
#include "broker/keyring.h"
#include "broker/zap_answer.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define KEY_A "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
#define KEY_B "_v79_Pv6-fj39vX08_Lx8O_u7ezr6uno5-bl5OPi4eA"
#define KEY_C "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8"

static uint8_t a[BELT_KEY_BYTES], b[BELT_KEY_BYTES], c[BELT_KEY_BYTES];

static void keys(void)
{
    cr_assert(belt_key_read(KEY_A, 43, a));
    cr_assert(belt_key_read(KEY_B, 43, b));
    cr_assert(belt_key_read(KEY_C, 43, c));
}

TestSuite(keyring, .init = keys);

static struct keyring *read_text(const char *text)
{
    struct keyring *keyring = keyring_read(text, strlen(text));
    cr_assert_not_null(keyring);
    return keyring;
}

Test(keyring, a_line_says_what_a_key_may_do)
{
    struct keyring *keyring = read_text("# who is who\n\n" KEY_A " ann client\n  " KEY_B
                                        "\tnode-7 worker,client owner=ann expires=2027-01-31T22:30:00Z connections=8 "
                                        "jobs=100 waiting-bytes=64M kept-bytes=3 by=spring\r\n" KEY_C
                                        " spring join grants=worker uses=20 expires=2026-12-01T00:00:00Z owner=lab");
    const struct belt_identity *identity = &keyring_find(keyring, a)->identity;
    cr_assert_eq(keyring->count, 3);
    cr_assert_eq(keyring->faults, 0, "%s", keyring->fault);
    cr_assert_str_eq(identity->name, "ann");
    cr_assert_str_eq(identity->owner, "ann", "who has no other owner is its own");
    cr_assert_eq(identity->roles, BELT_MAY_CLIENT);
    cr_assert_eq(identity->expires_at, 0);
    cr_assert_eq(memcmp(identity->credential, a, sizeof(a)), 0);
    identity = &keyring_named(keyring, "node-7")->identity;
    cr_assert_str_eq(identity->owner, "ann");
    cr_assert_eq(identity->roles, BELT_MAY_CLIENT | BELT_MAY_WORKER);
    cr_assert_eq(identity->expires_at, 1801434600000u);
    cr_assert_eq(identity->quotas.connections, 8);
    cr_assert_eq(identity->quotas.jobs, 100);
    cr_assert_eq(identity->quotas.waiting_bytes, 64u << 20);
    cr_assert_eq(identity->quotas.kept_bytes, 3);
    const struct keyring_key *token = keyring_find(keyring, c);
    cr_assert(token->token);
    cr_assert_eq(token->identity.roles, 0, "a token may do nothing itself");
    cr_assert_eq(token->grants, BELT_MAY_WORKER);
    cr_assert_eq(token->uses, 20);
    cr_assert_null(keyring_find(keyring, (const uint8_t[BELT_KEY_BYTES]){0}));
    cr_assert_null(keyring_named(keyring, "bob"));
    keyring_free(keyring);
}

Test(keyring, a_faulty_line_allows_nothing_and_harms_no_other)
{
    static const char *const faulty[][2] = {
        {KEY_A, "the key has no name"},
        {KEY_A "x ann client", "does not begin with a key"},
        {KEY_A " -ann client", "the key has no name"},
        {KEY_A " ann", "a role is"},
        {KEY_A " ann boss", "a role is"},
        {KEY_A " ann client,", "a role is"},
        {KEY_A " ann client,join", "a role is"},
        {KEY_A " ann client jobs", "name=value"},
        {KEY_A " ann client jobs=", "not possible"},
        {KEY_A " ann client jobs=x", "not possible"},
        {KEY_A " ann client jobs=999999999999T", "not possible"},
        {KEY_A " ann client rights=all", "does not know"},
        {KEY_A " ann client jobs=1 jobs=2", "twice"},
        {KEY_A " ann client expires=tomorrow", "not possible"},
        {KEY_A " ann client expires=2027-02-29T00:00:00Z", "not possible"},
        {KEY_A " ann client expires=2027-01-31T24:00:00Z", "not possible"},
        {KEY_A " ann client expires=1970-01-01T00:00:00Z", "not possible"},
        {KEY_A " ann client uses=1", "are of a token"},
        {KEY_A " ann client grants=worker", "are of a token"},
        {KEY_A " ann join", "a token"},
        {KEY_A " ann join grants=worker uses=1", "a token"},
        {KEY_A " ann join grants=join uses=1 expires=2027-01-31T22:30:00Z", "not possible"},
        {KEY_A " ann join grants=worker uses=4294967296 expires=2027-01-31T22:30:00Z", "not possible"},
        {KEY_A " other client\n" KEY_A " ann client", "has a line already"},
        {KEY_B " ann client\n" KEY_C " ann client", "that of another key"},
    };
    char text[600];
    for (size_t i = 0; i < sizeof(faulty) / sizeof(*faulty); i++) {
        snprintf(text, sizeof(text), "%s\n%s last client\n", faulty[i][0],
                 i == sizeof(faulty) / sizeof(*faulty) - 1 ? KEY_A : KEY_B);
        struct keyring *keyring = read_text(text);
        cr_assert_eq(keyring->faults, 1, "%s", text);
        cr_assert_not_null(strstr(keyring->fault, faulty[i][1]), "%s: %s", text, keyring->fault);
        cr_assert_null(strstr(keyring->fault, KEY_A), "a fault need not show a key");
        cr_assert_not_null(keyring_named(keyring, "last"), "%s", text);
        keyring_free(keyring);
    }
}

Test(keyring, bounds_are_kept)
{
    char *text = malloc(KEYRING_LINE * 2);
    int len = sprintf(text, KEY_A " ann client ");
    memset(text + len, ' ', KEYRING_LINE);
    strcpy(text + KEYRING_LINE, "x");
    struct keyring *keyring = read_text(text);
    cr_assert_eq(keyring->count, 0);
    cr_assert_not_null(strstr(keyring->fault, "1024"));
    keyring_free(keyring);
    free(text);
}

Test(keyring, a_time_that_is_over_is_over)
{
    struct keyring *keyring = read_text(KEY_A " ann client expires=2027-01-31T22:30:00Z\n" KEY_B " bob client\n");
    const struct keyring_key *ann = keyring_find(keyring, a);
    cr_assert(keyring_lives(ann, 1801434599999u));
    cr_assert_not(keyring_lives(ann, 1801434600000u));
    cr_assert(keyring_lives(keyring_find(keyring, b), UINT64_MAX));
    keyring_free(keyring);
}

Test(keyring, every_second_has_one_text)
{
    char text[24];
    uint64_t ms;
    for (uint64_t second = 0; second < 253402300800u; second += 86399u * 37u) {
        keyring_time_write(second * 1000u, text);
        cr_assert(keyring_time_read(text, strlen(text), &ms), "%s", text);
        cr_assert_eq(ms, second * 1000u, "%s", text);
    }
    keyring_time_write(951782400000u, text);
    cr_assert_str_eq(text, "2000-02-29T00:00:00Z");
    keyring_time_write(UINT64_MAX, text);
    cr_assert_str_eq(text, "9999-12-31T23:59:59Z");
}

Test(keyring, what_is_written_is_read_again)
{
    static const char *const lines[] = {
        KEY_A " ann client\n",
        KEY_A " node worker,observer owner=ann expires=2027-01-31T22:30:00Z connections=8 kept-bytes=3 by=spring\n",
        KEY_A " spring join grants=client,worker uses=20 owner=lab expires=2026-12-01T00:00:00Z\n",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        char out[KEYRING_LINE + 1];
        struct keyring *keyring = read_text(lines[i]);
        cr_assert_eq(keyring->faults, 0, "%s", keyring->fault);
        cr_assert_eq(keyring_line(keyring_find(keyring, a), out, sizeof(out)), strlen(lines[i]));
        cr_assert_str_eq(out, lines[i]);
        keyring_free(keyring);
    }
}

static void edited(const char *text, uint32_t number, const char *line, const char *expected)
{
    size_t len = 0;
    char *got = keyring_edit(text, strlen(text), number, line, &len);
    cr_assert_str_eq(got, expected);
    cr_assert_eq(len, strlen(expected));
    free(got);
}

Test(keyring, an_edit_leaves_all_else_as_it_is)
{
    edited("", 0, "x\n", "x\n");
    edited("# mine\n\na\nb", 0, "x\n", "# mine\n\na\nb\nx\n");
    edited("# mine\n\na\nb", 3, "x\n", "# mine\n\nx\nb");
    edited("# mine\n\na\nb", 4, "x\n", "# mine\n\na\nx\n");
    edited("# mine\n\na\nb\n", 3, NULL, "# mine\n\nb\n");
    edited("a\nb", 2, NULL, "a\n");
}

/* ---- joining ---- */

#define TOKEN   KEY_C " spring join grants=worker,client uses=1 expires=2026-12-01T00:00:00Z connections=4\n"
#define IN_TIME UINT64_C(1796083199999)

static struct keyring_key token, joined;

static enum keyring_answer join(const char *text, const uint8_t *sender, uint64_t wall, const uint8_t *key)
{
    struct keyring *keyring = read_text(text);
    cr_assert_eq(keyring->faults, 0, "%s", keyring->fault);
    enum keyring_answer answer = keyring_join(keyring, sender, wall, "node", key, &token, &joined);
    keyring_free(keyring);
    return answer;
}

Test(keyring, a_token_lets_a_key_in)
{
    cr_assert_eq(join(TOKEN, c, IN_TIME, a), KEYRING_ADDED);
    cr_assert_eq(token.uses, 0);
    cr_assert_eq(token.line, 1);
    cr_assert_str_eq(joined.identity.name, "node");
    cr_assert_str_eq(joined.identity.owner, "spring", "whose jobs it sees is not for the peer to choose");
    cr_assert_str_eq(joined.by, "spring");
    cr_assert_eq(joined.identity.roles, BELT_MAY_WORKER | BELT_MAY_CLIENT);
    cr_assert_eq(joined.identity.quotas.connections, 4);
    cr_assert_eq(joined.identity.expires_at, 0, "the token's end is that of the token");
    cr_assert_eq(memcmp(joined.identity.credential, a, sizeof(a)), 0);
    cr_assert_not(joined.token);
    cr_assert_eq(join(KEY_C " t join grants=client uses=1 expires=2026-12-01T00:00:00Z owner=lab\n" KEY_B
                            " node worker\n",
                      c, IN_TIME, a),
                 KEYRING_ADDED);
    cr_assert_str_eq(joined.identity.name, "node-2", "the wished name is taken");
    cr_assert_str_eq(joined.identity.owner, "lab");
}

Test(keyring, a_join_that_is_sent_again_is_no_other)
{
    const char *text =
        KEY_C " spring join grants=worker uses=0 expires=2026-12-01T00:00:00Z\n" KEY_A " node worker by=spring\n";
    cr_assert_eq(join(text, c, IN_TIME, a), KEYRING_KNOWN);
    cr_assert_str_eq(joined.identity.name, "node");
}

Test(keyring, a_join_is_refused)
{
    cr_assert_eq(join(TOKEN, b, IN_TIME, a), KEYRING_NO_TOKEN);
    cr_assert_eq(join(KEY_B " bob admin\n" TOKEN, b, IN_TIME, a), KEYRING_NO_TOKEN,
                 "an administrator's key is no token");
    cr_assert_eq(join(TOKEN, c, IN_TIME + 1, a), KEYRING_OVER);
    cr_assert_eq(join(KEY_A " ann admin\n" TOKEN, c, IN_TIME, a), KEYRING_TAKEN, "whose key it is stays");
    cr_assert_eq(join(TOKEN, c, IN_TIME, c), KEYRING_TAKEN, "a token does not become a peer");
    cr_assert_eq(join(KEY_C " spring join grants=worker uses=0 expires=2026-12-01T00:00:00Z\n", c, IN_TIME, a),
                 KEYRING_USED_UP);
}

/* ---- ZeroMQ's questions ---- */

Test(keyring, only_our_question_has_a_key)
{
    const struct zap_frame good[ZAP_FRAMES + 1] = {{"1.0", 3}, {"7", 1},     {"belt", 4}, {"127.0.0.1", 9},
                                                   {"", 0},    {"CURVE", 5}, {a, 32},     {"", 0}};
    uint8_t key[BELT_KEY_BYTES] = {0};
    cr_assert_eq(zap_question(good, ZAP_FRAMES, key), ZAP_KEY);
    cr_assert_eq(memcmp(key, a, sizeof(a)), 0);
    for (size_t count = 0; count <= ZAP_FRAMES + 1; count++)
        cr_assert_eq(zap_question(good, count, key), count == ZAP_FRAMES ? ZAP_KEY : ZAP_NO, "%zu frames", count);
    static const struct zap_frame wrong[] = {{"", 0},     {"1.1", 3},   {"beltx", 5},
                                             {"NULL", 4}, {"PLAIN", 5}, {"curve", 5}};
    static const size_t asked[] = {0, 2, 5, 6};
    for (size_t i = 0; i < sizeof(asked) / sizeof(*asked); i++)
        for (size_t k = 0; k < sizeof(wrong) / sizeof(*wrong); k++) {
            struct zap_frame frames[ZAP_FRAMES];
            memcpy(frames, good, sizeof(frames));
            frames[asked[i]] = wrong[k];
            cr_assert_eq(zap_question(frames, ZAP_FRAMES, key), ZAP_NO, "frame %zu is %s", asked[i],
                         (const char *)wrong[k].data);
        }
}

Test(keyring, a_process_of_this_machine_needs_no_key)
{
    const struct zap_frame good[] = {{"1.0", 3}, {"7", 1},   {"belt-local", 10}, {"localhost:0:0:17", 16},
                                     {"", 0},    {"NULL", 4}};
    static const struct zap_frame wrong[] = {{"", 0}, {"127.0.0.1", 9}, {"belt", 4}, {"CURVE", 5}, {"localhost", 9}};
    static const size_t asked[] = {0, 2, 3, 5};
    uint8_t key[BELT_KEY_BYTES];
    cr_assert_eq(zap_question(good, 6, key), ZAP_LOCAL);
    for (size_t i = 0; i < sizeof(asked) / sizeof(*asked); i++)
        for (size_t k = 0; k < sizeof(wrong) / sizeof(*wrong); k++) {
            struct zap_frame frames[6];
            memcpy(frames, good, sizeof(frames));
            frames[asked[i]] = wrong[k];
            cr_assert_eq(zap_question(frames, 6, key), ZAP_NO, "frame %zu", asked[i]);
        }
}
