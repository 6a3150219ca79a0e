/* SPDX-License-Identifier: Apache-2.0
 *
 * `belt keys`: the verbs that look at the allow-list or take keys out of it. Those that make keys are in keys_make.c.
 */
#include "cli/keys.h"

#include "cli/admin.h"
#include "cli/exit.h"
#include "cli/grid.h"
#include "cli/run.h"
#include "cli/say.h"
#include "cli/show_json.h"

#include "proto/access_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define ROLES_TEXT 64
/* So much of a key tells it from others. */
#define KEY_SHOWN 12

static uint64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (uint64_t)ts.tv_sec * 1000u + (uint64_t)ts.tv_nsec / 1000000u;
}

static int find_directory(const struct keys_values *values, char directory[PATH_MAX])
{
    char path[PATH_MAX];

    if (!keys_directory(values->state, false, directory, PATH_MAX)) {
        say("there is no HOME that could hold keys: name the broker's state directory with --state DIR");
        return EXIT_USAGE;
    }
    if (snprintf(path, sizeof(path), "%s/key", directory) < (int)sizeof(path) && access(path, F_OK) == 0)
        return EXIT_OK;
    say("there are no keys in %s (%s): make them with 'belt keys init', or name the state directory of their broker "
        "with "
        "--state DIR",
        directory, strerror(errno));
    return EXIT_IO;
}

int keys_list_open(const struct keys_values *values, struct keys_list *list)
{
    int rc, err;

    *list = (struct keys_list){.lock = -1};
    rc = find_directory(values, list->directory);
    if (rc)
        return rc;
    list->lock = keys_lock(list->directory);
    err = list->lock < 0 ? errno : keys_read_list(list->directory, &list->text, &list->len);
    if (err == ENOENT) { /* of keys that nobody was let in by */
        list->text = strdup("");
        err = list->text ? 0 : ENOMEM;
    }
    if (!err && !(list->keyring = keyring_read(list->text, list->len)))
        err = ENOMEM;
    if (err) {
        say("the list of keys %s/peers: %s%s", list->directory, strerror(err),
            err == EPERM ? ": others can read or write it, chmod 600 it" : "");
        keys_list_close(list);
        return EXIT_IO;
    }
    if (list->keyring->faults)
        say("%u lines of %s/peers allow nothing: %s", (unsigned)list->keyring->faults, list->directory,
            list->keyring->fault);
    return EXIT_OK;
}

int keys_list_edit(struct keys_list *list, uint32_t number, const char *line)
{
    size_t len = 0;
    char *text = keyring_edit(list->text, list->len, number, line, &len);
    int err = text ? keys_write_list(list->directory, text, len) : ENOMEM;

    if (err) {
        say("the list of keys %s/peers cannot be written: %s", list->directory, strerror(err));
        belt_secret_free(text, len);
        return EXIT_IO;
    }
    belt_secret_free(list->text, list->len);
    keyring_free(list->keyring);
    list->text = text;
    list->len = len;
    list->keyring = keyring_read(text, len);
    if (list->keyring)
        return EXIT_OK;
    say("out of memory");
    return EXIT_INTERNAL;
}

void keys_list_close(struct keys_list *list)
{
    belt_secret_free(list->text, list->len);
    keyring_free(list->keyring);
    if (list->lock >= 0)
        close(list->lock);
    *list = (struct keys_list){.lock = -1};
}

/* ---- list ---- */

static const char *state_of(const struct keyring_key *key)
{
    if (!keyring_lives(key, now_ms()))
        return "over";
    return key->token && key->uses == 0 ? "used up" : key->token ? "token" : "ok";
}

static void list_row(struct grid *grid, const struct keyring_key *key)
{
    char roles[ROLES_TEXT], text[BELT_KEY_TEXT], expires[24] = "", uses[16] = "";
    bool over = strcmp(state_of(key), "ok") != 0 && strcmp(state_of(key), "token") != 0;

    keyring_roles_write(key->token ? key->grants : key->identity.roles, roles, sizeof(roles));
    belt_key_write(text, key->identity.credential);
    text[KEY_SHOWN] = '\0';
    if (key->identity.expires_at)
        keyring_time_write(key->identity.expires_at, expires);
    if (key->token)
        snprintf(uses, sizeof(uses), "%u", (unsigned)key->uses);
    grid_add(grid, key->identity.name, GRID_BOLD);
    grid_add(grid, state_of(key), over ? GRID_RED : key->token ? GRID_YELLOW : GRID_GREEN);
    grid_add(grid, roles, GRID_PLAIN);
    grid_add(grid, key->identity.owner, GRID_PLAIN);
    grid_add(grid, expires, GRID_PLAIN);
    grid_add(grid, uses, GRID_PLAIN);
    grid_add(grid, key->by, GRID_PLAIN);
    grid_add(grid, text, GRID_DIM);
}

