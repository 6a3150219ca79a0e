/* SPDX-License-Identifier: Apache-2.0
 *
 * The options of `belt keys`. Pure data.
 */
#include "cli/option_rows.h"

/* clang-format off */

#define KEYS(field) .offset = offsetof(struct keys_values, field)

static const struct option_def keys_options[] = {
    {.name = "state", .letter = 's', .type = OPTION_TEXT, .scope = OPTION_GLOBAL, .arg = "DIR", KEYS(state), .complete = COMPLETE_FILE,
     .help = "The broker's state directory holds its keys (~/.config/belt, when it has none)."},
    {.name = "address", .type = OPTION_LIST, .arg = "ADDRESS", KEYS(address),
     .help = "init: others reach the broker by HOST, HOST:PORT or HOST:PORT,WORKERS-PORT (the host's name, 7878, 7879)."},
    {.name = "role", .type = OPTION_TEXT, .scope = OPTION_FLAG_ONLY, .arg = "ROLE", KEYS(role),
     .help = "What the key may do: client, worker, observer or admin, or several with commas (a token: worker)."},
    {.name = "owner", .type = OPTION_TEXT, .scope = OPTION_FLAG_ONLY, .arg = "NAME", KEYS(owner),
     .help = "Keys of one owner share jobs and quotas (the key's own name)."},
    {.name = "expires", .type = OPTION_DURATION, .scope = OPTION_FLAG_ONLY, .arg = "TIME", KEYS(expires),
     .help = "The key does nothing any more after TIME (0: it does for ever; a token: 1h)."},
    {.name = "uses", .type = OPTION_COUNT, .scope = OPTION_FLAG_ONLY, .arg = "N", KEYS(uses), .min = 1, .max = 65536,
     .help = "token: so many peers may join by it (1)."},
    {.name = "connections", .type = OPTION_COUNT, .scope = OPTION_FLAG_ONLY, .arg = "N", KEYS(connections),
     .help = "The owner may have N connections at a time (0: the broker's default)."},
    {.name = "jobs", .type = OPTION_COUNT, .scope = OPTION_FLAG_ONLY, .arg = "N", KEYS(jobs),
     .help = "The owner may have N jobs at a time (0: the broker's default)."},
    {.name = "waiting-bytes", .type = OPTION_SIZE, .scope = OPTION_FLAG_ONLY, .arg = "SIZE", KEYS(waiting_bytes),
     .help = "The owner's inputs that have no result yet may be SIZE (0: the broker's default)."},
    {.name = "kept-bytes", .type = OPTION_SIZE, .scope = OPTION_FLAG_ONLY, .arg = "SIZE", KEYS(kept_bytes),
     .help = "The owner's results that nobody has read may be SIZE (0: the broker's default)."},
    JSON_ROW(struct keys_values),
    CONFIG_ROW(struct keys_values),
    HELP_ROW(struct keys_values),
};

static void keys_defaults(void *memory)
{
    ((struct keys_values *)memory)->uses = 1;
}

const struct command commands_keys = {
    .name = "keys",
    .verbs = "init new token list revoke",
    .usage = "init [--state DIR] [--address ADDRESS]…\n"
             "       belt keys new NAME --role ROLE [OPTIONS] > NAME.access\n"
             "       belt keys token [NAME] [--role ROLE] [--uses N] [--expires TIME]\n"
             "       belt keys list | revoke NAME…",
    .summary = "Make, list and revoke the keys that let peers into a broker.",
    .details = "Run it where the broker runs, as its user. init makes the broker's key, and an access file for its administrator. new "
               "prints the access file of a peer, which puts it at ~/.config/belt/access (or names it with --access). token prints one "
               "word for 'belt worker --join'. list shows all keys, revoke takes some out. A running broker sees all of it within a "
               "second.",
    .options = keys_options,
    .option_count = COUNT_OF(keys_options),
    .values_size = sizeof(struct keys_values),
    .defaults = keys_defaults,
};