static void list_text(const struct keyring *keyring, struct bytes *out)
{
    static const char *const heads[] = {"<NAME", "<STATE", "<ROLE", "<OWNER", "<EXPIRES", "USES", "<BY", "<KEY"};
    struct grid grid;

    grid_init(&grid, heads, sizeof(heads) / sizeof(*heads));
    for (const struct keyring_key *key = keyring->by_key; key; key = key->by_key.next)
        list_row(&grid, key);
    grid_write(&grid, admin_colours(), out);
    out->failed |= grid.failed;
    grid_free(&grid);
}

static void list_json(const struct keyring *keyring, struct bytes *out)
{
    json_t *object = show_json_object("belt.keys/1"), *rows = json_array();

    for (const struct keyring_key *key = keyring->by_key; key; key = key->by_key.next) {
        json_t *row = json_object();
        char roles[ROLES_TEXT], text[BELT_KEY_TEXT], expires[24];
        keyring_roles_write(key->token ? key->grants : key->identity.roles, roles, sizeof(roles));
        belt_key_write(text, key->identity.credential);
        keyring_time_write(key->identity.expires_at, expires);
        json_object_set_new(row, "name", json_string(key->identity.name));
        json_object_set_new(row, "state", json_string(state_of(key)));
        json_object_set_new(row, "token", json_boolean(key->token));
        json_object_set_new(row, "role", json_string(roles));
        json_object_set_new(row, "owner", json_string(key->identity.owner));
        json_object_set_new(row, "expires", key->identity.expires_at ? json_string(expires) : json_null());
        if (key->token)
            json_object_set_new(row, "uses", json_integer(key->uses));
        json_object_set_new(row, "by", *key->by ? json_string(key->by) : json_null());
        json_object_set_new(row, "public", json_string(text));
        json_array_append_new(rows, row);
    }
    json_object_set_new(object, "keys", rows);
    show_json_write(object, out);
}

static int keys_list(const struct options *options)
{
    const struct keys_values *values = options->values;
    struct keys_list list;
    struct bytes out = {0};
    int rc = keys_list_open(values, &list);

    if (rc)
        return rc;
    if (values->json)
        list_json(list.keyring, &out);
    else
        list_text(list.keyring, &out);
    rc = admin_print(&out);
    bytes_free(&out);
    keys_list_close(&list);
    return rc;
}

/* ---- revoke ---- */

static int revoke_one(struct keys_list *list, const char *name)
{
    const struct keyring_key *key = keyring_named(list->keyring, name);
    bool token = key && key->token;
    int rc;

    if (!key) {
        say("there is no key '%s' in %s/peers; 'belt keys list' shows them", name, list->directory);
        return EXIT_REFUSED;
    }
    rc = keys_list_edit(list, key->line, NULL);
    if (!rc)
        printf("%s is revoked%s\n", name, token ? ", and lets nobody in any more" : "");
    return rc;
}

static int keys_revoke(const struct options *options)
{
    struct admin_outcome outcome = {0};
    struct keys_list list;
    int rc;

    if (options->word_count < 2)
        return admin_usage(options, "say whose key: belt keys revoke NAME…");
    rc = keys_list_open(options->values, &list);
    if (rc)
        return rc;
    for (uint32_t i = 1; i < options->word_count; i++)
        admin_count(&outcome, revoke_one(&list, options->words[i]));
    keys_list_close(&list);
    return admin_outcome(&outcome);
}

/* ---- all ---- */

static const struct {
    const char *name;
    int (*run)(const struct options *options);
    uint32_t words; /* that may follow; UINT32_MAX: any number */
} verbs[] = {
    {"init", keys_init, 0},
    {"new", keys_new, 1},
    {"token", keys_token, 1},
    {"list", keys_list, 0},
    {"revoke", keys_revoke, UINT32_MAX},
};

int run_keys(const struct options *options)
{
    const char *verb = options->word_count ? options->words[0] : "";

    if (options->dashes || options->colons)
        return admin_usage(options, "'keys' takes no command");
    prctl(PR_SET_DUMPABLE, 0); /* a core dump would hold secret keys */
    for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
        if (!strcmp(verbs[i].name, verb))
            return options->word_count - 1 <= verbs[i].words ? verbs[i].run(options)
                                                             : admin_usage(options, "there is a word too many");
    return admin_usage(options, "say one of init, new, token, list, revoke");
}
